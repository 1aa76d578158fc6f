//! `awkward-array`: the buffers, form and length of an awkward array, which are read and written
//! without interpretation.

use super::{unknown_value, DatasetOptions, Encoding, Reading, PLAIN};
use crate::element::{Description, Value};
use crate::error::{Error, Result};
use crate::store::{Attribute, GroupWriter, Node};

pub(super) const ENCODING: Encoding = Encoding {
    name: "awkward-array",
    versions: &["0.1.0"],
    read,
    describe,
    takes: |value| matches!(value, Value::Awkward { .. }),
    write,
    ..PLAIN
};

fn read(node: &Node, reading: &Reading) -> Result<Value> {
    let (length, form) = parts(node)?;
    let buffer = |key: String| {
        let value = reading.read(&node.child(&key)?)?;
        Ok((key, value))
    };
    let buffers = node.keys()?.into_iter().map(buffer).collect::<Result<_>>()?;
    Ok(Value::Awkward { length, form, buffers })
}

fn parts(node: &Node) -> Result<(u64, String)> {
    let length = node.attribute("length")?;
    let length = length
        .as_ref()
        .and_then(|a| match a.integers() {
            Some(&[n]) => u64::try_from(n).ok(),
            _ => None,
        })
        .ok_or_else(|| {
            let found = length.as_ref().map_or("no such attribute".to_owned(), Attribute::to_string);
            node.format("a number of rows in the attribute 'length'", found)
        })?;
    let form = node.attribute("form")?;
    let form = form.as_ref().and_then(|a| a.text());
    let form = form.ok_or_else(|| node.format("a JSON text in the attribute 'form'", "none"))?;
    Ok((length, form.to_owned()))
}

fn describe(node: &Node, out: &mut Description) -> Result<()> {
    out.shape = vec![usize::try_from(parts(node)?.0).unwrap_or(usize::MAX)];
    out.keys = node.keys()?;
    Ok(())
}

fn write(group: &GroupWriter<'_>, key: &str, value: &Value, options: &DatasetOptions) -> Result<()> {
    let Value::Awkward { length, form, buffers } = value else { return Err(unknown_value(key, value)) };
    let length = i64::try_from(*length).map_err(|_| Error::parameter("length", "at most 2^63 - 1", length))?;
    let group = group.group(key)?;
    ENCODING.mark_group(&group)?;
    group.set_integer("length", length)?;
    group.set_text("form", form)?;
    buffers.iter().try_for_each(|(key, value)| super::write(&group, key, value, options))
}
