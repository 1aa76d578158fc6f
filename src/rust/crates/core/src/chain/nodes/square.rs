//! `x * x`.

use super::Elementwise;
use serde::{Deserialize, Serialize};

/// Squares each value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Square;

impl Elementwise for Square {
    const NAME: &'static str = "square";

    fn function_at(&self, _: usize) -> impl Fn(f64) -> f64 {
        |x| x * x
    }
}
