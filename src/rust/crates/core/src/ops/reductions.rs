//! Reduces all values of a matrix to one number, or to a matrix of columns by columns.

use super::view::{add, for_each_value, with_view};
use crate::chain::LazyMatrix;
use crate::dtype::Number;
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::session::Session;
use crate::stream::{gives_sum, no_rows, reduce, Needs, Reducer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Sum, extremes and counts of all values of a matrix, including zeros that are not stored.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// The sum of the values that are not NaN.
    pub sum: f64,
    /// The least value that is not NaN; infinity without values.
    pub min: f64,
    /// The largest value that is not NaN; minus infinity without values.
    pub max: f64,
    /// The number of values that are not NaN.
    pub count: u64,
    /// The number of values that are NaN.
    pub nan: u64,
}

impl Totals {
    const NOTHING: Totals = Totals { sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, count: 0, nan: 0 };

    fn add(&mut self, x: f64) {
        if x.is_nan() {
            self.nan += 1;
            return;
        }
        self.sum += x;
        self.min = self.min.min(x);
        self.max = self.max.max(x);
        self.count += 1;
    }

    fn merge(&mut self, other: &Totals) {
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.nan += other.nan;
    }
}

/// Computes sum, least and largest value in one pass, in f64.
///
/// # Errors
/// The errors of the pass.
pub fn totals(x: &LazyMatrix, session: &Session) -> Result<Totals> {
    reduce(x, &All, session)
}

#[derive(Serialize)]
struct All;

impl Reducer for All {
    const NAME: &'static str = "sum and extremes of all values";
    const NEEDS: Needs = Needs::FILE;
    gives_sum!(Totals, |all, next| all.merge(&next));

    fn map(&self, block: Block) -> Result<(Totals, ())> {
        let mut part = Totals::NOTHING;
        with_view!(block, view => {
            let mut stored = 0;
            for i in 0..view.n_rows() {
                let row = view.row(i);
                stored += row.1.len();
                for_each_value(row, |_, x| part.add(x));
            }
            let zeros = view.n_rows() * view.n_cols - stored;
            if zeros > 0 {
                part.merge(&Totals { sum: 0.0, min: 0.0, max: 0.0, count: zeros as u64, nan: 0 });
            }
            Ok((part, ()))
        })
    }

    fn state(&self) -> Result<Totals> {
        Ok(Totals::NOTHING)
    }
}

/// The number of rows of a cross product that one thread fills at a time.
const STRIPE: usize = 64;

/// Returns `x' x` in f64, `p x p` for the `p` columns of `x`, in one pass. A zero that is not
/// stored adds nothing, even where it meets NaN or infinity. Every sum is in the order of the rows
/// in the file.
///
/// # Errors
/// [`Error::Memory`] when there is no room for the product; the errors of the pass.
pub fn cross_product(x: &LazyMatrix, session: &Session) -> Result<Vec<f64>> {
    reduce(x, &CrossProduct { p: x.shape().1, session, pool: session.pool()? }, session)
}

#[derive(Serialize)]
struct CrossProduct<'a> {
    p: usize,
    #[serde(skip)]
    session: &'a Session,
    #[serde(skip)]
    pool: Arc<rayon::ThreadPool>,
}

impl Reducer for CrossProduct<'_> {
    const NAME: &'static str = "products of all pairs of columns";
    const NEEDS: Needs = Needs::FILE.long();
    type Part = Block;
    type State = Vec<f64>;
    no_rows!();
    type Output = Vec<f64>;

    fn map(&self, block: Block) -> Result<(Block, ())> {
        Ok((block, ()))
    }

    fn state(&self) -> Result<Vec<f64>> {
        let p = self.p;
        let room = || Error::Memory {
            what: format!("the cross product of {p} columns"),
            needed: (p as u64).saturating_mul(p as u64).saturating_mul(8),
            limit: isize::MAX as u64,
            hint: "; select fewer columns".to_owned(),
        };
        let mut product: Vec<f64> = Vec::new();
        product.try_reserve_exact(p.checked_mul(p).ok_or_else(room)?).map_err(|_| room())?;
        product.resize(p * p, 0.0);
        Ok(product)
    }

    fn fold(&self, product: &mut Vec<f64>, block: Block) -> Result<()> {
        let p = self.p;
        with_view!(block, view => {
            self.pool.install(|| {
                product.par_chunks_mut(STRIPE * p.max(1)).enumerate().try_for_each(|(stripe, to)| {
                    self.session.monitor.check()?;
                    let first = stripe * STRIPE;
                    let last = first + to.len() / p;
                    for i in 0..view.n_rows() {
                        let (columns, values) = view.row(i);
                        // Columns ascend. Only the part right of the diagonal is added up.
                        let range = columns.map_or(first..last, |c| {
                            c.partition_point(|&c| (c as usize) < first)..c.partition_point(|&c| (c as usize) < last)
                        });
                        for k in range {
                            let at = columns.map_or(k, |c| c[k] as usize);
                            let row = &mut to[(at - first) * p..][..p];
                            let value = values[k].to_f64();
                            for_each_value((columns.map(|c| &c[k..]), &values[k..]), |c, x| {
                                row[if columns.is_some() { c } else { k + c }] += value * x;
                            });
                        }
                    }
                    Ok(())
                })
            })
        })
    }

    fn merge(&self, product: &mut Vec<f64>, next: Vec<f64>) -> Result<()> {
        add(product, &next);
        Ok(())
    }

    fn finish(&self, mut product: Vec<f64>, (): ()) -> Result<Vec<f64>> {
        let p = self.p;
        for i in 0..p {
            for j in 0..i {
                product[i * p + j] = product[j * p + i];
            }
        }
        Ok(product)
    }
}
