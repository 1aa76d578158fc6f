//! Loads selections that fit in memory, whole.

use super::execute::map_fold;
use super::Order;
use crate::chain::LazyMatrix;
use crate::element::{Data, Number};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use crate::with_data;

/// The name, in errors, of a matrix in memory.
const COLLECTED: &str = "a matrix in memory";

/// The limit on the memory of values that are loaded, and the memory that a value takes in the form
/// in which the caller keeps it.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Bytes allowed.
    pub limit: u64,
    /// The bytes of a value that is kept: a stored value with its index for a sparse matrix, any
    /// value for a dense one.
    pub value: u64,
    /// The bytes that do not depend on the number of values.
    pub fixed: u64,
}

impl Room {
    /// Returns the room of values as the core keeps them: compressed rows, or a dense array in the
    /// dtype of `x`.
    pub fn in_memory(x: &LazyMatrix, limit: u64) -> Room {
        let size = x.dtype().size() as u64;
        if x.is_sparse() {
            Room { limit, value: 4 + size, fixed: 8 * (x.shape().0 as u64 + 1) }
        } else {
            Room { limit, value: size, fixed: 0 }
        }
    }

    fn needed(&self, values: u64) -> u64 {
        values.saturating_mul(self.value).saturating_add(self.fixed)
    }
}

fn too_large(x: &LazyMatrix, needed: u64, room: &Room, about: &str) -> Error {
    let (n, m) = x.shape();
    Error::Memory {
        what: format!("{n} x {m} values of {} in memory{about}", x.name()),
        needed,
        limit: room.limit,
        hint: "; select fewer rows or columns, or raise the limit".to_owned(),
    }
}

/// Returns the number of values that a load of `x` has: the stored values of a sparse matrix, all
/// of a dense one. Returns `None` where it is not known before they are read. An entry that a file
/// has twice counts twice, so a load may have fewer.
///
/// # Errors
/// [`Error::Memory`] when they take more than the limit of `room`.
pub fn known_in(x: &LazyMatrix, room: &Room) -> Result<Option<u64>> {
    let (n, m) = x.shape();
    let known = match x.source().nnz() {
        _ if !x.is_sparse() => Some(n as u64 * m as u64),
        Some(nnz) if matches!(x.source_rows(), crate::matrix::Rows::All) && x.columns().is_none() => Some(nnz),
        _ => None,
    };
    match known.map(|values| room.needed(values)).filter(|needed| *needed > room.limit) {
        Some(needed) => Err(too_large(x, needed, room, "")),
        None => Ok(known),
    }
}

/// Loads all rows of a sparse `x`, in matrix order, into slices of the caller: the column of each
/// value into `indices`, and the value into `values`. Each has a place for every value
/// ([`known_in`]); `index` and `value` convert to the caller's types. Returns `indptr`: 0, then the
/// end of each row. Places past the last end stay as they are.
///
/// # Errors
/// [`Error::Internal`] for a dense `x` or too few places; the errors of the pass.
pub fn collect_rows_into<I, V>(
    x: &LazyMatrix,
    session: &Session,
    (indices, values): (&mut [I], &mut [V]),
    index: impl Fn(u32) -> I,
    value: impl Fn(f64) -> V,
) -> Result<Vec<u64>> {
    use crate::matrix::Storage;
    memory::large_pages(indices);
    memory::large_pages(values);
    let mut ends = memory::room(x.shape().0 + 1, COLLECTED)?;
    ends.push(0);
    map_fold(x, Order::Matrix, session, Ok, |block| {
        let wrong = || Error::Internal("a block that has no place".to_owned());
        let Storage::Csr { indptr, indices: i, data } = &block.storage else { return Err(wrong()) };
        let start = ends.last().copied().unwrap_or(0);
        let to = start as usize..start as usize + i.len();
        let (Some(indices), Some(values)) = (indices.get_mut(to.clone()), values.get_mut(to)) else {
            return Err(wrong());
        };
        ends.extend(indptr.iter().skip(1).map(|&end| start + end as u64));
        indices.iter_mut().zip(i).for_each(|(to, &i)| *to = index(i));
        with_data!(data, v => values.iter_mut().zip(v).for_each(|(to, v)| *to = value(v.to_f64())));
        block.recycle();
        Ok(())
    })?;
    Ok(ends)
}

/// Loads all rows of `x`, in matrix order, into memory: for small selections. `limit` bounds the
/// bytes of the result.
///
/// # Errors
/// The errors of [`collect_in`].
pub fn collect(x: &LazyMatrix, session: &Session, limit: u64) -> Result<crate::element::Value> {
    collect_in(x, session, &Room::in_memory(x, limit))
}

/// Loads all rows of `x` as [`collect`] does, for a caller that keeps values in another form.
///
/// # Errors
/// [`Error::Memory`] when the result exceeds the limit. Where its size is known, it is refused
/// before anything is read. The size of selected sparse values is extrapolated from the values read
/// so far. Also the errors of the pass.
pub fn collect_in(x: &LazyMatrix, session: &Session, room: &Room) -> Result<crate::element::Value> {
    use crate::element::{Array, Sparse, SparseFormat, Value};
    use crate::matrix::Storage;
    let (n, m) = x.shape();
    let known = known_in(x, room)?;
    if x.is_sparse() {
        let (mut indptr, mut indices, mut data) = (vec![0u64], Vec::new(), Data::empty(x.dtype()));
        if let Some(values) = known {
            memory::reserve(&mut indices, values as usize, COLLECTED)?;
            data.reserve(values as usize, COLLECTED)?;
            memory::large_pages(indices.spare_capacity_mut());
            with_data!(&mut data, v => memory::large_pages(v.spare_capacity_mut()));
        }
        map_fold(x, Order::Matrix, session, Ok, |block| {
            let Storage::Csr { indptr: p, indices: i, data: d } = block.storage else {
                return Err(Error::Internal("a sparse chain gave a dense block".to_owned()));
            };
            let start = indices.len() as u64;
            memory::reserve(&mut indptr, p.len(), COLLECTED)?;
            indptr.extend(p.iter().skip(1).map(|&e| start + e as u64));
            memory::reserve(&mut indices, i.len(), COLLECTED)?;
            indices.extend_from_slice(&i);
            data.reserve(d.len(), COLLECTED)?;
            data.extend(&d);
            if room.needed(indices.len() as u64) > room.limit {
                let rows = indptr.len() as f64 - 1.0;
                let whole = (indices.len() as f64 * n as f64 / rows.max(1.0)) as u64;
                let about =
                    if rows < n as f64 { format!(" (as the first {rows} rows let expect)") } else { String::new() };
                return Err(too_large(x, room.needed(whole), room, &about));
            }
            Ok(())
        })?;
        Ok(Value::Sparse(Sparse { format: SparseFormat::Csr, shape: (n, m), indptr, indices, data }))
    } else {
        let mut data = Data::empty(x.dtype());
        data.reserve(memory::count(&[n, m], COLLECTED)?, COLLECTED)?;
        with_data!(&mut data, v => memory::large_pages(v.spare_capacity_mut()));
        map_fold(x, Order::Matrix, session, Ok, |block| {
            let Storage::Dense(d) = block.storage else {
                return Err(Error::Internal("a dense chain gave a sparse block".to_owned()));
            };
            data.extend(&d);
            Ok(())
        })?;
        Ok(Value::Array(Array { shape: vec![n, m], data }))
    }
}
