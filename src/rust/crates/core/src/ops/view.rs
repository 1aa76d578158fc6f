//! A block as typed rows, and the checks of values that reducers share.

use crate::chain::LazyMatrix;
use crate::element::{DType, Data, Number, Value};
use crate::error::{Error, Result};
use crate::matrix::{Block, Positions, Storage};
use crate::memory;

/// A block of numbers of type `T`, read row by row.
pub(super) struct View<'a, T> {
    /// The matrix positions of the block's rows.
    pub(super) positions: &'a Positions,
    /// The number of columns of the matrix.
    pub(super) n_cols: usize,
    csr: Option<(&'a [usize], &'a [u32])>,
    values: &'a [T],
}

/// The values of one row: `(Some(columns), values)` for the stored entries of a sparse row; `(None,
/// values)` for a dense row, whose columns are `0..n_cols`.
pub(super) type RowOf<'a, T> = (Option<&'a [u32]>, &'a [T]);

impl<'a, T: Number> View<'a, T> {
    pub(super) fn new(block: &'a Block, values: &'a [T]) -> Self {
        let csr = match &block.storage {
            Storage::Csr { indptr, indices, .. } => Some((indptr.as_slice(), indices.as_slice())),
            Storage::Dense(_) => None,
        };
        View { positions: &block.positions, n_cols: block.n_cols, csr, values }
    }

    pub(super) fn n_rows(&self) -> usize {
        self.positions.len()
    }

    pub(super) fn row(&self, i: usize) -> RowOf<'a, T> {
        match self.csr {
            Some((indptr, indices)) => {
                let range = indptr[i]..indptr[i + 1];
                (Some(&indices[range.clone()]), &self.values[range])
            }
            None => (None, &self.values[i * self.n_cols..(i + 1) * self.n_cols]),
        }
    }
}

/// Runs `$body` with `$view` bound to a [`View`] of the block's values, f32 or f64.
macro_rules! with_view {
    ($block:expr, $view:ident => $body:expr) => {{
        let block = $block.into_float()?;
        let ($crate::matrix::Storage::Csr { data, .. } | $crate::matrix::Storage::Dense(data)) = &block.storage;
        let found = match data {
            $crate::element::Data::F32(values) => {
                let $view = $crate::ops::view::View::<f32>::new(&block, values);
                $body
            }
            $crate::element::Data::F64(values) => {
                let $view = $crate::ops::view::View::<f64>::new(&block, values);
                $body
            }
            other => Err($crate::error::Error::Internal(format!("a float block holds {}", other.dtype()))),
        };
        block.recycle();
        found
    }};
}
pub(super) use with_view;

/// Calls `f(column, value)` for every value that a row stores; a dense row stores all of them.
#[inline(always)]
pub(super) fn for_each_value<T: Number>(row: RowOf<'_, T>, mut f: impl FnMut(usize, f64)) {
    match row {
        (Some(columns), values) => columns.iter().zip(values).for_each(|(&c, &x)| f(c as usize, x.to_f64())),
        (None, values) => values.iter().enumerate().for_each(|(c, &x)| f(c, x.to_f64())),
    }
}

/// The domain of the values of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Domain {
    /// Any finite value.
    Finite,
    /// Finite and not negative.
    NonNegative,
}

/// The check of values. Its error names the operation and the matrix.
pub(super) struct Check {
    element: String,
    operation: &'static str,
    domain: Domain,
    expected: &'static str,
}

impl Check {
    /// Makes the check that values are finite.
    pub(super) fn finite(x: &LazyMatrix, operation: &'static str) -> Self {
        Check { element: x.name(), operation, domain: Domain::Finite, expected: "finite values" }
    }

    /// Makes the check of raw counts: finite and not negative.
    pub(super) fn counts(x: &LazyMatrix, operation: &'static str) -> Self {
        let expected = "non-negative finite counts";
        Check { element: x.name(), operation, domain: Domain::NonNegative, expected }
    }

    /// Makes the check of logarithmised values that are not centred: finite and not negative.
    pub(super) fn log_values(x: &LazyMatrix, operation: &'static str) -> Self {
        let expected = "non-negative finite values (logarithmised, not scaled)";
        Check { element: x.name(), operation, domain: Domain::NonNegative, expected }
    }

    /// Checks that all values of row `i` of the block are in the domain.
    #[inline]
    pub(super) fn row<T: Number>(&self, view: &View<'_, T>, i: usize) -> Result<()> {
        let (columns, values) = view.row(i);
        let ok = |x: f64| x.is_finite() && (self.domain == Domain::Finite || x >= 0.0);
        // Values are compared in their own width, which is half the work for f32.
        let (low, high) = match (self.domain, T::DTYPE) {
            (Domain::NonNegative, DType::F32) => (0.0, f64::from(f32::MAX)),
            (Domain::NonNegative, _) => (0.0, f64::MAX),
            (Domain::Finite, DType::F32) => (f64::from(f32::MIN), f64::from(f32::MAX)),
            (Domain::Finite, _) => (f64::MIN, f64::MAX),
        };
        let (low, high) = (T::from_f64(low), T::from_f64(high));
        let bad = values.iter().fold(false, |bad, x| bad | !(*x >= low && *x <= high));
        if !bad {
            return Ok(());
        }
        let k = values.iter().position(|x| !ok(x.to_f64())).unwrap_or(0);
        Err(Error::Values {
            element: self.element.clone(),
            operation: self.operation,
            expected: self.expected,
            found: format!("{:?}", values[k]),
            row: view.positions.row(i),
            column: columns.map_or(k, |c| c[k] as usize),
        })
    }
}

impl Check {
    /// Checks that all values of a block of floats are in the domain.
    pub(super) fn block(&self, block: &Block) -> Result<()> {
        let (Storage::Csr { data, .. } | Storage::Dense(data)) = &block.storage;
        match data {
            Data::F32(v) => self.rows(&View::new(block, v)),
            Data::F64(v) => self.rows(&View::new(block, v)),
            other => Err(Error::Internal(format!("a float block holds {}", other.dtype()))),
        }
    }

    fn rows<T: Number>(&self, view: &View<'_, T>) -> Result<()> {
        (0..view.n_rows()).try_for_each(|i| self.row(view, i))
    }
}

/// Adds `from` onto `to`, entry by entry.
pub(super) fn add<S: Copy + std::ops::AddAssign>(to: &mut [S], from: &[S]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += *f);
}

/// Returns sums as a column in the dtype of numpy's sums: int64 or uint64 for integers, else the
/// float dtype of the matrix. `exact` are sums of integers that doubles cannot hold.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(super) fn sums_column(sums: &[f64], exact: Option<&Data>, dtype: DType) -> Result<Value> {
    if let Some(exact) = exact {
        return Ok(Value::vector(exact.copied(COLUMN)?));
    }
    let column = match dtype {
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => {
            Data::U64(memory::collected(sums.iter().map(|&x| x as u64), COLUMN)?)
        }
        DType::F32 | DType::F16 => return float_column(sums, true),
        DType::F64 => return float_column(sums, false),
        _ => Data::I64(memory::collected(sums.iter().map(|&x| x as i64), COLUMN)?),
    };
    Ok(Value::vector(column))
}

/// The name, in errors, of a column of results.
const COLUMN: &str = "a column";

/// Returns a float column, float32 when `single`.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(super) fn float_column(values: &[f64], single: bool) -> Result<Value> {
    if single {
        Ok(Value::vector(memory::collected(values.iter().map(|&x| x as f32), COLUMN)?))
    } else {
        Ok(Value::vector(memory::copied(values, COLUMN)?))
    }
}

/// Returns whether sums over `dtype` come as float32.
pub(super) fn single(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F16)
}
