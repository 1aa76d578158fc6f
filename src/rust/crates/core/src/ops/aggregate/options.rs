//! The parameters of an aggregation: groups and functions of their values.

use crate::error::{Error, Result};
use crate::memory;
use crate::ops::Axis;
use crate::stream::NO_LABEL;
use serde::Serialize;

/// The name, in errors, of the sums of groups.
pub(super) const AGGREGATE: &str = "aggregate: the values of the groups";

/// The functions to compute of the values of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Functions {
    /// The sum; for integers it is exact.
    pub sum: bool,
    /// The arithmetic mean; NaN for a group without values.
    pub mean: bool,
    /// The variance with divisor `n - dof`; NaN where the divisor is not positive.
    pub var: bool,
    /// The number of values that are not 0.
    pub count_nonzero: bool,
    /// The median; NaN for a group without values.
    pub median: bool,
}

impl Functions {
    /// The names of all functions.
    pub const NAMES: [&'static str; 5] = ["sum", "mean", "var", "count_nonzero", "median"];

    /// Returns the functions with these names.
    ///
    /// # Errors
    /// [`Error::Parameter`] for another name, and for an empty list.
    pub fn named<S: AsRef<str>>(names: &[S]) -> Result<Self> {
        let expected = || Functions::NAMES.map(|n| format!("'{n}'")).join(", ");
        let mut out = Functions::default();
        for name in names {
            *match name.as_ref() {
                "sum" => &mut out.sum,
                "mean" => &mut out.mean,
                "var" => &mut out.var,
                "count_nonzero" => &mut out.count_nonzero,
                "median" => &mut out.median,
                other => return Err(Error::parameter("func", expected(), format!("'{other}'"))),
            } = true;
        }
        if names.is_empty() {
            return Err(Error::parameter("func", format!("at least one of {}", expected()), "none"));
        }
        Ok(out)
    }
}

/// The parameters of [`aggregate()`](super::aggregate()).
#[derive(Debug, Clone)]
pub struct Aggregation {
    /// The axis that is reduced: groups of rows for [`Axis::Obs`], groups of columns for
    /// [`Axis::Var`].
    pub axis: Axis,
    /// The group of each row or column; -1 for none.
    pub codes: Vec<i32>,
    /// The number of groups.
    pub n_groups: usize,
    /// The functions to compute.
    pub functions: Functions,
    /// Delta degrees of freedom: the divisor of variances is the number of values less this.
    pub dof: usize,
}

/// The members of the groups.
#[derive(Serialize)]
pub(super) struct Members {
    /// The group of each row or column, [`NO_LABEL`] for none.
    pub(super) labels: Vec<u32>,
    /// The number of members of each group.
    pub(super) sizes: Vec<usize>,
}

impl Members {
    /// Converts the codes of the groups to labels, and counts the members of each group. `extent`
    /// is the number of rows or columns. A negative code is no group.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of codes than `extent`; [`Error::Internal`] for a code
    /// past the groups.
    pub(super) fn new(asked: &Aggregation, extent: usize) -> Result<Self> {
        if asked.codes.len() != extent {
            return Err(Error::shape("by, one group each", extent, asked.codes.len()));
        }
        let mut sizes = memory::zeros::<usize>(asked.n_groups, AGGREGATE)?;
        let mut label = |&code: &i32| match usize::try_from(code) {
            Err(_) => Ok(NO_LABEL),
            Ok(g) if g < sizes.len() => {
                sizes[g] += 1;
                Ok(g as u32)
            }
            Ok(g) => Err(Error::Internal(format!("a cell is in group {g} of {}", asked.n_groups))),
        };
        let labels = memory::tried(asked.codes.iter().map(&mut label), AGGREGATE)?;
        Ok(Members { labels, sizes })
    }
}
