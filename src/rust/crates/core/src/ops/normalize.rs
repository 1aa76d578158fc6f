//! Transforms that need statistics of the data: they run a pass where they must and add an
//! operation to the chain.

use super::mean_var::mean_var;
use super::moments::Axis;
use super::view::{float_column, for_each_value, with_view, Check};
use crate::chain::{nodes, LazyMatrix};
use crate::element::{DType, Value};
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::patch::Patch;
use crate::session::Session;
use crate::stream::{no_rows, no_state, reduce, Needs, Reducer};
use serde::Serialize;

/// The parameters of [`normalize_total`], by scanpy's names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormalizeOptions {
    /// The total of each cell afterwards; `None` for the median total of the cells that have
    /// counts.
    pub target_sum: Option<f64>,
    /// Whether genes that hold more than `max_fraction` of the counts of any cell are left out of
    /// the totals.
    pub exclude_highly_expressed: bool,
    /// The share of the counts of a cell above which a gene is highly expressed.
    pub max_fraction: f64,
}

impl Default for NormalizeOptions {
    fn default() -> Self {
        NormalizeOptions { target_sum: None, exclude_highly_expressed: false, max_fraction: 0.05 }
    }
}

const COUNTS: &str = "counts of the cells";

/// The results of [`normalize_total`].
#[derive(Debug, Clone, PartialEq)]
pub struct Normalized {
    /// The counts of each cell, without highly expressed genes if these are excluded.
    pub counts_per_cell: Vec<f64>,
    /// The target used.
    pub target_sum: f64,
    /// The genes left out of the totals; `None` when none were looked for.
    pub highly_expressed: Option<Vec<bool>>,
    /// Whether scanpy keeps `norm_factor` as float32, which it does unless the matrix holds
    /// float64.
    pub single: bool,
}

impl Normalized {
    /// Returns scanpy's `norm_factor`, which `key_added` stores: the counts of each cell over the
    /// target sum.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn norm_factor(&self) -> Result<Vec<f64>> {
        memory::collected(self.counts_per_cell.iter().map(|c| c / self.target_sum), COUNTS)
    }

    /// Returns `norm_factor` as a column: float64 for float64 values and else float32, as in
    /// scanpy.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn norm_factor_column(&self) -> Result<Value> {
        float_column(&self.norm_factor()?, self.single)
    }

    /// Returns `norm_factor` as a column of obs named `key_added`; an empty patch without a name.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn patch(&self, key_added: Option<&str>) -> Result<Patch> {
        let column = |k: &str| Ok((k.to_owned(), self.norm_factor_column()?));
        Ok(Patch { obs: key_added.map(column).transpose()?.into_iter().collect(), ..Patch::default() })
    }
}

/// Scales each cell to the same total (`scanpy.pp.normalize_total`); cells without counts stay as
/// they are.
///
/// The default target is the median over cells with counts above 0, as in scanpy from 1.12 on.
/// Earlier versions included empty cells in the median of a CSR matrix and left them out for a
/// dense one.
///
/// # Errors
/// [`Error::Values`] for a negative, NaN or infinite value; [`Error::Parameter`] for a target sum
/// that is not positive or a fraction outside 0 to 1.
pub fn normalize_total(
    x: &LazyMatrix,
    options: &NormalizeOptions,
    session: &Session,
) -> Result<(LazyMatrix, Normalized)> {
    if let Some(t) = options.target_sum.filter(|t| !(t.is_finite() && *t > 0.0)) {
        return Err(Error::parameter("target_sum", "a positive number", t));
    }
    if !(0.0..=1.0).contains(&options.max_fraction) {
        return Err(Error::parameter("max_fraction", "a number from 0 to 1", options.max_fraction));
    }
    let share = options.exclude_highly_expressed.then_some(options.max_fraction);
    let (mut counts, high) = totals(x, share, None, session)?;
    if high.iter().any(|&h| h) {
        counts = totals(x, None, Some(&high), session)?.0;
    }
    let target_sum = match options.target_sum {
        Some(t) => t,
        None => {
            let with_counts = counts.iter().copied().filter(|&c| c > 0.0);
            median(memory::exactly(counts.len(), with_counts, COUNTS)?).unwrap_or(1.0)
        }
    };
    let divisors = counts.iter().map(|&c| if c > 0.0 { c / target_sum } else { 1.0 });
    let divisors = memory::collected(divisors, COUNTS)?.into();
    let out = x.with(nodes::Normalize { divisors, target_sum })?;
    let highly_expressed = options.exclude_highly_expressed.then_some(high);
    let single = out.dtype() == DType::F32;
    Ok((out, Normalized { counts_per_cell: counts, target_sum, highly_expressed, single }))
}

/// Returns the sums of the rows without the columns of `skip`, and whether each column exceeds
/// `share` of the sum of any row.
fn totals(
    x: &LazyMatrix,
    share: Option<f64>,
    skip: Option<&[bool]>,
    session: &Session,
) -> Result<(Vec<f64>, Vec<bool>)> {
    let (n_obs, n_vars) = x.shape();
    let check = Check::counts(x, "normalize_total");
    if let (None, None, Some(known)) = (share, skip, x.known_rows(session)) {
        return Ok((known.sums()?, memory::zeros(n_vars, COUNTS)?));
    }
    let (sums, high) = reduce(x, &CellTotals { n_obs, n_vars, share, skip, check }, session)?;
    if skip.is_none() {
        x.learn_rows(&sums, None, session);
    }
    Ok((sums, high))
}

/// Returns the [`Needs`] of each pass of [`normalize_total`], for the plan of `ops::explain`: none
/// where the totals are known.
pub(super) fn passes(x: &LazyMatrix, session: &Session) -> Vec<Needs> {
    if x.known_rows(session).is_some() {
        Vec::new()
    } else {
        vec![CellTotals::NEEDS]
    }
}

/// The [`Needs`] of the pass for the totals of cells, for the plan of `ops::explain`.
pub(super) const TOTALS: Needs = CellTotals::NEEDS;

/// The pass that gives the sums of the cells, and which genes exceed a share of any of them.
#[derive(Serialize)]
struct CellTotals<'a> {
    n_obs: usize,
    n_vars: usize,
    share: Option<f64>,
    skip: Option<&'a [bool]>,
    #[serde(skip)]
    check: Check,
}

impl Reducer for CellTotals<'_> {
    const NAME: &'static str = "counts of the cells";
    const NEEDS: Needs = Needs::FILE;
    /// The genes that exceed the share in a block.
    type Part = Vec<u32>;
    type Rows = Vec<f64>;
    type State = Vec<bool>;
    type Whole = Vec<f64>;
    type Output = (Vec<f64>, Vec<bool>);

    fn map(&self, block: Block) -> Result<(Vec<u32>, Vec<f64>)> {
        let mut exceeding = Vec::new();
        let sums = with_view!(block, view => (0..view.n_rows()).map(|i| {
            self.check.row(&view, i)?;
            let row = view.row(i);
            let mut sum = 0.0;
            for_each_value(row, |c, x| sum += if self.skip.is_some_and(|s| s[c]) { 0.0 } else { x });
            if let Some(share) = self.share {
                for_each_value(row, |c, x| if x > share * sum { exceeding.push(c as u32) });
            }
            Ok(sum)
        }).collect::<Result<Vec<f64>>>())?;
        Ok((exceeding, sums))
    }

    fn state(&self) -> Result<Vec<bool>> {
        memory::zeros(self.n_vars, COUNTS)
    }

    fn whole(&self) -> Result<Vec<f64>> {
        memory::zeros(self.n_obs, COUNTS)
    }

    fn fold(&self, high: &mut Vec<bool>, exceeding: Vec<u32>) -> Result<()> {
        exceeding.iter().for_each(|&c| high[c as usize] = true);
        Ok(())
    }

    fn merge(&self, high: &mut Vec<bool>, next: Vec<bool>) -> Result<()> {
        high.iter_mut().zip(next).for_each(|(h, n)| *h |= n);
        Ok(())
    }

    fn finish(&self, high: Vec<bool>, sums: Vec<f64>) -> Result<(Vec<f64>, Vec<bool>)> {
        Ok((sums, high))
    }
}

/// Returns the median; for an even number of values the mean of the middle two, `None` for none.
pub(super) fn median(mut v: Vec<f64>) -> Option<f64> {
    if v.is_empty() {
        return None;
    }
    v.sort_unstable_by(f64::total_cmp);
    let mid = v.len() / 2;
    Some(if v.len() % 2 == 1 { v[mid] } else { (v[mid - 1] + v[mid]) / 2.0 })
}

/// Records `ln(1 + x)`, or the logarithm to another base (`scanpy.pp.log1p`), without reading
/// values. `uns["log1p"]["base"]` notes the base.
///
/// Values are not checked: as in numpy, a value below -1 becomes NaN, and -1 becomes -inf. Verbs
/// that need finite values (highly variable genes, PCA) then refuse it by row and column.
///
/// # Errors
/// [`Error::Parameter`] for a base that is not positive or is 1.
pub fn log1p(x: &LazyMatrix, base: Option<f64>) -> Result<(LazyMatrix, Patch)> {
    if let Some(b) = base.filter(|b| !(b.is_finite() && *b > 0.0 && *b != 1.0)) {
        return Err(Error::parameter("base", "a positive number other than 1", b));
    }
    let value = base.map_or(Value::Null, Value::number);
    let uns = vec![("log1p".to_owned(), Value::Dict(vec![("base".to_owned(), value)]))];
    Ok((x.with(nodes::Log1p { base })?, Patch { uns, ..Patch::default() }))
}

/// The parameters of [`scale`], by scanpy's names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaleOptions {
    /// Whether the mean is subtracted. Without it zeros stay zero and the matrix sparse.
    pub zero_center: bool,
    /// The bound of values, which are clipped to `[-max_value, max_value]`; without centring only
    /// from above.
    pub max_value: Option<f64>,
}

impl Default for ScaleOptions {
    fn default() -> Self {
        ScaleOptions { zero_center: true, max_value: None }
    }
}

/// The results of [`scale`], one value a gene.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaled {
    /// The means before scaling.
    pub mean: Vec<f64>,
    /// The standard deviations before scaling (`n - 1`); 1 for a constant gene.
    pub std: Vec<f64>,
}

impl Scaled {
    /// Returns `var["mean"]` and `var["std"]`, float64.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn patch(&self) -> Result<Patch> {
        let column = |name: &str, v: &[f64]| Ok((name.to_owned(), float_column(v, false)?));
        Ok(Patch { var: vec![column("mean", &self.mean)?, column("std", &self.std)?], ..Patch::default() })
    }
}

/// Scales every gene to unit variance and, if asked, to mean zero (`scanpy.pp.scale`). The
/// operation is recorded after one pass for the moments.
///
/// # Errors
/// [`Error::Values`] for a NaN or infinite value; [`Error::Parameter`] for a `max_value` that is
/// not positive.
pub fn scale(x: &LazyMatrix, options: &ScaleOptions, session: &Session) -> Result<(LazyMatrix, Scaled)> {
    if let Some(m) = options.max_value.filter(|m| m.is_nan() || *m <= 0.0) {
        return Err(Error::parameter("max_value", "a positive number", m));
    }
    let moments = mean_var(x, Axis::Obs, usize::from(x.shape().0 > 1), session)?;
    Check::finite(x, "scale").nothing_but_finite(x, &moments.var, session)?;
    let std: Vec<f64> = moments.var.iter().map(|v| if *v > 0.0 { v.sqrt() } else { 1.0 }).collect();
    let node = nodes::Scale {
        mean: memory::copied(&moments.mean, "means of the genes")?.into(),
        std: memory::copied(&std, "deviations of the genes")?.into(),
        max_value: options.max_value,
        zero_center: options.zero_center,
    };
    Ok((x.with(node)?, Scaled { mean: moments.mean, std }))
}

impl Check {
    /// Refuses a matrix with column statistics that are not finite, with an error that names the
    /// value responsible.
    fn nothing_but_finite(&self, x: &LazyMatrix, statistics: &[f64], session: &Session) -> Result<()> {
        if x.shape().0 == 0 || statistics.iter().all(|v| v.is_finite()) {
            return Ok(());
        }
        reduce(x, &Look { check: self }, session)?;
        Err(Error::Numerical(
            "scale: the variance of a gene overflows; are the values of this size intended?".to_owned(),
        ))
    }
}

/// The pass that refuses a value outside its domain, by row and column.
#[derive(Serialize)]
struct Look<'a> {
    #[serde(skip)]
    check: &'a Check,
}

impl Reducer for Look<'_> {
    const NAME: &'static str = "a check of the values";
    const NEEDS: Needs = Needs::FILE;
    no_rows!();
    no_state!();
    type Output = ();

    fn map(&self, block: Block) -> Result<((), ())> {
        with_view!(block, view => (0..view.n_rows()).try_for_each(|i| self.check.row(&view, i)))?;
        Ok(((), ()))
    }

    fn finish(&self, (): (), (): ()) -> Result<()> {
        Ok(())
    }
}
