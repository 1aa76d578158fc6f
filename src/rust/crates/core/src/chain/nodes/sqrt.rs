//! `sqrt(x)`, which makes the variance of counts nearly constant.

use super::Elementwise;
use serde::{Deserialize, Serialize};

/// Takes the square root of each value; NaN below zero, as in numpy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sqrt;

impl Elementwise for Sqrt {
    const NAME: &'static str = "sqrt";

    fn function_at(&self, _: usize) -> impl Fn(f64) -> f64 {
        f64::sqrt
    }
}
