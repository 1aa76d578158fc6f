//! Arrays of a store that is being written.

use super::described::{Described, Stored};
use super::grid;
use super::json::Json;
use super::objects::{band, Objects};
use crate::codec::{make, Compression};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::sink::{ArraySink, Cells, Layout, Setting, Target};
use crate::store::Kind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Settings that all parts of a store share while it is written.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) version: u8,
    /// Chunks in a shard; `None` without shards.
    pub(super) shard: Option<u64>,
    pub(super) consolidate: bool,
    /// Compression of texts and records, whose layout has none of its own.
    pub(super) compression: Compression,
    /// The path of the finished store, for errors.
    pub(super) target: PathBuf,
}

impl Store {
    /// Makes the error for a file that cannot be written.
    pub(super) fn failed(&self, e: &std::io::Error) -> Error {
        Error::io(&self.target, "write", e)
    }
}

/// Locks a mutex, and ignores that a thread may have panicked while it held the lock.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock cannot occur: nothing that can panic runs while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the JSON of a setting.
pub(super) fn json_of(value: Setting<'_>) -> Json {
    match value {
        Setting::Text(text) => Json::of_text(text),
        Setting::Texts(texts) => Json::List(texts.iter().map(|t| Json::of_text(t)).collect()),
        Setting::Integer(x) => Json::Number(x.to_string()),
        Setting::Integers(list) => Json::List(list.iter().map(|x| Json::Number(x.to_string())).collect()),
        Setting::Flag(x) => Json::Bool(x),
    }
}

/// Sets a member, in the place of one of that name.
pub(super) fn put(all: &mut Vec<(String, Json)>, name: &str, value: Json) {
    match all.iter_mut().find(|a| a.0 == name) {
        Some(there) => there.1 = value,
        None => all.push((name.to_owned(), value)),
    }
}

/// An array that is being written.
#[derive(Debug)]
pub(super) struct NewArray {
    store: Arc<Store>,
    path: String,
    compression: Compression,
    attributes: Mutex<Vec<(String, Json)>>,
    state: Mutex<ArrayState>,
}

#[derive(Debug)]
struct ArrayState {
    kind: Stored,
    shape: Vec<u64>,
    chunk: Vec<u64>,
    objects: Objects,
    /// Number of rows that came so far, written and held.
    rows: u64,
    held: Held,
}

/// Values that do not fill a band of chunks yet.
#[derive(Debug)]
enum Held {
    Bytes(Vec<u8>),
    Texts(Vec<String>),
    /// Records, by field; all are held until the array is complete.
    Fields(Vec<Held>),
}

impl Held {
    fn new(kind: &Stored) -> Held {
        match kind {
            Stored::Text => Held::Texts(Vec::new()),
            Stored::Struct(fields) => Held::Fields(fields.iter().map(|f| Held::new(&f.1)).collect()),
            _ => Held::Bytes(Vec::new()),
        }
    }
}

const HELD: &str = "values to be written";

impl NewArray {
    /// Begins an array in the folder `folder`; `path` is its path in the store. An array without
    /// space (`shape` is `None`) is stored as a single `false`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for values that a Zarr store cannot hold; [`Error::Io`].
    pub(super) fn new(
        store: &Arc<Store>,
        folder: &Path,
        path: String,
        kind: &Kind,
        shape: Option<&[usize]>,
        layout: &Layout,
    ) -> Result<NewArray> {
        let unknown = || Error::Unsupported {
            path: (&store.target).into(),
            element: path.clone(),
            what: format!(
                "writing values of type {} (with an array in each, it may be) into a Zarr store",
                kind.name()
            ),
            hint: "; write the object as an h5ad file, or leave the element out".to_owned(),
        };
        // An array without space, such as a mask of no values, is stored as a single `false`.
        let (stored, shape) = match shape {
            None => (Stored::Number(crate::dtype::DType::Bool), &[][..]),
            Some(shape) => (Stored::from_kind(kind).ok_or_else(unknown)?, shape),
        };
        if layout.compression == Compression::Lzf || matches!(layout.compression, Compression::Gzip(_)) {
            let found = format!("{:?}", layout.compression);
            return Err(Error::parameter("compression", "zstd, gzip or none, in a Zarr store", found));
        }
        let text = matches!(stored, Stored::Text | Stored::Struct(_));
        let compression = if text { store.compression } else { layout.compression };
        let wide = |extents: &[usize]| extents.iter().map(|&e| e as u64).collect::<Vec<u64>>();
        let mut chunk = wide(&layout.chunk_of(shape, kind.memory_bytes()));
        let shape = wide(shape);
        if matches!(stored, Stored::Struct(_)) {
            chunk = shape.iter().map(|&e| e.max(1)).collect();
        }
        // A shard is a run of whole rows of chunks; an array of one chunk needs none.
        let whole = chunk.iter().zip(&shape).skip(1).all(|(c, s)| c >= s);
        let several = layout.resizable || chunk.iter().zip(&shape).any(|(c, s)| c < s);
        let shard = store.shard.filter(|_| whole && several && !shape.is_empty());
        std::fs::create_dir_all(folder).map_err(|e| store.failed(&e))?;
        let objects = Objects::new(folder, store.version, shard);
        let held = Held::new(&stored);
        let state = Mutex::new(ArrayState { kind: stored, shape, chunk, objects, rows: 0, held });
        Ok(NewArray { store: store.clone(), path, compression, attributes: Mutex::default(), state })
    }

    fn wrong(&self, what: &str) -> Error {
        Error::Internal(format!("'{}' of a Zarr store: {what}", self.path))
    }

    /// Writes the values that are held, and returns the metadata: of the array, and in version 2 of
    /// its attributes.
    pub(super) fn finish(&self) -> Result<(Json, Option<Json>)> {
        let mut state = lock(&self.state);
        let state = &mut *state;
        self.put_records(state)?;
        let left = match &state.held {
            Held::Bytes(bytes) => !bytes.is_empty(),
            Held::Texts(texts) => !texts.is_empty(),
            Held::Fields(_) => false,
        };
        if left {
            self.put_band(state)?;
        }
        let per = state.objects.finish().map_err(|e| self.store.failed(&e))?;
        let shard = per.map(|n| {
            let first = state.chunk.iter().take(1).map(|&c| c.saturating_mul(n));
            first.chain(state.chunk.iter().skip(1).copied()).collect::<Vec<u64>>()
        });
        let described = Described {
            kind: &state.kind,
            shape: &state.shape,
            chunk: &state.chunk,
            shard: shard.as_deref(),
            compression: self.compression,
        };
        let attributes = Json::Map(lock(&self.attributes).clone());
        Ok(match self.store.version {
            2 => (described.v2(), Some(attributes)),
            _ => (described.v3(attributes), None),
        })
    }

    /// Takes the values of the next `rows` rows, and writes each band of chunks that they fill.
    fn append(&self, state: &mut ArrayState, cells: Cells<'_>, rows: u64) -> Result<()> {
        let row: u64 = grid::count(state.shape.get(1..).unwrap_or_default());
        let band = state.chunk.first().copied().unwrap_or(1);
        let mut at = 0_usize;
        for _ in 0..rows.div_ceil(band) + 1 {
            let free = band - state.rows % band;
            let n = free.min(rows - at as u64);
            if n == 0 {
                break;
            }
            let span = at * row as usize..(at + n as usize) * row as usize;
            match (&mut state.held, cells) {
                (Held::Bytes(held), Cells::Bytes(bytes)) => append(&state.kind, bytes, span, held)?,
                (Held::Texts(held), Cells::Texts(texts)) => {
                    memory::reserve(held, span.len(), HELD)?;
                    held.extend(texts[span].iter().map(|&t| t.to_owned()));
                }
                _ => return Err(self.wrong("values of another kind")),
            }
            at += n as usize;
            state.rows += n;
            if state.rows.is_multiple_of(band) {
                self.put_band(state)?;
            }
        }
        Ok(())
    }

    /// Writes the band of chunks that is held: the one with the last row that came.
    fn put_band(&self, state: &mut ArrayState) -> Result<()> {
        let height = state.chunk.first().copied().unwrap_or(1);
        let number = state.rows.saturating_sub(1) / height.max(1);
        let start = number * height;
        let mut there: Vec<Range<u64>> = state.shape.iter().map(|&n| 0..n).collect();
        there.iter_mut().take(1).for_each(|rows| *rows = start..state.rows);
        let places = if state.shape.is_empty() { vec![Vec::new()] } else { band(number, &state.shape, &state.chunk) };
        let values = grid::count(&state.chunk) as usize;
        for place in places {
            let of_chunk: Vec<Range<u64>> = place.iter().zip(&state.chunk).map(|(&p, &c)| p * c..(p + 1) * c).collect();
            let raw = match &state.held {
                Held::Bytes(held) => {
                    let size = state.kind.size();
                    let mut raw = memory::zeros::<u8>(values * size, HELD)?;
                    grid::shared(&there, &of_chunk, |from, to, n| {
                        raw[to * size..(to + n) * size].copy_from_slice(&held[from * size..(from + n) * size]);
                        Ok::<_, Error>(())
                    })?;
                    raw
                }
                Held::Texts(held) => {
                    let mut chosen = memory::filled(values, "", HELD)?;
                    grid::shared(&there, &of_chunk, |from, to, n| {
                        chosen[to..to + n].iter_mut().zip(&held[from..from + n]).for_each(|(to, from)| *to = from);
                        Ok::<_, Error>(())
                    })?;
                    texts(&chosen)?
                }
                Held::Fields(_) => return Err(self.wrong("a band of records")),
            };
            let made = make(raw, self.compression)?;
            state.objects.put(&place, &made).map_err(|e| self.store.failed(&e))?;
        }
        match &mut state.held {
            Held::Bytes(held) => held.clear(),
            Held::Texts(held) => held.clear(),
            Held::Fields(_) => {}
        }
        Ok(())
    }

    /// Joins the fields of records, now that the lengths of their texts are known, and holds the
    /// records instead.
    fn put_records(&self, state: &mut ArrayState) -> Result<()> {
        let (Held::Fields(held), Stored::Struct(fields)) = (&state.held, &state.kind) else { return Ok(()) };
        let n = grid::count(&state.shape) as usize;
        let known = |(held, (name, of)): (&Held, &(String, Stored))| match held {
            Held::Texts(texts) => {
                let longest = texts.iter().map(|t| t.chars().count()).max().unwrap_or(0);
                (name.clone(), Stored::Utf32(longest.max(1)))
            }
            _ => (name.clone(), of.clone()),
        };
        let fields: Vec<(String, Stored)> = held.iter().zip(fields).map(known).collect();
        let kind = Stored::Struct(fields.clone());
        let size = kind.size();
        let mut records = memory::zeros::<u8>(n.saturating_mul(size), HELD)?;
        let mut at = 0;
        for (held, (name, of)) in held.iter().zip(&fields) {
            let wide = of.size();
            for (i, record) in records.chunks_exact_mut(size.max(1)).enumerate() {
                let to = &mut record[at..at + wide];
                match held {
                    Held::Bytes(bytes) => {
                        let from = bytes.get(i * wide..(i + 1) * wide);
                        to.copy_from_slice(from.ok_or_else(|| self.wrong(&format!("the field '{name}' is short")))?);
                    }
                    Held::Texts(texts) => {
                        let text = texts.get(i).map_or("", String::as_str);
                        for (to, c) in to.chunks_exact_mut(4).zip(text.chars()) {
                            to.copy_from_slice(&(c as u32).to_ne_bytes());
                        }
                    }
                    Held::Fields(_) => return Err(self.wrong("records within records")),
                }
            }
            at += wide;
        }
        state.rows = state.shape.first().copied().unwrap_or(1);
        state.kind = kind;
        state.held = Held::Bytes(records);
        Ok(())
    }
}

/// Appends the values in `span`, in their stored form.
fn append(kind: &Stored, bytes: &[u8], span: Range<usize>, held: &mut Vec<u8>) -> Result<()> {
    let short = || Error::Internal("fewer values than extents".to_owned());
    if let Stored::Complex { single: true } = kind {
        let pairs = bytes.get(span.start * 16..span.end * 16).ok_or_else(short)?;
        memory::reserve(held, span.len() * 8, HELD)?;
        let (numbers, _) = pairs.as_chunks::<8>();
        held.extend(numbers.iter().flat_map(|&x| (f64::from_ne_bytes(x) as f32).to_ne_bytes()));
        return Ok(());
    }
    let size = kind.size();
    let values = bytes.get(span.start * size..span.end * size).ok_or_else(short)?;
    memory::reserve(held, values.len(), HELD)?;
    held.extend_from_slice(values);
    Ok(())
}

/// Encodes texts as the codec `vlen-utf8` does.
fn texts(all: &[&str]) -> Result<Vec<u8>> {
    let bytes = all.iter().map(|t| t.len() + 4).sum::<usize>() + 4;
    let long = |n: usize| u32::try_from(n).map_err(|_| Error::parameter("text", "texts below 4 GB", n));
    let mut out = memory::room(bytes, HELD)?;
    out.extend(long(all.len())?.to_le_bytes());
    for text in all {
        out.extend(long(text.len())?.to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    Ok(out)
}

impl ArraySink for Arc<NewArray> {
    fn write(&self, to: Target<'_>, cells: Cells<'_>) -> Result<()> {
        let mut state = lock(&self.state);
        let state = &mut *state;
        if let (Stored::Struct(fields), Held::Fields(held)) = (&state.kind, &mut state.held) {
            let at = to.field.and_then(|name| fields.iter().position(|f| f.0 == name));
            let at = at.ok_or_else(|| self.wrong("records that come whole"))?;
            match (&mut held[at], cells) {
                (Held::Bytes(held), Cells::Bytes(bytes)) => {
                    let kind = &fields[at].1;
                    let width = match kind {
                        Stored::Complex { .. } => 16,
                        kind => kind.size().max(1),
                    };
                    append(kind, bytes, 0..bytes.len() / width, held)?;
                }
                (Held::Texts(held), Cells::Texts(texts)) => held.extend(texts.iter().map(|&t| t.to_owned())),
                _ => return Err(self.wrong("values of another kind")),
            }
            return Ok(());
        }
        let all = state.shape.first().copied().unwrap_or(1);
        let (first, rows) = match to.place {
            None => (0, all),
            Some((start, count)) => {
                let whole = start.iter().skip(1).all(|&s| s == 0)
                    && count.iter().zip(&state.shape).skip(1).all(|(&c, &s)| c as u64 == s);
                if !whole {
                    return Err(self.wrong("parts of rows"));
                }
                (start.first().copied().unwrap_or(0) as u64, count.first().copied().unwrap_or(1) as u64)
            }
        };
        if first != state.rows || first + rows > all {
            return Err(self.wrong("rows out of order"));
        }
        self.append(state, cells, rows)
    }

    fn write_chunk(&self, first: usize, stored: &[u8]) -> Result<()> {
        let mut state = lock(&self.state);
        let height = state.chunk.first().copied().unwrap_or(1);
        let mut place = vec![0; state.shape.len()];
        place.iter_mut().take(1).for_each(|at| *at = first as u64 / height.max(1));
        state.objects.put(&place, stored).map_err(|e| self.store.failed(&e))
    }

    fn resize(&self, extent: usize) -> Result<()> {
        lock(&self.state).shape.iter_mut().take(1).for_each(|n| *n = extent as u64);
        Ok(())
    }

    fn set(&self, name: &str, value: Setting<'_>) -> Result<()> {
        put(&mut lock(&self.attributes), name, json_of(value));
        Ok(())
    }
}
