//! Writing a chain column by column: several passes, each of which gathers the columns that fit in
//! memory.

use super::chunks::Chunks;
use super::encode::Piece;
use super::packing::Packing;
use super::spool::Spool;
use super::vectors::{chunk_of, index_data, index_dtype, offsets, write_vector};
use crate::chain::LazyMatrix;
use crate::element::{self, Data, Number, SparseFormat};
use crate::error::{Error, Result};
use crate::matrix::{Block, Storage};
use crate::memory;
use crate::session::Session;
use crate::store::GroupWriter;
use crate::stream::{in_sequence, no_rows, reduce, Needs, Reducer};
use crate::with_data;
use serde::Serialize;
use std::ops::Range;

const COLUMNS: &str = "columns to be written";

/// Writes a sparse `x` as `csc_matrix`, rows ascending within a column.
///
/// It makes one pass to count, and then one pass per `session.memory / 4` bytes of stored values
/// and row numbers. For a matrix much larger than that, CSR is the better format.
///
/// # Errors
/// [`Error::State`] where `x` is dense; else the errors of [`write_csr`](super::write_csr).
pub fn write_csc(
    group: &GroupWriter<'_>,
    key: &str,
    x: &LazyMatrix,
    packing: impl Into<Packing>,
    session: &Session,
) -> Result<()> {
    if !x.is_sparse() {
        return Err(Error::State(format!("'{key}' is dense and cannot be written as csc_matrix")));
    }
    let (n, m) = x.shape();
    // Only one process writes, even in a team.
    let session = &Session { team: None, ..session.clone() };
    let counts = reduce(x, &CountColumns { n_cols: m }, session)?;
    let group = group.group(key)?;
    element::start_sparse(&group, SparseFormat::Csc, (n, m))?;
    let packing = packing.into();
    let compression = packing.compression;
    let (chunk, wide) = (chunk_of(x, packing.chunk), i32::try_from(n).is_err());
    let mut data = Chunks::vector(&group, "data", x.dtype(), chunk, compression)?;
    let mut indices = Chunks::vector(&group, "indices", index_dtype(wide), chunk, compression)?;
    let spool = Spool::new(chunk, compression, &session.monitor);
    let mut next = 0;
    let mut drain = |spool: &Spool<'_>| -> Result<()> {
        while let Some(e) = spool.take_chunk(next) {
            let columns = e.indices.ok_or_else(|| Error::Internal("a chunk without indices".to_owned()))?;
            data.push(&e.data, e.len)?;
            indices.push(&columns, e.len)?;
            next += 1;
        }
        Ok(())
    };
    let gathered = session.part(4);
    for columns in cut(&counts, (gathered.bytes() / (4 + x.dtype().size())) as u64) {
        let (rows, values) = gather(x, &columns, &counts, session)?;
        spool.queue(columns.start, columns.end, Piece::Sparse { indices: index_data(rows, wide)?, data: values });
        session.install(|| rayon::broadcast(|_| spool.work()).into_iter().collect::<Result<()>>())?;
        drain(&spool)?;
    }
    let (_, total) = spool.finish()?;
    drain(&spool)?;
    data.expect(total as usize)?;
    indices.expect(total as usize)?;
    let starts = std::iter::once(0).chain(counts.iter().scan(0i64, |sum, &c| {
        *sum += c as i64;
        Some(*sum)
    }));
    write_vector(&group, "indptr", offsets(memory::exactly(counts.len() + 1, starts, COLUMNS)?)?, packing, session)
}

/// The pass that counts the stored values of every column.
#[derive(Serialize)]
struct CountColumns {
    n_cols: usize,
}

impl Reducer for CountColumns {
    const NAME: &'static str = "stored values of the columns";
    const NEEDS: Needs = Needs::FILE;
    type Part = Vec<u32>;
    no_rows!();
    type State = Vec<u64>;
    type Output = Vec<u64>;

    fn map(&self, block: Block) -> Result<(Vec<u32>, ())> {
        let (_, indices, _) = sparse(block.storage)?;
        let mut counts = memory::zeros::<u32>(self.n_cols, COLUMNS)?;
        indices.iter().for_each(|&c| counts[c as usize] += 1);
        Ok((counts, ()))
    }

    fn state(&self) -> Result<Vec<u64>> {
        memory::zeros(self.n_cols, COLUMNS)
    }

    fn fold(&self, counts: &mut Vec<u64>, part: Vec<u32>) -> Result<()> {
        counts.iter_mut().zip(part).for_each(|(sum, c)| *sum += u64::from(c));
        Ok(())
    }

    fn merge(&self, counts: &mut Vec<u64>, next: Vec<u64>) -> Result<()> {
        counts.iter_mut().zip(next).for_each(|(sum, c)| *sum += c);
        Ok(())
    }

    fn finish(&self, counts: Vec<u64>, (): ()) -> Result<Vec<u64>> {
        Ok(counts)
    }
}

/// Divides the columns into runs of at most `limit` values, but at least one column.
fn cut(counts: &[u64], limit: u64) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (c, &count) in counts.iter().enumerate() {
        if c > start && sum + count > limit {
            out.push(start..c);
            (start, sum) = (c, 0);
        }
        sum += count;
    }
    if start < counts.len() {
        out.push(start..counts.len());
    }
    out
}

/// Returns the rows and values of `columns`, column after column.
fn gather(x: &LazyMatrix, columns: &Range<usize>, counts: &[u64], session: &Session) -> Result<(Vec<u32>, Data)> {
    let list: Vec<u32> = memory::collected(columns.clone().map(|c| c as u32), COLUMNS)?;
    let some = x.select(None, Some(&list))?;
    let mut at: Vec<usize> = memory::room(list.len(), COLUMNS)?;
    let mut total = 0usize;
    for c in columns.clone() {
        at.push(total);
        total += counts[c] as usize;
    }
    let mut rows = memory::zeros::<u32>(total, COLUMNS)?;
    let mut values = Data::zeros(x.dtype(), total, COLUMNS)?;
    let mut row = 0u32;
    in_sequence(
        &some,
        session,
        |_, values| sparse(values),
        |(indptr, indices, data)| {
            let mut places = memory::room(indices.len(), COLUMNS)?;
            for w in indptr.windows(2) {
                for &c in &indices[w[0]..w[1]] {
                    let slot = at.get_mut(c as usize).filter(|slot| **slot < total);
                    let slot = slot.ok_or_else(|| Error::Internal("a column changed between two passes".to_owned()))?;
                    rows[*slot] = row;
                    places.push(*slot);
                    *slot += 1;
                }
                row += 1;
            }
            scatter(&mut values, &data, &places);
            Ok(())
        },
    )?;
    Ok((rows, values))
}

/// Sets `to[places[k]] = from[k]` for all k.
fn scatter(to: &mut Data, from: &Data, places: &[usize]) {
    fn typed<T: Number>(to: &mut [T], from: &Data, places: &[usize]) {
        if let Some(from) = T::slice(from) {
            for (&x, &p) in from.iter().zip(places) {
                to[p] = x;
            }
        }
    }
    with_data!(to, v => typed(v, from, places));
}

/// Returns the offsets, columns and values of a sparse block.
fn sparse(values: Storage) -> Result<(Vec<usize>, Vec<u32>, Data)> {
    match values {
        Storage::Csr { indptr, indices, data } => Ok((indptr, indices, data)),
        Storage::Dense(_) => Err(Error::Internal("a sparse chain gave a dense block".to_owned())),
    }
}
