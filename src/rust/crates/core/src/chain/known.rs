//! Facts that a session keeps about the stored matrix below a chain. They are found by every chain
//! on that matrix and dropped with the last of them.

use super::{Node, Vector};
use crate::matrix::{ColumnCache, ColumnIndex, Rows};
use crate::memory;
use crate::session::Session;
use std::sync::Arc;

/// Describes the sums of columns in errors of memory.
const COLUMN_SUMS: &str = "sums of the columns";

/// A selection of rows and columns of a source; `None` stands for all of them in order.
#[derive(Debug, Clone)]
struct Selection {
    rows: Option<Vector<u32>>,
    columns: Option<Vector<u32>>,
}

impl Selection {
    fn matches(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> bool {
        let same = |a: Option<&[u32]>, b: Option<&[u32]>| match (a, b) {
            (Some(a), Some(b)) => std::ptr::eq(a, b) || a == b,
            (a, b) => a.is_none() && b.is_none(),
        };
        same(self.rows.as_deref(), rows) && same(self.columns.as_deref(), columns)
    }
}

/// Sums over the stored values of a selection, all of which are non-negative and finite.
#[derive(Debug)]
pub(crate) struct CountSums {
    /// Sum of each row.
    pub(crate) rows: Vec<f64>,
    /// Sum of each column.
    pub(crate) columns: Vec<f64>,
    /// Mean of each column.
    pub(crate) mean: Vec<f64>,
    /// Sum of squared deviations of each column.
    pub(crate) m2: Vec<f64>,
}

/// Column sums of a chain with the operations `nodes`.
struct ColumnSums {
    nodes: Vec<Arc<dyn Node>>,
    sums: Vec<f64>,
}

/// A fact about a selection of the stored matrix. A session keeps the latest of each type, because
/// a pipeline goes forward and rarely asks for an earlier one.
struct Known<T> {
    selection: Selection,
    value: Arc<T>,
}

impl super::LazyMatrix {
    fn selection(&self) -> Selection {
        Selection { rows: self.rows.clone(), columns: self.columns.clone() }
    }

    /// Returns the sums of this selection that an earlier pass left; `None` for a chain with
    /// operations.
    pub(crate) fn known_sums(&self, session: &Session) -> Option<Arc<CountSums>> {
        let known = session.caches.find::<Known<CountSums>>(&self.identity)?;
        let same = self.nodes.is_empty() && known.selection.matches(self.rows(), self.columns());
        same.then(|| known.value.clone())
    }

    /// Keeps sums of this selection for later calls; does nothing for a chain with operations.
    pub(crate) fn learn_sums(&self, sums: CountSums, session: &Session) {
        if self.nodes.is_empty() {
            session.caches.keep(&self.identity, Known { selection: self.selection(), value: Arc::new(sums) });
        }
    }

    /// Returns the column sums, `n_vars` values, that an earlier pass of `ops::sums` left for this
    /// very chain, with its operations.
    pub(crate) fn known_column_sums(&self, session: &Session) -> Option<Vec<f64>> {
        if let Some(known) = self.known_sums(session) {
            return memory::copied(&known.columns, COLUMN_SUMS).ok();
        }
        let known = session.caches.find::<Known<ColumnSums>>(&self.identity)?;
        let ColumnSums { nodes, sums } = &*known.value;
        let same = nodes.len() == self.nodes.len() && nodes.iter().zip(&self.nodes).all(|(a, b)| Arc::ptr_eq(a, b));
        (same && known.selection.matches(self.rows(), self.columns()))
            .then(|| memory::copied(sums, COLUMN_SUMS).ok())?
    }

    /// Keeps the column sums of this chain, added up as `ops::sums` does, for later calls.
    pub(crate) fn learn_column_sums(&self, sums: Vec<f64>, session: &Session) {
        let value = Arc::new(ColumnSums { nodes: self.nodes.clone(), sums });
        session.caches.keep(&self.identity, Known { selection: self.selection(), value });
    }

    /// Returns the cached blocks of a pass over `rows` of the source and the columns of this chain,
    /// if the session keeps them.
    pub(crate) fn cached_blocks(&self, rows: &Rows, session: &Session) -> Option<Arc<ColumnCache>> {
        let kept = session.caches.find::<Known<ColumnCache>>(&self.identity)?;
        let rows = match rows {
            Rows::All => None,
            Rows::List(l) => Some(&**l),
        };
        kept.selection.matches(rows, self.columns()).then(|| kept.value.clone())
    }

    /// Caches the blocks of a pass over `rows`, in place of those cached before.
    pub(crate) fn keep(&self, rows: &Rows, cache: ColumnCache, session: &Session) {
        let rows = match rows {
            Rows::All => None,
            Rows::List(l) => Some(l.clone()),
        };
        let selection = Selection { rows, columns: self.columns.clone() };
        session.caches.keep(&self.identity, Known { selection, value: Arc::new(cache) });
    }

    /// Drops the cached blocks.
    pub(crate) fn forget_kept(&self, session: &Session) {
        session.caches.forget::<Known<ColumnCache>>(&self.identity);
    }

    /// Returns the column index of the source, if one is attached.
    pub(crate) fn index(&self, session: &Session) -> Option<Arc<ColumnIndex>> {
        session.caches.find(&self.identity)
    }

    /// Attaches `index`: from now on every chain on this source reads selected columns from it.
    pub(crate) fn attach(&self, index: ColumnIndex, session: &Session) {
        session.caches.keep(&self.identity, index);
    }
}
