//! Highly variable genes, in scanpy's flavours.

mod batches;
mod dispersion;
mod loess;
mod pearson;
mod vst;

use super::view::{float_column, Check};
use crate::chain::LazyMatrix;
use crate::element::Value;
use crate::error::{Error, Result};
use crate::patch::Patch;
use crate::session::Session;
use crate::stream::{Needs, Reducer};
use batches::Batches;
pub use loess::loess;

/// The way genes are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// Variance of analytic Pearson residuals of raw counts (Lause, Berens & Kobak 2021;
    /// `scanpy.experimental.pp.highly_variable_genes`).
    PearsonResiduals,
    /// Dispersion of log data, z-scored within bins of mean expression (Satija et al. 2015).
    Seurat,
    /// Dispersion of log data, by median and MAD within percentile bins (Zheng et al. 2017).
    CellRanger,
    /// Variance of raw counts standardised by a LOESS trend (Stuart et al. 2019); batches merge by
    /// median rank.
    SeuratV3,
    /// The same variance as `SeuratV3`; batches merge by the number of batches that select a gene.
    SeuratV3Paper,
}

impl Flavor {
    /// Returns scanpy's name of the flavour.
    pub fn name(self) -> &'static str {
        match self {
            Flavor::PearsonResiduals => "pearson_residuals",
            Flavor::Seurat => "seurat",
            Flavor::CellRanger => "cell_ranger",
            Flavor::SeuratV3 => "seurat_v3",
            Flavor::SeuratV3Paper => "seurat_v3_paper",
        }
    }

    /// Returns the flavour with this name.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an unknown name, with a list of the known ones.
    pub fn parse(name: &str) -> Result<Self> {
        use Flavor::*;
        [PearsonResiduals, Seurat, CellRanger, SeuratV3, SeuratV3Paper]
            .into_iter()
            .find(|f| f.name() == name)
            .ok_or_else(|| {
                let all = "'pearson_residuals', 'seurat', 'cell_ranger', 'seurat_v3' or 'seurat_v3_paper'";
                Error::parameter("flavor", all, format!("'{name}'"))
            })
    }

    /// Returns whether the flavour reads raw counts; the others read logarithmised values.
    pub fn needs_counts(self) -> bool {
        !matches!(self, Flavor::Seurat | Flavor::CellRanger)
    }
}

/// The parameters of [`highly_variable_genes`], by scanpy's names and with its defaults. Parameters
/// that a flavour does not use are ignored, as in scanpy.
#[derive(Debug, Clone, PartialEq)]
pub struct HvgOptions {
    /// The way genes are ranked.
    pub flavor: Flavor,
    /// The number of genes to select. Without it, `seurat` and `cell_ranger` use the cutoffs,
    /// `seurat_v3` takes 2,000, and `pearson_residuals` is an error.
    pub n_top_genes: Option<usize>,
    /// The lower cutoff of the mean. All four cutoffs are exclusive and used only without
    /// `n_top_genes`.
    pub min_mean: f64,
    /// The upper cutoff of the mean.
    pub max_mean: f64,
    /// The lower cutoff of the normalised dispersion.
    pub min_disp: f64,
    /// The upper cutoff of the normalised dispersion.
    pub max_disp: f64,
    /// The number of bins of mean expression (`seurat`; `cell_ranger` has bins of its own).
    pub n_bins: usize,
    /// The share of the genes in each local fit (`seurat_v3`).
    pub span: f64,
    /// The overdispersion (`pearson_residuals`).
    pub theta: f64,
    /// The bound of residuals, which are clipped to `[-clip, clip]`; `None` is the square root of
    /// the number of cells. With batches it is the square root of the size of the first batch for
    /// all of them, as scanpy 1.11.5 computes it.
    pub clip: Option<f64>,
    /// The base of the logarithm of the data (`seurat`): `uns["log1p"]["base"]`; `None` for the
    /// natural logarithm.
    pub log_base: Option<f64>,
    /// The batch of every cell, from 0; batches without cells do not count. In a batch of a single
    /// cell no gene varies: it takes no part in the choice, and a note says so.
    pub batch: Option<Vec<i32>>,
    /// Whether counts that are not whole numbers are noted.
    pub check_values: bool,
    /// The names of the batches, for messages.
    pub batch_names: Vec<String>,
}

impl Default for HvgOptions {
    fn default() -> Self {
        HvgOptions {
            flavor: Flavor::Seurat,
            n_top_genes: None,
            min_mean: 0.0125,
            max_mean: 3.0,
            min_disp: 0.5,
            max_disp: f64::INFINITY,
            n_bins: 20,
            span: 0.3,
            theta: 100.0,
            clip: None,
            log_base: None,
            batch: None,
            check_values: true,
            batch_names: Vec::new(),
        }
    }
}

/// The result of [`highly_variable_genes`]: one value a gene in each column. Columns that a flavour
/// does not have are `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Hvg {
    /// The flavour of the result.
    pub flavor: Flavor,
    /// Whether the gene is selected.
    pub highly_variable: Vec<bool>,
    /// The mean. For `seurat` it is `ln(1 + mean)` of the values before the logarithm. With batches
    /// it is, for `seurat` and `cell_ranger`, the mean over batches.
    pub means: Vec<f64>,
    /// The variance (`n - 1`).
    pub variances: Option<Vec<f64>>,
    /// The variance of the Pearson residuals, averaged over batches.
    pub residual_variances: Option<Vec<f64>>,
    /// The standardised variance, averaged over batches.
    pub variances_norm: Option<Vec<f64>>,
    /// The variance over the mean (for `seurat` the logarithm of it).
    pub dispersions: Option<Vec<f64>>,
    /// The dispersion relative to genes of similar mean.
    pub dispersions_norm: Option<Vec<f64>>,
    /// The rank from 0, the median over the batches that select the gene; NaN for a gene that no
    /// batch selects.
    pub highly_variable_rank: Option<Vec<f64>>,
    /// The number of batches that select the gene; with batches only.
    pub highly_variable_nbatches: Option<Vec<i64>>,
    /// Whether all batches select the gene; with batches only.
    pub highly_variable_intersection: Option<Vec<bool>>,
    /// Notes for the user: values that the flavour is not made for, and batches that take no part.
    pub notes: Vec<String>,
}

impl Hvg {
    /// Returns the positions of the selected genes, for [`LazyMatrix::select`].
    pub fn positions(&self) -> Vec<u32> {
        (0..self.highly_variable.len() as u32).filter(|&i| self.highly_variable[i as usize]).collect()
    }

    /// Returns `var` columns in scanpy's order and dtypes, and `uns["hvg"]`. `computed_on` names
    /// the matrix, which scanpy records for `pearson_residuals`: "adata.X" or the name of the
    /// layer.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn patch(&self, computed_on: &str) -> Result<Patch> {
        let mut var = Vec::new();
        let selected = ("highly_variable".to_owned(), Value::vector(self.highly_variable.clone()));
        let mut floats = |name: &str, v: Option<&Vec<f64>>, single| -> Result<()> {
            if let Some(v) = v {
                var.push((name.to_owned(), float_column(v, single)?));
            }
            Ok(())
        };
        let mut uns = vec![("flavor".to_owned(), Value::string(self.flavor.name()))];
        let last = match self.flavor {
            Flavor::PearsonResiduals => {
                uns.push(("computed_on".to_owned(), Value::string(computed_on)));
                floats("means", Some(&self.means), false)?;
                floats("variances", self.variances.as_ref(), false)?;
                floats("residual_variances", self.residual_variances.as_ref(), false)?;
                floats("highly_variable_rank", self.highly_variable_rank.as_ref(), true)?;
                Some(selected)
            }
            Flavor::Seurat | Flavor::CellRanger => {
                floats("means", Some(&self.means), false)?;
                floats("dispersions", self.dispersions.as_ref(), false)?;
                floats("dispersions_norm", self.dispersions_norm.as_ref(), true)?;
                var.insert(0, selected);
                None
            }
            Flavor::SeuratV3 | Flavor::SeuratV3Paper => {
                floats("highly_variable_rank", self.highly_variable_rank.as_ref(), true)?;
                floats("means", Some(&self.means), false)?;
                floats("variances", self.variances.as_ref(), false)?;
                floats("variances_norm", self.variances_norm.as_ref(), false)?;
                var.insert(0, selected);
                None
            }
        };
        if let Some(n) = &self.highly_variable_nbatches {
            var.push(("highly_variable_nbatches".to_owned(), Value::vector(n.clone())));
        }
        if let Some(all) = &self.highly_variable_intersection {
            var.push(("highly_variable_intersection".to_owned(), Value::vector(all.clone())));
        }
        var.extend(last);
        Ok(Patch { var, uns: vec![("hvg".to_owned(), Value::Dict(uns))], ..Patch::default() })
    }
}

/// Annotates highly variable genes (`scanpy.pp.highly_variable_genes`,
/// `scanpy.experimental.pp.highly_variable_genes`).
///
/// `pearson_residuals` and `seurat_v3` take two passes over raw counts, or one where the moments
/// are known. `seurat` and `cell_ranger` take one pass over log data, and without batches they
/// select all genes that tie with the last of `n_top_genes`. Other ties are broken by scores, then
/// by the order of the genes.
///
/// # Errors
/// [`Error::Values`] for values the flavour is not defined for; [`Error::Parameter`] for a
/// parameter outside its domain; [`Error::Shape`] for batches of another length; [`Error::State`]
/// when genes cannot be binned.
pub fn highly_variable_genes(x: &LazyMatrix, options: &HvgOptions, session: &Session) -> Result<Hvg> {
    let batches = Batches::new(options.batch.as_deref(), x.shape().0)?;
    let alone = batches.without_variance();
    if batches.given() && alone.len() == batches.len() {
        return Err(Error::parameter("batch_key", "a batch of at least two cells", "a batch for each cell"));
    }
    if options.n_top_genes == Some(0) {
        return Err(Error::parameter("n_top_genes", "at least 1", 0));
    }
    let mut found = match options.flavor {
        Flavor::PearsonResiduals => pearson::run(x, options, &batches, session),
        Flavor::Seurat | Flavor::CellRanger => dispersion::run(x, options, &batches, session),
        Flavor::SeuratV3 | Flavor::SeuratV3Paper => vst::run(x, options, &batches, session),
    }?;
    if batches.given() && !alone.is_empty() {
        let name = |b: &i32| {
            let number = || b.to_string();
            options.batch_names.get(*b as usize).map_or_else(number, |name| format!("'{name}'"))
        };
        let mut names: Vec<String> = alone.iter().take(5).map(name).collect();
        if alone.len() > names.len() {
            names.push(format!("{} more", alone.len() - names.len()));
        }
        found.notes.push(format!(
            "highly_variable_genes: a batch of one cell says nothing about variation and takes no part in the choice of \
             genes: batch {}",
            names.join(", ")
        ));
    }
    Ok(found)
}

/// Returns the [`Needs`] of each pass of [`highly_variable_genes`] without batches, for the plan of
/// `ops::explain`. A pass whose results are known is left out.
pub(super) fn passes(x: &LazyMatrix, flavor: Flavor, session: &Session) -> Vec<Needs> {
    let known = x.known_rows(session).is_some() && x.known_columns(session).is_some();
    let moments = (!known).then_some(batches::NEEDS);
    match flavor {
        Flavor::Seurat | Flavor::CellRanger => vec![batches::NEEDS],
        Flavor::SeuratV3 | Flavor::SeuratV3Paper => moments.into_iter().chain([vst::Clipped::NEEDS]).collect(),
        Flavor::PearsonResiduals => moments.into_iter().chain([pearson::Stored::NEEDS]).collect(),
    }
}

/// Returns scanpy's warning about counts that are not whole numbers, if a sum of a cell or gene has
/// a fraction.
fn fractions(options: &HvgOptions, sums: &batches::BatchMoments) -> Option<String> {
    let whole =
        !options.check_values || sums.gene_sums.iter().flatten().chain(&sums.cell_sums).all(|s| s.fract() == 0.0);
    let name = options.flavor.name();
    (!whole).then(|| format!("`flavor='{name}'` expects raw count data, but non-integers were found."))
}

/// Returns the sums of every cell and gene. Nothing is read where an earlier pass over the same
/// counts left them.
pub(super) fn count_sums(x: &LazyMatrix, check: &Check, session: &Session) -> Result<(Vec<f64>, Vec<f64>)> {
    let all = Batches::new(None, x.shape().0)?;
    let sums = batches::count_moments(x, &all, check, session)?;
    Ok((sums.cell_sums, sums.gene_sums.into_iter().next().unwrap_or_default()))
}

/// Reads sums and moments of counts in one pass, unless an earlier pass left them, so that verbs
/// that need them read nothing: totals, normalisation, variable genes.
///
/// # Errors
/// [`Error::Values`] for values that are no counts (negative, NaN or infinite); the errors of the
/// pass.
pub fn learn_sums(x: &LazyMatrix, session: &Session) -> Result<()> {
    count_sums(x, &Check::counts(x, "sums of counts"), session).map(drop)
}

/// Returns the ranks of the values, 0 for the largest; ties by position.
fn ranks(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let mut ranks = vec![0; values.len()];
    order.iter().enumerate().for_each(|(rank, &i)| ranks[i] = rank);
    ranks
}

/// Returns for each gene how many batches have it among their first `n_top`, and its median rank in
/// those batches (NaN if there are none).
fn merge_ranks(per_batch: &[Vec<f64>], n_vars: usize, n_top: usize) -> (Vec<i64>, Vec<f64>) {
    let ranked: Vec<Vec<usize>> = per_batch.iter().map(|v| ranks(v)).collect();
    (0..n_vars)
        .map(|j| {
            let chosen: Vec<f64> = ranked.iter().map(|r| r[j]).filter(|&r| r < n_top).map(|r| r as f64).collect();
            (chosen.len() as i64, super::normalize::median(chosen).unwrap_or(f64::NAN))
        })
        .unzip()
}

/// Selects the first `n_top` genes in the order of `compare`, ties by position.
fn select_first(n_vars: usize, n_top: usize, compare: impl Fn(usize, usize) -> std::cmp::Ordering) -> Vec<bool> {
    let mut order: Vec<usize> = (0..n_vars).collect();
    order.sort_by(|&a, &b| compare(a, b));
    let mut selected = vec![false; n_vars];
    order.iter().take(n_top).for_each(|&j| selected[j] = true);
    selected
}

/// Compares two numbers, NaN last.
fn nan_last(a: f64, b: f64) -> std::cmp::Ordering {
    a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal))
}

/// Returns the mean over batches for each gene.
fn mean_over(per_batch: &[Vec<f64>], n_vars: usize) -> Vec<f64> {
    let n = per_batch.len() as f64;
    (0..n_vars).map(|j| per_batch.iter().map(|v| v[j]).sum::<f64>() / n).collect()
}
