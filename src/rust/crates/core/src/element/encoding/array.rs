//! `array`: dense numbers, booleans and complex numbers of any rank. Every leaf dataset is decoded
//! here.

use super::{unknown_value, DatasetOptions, Encoding, Matrix};
use crate::dtype::as_bytes;
use crate::element::{Array, Data, Description, Number, Strings, Value};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::{GroupWriter, Kind, Layout, Node, Target, Values};
use crate::with_data;

pub(crate) const ENCODING: Encoding = Encoding {
    name: "array",
    versions: &["0.2.0"],
    read: |node, _| decode(&node.values()?),
    describe,
    takes: |value| matches!(value, Value::Array(_) | Value::Complex { .. }),
    write: |group, key, value, options| match value {
        Value::Array(array) => write_data(group, key, &array.shape, &array.data, options),
        Value::Complex { shape, data, single } => write_complex(group, key, shape, data, *single),
        value => Err(unknown_value(key, value)),
    },
    matrix: |_| Ok(Some(Matrix::Dense)),
};

/// Describes a dataset by its extents and dtype.
pub(super) fn describe(node: &Node, out: &mut Description) -> Result<()> {
    let values = node.values()?;
    out.shape = values.shape();
    out.dtype = Some(values.kind().name());
    Ok(())
}

/// Decodes a dataset or field by its type: numbers, complex numbers, strings or a rec-array.
pub(super) fn decode(values: &Values<'_>) -> Result<Value> {
    if values.is_null() {
        return Err(values.format("values", "a dataset without space"));
    }
    let shape = values.shape();
    Ok(match values.kind() {
        Kind::Text { .. } | Kind::FixedText { .. } => Value::Strings { shape, data: strings(values)? },
        Kind::Complex { single, .. } => Value::Complex { shape, data: values.read_complex(None)?, single: *single },
        Kind::Compound(fields) => {
            let field = |name: &String| Ok((name.clone(), decode(&values.field(name)?)?));
            Value::RecArray(fields.iter().map(|(name, _)| field(name)).collect::<Result<_>>()?)
        }
        _ => Value::Array(Array { shape, data: numbers(values)? }),
    })
}

/// Reads numbers in their stored dtype, in native byte order.
pub(super) fn numbers(values: &Values<'_>) -> Result<Data> {
    if values.kind().boolean().is_some() {
        return Ok(Data::Bool(values.read_booleans(None)?));
    }
    Ok(match values.kind() {
        Kind::Integer { bytes, signed } | Kind::Enumeration { bytes, signed, .. } => match (bytes, signed) {
            (1, true) => Data::I8(values.read(None)?),
            (2, true) => Data::I16(values.read(None)?),
            (4, true) => Data::I32(values.read(None)?),
            (8, true) => Data::I64(values.read(None)?),
            (1, false) => Data::U8(values.read(None)?),
            (2, false) => Data::U16(values.read(None)?),
            (4, false) => Data::U32(values.read(None)?),
            _ => Data::U64(values.read(None)?),
        },
        Kind::Float { bytes: 2 } => Data::F16(values.read(None)?),
        Kind::Float { bytes: 4 } => Data::F32(values.read(None)?),
        Kind::Float { .. } => Data::F64(values.read(None)?),
        Kind::Text { .. } | Kind::FixedText { .. } | Kind::Complex { .. } | Kind::Compound(_) => {
            return Err(values.format("numbers", values.kind().name()))
        }
        _ => return Err(values.unsupported()),
    })
}

/// Reads all texts of a dataset or field.
pub(super) fn strings(values: &Values<'_>) -> Result<Strings> {
    let mut out = Strings::new();
    values.read_texts(None, &mut |text| {
        out.reserve(text)?;
        out.push(text);
        Ok(())
    })?;
    Ok(out)
}

/// Reads booleans that are stored as an enumeration or as the numbers 0 and 1.
pub(super) fn booleans(values: &Values<'_>) -> Result<Vec<bool>> {
    if values.kind().boolean().is_some() {
        return values.read_booleans(None);
    }
    let truth = |x: i64| match x {
        0 => Ok(false),
        1 => Ok(true),
        x => Err(values.format("truth values (0 or 1)", x)),
    };
    memory::tried(values.read_integers(None)?.into_iter().map(truth), "truth values")
}

/// Reads the integers of a 1-D dataset.
pub(super) fn whole_numbers(node: &Node) -> Result<Vec<i64>> {
    let values = node.values()?;
    if values.shape().len() != 1 {
        return Err(values.format("one dimension", format!("extents {:?}", values.shape())));
    }
    values.read_integers(None)
}

/// Returns the encoding of an array of this shape: `numeric-scalar` without axes, else `array`.
fn encoding_of(shape: &[usize]) -> &'static Encoding {
    match Encoding::of_name("numeric-scalar") {
        Some(scalar) if shape.is_empty() => scalar,
        _ => &ENCODING,
    }
}

/// Writes a buffer as an array of this shape.
pub(super) fn write_data(
    group: &GroupWriter<'_>,
    key: &str,
    shape: &[usize],
    data: &Data,
    options: &DatasetOptions,
) -> Result<()> {
    fn put<T: Number>(group: &GroupWriter<'_>, key: &str, shape: &[usize], v: &[T], l: &Layout) -> Result<()> {
        let dataset = group.dataset::<T>(key, shape, l)?;
        dataset.write(v)?;
        encoding_of(shape).mark_array(&dataset)
    }
    expect(group, key, shape, data.len())?;
    with_data!(data, v => put(group, key, shape, v, &options.layout()))
}

/// Writes complex numbers as an array of this shape: complex64 if `single`, else complex128.
pub(super) fn write_complex(
    group: &GroupWriter<'_>,
    key: &str,
    shape: &[usize],
    data: &[(f64, f64)],
    single: bool,
) -> Result<()> {
    expect(group, key, shape, data.len())?;
    let dataset = group.dataset_of(key, &Kind::complex(single), shape, &Layout::default())?;
    dataset.write_bytes(Target::default(), as_bytes(&parts(data)?))?;
    encoding_of(shape).mark_array(&dataset)
}

/// Returns real and imaginary parts alternately, the layout of complex numbers in memory.
pub(super) fn parts(data: &[(f64, f64)]) -> Result<Vec<f64>> {
    memory::exactly(data.len() * 2, data.iter().flat_map(|&(re, im)| [re, im]), "complex numbers")
}

/// Checks that a buffer of `found` values fills its shape; the error names `key` in `group`.
pub(super) fn expect(group: &GroupWriter<'_>, key: &str, shape: &[usize], found: usize) -> Result<()> {
    if shape.iter().try_fold(1_usize, |n, &e| n.checked_mul(e)) == Some(found) {
        return Ok(());
    }
    let place = if group.path().is_empty() { key.to_owned() } else { format!("{}/{key}", group.path()) };
    Err(Error::shape(format!("writing '{place}'"), format!("the values of extents {shape:?}"), found))
}
