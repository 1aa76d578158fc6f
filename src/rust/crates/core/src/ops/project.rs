//! Projects cells on the principal components of other cells.

use super::mean_var::mean_var;
use super::moments::Axis;
use super::pca::projected;
use crate::chain::nodes::Scale;
use crate::chain::LazyMatrix;
use crate::error::{Error, Result};
use crate::session::Session;
use crate::stream::Needs;

/// The components of a reference and the way its cells were projected on them.
#[derive(Debug, Clone)]
pub struct Components<'a> {
    /// The reference, whose columns are those of the loadings.
    pub reference: &'a LazyMatrix,
    /// The loadings, columns x components, row-major.
    pub loadings: &'a [f64],
    /// Whether columns are centred by the means of the reference.
    pub zero_center: bool,
}

/// Returns the [`Needs`] of the pass of [`project`] over the cells that are projected, for the plan
/// of `ops::explain`.
pub(super) fn passes() -> Vec<Needs> {
    vec![super::pca::projection()]
}

/// Returns the coordinates of the rows of `x`, row-major, and whether the scaling of the reference
/// was applied to them. It is applied where the reference is scaled and `x` is not. The columns of
/// `x` are those of the reference. It takes one pass over the reference for its means, if it is
/// centred, and one over `x`.
///
/// # Errors
/// [`Error::Shape`] for another number of columns; [`Error::Values`] for values that are not
/// finite.
pub fn project(x: &LazyMatrix, by: &Components<'_>, session: &Session) -> Result<(Vec<f32>, bool)> {
    let p = by.reference.shape().1;
    if x.shape().1 != p || p == 0 || !by.loadings.len().is_multiple_of(p) {
        return Err(Error::shape("genes of the query", format!("the {p} of the reference's components"), x.shape().1));
    }
    let scale = |x: &LazyMatrix| x.nodes().last().and_then(|node| node.downcast::<Scale>().cloned());
    let applied = scale(by.reference).filter(|_| scale(x).is_none());
    let scaled = applied.is_some();
    let x = applied.map_or_else(|| Ok(x.clone()), |node| x.with(node))?;
    let k = by.loadings.len() / p;
    let mut offset = vec![0.0; k];
    if by.zero_center {
        let mean = mean_var(by.reference, Axis::Obs, 0, session)?.mean;
        for (row, mean) in by.loadings.chunks_exact(k).zip(&mean) {
            offset.iter_mut().zip(row).for_each(|(o, v)| *o -= mean * v);
        }
    }
    Ok((projected(&x, by.loadings, &offset, session)?, scaled))
}
