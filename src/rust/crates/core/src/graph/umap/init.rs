//! Initial positions of the points.

use super::super::locality::Renumbered;
use super::super::random::Stream;
use super::super::spectral;
use super::UmapParams;
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Monitor;
use ndarray::Array2;

/// The source of the initial positions.
#[derive(Debug, Clone, Default)]
pub enum Init {
    /// Eigenvectors of the normalised Laplacian of the graph ([`spectral::spectral_layout`]).
    #[default]
    Spectral,
    /// The first `n_components` columns of this n_obs x n_comps matrix (as `obsm["X_pca"]`),
    /// scaled.
    Pca(Array2<f32>),
    /// Uniform random positions.
    Random,
    /// The given positions (n_obs x n_components).
    Given(Array2<f32>),
}

/// Stream rounds of this module (see `random`).
const ROUND_NOISE: u64 = (1 << 40) + 2;
const ROUND_UNIFORM: u64 = (1 << 40) + 3;

/// The name of positions in errors.
const POSITIONS: &str = "umap: n_components of every observation";
/// Extent of the initial positions along each axis.
const EXTENT: f64 = 10.0;
/// Standard deviation of the noise added after scaling to a largest coordinate of [`EXTENT`].
const NOISE: f64 = 1e-4;

/// The initial positions, in the order of the renumbered graph.
pub(super) struct Start {
    /// n_obs x n_components, row-major.
    pub(super) coordinates: Vec<f32>,
    /// Notes of the spectral layout for the user.
    pub(super) notes: Vec<String>,
}

/// Makes the initial positions in umap-learn's scaling: the largest coordinate is 10, with a little
/// noise (spectral and PCA only), then each axis is shifted and scaled to [0, 10].
pub(super) fn positions(renumbered: &Renumbered, params: &UmapParams, monitor: &Monitor) -> Result<Start> {
    let graph = renumbered.graph();
    let (n, dim) = (graph.n_vertices(), params.n_components);
    let mut notes = Vec::new();
    let mut x = match &params.init {
        Init::Spectral => {
            let layout = spectral::layout(graph, dim, spectral::ROUGH, params.seed, monitor)?;
            notes = layout.notes;
            noisy(layout.coordinates.into_raw_vec_and_offset().0, dim, params.seed)
        }
        Init::Pca(pca) => {
            if pca.nrows() != n || pca.ncols() < dim {
                let expected = format!("{n} x at least {dim}");
                return Err(Error::shape("init (PCA)", expected, format!("{} x {}", pca.nrows(), pca.ncols())));
            }
            let x = pca.rows().into_iter().flat_map(|row| row.into_iter().take(dim).map(|&v| f64::from(v)));
            let mut coordinates = memory::room(memory::count(&[n, dim], POSITIONS)?, POSITIONS)?;
            coordinates.extend(x);
            noisy(renumbered.arrange(&finite(coordinates, dim)?, dim)?, dim, params.seed)
        }
        Init::Random => {
            let mut x = memory::room(memory::count(&[n, dim], POSITIONS)?, POSITIONS)?;
            x.extend((0..n).flat_map(|i| {
                let mut stream = Stream::new(params.seed, ROUND_UNIFORM, i as u64);
                (0..dim).map(move |_| stream.uniform())
            }));
            x
        }
        Init::Given(given) => {
            if given.dim() != (n, dim) {
                let (rows, cols) = given.dim();
                return Err(Error::shape("init_pos", format!("{n} x {dim}"), format!("{rows} x {cols}")));
            }
            let x = memory::collected(given.iter().map(|&v| f64::from(v)), POSITIONS)?;
            renumbered.arrange(&finite(x, dim)?, dim)?
        }
    };
    for d in 0..dim {
        let column = || x.iter().skip(d).step_by(dim);
        let (low, high) = column().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        let scale = if high > low { EXTENT / (high - low) } else { 0.0 };
        x.iter_mut().skip(d).step_by(dim).for_each(|v| *v = (*v - low) * scale);
    }
    Ok(Start { coordinates: memory::collected(x.iter().map(|&v| v as f32), POSITIONS)?, notes })
}

/// Scales coordinates to a largest magnitude of [`EXTENT`] and adds normal noise.
fn noisy(mut x: Vec<f64>, dim: usize, seed: u64) -> Vec<f64> {
    let largest = x.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let scale = if largest > 0.0 { EXTENT / largest } else { 0.0 };
    for (i, row) in x.chunks_mut(dim).enumerate() {
        let mut stream = Stream::new(seed, ROUND_NOISE, i as u64);
        row.iter_mut().for_each(|v| *v = *v * scale + NOISE * stream.normal());
    }
    x
}

/// Checks that all positions are finite, and returns them.
fn finite(x: Vec<f64>, dim: usize) -> Result<Vec<f64>> {
    match x.iter().position(|v| !v.is_finite()) {
        None => Ok(x),
        Some(at) => Err(Error::Values {
            element: "init_pos".into(),
            operation: "umap",
            expected: "finite positions",
            found: x[at].to_string(),
            row: at / dim,
            column: at % dim,
        }),
    }
}
