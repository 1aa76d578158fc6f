//! The simulator.

use crate::reply::reply;
use crate::run::run;
use anndataoom_core::sim::{simulate_h5ad, Simulation};
use anndataoom_core::write::{Compression, WriteOptions};
use extendr_api::prelude::*;

/// Writes a simulated h5ad file; arguments `path`, `n_obs`, `n_vars`, `n_types`, `n_batches`,
/// `density`, `seed`.
#[extendr]
fn rs_simulate(args: Robj) -> Robj {
    reply(args, |a, _| {
        let simulation = Simulation {
            n_obs: a.usize("n_obs")?,
            n_vars: a.usize("n_vars")?,
            n_types: a.usize("n_types")?,
            n_batches: a.usize("n_batches")?,
            density: a.f64("density")?,
            seed: a.u64("seed")?,
        };
        let options = WriteOptions { compression: Compression::Gzip(4), ..WriteOptions::default() };
        let path = a.str("path")?.to_owned();
        run(a, |session| simulate_h5ad(&simulation, &path, &options, session))?;
        Ok(().into())
    })
}

extendr_module! {
    mod simulate;
    fn rs_simulate;
}
