//! `string-array`: texts of any rank, stored with variable or fixed length, as ASCII or UTF-8.

use super::{array, scalar, unknown_value, Encoding, PLAIN};
use crate::element::Value;
use crate::store::Layout;

pub(super) const ENCODING: Encoding = Encoding {
    name: "string-array",
    versions: &["0.2.0"],
    read: |node, _| {
        let values = node.values()?;
        Ok(Value::Strings { shape: values.shape(), data: array::strings(&values)? })
    },
    describe: array::describe,
    takes: |value| matches!(value, Value::Strings { .. }),
    write: |group, key, value, _| {
        let Value::Strings { shape, data } = value else { return Err(unknown_value(key, value)) };
        array::expect(group, key, shape, data.len())?;
        // HDF5 stores texts as addresses, on which compression has no effect.
        let dataset = group.texts(key, data.iter(), shape, &Layout::default())?;
        let encoding = if shape.is_empty() { &scalar::STRING } else { &ENCODING };
        encoding.mark_array(&dataset)
    },
    ..PLAIN
};
