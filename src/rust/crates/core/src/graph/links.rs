//! The types of matrices over cells that the verbs of this room take: owned, or borrowed from the
//! caller.

use super::kept::Kept;
use crate::element::{Data, Number, Sparse, SparseFormat, Value};
use crate::error::{Error, Result};
use crate::memory;
use crate::with_data;
use sprs::{CsMatBase, CsMatI, CsMatViewI};
use std::borrow::Cow;
use std::ops::Deref;

/// A compressed matrix over cells: a `CsMatI<f32, u32, usize>`, a view of one, or [`SharedLinks`].
pub trait Links {
    /// Borrows the matrix.
    fn borrowed(&self) -> CsMatViewI<'_, f32, u32, usize>;
}

impl<P, I, D> Links for CsMatBase<f32, u32, P, I, D, usize>
where
    P: Deref<Target = [usize]>,
    I: Deref<Target = [u32]>,
    D: Deref<Target = [f32]>,
{
    fn borrowed(&self) -> CsMatViewI<'_, f32, u32, usize> {
        self.view()
    }
}

impl<L: Links> Links for &L {
    fn borrowed(&self) -> CsMatViewI<'_, f32, u32, usize> {
        (**self).borrowed()
    }
}

/// A matrix over cells, each part of which is owned or borrowed.
pub type SharedLinks<'a> = CsMatBase<f32, u32, Cow<'a, [usize]>, Cow<'a, [u32]>, Cow<'a, [f32]>, usize>;

/// A graph that is read once, in memory or still in the scratch file where the core keeps it.
#[derive(Debug)]
pub enum Origin<L> {
    /// A graph in memory, handed over or borrowed.
    Memory(L),
    /// A kept graph, of which no more is read at a time than is at work.
    Kept(Kept),
}

impl<L: Links> Origin<L> {
    /// Returns the number of cells.
    pub fn rows(&self) -> usize {
        match self {
            Origin::Memory(links) => links.borrowed().rows(),
            Origin::Kept(kept) => kept.shape()[0],
        }
    }

    /// Returns the number of links.
    pub fn nnz(&self) -> usize {
        match self {
            Origin::Memory(links) => links.borrowed().nnz(),
            Origin::Kept(kept) => kept.n_values(),
        }
    }
}

/// Makes a square CSR matrix with borrowed `indices` and `data`. Returns `None` where the columns
/// of a row do not ascend, or the parts contradict each other.
pub fn shared_links<'a>(indptr: Vec<usize>, indices: &'a [u32], data: &'a [f32]) -> Option<SharedLinks<'a>> {
    let n = indptr.len().checked_sub(1)?;
    // This constructor checks every index.
    CsMatBase::try_new((n, n), Cow::Owned(indptr), Cow::Borrowed(indices), Cow::Borrowed(data)).ok()
}

/// Converts a matrix of this room to an element; CSR stays CSR.
pub fn from_sprs<T>(m: CsMatI<T, u32, usize>) -> Sparse
where
    Vec<T>: Into<Data>,
{
    let shape = m.shape();
    let format = if m.is_csr() { SparseFormat::Csr } else { SparseFormat::Csc };
    let (indptr, indices, data) = m.into_raw_storage();
    Sparse { format, shape, indptr: indptr.into_iter().map(|p| p as u64).collect(), indices, data: data.into() }
}

/// Converts a square element, such as `obsp["connectivities"]`, to a CSR matrix of this room.
///
/// # Errors
/// [`Error::Shape`] for a value that is no sparse matrix or contradicts itself.
pub fn to_sprs(value: Value) -> Result<CsMatI<f32, u32, usize>> {
    let s = match value {
        Value::Sparse(s) => s,
        other => return Err(Error::shape("connectivities", "a sparse matrix", other.encoding())),
    };
    // After a transposition the indices of each row ascend, whatever the order in the file.
    let csr = match s.format {
        SparseFormat::Csr if ascends(&s) => s,
        SparseFormat::Csr => s.to_format(SparseFormat::Csc)?.to_format(SparseFormat::Csr)?,
        SparseFormat::Csc => s.to_format(SparseFormat::Csr)?,
    };
    let indptr: Vec<usize> = csr.indptr.into_iter().map(|p| p as usize).collect();
    let data = match csr.data {
        Data::F32(v) => v,
        other => with_data!(&other, v => memory::collected(v.iter().map(|x| x.to_f64() as f32), "weights of a graph")?),
    };
    CsMatI::try_new(csr.shape, indptr, csr.indices, data)
        .map_err(|(.., e)| Error::shape("connectivities", "each column once in a row", e))
}

/// Converts an element as [`to_sprs`] does, to the type that also borrows.
///
/// # Errors
/// Errors of [`to_sprs`].
pub(crate) fn owned_links<'a>(value: Value) -> Result<SharedLinks<'a>> {
    let m = to_sprs(value)?;
    let (shape, (indptr, indices, data)) = (m.shape(), m.into_raw_storage());
    CsMatBase::try_new(shape, Cow::Owned(indptr), Cow::Owned(indices), Cow::Owned(data))
        .map_err(|(.., e)| Error::shape("connectivities", "each column once in a row", e))
}

/// Returns whether the indices of every compressed row ascend; `false` too for offsets that
/// contradict the indices.
fn ascends(s: &Sparse) -> bool {
    s.indptr.windows(2).all(|w| {
        let row = s.indices.get(w[0] as usize..w[1] as usize);
        row.is_some_and(|row| row.windows(2).all(|pair| pair[0] < pair[1]))
    })
}
