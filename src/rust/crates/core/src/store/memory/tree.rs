//! Groups and arrays in memory.

use super::lock;
use crate::codec::pipeline::{Filter, Pipeline, Plan, Step};
use crate::codec::{id, Compression};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::sink::{Cells, Layout, Setting, Target};
use crate::store::{Attribute, Kind};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A group or array. A clone shares its content.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Group(Arc<Group>),
    Array(Arc<Array>),
}

/// A group: its members and attributes, in the order they were made.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) members: Mutex<Vec<(String, Item)>>,
    pub(super) attributes: Attributes,
}

/// The attributes of a group or array, in the order they were made.
#[derive(Debug, Default)]
pub(super) struct Attributes(Mutex<Vec<(String, Attribute)>>);

impl Attributes {
    /// Returns the attribute `name`.
    pub(super) fn get(&self, name: &str) -> Option<Attribute> {
        lock(&self.0).iter().find(|a| a.0 == name).map(|a| a.1.clone())
    }

    /// Sets the attribute `name`, in place of one of the same name.
    pub(super) fn set(&self, name: &str, value: Setting<'_>) {
        let value = match value {
            Setting::Text(text) => Attribute::Text(vec![text.to_owned()]),
            Setting::Texts(texts) => Attribute::Text(texts.iter().map(|&t| t.to_owned()).collect()),
            Setting::Integer(x) => Attribute::Integer(vec![x]),
            Setting::Integers(list) => Attribute::Integer(list.to_vec()),
            Setting::Flag(x) => Attribute::Boolean(vec![x]),
        };
        let mut all = lock(&self.0);
        match all.iter_mut().find(|a| a.0 == name) {
            Some(there) => there.1 = value,
            None => all.push((name.to_owned(), value)),
        }
    }

    fn copied(&self) -> Attributes {
        Attributes(Mutex::new(lock(&self.0).clone()))
    }
}

impl Group {
    /// Makes an empty group.
    pub(super) fn new() -> Arc<Group> {
        Arc::default()
    }

    /// Returns the member `key`.
    pub(super) fn get(&self, key: &str) -> Option<Item> {
        lock(&self.members).iter().find(|m| m.0 == key).map(|m| m.1.clone())
    }

    /// Adds a member under a free key.
    pub(super) fn put(&self, key: &str, item: Item) {
        lock(&self.members).push((key.to_owned(), item));
    }

    /// Returns a group of the same members, so that changes of it leave this one alone. Subgroups
    /// are copied; arrays, which never change once they are written, are shared.
    pub(super) fn copied(&self) -> Arc<Group> {
        let members = lock(&self.members).iter().map(|(key, item)| (key.clone(), item.copied())).collect();
        Arc::new(Group { members: Mutex::new(members), attributes: self.attributes.copied() })
    }

    /// Returns the bytes of all values below the group.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = |(_, item): &(String, Item)| match item {
            Item::Group(group) => group.bytes(),
            Item::Array(array) => lock(&array.state).values.bytes(),
        };
        lock(&self.members).iter().map(bytes).sum()
    }
}

impl Item {
    /// Copies a group, see [`Group::copied`], or shares an array.
    pub(super) fn copied(&self) -> Item {
        match self {
            Item::Group(group) => Item::Group(group.copied()),
            Item::Array(array) => Item::Array(array.clone()),
        }
    }

    /// Returns the attributes of the group or array.
    pub(super) fn attributes(&self) -> &Attributes {
        match self {
            Item::Group(group) => &group.attributes,
            Item::Array(array) => &array.attributes,
        }
    }

    /// Returns a number that no other group or array in memory has at the time.
    pub(super) fn number(&self) -> usize {
        match self {
            Item::Group(group) => Arc::as_ptr(group) as usize,
            Item::Array(array) => Arc::as_ptr(array) as usize,
        }
    }
}

/// An array and its values.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) kind: Kind,
    compression: Compression,
    pub(super) attributes: Attributes,
    pub(super) state: Mutex<Contents>,
}

/// The parts of an array that writing changes.
#[derive(Debug)]
pub(super) struct Contents {
    /// `None` without space.
    pub(super) shape: Option<Vec<usize>>,
    /// Extents of a chunk that is written encoded.
    pub(super) chunk: Vec<usize>,
    pub(super) values: Held,
}

/// The values of an array, in the form they were written in.
#[derive(Debug)]
pub(super) enum Held {
    /// Numbers and fixed texts, as they are in memory.
    Bytes(Vec<u8>),
    Texts(Vec<String>),
    /// Records, by field.
    Fields(Vec<(String, Held)>),
    /// Encoded chunks, by their number along the first axis.
    Chunks(BTreeMap<u64, Vec<u8>>),
}

impl Held {
    /// Makes room for `n` values, all zero or empty.
    fn new(kind: &Kind, n: usize) -> Result<Held> {
        const WHAT: &str = "an array in memory";
        Ok(match kind {
            Kind::Text { .. } => Held::Texts(memory::filled(n, String::new(), WHAT)?),
            Kind::Compound(fields) => {
                let field = |(name, kind): &(String, Kind)| Ok((name.clone(), Held::new(kind, n)?));
                Held::Fields(fields.iter().map(field).collect::<Result<_>>()?)
            }
            Kind::Array { extents, item } => Held::new(item, extents.iter().fold(n, |n, &e| n.saturating_mul(e)))?,
            kind => Held::Bytes(memory::zeros::<u8>(n.saturating_mul(kind.memory_bytes()), WHAT)?),
        })
    }

    /// Returns the bytes of the values, with 8 more for each text.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Held::Bytes(bytes) => bytes.len() as u64,
            Held::Texts(texts) => texts.iter().map(|t| t.len() as u64 + 8).sum(),
            Held::Fields(fields) => fields.iter().map(|f| f.1.bytes()).sum(),
            Held::Chunks(chunks) => chunks.values().map(|c| c.len() as u64).sum(),
        }
    }

    /// Returns the values of the field `name` for records, or all values (`name` is `None`) for
    /// other kinds; `None` for any other combination.
    pub(super) fn field(&self, name: Option<&str>) -> Option<&Held> {
        match (self, name) {
            (Held::Fields(fields), Some(name)) => fields.iter().find(|f| f.0 == name).map(|f| &f.1),
            (Held::Fields(_), None) | (_, Some(_)) => None,
            (held, None) => Some(held),
        }
    }

    fn field_mut(&mut self, name: Option<&str>) -> Option<&mut Held> {
        match (self, name) {
            (Held::Fields(fields), Some(name)) => fields.iter_mut().find(|f| f.0 == name).map(|f| &mut f.1),
            (Held::Fields(_), None) | (_, Some(_)) => None,
            (held, None) => Some(held),
        }
    }
}

impl Array {
    /// Makes an array of zeros or empty texts; without space when `shape` is `None`.
    pub(super) fn new(kind: &Kind, shape: Option<&[usize]>, layout: &Layout) -> Result<Array> {
        let values = Held::new(kind, shape.map_or(0, |shape| shape.iter().product()))?;
        let chunk = shape.map_or_else(Vec::new, |shape| layout.chunk_of(shape, kind.memory_bytes()));
        let state = Mutex::new(Contents { shape: shape.map(<[usize]>::to_vec), chunk, values });
        Ok(Array { kind: kind.clone(), compression: layout.compression, attributes: Attributes::default(), state })
    }

    /// Returns the pipeline that decodes chunks. It has no step for LZF: a backend encodes LZF
    /// itself, and this one does not, so such arrays are written as values.
    pub(super) fn pipeline(&self) -> Pipeline {
        let filters: &[Filter] = match self.compression {
            Compression::Gzip(_) => &[(id::DEFLATE, Vec::new())],
            Compression::Zstd(_) => &[(id::ZSTD, Vec::new())],
            Compression::GzipFile(_) => return Pipeline::from_steps(vec![Step::Gzip]).unwrap_or_default(),
            Compression::None | Compression::Lzf => &[],
        };
        match Plan::from_filters(filters, &|_| false) {
            Plan::Direct(pipeline) => pipeline,
            _ => Pipeline::default(),
        }
    }

    /// Writes values of whole rows, or all.
    pub(super) fn write(&self, to: Target<'_>, cells: Cells<'_>) -> Result<()> {
        let wrong = || Error::Internal("values of another kind or number than the array in memory".to_owned());
        let mut state = lock(&self.state);
        let Contents { shape, values, .. } = &mut *state;
        let shape = shape.as_deref().unwrap_or_default();
        let rows = |len: usize| -> Option<(usize, usize)> {
            let (Some(&n), Some((start, count))) = (shape.first(), to.place) else { return Some((0, len)) };
            // Only whole rows can be written.
            let whole = start.iter().skip(1).all(|&s| s == 0) && count.get(1..) == shape.get(1..);
            let (first, rows) = (*start.first()?, *count.first()?);
            let row = len / n.max(1);
            (whole && first + rows <= n).then_some((first * row, rows * row))
        };
        match (values.field_mut(to.field).ok_or_else(wrong)?, cells) {
            (Held::Bytes(there), Cells::Bytes(new)) => {
                let (at, n) = rows(there.len()).filter(|r| r.1 == new.len()).ok_or_else(wrong)?;
                there[at..at + n].copy_from_slice(new);
            }
            (Held::Texts(there), Cells::Texts(new)) => {
                let (at, n) = rows(there.len()).filter(|r| r.1 == new.len()).ok_or_else(wrong)?;
                there[at..at + n].iter_mut().zip(new).for_each(|(to, &text)| text.clone_into(to));
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Keeps the encoded chunk whose first row is `first`. Values that were written by
    /// [`Array::write`] before are dropped.
    pub(super) fn write_chunk(&self, first: usize, stored: &[u8]) -> Result<()> {
        let mut state = lock(&self.state);
        let number = (first / state.chunk.first().copied().unwrap_or(1).max(1)) as u64;
        if !matches!(state.values, Held::Chunks(_)) {
            state.values = Held::Chunks(BTreeMap::new());
        }
        if let Held::Chunks(chunks) = &mut state.values {
            chunks.insert(number, memory::copied(stored, "a chunk in memory")?);
        }
        Ok(())
    }

    /// Changes the extent of the first axis. New numbers are zero.
    pub(super) fn resize(&self, extent: usize) -> Result<()> {
        let mut state = lock(&self.state);
        let Contents { shape, values, .. } = &mut *state;
        let Some(shape) = shape else { return Ok(()) };
        if let Some(first) = shape.first_mut() {
            *first = extent;
        }
        let n: usize = shape.iter().product();
        if let Held::Bytes(bytes) = values {
            let size = n * self.kind.memory_bytes();
            bytes.truncate(size);
            memory::lengthen(bytes, size, 0, "an array in memory")?;
        }
        Ok(())
    }
}
