//! Facts that a session keeps about the stored matrix below a chain: every chain on it finds them, and they go with the last.

use super::{Node, Vector};
use crate::matrix::{ColumnCache, ColumnIndex, Rows};
use crate::memory;
use crate::session::Session;
use std::sync::Arc;

/// The name of sums in errors.
const COLUMN_SUMS: &str = "sums of the columns";

/// A selection of a source; `None` is everything in order.
#[derive(Debug, Clone)]
struct Selection {
    rows: Option<Vector<u32>>,
    columns: Option<Vector<u32>>,
}

impl Selection {
    fn is(&self, rows: Option<&[u32]>, columns: Option<&[u32]>) -> bool {
        let same = |a: Option<&[u32]>, b: Option<&[u32]>| match (a, b) {
            (Some(a), Some(b)) => std::ptr::eq(a, b) || a == b,
            (a, b) => a.is_none() && b.is_none(),
        };
        same(self.rows.as_deref(), rows) && same(self.columns.as_deref(), columns)
    }
}

/// Sums over the stored values of a selection, which hold non-negative finite values only.
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

/// Sums of the columns of a chain with these operations.
struct ColumnSums {
    nodes: Vec<Arc<dyn Node>>,
    sums: Vec<f64>,
}

/// An entry of a session about the matrix below a chain: the latest of its kind, as a pipeline goes forward.
struct Known<T> {
    selection: Selection,
    value: Arc<T>,
}

impl super::LazyMatrix {
    fn selection(&self) -> Selection {
        Selection { rows: self.rows.clone(), columns: self.columns.clone() }
    }

    /// Sums an earlier pass left; only for a chain without operations.
    pub(crate) fn known_sums(&self, session: &Session) -> Option<Arc<CountSums>> {
        let known = session.caches.find::<Known<CountSums>>(&self.identity)?;
        let same = self.nodes.is_empty() && known.selection.is(self.rows(), self.columns());
        same.then(|| known.value.clone())
    }

    /// Leaves sums for later; ignored for a chain with operations.
    pub(crate) fn learn_sums(&self, sums: CountSums, session: &Session) {
        if self.nodes.is_empty() {
            session.caches.keep(&self.identity, Known { selection: self.selection(), value: Arc::new(sums) });
        }
    }

    /// Sums of the columns of this very chain, with its operations, from an earlier pass: those that a pass of `ops::sums` gives.
    pub(crate) fn known_column_sums(&self, session: &Session) -> Option<Vec<f64>> {
        if let Some(known) = self.known_sums(session) {
            return memory::copied(&known.columns, COLUMN_SUMS).ok();
        }
        let known = session.caches.find::<Known<ColumnSums>>(&self.identity)?;
        let ColumnSums { nodes, sums } = &*known.value;
        let same = nodes.len() == self.nodes.len() && nodes.iter().zip(&self.nodes).all(|(a, b)| Arc::ptr_eq(a, b));
        (same && known.selection.is(self.rows(), self.columns())).then(|| memory::copied(sums, COLUMN_SUMS).ok())?
    }

    /// Leaves sums of the columns of this chain for later, added up as `ops::sums` does.
    pub(crate) fn learn_column_sums(&self, sums: Vec<f64>, session: &Session) {
        let value = Arc::new(ColumnSums { nodes: self.nodes.clone(), sums });
        session.caches.keep(&self.identity, Known { selection: self.selection(), value });
    }

    /// The blocks of a pass over `rows` of the source and the columns of this chain, when they were kept.
    pub(crate) fn kept(&self, rows: &Rows, session: &Session) -> Option<Arc<ColumnCache>> {
        let kept = session.caches.find::<Known<ColumnCache>>(&self.identity)?;
        let rows = match rows {
            Rows::All => None,
            Rows::List(l) => Some(&**l),
        };
        kept.selection.is(rows, self.columns()).then(|| kept.value.clone())
    }

    /// Keeps the blocks of a pass over `rows`, in place of those kept before.
    pub(crate) fn keep(&self, rows: &Rows, cache: ColumnCache, session: &Session) {
        let rows = match rows {
            Rows::All => None,
            Rows::List(l) => Some(l.clone()),
        };
        let selection = Selection { rows, columns: self.columns.clone() };
        session.caches.keep(&self.identity, Known { selection, value: Arc::new(cache) });
    }

    /// Forgets the blocks that were kept.
    pub(crate) fn forget_kept(&self, session: &Session) {
        session.caches.forget::<Known<ColumnCache>>(&self.identity);
    }

    /// The column index of the source, when one was attached.
    pub(crate) fn index(&self, session: &Session) -> Option<Arc<ColumnIndex>> {
        session.caches.find(&self.identity)
    }

    /// Reads selected columns of the source, in every chain on it, from `index` from now on.
    pub(crate) fn attach(&self, index: ColumnIndex, session: &Session) {
        session.caches.keep(&self.identity, index);
    }
}
