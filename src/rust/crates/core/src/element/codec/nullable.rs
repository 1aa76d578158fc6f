//! `nullable-integer`, `nullable-boolean`, `nullable-string-array`: values and a mask of the missing ones.

use super::{array, Reading, WriteOptions};
use crate::element::{Array, Data, Description, NaValue, Nullable, Value};
use crate::error::{Error, Result};
use crate::store::{GroupWriter, Node};

pub(super) fn read(node: &Node, _: &Reading) -> Result<Value> {
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
    // As anndata: whatever is not "NaN" is "NA".
    let na_value = match node.attribute("na-value")?.as_ref().and_then(|a| a.text()) {
        Some("NaN") => NaValue::NaN,
        Some(_) => NaValue::Na,
        None => NaValue::Unstated,
    };
    Ok(Value::Nullable(Nullable { values: Box::new(values), mask, na_value }))
}

pub(super) fn describe(node: &Node, out: &mut Description) -> Result<()> {
    array::describe(&node.child("values")?, out)
}

pub(super) fn write(
    group: &GroupWriter<'_>,
    key: &str,
    value: &Nullable,
    encoding: &str,
    options: &WriteOptions,
) -> Result<()> {
    if value.values.len() != Some(value.mask.len()) {
        let found = value.values.len().map_or("none".into(), |n| n.to_string());
        return Err(Error::shape(format!("writing '{key}': values"), value.mask.len(), found));
    }
    let group = group.group(key)?;
    group.set_encoding(encoding, "0.1.0")?;
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
