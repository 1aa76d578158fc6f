//! Sums over cells or genes.

use super::moments::Axis;
use super::view::{add, with_view, View};
use crate::chain::LazyMatrix;
use crate::element::{DType, Data, Number};
use crate::error::{Error, Result};
use crate::matrix::{Block, Storage};
use crate::memory::{self, Zero};
use crate::session::Session;
use crate::stream::{gives_rows, gives_sum, reduce, Needs, Reducer};
use serde::de::DeserializeOwned;
use serde::Serialize;
use std::marker::PhantomData;
use std::ops::AddAssign;

/// The name, in errors, of sums.
const SUMS: &str = "sums";

/// The sums of a matrix, exact where its values are whole numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Sums {
    /// Sums of floats, added up in f64.
    Floats(Vec<f64>),
    /// Sums of signed integers or of truth values.
    Signed(Vec<i128>),
    /// Sums of unsigned integers.
    Unsigned(Vec<i128>),
}

impl Sums {
    /// Converts the sums to numpy's dtype: int64, uint64 or float64. As in numpy, an integer sum
    /// beyond its dtype wraps around.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn into_numpy(self) -> Result<Data> {
        Ok(match self {
            Sums::Floats(v) => Data::F64(v),
            Sums::Signed(v) => Data::I64(memory::collected(v.iter().map(|&x| x as i64), SUMS)?),
            Sums::Unsigned(v) => Data::U64(memory::collected(v.iter().map(|&x| x as u64), SUMS)?),
        })
    }

    /// Converts the sums to doubles, for integers the doubles nearest to the exact sums.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn into_doubles(self) -> Result<Vec<f64>> {
        match self {
            Sums::Floats(v) => Ok(v),
            Sums::Signed(v) | Sums::Unsigned(v) => memory::collected(v.iter().map(|&x| x as f64), SUMS),
        }
    }
}

/// Computes the sum of every column ([`Axis::Obs`], `n_vars` values), of every row ([`Axis::Var`],
/// `n_obs` values) or of all values (`None`, one value). NaN and infinities propagate.
///
/// # Errors
/// The errors of the pass.
pub fn sums(x: &LazyMatrix, axis: Option<Axis>, session: &Session) -> Result<Sums> {
    let along = axis.unwrap_or(Axis::Obs);
    let found = match x.dtype() {
        DType::F16 | DType::F32 | DType::F64 => Sums::Floats(pass(x, along, session)?),
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => Sums::Unsigned(pass(x, along, session)?),
        _ => Sums::Signed(pass(x, along, session)?),
    };
    Ok(match (axis, found) {
        (Some(_), found) => found,
        (None, Sums::Floats(v)) => Sums::Floats(vec![v.iter().sum()]),
        (None, Sums::Signed(v)) => Sums::Signed(vec![v.iter().sum()]),
        (None, Sums::Unsigned(v)) => Sums::Unsigned(vec![v.iter().sum()]),
    })
}

/// Returns the sum of every row as f64, `n_obs` values; see [`sums`]. Reads nothing where an
/// earlier pass left the sums of counts.
///
/// # Errors
/// The errors of the pass.
pub fn row_sums(x: &LazyMatrix, session: &Session) -> Result<Vec<f64>> {
    if let Some(known) = x.known_rows(session) {
        return known.sums();
    }
    sums(x, Some(Axis::Var), session)?.into_doubles()
}

/// Returns the sum of every column as f64, `n_vars` values; see [`sums`]. Reads nothing where an
/// earlier pass left the sums of counts, or an earlier call the column sums of the same chain.
///
/// # Errors
/// The errors of the pass.
pub fn col_sums(x: &LazyMatrix, session: &Session) -> Result<Vec<f64>> {
    if let Some(known) = x.known_column_sums(session) {
        return Ok(known);
    }
    let found = sums(x, Some(Axis::Obs), session)?.into_doubles()?;
    if !x.nodes().is_empty() {
        x.learn_column_sums(memory::copied(&found, SUMS)?, session);
    }
    Ok(found)
}

/// Computes the exact sums of integers, in numpy's dtype, if some of `doubles` (the same sums added
/// up in f64) reach 2^53, from which on f64 has gaps. Then `doubles` become the doubles nearest to
/// the exact sums. Returns `None` for floats and where `doubles` are exact.
///
/// # Errors
/// The errors of the pass.
pub(super) fn past_doubles(x: &LazyMatrix, axis: Axis, doubles: &mut [f64], session: &Session) -> Result<Option<Data>> {
    const GAPS: f64 = (1u64 << 53) as f64;
    let floats = matches!(x.dtype(), DType::F16 | DType::F32 | DType::F64);
    if floats || doubles.iter().all(|s| s.abs() < GAPS) {
        return Ok(None);
    }
    let exact = sums(x, Some(axis), session)?;
    if let Sums::Signed(v) | Sums::Unsigned(v) = &exact {
        doubles.iter_mut().zip(v).for_each(|(to, &sum)| *to = sum as f64);
    }
    exact.into_numpy().map(Some)
}

fn pass<S: Sum>(x: &LazyMatrix, along: Axis, session: &Session) -> Result<Vec<S>> {
    let ((n_obs, n_vars), sum) = (x.shape(), PhantomData);
    match along {
        Axis::Obs => reduce(x, &ColumnSums::<S> { n_vars, sum }, session),
        Axis::Var => reduce(x, &RowSums::<S> { n_obs, sum }, session),
    }
}

/// A type of numbers that values are added up in.
trait Sum: Zero + Default + AddAssign + Send + Sync + Serialize + DeserializeOwned {
    /// Returns the sums of the rows or columns of a block.
    fn of_block(block: Block, along: Axis) -> Result<Vec<Self>>;
}

impl Sum for f64 {
    fn of_block(block: Block, along: Axis) -> Result<Vec<f64>> {
        with_view!(block, view => add_up(&view, along, |x| x.to_f64()))
    }
}

impl Sum for i128 {
    fn of_block(block: Block, along: Axis) -> Result<Vec<i128>> {
        whole(&block, along)
    }
}

#[derive(Serialize)]
struct ColumnSums<S> {
    n_vars: usize,
    sum: PhantomData<S>,
}

impl<S: Sum> Reducer for ColumnSums<S> {
    const NAME: &'static str = "sums of the columns";
    const NEEDS: Needs = Needs::FILE;
    gives_sum!(Vec<S>, |sums, next| add(sums, &next));

    fn map(&self, block: Block) -> Result<(Vec<S>, ())> {
        Ok((S::of_block(block, Axis::Obs)?, ()))
    }

    fn state(&self) -> Result<Vec<S>> {
        memory::zeros(self.n_vars, SUMS)
    }
}

#[derive(Serialize)]
struct RowSums<S> {
    n_obs: usize,
    sum: PhantomData<S>,
}

impl<S: Sum> Reducer for RowSums<S> {
    const NAME: &'static str = "sums of the rows";
    const NEEDS: Needs = Needs::FILE;
    gives_rows!(Vec<S>);

    fn map(&self, block: Block) -> Result<((), Vec<S>)> {
        Ok(((), S::of_block(block, Axis::Var)?))
    }

    fn whole(&self) -> Result<Vec<S>> {
        memory::zeros(self.n_obs, SUMS)
    }
}

/// Returns the exact sums of a block of integers.
fn whole(block: &Block, along: Axis) -> Result<Vec<i128>> {
    let (Storage::Csr { data, .. } | Storage::Dense(data)) = &block.storage;
    macro_rules! of {
        ($($variant:ident),*) => {
            match data {
                $(Data::$variant(v) => add_up(&View::new(block, v), along, i128::from),)*
                other => Err(Error::Internal(format!("a block of integers holds {}", other.dtype()))),
            }
        };
    }
    of!(Bool, I8, I16, I32, I64, U8, U16, U32, U64)
}

fn add_up<T: Number, S: Zero + Default + AddAssign>(
    view: &View<'_, T>,
    along: Axis,
    widen: impl Fn(T) -> S + Copy,
) -> Result<Vec<S>> {
    let mut sums: Vec<S> = memory::zeros(if along == Axis::Obs { view.n_cols } else { view.n_rows() }, "sums")?;
    for i in 0..view.n_rows() {
        let (columns, values) = view.row(i);
        match (along, columns) {
            (Axis::Obs, Some(columns)) => {
                columns.iter().zip(values).for_each(|(&c, &x)| sums[c as usize] += widen(x));
            }
            (Axis::Obs, None) => sums.iter_mut().zip(values).for_each(|(s, &x)| *s += widen(x)),
            (Axis::Var, _) => {
                let mut sum = S::default();
                values.iter().for_each(|&x| sum += widen(x));
                sums[i] = sum;
            }
        }
    }
    Ok(sums)
}
