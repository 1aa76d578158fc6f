//! A simulated h5ad file.

use super::{SimulatedSource, Simulation};
use crate::chain::LazyMatrix;
use crate::error::Result;
use crate::session::Session;
use crate::write::{write_h5ad, H5adPlan, Part, WriteOptions};
use std::path::Path;
use std::sync::Arc;

/// Writes `simulation` as an h5ad file, streamed: memory does not grow with the number of cells beyond a few bytes each.
/// X is float32 counts; obs has `cell_type` and `batch`, var `gene_ids`, `uns["simulation"]` the parameters.
///
/// # Errors
/// Errors of [`SimulatedSource::new`] for parameters out of range, and of writing.
pub fn simulate_h5ad(
    simulation: &Simulation,
    path: impl AsRef<Path>,
    options: &WriteOptions,
    session: &Session,
) -> Result<()> {
    let source = SimulatedSource::new(simulation.clone())?;
    let mut plan = H5adPlan::new(None, source.obs().into(), source.var().into());
    plan.uns.push(("simulation".to_owned(), source.parameters().into()));
    plan.x = Some(Part::Matrix(LazyMatrix::new(Arc::new(source))));
    write_h5ad(&plan, path, options, session)
}
