//! `bytes`: one value without axes that need not be text.

use super::{array, unknown_value, Encoding, Reading, PLAIN};
use crate::element::{Scalar, Value};
use crate::error::Result;
use crate::store::{Kind, Layout, Node, Target};

pub(super) const ENCODING: Encoding = Encoding {
    name: "bytes",
    versions: &["0.2.0"],
    read,
    describe: array::describe,
    takes: |value| matches!(value, Value::Scalar(Scalar::Bytes(_))),
    write: |group, key, value, _| {
        let Value::Scalar(Scalar::Bytes(bytes)) = value else { return Err(unknown_value(key, value)) };
        let dataset = group.dataset_of(key, &Kind::bytes(bytes.len()), &[], &Layout::default())?;
        let padded: &[u8] = if bytes.is_empty() { &[0] } else { bytes };
        dataset.write_bytes(Target::default(), padded)?;
        ENCODING.mark_array(&dataset)
    },
    ..PLAIN
};

fn read(node: &Node, _: &Reading) -> Result<Value> {
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
