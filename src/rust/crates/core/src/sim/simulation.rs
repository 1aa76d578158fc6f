//! The parameters of a simulation.

/// The parameters of a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// Number of cells, at most 2^32 - 1.
    pub n_obs: usize,
    /// Number of genes, at least 20.
    pub n_vars: usize,
    /// Number of cell types, at least 1.
    pub n_types: usize,
    /// Number of batches, at least 1.
    pub n_batches: usize,
    /// Expected share of non-zero counts, above 0 and at most 0.9.
    pub density: f64,
    /// Seed; equal parameters and seeds give equal counts.
    pub seed: u64,
}

impl Default for Simulation {
    /// Returns 10,000 cells and 20,000 genes, 8 types, 2 batches, 7 % non-zero counts.
    fn default() -> Self {
        Simulation { n_obs: 10_000, n_vars: 20_000, n_types: 8, n_batches: 2, density: 0.07, seed: 0 }
    }
}
