//! A matrix whose rows can be read only once and in order, such as that of a text file without an
//! index of its rows.

use super::csr::CsrOut;
use super::encode::Piece;
use super::packing::Packing;
use super::spool::Spool;
use super::vectors::{index_data, SPARSE_CHUNK};
use crate::element::{self, DType, Data, SparseFormat};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::store::GroupWriter;
use std::fmt::Debug;

/// A run of compressed rows; columns ascend within each row and do not repeat.
#[derive(Debug)]
pub struct RowRun {
    /// Offset of each row in `indices` and `data`, then the number of values.
    pub indptr: Vec<usize>,
    /// Column of each value.
    pub indices: Vec<u32>,
    /// The values.
    pub data: Data,
}

/// A sparse matrix that is read once, from its first row to its last.
pub trait RowStream: Send + Sync + Debug {
    /// Returns the numbers of rows and columns.
    fn shape(&self) -> (usize, usize);

    /// Returns the dtype of the values.
    fn dtype(&self) -> DType;

    /// Passes the rows to `take` in runs, in order.
    ///
    /// # Errors
    /// Errors of reading the rows, and those of `take`.
    fn stream(&self, session: &Session, take: &mut dyn FnMut(RowRun) -> Result<()>) -> Result<()>;
}

/// Writes `x` as `csr_matrix`, like [`write_csr`](super::write_csr).
///
/// # Errors
/// The errors of `x`; [`Error::Io`] where the file cannot be written; [`Error::Cancelled`].
pub(super) fn write_rows(
    group: &GroupWriter<'_>,
    key: &str,
    x: &dyn RowStream,
    packing: Packing,
    session: &Session,
) -> Result<()> {
    let (n, m) = x.shape();
    let group = group.group(key)?;
    element::start_sparse(&group, SparseFormat::Csr, (n, m))?;
    let wide = i32::try_from(m).is_err();
    let chunk = packing.chunk.unwrap_or(SPARSE_CHUNK).max(1);
    let mut out = CsrOut::new(&group, x.dtype(), chunk, n, wide, packing)?;
    let spool = Spool::new(chunk, packing.compression, &session.monitor);
    let mut at = 0;
    x.stream(session, &mut |run| {
        session.monitor.check()?;
        let rows = run.indptr.len().saturating_sub(1);
        if run.data.dtype() != x.dtype() {
            return Err(Error::Internal(format!("rows of {}, expected {}", run.data.dtype(), x.dtype())));
        }
        spool.put(at, at + rows, Piece::Sparse { indices: index_data(run.indices, wide)?, data: run.data })?;
        at += rows;
        out.add(&run.indptr, &spool)
    })?;
    out.finish(&group, &spool, session)
}
