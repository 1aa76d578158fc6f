//! The lazy transform chain: an expression matrix as a value.
//!
//! A [`LazyMatrix`] is a source, a selection of its rows and columns, and element-wise operations
//! on what is selected. It is always in this normal form: selecting after an operation selects the
//! operation's vectors, which pushes every selection down to the source. Copies share everything.
//!
//! ```
//! # fn main() -> anndataoom_core::Result<()> {
//! use anndataoom_core::{matrix, ops, store::Store, stream, LazyMatrix, Session};
//!
//! let store = Store::open("../../../../inst/extdata/pbmc_like.h5ad")?;
//! let x = LazyMatrix::new(matrix::open(&store, "X")?);
//! let (logged, _) = ops::log1p(&x, None)?;
//! let part = logged.select(Some(&[5, 3]), Some(&[0, 1, 2]))?; // rows 5 and 3, in this order
//! assert_eq!(part.shape(), (2, 3));
//! let sums = ops::row_sums(&part, &Session::default())?;
//! assert_eq!(sums.len(), 2);
//! # Ok(())
//! # }
//! ```

mod describe;
mod known;
pub mod nodes;
mod program;
mod row;
mod stacked;

pub use crate::vector::Vector;
pub use describe::{Description, Parameter, Queued};
pub(crate) use known::CountSums;
pub use nodes::Node;
pub use row::Row;
pub use stacked::{promote, Along, Fill, Member, Stacked, MISSING};

use crate::element::DType;
use crate::encoded::decoded;
use crate::error::{Error, Result};
use crate::matrix::{Block, ColumnMap, Layout, Location, Rows, Source};
use crate::memory;
use crate::session::Identity;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A matrix on disk, cells x genes, with the transforms recorded on it. Values are read only by a
/// pass.
#[derive(Debug, Clone)]
pub struct LazyMatrix {
    source: Arc<dyn Source>,
    rows: Option<Vector<u32>>,
    columns: Option<Vector<u32>>,
    nodes: Vec<Arc<dyn Node>>,
    identity: Arc<Identity>,
}

/// The serialisable part of a chain; see [`LazyMatrix::to_bytes`].
#[derive(Serialize, Deserialize)]
struct Recorded {
    version: u32,
    shape: (usize, usize),
    rows: Option<Vector<u32>>,
    columns: Option<Vector<u32>>,
    nodes: Vec<nodes::Encoded>,
}

/// Describes selected rows or columns in errors of memory.
const SELECTION: &str = "a selection";

const RECORD_VERSION: u32 = 2;

impl LazyMatrix {
    /// Makes a chain of the whole of `source`, without operations.
    pub fn new(source: Arc<dyn Source>) -> Self {
        LazyMatrix { source, rows: None, columns: None, nodes: Vec::new(), identity: Identity::new() }
    }

    /// Returns the numbers of rows (obs) and columns (var) after selection.
    pub fn shape(&self) -> (usize, usize) {
        let (n, m) = self.source.shape();
        (self.rows.as_ref().map_or(n, |r| r.len()), self.columns.as_ref().map_or(m, |c| c.len()))
    }

    /// Returns the dtype of the values a reader gets: the stored one, or float32/float64 once there
    /// is an operation.
    pub fn dtype(&self) -> DType {
        if self.nodes.is_empty() {
            self.source.dtype()
        } else {
            self.source.dtype().float()
        }
    }

    /// Returns whether blocks come compressed: the source is sparse and no operation fills zeros.
    pub fn is_sparse(&self) -> bool {
        self.source.layout() != Layout::Dense && !self.nodes.iter().any(|n| n.fills_zeros())
    }

    /// Returns the stored matrix below the chain.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Returns the location of the stored matrix; `None` in memory.
    pub fn location(&self) -> Option<Location> {
        self.source.location()
    }

    /// Returns the operations in the order in which they are applied.
    pub fn nodes(&self) -> &[Arc<dyn Node>] {
        &self.nodes
    }

    /// Returns the source row of each row; `None` when all rows are selected in order.
    pub fn rows(&self) -> Option<&[u32]> {
        self.rows.as_deref()
    }

    /// Returns the source column of each column; `None` when all columns are selected in order.
    pub fn columns(&self) -> Option<&[u32]> {
        self.columns.as_deref()
    }

    /// Returns file and element for messages, or "matrix" when in memory.
    pub fn name(&self) -> String {
        self.location().map_or_else(|| "matrix".to_owned(), |l| format!("'{}', element '{}'", l.store, l.element))
    }

    /// Returns the queued selections and operations in order, for a face to print.
    pub fn queued(&self) -> Vec<Queued> {
        let (n, m) = self.source.shape();
        let rows = self.rows.iter().map(|r| Queued::Rows { kept: r.len(), of: n });
        let columns = self.columns.iter().map(|c| Queued::Columns { kept: c.len(), of: m });
        rows.chain(columns).chain(self.nodes.iter().map(|node| Queued::Verb(node.describe()))).collect()
    }

    /// Selects rows and columns by position (zero-based, any order, repeats allowed); `None` keeps
    /// an axis.
    ///
    /// # Errors
    /// [`Error::Index`] for a position past the end; [`Error::OutOfMemory`].
    pub fn select(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> Result<Self> {
        let (n, m) = self.shape();
        let check =
            |axis, list: Option<&[u32]>, len: usize| match list.and_then(|l| l.iter().find(|&&i| i as usize >= len)) {
                Some(&i) => Err(Error::Index { axis, index: i64::from(i), len }),
                None => Ok(()),
            };
        check("obs", rows, n)?;
        check("var", columns, m)?;
        let through = |now: &Option<Vector<u32>>, list: Option<&[u32]>| -> Result<_> {
            Ok(match (now, list) {
                (now, None) => now.clone(),
                (None, Some(l)) => Some(memory::copied(l, SELECTION)?.into()),
                (Some(now), Some(l)) => Some(now.select(Some(l))?),
            })
        };
        Ok(LazyMatrix {
            source: self.source.clone(),
            rows: through(&self.rows, rows)?,
            columns: through(&self.columns, columns)?,
            nodes: self.nodes.iter().map(|node| node.select(rows, columns)).collect::<Result<_>>()?,
            identity: self.identity.clone(),
        })
    }

    /// Adds an operation whose vectors fit the present shape.
    ///
    /// # Errors
    /// [`Error::Shape`] when a vector has another length.
    pub fn with(&self, node: impl Node) -> Result<Self> {
        self.with_node(Arc::new(node))
    }

    fn with_node(&self, node: Arc<dyn Node>) -> Result<Self> {
        let (n_obs, n_vars) = self.shape();
        node.check(n_obs, n_vars)?;
        let mut out = self.clone();
        out.nodes.push(node);
        Ok(out)
    }

    /// Returns the chain without its operations from position `keep` on. Consumers that account for
    /// these operations themselves (PCA of a scaled matrix) read it instead of the densified
    /// values.
    pub fn without_nodes_from(&self, keep: usize) -> Self {
        let mut out = self.clone();
        out.nodes.truncate(keep);
        out
    }

    /// Returns the rows that a pass asks the source for.
    pub(crate) fn source_rows(&self) -> Rows {
        self.rows.clone().map_or(Rows::All, Rows::List)
    }

    /// Returns the column map that a pass hands to the source; `None` for all columns.
    ///
    /// # Errors
    /// The errors of [`ColumnMap::new`].
    pub(crate) fn column_map(&self) -> Result<Option<Arc<ColumnMap>>> {
        self.columns.as_ref().map(|c| ColumnMap::new(self.source.shape().1, c).map(Arc::new)).transpose()
    }

    /// Applies the operations to a block of the source; `block.positions` are rows of this matrix.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn transform(&self, block: Block) -> Result<Block> {
        program::apply(&self.nodes, block, self.dtype())
    }

    /// Returns selections and operations (not the data) as bytes, for saving a session or pickling.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Internal`] when encoding fails, which it does not.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let recorded = Recorded {
            version: RECORD_VERSION,
            shape: self.source.shape(),
            rows: self.rows.clone(),
            columns: self.columns.clone(),
            nodes: self.nodes.iter().map(|node| node.encode()).collect::<Result<_>>()?,
        };
        nodes::recorded(&recorded)
    }

    /// Applies recorded selections and operations to a source of the same shape.
    ///
    /// # Errors
    /// [`Error::State`] when the bytes are not a recorded chain of this version; [`Error::Shape`]
    /// when the source has another shape than the one recorded; [`Error::OutOfMemory`].
    pub fn from_bytes(source: Arc<dyn Source>, bytes: &[u8]) -> Result<Self> {
        let r: Recorded =
            decoded(bytes, nodes::SAVED)?.filter(|r: &Recorded| r.version == RECORD_VERSION).ok_or_else(|| {
                let message = "the saved object was made by another version of anndataoom: open it with that version, \
                               or make it anew from its file";
                Error::State(message.to_owned())
            })?;
        if r.shape != source.shape() {
            let show = |s: (usize, usize)| format!("{} x {}", s.0, s.1);
            return Err(Error::shape("matrix the saved object belongs to", show(r.shape), show(source.shape())));
        }
        let plain = LazyMatrix::new(source).select(r.rows.as_deref(), r.columns.as_deref())?;
        r.nodes.iter().try_fold(plain, |x, node| x.with_node(nodes::decode(node)?))
    }
}
