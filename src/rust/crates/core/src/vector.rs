//! Vectors that copies share.

use crate::encoded::lost;
use crate::error::Result;
use crate::memory;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::Serialize;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

/// Values that copies share. They are in a `Vec`, because allocating an `Arc<[T]>` ends the process
/// when memory runs out.
#[derive(Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Vector<T>(Arc<Vec<T>>);

impl<T> Vector<T> {
    /// Selects entries by position; `None` keeps all, without a copy.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(crate) fn select(&self, positions: Option<&[u32]>) -> Result<Self>
    where
        T: Copy,
    {
        let Some(p) = positions else { return Ok(self.clone()) };
        Ok(memory::collected(p.iter().map(|&i| self[i as usize]), "a selection of the vectors of a chain")?.into())
    }
}

impl<T> Clone for Vector<T> {
    fn clone(&self) -> Self {
        Vector(self.0.clone())
    }
}

impl<T> Deref for Vector<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> From<Vec<T>> for Vector<T> {
    fn from(values: Vec<T>) -> Self {
        Vector(Arc::new(values))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Vector<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Values<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Values<T> {
            type Value = Vec<T>;

            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> std::result::Result<Vec<T>, A::Error> {
                let mut out = Vec::new();
                while let Some(value) = from.next_element()? {
                    memory::reserve(&mut out, 1, "the vectors of a saved chain").map_err(lost::<A::Error>)?;
                    out.push(value);
                }
                Ok(out)
            }
        }
        from.deserialize_seq(Values(PhantomData)).map(Self::from)
    }
}
