//! One file per on-disk encoding, and the registry that finds an encoding by (encoding-type,
//! encoding-version) or by value.

mod array;
mod awkward;
mod bytes;
mod categorical;
mod dataframe;
mod dict;
mod legacy;
mod null;
mod nullable;
mod rec_array;
mod scalar;
mod sparse;
mod string_array;
mod table;

use super::{Description, SparseFormat, Value};
use crate::error::{Error, Result};
use crate::store::{Attribute, DatasetWriter, GroupWriter, Identity, Node};
use std::cell::{Cell, RefCell};

pub(crate) use array::ENCODING as ARRAY;
pub(crate) use dataframe::{check_names, same_texts, start as start_frame};
pub(crate) use dict::{ANNDATA, DICT, RAW};
pub(crate) use sparse::start as start_sparse;

pub(super) use dataframe::{column_of, columns_of, index_of, n_rows};
pub(super) use table::{coded_columns, describe_field, field, read_field};

/// Everything about one encoding. To add one, write a file with such a value and a line in
/// [`ENCODINGS`].
pub(crate) struct Encoding {
    /// Name of the encoding, the attribute `encoding-type`.
    pub(crate) name: &'static str,
    /// Versions that are read; the last one is written.
    versions: &'static [&'static str],
    /// Reads an element.
    read: fn(&Node, &Reading) -> Result<Value>,
    /// Describes an element without reading its values.
    describe: fn(&Node, &mut Description) -> Result<()>,
    /// Tells whether a value is written in this encoding.
    takes: fn(&Value) -> bool,
    /// Writes a value that it takes as `key` of a group.
    write: fn(&GroupWriter<'_>, &str, &Value, &DatasetOptions) -> Result<()>,
    /// Tells how an element is streamed as a matrix; `None` when it is not one.
    matrix: fn(&Node) -> Result<Option<Matrix>>,
}

/// The start of every encoding: one that reads and writes nothing and holds no matrix.
const PLAIN: Encoding = Encoding {
    name: "",
    versions: &[],
    read: |node, _| Err(node.unsupported("this encoding", "")),
    describe: |_, _| Ok(()),
    takes: |_| false,
    write: |_, key, value, _| Err(unknown_value(key, value)),
    matrix: |_| Ok(None),
};

/// All encodings. The empty name stands for an element without encoding attributes: files of
/// anndata before 0.8.
const ENCODINGS: &[&Encoding] = &[
    &array::ENCODING,
    &string_array::ENCODING,
    &scalar::NUMBER,
    &scalar::STRING,
    &bytes::ENCODING,
    &categorical::ENCODING,
    &nullable::INTEGER,
    &nullable::BOOLEAN,
    &nullable::TEXTS,
    &sparse::CSR,
    &sparse::CSC,
    &dataframe::ENCODING,
    &dict::DICT,
    &dict::ANNDATA,
    &dict::RAW,
    &rec_array::ENCODING,
    &null::ENCODING,
    &awkward::ENCODING,
    &legacy::ENCODING,
];

/// The way to stream an element as a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matrix {
    /// Compressed, with these numbers of rows and columns.
    Sparse(SparseFormat, (usize, usize)),
    /// A dense array.
    Dense,
    /// A dense array of genes x cells, to be transposed.
    Turned,
}

/// Makes the error of an encoding that does not take the value.
fn unknown_value(key: &str, value: &Value) -> Error {
    Error::Internal(format!("'{key}' is not written as {}", value.encoding()))
}

impl Encoding {
    /// Returns the version that is written.
    fn version(&self) -> &'static str {
        self.versions.last().copied().unwrap_or_default()
    }

    /// Marks a group with this encoding.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn mark_group(&self, group: &GroupWriter<'_>) -> Result<()> {
        group.set_encoding(self.name, self.version())
    }

    /// Marks an array with this encoding.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn mark_array(&self, array: &DatasetWriter<'_>) -> Result<()> {
        array.set_encoding(self.name, self.version())
    }

    fn of_name(name: &str) -> Option<&'static Encoding> {
        ENCODINGS.iter().copied().find(|encoding| encoding.name == name)
    }

    /// Returns the encoding that a value is written in.
    fn of_value(value: &Value) -> &'static Encoding {
        ENCODINGS.iter().copied().find(|encoding| (encoding.takes)(value)).unwrap_or(&PLAIN)
    }
}

impl Value {
    /// Returns the name of the encoding that the value is written in, as in the specification.
    pub fn encoding(&self) -> &'static str {
        Encoding::of_value(self).name
    }
}

/// State of a read, to bound it: hostile files nest without end or link to themselves.
pub(super) struct Reading {
    /// Identities of the groups being read, from the outermost to the innermost.
    within: RefCell<Vec<Identity>>,
    elements: Cell<usize>,
}

/// Upper bound of the depth of groups that are read.
const MAX_DEPTH: usize = 64;
/// Upper bound of the elements of one read.
const MAX_ELEMENTS: usize = 100_000;

impl Reading {
    /// Starts a read.
    pub(super) fn new() -> Self {
        Reading { within: RefCell::default(), elements: Cell::new(0) }
    }

    /// Reads an element as a part of this read.
    pub(super) fn read(&self, node: &Node) -> Result<Value> {
        self.elements.set(self.elements.get() + 1);
        if self.elements.get() > MAX_ELEMENTS {
            return Err(node.format(format!("at most {MAX_ELEMENTS} elements"), "more"));
        }
        let (encoding, _) = find(node)?;
        if !node.is_group() {
            return (encoding.read)(node, self);
        }
        let identity = node.identity()?;
        if self.within.borrow().len() >= MAX_DEPTH {
            return Err(node.format(format!("at most {MAX_DEPTH} levels of groups"), "more"));
        }
        if self.within.borrow().contains(&identity) {
            return Err(node.format("elements of its own", "a link to a group it lies in"));
        }
        self.within.borrow_mut().push(identity);
        let value = (encoding.read)(node, self);
        self.within.borrow_mut().pop();
        value
    }
}

/// Returns the (encoding-type, encoding-version) of an element; both are empty when it has none.
pub(super) fn encoding_of(node: &Node) -> Result<(String, String)> {
    let text = |name: &str| -> Result<String> {
        match node.attribute(name)? {
            None => Ok(String::new()),
            Some(Attribute::Text(t)) if t.len() == 1 => Ok(t.into_iter().next().unwrap_or_default()),
            Some(other) => Err(node.format(format!("one text in the attribute '{name}'"), other.to_string())),
        }
    };
    let name = text("encoding-type")?;
    let version = if name.is_empty() { String::new() } else { text("encoding-version")? };
    Ok((name, version))
}

fn find(node: &Node) -> Result<(&'static Encoding, (String, String))> {
    let (name, version) = encoding_of(node)?;
    let Some(encoding) = Encoding::of_name(&name) else {
        return Err(node.unsupported(format!("the encoding '{name}' (version '{version}')"), NEWER));
    };
    if !encoding.versions.contains(&version.as_str()) {
        let known = encoding.versions.join(" and ");
        return Err(node.unsupported(format!("version '{version}' of the encoding '{name}' (known: {known})"), NEWER));
    }
    Ok((encoding, (name, version)))
}

/// Returns how the element of a node is streamed as a matrix; `None` when it is not one. Versions
/// are not checked, and an `encoding-type` that is no text counts as absent, so that any array can
/// be streamed.
///
/// # Errors
/// [`Error::Format`] for a matrix without valid extents.
pub(crate) fn matrix(node: &Node) -> Result<Option<Matrix>> {
    let name = node.attribute("encoding-type")?;
    let encoding = Encoding::of_name(name.as_ref().and_then(Attribute::text).unwrap_or_default());
    match encoding.map_or(Ok(None), |encoding| (encoding.matrix)(node))? {
        None if !node.is_group() => Ok(Some(Matrix::Dense)),
        found => Ok(found),
    }
}

/// Returns whether an element with this encoding can be copied into a new file unchanged. It can if
/// it has an encoding, and if anndata still writes this version. An unknown encoding can be copied,
/// too.
pub(crate) fn is_of_today(name: &str, version: &str) -> bool {
    let old = |encoding: &Encoding| encoding.versions.contains(&version) && version != encoding.version();
    !name.is_empty() && !Encoding::of_name(name).is_some_and(old)
}

const NEWER: &str = "; it may come from a newer anndata";

/// Describes an element without reading its values.
pub(super) fn describe(node: &Node) -> Result<Description> {
    let (found, (encoding, version)) = find(node)?;
    let mut out = Description { encoding, version, ..Description::default() };
    (found.describe)(node, &mut out)?;
    Ok(out)
}

/// Options of writing elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatasetOptions {
    /// Compression of numeric datasets.
    pub compression: crate::store::Compression,
    /// Whether bytes are shuffled before compression.
    pub shuffle: bool,
}

impl DatasetOptions {
    fn layout(&self) -> crate::store::Layout {
        crate::store::Layout { compression: self.compression, shuffle: self.shuffle, ..crate::store::Layout::default() }
    }
}

/// Writes `value` as `key` of `group`.
pub(super) fn write(group: &GroupWriter<'_>, key: &str, value: &Value, options: &DatasetOptions) -> Result<()> {
    (Encoding::of_value(value).write)(group, key, value, options)
}
