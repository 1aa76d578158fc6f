//! `nullable-integer`, `nullable-boolean`, `nullable-string-array`: values and a mask of the
//! missing ones.

use super::{array, unknown_value, DatasetOptions, Encoding, Reading, PLAIN};
use crate::element::{Array, Data, Description, NaValue, Nullable, Value};
use crate::error::{Error, Result};
use crate::store::{GroupWriter, Node};

pub(super) const INTEGER: Encoding = Encoding {
    name: "nullable-integer",
    versions: &["0.1.0"],
    read,
    describe,
    takes: |value| values_of(value).is_some_and(|v| !matches!(v, Value::Strings { .. }) && !is_boolean(v)),
    write: |group, key, value, options| write(&INTEGER, group, key, value, options),
    ..PLAIN
};

pub(super) const BOOLEAN: Encoding = Encoding {
    name: "nullable-boolean",
    versions: &["0.1.0"],
    read,
    describe,
    takes: |value| values_of(value).is_some_and(is_boolean),
    write: |group, key, value, options| write(&BOOLEAN, group, key, value, options),
    ..PLAIN
};

pub(super) const TEXTS: Encoding = Encoding {
    name: "nullable-string-array",
    versions: &["0.1.0"],
    read,
    describe,
    takes: |value| matches!(values_of(value), Some(Value::Strings { .. })),
    write: |group, key, value, options| write(&TEXTS, group, key, value, options),
    ..PLAIN
};

fn values_of(value: &Value) -> Option<&Value> {
    match value {
        Value::Nullable(nullable) => Some(&nullable.values),
        _ => None,
    }
}

fn is_boolean(values: &Value) -> bool {
    matches!(values, Value::Array(Array { data: Data::Bool(_), .. }))
}

fn read(node: &Node, _: &Reading) -> Result<Value> {
    let (values, mask) = (node.child("values")?, node.child("mask")?);
    let mask = array::booleans(&mask.values()?)?;
    let values = array::decode(&values.values()?)?;
    let found = match &values {
        Value::Array(Array { shape, .. }) | Value::Strings { shape, .. } if shape.len() == 1 => shape[0],
        other => return Err(node.format("1-D values of numbers or texts", other.encoding())),
    };
    if found != mask.len() {
        return Err(node.format(format!("a mask of {found} values"), mask.len().to_string()));
    }
    // As in anndata, any text but "NaN" means "NA".
    let na_value = match node.attribute("na-value")?.as_ref().and_then(|a| a.text()) {
        Some("NaN") => NaValue::NaN,
        Some(_) => NaValue::Na,
        None => NaValue::Unstated,
    };
    Ok(Value::Nullable(Nullable { values: Box::new(values), mask, na_value }))
}

fn describe(node: &Node, out: &mut Description) -> Result<()> {
    array::describe(&node.child("values")?, out)
}

fn write(
    encoding: &Encoding,
    group: &GroupWriter<'_>,
    key: &str,
    value: &Value,
    options: &DatasetOptions,
) -> Result<()> {
    let Value::Nullable(value) = value else { return Err(unknown_value(key, value)) };
    if value.values.len() != Some(value.mask.len()) {
        let found = value.values.len().map_or("none".into(), |n| n.to_string());
        return Err(Error::shape(format!("writing '{key}': values"), value.mask.len(), found));
    }
    let group = group.group(key)?;
    encoding.mark_group(&group)?;
    if matches!(*value.values, Value::Strings { .. }) {
        match value.na_value {
            NaValue::Unstated => {}
            NaValue::Na => group.set_text("na-value", "NA")?,
            NaValue::NaN => group.set_text("na-value", "NaN")?,
        }
    }
    super::write(&group, "values", &value.values, options)?;
    array::write_data(
        &group,
        "mask",
        &[value.mask.len()],
        &Data::Bool(crate::memory::copied(&value.mask, "a mask")?),
        options,
    )
}
