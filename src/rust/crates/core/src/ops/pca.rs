//! Principal component analysis, exact, in two passes over any chain.
//!
//! The first pass adds up the gene-by-gene second moments in f64, the second projects. A matrix whose last operation is a
//! centring [`Op::Scale`] is never densified: each value is `base[j] + delta[i, j]` with `delta` 0 wherever nothing is
//! stored, and a covariance does not change when a constant is taken from each column.

mod gram;
mod rows;
mod tiles;

use super::view::{float_column, scatter_rows};
use crate::chain::LazyMatrix;
use crate::context::Context;
use crate::element::{DType, Value};
use crate::error::{Error, Result};
use crate::patch::Patch;
use crate::stream::{map_fold, map_fold_keeping, Order};
use gram::Gram;
use rows::{Deltas, Rows};

/// Components computed by default.
pub const N_COMPS: usize = 50;
/// Most columns the exact method takes: three `p x p` matrices of f64 are 1.5 GB.
pub const MAX_COLUMNS: usize = 8000;

/// Parameters of [`pca`], by scanpy's names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PcaOptions {
    /// Number of components; `None` is 50, or one less than the smaller extent where that is 50 or less.
    pub n_comps: Option<usize>,
    /// Whether columns are centred. Without it the result is that of scikit-learn's `TruncatedSVD`.
    pub zero_center: bool,
}

impl Default for PcaOptions {
    fn default() -> Self {
        PcaOptions { n_comps: None, zero_center: true }
    }
}

/// Result of [`pca`]: `k` components of `n` cells and `p` genes.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    /// Coordinates of the cells, row-major `n x k`.
    pub x_pca: Vec<f32>,
    /// Loadings, row-major `p x k`; the largest of each component by absolute value is positive.
    pub loadings: Vec<f64>,
    /// Variance of each component (`n - 1`; `n` without centring, as `TruncatedSVD`).
    pub variance: Vec<f64>,
    /// The same over the total variance of all genes.
    pub variance_ratio: Vec<f64>,
    /// Cells, genes, components.
    pub shape: (usize, usize, usize),
    zero_center: bool,
    dtype: DType,
}

/// Where the genes of a PCA lie among all genes, when it was made of some of them.
#[derive(Debug, Clone, Copy)]
pub struct MaskVar<'a> {
    /// Name of the boolean column of var, where it has one.
    pub name: Option<&'a str>,
    /// Positions of the genes used, in order.
    pub positions: &'a [u32],
    /// Number of all genes.
    pub n_vars: usize,
}

impl Pca {
    /// `obsm["X_pca"]` (float32), `varm["PCs"]` and `uns["pca"]`, or all three under `key_added`. As in scanpy, loadings have
    /// the matrix's float dtype, or float64 with zeros for genes left out when there is a mask. Variances are float64.
    ///
    /// # Errors
    /// [`Error::Shape`] when the mask selects another number of genes than the result has.
    pub fn patch(&self, mask: Option<MaskVar<'_>>, key_added: Option<&str>) -> Result<Patch> {
        let (n, p, k) = self.shape;
        let (pcs, n_vars) = match mask {
            None => (float_column(&self.loadings, self.dtype == DType::F32), p),
            Some(m) => {
                let fits = m.positions.len() == p && m.positions.iter().all(|&j| (j as usize) < m.n_vars);
                if !fits {
                    let expected = format!("{p} genes below {}", m.n_vars);
                    return Err(Error::shape("mask_var", expected, m.positions.len()));
                }
                let mut full = vec![0.0; m.n_vars * k];
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
        let params = Value::Dict(vec![
            ("zero_center".to_owned(), Value::number(self.zero_center)),
            ("use_highly_variable".to_owned(), Value::number(name == Some("highly_variable"))),
            ("mask_var".to_owned(), name.map_or(Value::Null, Value::string)),
        ]);
        let uns = Value::Dict(vec![
            ("params".to_owned(), params),
            ("variance".to_owned(), Value::vector(self.variance.clone())),
            ("variance_ratio".to_owned(), Value::vector(self.variance_ratio.clone())),
        ]);
        let key = |default: &str| key_added.unwrap_or(default).to_owned();
        Ok(Patch {
            obsm: vec![(key("X_pca"), Value::matrix(n, k, self.x_pca.clone()))],
            varm: vec![(key("PCs"), Value::matrix(n_vars, k, pcs.data))],
            uns: vec![(key("pca"), uns)],
            ..Patch::default()
        })
    }
}

/// Principal components (`scanpy.pp.pca`), exact for up to [`MAX_COLUMNS`] genes: select highly variable genes first. Signs
/// follow scikit-learn from 1.5 on (`svd_flip` with `u_based_decision = False`).
///
/// # Errors
/// [`Error::Parameter`] for `n_comps` of 0 or not below the smaller extent (the rule of scikit-learn's ARPACK solver,
/// scanpy's default); [`Error::Memory`] for too many columns; [`Error::Values`] for NaN or infinite values.
pub fn pca(x: &LazyMatrix, options: &PcaOptions, ctx: &Context) -> Result<Pca> {
    let (n, p) = x.shape();
    let smaller = n.min(p);
    let k = options.n_comps.unwrap_or(if smaller <= N_COMPS { smaller.saturating_sub(1) } else { N_COMPS });
    if k == 0 || k >= smaller {
        let expected = format!("at least 1 and less than {smaller}, the smaller of {n} cells and {p} genes");
        return Err(Error::parameter("n_comps", expected, k));
    }
    if p > MAX_COLUMNS {
        return Err(Error::Memory {
            what: format!("exact PCA of {p} genes"),
            needed: 24 * (p as u64).pow(2),
            limit: 24 * (MAX_COLUMNS as u64).pow(2),
            hint: "; select highly variable genes first".to_owned(),
        });
    }
    let deltas = Deltas::new(x);
    let mut gram = Gram::new(p, x.dtype() == DType::F32, ctx)?;
    map_fold_keeping(deltas.chain(), ctx, |block| deltas.rows(block), |rows| gram.push(&rows, ctx))?;
    let moments = gram.finish(ctx)?;
    ctx.monitor.check()?;

    // Column means of the deltas; those of the values lie `base` higher.
    let nf = n as f64;
    let mean: Vec<f64> = moments.sums.iter().map(|s| s / nf).collect();
    let base = deltas.base(p, moments.shift.as_deref());
    let centred = |i: usize, j: usize| moments.products[j * p + i] - nf * mean[i] * mean[j];
    let total: f64 = (0..p).map(|j| centred(j, j)).sum();
    let mut matrix = faer::Mat::<f64>::zeros(p, p);
    for j in 0..p {
        for i in j..p {
            // Without centring, the second moments of the values themselves.
            let back = if options.zero_center { 0.0 } else { nf * (mean[i] + base[i]) * (mean[j] + base[j]) };
            matrix[(i, j)] = centred(i, j) + back;
        }
    }
    drop(moments.products);
    let (values, mut loadings) = gram::leading_eigenpairs(matrix, k)?;
    flip_signs(&mut loadings, k);

    let dot = |v: &[f64], c: usize| -> f64 { v.iter().enumerate().map(|(j, m)| m * loadings[j * k + c]).sum() };
    let (divisor, offset): (f64, Vec<f64>) = if options.zero_center {
        (nf - 1.0, (0..k).map(|c| -dot(&mean, c)).collect())
    } else {
        (nf, (0..k).map(|c| dot(&base, c)).collect())
    };
    let variance: Vec<f64> = (0..k)
        .map(|c| {
            let m = if options.zero_center { 0.0 } else { dot(&mean, c) + dot(&base, c) };
            ((values[c] - nf * m * m) / divisor).max(0.0)
        })
        .collect();
    let variance_ratio = variance.iter().map(|v| v / (total / divisor)).collect();

    let shift = moments.shift.as_deref();
    let mut x_pca = vec![0f32; n * k];
    map_fold(
        deltas.chain(),
        Order::File,
        ctx,
        |block| {
            let rows: Rows = deltas.rows(block)?;
            let part = rows.project(&loadings, k, &offset, shift);
            Ok((rows.positions, part))
        },
        |(positions, part)| {
            scatter_rows(&mut x_pca, &positions, &part, k);
            Ok(())
        },
    )?;
    Ok(Pca {
        x_pca,
        loadings,
        variance,
        variance_ratio,
        shape: (n, p, k),
        zero_center: options.zero_center,
        dtype: x.dtype().float(),
    })
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
