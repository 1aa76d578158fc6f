//! Bit-by-bit comparison of values: equal ones need not be saved again.

use crate::element::{Array, Data, NaValue, Scalar, Value};

/// Returns whether two values have the same encoding, extents, dtype and bits. The order of a
/// dict's keys does not count.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Scalar(a), Value::Scalar(b)) => match (a, b) {
            (Scalar::Number(a), Scalar::Number(b)) => same_data(a, b),
            (Scalar::Complex(a, b), Scalar::Complex(c, d)) => bits(&[*a, *b], &[*c, *d]),
            (a, b) => a == b,
        },
        (Value::Array(a), Value::Array(b)) => same_array(a, b),
        (Value::Complex { shape, data, single }, Value::Complex { shape: s, data: d, single: n }) => {
            let flat = |v: &[(f64, f64)]| v.iter().flat_map(|&(x, y)| [x, y]).collect::<Vec<_>>();
            shape == s && single == n && bits(&flat(data), &flat(d))
        }
        (Value::Categorical(a), Value::Categorical(b)) => {
            a.ordered == b.ordered && a.codes == b.codes && same(&a.categories, &b.categories)
        }
        (Value::Nullable(a), Value::Nullable(b)) => {
            a.mask == b.mask
                && (a.na_value == NaValue::NaN) == (b.na_value == NaValue::NaN)
                && same(&a.values, &b.values)
        }
        (Value::Sparse(a), Value::Sparse(b)) => {
            a.format == b.format
                && a.shape == b.shape
                && a.indptr == b.indptr
                && a.indices == b.indices
                && same_data(&a.data, &b.data)
        }
        (Value::DataFrame(a), Value::DataFrame(b)) => {
            a.index_name == b.index_name && same(&a.index, &b.index) && same_items(&a.columns, &b.columns, true)
        }
        (Value::Dict(a), Value::Dict(b)) => same_items(a, b, false),
        (Value::RecArray(a), Value::RecArray(b)) => same_items(a, b, true),
        (
            Value::Awkward { length, form, buffers },
            Value::Awkward { length: other_length, form: other_form, buffers: other },
        ) => length == other_length && form == other_form && same_items(buffers, other, false),
        (a, b) => a == b,
    }
}

/// Returns whether two lists have the same keys, `in_order` or in any order, and the same values.
fn same_items(a: &[(String, Value)], b: &[(String, Value)], in_order: bool) -> bool {
    let found = |key: &str| b.iter().find(|(k, _)| k == key);
    a.len() == b.len()
        && (!in_order || a.iter().zip(b).all(|(x, y)| x.0 == y.0))
        && a.iter().all(|(key, value)| found(key).is_some_and(|(_, other)| same(value, other)))
}

fn same_array(a: &Array, b: &Array) -> bool {
    a.shape == b.shape && same_data(&a.data, &b.data)
}

fn bits(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits())
}

fn same_data(a: &Data, b: &Data) -> bool {
    match (a, b) {
        (Data::F16(a), Data::F16(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits()),
        (Data::F32(a), Data::F32(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits()),
        (Data::F64(a), Data::F64(b)) => bits(a, b),
        (a, b) => a == b,
    }
}
