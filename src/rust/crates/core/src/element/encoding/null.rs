//! `null`: a dataset with a null dataspace.

use super::{Encoding, PLAIN};
use crate::element::Value;

pub(super) const ENCODING: Encoding = Encoding {
    name: "null",
    versions: &["0.1.0"],
    read: |node, _| {
        node.expect_array()?;
        Ok(Value::Null)
    },
    describe: |node, _| node.expect_array(),
    takes: |value| matches!(value, Value::Null),
    write: |group, key, _, _| ENCODING.mark_array(&group.empty(key)?),
    ..PLAIN
};
