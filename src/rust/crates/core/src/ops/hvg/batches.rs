//! The batches of the cells, and the moments of every gene in every batch.

use crate::chain::{ColumnCounts, LazyMatrix};
use crate::element::Number;
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::ops::columns::Columns;
use crate::ops::moments::{MeanVar, Moments};
use crate::ops::view::{add, with_view, Check, View};
use crate::session::Session;
use crate::stream::{adds_up, reduce, Needs, Reducer};
use serde::{Deserialize, Serialize};

/// The name, in errors, of the sums of all batches.
pub(super) const SUMS: &str = "highly_variable_genes: sums of every gene in every batch";

/// The name, in errors, of the batches of the cells.
const BATCHES: &str = "highly_variable_genes: the batch of every cell";

/// The batches that have cells, numbered without gaps.
#[derive(Serialize)]
pub(super) struct Batches {
    codes: Option<Vec<u32>>,
    pub(super) sizes: Vec<usize>,
    /// The number that the caller gave each batch.
    numbers: Vec<i32>,
}

impl Batches {
    /// Counts the cells of each batch and numbers the batches that have cells from 0. Without
    /// `codes` all cells are one batch.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one code a cell; [`Error::Parameter`] for a negative code.
    pub(super) fn new(codes: Option<&[i32]>, n_obs: usize) -> Result<Self> {
        let Some(codes) = codes else {
            return Ok(Batches { codes: None, sizes: vec![n_obs], numbers: vec![0] });
        };
        if codes.len() != n_obs {
            return Err(Error::shape("batch_key, one a cell", n_obs, codes.len()));
        }
        if let Some(i) = codes.iter().position(|&c| c < 0) {
            return Err(Error::parameter(
                "batch_key",
                "a batch for every cell",
                format!("none for cell {i} (zero-based)"),
            ));
        }
        let mut present: Vec<i32> = memory::copied(codes, BATCHES)?;
        present.sort_unstable();
        present.dedup();
        let dense = codes.iter().map(|c| present.partition_point(|p| p < c) as u32);
        let dense: Vec<u32> = memory::collected(dense, BATCHES)?;
        let mut sizes = vec![0; present.len()];
        dense.iter().for_each(|&b| sizes[b as usize] += 1);
        Ok(Batches { codes: Some(dense), sizes, numbers: present })
    }

    pub(super) fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Returns the numbers of the batches that take part in the choice of genes. Where the user
    /// gave batches, a batch of a single cell takes no part.
    pub(super) fn judging(&self) -> Vec<usize> {
        (0..self.len()).filter(|&b| !self.given() || self.sizes[b] > 1).collect()
    }

    /// Returns the caller's numbers of the batches of a single cell, in which no gene varies.
    pub(super) fn without_variance(&self) -> Vec<i32> {
        self.numbers.iter().zip(&self.sizes).filter(|(_, &n)| n == 1).map(|(&b, _)| b).collect()
    }

    /// Returns whether the user gave batches.
    pub(super) fn given(&self) -> bool {
        self.codes.is_some()
    }

    /// Returns the number of the batch of a cell.
    #[inline]
    pub(super) fn batch_of(&self, cell: usize) -> usize {
        self.codes.as_ref().map_or(0, |c| c[cell] as usize)
    }
}

/// An accumulator for each batch, made when a block first contains a cell of the batch.
#[derive(Serialize, Deserialize)]
pub(super) struct PerBatch<A>(pub(super) Vec<Option<A>>);

impl<A> PerBatch<A> {
    pub(super) fn new(n: usize) -> Self {
        PerBatch((0..n).map(|_| None).collect())
    }

    /// Returns the accumulator of a batch, which `make` makes if there is none yet.
    pub(super) fn entry(&mut self, batch: usize, make: impl FnOnce() -> Result<A>) -> Result<&mut A> {
        let place = &mut self.0[batch];
        if place.is_none() {
            *place = Some(make()?);
        }
        place.as_mut().ok_or_else(|| Error::Internal("a batch without sums".to_owned()))
    }
}

/// Two numbers for each gene, each a sum over its stored values. The pass that adds them up defines
/// their terms.
pub(super) type Pairs = Vec<(f64, f64)>;

impl<A> PerBatch<A> {
    /// Adds the accumulators of `next` to those of the same batches, or moves them where a batch
    /// has none yet.
    pub(super) fn merge(&mut self, next: PerBatch<A>, add: impl Fn(&mut A, A)) {
        for (to, from) in self.0.iter_mut().zip(next.0) {
            match (to, from) {
                (_, None) => {}
                (Some(to), Some(from)) => add(to, from),
                (to, from) => *to = from,
            }
        }
    }
}

impl PerBatch<Pairs> {
    /// Adds the sums of `next`, pair by pair.
    pub(super) fn add(&mut self, next: PerBatch<Pairs>) {
        self.merge(next, |to, from| to.iter_mut().zip(from).for_each(|(t, f)| *t = (t.0 + f.0, t.1 + f.1)));
    }

    /// Returns the pairs of every batch, one for each of `n_vars` genes; zeros for a batch that was
    /// not met.
    pub(super) fn complete(self, n_vars: usize) -> Result<Vec<Pairs>> {
        self.0.into_iter().map(|of| of.map_or_else(|| memory::zeros(n_vars, SUMS), Ok)).collect()
    }
}

/// The sum and the moments of each gene.
#[derive(Serialize, Deserialize)]
pub(super) struct Sums {
    gene_sums: Vec<f64>,
    moments: Moments,
    whole: bool,
}

/// The results of one pass over the values.
pub(super) struct BatchMoments {
    /// The moments of every gene in each batch.
    parts: Vec<Moments>,
    /// The sum of each gene in each batch.
    pub(super) gene_sums: Vec<Vec<f64>>,
    /// The sum of each cell.
    pub(super) cell_sums: Vec<f64>,
    /// Whether all rows hold whole numbers.
    whole: bool,
}

impl BatchMoments {
    /// Returns mean and variance of each gene in each batch, with divisor `n - 1` (`n` for a batch
    /// of one cell, as scanpy).
    pub(super) fn per_batch(&self, batches: &Batches) -> Vec<MeanVar> {
        self.parts.iter().zip(&batches.sizes).map(|(m, &n)| m.clone().finish(usize::from(n > 1))).collect()
    }

    /// Returns mean and variance of each gene over all cells, with the same divisors.
    pub(super) fn overall(&self, n_vars: usize, n_obs: usize) -> MeanVar {
        let mut all = Moments::new(n_vars);
        self.parts.iter().for_each(|p| all.merge(p));
        all.finish(usize::from(n_obs > 1))
    }
}

/// Returns the [`moments`] of the values themselves. Nothing is read where an earlier pass over the
/// same counts left them.
pub(super) fn count_moments(
    x: &LazyMatrix,
    batches: &Batches,
    check: &Check,
    session: &Session,
) -> Result<BatchMoments> {
    if batches.given() {
        return moments(x, batches, check, None, session);
    }
    if let (Some(rows), Some(columns)) = (x.known_rows(session), x.known_columns(session)) {
        return Ok(BatchMoments {
            parts: vec![Moments::of_vectors(x.shape().0, columns.mean, columns.m2)],
            gene_sums: vec![columns.sums],
            cell_sums: rows.sums()?,
            whole: columns.whole,
        });
    }
    let found = moments(x, batches, check, None, session)?;
    if let ([part], [columns]) = (found.parts.as_slice(), found.gene_sums.as_slice()) {
        let (mean, m2) = part.clone().vectors();
        x.learn_rows(&found.cell_sums, None, session);
        let counts = ColumnCounts { sums: columns.clone(), detected: None, mean, m2, whole: found.whole };
        x.learn_columns(counts, session);
    }
    Ok(found)
}

/// Returns sums and moments of the values by gene and batch, and sums by cell, in one pass. Where
/// `ln` is given, the values are logarithms to a base whose natural logarithm is `ln`; each value
/// `x` is replaced by `exp(ln x) - 1`.
///
/// # Errors
/// [`Error::Values`] for a value that `check` refuses; the errors of the pass.
pub(super) fn moments(
    x: &LazyMatrix,
    batches: &Batches,
    check: &Check,
    ln: Option<f64>,
    session: &Session,
) -> Result<BatchMoments> {
    reduce(x, &BatchSums { shape: x.shape(), batches, ln, check }, session)
}

/// The [`Needs`] of the pass for sums and moments, for the plan of `ops::explain`.
pub(super) const NEEDS: Needs = Needs::FILE;

#[derive(Serialize)]
struct BatchSums<'a> {
    shape: (usize, usize),
    batches: &'a Batches,
    ln: Option<f64>,
    #[serde(skip)]
    check: &'a Check,
}

impl Reducer for BatchSums<'_> {
    const NAME: &'static str = SUMS;
    const NEEDS: Needs = NEEDS;
    type Rows = Vec<f64>;
    /// The sum of each cell.
    type Whole = Vec<f64>;
    type Output = BatchMoments;
    adds_up!(PerBatch<Sums>, |sums, next| sums.merge(next, |to, from| {
        add(&mut to.gene_sums, &from.gene_sums);
        to.moments.merge(&from.moments);
        to.whole &= from.whole;
    }));

    fn map(&self, block: Block) -> Result<(PerBatch<Sums>, Vec<f64>)> {
        with_view!(block, view => sums_of(&view, self))
    }

    fn state(&self) -> Result<PerBatch<Sums>> {
        Ok(PerBatch::new(self.batches.len()))
    }

    fn whole(&self) -> Result<Vec<f64>> {
        memory::zeros(self.shape.0, SUMS)
    }

    fn finish(&self, sums: PerBatch<Sums>, cell_sums: Vec<f64>) -> Result<BatchMoments> {
        let (mut parts, mut gene_sums, mut all_whole) = (Vec::new(), Vec::new(), true);
        let n_vars = self.shape.1;
        for of in sums.0 {
            let Sums { gene_sums: sums, moments, whole } = match of {
                Some(of) => of,
                None => Sums { gene_sums: memory::zeros(n_vars, SUMS)?, moments: Moments::new(n_vars), whole: true },
            };
            parts.push(moments);
            gene_sums.push(sums);
            all_whole &= whole;
        }
        Ok(BatchMoments { parts, gene_sums, cell_sums, whole: all_whole })
    }
}

/// The values of `exp(x) - 1` for recent `x`, addressed by a hash and compared by all bits. The
/// logarithms of a cell are of small counts and therefore repeat.
struct Exponentials {
    known: [u64; Self::SLOTS],
    results: [f64; Self::SLOTS],
}

impl Exponentials {
    const SLOTS: usize = 256;
    /// The bits of no number.
    const NONE: u64 = u64::MAX;

    fn new() -> Self {
        Exponentials { known: [Self::NONE; Self::SLOTS], results: [0.0; Self::SLOTS] }
    }

    #[inline(always)]
    fn of(&mut self, x: f64) -> f64 {
        let bits = x.to_bits();
        let slot = (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % Self::SLOTS;
        if self.known[slot] != bits || bits == Self::NONE {
            self.known[slot] = bits;
            self.results[slot] = x.exp_m1();
        }
        self.results[slot]
    }
}

fn sums_of<T: Number>(view: &View<'_, T>, pass: &BatchSums<'_>) -> Result<(PerBatch<Sums>, Vec<f64>)> {
    let BatchSums { batches, ln, check, .. } = *pass;
    let mut columns = PerBatch::new(batches.len());
    let mut cells = memory::room(view.n_rows(), SUMS)?;
    let mut exponentials = Exponentials::new();
    for i in 0..view.n_rows() {
        check.row(view, i)?;
        let make = || Ok(Columns::new(view.n_rows(), view.n_cols, SUMS));
        let of = columns.entry(batches.batch_of(view.positions.row(i)), make)?;
        let sum = match ln {
            Some(ln) => of.add_of(view.row(i), |x| exponentials.of(x * ln))?,
            None => of.add_counting(view.row(i))?.total,
        };
        cells.push(sum);
    }
    let finish = |(batch, columns): (usize, Option<Columns>)| {
        let of = |columns: Columns| -> Result<Sums> {
            let mut gene_sums = memory::zeros(view.n_cols, SUMS)?;
            columns.add_sums(&mut gene_sums);
            let of_batch = |&i: &usize| batches.batch_of(view.positions.row(i)) == batch;
            let rows = (0..view.n_rows()).filter(of_batch).map(|i| view.row(i));
            let moments = match ln {
                Some(ln) => columns.moments_of(rows, |x| (x * ln).exp_m1()),
                None => columns.moments(rows),
            };
            Ok(Sums { gene_sums, moments: moments?, whole: columns.is_whole() })
        };
        columns.map(of).transpose()
    };
    Ok((PerBatch(columns.0.into_iter().enumerate().map(finish).collect::<Result<_>>()?), cells))
}
