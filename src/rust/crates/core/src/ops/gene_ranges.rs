//! The range of every gene, and the number of cells above a threshold.

use super::view::{float_column, for_each_value, single, with_view};
use crate::chain::LazyMatrix;
use crate::element::{DType, Value};
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::patch::Patch;
use crate::session::Session;
use crate::stream::{gives_sum, reduce, Needs, Reducer};
use serde::{Deserialize, Serialize};

/// The name, in errors, of ranges.
const RANGES: &str = "gene_ranges: the range of every gene";

/// The result of [`gene_ranges`], one value a gene.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneRanges {
    /// The least value; NaN if a value is NaN, infinity without cells.
    pub min: Vec<f64>,
    /// The largest value; NaN if a value is NaN, minus infinity without cells.
    pub max: Vec<f64>,
    /// The number of cells whose value is above the threshold.
    pub n_above: Vec<i64>,
    dtype: DType,
}

impl GeneRanges {
    /// Returns `var["min_expression"]` and `var["max_expression"]`, float32 for float32 matrices
    /// and else float64, and `var["n_cells_above"]`, int64.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn patch(&self) -> Result<Patch> {
        let column = |name: &str, v: &[f64]| Ok((name.to_owned(), float_column(v, single(self.dtype))?));
        let above = ("n_cells_above".to_owned(), Value::vector(self.n_above.clone()));
        let var = vec![column("min_expression", &self.min)?, column("max_expression", &self.max)?, above];
        Ok(Patch { var, ..Patch::default() })
    }
}

/// Returns the least and largest value of every gene, and the number of cells above `threshold`, in
/// one pass. Zeros that are not stored count like any other value. NaN propagates, as in
/// `numpy.min` and `numpy.max`, and is above no threshold.
///
/// # Errors
/// [`Error::Parameter`] for a threshold that is NaN; the errors of the pass.
pub fn gene_ranges(x: &LazyMatrix, threshold: f64, session: &Session) -> Result<GeneRanges> {
    if threshold.is_nan() {
        return Err(Error::parameter("threshold", "a number", threshold));
    }
    let ranges = reduce(x, &Ranges { n_vars: x.shape().1, threshold }, session)?;
    Ok(GeneRanges {
        min: memory::collected(ranges.iter().map(|r| r.min), RANGES)?,
        max: memory::collected(ranges.iter().map(|r| r.max), RANGES)?,
        n_above: memory::collected(ranges.iter().map(|r| r.above as i64), RANGES)?,
        dtype: x.dtype(),
    })
}

/// The range of the values of one gene.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Range {
    min: f64,
    max: f64,
    above: u64,
    /// The number of values.
    n: u64,
}

impl Range {
    const NOTHING: Range = Range { min: f64::INFINITY, max: f64::NEG_INFINITY, above: 0, n: 0 };

    #[inline(always)]
    fn add(&mut self, x: f64, threshold: f64) {
        // Comparisons with NaN are false: a NaN that is there stays, and a new NaN is taken.
        self.min = if x >= self.min || self.min.is_nan() { self.min } else { x };
        self.max = if x <= self.max || self.max.is_nan() { self.max } else { x };
        self.above += u64::from(x > threshold);
        self.n += 1;
    }

    fn merge(&mut self, next: &Range) {
        let n = self.n + next.n;
        self.add(next.min, f64::INFINITY);
        self.add(next.max, f64::INFINITY);
        self.above += next.above;
        self.n = n;
    }
}

#[derive(Serialize)]
struct Ranges {
    n_vars: usize,
    threshold: f64,
}

impl Reducer for Ranges {
    const NAME: &'static str = RANGES;
    const NEEDS: Needs = Needs::FILE;
    gives_sum!(Vec<Range>, |all, next| all
        .iter_mut()
        .zip(&next)
        .filter(|(_, n)| n.n > 0)
        .for_each(|(a, n)| a.merge(n)));

    fn map(&self, block: Block) -> Result<(Vec<Range>, ())> {
        let mut part = self.state()?;
        with_view!(block, view => {
            (0..view.n_rows()).for_each(|i| for_each_value(view.row(i), |c, x| part[c].add(x, self.threshold)));
            let n = view.n_rows() as u64;
            for range in part.iter_mut().filter(|r| r.n < n) {
                let zeros = n - range.n;
                range.add(0.0, f64::INFINITY);
                range.above += if 0.0 > self.threshold { zeros } else { 0 };
                range.n = n;
            }
            Ok(())
        })?;
        Ok((part, ()))
    }

    fn state(&self) -> Result<Vec<Range>> {
        memory::filled(self.n_vars, Range::NOTHING, RANGES)
    }
}
