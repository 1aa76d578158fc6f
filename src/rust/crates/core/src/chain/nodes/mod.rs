//! The lazy transforms a chain can hold: one type in one file each.
//!
//! A node is written as a [`Transform`] of rows or, where it is a function of single values that
//! keeps zeros, as an [`Elementwise`]. A chain holds either as a [`Node`]. To add a node, write its
//! file and name it here and in `decode`; the verb that records it lives in `ops`.

mod arcsinh;
mod combat;
mod downsample;
mod log1p;
mod normalize;
mod pearson_residuals;
mod regress_out;
mod scale;
mod sqrt;
mod square;

pub use arcsinh::Arcsinh;
pub use combat::Combat;
pub use downsample::Downsample;
pub(crate) use downsample::{key_of, stream_of};
pub use log1p::Log1p;
pub use normalize::Normalize;
pub use pearson_residuals::PearsonResiduals;
pub use regress_out::{Covariates, RegressOut};
pub use scale::Scale;
pub use sqrt::Sqrt;
pub use square::Square;

use super::describe::{Description, Parameter};
use super::row::Row;
use crate::encoded;
use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::sync::Arc;

/// A lazy transform of the rows of a cells x genes matrix. Its vectors have one entry per present
/// row or column.
pub trait Transform: Clone + std::fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Name of the verb that records it, scanpy's where scanpy has the verb; also the name in saved
    /// chains.
    const NAME: &'static str;
    /// Version of the fields. It rises when they change, so that an older saved chain is refused
    /// instead of misread.
    const VERSION: u32 = 1;
    /// Whether the type is an [`Elementwise`]; only the implementation for those sets it.
    const ELEMENTWISE: bool = false;

    /// Checks that the vectors fit a matrix of this shape.
    ///
    /// # Errors
    /// [`Error::Shape`] when a vector has another length.
    fn check(&self, _n_obs: usize, _n_vars: usize) -> Result<()> {
        Ok(())
    }

    /// Returns the same transform for selected rows and columns; `None` keeps an axis.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn select(&self, _rows: Option<&[u32]>, _columns: Option<&[u32]>) -> Result<Self> {
        Ok(self.clone())
    }

    /// Returns whether zeros may become other values, so that the result is dense.
    fn fills_zeros(&self) -> bool;

    /// Transforms in place the row at `position` of the matrix.
    fn apply(&self, row: &mut Row, position: usize);

    /// Returns the transformed value `x` of the row at `position`. Called for an [`Elementwise`]
    /// only.
    fn value(&self, x: f64, _position: usize) -> f64 {
        x
    }

    /// Returns the names and values of the parameters to show, in the order of the verb's
    /// signature.
    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        Vec::new()
    }
}

/// A transform whose result depends on the value and its row alone, and which keeps zeros.
/// Consecutive ones run as one loop, which looks up repeated values (`program.rs`). Items have the
/// meaning of those of [`Transform`].
pub trait Elementwise: Clone + std::fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    #![allow(missing_docs)]
    const NAME: &'static str;
    const VERSION: u32 = 1;

    /// Returns the function that transforms values of the row at `position`.
    fn function_at(&self, position: usize) -> impl Fn(f64) -> f64;

    fn check(&self, _n_obs: usize, _n_vars: usize) -> Result<()> {
        Ok(())
    }

    fn select(&self, _rows: Option<&[u32]>, _columns: Option<&[u32]>) -> Result<Self> {
        Ok(self.clone())
    }

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        Vec::new()
    }
}

impl<E: Elementwise> Transform for E {
    const NAME: &'static str = E::NAME;
    const VERSION: u32 = E::VERSION;
    const ELEMENTWISE: bool = true;

    fn check(&self, n_obs: usize, n_vars: usize) -> Result<()> {
        Elementwise::check(self, n_obs, n_vars)
    }

    fn select(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Self> {
        Elementwise::select(self, rows, columns)
    }

    fn fills_zeros(&self) -> bool {
        false
    }

    fn apply(&self, row: &mut Row, position: usize) {
        row.map(self.function_at(position));
    }

    fn value(&self, x: f64, position: usize) -> f64 {
        self.function_at(position)(x)
    }

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        Elementwise::parameters(self)
    }
}

/// A transform as a chain holds it, whatever its type. Methods have the meaning of those of
/// [`Transform`].
pub trait Node: Any + std::fmt::Debug + Send + Sync {
    #![allow(missing_docs)]
    fn name(&self) -> &'static str;
    fn check(&self, n_obs: usize, n_vars: usize) -> Result<()>;
    fn select(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Arc<dyn Node>>;
    fn fills_zeros(&self) -> bool;
    fn is_elementwise(&self) -> bool;
    fn apply(&self, row: &mut Row, position: usize);
    fn value(&self, x: f64, position: usize) -> f64;
    fn describe(&self) -> Description;

    /// Encodes the node for a saved chain.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Internal`] when encoding fails, which it does not.
    fn encode(&self) -> Result<Encoded>;
}

impl<T: Transform> Node for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn check(&self, n_obs: usize, n_vars: usize) -> Result<()> {
        Transform::check(self, n_obs, n_vars)
    }

    fn select(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Arc<dyn Node>> {
        Ok(Arc::new(Transform::select(self, rows, columns)?))
    }

    fn fills_zeros(&self) -> bool {
        Transform::fills_zeros(self)
    }

    fn is_elementwise(&self) -> bool {
        T::ELEMENTWISE
    }

    fn apply(&self, row: &mut Row, position: usize) {
        Transform::apply(self, row, position);
    }

    fn value(&self, x: f64, position: usize) -> f64 {
        Transform::value(self, x, position)
    }

    fn describe(&self) -> Description {
        Description { verb: T::NAME, parameters: Transform::parameters(self) }
    }

    fn encode(&self) -> Result<Encoded> {
        let bytes = recorded(self)?;
        Ok(Encoded { name: T::NAME.to_owned(), version: T::VERSION, bytes })
    }
}

impl dyn Node {
    /// Returns the node as a `T`; `None` when it is of another type.
    pub fn downcast<T: Transform>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}

/// A node in a saved chain; name and version choose the type that decodes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Encoded {
    name: String,
    version: u32,
    #[serde(with = "encoded::bytes")]
    bytes: Vec<u8>,
}

/// Decodes a node of a saved chain.
///
/// # Errors
/// [`Error::State`] when no node of this name and version is known; [`Error::OutOfMemory`].
pub(super) fn decode(recorded: &Encoded) -> Result<Arc<dyn Node>> {
    fn decode_as<T: Transform>(e: &Encoded) -> Result<Option<Arc<dyn Node>>> {
        if e.name != T::NAME || e.version != T::VERSION {
            return Ok(None);
        }
        Ok(encoded::decoded::<T>(&e.bytes, SAVED)?.map(|node| Arc::new(node) as Arc<dyn Node>))
    }
    let nodes = [
        decode_as::<Arcsinh>,
        decode_as::<Combat>,
        decode_as::<Downsample>,
        decode_as::<Log1p>,
        decode_as::<Normalize>,
        decode_as::<PearsonResiduals>,
        decode_as::<RegressOut>,
        decode_as::<Scale>,
        decode_as::<Sqrt>,
        decode_as::<Square>,
    ];
    for decode in nodes {
        if let Some(node) = decode(recorded)? {
            return Ok(node);
        }
    }
    Err(Error::State(format!(
        "the saved object holds the operation '{}' in version {}, which this version of anndataoom cannot read: open it \
         with the version that saved it, or make it anew from its file",
        recorded.name, recorded.version
    )))
}

/// Describes a saved chain in errors of memory.
pub(super) const SAVED: &str = "a saved chain";

/// Returns `value` as bytes.
///
/// # Errors
/// [`Error::OutOfMemory`]; [`Error::Internal`] when encoding fails, which it does not.
pub(super) fn recorded(value: &impl Serialize) -> Result<Vec<u8>> {
    encoded::encoded(value, 0, SAVED)
}

/// Checks that a vector has the length of its axis; `what` describes it in the error.
fn fits(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::shape(what, expected, found))
    }
}

/// Returns `x` within `[low, high]`; NaN stays NaN (`f64::clamp` would too, but panics on a NaN
/// bound).
#[inline(always)]
fn clip(x: f64, low: f64, high: f64) -> f64 {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}
