//! Facts that a session keeps about the stored matrix below a chain. Every chain on that matrix
//! finds them. They are dropped with the last chain on it, except facts about the counts of a file.

use super::counts::Facts;
use super::selection::Selection;
use super::Node;
use crate::matrix::{ColumnCache, ColumnIndex, Rows};
use crate::memory;
use crate::session::Session;
use std::sync::Arc;

/// Describes the sums of columns in errors of memory.
const COLUMN_SUMS: &str = "sums of the columns";

/// The facts about counts, shared with chains on the same file that is opened again.
struct OfThis(Arc<Facts>);

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
    /// Returns the rows and columns that this chain selects.
    pub(super) fn selection(&self) -> Selection {
        Selection { rows: self.rows.clone(), columns: self.columns.clone() }
    }

    /// Returns a name for the facts about the stored matrix in the present state of its file;
    /// `None` where the state cannot be told. Processes that share passes have to know the same:
    /// they know what they learnt from this object.
    fn facts_name(&self, session: &Session) -> Option<String> {
        if session.team.is_some() {
            return None;
        }
        let (place, stamp) = (self.source.location()?, self.source.stamp()?);
        Some(format!("counts {} {} {:?} {stamp:?}", place.store, place.element, self.source.shape()))
    }

    /// Returns the facts about the counts of the stored matrix; `None` where no pass left any.
    pub(super) fn facts(&self, session: &Session) -> Option<Arc<Facts>> {
        if let Some(known) = session.caches.find::<OfThis>(&self.identity) {
            return Some(known.0.clone());
        }
        let facts = session.caches.named::<Facts>(&self.facts_name(session)?)?;
        session.caches.keep(&self.identity, OfThis(facts.clone()));
        Some(facts)
    }

    /// Keeps facts about the counts of the stored matrix, in place of earlier facts. Facts about a
    /// file outlive the last chain on it, for chains on the same file when it is opened again. They
    /// are dropped when facts about another matrix are kept.
    pub(super) fn keep_facts(&self, facts: Facts, session: &Session) {
        let facts = Arc::new(facts);
        session.caches.keep(&self.identity, OfThis(facts.clone()));
        if let Some(name) = self.facts_name(session) {
            session.caches.keep_named(name, facts);
            session.caches.forget_unused::<Facts>();
        }
    }

    /// Returns the column sums, `n_vars` values, that an earlier pass of `ops::sums` left for this
    /// very chain, with its operations.
    pub(crate) fn known_column_sums(&self, session: &Session) -> Option<Vec<f64>> {
        if let Some(known) = self.known_columns(session) {
            return Some(known.sums);
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
