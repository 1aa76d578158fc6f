//! Removes the part of the values that covariates explain (`scanpy.pp.regress_out`): one pass for
//! the least-squares coefficients, then lazy.
//!
//! The covariates are made orthonormal first. The coefficients of every gene are then plain
//! products with its values: no system is solved, covariates that depend on others drop out, and a
//! sparse row costs its stored values. The intercept is the mean itself, so that a gene without
//! variation leaves exactly 0.

use super::columns::Columns;
use super::design::orthonormal_rows;
use super::moments::Moments;
use super::view::{add, for_each_value, with_view, Check};
use crate::chain::nodes::{Covariates, RegressOut};
use crate::chain::LazyMatrix;
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::session::Session;
use crate::stream::{adds_up, no_rows, reduce, Needs, Reducer};
use serde::{Deserialize, Serialize};

/// The variables to regress on, one value a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Regressors {
    /// Named columns of numbers; an intercept is added.
    Numbers(Vec<(String, Vec<f64>)>),
    /// The group of each cell: from every gene its mean in the group is subtracted.
    Groups {
        /// The name of the column.
        name: String,
        /// The group of each cell.
        codes: Vec<u32>,
        /// The number of groups.
        n_groups: usize,
    },
}

/// Subtracts from each gene its least-squares fit on `by` and an intercept. The operation is
/// recorded after one pass, and the result is dense when it is read. Where covariates depend on
/// each other, residuals are the same for every least-squares solution.
///
/// # Errors
/// [`Error::Shape`] unless there is one value a cell; [`Error::Parameter`] for covariates that are
/// not finite; [`Error::Values`] for NaN or infinite values of the matrix.
pub fn regress_out(x: &LazyMatrix, by: &Regressors, session: &Session) -> Result<LazyMatrix> {
    let n = x.shape().0;
    let (covariates, width, keys): (_, _, Vec<String>) = match by {
        Regressors::Numbers(columns) => {
            let (rows, width) = orthonormal_rows("keys", n, columns)?;
            (Covariates::Numbers(rows.into()), width, columns.iter().map(|(name, _)| name.clone()).collect())
        }
        Regressors::Groups { name, codes, n_groups } => {
            if codes.len() != n {
                return Err(Error::shape("keys, one value per cell", n, codes.len()));
            }
            if let Some(&g) = codes.iter().find(|&&g| g as usize >= *n_groups) {
                return Err(Error::Index { axis: "groups", index: i64::from(g), len: *n_groups });
            }
            (Covariates::Groups(memory::copied(codes, "groups of the cells")?.into()), *n_groups, vec![name.clone()])
        }
    };
    let coefficients = match &covariates {
        Covariates::Numbers(rows) => of_numbers(x, rows, width, session)?,
        Covariates::Groups(codes) => of_groups(x, codes, width, session)?,
    };
    x.with(RegressOut { covariates, coefficients: coefficients.into(), width, keys: keys.into() })
}

/// Returns the mean of every gene and its products with the other columns of `rows`, `n_vars x
/// width`. The products of a gene without variation are 0.
fn of_numbers(x: &LazyMatrix, rows: &[f64], width: usize, session: &Session) -> Result<Vec<f64>> {
    let n_cols = x.shape().1;
    let check = Check::finite(x, "regress_out");
    let size = memory::count(&[n_cols, width], PRODUCTS)?;
    reduce(x, &Products { n_cols, size, rows, width, check }, session)
}

const PRODUCTS: &str = "regress_out: products of every gene with every covariate";

#[derive(Serialize)]
struct Products<'a> {
    n_cols: usize,
    size: usize,
    rows: &'a [f64],
    width: usize,
    #[serde(skip)]
    check: Check,
}

impl Reducer for Products<'_> {
    const NAME: &'static str = PRODUCTS;
    const NEEDS: Needs = Needs::KEEPS;
    type Output = Vec<f64>;
    adds_up!((Vec<f64>, Moments), |state, next| {
        add(&mut state.0, &next.0);
        state.1.merge(&next.1);
    });
    no_rows!();

    fn map(&self, block: Block) -> Result<((Vec<f64>, Moments), ())> {
        let Products { n_cols, rows, width, .. } = *self;
        let mut part = memory::zeros::<f64>(self.size, PRODUCTS)?;
        let moments = with_view!(block, view => {
            let mut columns = Columns::new(view.n_rows(), n_cols, PRODUCTS);
            for i in 0..view.n_rows() {
                self.check.row(&view, i)?;
                columns.add(view.row(i))?;
                let row = &rows[view.positions.row(i) * width + 1..][..width - 1];
                for_each_value(view.row(i), |c, x| {
                    part[c * width + 1..][..width - 1].iter_mut().zip(row).for_each(|(p, q)| *p += q * x);
                });
            }
            columns.moments((0..view.n_rows()).map(|i| view.row(i)))
        })?;
        Ok(((part, moments), ()))
    }

    fn state(&self) -> Result<(Vec<f64>, Moments)> {
        Ok((memory::zeros(self.size, PRODUCTS)?, Moments::new(self.n_cols)))
    }

    fn finish(&self, (mut all, moments): (Vec<f64>, Moments), (): ()) -> Result<Vec<f64>> {
        let (mean, m2) = moments.vectors();
        for (row, (&mean, &m2)) in all.chunks_exact_mut(self.width).zip(mean.iter().zip(&m2)) {
            if m2 == 0.0 {
                row.fill(0.0);
            }
            row[0] = mean;
        }
        Ok(all)
    }
}

/// The values of a gene in a group: their number, the first, and the sum of the differences of all
/// to the first.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Level {
    n: f64,
    first: f64,
    above: f64,
}

impl Level {
    #[inline(always)]
    fn add(&mut self, x: f64) {
        if self.n == 0.0 {
            self.first = x;
        }
        self.n += 1.0;
        self.above += x - self.first;
    }

    fn merge(&mut self, other: &Level) {
        if self.n == 0.0 {
            *self = *other;
        } else if other.n > 0.0 {
            self.n += other.n;
            self.above += other.above + other.n * (other.first - self.first);
        }
    }

    /// Returns the mean of `size` values, those not added being 0. It is exact where all are equal.
    fn mean(&self, size: f64) -> f64 {
        if self.n == 0.0 {
            0.0
        } else {
            self.first * (self.n / size) + self.above / size
        }
    }
}

/// Returns the mean of every gene in every group, `n_vars x width`.
fn of_groups(x: &LazyMatrix, codes: &[u32], width: usize, session: &Session) -> Result<Vec<f64>> {
    let check = Check::finite(x, "regress_out");
    let size = memory::count(&[x.shape().1, width], MEANS)?;
    reduce(x, &GroupMeans { size, codes, width, check }, session)
}

const MEANS: &str = "regress_out: means of every gene in every group";

#[derive(Serialize)]
struct GroupMeans<'a> {
    size: usize,
    codes: &'a [u32],
    width: usize,
    #[serde(skip)]
    check: Check,
}

impl Reducer for GroupMeans<'_> {
    const NAME: &'static str = MEANS;
    const NEEDS: Needs = Needs::KEEPS;
    type Output = Vec<f64>;
    adds_up!(Vec<Level>, |all, next| all.iter_mut().zip(&next).for_each(|(a, n)| a.merge(n)));
    no_rows!();

    fn map(&self, block: Block) -> Result<(Vec<Level>, ())> {
        let mut part = self.state()?;
        with_view!(block, view => (0..view.n_rows()).try_for_each(|i| {
            self.check.row(&view, i)?;
            let group = self.codes[view.positions.row(i)] as usize;
            for_each_value(view.row(i), |c, x| part[c * self.width + group].add(x));
            Ok(())
        }))?;
        Ok((part, ()))
    }

    fn state(&self) -> Result<Vec<Level>> {
        memory::filled(self.size, Level::default(), MEANS)
    }

    fn finish(&self, all: Vec<Level>, (): ()) -> Result<Vec<f64>> {
        let mut sizes = vec![0.0_f64; self.width];
        self.codes.iter().for_each(|&g| sizes[g as usize] += 1.0);
        let rows = all.chunks(self.width.max(1));
        Ok(rows.flat_map(|row| row.iter().zip(&sizes).map(|(l, &size)| l.mean(size))).collect())
    }
}
