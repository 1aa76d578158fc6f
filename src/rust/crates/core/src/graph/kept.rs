//! Large embeddings and graphs in scratch files, until a face asks for their values: no step holds
//! in memory the results of another step.

use crate::dtype::{as_bytes, as_bytes_mut, Plain};
use crate::element::{Array, Data, Number, Sparse, SparseFormat, Value};
use crate::error::{Error, Result};
use crate::matrix::Scratch;
use crate::memory::{self, Zero};
use crate::session::Session;
use std::sync::Arc;

/// The part of the session's memory (1 / `SHARE`) up to which an element stays in memory.
const SHARE: usize = 4;
/// Bytes read or written between two checks for cancellation.
const PIECE: usize = 8 << 20;
/// The name of kept values in errors.
const KEPT: &str = "values from a scratch file";

/// An embedding (n x d, float32) or a graph (n x n, compressed rows of float32) in a scratch file.
/// Copies share it.
#[derive(Debug, Clone)]
pub struct Kept(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    file: Scratch,
    shape: Vec<usize>,
    /// Row offsets of a graph; its columns are in the file before its weights.
    indptr: Option<Vec<u64>>,
    n_values: usize,
}

impl Kept {
    /// Writes a value to a scratch file if it is an embedding or a graph of float32, too large to
    /// stay in the memory of the session while no step uses it. Returns the value unchanged, as the
    /// inner `Err`, if it is no such value, or if there is no space.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn new(value: Value, session: &Session) -> Result<std::result::Result<Kept, Value>> {
        let (shape, indptr, indices, data) = match &value {
            Value::Array(Array { shape, data: Data::F32(data) }) if shape.len() == 2 => {
                (shape.clone(), None, &[][..], data)
            }
            Value::Sparse(Sparse { format: SparseFormat::Csr, shape, indptr, indices, data: Data::F32(data) })
                if shape.0 == shape.1 =>
            {
                (vec![shape.0, shape.1], Some(indptr), indices.as_slice(), data)
            }
            _ => return Ok(Err(value)),
        };
        let bytes = 4 * (data.len() + indices.len());
        if !is_large(bytes, session) || session.scratch.free() < bytes as u64 {
            return Ok(Err(value));
        }
        let written = Scratch::new(&session.scratch).and_then(|file| {
            append(&file, indices, session)?;
            append(&file, data, session)?;
            Ok(file)
        });
        let n_values = data.len();
        match written {
            Ok(file) => {
                let indptr = indptr.map(|indptr| memory::copied(indptr, KEPT)).transpose()?;
                Ok(Ok(Kept(Arc::new(Inside { file, shape, indptr, n_values }))))
            }
            // Other work took the space first, or the disk is full after all: the value stays in
            // memory.
            Err(Error::Scratch { .. } | Error::Io { .. }) => Ok(Err(value)),
            Err(e) => Err(e),
        }
    }

    /// Returns the number of cells, and of dimensions (embedding) or cells (graph).
    pub fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    /// Returns whether the value is a graph.
    pub fn is_graph(&self) -> bool {
        self.0.indptr.is_some()
    }

    /// Reads the value into memory.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Io`]; [`Error::Cancelled`].
    pub fn read(&self, session: &Session) -> Result<Value> {
        let Inside { file, shape, indptr, n_values } = &*self.0;
        let Some(indptr) = indptr else {
            let data = Data::F32(values(file, 0, *n_values, session)?);
            return Ok(Value::Array(Array { shape: shape.clone(), data }));
        };
        Ok(Value::Sparse(Sparse {
            format: SparseFormat::Csr,
            shape: (shape[0], shape[1]),
            indptr: memory::copied(indptr, KEPT)?,
            indices: values(file, 0, *n_values, session)?,
            data: Data::F32(values(file, 4 * *n_values as u64, *n_values, session)?),
        }))
    }

    /// Returns the offset of the first link of each row of a graph, then the number of all links;
    /// `None` for an embedding.
    pub(super) fn starts(&self) -> Option<&[u64]> {
        self.0.indptr.as_deref()
    }

    /// Returns the number of values: links of a graph.
    pub(super) fn n_values(&self) -> usize {
        self.0.n_values
    }

    /// Reads the columns of a graph.
    ///
    /// # Errors
    /// Errors of [`Kept::read`].
    pub(super) fn columns(&self, session: &Session) -> Result<Vec<u32>> {
        values(&self.0.file, 0, self.0.n_values, session)
    }

    /// Reads the weights of a graph from number `from` on into `out`.
    ///
    /// # Errors
    /// Errors of [`Kept::read`].
    pub(super) fn weights(&self, from: usize, out: &mut [f32]) -> Result<()> {
        self.0.file.read(4 * (self.0.n_values + from) as u64, as_bytes_mut(out))
    }
}

/// Returns whether an element of so many bytes is too large to stay in the memory of the session
/// while no step uses it.
pub(super) fn is_large(bytes: usize, session: &Session) -> bool {
    bytes > session.memory / SHARE
}

/// Appends values to the file, piece by piece.
pub(super) fn append<T: Number>(file: &Scratch, values: &[T], session: &Session) -> Result<()> {
    for piece in as_bytes(values).chunks(PIECE) {
        session.monitor.check()?;
        file.append(piece)?;
    }
    Ok(())
}

/// Reads `n` values from offset `at` on, piece by piece.
pub(super) fn values<T: Plain + Zero>(file: &Scratch, at: u64, n: usize, session: &Session) -> Result<Vec<T>> {
    let mut out = memory::zeros::<T>(n, KEPT)?;
    let mut at = at;
    for piece in as_bytes_mut(&mut out).chunks_mut(PIECE) {
        session.monitor.check()?;
        file.read(at, piece)?;
        at += piece.len() as u64;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Value {
        Value::Sparse(Sparse {
            format: SparseFormat::Csr,
            shape: (3, 3),
            indptr: vec![0, 2, 3, 4],
            indices: vec![1, 2, 0, 0],
            data: Data::F32(vec![0.5, -0.0, f32::NAN, 0.25]),
        })
    }

    fn embedding() -> Value {
        Value::Array(Array { shape: vec![2, 3], data: Data::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, f32::MIN]) })
    }

    #[test]
    fn what_is_large_for_the_session_lies_in_its_scratch_and_comes_back() {
        let small = Session { memory: 64, ..Session::with_threads(1) };
        for (value, shape, is_graph, bytes) in [(embedding(), [2, 3], false, 24), (graph(), [3, 3], true, 32)] {
            let kept = Kept::new(value.clone(), &small).unwrap().unwrap();
            assert_eq!((kept.shape(), kept.is_graph(), small.scratch.used()), (&shape[..], is_graph, bytes));
            // NaN is not equal to itself.
            assert_eq!(format!("{:?}", kept.read(&small).unwrap()), format!("{value:?}"));
            drop(kept);
            assert_eq!(small.scratch.used(), 0);
        }
    }

    #[test]
    fn small_values_others_and_those_without_room_come_back_at_once() {
        let large = Session { memory: 1 << 10, ..Session::with_threads(1) };
        assert_eq!(Kept::new(embedding(), &large).unwrap().unwrap_err(), embedding());
        let small = Session { memory: 64, ..Session::with_threads(1) };
        let doubles = Value::Array(Array { shape: vec![2, 20], data: vec![1.0f64; 40].into() });
        assert_eq!(Kept::new(doubles.clone(), &small).unwrap().unwrap_err(), doubles);
        let full = Session { scratch: small.scratch.limited(Some(20)), ..small };
        assert_eq!(Kept::new(embedding(), &full).unwrap().unwrap_err(), embedding());
        assert_eq!(full.scratch.used(), 0);
    }
}
