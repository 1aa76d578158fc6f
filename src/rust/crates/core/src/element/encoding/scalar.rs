//! `numeric-scalar` and `string`: one value without axes.

use super::{array, unknown_value, DatasetOptions, Encoding, Reading, PLAIN};
use crate::element::{Array, Scalar, Value};
use crate::error::{Error, Result};
use crate::store::{GroupWriter, Layout, Node};

pub(super) const NUMBER: Encoding = Encoding {
    name: "numeric-scalar",
    versions: &["0.2.0"],
    read,
    describe: array::describe,
    takes: |value| matches!(value, Value::Scalar(Scalar::Number(_) | Scalar::Complex(..))),
    write,
    ..PLAIN
};

pub(super) const STRING: Encoding = Encoding {
    name: "string",
    versions: &["0.2.0"],
    read,
    describe: array::describe,
    takes: |value| matches!(value, Value::Scalar(Scalar::String(_))),
    write,
    ..PLAIN
};

/// Reads a dataset of one value, whatever its axes.
pub(super) fn read(node: &Node, _: &Reading) -> Result<Value> {
    let values = node.values()?;
    let count: usize = values.shape().iter().product();
    if count != 1 || values.is_null() {
        return Err(values.format("one value", format!("extents {:?}", values.shape())));
    }
    Ok(Value::Scalar(match array::decode(&values)? {
        Value::Array(Array { data, .. }) => Scalar::Number(data),
        // A `Scalar::Complex` has no precision, so complex64 stays an array without axes.
        Value::Complex { data, single: true, .. } => return Ok(Value::Complex { shape: vec![], data, single: true }),
        Value::Complex { data, .. } => {
            let (re, im) = data.first().copied().unwrap_or_default();
            Scalar::Complex(re, im)
        }
        Value::Strings { data, .. } => Scalar::String(data.get(0).unwrap_or_default().to_owned()),
        other => return Err(values.format("a number or a text", other.encoding())),
    }))
}

fn write(group: &GroupWriter<'_>, key: &str, value: &Value, _: &DatasetOptions) -> Result<()> {
    match value {
        Value::Scalar(Scalar::Number(data)) if data.len() == 1 => {
            array::write_data(group, key, &[], data, &DatasetOptions::default())
        }
        Value::Scalar(Scalar::Number(data)) => {
            Err(Error::shape(format!("writing the scalar '{key}'"), "1 value", data.len()))
        }
        Value::Scalar(Scalar::Complex(re, im)) => array::write_complex(group, key, &[], &[(*re, *im)], false),
        Value::Scalar(Scalar::String(text)) => {
            let dataset = group.texts(key, std::iter::once(text.as_str()), &[], &Layout::default())?;
            STRING.mark_array(&dataset)
        }
        value => Err(unknown_value(key, value)),
    }
}
