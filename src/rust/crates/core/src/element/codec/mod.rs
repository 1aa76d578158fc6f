//! One file per on-disk encoding, and the table that finds it by (encoding-type, encoding-version).

mod array;
mod awkward;
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

use super::{Description, Value};
use crate::error::Result;
use crate::store::{Attribute, GroupWriter, Identity, Node};
use std::cell::{Cell, RefCell};

pub(crate) use dataframe::{check_names, same_texts};
pub(super) use dataframe::{column_of, columns_of, index_of, n_rows};
pub(super) use legacy::{coded_columns, describe_field, field, read_field};

/// An encoding: its name, the versions known, and how to read and describe an element of it.
struct Codec {
    name: &'static str,
    versions: &'static [&'static str],
    read: fn(&Node, &Reading) -> Result<Value>,
    describe: fn(&Node, &mut Description) -> Result<()>,
}

/// Every encoding. The empty name is an element without encoding attributes: files of anndata before 0.8.
const CODECS: &[Codec] = &[
    Codec { name: "array", versions: &["0.2.0"], read: array::read, describe: array::describe },
    Codec { name: "string-array", versions: &["0.2.0"], read: string_array::read, describe: array::describe },
    Codec { name: "numeric-scalar", versions: &["0.2.0"], read: scalar::read, describe: array::describe },
    Codec { name: "string", versions: &["0.2.0"], read: scalar::read, describe: array::describe },
    Codec { name: "bytes", versions: &["0.2.0"], read: scalar::read_raw, describe: array::describe },
    Codec { name: "categorical", versions: &["0.2.0"], read: categorical::read, describe: categorical::describe },
    Codec { name: "nullable-integer", versions: &["0.1.0"], read: nullable::read, describe: nullable::describe },
    Codec { name: "nullable-boolean", versions: &["0.1.0"], read: nullable::read, describe: nullable::describe },
    Codec { name: "nullable-string-array", versions: &["0.1.0"], read: nullable::read, describe: nullable::describe },
    Codec { name: "csr_matrix", versions: &["0.1.0"], read: sparse::read, describe: sparse::describe },
    Codec { name: "csc_matrix", versions: &["0.1.0"], read: sparse::read, describe: sparse::describe },
    Codec { name: "dataframe", versions: &["0.1.0", "0.2.0"], read: dataframe::read, describe: dataframe::describe },
    Codec { name: "dict", versions: &["0.1.0"], read: dict::read, describe: dict::describe },
    Codec { name: "anndata", versions: &["0.1.0"], read: dict::read, describe: dict::describe },
    Codec { name: "raw", versions: &["0.1.0"], read: dict::read, describe: dict::describe },
    Codec { name: "rec-array", versions: &["0.2.0"], read: rec_array::read, describe: rec_array::describe },
    Codec { name: "null", versions: &["0.1.0"], read: null::read, describe: null::describe },
    Codec { name: "awkward-array", versions: &["0.1.0"], read: awkward::read, describe: awkward::describe },
    Codec { name: "", versions: &[""], read: legacy::read, describe: legacy::describe },
];

/// How far a read has come: hostile files nest without end or link to themselves.
pub(super) struct Reading {
    /// The groups that are being read, each within the one before.
    within: RefCell<Vec<Identity>>,
    elements: Cell<usize>,
}

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;
/// Most elements one read gives.
const MAX_ELEMENTS: usize = 100_000;

impl Reading {
    pub(super) fn new() -> Self {
        Reading { within: RefCell::default(), elements: Cell::new(0) }
    }

    /// Reads an element within this read.
    pub(super) fn read(&self, node: &Node) -> Result<Value> {
        self.elements.set(self.elements.get() + 1);
        if self.elements.get() > MAX_ELEMENTS {
            return Err(node.format(format!("at most {MAX_ELEMENTS} elements"), "more"));
        }
        let (codec, _) = find(node)?;
        if !node.is_group() {
            return (codec.read)(node, self);
        }
        let identity = node.identity()?;
        if self.within.borrow().len() >= MAX_DEPTH {
            return Err(node.format(format!("at most {MAX_DEPTH} levels"), "more"));
        }
        if self.within.borrow().contains(&identity) {
            return Err(node.format("elements of its own", "a link to a group it lies in"));
        }
        self.within.borrow_mut().push(identity);
        let value = (codec.read)(node, self);
        self.within.borrow_mut().pop();
        value
    }
}

/// The (encoding-type, encoding-version) of an element; both empty when it has none.
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

fn find(node: &Node) -> Result<(&'static Codec, (String, String))> {
    let (name, version) = encoding_of(node)?;
    let Some(codec) = CODECS.iter().find(|c| c.name == name) else {
        return Err(node.unsupported(format!("the encoding '{name}' (version '{version}')"), NEWER));
    };
    if !codec.versions.contains(&version.as_str()) {
        let known = codec.versions.join(" and ");
        return Err(node.unsupported(format!("version '{version}' of the encoding '{name}' (known: {known})"), NEWER));
    }
    Ok((codec, (name, version)))
}

const NEWER: &str = "; it may come from a newer anndata";

/// What an element is, without its values.
pub(super) fn describe(node: &Node) -> Result<Description> {
    let (codec, (encoding, version)) = find(node)?;
    let mut out = Description { encoding, version, ..Description::default() };
    (codec.describe)(node, &mut out)?;
    Ok(out)
}

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// Compression of numeric datasets.
    pub compression: crate::store::Compression,
    /// Whether bytes are shuffled before they are compressed.
    pub shuffle: bool,
}

impl WriteOptions {
    fn layout(&self) -> crate::store::Layout {
        crate::store::Layout { compression: self.compression, shuffle: self.shuffle, ..crate::store::Layout::default() }
    }
}

/// Writes `value` as `key` of `group`.
pub(super) fn write(group: &GroupWriter<'_>, key: &str, value: &Value, options: &WriteOptions) -> Result<()> {
    match value {
        Value::Null => null::write(group, key),
        Value::Scalar(s) => scalar::write(group, key, s),
        Value::Array(a) => array::write(group, key, a, options),
        Value::Complex { shape, data, single } => array::write_complex(group, key, shape, data, *single),
        Value::Strings { shape, data } => string_array::write(group, key, shape, data),
        Value::Categorical(c) => categorical::write(group, key, c, options),
        Value::Nullable(n) => nullable::write(group, key, n, value.encoding(), options),
        Value::Sparse(s) => sparse::write(group, key, s, options),
        Value::DataFrame(d) => dataframe::write(group, key, d, options),
        Value::Dict(items) => dict::write(group, key, items, options),
        Value::RecArray(fields) => rec_array::write(group, key, fields),
        Value::Awkward { length, form, buffers } => awkward::write(group, key, *length, form, buffers, options),
    }
}
