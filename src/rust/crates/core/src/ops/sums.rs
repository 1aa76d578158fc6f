//! Sums over cells or genes.

use super::moments::Axis;
use super::view::{add, scatter, with_view, View};
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::element::{DType, Data, Number};
use crate::error::{Error, Result};
use crate::matrix::{Block, Positions, Storage};
use crate::memory::{self, Zero};
use crate::stream::{map_fold, Order};
use std::ops::AddAssign;

/// Sums of a matrix, exact where its values are whole numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Sums {
    /// Of floats, added up in f64.
    Floats(Vec<f64>),
    /// Of signed integers or of true and false.
    Signed(Vec<i128>),
    /// Of unsigned integers.
    Unsigned(Vec<i128>),
}

impl Sums {
    /// In numpy's dtype: int64, uint64 or float64. As numpy's, an integer sum past the end of its dtype wraps around.
    pub fn into_numpy(self) -> Data {
        match self {
            Sums::Floats(v) => Data::F64(v),
            Sums::Signed(v) => Data::I64(v.into_iter().map(|x| x as i64).collect()),
            Sums::Unsigned(v) => Data::U64(v.into_iter().map(|x| x as u64).collect()),
        }
    }

    /// As doubles: for integers those nearest to the exact sums.
    pub fn into_doubles(self) -> Vec<f64> {
        match self {
            Sums::Floats(v) => v,
            Sums::Signed(v) | Sums::Unsigned(v) => v.into_iter().map(|x| x as f64).collect(),
        }
    }
}

/// The sum of every column ([`Axis::Obs`], `n_vars` values), of every row ([`Axis::Var`], `n_obs` values) or of all values
/// (`None`, one value). NaN and infinities propagate.
///
/// # Errors
/// The errors of the pass.
pub fn sums(x: &LazyMatrix, axis: Option<Axis>, ctx: &Context) -> Result<Sums> {
    let along = axis.unwrap_or(Axis::Obs);
    let found = match x.dtype() {
        DType::F16 | DType::F32 | DType::F64 => {
            Sums::Floats(pass(x, along, ctx, |block| with_view!(block, view => add_up(&view, along, |x| x.to_f64())))?)
        }
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => Sums::Unsigned(pass(x, along, ctx, |b| whole(&b, along))?),
        _ => Sums::Signed(pass(x, along, ctx, |b| whole(&b, along))?),
    };
    Ok(match (axis, found) {
        (Some(_), found) => found,
        (None, Sums::Floats(v)) => Sums::Floats(vec![v.iter().sum()]),
        (None, Sums::Signed(v)) => Sums::Signed(vec![v.iter().sum()]),
        (None, Sums::Unsigned(v)) => Sums::Unsigned(vec![v.iter().sum()]),
    })
}

/// The sum of every row as f64, `n_obs` values; see [`sums`].
///
/// # Errors
/// The errors of the pass.
pub fn row_sums(x: &LazyMatrix, ctx: &Context) -> Result<Vec<f64>> {
    Ok(sums(x, Some(Axis::Var), ctx)?.into_doubles())
}

/// The sum of every column as f64, `n_vars` values; see [`sums`].
///
/// # Errors
/// The errors of the pass.
pub fn col_sums(x: &LazyMatrix, ctx: &Context) -> Result<Vec<f64>> {
    Ok(sums(x, Some(Axis::Obs), ctx)?.into_doubles())
}

/// Sums of integers in numpy's dtype where some of `doubles`, those added up in f64, are past 2^53, from which on f64 has gaps;
/// `doubles` become those nearest to them. `None` where they are exact, and for floats.
///
/// # Errors
/// The errors of the pass.
pub(super) fn past_doubles(x: &LazyMatrix, axis: Axis, doubles: &mut Vec<f64>, ctx: &Context) -> Result<Option<Data>> {
    const GAPS: f64 = (1u64 << 53) as f64;
    let floats = matches!(x.dtype(), DType::F16 | DType::F32 | DType::F64);
    if floats || doubles.iter().all(|s| s.abs() < GAPS) {
        return Ok(None);
    }
    let exact = sums(x, Some(axis), ctx)?;
    *doubles = exact.clone().into_doubles();
    Ok(Some(exact.into_numpy()))
}

fn pass<S: Copy + Default + AddAssign + Send>(
    x: &LazyMatrix,
    along: Axis,
    ctx: &Context,
    of_block: impl Fn(Block) -> Result<Vec<S>> + Sync,
) -> Result<Vec<S>> {
    let (n_obs, n_vars) = x.shape();
    let mut all = memory::filled(if along == Axis::Obs { n_vars } else { n_obs }, S::default(), "sums")?;
    map_fold(
        x,
        Order::File,
        ctx,
        |block| -> Result<(Positions, Vec<S>)> {
            let positions = block.positions.clone();
            Ok((positions, of_block(block)?))
        },
        |(positions, part)| {
            match along {
                Axis::Obs => add(&mut all, &part),
                Axis::Var => scatter(&mut all, &positions, &part),
            }
            Ok(())
        },
    )?;
    Ok(all)
}

/// Exact sums of a block of integers.
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
