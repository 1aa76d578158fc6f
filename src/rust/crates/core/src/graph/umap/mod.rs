//! UMAP (McInnes, Healy & Melville 2018, arXiv 1802.03426) on a graph of connectivities.
//!
//! [`Mode::Batch`], the default, moves every point once per epoch, from the positions of the
//! previous epoch, so the result is the same for any number of threads. [`Mode::Sequential`] has
//! the structure of umap-learn's optimiser: one edge after the other on one thread. Both choose
//! edges in proportion to their weight, and draw negative samples, as umap-learn does.

mod batch;
mod clock;
mod curve;
mod init;
mod lanes;
mod sample;
mod sequential;

pub use curve::find_ab_params;
pub use init::Init;

use super::links::{Links, Origin};
use super::locality::Renumbered;
use super::symmetric::Graph;
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use curve::Curve;
use ndarray::Array2;

/// The optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// All points at once per epoch, in parallel, from the positions of the previous epoch.
    #[default]
    Batch,
    /// One sampled edge after the other on one thread, as umap-learn.
    Sequential,
}

/// Parameters of [`umap`]; names and defaults are those of `scanpy.tl.umap`.
#[derive(Debug, Clone)]
pub struct UmapParams {
    /// Dimensions of the embedding.
    pub n_components: usize,
    /// Distance of close neighbours in the embedding, in `0..=spread`.
    pub min_dist: f64,
    /// Scale of the embedded points.
    pub spread: f64,
    /// Optimisation epochs; `None`: 500 for at most 10,000 observations, else 200.
    pub n_epochs: Option<usize>,
    /// Initial learning rate.
    pub alpha: f64,
    /// Weight of negative samples.
    pub gamma: f64,
    /// Negative samples per positive sample.
    pub negative_sample_rate: usize,
    /// Curve parameter; `None` computes it from `min_dist` and `spread`.
    pub a: Option<f64>,
    /// Curve parameter; `None` computes it from `min_dist` and `spread`.
    pub b: Option<f64>,
    /// The source of the initial positions.
    pub init: Init,
    /// The optimiser.
    pub mode: Mode,
    /// Seed of every random number.
    pub seed: u64,
}

impl Default for UmapParams {
    fn default() -> Self {
        UmapParams {
            n_components: 2,
            min_dist: 0.5,
            spread: 1.0,
            n_epochs: None,
            alpha: 1.0,
            gamma: 1.0,
            negative_sample_rate: 5,
            a: None,
            b: None,
            init: Init::Spectral,
            mode: Mode::Batch,
            seed: 0,
        }
    }
}

/// An embedding, and the values of parameters that had none.
#[derive(Debug, Clone)]
pub struct UmapResult {
    /// n_obs x n_components.
    pub embedding: Array2<f32>,
    /// Curve parameter that was used.
    pub a: f64,
    /// Curve parameter that was used.
    pub b: f64,
    /// Number of epochs that were run.
    pub n_epochs: usize,
    /// Notes for the user (several connected components, an approximate or random start); often
    /// empty.
    pub notes: Vec<String>,
}

/// Embeds the graph of `connectivities` (n_obs x n_obs, symmetric CSR, as
/// `obsp["connectivities"]`), borrowed or handed over.
///
/// # Errors
/// [`Error::Parameter`] for parameters outside their domain and an asymmetric graph,
/// [`Error::Shape`] for a graph that is not square or a start of the wrong shape, [`Error::Values`]
/// for negative or non-finite weights or start positions, [`Error::Cancelled`].
pub fn umap(connectivities: impl Links + Send + Sync, params: &UmapParams, session: &Session) -> Result<UmapResult> {
    umap_of(Origin::Memory(connectivities), params, session)
}

/// Works as [`umap`], for a graph in memory or a kept one.
///
/// # Errors
/// Errors of [`umap`]; [`Error::Io`] where a kept graph cannot be read.
pub fn umap_of(
    connectivities: Origin<impl Links + Send + Sync>,
    params: &UmapParams,
    session: &Session,
) -> Result<UmapResult> {
    validate(params)?;
    let (a, b) = match (params.a, params.b) {
        (Some(a), Some(b)) => (a, b),
        (None, None) => find_ab_params(params.spread, params.min_dist)?,
        (Some(a), None) => return Err(Error::parameter("a, b", "both or neither", format!("a = {a} alone"))),
        (None, Some(b)) => return Err(Error::parameter("a, b", "both or neither", format!("b = {b} alone"))),
    };
    let (n, links) = (connectivities.rows(), connectivities.nnz());
    // A copy of the graph, and the positions with the moments of the optimiser.
    let held = links.saturating_add(2 * params.n_components.saturating_mul(n));
    let what = format!("umap of {n} cells in {} components", params.n_components);
    let _held = session.hold(what, held.saturating_mul(8))?;
    session.install(|| {
        let renumbered = Renumbered::from_origin(connectivities, "umap", session)?;
        let graph = renumbered.graph();
        let n_epochs = params.n_epochs.unwrap_or(if n <= 10_000 { 500 } else { 200 });
        let start = init::positions(&renumbered, params, &session.monitor)?;
        let curve = Curve::new(a, b, params.gamma);
        let dim = params.n_components;
        session.monitor.begin((n_epochs as u64).saturating_mul(n as u64));
        let job = Job { graph, dim, n_epochs, curve, params, largest: largest_weight(graph) };
        let coordinates = match params.mode {
            _ if n < 2 || job.largest == 0.0 => start.coordinates,
            Mode::Batch => batch::optimise(&job, start.coordinates, &session.monitor)?,
            Mode::Sequential => sequential::optimise(&job, start.coordinates, &session.monitor)?,
        };
        let coordinates = renumbered.restore(&coordinates, dim)?;
        if let Some(at) = coordinates.iter().position(|x| !x.is_finite()) {
            let message = format!("umap: the position of observation {} is not finite; lower alpha", at / dim);
            return Err(Error::Numerical(message));
        }
        let embedding = Array2::from_shape_vec((n, dim), coordinates).map_err(|e| Error::Internal(e.to_string()))?;
        // The memory of its patch is probed here, because making the patch returns no error.
        memory::probe(4 * embedding.len())?;
        Ok(UmapResult { embedding, a, b, n_epochs, notes: start.notes })
    })
}

/// Inputs of both optimisers.
struct Job<'a> {
    graph: Graph<'a>,
    dim: usize,
    n_epochs: usize,
    curve: Curve,
    params: &'a UmapParams,
    largest: f32,
}

impl Job<'_> {
    /// Returns the learning rate of an epoch, which falls linearly to zero.
    fn rate(&self, epoch: usize) -> f64 {
        self.params.alpha * (1.0 - epoch as f64 / self.n_epochs as f64)
    }

    /// Returns the least weight of an edge that is sampled: lighter ones would be sampled less than
    /// once, and umap-learn drops them.
    fn least_weight(&self) -> f32 {
        self.largest / if self.n_epochs > 10 { self.n_epochs as f32 } else { 200.0 }
    }
}

/// Returns the largest weight of a graph; 0 without edges.
fn largest_weight(graph: Graph) -> f32 {
    graph.data.iter().fold(0.0, |m: f32, &w| m.max(w))
}

/// Checks the parameters.
fn validate(params: &UmapParams) -> Result<()> {
    let finite = |name: &'static str, value: f64, least: f64, strict: bool| {
        if value.is_finite() && (value > least || (!strict && value == least)) {
            return Ok(());
        }
        Err(Error::parameter(name, format!("a number {} {least}", if strict { ">" } else { ">=" }), value))
    };
    let most = if params.mode == Mode::Batch { batch::MAX_COMPONENTS } else { usize::MAX };
    if params.n_components == 0 || params.n_components > most {
        let expected = if params.mode == Mode::Batch { format!("1 to {most}") } else { "at least 1".to_owned() };
        return Err(Error::parameter("n_components", expected, params.n_components));
    }
    finite("alpha", params.alpha, 0.0, true)?;
    finite("gamma", params.gamma, 0.0, false)?;
    finite("a", params.a.unwrap_or(1.0), 0.0, true)?;
    finite("b", params.b.unwrap_or(1.0), 0.0, true)?;
    Ok(())
}
