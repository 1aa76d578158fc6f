//! `rec-array`: a dataset of compound values, read as one value per field.

use super::{array, unknown_value, DatasetOptions, Encoding, Reading, PLAIN};
use crate::dtype::as_bytes;
use crate::element::{Array, Description, Value};
use crate::error::{Error, Result};
use crate::store::{GroupWriter, Kind, Layout, Node, Target};
use crate::with_data;

pub(super) const ENCODING: Encoding = Encoding {
    name: "rec-array",
    versions: &["0.2.0"],
    read,
    describe,
    takes: |value| matches!(value, Value::RecArray(_)),
    write,
    ..PLAIN
};

fn read(node: &Node, _: &Reading) -> Result<Value> {
    let values = node.values()?;
    match array::decode(&values)? {
        fields @ Value::RecArray(_) => Ok(fields),
        // A record of a real and an imaginary part is a complex number here, as in h5py.
        other => Err(values.format("a compound type", other.encoding())),
    }
}

fn describe(node: &Node, out: &mut Description) -> Result<()> {
    array::describe(node, out)?;
    if let Kind::Compound(fields) = node.values()?.kind() {
        out.keys = fields.iter().map(|f| f.0.clone()).collect();
    }
    Ok(())
}

/// Returns the on-disk type of a field, after a check that it has `rows` rows.
fn field_kind(name: &str, rows: usize, value: &Value) -> Result<Kind> {
    let (shape, item, found) = match value {
        Value::Array(Array { shape, data }) => (shape, Kind::from_dtype(data.dtype()), data.len()),
        Value::Strings { shape, data } => (shape, Kind::TEXT, data.len()),
        Value::Complex { shape, data, single } => (shape, Kind::complex(*single), data.len()),
        other => return Err(Error::parameter("rec-array", "fields of numbers or texts", other.encoding())),
    };
    if shape.first() != Some(&rows) {
        return Err(Error::shape(format!("field '{name}'"), format!("{rows} rows"), format!("extents {shape:?}")));
    }
    let expected: usize = shape.iter().product();
    if expected != found {
        return Err(Error::shape(format!("field '{name}'"), expected, found));
    }
    Ok(item.array(&shape[1..]))
}

fn write(group: &GroupWriter<'_>, key: &str, value: &Value, _: &DatasetOptions) -> Result<()> {
    let Value::RecArray(fields) = value else { return Err(unknown_value(key, value)) };
    let Some(rows) = fields.first().and_then(|(_, v)| v.len()) else {
        return Err(Error::parameter("rec-array", "at least one field with rows", format!("none in '{key}'")));
    };
    let kind = |(name, value): &(String, Value)| Ok((name.clone(), field_kind(name, rows, value)?));
    let kinds = fields.iter().map(kind).collect::<Result<_>>()?;
    let dataset = group.dataset_of(key, &Kind::Compound(kinds), &[rows], &Layout::default())?;
    for (name, value) in fields {
        let to = Target { field: Some(name), place: None };
        match value {
            Value::Array(a) => with_data!(&a.data, v => dataset.write_bytes(to, as_bytes(v)))?,
            Value::Complex { data, .. } => dataset.write_bytes(to, as_bytes(&array::parts(data)?))?,
            Value::Strings { data, .. } => {
                dataset.write_texts(Some(name), None, &data.iter().collect::<Vec<_>>())?;
            }
            _ => {}
        }
    }
    ENCODING.mark_array(&dataset)
}
