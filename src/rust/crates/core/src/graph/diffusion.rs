//! Diffusion maps (Coifman & Lafon 2006; Haghverdi et al. 2016) of a connectivity graph, and the
//! pseudotime along them.

use super::links::Links;
use super::spectral::{connected, leading};
use super::symmetric::{check, Graph};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use ndarray::{Array2, ArrayView2};

/// A diffusion map: eigenvectors and eigenvalues.
#[derive(Debug, Clone)]
pub struct DiffusionMap {
    /// n_obs x n_comps eigenvectors of the symmetric transition matrix, each of norm 1, the entry
    /// of largest magnitude positive. The first is the stationary state, of eigenvalue 1.
    pub components: Array2<f32>,
    /// The eigenvalue of each component, descending.
    pub eigenvalues: Vec<f32>,
    /// Largest residual `|T x - lambda x|` of an eigenpair.
    pub residual: f64,
    /// Notes for the user; often empty.
    pub notes: Vec<String>,
}

/// The residual below which an eigenpair is converged: the result has single precision.
const TOLERANCE: f64 = 1e-7;
/// Products with the matrix after which the present approximation is returned, with a note.
const MAX_PRODUCTS: usize = 4000;

/// Computes the first `n_comps` (at least 3) components of the diffusion map of `connectivities`
/// (n_obs x n_obs, symmetric CSR). There are at most n_obs - 1 components.
///
/// Equals `scanpy.tl.diffmap`: with W the connectivities, q their row sums, K = W_ij / (q_i q_j)
/// and z the row sums of K, the eigenpairs of T = K_ij / sqrt(z_i z_j) with the largest
/// eigenvalues.
///
/// # Errors
/// [`Error::Parameter`] for `n_comps` below 3 and an asymmetric graph, [`Error::Shape`] for a graph
/// that is not square or has fewer than 3 cells, [`Error::Values`] for negative or non-finite
/// weights or a cell without neighbours, [`Error::Cancelled`].
pub fn diffmap(connectivities: &impl Links, n_comps: usize, seed: u64, session: &Session) -> Result<DiffusionMap> {
    if n_comps <= 2 {
        return Err(Error::parameter("n_comps", "a number above 2", n_comps));
    }
    let connectivities = connectivities.borrowed();
    session.install(|| {
        let graph = check(&connectivities, "diffmap", &session.monitor)?;
        let n = graph.n_vertices();
        let n_comps = n_comps.min(n.saturating_sub(1));
        if n_comps < 2 {
            return Err(Error::shape("connectivities", "at least 3 cells", n));
        }
        // The weights of the graph, its eigenvectors and the components.
        let bytes = graph.data.len().saturating_mul(4).saturating_add(n.saturating_mul(n_comps).saturating_mul(12));
        let _held = session.hold(format!("diffmap of {n} cells in {n_comps} components"), bytes)?;
        let weights = density_normalised(graph)?;
        let kernel = Graph { data: &weights, ..graph };
        let found = leading(kernel, n_comps - 1, TOLERANCE, MAX_PRODUCTS, seed, &session.monitor)?;
        let root: Vec<f64> = memory::collected((0..n).map(|i| strength(kernel, i).sqrt()), MAP)?;
        let length = root.iter().map(|r| r * r).sum::<f64>().sqrt();
        let zeros = memory::zeros(memory::count(&[n, n_comps], MAP)?, MAP)?;
        let mut components = Array2::from_shape_vec((n, n_comps), zeros).map_err(|e| Error::Internal(e.to_string()))?;
        let mut column = |c: usize, value: &dyn Fn(usize) -> f64| {
            let extreme = (0..n).map(value).fold(0.0f64, |m, x| if x.abs() > m.abs() { x } else { m });
            let sign = if extreme < 0.0 { -1.0 } else { 1.0 };
            (0..n).for_each(|i| components[[i, c]] = (sign * value(i)) as f32);
        };
        column(0, &|i| root[i] / length);
        (1..n_comps).for_each(|c| column(c, &|i| found.vectors[i * (n_comps - 1) + c - 1]));
        // The memory of its patch is probed here, because making the patch returns no error.
        memory::probe(4 * components.len())?;
        let mut notes = Vec::new();
        if !found.converged {
            notes.push(format!("diffmap: the eigenvectors are approximate (residual {:.1e})", found.residual));
        }
        let eigenvalues = std::iter::once(1.0).chain(found.values.iter().map(|&v| v as f32)).collect();
        Ok(DiffusionMap { components, eigenvalues, residual: found.residual, notes })
    })
}

/// The name of a diffusion map in errors.
const MAP: &str = "diffmap: n_comps components of every cell";

/// Returns the sum of the weights of a vertex.
fn strength(graph: Graph, vertex: usize) -> f64 {
    graph.row(vertex).1.iter().map(|&w| f64::from(w)).sum()
}

/// Returns W_ij / (q_i q_j) for every entry of W, scaled by the square of the mean of q, which
/// changes no transition.
fn density_normalised(graph: Graph) -> Result<Vec<f32>> {
    let density: Vec<f64> = memory::collected((0..graph.n_vertices()).map(|i| strength(graph, i)), MAP)?;
    if let Some(row) = density.iter().position(|&q| q <= 0.0) {
        return Err(Error::Values {
            element: "connectivities".into(),
            operation: "diffmap",
            expected: "a weight above 0 in every row",
            found: "a cell without neighbours".into(),
            row,
            column: 0,
        });
    }
    let mean = density.iter().sum::<f64>() / density.len() as f64;
    let mut weights = memory::room(graph.data.len(), MAP)?;
    for (i, &q) in density.iter().enumerate() {
        let (columns, row) = graph.row(i);
        let scaled = columns.iter().zip(row).map(|(&j, &w)| f64::from(w) * (mean / q) * (mean / density[j as usize]));
        weights.extend(scaled.map(|w| w as f32));
    }
    Ok(weights)
}

/// The eigenvalue from which on eigenvalues count as 1 in f32, as in `scanpy.tl.dpt`.
const STATIONARY: f32 = 0.9994;

/// Returns the diffusion pseudotime of every cell, n_obs values: its distance from the cell `root`
/// over the first `n_dcs` components of a [`diffmap`], divided by the largest finite one. Cells in
/// another connected component than the root have infinite pseudotime.
///
/// Equals `scanpy.tl.dpt(n_branchings = 0)`: components of eigenvalue l < 0.9994 have the factor l
/// / (1 - l), those above the factor 1.
///
/// # Errors
/// [`Error::Index`] for a root that is no cell; [`Error::Shape`] where the parts do not fit
/// together; [`Error::Parameter`] for `n_dcs` outside 1 to the number of components; errors of
/// [`diffmap`] for the graph.
pub fn dpt(
    connectivities: &impl Links,
    components: ArrayView2<'_, f32>,
    eigenvalues: &[f32],
    n_dcs: usize,
    root: usize,
    session: &Session,
) -> Result<Vec<f64>> {
    let connectivities = connectivities.borrowed();
    let graph = check(&connectivities, "dpt", &session.monitor)?;
    let n = graph.n_vertices();
    if components.dim() != (n, eigenvalues.len()) {
        let (rows, cols) = components.dim();
        let expected = format!("{n} x {}, the cells and the eigenvalues", eigenvalues.len());
        return Err(Error::shape("X_diffmap", expected, format!("{rows} x {cols}")));
    }
    if n_dcs == 0 || n_dcs > eigenvalues.len() {
        let expected = format!("1 to {}, the components there are; see diffmap(n_comps = )", eigenvalues.len());
        return Err(Error::parameter("n_dcs", expected, n_dcs));
    }
    if root >= n {
        return Err(Error::Index { axis: "obs", index: root as i64, len: n });
    }
    let weights: Vec<f64> = eigenvalues
        .iter()
        .take(n_dcs)
        .map(|&l| if l < STATIONARY { f64::from(l) / (1.0 - f64::from(l)) } else { 1.0 })
        .collect();
    // The component of each cell, and the times.
    let _held = session.hold(format!("dpt of {n} cells"), n.saturating_mul(4 + 8))?;
    let (label, _) = connected(graph, &session.monitor)?;
    let origin = components.row(root);
    let distance = |(row, &component): (ndarray::ArrayView1<'_, f32>, &u32)| {
        if component != label[root] {
            return f64::INFINITY;
        }
        let terms = row.iter().zip(&origin).zip(&weights);
        terms.map(|((&x, &o), w)| (w * (f64::from(o) - f64::from(x))).powi(2)).sum::<f64>().sqrt()
    };
    let mut time = memory::exactly(n, components.outer_iter().zip(&label).map(distance), "pseudotime")?;
    let largest = time.iter().copied().filter(|t| t.is_finite()).fold(0.0, f64::max);
    if largest > 0.0 {
        time.iter_mut().for_each(|t| *t /= largest);
    }
    Ok(time)
}
