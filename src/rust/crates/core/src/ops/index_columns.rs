//! Makes the column index of a matrix: rows are read once, turned into columns run by run, and the
//! runs merged.

use crate::chain::LazyMatrix;
use crate::element::{DType, Data, Number};
use crate::error::{Error, Result};
use crate::matrix::{
    pack, Bits, Block, ColumnIndex, IndexWriter, Layout, Location, Positions, Scratch, Source, Storage,
};
use crate::memory;
use crate::session::{Lease, Session};
use crate::stream::{no_state, reduce, Needs, Reducer, Scatter};
use crate::with_data;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The result of [`index_columns`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// The path of the index.
    pub path: PathBuf,
    /// The size of the index in bytes.
    pub bytes: u64,
    /// Whether it was made by this call; otherwise an index that fits the file was there.
    pub made: bool,
}

/// Makes or finds the column index of `x` in the folder `dir`. From then on every chain on the
/// matrix reads selected columns from it. An index of an earlier state of the file, or a damaged
/// one, is replaced. Values stay the same. Selected columns beyond the working memory are still
/// read from the file.
///
/// # Errors
/// [`Error::State`] for a matrix that needs no index (compressed columns) or cannot have one
/// (dense, in memory); [`Error::Io`] when the folder cannot be written; the errors of the pass.
pub fn index_columns(x: &LazyMatrix, dir: &Path, session: &Session) -> Result<Indexed> {
    let source = x.source();
    let refused = |why: &str| Err(Error::State(format!("{} {why}", x.name())));
    match (source.layout(), source.location()) {
        (_, None) => refused("is in memory: only a matrix in a file can be indexed"),
        (Layout::Csc, _) => refused("is stored by column: its genes are read without an index"),
        (Layout::Dense, _) => refused("is dense: only compressed rows can be indexed"),
        (Layout::Csr, Some(location)) => {
            let path = dir.join(name_beside(&location, "columns"));
            let opened = ColumnIndex::open(&path, &**source);
            // A damaged index is made again.
            if let Some(index) = opened.ok().flatten() {
                let found = Indexed { path, bytes: index.bytes(), made: false };
                x.attach(index, session);
                return Ok(found);
            }
            let make = Index { source: &**source, path: &path, dir, session };
            reduce(&LazyMatrix::new(source.clone()), &make, session)?;
            let index = ColumnIndex::open(&path, &**source)?.ok_or_else(|| {
                Error::State(format!("{} was changed while it was indexed: open the file again", x.name()))
            })?;
            let found = Indexed { path, bytes: index.bytes(), made: true };
            x.attach(index, session);
            Ok(found)
        }
    }
}

/// Returns the name of a file of this kind, which differs for each store and element.
pub(super) fn name_beside(location: &Location, kind: &str) -> String {
    let Location { store, element } = location;
    let text = store.to_string();
    // The name of a remote file is the last of its URL, without a query.
    let path = store.path().unwrap_or(Path::new(text.split(['?', '#']).next().unwrap_or_default()));
    let stem = path.file_stem().map_or_else(|| "matrix".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let key = crate::matrix::hash(format!("{store}\0{element}").as_bytes());
    format!("{stem}.{}.{key:016x}.{kind}", element.replace('/', "_"))
}

/// The stored values of some rows, sorted by column.
#[derive(Serialize, Deserialize)]
struct Columns {
    ends: Vec<u32>,
    rows: Vec<u32>,
    #[serde(with = "as_bits")]
    values: Data,
}

/// A run of rows in the scratch file, its packed columns one after the other.
struct Run {
    at: u64,
    ends: Vec<u64>,
}

/// The number of columns that one task packs, and that are merged at a time.
const TASK: usize = 256;
/// The name, in errors, of the index.
const INDEX: &str = "the index of columns";

/// The pass that turns rows into columns block by block, packs them run by run and merges the runs.
#[derive(Serialize)]
struct Index<'a> {
    #[serde(skip)]
    source: &'a dyn Source,
    #[serde(skip)]
    path: &'a Path,
    #[serde(skip)]
    dir: &'a Path,
    #[serde(skip)]
    session: &'a Session,
}

impl Reducer for Index<'_> {
    const NAME: &'static str = "a column index";
    const NEEDS: Needs = Needs::FILE;
    no_state!();
    type Rows = Columns;
    type Whole = Spool;
    type Output = ();

    fn map(&self, block: Block) -> Result<((), Columns)> {
        Ok(((), by_column(&block)?))
    }

    fn whole(&self) -> Result<Spool> {
        Ok(Spool {
            writer: IndexWriter::new(self.path, self.source)?,
            dtype: self.source.dtype(),
            scratch: Scratch::new(&self.session.scratch.in_folder(self.dir))?,
            memory: self.session.part(4),
            session: self.session.clone(),
            waiting: Vec::new(),
            held: 0,
            runs: Vec::new(),
            counts: memory::zeros(self.source.shape().1, INDEX)?,
        })
    }

    fn finish(&self, (): (), spool: Spool) -> Result<()> {
        spool.finish()
    }
}

/// The columns of the rows so far: some unpacked, the others packed in a scratch file.
struct Spool {
    writer: IndexWriter,
    dtype: DType,
    scratch: Scratch,
    /// The lease on the memory of unpacked columns.
    memory: Lease,
    session: Session,
    waiting: Vec<Columns>,
    /// The bytes of unpacked columns.
    held: usize,
    runs: Vec<Run>,
    counts: Vec<u64>,
}

impl Scatter<Columns> for Spool {
    fn scatter(&mut self, _: &Positions, columns: Columns) -> Result<()> {
        self.held += columns.rows.len() * (4 + self.dtype.size()) + columns.ends.len() * 4;
        let mut start = 0;
        for (count, &end) in self.counts.iter_mut().zip(&columns.ends) {
            *count += u64::from(end - start);
            start = end;
        }
        self.waiting.push(columns);
        if self.held > self.memory.bytes() {
            self.pack()?;
        }
        Ok(())
    }
}

impl Spool {
    fn pack(&mut self) -> Result<()> {
        let (n_cols, dtype, waiting) = (self.counts.len(), self.dtype, &self.waiting);
        let parts: Vec<(Vec<u8>, Vec<u64>)> = self.session.install(|| {
            let starts: Vec<usize> = (0..n_cols).step_by(TASK).collect();
            starts
                .par_iter()
                .map(|&from| {
                    let columns = from..(from + TASK).min(n_cols);
                    with_data!(&Data::empty(dtype), v => pack_columns(v, waiting, columns))
                })
                .collect()
        })?;
        self.waiting.clear();
        self.held = 0;
        let mut bytes = memory::room(parts.iter().map(|p| p.0.len()).sum(), INDEX)?;
        parts.iter().for_each(|p| bytes.extend_from_slice(&p.0));
        let mut end = 0;
        let ends = parts.iter().flat_map(|p| p.1.iter().copied()).map(|size| {
            end += size;
            end
        });
        self.runs.push(Run { ends: memory::exactly(n_cols, ends, INDEX)?, at: self.scratch.append(&bytes)? });
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            self.pack()?;
        }
        let n_cols = self.counts.len();
        for from in (0..n_cols).step_by(TASK) {
            self.session.monitor.check()?;
            let columns = from..(from + TASK).min(n_cols);
            let pieces: Vec<(u64, Vec<u8>)> = self
                .runs
                .iter()
                .map(|run| {
                    let start = from.checked_sub(1).map_or(0, |c| run.ends[c]);
                    let mut bytes = memory::zeros((run.ends[columns.end - 1] - start) as usize, INDEX)?;
                    self.scratch.read(run.at + start, &mut bytes)?;
                    Ok((start, bytes))
                })
                .collect::<Result<_>>()?;
            let mut packed = Vec::new();
            for c in columns {
                packed.clear();
                for (run, (first, bytes)) in self.runs.iter().zip(&pieces) {
                    let start = c.checked_sub(1).map_or(0, |c| run.ends[c]);
                    let bytes = &bytes[(start - first) as usize..(run.ends[c] - first) as usize];
                    memory::reserve(&mut packed, bytes.len(), INDEX)?;
                    packed.extend_from_slice(bytes);
                }
                self.writer.column(&packed, self.counts[c])?;
            }
        }
        self.writer.finish()
    }
}

/// The serialised form of values, for another process: the name of their dtype and their bits.
mod as_bits {
    use super::{Bits, INDEX};
    use crate::element::{DType, Data};
    use crate::encoded::lost;
    use crate::memory;
    use crate::with_data;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    struct Each<'a>(&'a Data);

    impl Serialize for Each<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            with_data!(self.0, v => to.collect_seq(v.iter().map(|x| x.bits())))
        }
    }

    /// Writes the name of the dtype of `values` and the bit pattern of each value.
    pub(super) fn serialize<S: Serializer>(values: &Data, to: S) -> Result<S::Ok, S::Error> {
        (values.dtype().name(), Each(values)).serialize(to)
    }

    /// Reads values as [`serialize`] writes them, with the same bits.
    ///
    /// # Errors
    /// An error of `from` where the dtype is unknown or the values are not as they were written.
    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Data, D::Error> {
        use DType::*;
        fn from_bits<T: Bits>(_: &[T], bits: &[u64]) -> crate::Result<Data> {
            Ok(T::wrap(memory::collected(bits.iter().map(|&b| T::of_bits(b)), INDEX)?))
        }
        let (name, bits) = <(String, Vec<u64>)>::deserialize(from)?;
        let all = [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64];
        let dtype = all.into_iter().find(|d| d.name() == name);
        let dtype = dtype.ok_or_else(|| serde::de::Error::custom(format!("no dtype '{name}'")))?;
        with_data!(&Data::empty(dtype), v => from_bits(v, &bits)).map_err(lost)
    }
}

/// Sorts the values of a block by column, with the positions of their rows in the file.
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
    // Each entry has moved from the start of its column to the end.
    next.truncate(block.n_cols);
    Ok(Columns { ends: next, rows, values })
}

/// Packs the columns `columns` of all parts in `waiting`. Returns the bytes, and the size of each
/// column.
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
        // Upper bound: a number takes at most its own bytes, and a group two more.
        memory::reserve(&mut out, rows.len() * (6 + size_of::<T>()) + 16, INDEX)?;
        pack(&rows, &values, &mut out);
        sizes.push((out.len() - before) as u64);
    }
    Ok((out, sizes))
}
