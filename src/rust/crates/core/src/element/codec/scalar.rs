//! `numeric-scalar`, `string` and `bytes`: one value without axes.

use super::{array, Reading, WriteOptions};
use crate::element::{Array, Scalar, Value};
use crate::error::{Error, Result};
use crate::store::{GroupWriter, Kind, Layout, Node, Target};

pub(super) fn read(node: &Node, _: &Reading) -> Result<Value> {
    let values = node.values()?;
    let count: usize = values.shape().iter().product();
    if count != 1 || values.is_null() {
        return Err(values.format("one value", format!("extents {:?}", values.shape())));
    }
    Ok(Value::Scalar(match array::decode(&values)? {
        Value::Array(Array { data, .. }) => Scalar::Number(data),
        // Single precision is told apart by the array.
        Value::Complex { data, single: true, .. } => return Ok(Value::Complex { shape: vec![], data, single: true }),
        Value::Complex { data, .. } => {
            let (re, im) = data.first().copied().unwrap_or_default();
            Scalar::Complex(re, im)
        }
        Value::Strings { data, .. } => Scalar::String(data.get(0).unwrap_or_default().to_owned()),
        other => return Err(values.format("a number or a text", other.encoding())),
    }))
}

/// Bytes that need not be text.
pub(super) fn read_raw(node: &Node, _: &Reading) -> Result<Value> {
    let values = node.values()?;
    if !values.is_scalar() {
        return Err(values.format("one value", format!("extents {:?}", values.shape())));
    }
    let mut out = Vec::new();
    values.read_bytes(None, &mut |bytes| {
        out.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(Value::Scalar(Scalar::Bytes(out)))
}

pub(super) fn write(group: &GroupWriter<'_>, key: &str, scalar: &Scalar) -> Result<()> {
    match scalar {
        Scalar::Number(data) if data.len() == 1 => array::write_data(group, key, &[], data, &WriteOptions::default()),
        Scalar::Number(data) => Err(Error::shape(format!("writing the scalar '{key}'"), "1 value", data.len())),
        Scalar::Complex(re, im) => array::write_complex(group, key, &[], &[(*re, *im)], false),
        Scalar::String(text) => {
            let dataset = group.texts(key, std::iter::once(text.as_str()), &[], &Layout::default())?;
            dataset.set_encoding("string", "0.2.0")
        }
        Scalar::Bytes(bytes) => {
            let dataset = group.dataset_of(key, &Kind::bytes(bytes.len()), &[], &Layout::default())?;
            let padded: &[u8] = if bytes.is_empty() { &[0] } else { bytes };
            dataset.write_bytes(Target::default(), padded)?;
            dataset.set_encoding("bytes", "0.2.0")
        }
    }
}
