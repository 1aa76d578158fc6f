//! Writes simulated h5ad files.

use super::{SimulatedSource, Simulation};
use crate::chain::LazyMatrix;
use crate::error::Result;
use crate::session::Session;
use crate::write::{write_h5ad, H5adPlan, Part, WriteOptions};
use std::path::Path;
use std::sync::Arc;

/// Writes `simulation` as an h5ad file. X (float32 counts) is streamed, so only obs grows in memory
/// with the number of cells. obs has `cell_type` and `batch`, var `gene_ids`; `uns["simulation"]`
/// holds the parameters.
///
/// # Errors
/// The errors of [`SimulatedSource::new`] for parameters out of range, and of writing.
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
