//! Makes the column index of a matrix: rows are read once, turned into columns run by run, and the runs put together.

use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::element::{Data, Number};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::matrix::{pack, Bits, Block, ColumnIndex, IndexWriter, Layout, Positions, Scratch, Source, Storage};
use crate::memory;
use crate::stream::{map_fold, Order};
use crate::with_data;
use rayon::prelude::*;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What [`index_columns`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// The index.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Whether it was made now; otherwise one was there that fits the file.
    pub made: bool,
}

/// Makes every chain on the matrix `x` belongs to read selected columns from an index in folder `dir`, which is made there when
/// there is none that fits the file; one of an earlier state of the file is made anew. Gives the same values as the
/// file, selected columns past the working memory are read from the file as before.
///
/// # Errors
/// [`Error::State`] for a matrix that needs none (compressed columns) or can have none (dense, in memory);
/// [`Error::Io`] when the folder cannot be written; those of the pass.
pub fn index_columns(x: &LazyMatrix, dir: &Path, ctx: &Context) -> Result<Indexed> {
    let source = x.source();
    let refused = |why: &str| Err(Error::State(format!("{} {why}", x.name())));
    match (source.layout(), source.location()) {
        (_, None) => refused("is in memory: only a matrix in a file can be indexed"),
        (Layout::Csc, _) => refused("is stored by column: its genes are read without an index"),
        (Layout::Dense, _) => refused("is dense: only compressed rows can be indexed"),
        (Layout::Csr, Some(location)) => {
            let path = dir.join(name(&location.store, &location.element));
            let opened = ColumnIndex::open(&path, &**source);
            // A damaged one is of no use: it is made again.
            if let Some(index) = opened.ok().flatten() {
                let found = Indexed { path, bytes: index.bytes(), made: false };
                x.attach(index);
                return Ok(found);
            }
            make(source.clone(), &path, dir, ctx)?;
            let index = ColumnIndex::open(&path, &**source)?.ok_or_else(|| {
                Error::State(format!("{} was changed while it was indexed: open the file again", x.name()))
            })?;
            let found = Indexed { path, bytes: index.bytes(), made: true };
            x.attach(index);
            Ok(found)
        }
    }
}

/// The name of the index of an element of a store: one for each place.
fn name(store: &Location, element: &str) -> String {
    let stem = store.path().and_then(Path::file_stem).map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    let key = crate::matrix::hash(format!("{store}\0{element}").as_bytes());
    format!("{stem}.{}.{key:016x}.columns", element.replace('/', "_"))
}

/// The stored values of some rows by column.
struct Columns {
    ends: Vec<u32>,
    rows: Vec<u32>,
    values: Data,
}

/// One run of rows in the scratch file, columns packed one after the other.
struct Run {
    at: u64,
    ends: Vec<u64>,
}

/// Columns packed by one task, and put together at a time.
const TASK: usize = 256;
/// The name of the index in errors.
const INDEX: &str = "the index of columns";

fn make(source: std::sync::Arc<dyn Source>, path: &Path, dir: &Path, ctx: &Context) -> Result<()> {
    let mut writer = IndexWriter::new(path, &*source)?;
    let n_cols = source.shape().1;
    let dtype = source.dtype();
    let scratch = Scratch::new_in(dir)?;
    let (mut waiting, mut held) = (Vec::<Columns>::new(), 0);
    let (mut runs, mut counts) = (Vec::<Run>::new(), memory::zeros::<u64>(n_cols, INDEX)?);
    let pack_waiting = |waiting: &mut Vec<Columns>, runs: &mut Vec<Run>| -> Result<()> {
        let parts: Vec<(Vec<u8>, Vec<u64>)> = ctx.install(|| {
            let starts: Vec<usize> = (0..n_cols).step_by(TASK).collect();
            starts
                .par_iter()
                .map(|&from| {
                    let columns = from..(from + TASK).min(n_cols);
                    with_data!(&Data::empty(dtype), v => pack_columns(v, waiting, columns))
                })
                .collect()
        })?;
        waiting.clear();
        let mut bytes = memory::room(parts.iter().map(|p| p.0.len()).sum(), INDEX)?;
        parts.iter().for_each(|p| bytes.extend_from_slice(&p.0));
        let mut end = 0;
        let ends = parts.iter().flat_map(|p| p.1.iter().copied()).map(|size| {
            end += size;
            end
        });
        runs.push(Run { ends: memory::exactly(n_cols, ends, INDEX)?, at: scratch.append(&bytes)? });
        Ok(())
    };
    map_fold(
        &LazyMatrix::new(source),
        Order::File,
        ctx,
        |block| by_column(&block),
        |columns| {
            held += columns.rows.len() * (4 + dtype.size()) + columns.ends.len() * 4;
            let mut start = 0;
            for (count, &end) in counts.iter_mut().zip(&columns.ends) {
                *count += u64::from(end - start);
                start = end;
            }
            waiting.push(columns);
            if held > ctx.memory / 4 {
                pack_waiting(&mut waiting, &mut runs)?;
                held = 0;
            }
            Ok(())
        },
    )?;
    if !waiting.is_empty() {
        pack_waiting(&mut waiting, &mut runs)?;
    }
    for from in (0..n_cols).step_by(TASK) {
        ctx.monitor.check()?;
        let columns = from..(from + TASK).min(n_cols);
        let pieces: Vec<(u64, Vec<u8>)> = runs
            .iter()
            .map(|run| {
                let start = from.checked_sub(1).map_or(0, |c| run.ends[c]);
                let mut bytes = memory::zeros((run.ends[columns.end - 1] - start) as usize, INDEX)?;
                scratch.read(run.at + start, &mut bytes)?;
                Ok((start, bytes))
            })
            .collect::<Result<_>>()?;
        let mut packed = Vec::new();
        for c in columns {
            packed.clear();
            for (run, (first, bytes)) in runs.iter().zip(&pieces) {
                let start = c.checked_sub(1).map_or(0, |c| run.ends[c]);
                let bytes = &bytes[(start - first) as usize..(run.ends[c] - first) as usize];
                memory::reserve(&mut packed, bytes.len(), INDEX)?;
                packed.extend_from_slice(bytes);
            }
            writer.column(&packed, counts[c])?;
        }
    }
    writer.finish()
}

/// The values of a block by column, with their rows in the file.
fn by_column(block: &Block) -> Result<Columns> {
    let (Storage::Csr { indptr, indices, data }, Positions::Range(range)) = (&block.storage, &block.positions) else {
        return Err(Error::Internal("compressed rows came in another form".to_owned()));
    };
    let mut next = memory::zeros::<u32>(block.n_cols + 1, INDEX)?;
    indices.iter().for_each(|&c| next[c as usize + 1] += 1);
    for c in 0..block.n_cols {
        next[c + 1] += next[c];
    }
    let mut rows = memory::zeros::<u32>(indices.len(), INDEX)?;
    let mut place = memory::zeros::<u32>(indices.len(), INDEX)?;
    for (row, w) in range.clone().zip(indptr.windows(2)) {
        for (at, &c) in place[w[0]..w[1]].iter_mut().zip(&indices[w[0]..w[1]]) {
            *at = next[c as usize];
            rows[*at as usize] = row as u32;
            next[c as usize] += 1;
        }
    }
    fn scatter<T: Number>(v: &[T], place: &[u32]) -> Result<Data> {
        let mut out = memory::filled(v.len(), T::default(), INDEX)?;
        v.iter().zip(place).for_each(|(&x, &at)| out[at as usize] = x);
        Ok(T::wrap(out))
    }
    let values = with_data!(data, v => scatter(v, &place))?;
    // Every column's start has moved to its end.
    next.truncate(block.n_cols);
    Ok(Columns { ends: next, rows, values })
}

/// Columns `columns` of all of `waiting`, packed, and the bytes of each.
fn pack_columns<T: Bits>(_: &[T], waiting: &[Columns], columns: Range<usize>) -> Result<(Vec<u8>, Vec<u64>)> {
    let (mut out, mut sizes) = (Vec::new(), Vec::with_capacity(columns.len()));
    let (mut rows, mut values) = (Vec::new(), Vec::<T>::new());
    for c in columns {
        rows.clear();
        values.clear();
        for part in waiting {
            let start = c.checked_sub(1).map_or(0, |c| part.ends[c]) as usize;
            let entries = start..part.ends[c] as usize;
            memory::reserve(&mut rows, entries.len(), INDEX)?;
            memory::reserve(&mut values, entries.len(), INDEX)?;
            rows.extend_from_slice(&part.rows[entries.clone()]);
            let typed = T::slice(&part.values);
            values.extend_from_slice(typed.and_then(|v| v.get(entries)).unwrap_or_default());
        }
        if rows.len() != values.len() {
            return Err(Error::Internal("blocks of one matrix differ in dtype".to_owned()));
        }
        let before = out.len();
        // A number takes no more than its own bytes, and a group two.
        memory::reserve(&mut out, rows.len() * (6 + size_of::<T>()) + 16, INDEX)?;
        pack(&rows, &values, &mut out);
        sizes.push((out.len() - before) as u64);
    }
    Ok((out, sizes))
}
