//! Copies of elements between stores of two kinds, where encoded bytes cannot be copied. Matrices
//! are copied in runs of their vectors or rows, tables column by column, and all others by value.

use super::chunks::Chunks;
use super::encode::Piece;
use super::matrix::write_dense;
use super::plan::WriteOptions;
use super::spool::Spool;
use super::vectors::SPARSE_CHUNK;
use crate::chain::LazyMatrix;
use crate::dtype::as_bytes;
use crate::element::{self, Matrix};
use crate::error::{Error, Result};
use crate::matrix::{self, Vector};
use crate::memory;
use crate::session::Session;
use crate::store::{GroupWriter, Kind, Layout, Node, Store, Target};
use rayon::prelude::*;
use std::sync::Arc;

/// Bytes up to which an array is read whole.
const SMALL: usize = 16 << 20;

/// Writes the element at `path` of `store` as `key` of `group`. The element has a current encoding.
///
/// # Errors
/// Errors of reading it; [`Error::Io`] for the target; [`Error::Cancelled`].
pub(super) fn write_between(
    group: &GroupWriter<'_>,
    key: &str,
    (store, path): (&Arc<Store>, &str),
    options: &WriteOptions,
    session: &Session,
) -> Result<()> {
    session.monitor.check()?;
    let node = store.node(path)?;
    let text = |name| Ok::<_, Error>(node.attribute(name)?.and_then(|a| a.text().map(str::to_owned)));
    let member = |group: &GroupWriter<'_>, key: &str, name: &str| {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        write_between(group, key, (store, &path), options, session)
    };
    match text("encoding-type")?.as_deref() {
        Some("csr_matrix" | "csc_matrix") => {
            if let Some(Matrix::Sparse(format, shape)) = element::matrix(&node)? {
                let parts = ["data", "indices", "indptr"].map(|name| Ok((name, node.child(name)?)));
                let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
                let group = group.group(key)?;
                element::start_sparse(&group, format, shape)?;
                return parts.iter().try_for_each(|(name, from)| match copy_complex(&group, name, from, options)? {
                    true => Ok(()),
                    false => copy_vector(&group, name, &Vector::open(from)?, options, session),
                });
            }
        }
        Some("array") if is_large_matrix(&node) => {
            let x = LazyMatrix::new(matrix::open(store, path)?);
            return write_dense(group, key, &x, options.packing(), session);
        }
        Some("dataframe") => {
            let names = element::column_names(store, path)?;
            let index = text("_index")?.ok_or_else(|| node.format("the name of the index in '_index'", "none"))?;
            let group = group.group(key)?;
            element::start_frame(&group, &index, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
            let columns = names.iter().filter(|name| **name != index);
            return std::iter::once(&index).chain(columns).try_for_each(|name| {
                let (place, last) = group.column_place(name)?;
                member(&place, last, name)
            });
        }
        Some(name @ ("dict" | "raw")) => {
            let group = group.group(key)?;
            if name == "raw" { element::RAW } else { element::DICT }.mark_group(&group)?;
            return node.keys()?.iter().try_for_each(|name| member(&group, name, name));
        }
        _ => {}
    }
    let plain = element::DatasetOptions { compression: options.compression, shuffle: false };
    element::write(group, key, &element::read(store, path)?, &plain)
}

/// Returns whether a node is a matrix of numbers of more than [`SMALL`] bytes, which is streamed
/// instead of read whole.
fn is_large_matrix(node: &Node) -> bool {
    let numbers = || node.values().is_ok_and(|values| values.kind().dtype().is_some());
    let bytes = |shape: &[usize]| shape.iter().fold(8_usize, |n, &e| n.saturating_mul(e));
    node.shape().is_some_and(|shape| shape.len() == 2 && bytes(&shape) > SMALL) && numbers()
}

/// Writes a vector of complex numbers, a type that no matrix is read as. Returns `false` for any
/// other node.
fn copy_complex(group: &GroupWriter<'_>, key: &str, from: &Node, options: &WriteOptions) -> Result<bool> {
    const RUN: usize = 1 << 18;
    let values = from.values()?;
    let (kind, shape) = (values.kind().clone(), values.shape());
    let (Kind::Complex { .. }, &[n]) = (&kind, shape.as_slice()) else { return Ok(false) };
    let layout = Layout { resizable: true, compression: options.compression, ..Layout::default() };
    let to = group.dataset_of(key, &kind, &[n], &layout)?;
    for first in (0..n).step_by(RUN) {
        let rows = first..(first + RUN).min(n);
        let pairs = values.read_complex(Some(rows.clone()))?;
        let parts = memory::exactly(2 * pairs.len(), pairs.iter().flat_map(|&(re, im)| [re, im]), "complex numbers")?;
        to.write_bytes(Target { field: None, place: Some((&[first], &[rows.len()])) }, as_bytes(&parts))?;
    }
    Ok(true)
}

/// Writes a vector in its dtype; runs of it are read and encoded on worker threads.
fn copy_vector(
    group: &GroupWriter<'_>,
    key: &str,
    from: &Vector,
    options: &WriteOptions,
    session: &Session,
) -> Result<()> {
    const RUN: u64 = 1 << 20;
    let n = from.len();
    let chunk = (options.chunk.unwrap_or(SPARSE_CHUNK) as u64).min(n).max(1) as usize;
    let mut out = Chunks::vector(group, key, from.dtype(), chunk, options.compression)?;
    let spool = Spool::new(chunk, options.compression, &session.monitor);
    let run = (RUN / from.chunk()).max(1).saturating_mul(from.chunk());
    let runs = n.div_ceil(run) as usize;
    let at_once = session.install(|| Ok(rayon::current_num_threads()))? * 2;
    let mut next = 0;
    let mut drain = |out: &mut Chunks<'_>| -> Result<()> {
        while let Some(encoded) = spool.take_chunk(next) {
            out.push(&encoded.data, encoded.len)?;
            next += 1;
        }
        Ok(())
    };
    for first in (0..runs).step_by(at_once.max(1)) {
        let some = first..(first + at_once).min(runs);
        session.install(|| {
            some.into_par_iter().try_for_each(|i| {
                session.monitor.check()?;
                let start = i as u64 * run;
                spool.put(i, i + 1, Piece::Dense(from.read(start..(start + run).min(n))?))
            })
        })?;
        drain(&mut out)?;
    }
    spool.finish()?;
    drain(&mut out)?;
    out.expect(n as usize)
}
