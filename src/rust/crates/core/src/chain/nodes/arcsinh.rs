//! `arcsinh(x / cofactor)`: a logarithm for large values, the identity for small ones; usual for
//! antibody counts.

use super::Elementwise;
use crate::chain::describe::Parameter;
use serde::{Deserialize, Serialize};

/// Takes the inverse hyperbolic sine of each value over a cofactor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Arcsinh {
    /// A positive number; values well below it stay linear.
    pub cofactor: f64,
}

impl Elementwise for Arcsinh {
    const NAME: &'static str = "arcsinh";

    fn function_at(&self, _: usize) -> impl Fn(f64) -> f64 {
        let cofactor = self.cofactor;
        move |x| (x / cofactor).asinh()
    }

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        vec![("cofactor", self.cofactor.into())]
    }
}
