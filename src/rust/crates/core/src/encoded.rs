//! Encoding of values as bytes for another session or process. Both directions can fail with an
//! error when memory runs out, because values and bytes grow with data.

use crate::error::{Error, Result};
use crate::memory;
use postcard::{de_flavors::Flavor, Deserializer, Error as Failed};
use serde::de::DeserializeOwned;
use serde::Serialize;
use std::cell::Cell;

/// Encodes `value` as bytes, followed by `after` zeros; `what` names it in errors.
///
/// # Errors
/// [`Error::OutOfMemory`]; [`Error::Internal`] when encoding fails, which it does not.
pub(crate) fn encoded<T: Serialize + ?Sized>(value: &T, after: usize, what: &str) -> Result<Vec<u8>> {
    let failed = |e: Failed| Error::Internal(format!("writing {what}: {e}"));
    let n = postcard::experimental::serialized_size(value).map_err(failed)?;
    let mut out = memory::zeros(n + after, what)?;
    postcard::to_slice(value, &mut out).map_err(failed)?;
    Ok(out)
}

thread_local! {
    /// The error of this library that ended a decoding.
    static LOST: Cell<Option<Error>> = const { Cell::new(None) };
}

/// Converts `e` to an error of serde, which keeps only its text, and keeps `e` itself for
/// [`decoded`].
pub(crate) fn lost<E: serde::de::Error>(e: Error) -> E {
    let said = E::custom(&e);
    LOST.set(Some(e));
    said
}

/// Decodes the bytes that [`encoded`] made of a value; `None` for others. `what` names the value in
/// errors.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(crate) fn decoded<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<Option<T>> {
    LOST.take();
    let source = Watched { left: bytes, what, taken: 0, next: FIRST };
    match T::deserialize(&mut Deserializer::from_flavor(source)) {
        Ok(value) => Ok(Some(value)),
        Err(_) => LOST.take().map_or(Ok(None), Err),
    }
}

/// Bytes of decoded values from which on memory is probed.
const FIRST: usize = 1 << 16;

/// Bytes being decoded, and an upper bound of the memory of their values. The vectors that serde
/// fills grow by doubling and abort when memory runs out, so the memory for the next doubling is
/// requested, and released, before.
struct Watched<'a> {
    left: &'a [u8],
    what: &'a str,
    taken: usize,
    next: usize,
}

impl Watched<'_> {
    fn took(&mut self, bytes: usize) -> postcard::Result<()> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken >= self.next {
            self.next = self.taken.saturating_add(self.taken / 4);
            memory::room::<u8>(self.next.saturating_mul(2), self.what).map_err(lost::<Failed>)?;
        }
        Ok(())
    }
}

impl<'a> Flavor<'a> for Watched<'a> {
    type Remainder = ();
    type Source = &'a [u8];

    fn pop(&mut self) -> postcard::Result<u8> {
        let (&byte, left) = self.left.split_first().ok_or(Failed::DeserializeUnexpectedEnd)?;
        self.left = left;
        // The last byte of an encoded integer has no high bit.
        if byte < 0x80 {
            self.took(size_of::<u64>())?;
        }
        Ok(byte)
    }

    fn try_take_n(&mut self, n: usize) -> postcard::Result<&'a [u8]> {
        let (bytes, left) = self.left.split_at_checked(n).ok_or(Failed::DeserializeUnexpectedEnd)?;
        self.left = left;
        self.took(n)?;
        Ok(bytes)
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Serde functions for bytes within a value, as one piece.
pub(crate) mod bytes {
    use super::lost;
    use crate::memory;
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    /// Serialises bytes as one piece.
    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    /// Deserialises bytes as one piece, into memory that may be refused.
    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Copied;
        impl Visitor<'_> for Copied {
            type Value = Vec<u8>;

            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                memory::copied(bytes, "a saved object").map_err(lost)
            }
        }
        from.deserialize_bytes(Copied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let value = (String::from("a"), vec![1.5f64; 100_000], vec![3u32; 70_000], Some(-1i128));
        let bytes = encoded(&value, 8, "a value").unwrap();
        assert_eq!(bytes, [postcard::to_allocvec(&value).unwrap(), vec![0; 8]].concat());
        assert_eq!(decoded(&bytes, "a value").unwrap(), Some(value));
    }

    #[test]
    fn what_is_no_value_is_none() {
        let bytes = encoded(&vec![1.5f64; 10], 0, "a value").unwrap();
        assert_eq!(decoded::<Vec<f64>>(&bytes[..40], "a value").unwrap(), None);
        assert_eq!(decoded::<(String, u8)>(&[200, 1], "a value").unwrap(), None);
    }

    #[test]
    fn pieces_of_bytes_have_the_form_of_vectors() {
        #[derive(Serialize, serde::Deserialize, PartialEq, Debug)]
        struct Piece(#[serde(with = "bytes")] Vec<u8>);
        let values: Vec<u8> = (0..=255).collect();
        let written = encoded(&Piece(values.clone()), 0, "a piece").unwrap();
        assert_eq!(written, encoded(&values, 0, "a piece").unwrap());
        assert_eq!(decoded(&written, "a piece").unwrap(), Some(Piece(values)));
    }
}
