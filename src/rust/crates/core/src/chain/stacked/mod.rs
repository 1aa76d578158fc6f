//! Several matrices as one, one below the other or side by side: the source behind concatenation.
//!
//! A [`Stacked`] holds chains, not data. A pass over it opens a pass over each member for the rows
//! and columns it needs, so selections are pushed down to the files, and every member keeps its
//! recorded operations.

mod dtype;
mod pass;

pub use dtype::{promote, Fill};

use super::{LazyMatrix, Vector};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::matrix::{ColumnMap, Layout, Location, Pass, Reads, Rows, Source};
use crate::session::Allowance;
use std::sync::Arc;

/// Marks, in [`Member::from`], a row or column that a member lacks.
pub const MISSING: u32 = u32::MAX;

/// The axis that grows in a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// Members lie one below the other; their columns are aligned.
    Obs,
    /// Members lie side by side; their rows are aligned.
    Var,
}

/// One matrix of a stack.
#[derive(Debug, Clone)]
pub struct Member {
    /// The matrix.
    pub x: LazyMatrix,
    /// Position in the member, or [`MISSING`], of each entry of the stack's aligned axis (columns
    /// along obs, rows along var); `None` when the axes are equal.
    pub from: Option<Vector<u32>>,
}

/// Matrices stacked along one axis and aligned along the other; entries that a member lacks read as
/// the fill value.
///
/// A stack is sparse as soon as one member is (as in `anndata.concat`); zeros of dense members are
/// then dropped. The dtype is numpy's common one, widened where a member cannot hold the fill
/// value.
#[derive(Debug)]
pub struct Stacked {
    along: Along,
    members: Vec<Member>,
    shape: (usize, usize),
    sparse: bool,
    dtype: DType,
    fill: Fill,
    /// First row (column along var) of each member, followed by the total.
    starts: Vec<usize>,
}

impl Stacked {
    /// Stacks `members` along an axis; `aligned` is the length of the other one. Without `fill`,
    /// entries that a member lacks are 0 in a sparse result and NaN in a dense one.
    ///
    /// # Errors
    /// [`Error::Parameter`] without members; [`Error::Shape`] when a map, or the aligned axis of a
    /// member without one, has another length than `aligned`; [`Error::Index`] for a map that
    /// points past a member's end; [`Error::Parameter`] when the result has 2^32 rows or columns or
    /// more.
    pub fn new(along: Along, members: Vec<Member>, aligned: usize, fill: Option<Fill>) -> Result<Self> {
        if members.is_empty() {
            return Err(Error::parameter("adatas", "at least one object", "none"));
        }
        let (axis, mut starts) = (if along == Along::Obs { "var" } else { "obs" }, vec![0usize]);
        for member in &members {
            let (n, m) = member.x.shape();
            let (own, other) = if along == Along::Obs { (m, n) } else { (n, m) };
            match &member.from {
                None if own != aligned => return Err(Error::shape(member.x.name(), format!("{aligned} {axis}"), own)),
                Some(from) if from.len() != aligned => {
                    return Err(Error::shape(format!("map of {axis} of {}", member.x.name()), aligned, from.len()))
                }
                Some(from) => {
                    if let Some(&i) = from.iter().find(|&&i| i != MISSING && i as usize >= own) {
                        return Err(Error::Index { axis, index: i64::from(i), len: own });
                    }
                }
                None => {}
            }
            starts.push(starts.last().copied().unwrap_or(0) + other);
        }
        let total = starts.last().copied().unwrap_or(0);
        if u32::try_from(total).is_err() || u32::try_from(aligned).is_err() {
            return Err(Error::parameter("adatas", "fewer than 4294967296 rows or columns in all", total));
        }
        let shape = if along == Along::Obs { (total, aligned) } else { (aligned, total) };
        let sparse = members.iter().any(|m| m.x.is_sparse());
        let fill = fill.unwrap_or(if sparse { Fill::ZERO } else { Fill::NAN });
        let dtype = members
            .iter()
            .map(|m| {
                let own = if along == Along::Obs { m.x.shape().1 } else { m.x.shape().0 };
                dtype::aligned(m.x.dtype(), sparse, own, m.from.as_deref(), fill)
            })
            .reduce(promote)
            .unwrap_or(DType::F64);
        Ok(Stacked { along, members, shape, sparse, dtype, fill, starts })
    }

    /// Returns the axis along which the members lie.
    pub fn axis(&self) -> Along {
        self.along
    }

    /// Returns the matrices, in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Returns the value read for entries that a member lacks.
    pub fn fill(&self) -> Fill {
        self.fill
    }

    /// Returns whether every member has every entry of the aligned axis.
    fn complete(&self) -> bool {
        self.members.iter().all(|m| m.from.as_ref().is_none_or(|from| !from.contains(&MISSING)))
    }
}

impl Source for Stacked {
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn layout(&self) -> Layout {
        if self.sparse {
            Layout::Csr
        } else {
            Layout::Dense
        }
    }

    /// Returns the number of stored values: exact when members are stacked whole, else an upper
    /// bound; `None` for a dense stack.
    fn nnz(&self) -> Option<u64> {
        if !self.sparse {
            return None;
        }
        let all = self.shape.0 as u64 * self.shape.1 as u64;
        if self.fill.value != 0.0 && !self.complete() {
            return Some(all);
        }
        let stored = self.members.iter().map(|m| {
            let (source, (n, p)) = (m.x.source(), m.x.shape());
            match source.nnz().filter(|_| m.x.is_sparse()) {
                Some(nnz) => nnz.min(n as u64 * p as u64),
                None => n as u64 * p as u64,
            }
        });
        Some(stored.sum::<u64>().min(all))
    }

    fn disk_bytes(&self) -> u64 {
        self.members.iter().map(|m| m.x.source().disk_bytes()).sum()
    }

    fn location(&self) -> Option<Location> {
        None
    }

    fn reads(&self) -> Reads {
        self.members
            .iter()
            .map(|m| m.x.source().reads())
            .fold(Reads::default(), |all, r| Reads { chunks: all.chunks + r.chunks, decoded: all.decoded + r.decoded })
    }

    fn pass<'a>(
        &'a self,
        rows: Rows,
        columns: Option<Arc<ColumnMap>>,
        allowed: &Allowance,
    ) -> Result<Box<dyn Pass + 'a>> {
        Ok(Box::new(pass::StackedPass::new(self, rows, columns.as_deref(), allowed)?))
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

impl LazyMatrix {
    /// Returns the stack, if the source is one.
    pub fn stack(&self) -> Option<&Stacked> {
        self.source().as_any()?.downcast_ref()
    }
}
