//! `categorical`: codes that point into categories of any kind.

use super::{array, unknown_value, DatasetOptions, Encoding, Reading, PLAIN};
use crate::element::{Categorical, Data, Description, Value};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::{GroupWriter, Node};

const CODES: &str = "codes of a categorical";

pub(super) const ENCODING: Encoding = Encoding {
    name: "categorical",
    versions: &["0.2.0"],
    read,
    describe,
    takes: |value| matches!(value, Value::Categorical(_)),
    write,
    ..PLAIN
};

fn read(node: &Node, reading: &Reading) -> Result<Value> {
    let ordered = match node.attribute("ordered")? {
        None => false,
        Some(a) => a.flag().ok_or_else(|| node.format("a truth value in the attribute 'ordered'", a.to_string()))?,
    };
    let codes = array::whole_numbers(&node.child("codes")?)?;
    let categories = reading.read(&node.child("categories")?)?;
    combine(node, codes, categories, ordered)
}

/// Checks codes and categories and makes a categorical of them.
pub(super) fn combine(node: &Node, codes: Vec<i64>, categories: Value, ordered: bool) -> Result<Value> {
    let n = match &categories {
        Value::Array(a) if a.shape.len() == 1 => a.shape[0],
        Value::Strings { shape, .. } if shape.len() == 1 => shape[0],
        Value::Nullable(v) => v.mask.len(),
        other => return Err(node.format("1-D categories of numbers or texts", other.encoding())),
    };
    let code = |(row, code): (usize, i64)| match i32::try_from(code) {
        Ok(small) if small >= -1 && code < n as i64 => Ok(small),
        _ => {
            Err(node.format(format!("codes from -1 to {}", n as i64 - 1), format!("{code} at row {row} (zero-based)")))
        }
    };
    let codes = memory::tried(codes.into_iter().enumerate().map(code), CODES)?;
    Ok(Value::Categorical(Categorical { codes, categories: Box::new(categories), ordered }))
}

fn describe(node: &Node, out: &mut Description) -> Result<()> {
    array::describe(&node.child("codes")?, out)?;
    out.dtype = Some("category".into());
    out.categories = node.child("categories")?.shape().and_then(|s| s.first().copied());
    Ok(())
}

fn write(group: &GroupWriter<'_>, key: &str, value: &Value, options: &DatasetOptions) -> Result<()> {
    let Value::Categorical(value) = value else { return Err(unknown_value(key, value)) };
    let n = value.categories.len().unwrap_or(0);
    if let Some(code) = value.codes.iter().find(|&&c| c < -1 || i64::from(c) >= n as i64) {
        return Err(Error::parameter("codes", format!("-1 to {} in '{key}'", n as i64 - 1), code));
    }
    let group = group.group(key)?;
    ENCODING.mark_group(&group)?;
    group.set_flag("ordered", value.ordered)?;
    // The narrowest integer, by pandas' rule.
    let codes = if n < i8::MAX as usize {
        Data::I8(memory::collected(value.codes.iter().map(|&c| c as i8), CODES)?)
    } else if n < i16::MAX as usize {
        Data::I16(memory::collected(value.codes.iter().map(|&c| c as i16), CODES)?)
    } else {
        Data::I32(memory::copied(&value.codes, CODES)?)
    };
    array::write_data(&group, "codes", &[value.codes.len()], &codes, options)?;
    super::write(&group, "categories", &value.categories, options)
}
