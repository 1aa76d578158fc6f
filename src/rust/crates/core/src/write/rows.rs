//! A matrix whose rows come in order and once: from a text, say, of which nobody knows where its rows lie.

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

/// Some rows, compressed: columns ascend within each and do not repeat.
#[derive(Debug)]
pub struct RowRun {
    /// Start of each row in `indices` and `data`, one more entry at the end.
    pub indptr: Vec<usize>,
    /// Column of each value.
    pub indices: Vec<u32>,
    /// The values.
    pub data: Data,
}

/// A sparse matrix that is read once, from its first row to its last.
pub trait RowStream: Send + Sync + Debug {
    /// Rows, columns.
    fn shape(&self) -> (usize, usize);

    /// Dtype of the values.
    fn dtype(&self) -> DType;

    /// Hands the rows to `take`, in order.
    ///
    /// # Errors
    /// When they cannot be read; those of `take`.
    fn stream(&self, session: &Session, take: &mut dyn FnMut(RowRun) -> Result<()>) -> Result<()>;
}

/// Writes `x` as `csr_matrix`, as [`write_csr`](super::write_csr) does.
///
/// # Errors
/// The errors of `x`; [`Error::Io`] when the file cannot take it; [`Error::Cancelled`].
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
