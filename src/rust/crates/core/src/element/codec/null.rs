//! `null`: a dataset without space.

use super::Reading;
use crate::element::{Description, Value};
use crate::error::Result;
use crate::store::{GroupWriter, Node};

pub(super) fn read(node: &Node, _: &Reading) -> Result<Value> {
    node.expect_array()?;
    Ok(Value::Null)
}

pub(super) fn describe(node: &Node, _: &mut Description) -> Result<()> {
    node.expect_array()
}

pub(super) fn write(group: &GroupWriter<'_>, key: &str) -> Result<()> {
    group.empty(key)?.set_encoding("null", "0.1.0")
}
