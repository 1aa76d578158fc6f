//! `string-array`: texts of any rank, stored with variable or fixed length, as ASCII or UTF-8.

use super::{array, Reading};
use crate::element::{Strings, Value};
use crate::error::Result;
use crate::store::{GroupWriter, Layout, Node};

pub(super) fn read(node: &Node, _: &Reading) -> Result<Value> {
    let values = node.values()?;
    Ok(Value::Strings { shape: values.shape(), data: array::strings(&values)? })
}

pub(super) fn write(group: &GroupWriter<'_>, key: &str, shape: &[usize], data: &Strings) -> Result<()> {
    array::expect(group, key, shape, data.len())?;
    // Compression would only see the addresses of the texts.
    let dataset = group.texts(key, data.iter(), shape, &Layout::default())?;
    dataset.set_encoding(if shape.is_empty() { "string" } else { "string-array" }, "0.2.0")
}
