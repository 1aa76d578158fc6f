//! `dict`, and the groups of elements by key that have another name (`anndata`, `raw`).

use super::{unknown_value, Encoding, Reading, PLAIN};
use crate::element::{Description, Value};
use crate::error::Result;
use crate::store::Node;

pub(crate) const DICT: Encoding = Encoding {
    name: "dict",
    takes: |value| matches!(value, Value::Dict(_)),
    write: |group, key, value, options| {
        let Value::Dict(items) = value else { return Err(unknown_value(key, value)) };
        let group = group.group(key)?;
        DICT.mark_group(&group)?;
        items.iter().try_for_each(|(key, value)| super::write(&group, key, value, options))
    },
    ..GROUP
};

/// The encoding of the root of a file.
pub(crate) const ANNDATA: Encoding = Encoding { name: "anndata", ..GROUP };

/// The encoding of the slot `raw`.
pub(crate) const RAW: Encoding = Encoding { name: "raw", ..GROUP };

const GROUP: Encoding = Encoding { versions: &["0.1.0"], read, describe, ..PLAIN };

/// Reads all elements of a group.
pub(super) fn read(node: &Node, reading: &Reading) -> Result<Value> {
    let item = |key: String| {
        let value = reading.read(&node.child(&key)?)?;
        Ok((key, value))
    };
    Ok(Value::Dict(node.keys()?.into_iter().map(item).collect::<Result<_>>()?))
}

/// Describes a group by the keys of its elements.
pub(super) fn describe(node: &Node, out: &mut Description) -> Result<()> {
    out.keys = node.keys()?;
    Ok(())
}
