//! Calls a function for each column of a matrix: from rows that are read once, or band by band.

use super::column::{Label, PerColumn, Value, COLUMNS, NO_LABEL};
use super::spool::{piece, Spool, HELD};
use crate::chain::LazyMatrix;
use crate::element::DType;
use crate::error::{Error, Result};
use crate::matrix::{Block, Layout};
use crate::memory;
use crate::session::Session;
use crate::stream::execute::map_fold;
use crate::stream::Order;
use std::ops::Range;

/// Calls `of` for every column of `x`, on the threads of `session` and in any order, and returns
/// the results in column order. `labels` has a number for each row of `x`, [`NO_LABEL`] for rows
/// that are left out. Without `labels`, the label of a row is its position.
///
/// # Errors
/// Errors of the passes and of `of`; [`Error::OutOfMemory`] when there is no room for one column;
/// [`Error::Shape`] unless there is one label a row.
pub fn map_columns<F: PerColumn>(
    x: &LazyMatrix,
    labels: Option<&[u32]>,
    of: &F,
    session: &Session,
) -> Result<Vec<F::Output>> {
    let n = x.shape().0;
    if let Some(labels) = labels.filter(|labels| labels.len() != n) {
        return Err(Error::shape("labels, one a row", n, labels.len()));
    }
    let largest = labels.map_or(u32::MAX, |l| l.iter().copied().filter(|&l| l != NO_LABEL).max().unwrap_or(0));
    // The dtypes that `Block::into_float` turns into float64.
    let double = matches!(x.dtype(), DType::I32 | DType::I64 | DType::U32 | DType::U64 | DType::F64);
    match (double, largest <= u32::from(u16::MAX)) {
        (false, true) => bands::<F, f32, u16>(x, labels, of, session),
        (false, false) => bands::<F, f32, u32>(x, labels, of, session),
        (true, true) => bands::<F, f64, u16>(x, labels, of, session),
        (true, false) => bands::<F, f64, u32>(x, labels, of, session),
    }
}

/// Returns whether bands of columns are read without reading all rows: from compressed columns or
/// the column index.
fn by_band(x: &LazyMatrix, session: &Session) -> bool {
    x.is_sparse() && (x.index(session).is_some() || x.source().layout() == Layout::Csc)
}

/// Returns about how many bytes the scratch file of [`map_columns`] takes, for labels of `label`
/// bytes each; 0 when all values fit in memory or the columns are read band by band.
pub(crate) fn scratch(x: &LazyMatrix, label: usize, session: &Session) -> u64 {
    if by_band(x, session) {
        return 0;
    }
    let bytes = (stored(x) * (label + x.dtype().float().size()) as f64) as u64;
    if bytes > (session.memory / HELD) as u64 {
        bytes
    } else {
        0
    }
}

/// Returns about how many values of `x` are stored.
fn stored(x: &LazyMatrix) -> f64 {
    let ((n, m), stored) = (x.shape(), x.source().shape());
    let all = n as f64 * m as f64;
    x.source().nnz().map_or(all, |nnz| all * (nnz as f64 / (stored.0 as f64 * stored.1 as f64).max(1.0)))
}

fn bands<F: PerColumn, T: Value, L: Label>(
    x: &LazyMatrix,
    labels: Option<&[u32]>,
    of: &F,
    session: &Session,
) -> Result<Vec<F::Output>> {
    let m = x.shape().1;
    if !by_band(x, session) {
        return spooled::<F, T, L>(x, 0..m, labels, of, session);
    }
    // A band has as many columns as a fifth of the memory holds, if all have the same number of
    // values.
    let column = stored(x) / m.max(1) as f64 * (4 + x.dtype().size()) as f64;
    let width = ((session.memory as f64 / 5.0 / column.max(1.0)) as usize).clamp(1, m.max(1));
    if width >= m {
        return spooled::<F, T, L>(x, 0..m, labels, of, session);
    }
    let mut out = memory::room(m, COLUMNS)?;
    for from in (0..m).step_by(width) {
        let band = from..(from + width).min(m);
        let selected = x.select(None, Some(&memory::collected(band.clone().map(|c| c as u32), COLUMNS)?))?;
        out.extend(spooled::<F, T, L>(&selected, band, labels, of, session)?);
    }
    Ok(out)
}

/// Goes through all columns of `x`, which are the columns `band` of the matrix, over one spool.
fn spooled<F: PerColumn, T: Value, L: Label>(
    x: &LazyMatrix,
    band: Range<usize>,
    labels: Option<&[u32]>,
    of: &F,
    session: &Session,
) -> Result<Vec<F::Output>> {
    let mut spool = Spool::<T, L>::new(band.len(), session.part(HELD), &session.scratch)?;
    let hold = spool.room();
    let map = |block: Block| {
        let block = block.into_float()?;
        of.look(&block)?;
        let found = piece::<T, L>(&block, labels)?;
        block.recycle();
        hold.hold(found)
    };
    map_fold(x, Order::File, session, map, |piece| spool.push(piece))?;
    spool.columns(band.start, of, session)
}
