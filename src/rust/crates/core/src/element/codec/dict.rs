//! `dict`: a group of elements by key.

use super::{Reading, WriteOptions};
use crate::element::{Description, Value};
use crate::error::Result;
use crate::store::{GroupWriter, Node};

pub(super) fn read(node: &Node, reading: &Reading) -> Result<Value> {
    let item = |key: String| {
        let value = reading.read(&node.child(&key)?)?;
        Ok((key, value))
    };
    Ok(Value::Dict(node.keys()?.into_iter().map(item).collect::<Result<_>>()?))
}

pub(super) fn describe(node: &Node, out: &mut Description) -> Result<()> {
    out.keys = node.keys()?;
    Ok(())
}

pub(super) fn write(
    group: &GroupWriter<'_>,
    key: &str,
    items: &[(String, Value)],
    options: &WriteOptions,
) -> Result<()> {
    let group = group.group(key)?;
    group.set_encoding("dict", "0.1.0")?;
    items.iter().try_for_each(|(key, value)| super::write(&group, key, value, options))
}
