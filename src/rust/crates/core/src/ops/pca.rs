//! Principal component analysis over any chain: exact in two passes for up to [`MAX_EXACT`] genes;
//! for more genes, to a small residual in a few dozen passes.
//!
//! The first pass adds up the gene-by-gene second moments in f64, the second projects. Where these
//! moments would be too large, [`krylov`] finds the leading components with one pass a step. A
//! matrix whose last operation is a centring [`Scale`](crate::chain::nodes::Scale) is never
//! densified. Each of its values is `base[j] + delta[i, j]` with `delta` 0 wherever no value is
//! stored, and a covariance does not change when a constant is subtracted from each column.

mod aligned;
mod bisection;
mod eigen;
mod gram;
mod krylov;
mod multiply;
mod passes;
mod project;
mod rows;
mod second_moments;
mod slab;
mod tiles;
mod tridiagonal;
mod vectors;

pub(crate) use eigen::leading_eigenpairs;

use super::view::float_column;
use crate::chain::LazyMatrix;
use crate::element::{DType, Value};
use crate::error::{Error, Result};
use crate::memory;
use crate::patch::Patch;
use crate::session::{release_memory, Session};
use crate::stream::{reduce, reduce_into, Needs, Reducer};
use gram::GramPass;
use multiply::Multiply;
use passes::{Deviations, Project};
use project::Loadings;
use rows::Deltas;
use second_moments::SecondMoments;

/// The number of components by default.
pub const N_COMPS: usize = 50;
/// The largest number of columns whose second moments are kept: three `p x p` matrices of f64 are
/// 600 MB.
pub const MAX_EXACT: usize = 5000;

/// The number of tasks of the eigendecomposition, for any number of threads.
const EIGEN_PARTS: usize = 4;

/// The name, in errors, of coordinates.
const SCORES: &str = "pca: coordinates of the cells";

/// The parameters of [`pca`], by scanpy's names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PcaOptions {
    /// The number of components; `None` is 50, or one less than the smaller extent where that is 50
    /// or less.
    pub n_comps: Option<usize>,
    /// Whether columns are centred. Without it the result is that of scikit-learn's `TruncatedSVD`.
    pub zero_center: bool,
}

impl Default for PcaOptions {
    fn default() -> Self {
        PcaOptions { n_comps: None, zero_center: true }
    }
}

/// The result of [`pca`]: `k` components of `n` cells and `p` genes.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    /// The coordinates of the cells, row-major `n x k`; empty from [`pca_into`], which writes them
    /// to the caller's memory.
    pub x_pca: Vec<f32>,
    /// The loadings, row-major `p x k`; the largest of each component by absolute value is
    /// positive.
    pub loadings: Vec<f64>,
    /// The variance of each component (`n - 1`; `n` without centring, as `TruncatedSVD`).
    pub variance: Vec<f64>,
    /// The variance of each component over the total variance of all genes.
    pub variance_ratio: Vec<f64>,
    /// The numbers of cells, genes and components.
    pub shape: (usize, usize, usize),
    /// The number of passes over the values.
    pub passes: usize,
    /// The largest `|A v - l v| / l` over the components, with `A` the covariance, `v` the loadings
    /// and `l` the variance. `None` for a direct decomposition, whose residuals are rounding.
    pub residual: Option<f64>,
    zero_center: bool,
    /// The sum of squared deviations over all genes.
    total: f64,
    dtype: DType,
}

/// The positions of the genes of a PCA among all genes, for a PCA of some of them.
#[derive(Debug, Clone, Copy)]
pub struct MaskVar<'a> {
    /// The name of the boolean column of var, if it has one.
    pub name: Option<&'a str>,
    /// The positions of the genes used, in order.
    pub positions: &'a [u32],
    /// The number of all genes.
    pub n_vars: usize,
}

impl Pca {
    /// Returns a note for the user if there is no variance to explain, or if the components did not
    /// reach the precision aimed at.
    pub fn note(&self) -> Option<String> {
        if self.total == 0.0 {
            let note =
                "pca: every gene is constant: there is no variance to explain, the ratios are 0 and the components \
                        say nothing";
            return Some(note.to_owned());
        }
        let residual = self.residual.filter(|&r| r > krylov::TOLERANCE)?;
        Some(format!(
            "pca: the components are approximate: after {} passes the largest residual is {residual:.1e} of its \
             variance, where {:.0e} was aimed at; select highly variable genes first, or ask for fewer components",
            self.passes,
            krylov::TOLERANCE
        ))
    }

    /// Returns `obsm["X_pca"]` (float32), `varm["PCs"]` and `uns["pca"]`, or all three under
    /// `key_added`. As in scanpy, loadings have the float dtype of the matrix; with a mask they are
    /// float64, with zeros for genes left out. Variances are float64. Coordinates in the caller's
    /// memory are not in the patch.
    ///
    /// # Errors
    /// [`Error::Shape`] when the mask selects another number of genes than the result has.
    pub fn patch(self, mask: Option<MaskVar<'_>>, layer: Option<&str>, key_added: Option<&str>) -> Result<Patch> {
        let (n, p, k) = self.shape;
        let (pcs, n_vars) = match mask {
            None => (float_column(&self.loadings, self.dtype == DType::F32)?, p),
            Some(m) => {
                let fits = m.positions.len() == p && m.positions.iter().all(|&j| (j as usize) < m.n_vars);
                if !fits {
                    let expected = format!("{p} genes below {}", m.n_vars);
                    return Err(Error::shape("mask_var", expected, m.positions.len()));
                }
                let what = "pca: loadings of all genes";
                let mut full = memory::zeros(memory::count(&[m.n_vars, k], what)?, what)?;
                for (&j, row) in m.positions.iter().zip(self.loadings.chunks(k.max(1))) {
                    full[j as usize * k..][..k].copy_from_slice(row);
                }
                (Value::vector(full), m.n_vars)
            }
        };
        let Value::Array(pcs) = pcs else {
            return Err(Error::Internal("loadings are not an array".to_owned()));
        };
        let name = mask.and_then(|m| m.name);
        let mut params = vec![
            ("zero_center".to_owned(), Value::number(self.zero_center)),
            ("use_highly_variable".to_owned(), Value::number(name == Some("highly_variable"))),
            ("mask_var".to_owned(), name.map_or(Value::Null, Value::string)),
        ];
        if let Some(layer) = layer {
            params.push(("layer".to_owned(), Value::string(layer)));
        }
        if let Some(residual) = self.residual {
            params.extend([
                ("svd_solver".to_owned(), Value::string("block_krylov")),
                ("residual".to_owned(), Value::number(residual)),
                ("passes".to_owned(), Value::number(self.passes as i64)),
            ]);
        }
        let params = Value::Dict(params);
        let uns = Value::Dict(vec![
            ("params".to_owned(), params),
            ("variance".to_owned(), Value::vector(self.variance)),
            ("variance_ratio".to_owned(), Value::vector(self.variance_ratio)),
        ]);
        let key = |default: &str| key_added.unwrap_or(default).to_owned();
        let scores = (self.x_pca.len() == n * k).then(|| (key("X_pca"), Value::matrix(n, k, self.x_pca)));
        Ok(Patch {
            obsm: scores.into_iter().collect(),
            varm: vec![(key("PCs"), Value::matrix(n_vars, k, pcs.data))],
            uns: vec![(key("pca"), uns)],
            ..Patch::default()
        })
    }
}

/// The leading eigenpairs of the covariance, and what a projection on them needs.
struct Spectrum {
    /// The sums of squares along each component, descending.
    values: Vec<f64>,
    /// The eigenvectors, row-major `p x k`.
    loadings: Vec<f64>,
    /// The column means of the deltas. The means of the values are larger by `base`.
    mean: Vec<f64>,
    base: Vec<f64>,
    /// The values subtracted from the columns of dense values to get deltas.
    shift: Option<Vec<f64>>,
    /// The sum of squared deviations over all columns.
    total: f64,
    passes: usize,
    residual: Option<f64>,
}

/// Returns the number of components that [`pca`] gives for `n` cells and `p` genes.
///
/// # Errors
/// [`Error::Shape`] for fewer than 2 cells or genes; [`Error::Parameter`] for `n_comps` of 0 or not
/// below the smaller extent (the rule of scikit-learn's ARPACK solver, scanpy's default).
pub fn n_components((n, p): (usize, usize), n_comps: Option<usize>) -> Result<usize> {
    let smaller = n.min(p);
    if smaller < 2 {
        return Err(Error::shape("matrix for pca", "at least 2 cells and 2 genes", format!("{n} x {p}")));
    }
    let k = n_comps.unwrap_or(if smaller <= N_COMPS { smaller.saturating_sub(1) } else { N_COMPS });
    if k == 0 || k >= smaller {
        let expected = format!("at least 1 and less than {smaller}, the smaller of {n} cells and {p} genes");
        return Err(Error::parameter("n_comps", expected, k));
    }
    Ok(k)
}

/// Computes principal components (`scanpy.pp.pca`). Signs follow scikit-learn from 1.5 on
/// (`svd_flip` with `u_based_decision = False`).
///
/// Up to [`MAX_EXACT`] genes the decomposition is direct and takes two passes. For more genes, a
/// block Krylov method runs one pass a step until every residual is below 1e-6 of its variance, or
/// for 100 steps; [`Pca::residual`] is the residual reached.
///
/// # Errors
/// Errors of [`n_components`]; [`Error::Memory`] for hundreds of components of very many genes;
/// [`Error::Values`] for NaN or infinite values.
pub fn pca(x: &LazyMatrix, options: &PcaOptions, session: &Session) -> Result<Pca> {
    let size = memory::count(&[x.shape().0, n_components(x.shape(), options.n_comps)?], SCORES)?;
    let mut x_pca = memory::zeros(size, SCORES)?;
    let found = pca_into(x, options, &mut x_pca, session)?;
    Ok(Pca { x_pca, ..found })
}

/// Computes principal components as [`pca`] does, but writes the coordinates to `x_pca`, row-major
/// `n x k` with the `k` of [`n_components`]. For a caller with memory of its own this saves a copy,
/// which is 200 MB for a million cells.
///
/// # Errors
/// Errors of [`pca`], and [`Error::Shape`] when `x_pca` has another length.
pub fn pca_into(x: &LazyMatrix, options: &PcaOptions, x_pca: &mut [f32], session: &Session) -> Result<Pca> {
    solve(Solver::Direct, x, options, x_pca, session)
}

/// Computes principal components as [`pca`] does, but of many columns by block Lanczos on their
/// second moments, to a residual of a millionth of each eigenvalue: in a fraction of the time, for
/// a caller that searches neighbours among the coordinates and drops them.
///
/// # Errors
/// Errors of [`pca`].
pub(super) fn pca_by_lanczos(x: &LazyMatrix, options: &PcaOptions, session: &Session) -> Result<Pca> {
    let size = memory::count(&[x.shape().0, n_components(x.shape(), options.n_comps)?], SCORES)?;
    let mut x_pca = memory::zeros(size, SCORES)?;
    let found = solve(Solver::Lanczos, x, options, &mut x_pca, session)?;
    Ok(Pca { x_pca, ..found })
}

/// The way from second moments to their leading eigenvectors.
#[derive(Clone, Copy, PartialEq)]
enum Solver {
    /// To rounding.
    Direct,
    /// To a residual, where the matrix is large enough.
    Lanczos,
}

/// The fewest columns for which the Lanczos solver is quicker.
const MANY: usize = 1000;

fn solve(solver: Solver, x: &LazyMatrix, options: &PcaOptions, x_pca: &mut [f32], session: &Session) -> Result<Pca> {
    let (n, p) = x.shape();
    let k = n_components((n, p), options.n_comps)?;
    if n.checked_mul(k) != Some(x_pca.len()) {
        return Err(Error::shape("x_pca", format!("{n} x {k} values"), x_pca.len()));
    }
    let deltas = Deltas::new(x);
    let found = if p <= MAX_EXACT {
        of_moments(&deltas, x.dtype() == DType::F32, (n, p, k), options.zero_center, solver, session)?
    } else {
        iterative(&deltas, (n, p, k), options.zero_center, session)?
    };
    session.monitor.check()?;
    let Spectrum { values, mut loadings, mean, base, shift, total, .. } = found;
    flip_signs(&mut loadings, k);

    let nf = n as f64;
    let dot = |v: &[f64], c: usize| -> f64 { v.iter().enumerate().map(|(j, m)| m * loadings[j * k + c]).sum() };
    let (divisor, offset): (f64, Vec<f64>) = if options.zero_center {
        (nf - 1.0, (0..k).map(|c| -dot(&mean, c)).collect())
    } else {
        (nf, (0..k).map(|c| dot(&base, c)).collect())
    };
    // The buffers of the products are freed before the coordinates are computed.
    release_memory();
    let pass = Project {
        deltas: &deltas,
        shape: (n, k),
        loadings: Loadings::new(&loadings, k)?,
        offset: &offset,
        shift: shift.as_deref(),
        moments: !options.zero_center,
    };
    let of_coordinates = reduce_into(deltas.chain(), &pass, x_pca, session)?;
    let variance: Vec<f64> = if options.zero_center {
        values.iter().map(|v| (v / divisor).max(0.0)).collect()
    } else {
        // The variance is taken from the coordinates: second moments less squared means cancel
        // where the means are large.
        of_coordinates.vectors().1.iter().map(|q| q / divisor).collect()
    };
    // Without variance every ratio is 0.
    let variance_ratio = variance.iter().map(|v| if total > 0.0 { v / (total / divisor) } else { 0.0 }).collect();
    Ok(Pca {
        x_pca: Vec::new(),
        loadings,
        variance,
        variance_ratio,
        shape: (n, p, k),
        passes: found.passes + 1,
        residual: found.residual,
        zero_center: options.zero_center,
        total,
        dtype: x.dtype().float(),
    })
}

/// Returns the products of the rows of `x` with `loadings` (columns x components), plus `offset`,
/// row-major.
pub(super) fn projected(x: &LazyMatrix, loadings: &[f64], offset: &[f64], session: &Session) -> Result<Vec<f32>> {
    let deltas = Deltas::new(x);
    let (p, k) = (x.shape().1, offset.len());
    let mut whole = memory::copied(offset, SCORES)?;
    for (row, base) in loadings.chunks_exact(k).zip(deltas.base(p, None)) {
        whole.iter_mut().zip(row).for_each(|(o, v)| *o += base * v);
    }
    let shape = (x.shape().0, k);
    let loadings = Loadings::new(loadings, k)?;
    let pass = Project { deltas: &deltas, shape, loadings, offset: &whole, shift: None, moments: false };
    Ok(reduce(deltas.chain(), &pass, session)?.1)
}

/// Finds the spectrum from the eigenvectors of all second moments, in one pass.
fn of_moments(
    deltas: &Deltas,
    single: bool,
    (n, p, k): (usize, usize, usize),
    zero_center: bool,
    solver: Solver,
    session: &Session,
) -> Result<Spectrum> {
    let SecondMoments { mut products, sums, shift, dense } =
        reduce(deltas.chain(), &GramPass::new(deltas, p, single, session)?, session)?;
    let nf = n as f64;
    let above: Vec<f64> = sums.iter().map(|s| s / nf).collect();
    let centred = |product: f64, i: usize, j: usize| product - nf * above[i] * above[j];
    let (mean, shift) = if dense {
        (above.clone(), Some(shift))
    } else {
        (shift.iter().zip(&above).map(|(k, a)| k + a).collect(), None)
    };
    let base = deltas.base(p, shift.as_deref());
    let total: f64 = (0..p).map(|j| centred(products[j * p + j], j, j)).sum();
    // The second moments are overwritten: a second matrix of this size would be the peak of the
    // memory.
    for j in 0..p {
        for i in j..p {
            // Without centring these are the second moments of the values themselves.
            let back = if zero_center { 0.0 } else { nf * (mean[i] + base[i]) * (mean[j] + base[j]) };
            products[j * p + i] = centred(products[j * p + i], i, j) + back;
        }
    }
    // Without variance there is nothing for the Lanczos solver to converge to.
    let (values, loadings, residual) = session.install(|| {
        if solver == Solver::Lanczos && p >= MANY && krylov::fits(p, k) && total > 0.0 {
            let found = krylov::of_matrix(&mut products, p, k, &session.monitor)?;
            return Ok((found.values, found.vectors, Some(found.residual)));
        }
        let (values, loadings) = leading_eigenpairs(&mut products, p, k, EIGEN_PARTS, &session.monitor)?;
        Ok((values, loadings, None))
    })?;
    Ok(Spectrum { values, loadings, mean, base, shift, total, passes: 1, residual })
}

/// Finds the spectrum by block Lanczos: one pass for means and variances, then one for each step.
fn iterative(
    deltas: &Deltas,
    (n, p, k): (usize, usize, usize),
    zero_center: bool,
    session: &Session,
) -> Result<Spectrum> {
    if !krylov::fits(p, k) {
        return Err(Error::Memory {
            what: format!("{k} principal components of {p} genes"),
            needed: 24 * (p as u64).pow(2),
            limit: 24 * (MAX_EXACT as u64).pow(2),
            hint: "; ask for fewer components, or select highly variable genes first".to_owned(),
        });
    }
    let chain = deltas.chain();
    let (all, stored) = reduce(chain, &Deviations { deltas, p }, session)?;
    let (mut mean, m2) = all.vectors();
    // Dense values are centred before they are multiplied, stored values afterwards. Nearly
    // constant columns without zeros would cancel in that, so that columns without zeros are
    // centred before, too.
    let full: Vec<bool> = stored.iter().map(|&s| chain.is_sparse() && s == n as u64).collect();
    let of_full: Option<Vec<f64>> =
        full.contains(&true).then(|| mean.iter().zip(&full).map(|(&m, &full)| if full { m } else { 0.0 }).collect());
    let of_rest: Vec<f64> = mean.iter().zip(&full).map(|(&m, &full)| if full { 0.0 } else { m }).collect();
    let shift = (!chain.is_sparse()).then(|| std::mem::replace(&mut mean, vec![0.0; p]));
    let base = deltas.base(p, shift.as_deref());
    let total: f64 = m2.iter().sum();
    if total == 0.0 && zero_center {
        let loadings = (0..p * k).map(|i| f64::from(u8::from(i / k == i % k))).collect();
        let values = vec![0.0; k];
        return Ok(Spectrum { values, loadings, mean, base, shift, total, passes: 1, residual: Some(0.0) });
    }
    let whole: Vec<f64> = mean.iter().zip(&base).map(|(m, b)| m + b).collect();
    let nf = n as f64;
    // Adds `weight * v v' * from` to `to`.
    let outer = |v: &[f64], weight: f64, from: &faer::Mat<f64>, to: &mut faer::Mat<f64>| {
        for c in 0..from.ncols() {
            let along: f64 = v.iter().enumerate().map(|(i, v)| v * from[(i, c)]).sum();
            v.iter().enumerate().for_each(|(i, v)| to[(i, c)] += weight * v * along);
        }
    };
    let found = krylov::leading(p, k, |block| {
        let pass = Multiply::new(deltas, block, shift.as_deref(), of_full.as_deref(), session)?;
        let mut product = reduce(chain, &pass, session)?;
        if shift.is_none() {
            outer(&of_rest, -nf, block, &mut product);
        }
        if !zero_center {
            outer(&whole, nf, block, &mut product);
        }
        Ok(product)
    })?;
    Ok(Spectrum {
        values: found.values,
        loadings: found.vectors,
        mean,
        base,
        shift,
        total,
        passes: 1 + found.steps,
        residual: Some(found.residual),
    })
}

/// Returns the [`Needs`] of each pass of [`pca`] of `p` genes, for the plan of `ops::explain`, and
/// whether the last pass but one is repeated until the residuals are small. It is repeated for more
/// than [`MAX_EXACT`] genes.
pub(super) fn passes(p: usize) -> (Vec<Needs>, bool) {
    if p <= MAX_EXACT {
        (vec![GramPass::NEEDS, Project::NEEDS], false)
    } else {
        (vec![Deviations::NEEDS, Multiply::NEEDS, Project::NEEDS], true)
    }
}

/// Returns the [`Needs`] of the pass that projects cells, for the plan of `ops::explain`.
pub(super) fn projection() -> Needs {
    Project::NEEDS
}

/// Makes the loading of largest absolute value (the first such) of each component positive.
fn flip_signs(loadings: &mut [f64], k: usize) {
    for c in 0..k {
        let largest = loadings.iter().skip(c).step_by(k).fold(0.0_f64, |m, &v| if v.abs() > m.abs() { v } else { m });
        if largest < 0.0 {
            loadings.iter_mut().skip(c).step_by(k).for_each(|v| *v = -*v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_components_that_fell_short_are_noted() {
        let with = |residual| Pca {
            x_pca: Vec::new(),
            loadings: Vec::new(),
            variance: Vec::new(),
            variance_ratio: Vec::new(),
            shape: (0, 0, 0),
            passes: 101,
            residual,
            zero_center: true,
            total: 1.0,
            dtype: DType::F32,
        };
        assert_eq!([None, Some(9e-7)].map(|r| with(r).note()), [None, None]);
        let note = with(Some(2.5e-6)).note().unwrap();
        assert!(note.contains("after 101 passes") && note.contains("2.5e-6") && note.contains("1e-6"), "{note}");
    }
}
