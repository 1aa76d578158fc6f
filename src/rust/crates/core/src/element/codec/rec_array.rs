//! `rec-array`: a dataset of compound values, read as one value per field.

use super::{array, Reading};
use crate::element::{Array, Description, Number, Value};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::{datatype, DatasetWriter, GroupWriter, Item, Kind, Layout, Node};
use crate::with_data;
use hdf5::Datatype;
use std::ffi::CString;

pub(super) fn read(node: &Node, _: &Reading) -> Result<Value> {
    let values = node.values()?;
    match array::decode(&values)? {
        fields @ Value::RecArray(_) => Ok(fields),
        // A record of a real and an imaginary part is a complex number to us as to h5py.
        other => Err(values.format("a compound type", other.encoding())),
    }
}

pub(super) fn describe(node: &Node, out: &mut Description) -> Result<()> {
    array::describe(node, out)?;
    if let Kind::Compound(fields) = node.values()?.kind() {
        out.keys = fields.iter().map(|f| f.0.clone()).collect();
    }
    Ok(())
}

/// The field's type in the file, and the extents of every value.
fn field_type(name: &str, rows: usize, value: &Value) -> Result<hdf5::Result<Datatype>> {
    fn of<T: Number + Item>(_: &[T]) -> hdf5::Result<Datatype> {
        T::datatype()
    }
    let (shape, item) = match value {
        Value::Array(Array { shape, data }) => (shape, with_data!(data, v => of(v))),
        Value::Strings { shape, .. } => (shape, datatype::text()),
        Value::Complex { shape, single, .. } => (shape, datatype::complex(*single)),
        other => return Err(Error::parameter("rec-array", "fields of numbers or texts", other.encoding())),
    };
    if shape.first() != Some(&rows) {
        return Err(Error::shape(format!("field '{name}'"), format!("{rows} rows"), format!("extents {shape:?}")));
    }
    Ok(match &shape[1..] {
        [] => item,
        inner => item.and_then(|item| datatype::array(&item, inner)),
    })
}

pub(super) fn write(group: &GroupWriter<'_>, key: &str, fields: &[(String, Value)]) -> Result<()> {
    let fault = |e: hdf5::Error| group.writer().fault(&e);
    let Some(rows) = fields.first().and_then(|(_, v)| v.len()) else {
        return Err(Error::parameter("rec-array", "at least one field with rows", format!("none in '{key}'")));
    };
    let types = fields.iter().map(|(name, v)| field_type(name, rows, v)?.map_err(fault)).collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = fields.iter().map(|f| f.0.as_str()).collect();
    let stored = datatype::packed(&names, &types).map_err(fault)?;
    let dataset = group.dataset_of(key, &stored, &[rows], &Layout::default())?;
    if rows > 0 {
        for ((name, value), dtype) in fields.iter().zip(&types) {
            write_field(&dataset, name, value, dtype).map_err(|e| match e {
                Failure::Hdf5(e) => fault(e),
                Failure::Other(e) => e,
            })?;
        }
    }
    dataset.set_encoding("rec-array", "0.2.0")
}

enum Failure {
    Hdf5(hdf5::Error),
    Other(Error),
}

/// HDF5 writes one field of a compound and leaves the others.
fn write_field(
    to: &DatasetWriter<'_>,
    name: &str,
    value: &Value,
    dtype: &Datatype,
) -> std::result::Result<(), Failure> {
    let one = |t: &Datatype| datatype::packed(&[name], std::slice::from_ref(t)).map_err(Failure::Hdf5);
    match value {
        Value::Array(a) => {
            array_len(name, &a.shape, a.data.len())?;
            with_data!(&a.data, v => to.write_raw(&one(dtype)?, None, v.as_ptr().cast()))
        }
        Value::Complex { shape, data, .. } => {
            array_len(name, shape, data.len())?;
            let pairs = data.iter().map(|&(re, im)| [re, im]);
            let pairs: Vec<[f64; 2]> = memory::collected(pairs, "complex values").map_err(Failure::Other)?;
            let item = datatype::complex(false).map_err(Failure::Hdf5)?;
            let item = match &shape[1..] {
                [] => item,
                inner => datatype::array(&item, inner).map_err(Failure::Hdf5)?,
            };
            to.write_raw(&one(&item)?, None, pairs.as_ptr().cast())
        }
        Value::Strings { shape, data } => {
            array_len(name, shape, data.len())?;
            let nul = |_| Failure::Other(Error::parameter("text", "texts without NUL characters", name));
            let texts = data.iter().map(CString::new).collect::<Result<Vec<_>, _>>().map_err(nul)?;
            let pointers: Vec<_> = texts.iter().map(|t| t.as_ptr()).collect();
            to.write_raw(&one(dtype)?, None, pointers.as_ptr().cast())
        }
        _ => Ok(()),
    }
    .map_err(Failure::Other)
}

fn array_len(name: &str, shape: &[usize], found: usize) -> std::result::Result<(), Failure> {
    let expected: usize = shape.iter().product();
    if expected == found {
        return Ok(());
    }
    Err(Failure::Other(Error::shape(format!("field '{name}'"), expected, found)))
}
