//! Facts that passes leave about counts: sums of rows and columns, the numbers of values that are
//! not 0, and moments of columns. A fact about a selection also answers for parts of it, where a
//! pass over the part would give the same bits.

use super::selection::Selection;
use super::LazyMatrix;
use crate::error::Result;
use crate::memory;
use crate::session::Session;
use std::sync::Arc;

/// Describes these facts in errors of memory.
const FACTS: &str = "sums of an earlier pass";

/// The most selections whose rows are known; the oldest gives way.
const MOST: usize = 12;

/// Numbers, in few bytes where they are small and whole.
#[derive(Debug)]
enum Numbers {
    U16(Vec<u16>),
    U32(Vec<u32>),
    F64(Vec<f64>),
}

impl Numbers {
    fn new(values: &[f64]) -> Result<Self> {
        let whole = values.iter().all(|&x| f64::from(x as u32).to_bits() == x.to_bits());
        let most = values.iter().fold(0.0, |most, &x| f64::max(most, x));
        Ok(match whole {
            true if most <= f64::from(u16::MAX) => {
                Numbers::U16(memory::collected(values.iter().map(|&x| x as u16), FACTS)?)
            }
            true => Numbers::U32(memory::collected(values.iter().map(|&x| x as u32), FACTS)?),
            false => Numbers::F64(memory::copied(values, FACTS)?),
        })
    }

    fn len(&self) -> usize {
        match self {
            Numbers::U16(v) => v.len(),
            Numbers::U32(v) => v.len(),
            Numbers::F64(v) => v.len(),
        }
    }

    fn at(&self, i: usize) -> f64 {
        match self {
            Numbers::U16(v) => v[i].into(),
            Numbers::U32(v) => v[i].into(),
            Numbers::F64(v) => v[i],
        }
    }
}

/// Sums of the rows of a selection, all of whose values are non-negative and finite.
#[derive(Debug)]
struct RowCounts {
    of: Selection,
    sums: Numbers,
    /// How many values of each row are not 0, where they were counted.
    detected: Option<Numbers>,
}

/// Sums and moments of the columns of a selection. All values of the selection are finite and not
/// negative.
#[derive(Debug)]
pub(crate) struct ColumnCounts {
    /// The sum of each column.
    pub(crate) sums: Vec<f64>,
    /// How many values of each column are not 0, where they were counted.
    pub(crate) detected: Option<Vec<i64>>,
    /// The mean of each column.
    pub(crate) mean: Vec<f64>,
    /// The sum of squared deviations of each column.
    pub(crate) m2: Vec<f64>,
    /// Whether all rows hold whole numbers, so that sums of some columns have the same bits without
    /// the others.
    pub(crate) whole: bool,
}

/// The facts about a stored matrix.
#[derive(Debug, Default)]
pub(super) struct Facts {
    rows: Vec<Arc<RowCounts>>,
    columns: Option<Arc<(Selection, ColumnCounts)>>,
}

/// The rows of a matrix in those of a fact, as positions; `None` where they are the same.
type Places = Option<Vec<u32>>;

/// The known sums of the rows of a matrix.
pub(crate) struct KnownRows {
    of: Arc<RowCounts>,
    places: Places,
}

impl KnownRows {
    fn values(&self, of: &Numbers) -> Result<Vec<f64>> {
        match &self.places {
            None => memory::collected((0..of.len()).map(|i| of.at(i)), FACTS),
            Some(places) => memory::collected(places.iter().map(|&i| of.at(i as usize)), FACTS),
        }
    }

    /// Returns the sum of each row.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(crate) fn sums(&self) -> Result<Vec<f64>> {
        self.values(&self.of.sums)
    }

    /// Returns how many values of each row are not 0; `None` where they were not counted.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(crate) fn detected(&self) -> Result<Option<Vec<f64>>> {
        self.of.detected.as_ref().map(|detected| self.values(detected)).transpose()
    }
}

/// Returns the places of `part` in `whole`, selections of `n` rows or columns; `None` where some
/// are not in it, or memory is short.
fn places(part: Option<&[u32]>, whole: Option<&[u32]>, n: usize) -> Option<Places> {
    if Selection::same(part, whole) {
        return Some(None);
    }
    let Some(whole) = whole else { return memory::copied(part?, FACTS).ok().map(Some) };
    let mut place_of = memory::filled(n, u32::MAX, FACTS).ok()?;
    (0..).zip(whole).for_each(|(place, &i)| place_of[i as usize] = place);
    let places = match part {
        Some(part) => memory::collected(part.iter().map(|&i| place_of[i as usize]), FACTS).ok()?,
        None => place_of,
    };
    (!places.contains(&u32::MAX)).then_some(Some(places))
}

impl LazyMatrix {
    /// Returns the sums of the rows if an earlier pass left them for this selection, or for a
    /// selection of which this one is a part. Returns `None` where no pass did, and for a chain
    /// with operations.
    pub(crate) fn known_rows(&self, session: &Session) -> Option<KnownRows> {
        let facts = self.facts(session).filter(|_| self.nodes.is_empty())?;
        let n = self.source.shape().0;
        let found = |of: &Arc<RowCounts>| {
            let columns = Selection::same(self.columns(), of.of.columns()) || self.drops_zeros(of, &facts);
            let places = columns.then(|| places(self.rows(), of.of.rows(), n))??;
            Some(KnownRows { of: of.clone(), places })
        };
        facts.rows.iter().rev().find_map(found)
    }

    /// Returns whether this selection lacks only columns of the selection `of` that are known to
    /// hold zeros alone, and keeps the order of the others.
    fn drops_zeros(&self, of: &RowCounts, facts: &Facts) -> bool {
        let Some((known, columns)) = facts.columns.as_deref() else { return false };
        let (n, m) = self.source.shape();
        if !Selection::same(known.columns(), of.of.columns()) {
            return false;
        }
        let Some(Some(kept)) = places(self.columns(), known.columns(), m) else { return false };
        if !kept.is_sorted_by(|a, b| a < b) || places(self.rows(), known.rows(), n).is_none() {
            return false;
        }
        let mut kept = kept.into_iter().peekable();
        (0..).zip(&columns.sums).all(|(place, &sum)| kept.next_if_eq(&place).is_some() || sum == 0.0)
    }

    /// Returns sums and moments of the columns if an earlier pass over the same rows left them. A
    /// pass over more columns serves, too, if all its values are whole numbers. Returns `None`
    /// where there was no such pass, and for a chain with operations.
    pub(crate) fn known_columns(&self, session: &Session) -> Option<ColumnCounts> {
        let facts = self.facts(session).filter(|_| self.nodes.is_empty())?;
        let (known, columns) = facts.columns.as_deref()?;
        if !Selection::same(self.rows(), known.rows()) {
            return None;
        }
        let places = places(self.columns(), known.columns(), self.source.shape().1)?;
        if places.is_some() && !columns.whole {
            return None;
        }
        fn take<T: Copy>(values: &[T], places: &Places) -> Option<Vec<T>> {
            match places {
                None => memory::copied(values, FACTS).ok(),
                Some(places) => memory::collected(places.iter().map(|&i| values[i as usize]), FACTS).ok(),
            }
        }
        let ColumnCounts { sums, detected, mean, m2, whole } = columns;
        let detected = match detected {
            Some(detected) => Some(take(detected, &places)?),
            None => None,
        };
        let (sums, mean, m2) = (take(sums, &places)?, take(mean, &places)?, take(m2, &places)?);
        Some(ColumnCounts { sums, detected, mean, m2, whole: *whole })
    }

    /// Keeps the sums of the rows for later calls and, where they were counted, the numbers of
    /// values that are not 0. Does nothing for a chain with operations, for sums of integers of
    /// 2^53 or more (which f64 may not hold), or where memory is short. Sums alone do not replace
    /// sums and numbers of the same selection.
    pub(crate) fn learn_rows(&self, sums: &[f64], detected: Option<&[f64]>, session: &Session) {
        const GAPS: f64 = (1u64 << 53) as f64;
        if self.dtype() != self.dtype().float() && sums.iter().any(|&sum| sum >= GAPS) {
            return;
        }
        let counts = || -> Result<Arc<RowCounts>> {
            let detected = detected.map(Numbers::new).transpose()?;
            Ok(Arc::new(RowCounts { of: self.selection(), sums: Numbers::new(sums)?, detected }))
        };
        let Some(counts) = counts().ok().filter(|_| self.nodes.is_empty()) else { return };
        self.learn(session, |facts| {
            let same = |known: &Arc<RowCounts>| known.of.matches(self.rows(), self.columns());
            // A pass that counted only sums does not displace one that counted more.
            if detected.is_none() && facts.rows.iter().any(same) {
                return;
            }
            facts.rows.retain(|known| !same(known));
            if facts.rows.len() == MOST {
                facts.rows.remove(0);
            }
            facts.rows.push(counts);
        });
    }

    /// Keeps sums and moments of the columns for later calls. Does nothing for a chain with
    /// operations.
    pub(crate) fn learn_columns(&self, counts: ColumnCounts, session: &Session) {
        if self.nodes.is_empty() {
            let counts = Arc::new((self.selection(), counts));
            self.learn(session, |facts| facts.columns = Some(counts));
        }
    }

    fn learn(&self, session: &Session, change: impl FnOnce(&mut Facts)) {
        let known = self.facts(session);
        let known = known.as_deref();
        let mut facts = Facts {
            rows: known.map_or_else(Vec::new, |known| known.rows.clone()),
            columns: known.and_then(|known| known.columns.clone()),
        };
        change(&mut facts);
        self.keep_facts(facts, session);
    }
}
