//! Copies of values. Unlike `clone`, which aborts the process, they return an error when memory
//! runs out.

use super::{Array, Categorical, DataFrame, Nullable, Sparse, Strings, Value};
use crate::error::Result;
use crate::memory;

const COPY: &str = "a copy of a value";

impl Value {
    /// Returns a deep copy.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn copied(&self) -> Result<Value> {
        let boxed = |v: &Value| v.copied().map(Box::new);
        Ok(match self {
            Value::Null | Value::Scalar(_) => self.clone(),
            Value::Array(a) => Value::Array(Array { shape: a.shape.clone(), data: a.data.copied(COPY)? }),
            Value::Complex { shape, data, single } => {
                Value::Complex { shape: shape.clone(), data: memory::copied(data, COPY)?, single: *single }
            }
            Value::Strings { shape, data } => {
                Value::Strings { shape: shape.clone(), data: Strings::collected(data.iter())? }
            }
            Value::Categorical(c) => Value::Categorical(Categorical {
                codes: memory::copied(&c.codes, COPY)?,
                categories: boxed(&c.categories)?,
                ordered: c.ordered,
            }),
            Value::Nullable(n) => Value::Nullable(Nullable {
                values: boxed(&n.values)?,
                mask: memory::copied(&n.mask, COPY)?,
                na_value: n.na_value,
            }),
            Value::Sparse(s) => Value::Sparse(Sparse {
                format: s.format,
                shape: s.shape,
                indptr: memory::copied(&s.indptr, COPY)?,
                indices: memory::copied(&s.indices, COPY)?,
                data: s.data.copied(COPY)?,
            }),
            Value::DataFrame(d) => Value::DataFrame(DataFrame {
                index_name: d.index_name.clone(),
                index: boxed(&d.index)?,
                columns: copy_all(&d.columns)?,
            }),
            Value::Dict(items) => Value::Dict(copy_all(items)?),
            Value::RecArray(fields) => Value::RecArray(copy_all(fields)?),
            Value::Awkward { length, form, buffers } => {
                Value::Awkward { length: *length, form: form.clone(), buffers: copy_all(buffers)? }
            }
        })
    }
}

/// Returns deep copies of named values.
///
/// # Errors
/// [`crate::Error::OutOfMemory`].
pub(crate) fn copy_all(values: &[(String, Value)]) -> Result<Vec<(String, Value)>> {
    values.iter().map(|(name, value)| Ok((name.clone(), value.copied()?))).collect()
}
