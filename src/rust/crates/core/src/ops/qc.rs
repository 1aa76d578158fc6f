//! Quality-control metrics of cells and genes.

use super::columns::Columns;
use super::moments::{Axis, Moments};
use super::sums::past_doubles;
use super::view::{add, float_column, for_each_value, single, sums_column, with_view, Check, View};
use crate::chain::{ColumnCounts, LazyMatrix};
use crate::element::{DType, Data, Number, Value};
use crate::error::{Error, Result};
use crate::matrix::{Block, Positions};
use crate::memory;
use crate::patch::Patch;
use crate::session::Session;
use crate::stream::{reduce, Needs, Reducer, Scatter};
use serde::{Deserialize, Serialize};

/// A named set of genes (a boolean column of var), whose share of the counts of each cell is
/// measured.
#[derive(Debug, Clone, PartialEq)]
pub struct QcSubset {
    /// The name of the column, as in `qc_vars`.
    pub name: String,
    /// Whether each gene is in the set.
    pub mask: Vec<bool>,
}

/// The parameters of [`calculate_qc_metrics`], by scanpy's names.
#[derive(Debug, Clone, PartialEq)]
pub struct QcOptions {
    /// The gene sets to measure, such as the mitochondrial genes.
    pub qc_vars: Vec<QcSubset>,
    /// The numbers `n` for which the share of counts in the `n` highest genes of each cell is
    /// measured; empty for none.
    pub percent_top: Vec<usize>,
    /// Whether the `log1p_` columns are added.
    pub log1p: bool,
}

impl Default for QcOptions {
    fn default() -> Self {
        QcOptions { qc_vars: Vec::new(), percent_top: vec![50, 100, 200, 500], log1p: true }
    }
}

/// The result of [`calculate_qc_metrics`].
#[derive(Debug, Clone, PartialEq)]
pub struct QcMetrics {
    /// The number of genes detected in each cell.
    pub n_genes_by_counts: Vec<i32>,
    /// The counts of each cell.
    pub total_counts: Vec<f64>,
    /// The sizes of the top sets, sorted and distinct.
    pub percent_top: Vec<usize>,
    /// For each of these sizes, the percentage of each cell's counts; NaN for a cell without
    /// counts.
    pub pct_counts_in_top: Vec<Vec<f64>>,
    /// For each gene set, its name and its counts in each cell.
    pub qc_vars: Vec<(String, Vec<f64>)>,
    /// The number of cells that each gene is detected in.
    pub n_cells_by_counts: Vec<i64>,
    /// The counts of each gene.
    pub gene_total_counts: Vec<f64>,
    log1p: bool,
    dtype: DType,
    exact: Exact,
}

/// Sums of integers that doubles cannot hold, in numpy's dtype.
#[derive(Debug, Clone, PartialEq, Default)]
struct Exact {
    cells: Option<Data>,
    sets: Vec<Option<Data>>,
    genes: Option<Data>,
}

impl QcMetrics {
    /// Returns the mean count of each gene over all cells.
    pub fn mean_counts(&self) -> Vec<f64> {
        let n = self.total_counts.len() as f64;
        self.gene_total_counts.iter().map(|t| t / n).collect()
    }

    /// Returns the columns of scanpy, in its order and dtypes: int32 and int64 numbers, sums in
    /// float32 for float32 matrices and int64 for integer ones, percentages of top genes in
    /// float64. The percentages of a cell without counts are NaN.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn patch(&self) -> Result<Patch> {
        let narrow = single(self.dtype);
        let mut obs = Vec::new();
        let sums = |to: &mut Vec<(String, Value)>, name: String, v: &[f64], exact: Option<&Data>| -> Result<()> {
            let column = sums_column(v, exact, self.dtype)?;
            let log = format!("log1p_{name}");
            to.push((name, column));
            if self.log1p {
                to.push((log, log_of(v.iter().copied(), narrow)?));
            }
            Ok(())
        };
        let genes = &self.n_genes_by_counts;
        obs.push(("n_genes_by_counts".to_owned(), Value::vector(memory::copied(genes, METRICS)?)));
        if self.log1p {
            obs.push(("log1p_n_genes_by_counts".to_owned(), log_of(genes.iter().map(|&n| f64::from(n)), false)?));
        }
        sums(&mut obs, "total_counts".to_owned(), &self.total_counts, self.exact.cells.as_ref())?;
        for (n, pct) in self.percent_top.iter().zip(&self.pct_counts_in_top) {
            obs.push((format!("pct_counts_in_top_{n}_genes"), float_column(pct, false)?));
        }
        for (i, (name, counts)) in self.qc_vars.iter().enumerate() {
            let exact = self.exact.sets.get(i).and_then(Option::as_ref);
            sums(&mut obs, format!("total_counts_{name}"), counts, exact)?;
            let pct = counts.iter().zip(&self.total_counts).map(|(c, t)| c / t * 100.0);
            let pct = float_column(&memory::collected(pct, METRICS)?, narrow)?;
            obs.push((format!("pct_counts_{name}"), pct));
        }
        let n = self.total_counts.len() as f64;
        let mean = self.mean_counts();
        let dropout: Vec<f64> = self.n_cells_by_counts.iter().map(|&c| (1.0 - c as f64 / n) * 100.0).collect();
        let mut var = vec![("n_cells_by_counts".to_owned(), Value::vector(self.n_cells_by_counts.clone()))];
        var.push(("mean_counts".to_owned(), float_column(&mean, false)?));
        if self.log1p {
            var.push(("log1p_mean_counts".to_owned(), log_of(mean.iter().copied(), false)?));
        }
        var.push(("pct_dropout_by_counts".to_owned(), float_column(&dropout, false)?));
        sums(&mut var, "total_counts".to_owned(), &self.gene_total_counts, self.exact.genes.as_ref())?;
        Ok(Patch { obs, var, ..Patch::default() })
    }
}

/// The name, in errors, of the metrics.
const METRICS: &str = "calculate_qc_metrics: metrics of the cells";

/// Returns the column of `ln(1 + x)`.
fn log_of(x: impl ExactSizeIterator<Item = f64>, narrow: bool) -> Result<Value> {
    float_column(&memory::collected(x.map(f64::ln_1p), METRICS)?, narrow)
}

/// Computes quality-control metrics of cells and genes in one pass
/// (`scanpy.pp.calculate_qc_metrics`). Stored zeros do not count as detected. As in scanpy, a
/// percentage of a cell without counts is NaN.
///
/// # Errors
/// [`Error::Values`] for a negative, NaN or infinite value; [`Error::Parameter`] for a size in
/// `percent_top` that is 0 or exceeds the number of genes (scanpy: `IndexError`); [`Error::Shape`]
/// for a mask of another length.
pub fn calculate_qc_metrics(x: &LazyMatrix, options: &QcOptions, session: &Session) -> Result<QcMetrics> {
    let (n_obs, n_vars) = x.shape();
    let mut percent_top = options.percent_top.clone();
    percent_top.sort_unstable();
    percent_top.dedup();
    if let Some(&n) = percent_top.iter().find(|&&n| n == 0 || n > n_vars) {
        let expected = format!("numbers of genes from 1 to {n_vars}, the genes there are, or none");
        return Err(Error::parameter("percent_top", expected, n));
    }
    for set in &options.qc_vars {
        if set.mask.len() != n_vars {
            return Err(Error::shape(format!("qc_vars '{}', one a gene", set.name), n_vars, set.mask.len()));
        }
    }
    let n_sets = options.qc_vars.len();
    let members = membership(&options.qc_vars, n_vars);
    let check = Check::counts(x, "calculate_qc_metrics");

    let sets: Vec<LazyMatrix> =
        options.qc_vars.iter().map(|set| x.select(None, Some(&positions(&set.mask)?))).collect::<Result<_>>()?;
    let known = if percent_top.is_empty() { known(x, &sets, session)? } else { None };
    let is_known = known.is_some();
    let pass = Quality { shape: (n_obs, n_vars), percent_top: &percent_top, n_sets, members, check };
    let (genes, cells) = known.map_or_else(|| reduce(x, &pass, session), Ok)?;
    let Genes { total: mut gene_total_counts, n_cells: n_cells_by_counts, moments, whole } = genes;
    let Cells { n_genes: n_genes_by_counts, total: mut total_counts, top: pct_counts_in_top, sets: mut set_counts } =
        cells;
    let mut exact = Exact {
        cells: past_doubles(x, Axis::Var, &mut total_counts, session)?,
        sets: Vec::new(),
        genes: past_doubles(x, Axis::Obs, &mut gene_total_counts, session)?,
    };
    if exact.cells.is_some() {
        for (set, counts) in sets.iter().zip(&mut set_counts) {
            exact.sets.push(past_doubles(set, Axis::Var, counts, session)?);
        }
    }
    if !is_known {
        // The sums are kept for filters, normalisation and highly variable genes, which need the
        // same ones.
        sets.iter().zip(&set_counts).for_each(|(set, counts)| set.learn_rows(counts, None, session));
        let n_genes = memory::collected(n_genes_by_counts.iter().map(|&n| f64::from(n)), METRICS)?;
        x.learn_rows(&total_counts, Some(&n_genes), session);
        let (mean, m2) = moments.vectors();
        let (sums, detected) = (gene_total_counts.clone(), Some(n_cells_by_counts.clone()));
        x.learn_columns(ColumnCounts { sums, detected, mean, m2, whole }, session);
    }
    Ok(QcMetrics {
        n_genes_by_counts,
        total_counts,
        percent_top,
        pct_counts_in_top,
        qc_vars: options.qc_vars.iter().map(|s| s.name.clone()).zip(set_counts).collect(),
        n_cells_by_counts,
        gene_total_counts,
        log1p: options.log1p,
        dtype: x.dtype(),
        exact,
    })
}

/// Returns the positions of the genes of a mask.
fn positions(mask: &[bool]) -> Result<Vec<u32>> {
    memory::exactly(mask.len(), (0..).zip(mask).filter(|(_, &of)| of).map(|(j, _)| j), METRICS)
}

/// Returns the sums that earlier passes left, if they are all that is wanted: of the cells over all
/// genes and over the genes of each set, and of the genes.
fn known(x: &LazyMatrix, sets: &[LazyMatrix], session: &Session) -> Result<Option<(Genes, Cells)>> {
    let (Some(rows), Some(columns)) = (x.known_rows(session), x.known_columns(session)) else { return Ok(None) };
    let (Some(n_genes), Some(n_cells)) = (rows.detected()?, columns.detected) else { return Ok(None) };
    let of_set = |set: &LazyMatrix| set.known_rows(session).map(|rows| rows.sums());
    let Some(sets) = sets.iter().map(of_set).collect::<Option<Result<Vec<_>>>>() else { return Ok(None) };
    let n_genes = memory::collected(n_genes.iter().map(|&n| n as i32), METRICS)?;
    let cells = Cells { n_genes, total: rows.sums()?, top: Vec::new(), sets: sets? };
    let moments = Moments::of_vectors(x.shape().0, columns.mean, columns.m2);
    Ok(Some((Genes { total: columns.sums, n_cells, moments, whole: columns.whole }, cells)))
}

/// Returns the [`Needs`] of each pass of [`calculate_qc_metrics`], for the plan of `ops::explain`.
pub(super) fn passes() -> Vec<Needs> {
    vec![Quality::NEEDS]
}

/// The pass for the metrics of cells and genes.
#[derive(Serialize)]
struct Quality<'a> {
    shape: (usize, usize),
    percent_top: &'a [usize],
    n_sets: usize,
    members: Membership,
    #[serde(skip)]
    check: Check,
}

/// The metrics of the cells of a block.
#[derive(Serialize, Deserialize)]
struct Rows {
    n_genes: Vec<i32>,
    total: Vec<f64>,
    /// The sums of the top genes, `n_top` values a row.
    top: Vec<f64>,
    /// The counts of the gene sets, `n_sets` values a row.
    sets: Vec<f64>,
}

/// The metrics of all cells, with a column for each size and each set.
struct Cells {
    n_genes: Vec<i32>,
    total: Vec<f64>,
    top: Vec<Vec<f64>>,
    sets: Vec<Vec<f64>>,
}

impl Scatter<Rows> for Cells {
    fn scatter(&mut self, at: &Positions, rows: Rows) -> Result<()> {
        let (n_top, n_sets) = (self.top.len(), self.sets.len());
        for i in 0..at.len() {
            let to = at.row(i);
            for (t, column) in self.top.iter_mut().enumerate() {
                column[to] = rows.top[i * n_top + t] / rows.total[i] * 100.0;
            }
            for (s, column) in self.sets.iter_mut().enumerate() {
                column[to] = rows.sets[i * n_sets + s];
            }
        }
        self.n_genes.scatter(at, rows.n_genes)?;
        self.total.scatter(at, rows.total)
    }
}

/// The sum of each gene, the number of cells where it is not 0, and its moments.
#[derive(Serialize, Deserialize)]
struct Genes<N = i64> {
    total: Vec<f64>,
    n_cells: Vec<N>,
    moments: Moments,
    /// Whether all rows hold whole numbers.
    whole: bool,
}

impl Genes {
    fn add<N: Copy + Into<i64>>(&mut self, next: &Genes<N>) {
        add(&mut self.total, &next.total);
        self.n_cells.iter_mut().zip(&next.n_cells).for_each(|(all, &n)| *all += n.into());
        self.moments.merge(&next.moments);
        self.whole &= next.whole;
    }
}

impl Reducer for Quality<'_> {
    const NAME: &'static str = "calculate_qc_metrics";
    const NEEDS: Needs = Needs::FILE;
    type Part = Genes<u32>;
    type Rows = Rows;
    type State = Genes;
    type Whole = Cells;
    type Output = (Genes, Cells);

    fn map(&self, block: Block) -> Result<(Genes<u32>, Rows)> {
        with_view!(block, view => metrics(&view, self))
    }

    fn state(&self) -> Result<Genes> {
        let (n_vars, what) = (self.shape.1, "calculate_qc_metrics: metrics of the genes");
        let (total, n_cells) = (memory::zeros(n_vars, what)?, memory::zeros(n_vars, what)?);
        Ok(Genes { total, n_cells, moments: Moments::new(n_vars), whole: true })
    }

    fn whole(&self) -> Result<Cells> {
        let (n, what) = (self.shape.0, "calculate_qc_metrics: metrics of the cells");
        let columns = |k: usize| (0..k).map(|_| memory::zeros(n, what)).collect::<Result<Vec<_>>>();
        let (top, sets) = (columns(self.percent_top.len())?, columns(self.n_sets)?);
        Ok(Cells { n_genes: memory::zeros(n, what)?, total: memory::zeros(n, what)?, top, sets })
    }

    fn fold(&self, genes: &mut Genes, part: Genes<u32>) -> Result<()> {
        genes.add(&part);
        Ok(())
    }

    fn merge(&self, genes: &mut Genes, next: Genes) -> Result<()> {
        genes.add(&next);
        Ok(())
    }

    fn finish(&self, genes: Genes, cells: Cells) -> Result<(Genes, Cells)> {
        Ok((genes, cells))
    }
}

/// The sets of each gene, as the end of a range in a list; most genes are in no set.
#[derive(Serialize)]
struct Membership {
    ends: Vec<u32>,
    sets: Vec<u32>,
}

fn membership(qc_vars: &[QcSubset], n_vars: usize) -> Membership {
    let (mut ends, mut sets) = (Vec::with_capacity(n_vars), Vec::new());
    for c in 0..n_vars {
        sets.extend(qc_vars.iter().enumerate().filter(|(_, s)| s.mask[c]).map(|(i, _)| i as u32));
        ends.push(sets.len() as u32);
    }
    Membership { ends, sets }
}

impl Membership {
    #[inline(always)]
    fn sets_of(&self, gene: usize) -> &[u32] {
        let start = if gene == 0 { 0 } else { self.ends[gene - 1] };
        &self.sets[start as usize..self.ends[gene] as usize]
    }
}

fn metrics<T: Number + PartialOrd>(view: &View<'_, T>, pass: &Quality<'_>) -> Result<(Genes<u32>, Rows)> {
    let Quality { percent_top, n_sets, members, check, .. } = pass;
    let (n_rows, n_sets) = (view.n_rows(), *n_sets);
    let what = "calculate_qc_metrics: metrics of a block of cells";
    let mut rows = Rows {
        n_genes: memory::room(n_rows, what)?,
        total: memory::room(n_rows, what)?,
        top: memory::room(n_rows * percent_top.len(), what)?,
        sets: memory::zeros(n_rows * n_sets, what)?,
    };
    let mut genes = Columns::new(n_rows, view.n_cols, what);
    let mut top = Top::default();
    for i in 0..n_rows {
        check.row(view, i)?;
        let row = view.row(i);
        let sum = genes.add_counting(row)?;
        rows.n_genes.push(sum.detected as i32);
        rows.total.push(sum.total);
        if n_sets > 0 {
            let sets = &mut rows.sets[i * n_sets..(i + 1) * n_sets];
            for_each_value(row, |c, x| members.sets_of(c).iter().for_each(|&s| sets[s as usize] += x));
        }
        if !percent_top.is_empty() {
            top.sums(row.1, percent_top, &mut rows.top);
        }
    }
    let mut total = memory::zeros(view.n_cols, what)?;
    genes.add_sums(&mut total);
    let moments = genes.moments((0..n_rows).map(|i| view.row(i)))?;
    Ok((Genes { total, n_cells: genes.detected(), moments, whole: genes.is_whole() }, rows))
}

/// The count below which values go into a table of frequencies.
const SMALL: usize = 1024;

/// Buffers for sums of the largest values of a row.
#[derive(Default)]
struct Top {
    frequency: Vec<u32>,
    large: Vec<f64>,
}

impl Top {
    /// Appends, for each size in the ascending list `sizes`, the sum of that many largest of the
    /// non-negative `values`.
    fn sums<T: Number>(&mut self, values: &[T], sizes: &[usize], out: &mut Vec<f64>) {
        // Counts are mostly small integers, for which a table of frequencies replaces a selection.
        self.frequency.clear();
        self.frequency.resize(SMALL, 0);
        self.large.clear();
        let (mut whole, mut highest) = (true, 0);
        for x in values {
            let x = x.to_f64();
            let k = x as usize;
            if k < SMALL {
                self.frequency[k] += 1;
                highest = highest.max(k);
                whole &= k as f64 == x;
            } else {
                self.large.push(x);
            }
        }
        if !whole {
            return self.select(values, sizes, out);
        }
        self.large.sort_unstable_by(|a, b| b.total_cmp(a));
        let (mut taken, mut sum) = (0, 0.0);
        let mut large = self.large.iter();
        let mut left = self.frequency.get(highest).copied().unwrap_or(0) as usize;
        for &size in sizes {
            while taken < size {
                if let Some(x) = large.next() {
                    sum += x;
                    taken += 1;
                } else if left > 0 {
                    let now = left.min(size - taken);
                    sum += (now * highest) as f64;
                    taken += now;
                    left -= now;
                } else if highest > 0 {
                    highest -= 1;
                    left = self.frequency[highest] as usize;
                } else {
                    break;
                }
            }
            out.push(sum);
        }
    }

    /// Appends the same sums for values that are not small integers.
    fn select<T: Number>(&mut self, values: &[T], sizes: &[usize], out: &mut Vec<f64>) {
        self.large.clear();
        self.large.extend(values.iter().map(|x| x.to_f64()));
        let most = sizes.last().copied().unwrap_or(0).min(self.large.len());
        if most < self.large.len() && most > 0 {
            self.large.select_nth_unstable_by(most - 1, |a, b| b.total_cmp(a));
        }
        self.large.truncate(most);
        self.large.sort_unstable_by(|a, b| b.total_cmp(a));
        let (mut taken, mut sum) = (0, 0.0);
        for &size in sizes {
            let end = size.min(most);
            sum += self.large[taken..end].iter().sum::<f64>();
            taken = end;
            out.push(sum);
        }
    }
}
