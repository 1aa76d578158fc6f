//! Reads of stores in memory.

use super::tree::{Array, Held, Item};
use super::{lock, Opened};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::store::array::{Access, ChunkedArray, Extent, Meta, NumberType, Take};
use crate::store::backend::{below, Backend, Identity, Object, Part, Stored};
use crate::store::{Attribute, Kind};
use std::any::Any;
use std::sync::Arc;

/// A group or array of an open store.
pub(super) struct Member {
    pub(super) opened: Arc<Opened>,
    pub(super) path: String,
    pub(super) item: Item,
}

impl Member {
    fn as_object(&self) -> &dyn Object {
        self
    }

    fn held(&self) -> Result<&Arc<Array>> {
        match &self.item {
            Item::Array(array) => Ok(array),
            Item::Group(_) => Err(self.as_object().format("a dataset", "a group")),
        }
    }
}

impl Object for Member {
    fn backend(&self) -> Arc<dyn Backend> {
        self.opened.clone()
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn is_group(&self) -> bool {
        matches!(self.item, Item::Group(_))
    }

    fn child(&self, key: &str) -> Result<Arc<dyn Object>> {
        let Item::Group(group) = &self.item else {
            return Err(self.as_object().format("a group", "a dataset"));
        };
        // "T/NK" is "NK" in the group "T".
        let (first, rest) = key.split_once('/').map_or((key, None), |(first, rest)| (first, Some(rest)));
        let item = group.get(first).ok_or_else(|| self.as_object().missing(key))?;
        let path = below(&self.path, first);
        let member = Member { opened: self.opened.clone(), path, item };
        match rest {
            Some(rest) => member.child(rest),
            None => Ok(Arc::new(member)),
        }
    }

    fn has_link(&self, key: &str) -> Result<bool> {
        Ok(self.child(key).is_ok())
    }

    fn keys(&self) -> Result<Vec<String>> {
        match &self.item {
            Item::Group(group) => Ok(lock(&group.members).iter().map(|m| m.0.clone()).collect()),
            Item::Array(_) => Err(self.as_object().format("a group", "a dataset")),
        }
    }

    fn has_attribute(&self, name: &str) -> Result<bool> {
        Ok(self.item.attributes().get(name).is_some())
    }

    fn attribute(&self, name: &str) -> Result<Option<Attribute>> {
        Ok(self.item.attributes().get(name))
    }

    fn identity(&self) -> Result<Identity> {
        Ok(self.item.number().to_string())
    }

    fn shape(&self) -> Option<Vec<usize>> {
        match &self.item {
            Item::Array(array) => lock(&array.state).shape.clone(),
            Item::Group(_) => None,
        }
    }

    fn values(&self) -> Result<Box<dyn Stored + '_>> {
        Ok(Box::new(Values { member: self, array: self.held()? }))
    }

    fn array(&self) -> Result<Arc<dyn ChunkedArray>> {
        let array = self.held()?;
        let Some(dtype) = array.kind.dtype() else {
            return Err(self.as_object().unsupported(format!("values of type {}", array.kind.name()), ""));
        };
        Ok(Arc::new(Chunked::new(array, dtype)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The values of an array, read on demand.
struct Values<'a> {
    member: &'a Member,
    array: &'a Arc<Array>,
}

impl Values<'_> {
    fn wrong(&self) -> Error {
        let found = format!("other values than its type {}", self.array.kind.name());
        self.member.as_object().format("an intact array", found)
    }

    /// Returns `wanted` entries of `all`, from the first selected row on; `rows` is the number of
    /// rows of `all`.
    fn run<'v, T>(&self, part: &Part<'_>, rows: usize, all: &'v [T], wanted: usize) -> Result<&'v [T]> {
        let start = part.rows.as_ref().map_or(0, |r| all.len() / rows.max(1) * r.start);
        all.get(start..).and_then(|from| from.get(..wanted)).ok_or_else(|| self.wrong())
    }
}

impl Stored for Values<'_> {
    fn kind(&self) -> &Kind {
        &self.array.kind
    }

    fn extents(&self) -> Option<Vec<usize>> {
        lock(&self.array.state).shape.clone()
    }

    fn max_bytes(&self) -> u64 {
        // The bytes held, times 16 for the difference between their form here (encoded chunks) and
        // the values that are read.
        lock(&self.array.state).values.bytes().saturating_mul(16)
    }

    fn read(&self, part: &Part<'_>, out: &mut [u8]) -> Result<()> {
        let state = lock(&self.array.state);
        let rows = state.shape.as_ref().and_then(|s| s.first().copied()).unwrap_or(1);
        match state.values.field(part.field) {
            Some(Held::Bytes(bytes)) => out.copy_from_slice(self.run(part, rows, bytes, out.len())?),
            Some(Held::Chunks(_)) => {
                drop(state);
                let dtype = self.array.kind.dtype().ok_or_else(|| self.wrong())?;
                let decoded = Chunked::new(self.array, dtype).decoded();
                let bytes = decoded.map_err(|found| self.member.as_object().format("intact chunks", found))?;
                out.copy_from_slice(self.run(part, rows, &bytes, out.len())?);
            }
            _ => return Err(self.wrong()),
        }
        Ok(())
    }

    fn texts(&self, part: &Part<'_>, give: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let state = lock(&self.array.state);
        let rows = state.shape.as_ref().and_then(|s| s.first().copied()).unwrap_or(1);
        match state.values.field(part.field) {
            Some(Held::Texts(texts)) => {
                self.run(part, rows, texts, part.count)?.iter().try_for_each(|text| give(text.as_bytes()))
            }
            _ => Err(self.wrong()),
        }
    }
}

/// An array of numbers: one run of values as they are in memory, or chunks as they were given.
#[derive(Debug)]
struct Chunked {
    array: Arc<Array>,
    meta: Meta,
}

impl Chunked {
    fn new(array: &Arc<Array>, dtype: DType) -> Chunked {
        let state = lock(&array.state);
        let wide = |extents: &[usize]| extents.iter().map(|&e| e as u64).collect::<Vec<_>>();
        let (shape, stored) = (wide(state.shape.as_deref().unwrap_or_default()), state.values.bytes());
        let (access, chunk) = match &state.values {
            Held::Chunks(_) => (Access::Chunks(array.pipeline()), wide(&state.chunk)),
            _ => {
                let run = Extent { object: 0, at: 0, size: stored, mask: 0 };
                (Access::Run(Some(run)), shape.iter().map(|&e| e.max(1)).collect())
            }
        };
        let (number, fill) = (NumberType { dtype, swapped: false }, vec![0; dtype.size()]);
        let meta = Meta { shape, number, chunk, access, fill, stored, longest: stored };
        drop(state);
        Chunked { array: array.clone(), meta }
    }

    /// Decodes all chunks, one after the other along the first axis.
    fn decoded(&self) -> Result<Vec<u8>, String> {
        let state = lock(&self.array.state);
        let (Access::Chunks(pipeline), Held::Chunks(chunks)) = (&self.meta.access, &state.values) else {
            return Err("values that are none".to_owned());
        };
        let size = |extents: &[u64]| extents.iter().product::<u64>() as usize * self.meta.number.dtype.size();
        let (all, chunk) = (size(&self.meta.shape), size(&self.meta.chunk));
        let n = all.div_ceil(chunk.max(1));
        let mut out = vec![0; n * chunk];
        for (&number, stored) in chunks {
            let place = out.chunks_exact_mut(chunk.max(1)).nth(number as usize).ok_or("a chunk too many")?;
            pipeline.decode(0, stored, place)?;
        }
        out.truncate(all);
        Ok(out)
    }
}

impl ChunkedArray for Chunked {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Returns an extent for any chunk, since its size and presence are found when it is fetched,
    /// as for remote objects.
    fn locate(&self, chunk: u64) -> Result<Option<Extent>> {
        Ok(Some(Extent { object: chunk, at: 0, size: Extent::WHOLE, mask: 0 }))
    }

    fn fetch(&self, extents: &[Extent], take: &mut Take<'_>) -> Result<()> {
        let state = lock(&self.array.state);
        let Held::Chunks(chunks) = &state.values else { return Err(gone()) };
        let stored = |extent: &Extent| chunks.get(&extent.object).map(Vec::as_slice);
        extents.iter().enumerate().try_for_each(|(i, extent)| take(i, stored(extent)))
    }

    fn read(&self, object: u64, at: u64, out: &mut [u8]) -> Result<()> {
        let state = lock(&self.array.state);
        let bytes = match &state.values {
            Held::Bytes(bytes) => bytes,
            Held::Chunks(chunks) => chunks.get(&object).ok_or_else(gone)?,
            _ => return Err(gone()),
        };
        let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.get(..out.len()));
        out.copy_from_slice(from.ok_or_else(gone)?);
        Ok(())
    }

    fn read_box(&self, _: &[u64], _: &[u64], _: &[u64], _: &mut [u8]) -> Result<(), String> {
        Err("a box, where chunks are found".to_owned())
    }
}

fn gone() -> Error {
    Error::Internal("an array in memory is not what it was".to_owned())
}
