//! What passes over a stored matrix have found out about it, shared by every chain on it and gone with the last of them.

use super::Vector;
use crate::matrix::{ColumnCache, ColumnIndex, Rows};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// The latest of each kind: a pipeline goes forward.
#[derive(Debug, Default)]
pub(super) struct Memo {
    sums: Mutex<Option<(Selection, Arc<CountSums>)>>,
    columns: Mutex<Option<(Selection, Arc<ColumnCache>)>>,
    index: Mutex<Option<Arc<ColumnIndex>>>,
}

// A poisoned lock cannot occur: nothing that can panic runs while one is held.
fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl super::LazyMatrix {
    fn selection(&self) -> Selection {
        Selection { rows: self.rows.clone(), columns: self.columns.clone() }
    }

    /// Sums an earlier pass left; only for a chain without operations.
    pub(crate) fn known_sums(&self) -> Option<Arc<CountSums>> {
        let known = lock(&self.memo.sums);
        let (selection, sums) = known.as_ref()?;
        (self.nodes.is_empty() && selection.is(self.rows(), self.columns())).then(|| sums.clone())
    }

    /// Leaves sums for later; ignored for a chain with operations.
    pub(crate) fn learn_sums(&self, sums: CountSums) {
        if self.nodes.is_empty() {
            *lock(&self.memo.sums) = Some((self.selection(), Arc::new(sums)));
        }
    }

    /// The blocks of a pass over `rows` of the source and the columns of this chain, when they were kept.
    pub(crate) fn kept(&self, rows: &Rows) -> Option<Arc<ColumnCache>> {
        let kept = lock(&self.memo.columns);
        let (selection, cache) = kept.as_ref()?;
        let rows = match rows {
            Rows::All => None,
            Rows::List(l) => Some(&**l),
        };
        selection.is(rows, self.columns()).then(|| cache.clone())
    }

    /// The column index of the source, when one was attached.
    pub(crate) fn index(&self) -> Option<Arc<ColumnIndex>> {
        lock(&self.memo.index).clone()
    }

    /// Reads selected columns of the source, in every chain on it, from `index` from now on.
    pub(crate) fn attach(&self, index: ColumnIndex) {
        *lock(&self.memo.index) = Some(Arc::new(index));
    }

    /// Keeps the blocks of a pass over `rows`, in place of what was kept before.
    pub(crate) fn keep(&self, rows: &Rows, cache: Option<ColumnCache>) {
        let rows = match rows {
            Rows::All => None,
            Rows::List(l) => Some(l.clone()),
        };
        let selection = Selection { rows, columns: self.columns.clone() };
        *lock(&self.memo.columns) = cache.map(|c| (selection, Arc::new(c)));
    }
}
