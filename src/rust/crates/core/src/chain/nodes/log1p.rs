//! `ln(1 + x)`, or the logarithm to another base (`scanpy.pp.log1p`).

use super::Elementwise;
use crate::chain::describe::Parameter;
use serde::{Deserialize, Serialize};

/// Takes the logarithm of one plus each value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Log1p {
    /// Base of the logarithm; natural when `None`.
    pub base: Option<f64>,
}

impl Elementwise for Log1p {
    const NAME: &'static str = "log1p";

    fn function_at(&self, _: usize) -> impl Fn(f64) -> f64 {
        let base = self.base;
        // `base.ln()` stays in the branch: taken before, the compiler would take a logarithm for
        // every value of natural ones, too.
        move |x| match base {
            None => x.ln_1p(),
            Some(base) => x.ln_1p() / base.ln(),
        }
    }

    fn parameters(&self) -> Vec<(&'static str, Parameter)> {
        self.base.iter().map(|&base| ("base", base.into())).collect()
    }
}
