//! Removes location and scale of batches, gene by gene, with estimates shrunk towards each other
//! across genes (ComBat: Johnson, Li & Rabinovic 2007), as `scanpy.pp.combat`: one pass for sums,
//! then lazy.
//!
//! The estimates of a gene need only sums in every batch: of its values, of their squares, and of
//! their products with the covariates, which are made orthonormal first.

use super::design::orthonormal_rows;
use super::view::{add, for_each_value, with_view, Check};
use crate::chain::nodes::Combat;
use crate::chain::LazyMatrix;
use crate::error::{Error, Result};
use crate::matrix::Block;
use crate::memory;
use crate::session::Session;
use crate::stream::{adds_up, no_rows, reduce, Needs, Reducer};
use serde::Serialize;

/// The model of [`combat`]: the batches, and covariates that explain the values besides.
#[derive(Debug, Clone, PartialEq)]
pub struct CombatModel {
    /// The name of the column of batches.
    pub key: String,
    /// The batch of each cell, a position in `names`.
    pub batches: Vec<u32>,
    /// The names of the batches.
    pub names: Vec<String>,
    /// The names of the covariates.
    pub covariates: Vec<String>,
    /// The covariates as columns of numbers, by name. A covariate of groups has one column for each
    /// group.
    pub columns: Vec<(String, Vec<f64>)>,
}

/// The result of [`combat`].
#[derive(Debug, Clone)]
pub struct Combined {
    /// The matrix with the operation recorded.
    pub matrix: LazyMatrix,
    /// The number of genes without variation.
    pub constant: usize,
}

const SUMS: &str = "combat: sums of every gene in every batch";
/// The share of the squares up to which a residual sum of squares is rounding.
const NOTHING: f64 = 1e-13;
/// The share of a covariate up to which the rest that is left within batches counts as nothing: the
/// covariate depends on the batches.
const CONFOUNDED: f64 = 1e-9;

/// Removes location and scale of the batches. The operation is recorded after one pass; the matrix
/// is dense when it is read.
///
/// # Errors
/// [`Error::Shape`] unless there is one batch a cell; [`Error::Parameter`] for fewer than two
/// batches, a batch of one cell, and covariates that follow from the batches or are not finite;
/// [`Error::Values`] for values that are not finite.
pub fn combat(x: &LazyMatrix, model: &CombatModel, session: &Session) -> Result<Combined> {
    let (n, n_genes) = x.shape();
    let n_batches = model.names.len();
    let sizes = sizes(n, model)?;
    let (rows, width) = orthonormal_rows("covariates", n, &model.columns)?;
    let k = width - 1;
    // For each batch, the sums of the covariates and of their products.
    let mut totals = memory::zeros::<f64>(n_batches * k, SUMS)?;
    let mut products = memory::zeros::<f64>(memory::count(&[n_batches, k, k], SUMS)?, SUMS)?;
    let mut covariates = memory::room(memory::count(&[n, k], SUMS)?, SUMS)?;
    for (row, &batch) in rows.chunks_exact(width).zip(&model.batches) {
        let (row, batch) = (&row[1..], batch as usize);
        covariates.extend_from_slice(row);
        totals[batch * k..][..k].iter_mut().zip(row).for_each(|(t, q)| *t += q);
        for (a, qa) in row.iter().enumerate() {
            let to = &mut products[(batch * k + a) * k..][..k];
            to.iter_mut().zip(row).for_each(|(p, qb)| *p += qa * qb);
        }
    }
    drop(rows);
    let apart = Cholesky::new(k, |a, b| {
        let batch = |i: usize| products[(i * k + a) * k + b] - totals[i * k + a] * totals[i * k + b] / sizes[i];
        (0..n_batches).filter(|&i| sizes[i] > 0.0).map(batch).sum()
    })
    .ok_or_else(|| {
        let found = format!("columns that follow from the batches in '{}'", model.key);
        Error::parameter("covariates", "columns that vary within the batches", found)
    })?;

    let sums = Sums {
        n_batches,
        k,
        size: memory::count(&[n_genes, n_batches, k + 2], SUMS)?,
        batches: &model.batches,
        covariates: &covariates,
        check: Check::finite(x, "combat"),
    };
    let found = reduce(x, &sums, session)?;
    let of_batches = OfBatches { sizes: &sizes, totals: &totals, products: &products, k };
    let mut fits = Fits::room(n_genes, n_batches, k)?;
    for gene in found.chunks_exact(n_batches * (k + 2)) {
        fits.add(gene, &of_batches, &apart);
    }
    let (factor, offset) = fits.shrunk(&sizes, session)?;
    let keys: Vec<String> = std::iter::once(model.key.clone()).chain(model.covariates.iter().cloned()).collect();
    let constant = fits.deviation.iter().filter(|&&d| d == 0.0).count();
    let node = Combat {
        batches: memory::copied(&model.batches, SUMS)?.into(),
        n_batches,
        covariates: covariates.into(),
        width: k,
        mean: fits.mean.into(),
        coefficients: fits.coefficients.into(),
        factor: factor.into(),
        offset: offset.into(),
        keys: keys.into(),
    };
    Ok(Combined { matrix: x.with(node)?, constant })
}

/// Returns the [`Needs`] of each pass of [`combat`], for the plan of `ops::explain`.
pub(super) fn passes() -> Vec<Needs> {
    vec![Sums::NEEDS]
}

/// Returns the number of cells of each batch.
fn sizes(n: usize, model: &CombatModel) -> Result<Vec<f64>> {
    if model.batches.len() != n {
        return Err(Error::shape("key, one batch a cell", n, model.batches.len()));
    }
    let mut sizes = vec![0.0; model.names.len()];
    for &batch in &model.batches {
        *sizes.get_mut(batch as usize).ok_or(Error::Index {
            axis: "batches",
            index: i64::from(batch),
            len: model.names.len(),
        })? += 1.0;
    }
    let there = sizes.iter().filter(|&&size| size > 0.0).count();
    if there < 2 {
        return Err(Error::parameter("key", "a column of at least two batches", format!("{there} in '{}'", model.key)));
    }
    if let Some(small) = sizes.iter().position(|&size| size == 1.0) {
        let found = format!("one in the batch '{}'", model.names[small]);
        return Err(Error::parameter("key", "a column with at least two cells in every batch", found));
    }
    Ok(sizes)
}

/// The Cholesky factor of a symmetric positive definite matrix.
struct Cholesky {
    n: usize,
    rows: Vec<f64>,
}

impl Cholesky {
    /// Factors a matrix whose diagonal is at most 1; `None` where it is not positive definite.
    fn new(n: usize, at: impl Fn(usize, usize) -> f64) -> Option<Self> {
        let mut rows = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|l| rows[i * n + l] * rows[j * n + l]).sum();
                let left = at(i, j) - dot;
                rows[i * n + j] = if i == j {
                    if left <= CONFOUNDED {
                        return None;
                    }
                    left.sqrt()
                } else {
                    left / rows[j * n + j]
                };
            }
        }
        Some(Cholesky { n, rows })
    }

    fn solve(&self, right: &mut [f64]) {
        let (n, l) = (self.n, &self.rows);
        for i in 0..n {
            let dot: f64 = (0..i).map(|j| l[i * n + j] * right[j]).sum();
            right[i] = (right[i] - dot) / l[i * n + i];
        }
        for i in (0..n).rev() {
            let dot: f64 = (i + 1..n).map(|j| l[j * n + i] * right[j]).sum();
            right[i] = (right[i] - dot) / l[i * n + i];
        }
    }
}

/// The pass that gives, for each gene and batch, the sum of the values, of their squares, and of
/// their products with the covariates.
#[derive(Serialize)]
struct Sums<'a> {
    n_batches: usize,
    k: usize,
    size: usize,
    batches: &'a [u32],
    covariates: &'a [f64],
    #[serde(skip)]
    check: Check,
}

impl Reducer for Sums<'_> {
    const NAME: &'static str = SUMS;
    const NEEDS: Needs = Needs::KEEPS;
    type Output = Vec<f64>;
    adds_up!(Vec<f64>, |state, next| add(state, &next));
    no_rows!();

    fn map(&self, block: Block) -> Result<(Vec<f64>, ())> {
        let Sums { n_batches, k, .. } = *self;
        let mut part = self.state()?;
        with_view!(block, view => (0..view.n_rows()).try_for_each(|i| {
            self.check.row(&view, i)?;
            let cell = view.positions.row(i);
            let (batch, covariates) = (self.batches[cell] as usize, &self.covariates[cell * k..][..k]);
            for_each_value(view.row(i), |c, x| {
                let to = &mut part[(c * n_batches + batch) * (k + 2)..][..k + 2];
                to[0] += x;
                to[1] += x * x;
                to[2..].iter_mut().zip(covariates).for_each(|(t, q)| *t += q * x);
            });
            Ok(())
        }))?;
        Ok((part, ()))
    }

    fn state(&self) -> Result<Vec<f64>> {
        memory::zeros(self.size, SUMS)
    }

    fn finish(&self, all: Vec<f64>, (): ()) -> Result<Vec<f64>> {
        Ok(all)
    }
}

/// For each batch, the number of cells and the sums of covariates and of their products.
struct OfBatches<'a> {
    sizes: &'a [f64],
    totals: &'a [f64],
    products: &'a [f64],
    k: usize,
}

/// The estimates of every gene.
struct Fits {
    mean: Vec<f64>,
    /// The root of the pooled variance; 0 for a constant gene.
    deviation: Vec<f64>,
    coefficients: Vec<f64>,
    /// The mean and variance of the standardised values of each gene and batch.
    location: Vec<f64>,
    scale: Vec<f64>,
}

impl Fits {
    fn room(n_genes: usize, n_batches: usize, k: usize) -> Result<Self> {
        let room = |width: usize| memory::room(memory::count(&[n_genes, width], SUMS)?, SUMS);
        Ok(Fits {
            mean: room(1)?,
            deviation: room(1)?,
            coefficients: room(k)?,
            location: room(n_batches)?,
            scale: room(n_batches)?,
        })
    }

    /// Adds the estimates of the next gene, from its sums.
    fn add(&mut self, gene: &[f64], of: &OfBatches<'_>, apart: &Cholesky) {
        let k = of.k;
        let batches = || gene.chunks_exact(k + 2).zip(of.sizes).enumerate().filter(|(_, (_, &size))| size > 0.0);
        // Within batches: the products of covariates and values, and the squares of the values.
        let mut within = vec![0.0; k];
        let (mut squares, mut all) = (0.0, 0.0);
        for (i, (sums, size)) in batches() {
            let total = &of.totals[i * k..][..k];
            within.iter_mut().zip(&sums[2..]).zip(total).for_each(|((w, u), a)| *w += u - a * sums[0] / size);
            squares += sums[1] - sums[0] * sums[0] / size;
            all += sums[1];
        }
        let mut coefficients = within.clone();
        apart.solve(&mut coefficients);
        let explained: f64 = coefficients.iter().zip(&within).map(|(b, w)| b * w).sum();
        let residual = if squares - explained <= NOTHING * all { 0.0 } else { squares - explained };
        let n: f64 = of.sizes.iter().sum();
        let dot = |a: &[f64]| a.iter().zip(&coefficients).map(|(a, b)| a * b).sum::<f64>();
        // Covariates have mean 0, so that the mean of the batches, weighted by their sizes, is the
        // mean of the gene.
        let mean = gene.chunks_exact(k + 2).map(|sums| sums[0]).sum::<f64>() / n;
        let deviation = (residual / n).sqrt();
        for (i, (sums, &size)) in gene.chunks_exact(k + 2).zip(of.sizes).enumerate() {
            let (mut location, mut scale) = (0.0, 0.0);
            if size > 0.0 && deviation > 0.0 {
                let total = &of.totals[i * k..][..k];
                location = (sums[0] / size - mean - dot(total) / size) / deviation;
                let crossed: Vec<f64> = sums[2..].iter().zip(total).map(|(u, a)| u - a * sums[0] / size).collect();
                let products = &of.products[i * k * k..][..k * k];
                let bent: f64 = (0..k).map(|a| coefficients[a] * dot(&products[a * k..][..k])).sum();
                let left = sums[1] - sums[0] * sums[0] / size - 2.0 * dot(&crossed) + bent - dot(total).powi(2) / size;
                let left = if left <= NOTHING * sums[1] { 0.0 } else { left };
                scale = left / (size - 1.0) / (deviation * deviation);
            }
            self.location.push(location);
            self.scale.push(scale);
        }
        self.mean.push(mean);
        self.deviation.push(deviation);
        self.coefficients.extend(coefficients);
    }

    /// Returns factors and offsets of every gene and batch, from estimates shrunk towards those of
    /// all genes of the batch.
    fn shrunk(&self, sizes: &[f64], session: &Session) -> Result<(Vec<f64>, Vec<f64>)> {
        let (n_batches, n_genes) = (sizes.len(), self.mean.len());
        let mut factor = memory::filled(memory::count(&[n_genes, n_batches], SUMS)?, 1.0, SUMS)?;
        let mut offset = memory::zeros(factor.len(), SUMS)?;
        for (batch, &size) in sizes.iter().enumerate().filter(|(_, &size)| size > 0.0) {
            let of = |values: &[f64]| -> Result<Vec<f64>> {
                memory::collected(values.iter().skip(batch).step_by(n_batches).copied(), SUMS)
            };
            let (location, scale) = posterior(&of(&self.location)?, &of(&self.scale)?, size, session)?;
            for (gene, (location, scale)) in location.iter().zip(&scale).enumerate() {
                let at = gene * n_batches + batch;
                if self.deviation[gene] > 0.0 {
                    factor[at] = 1.0 / scale.sqrt();
                    offset[at] = -location * self.deviation[gene] / scale.sqrt();
                } else {
                    factor[at] = 0.0;
                }
            }
        }
        Ok((factor, offset))
    }
}

/// The relative change at which the iteration ends, and the upper bound of its steps.
const CONVERGED: f64 = 1e-4;
const STEPS: usize = 10_000;

/// Returns the posterior means of location and scale, each computed from the other in turn until
/// neither changes. As in scanpy, the criterion is the largest change relative to the old value, so
/// that a gene without variation (0 over 0) ends the iteration at once.
fn posterior(location: &[f64], scale: &[f64], n: f64, session: &Session) -> Result<(Vec<f64>, Vec<f64>)> {
    let genes = location.len() as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / genes;
    let squares = |v: &[f64], mean: f64| v.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    let center = mean(location);
    let spread = squares(location, center) / genes;
    let m = mean(scale);
    let s2 = squares(scale, m) / (genes - 1.0);
    let (a, b) = ((2.0 * s2 + m * m) / s2, (m * s2 + m * m * m) / s2);
    let (mut old_location, mut old_scale) = (memory::copied(location, SUMS)?, memory::copied(scale, SUMS)?);
    for _ in 0..STEPS {
        session.monitor.check()?;
        let (mut moved, mut stretched) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let larger = |most: f64, x: f64| if most.is_nan() || x.is_nan() { f64::NAN } else { most.max(x) };
        for gene in 0..location.len() {
            let (g, d) = (old_location[gene], old_scale[gene]);
            let new = (spread * n * location[gene] + d * center) / (spread * n + d);
            let sum = (n - 1.0) * scale[gene] + n * (location[gene] - new).powi(2);
            let wide = (0.5 * sum + b) / (n / 2.0 + a - 1.0);
            moved = larger(moved, (new - g).abs() / g);
            stretched = larger(stretched, (wide - d).abs() / d);
            (old_location[gene], old_scale[gene]) = (new, wide);
        }
        let change = if stretched > moved { stretched } else { moved };
        if change.is_nan() || change <= CONVERGED {
            break;
        }
    }
    Ok((old_location, old_scale))
}
