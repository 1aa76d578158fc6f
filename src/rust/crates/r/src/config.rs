//! What the core was built with and runs with.

use crate::reply::reply;
use crate::to_r::list_of;
use anndataoom_core::store;
use extendr_api::prelude::*;

/// `threads`, `memory`: versions and resources.
#[extendr]
fn rs_config(args: Robj) -> Robj {
    reply(args, |a, _| {
        let ctx = a.context()?;
        let names = ["core", "hdf5", "filters", "threads", "cores", "memory"];
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let values: Vec<Robj> = vec![
            env!("CARGO_PKG_VERSION").into(),
            store::hdf5_version().into(),
            store::FILTERS.as_slice().iter().map(|f| (*f).to_owned()).collect::<Vec<String>>().into(),
            (ctx.threads as f64).into(),
            (cores as f64).into(),
            (ctx.memory as f64).into(),
        ];
        list_of(names.into_iter(), values)
    })
}

extendr_module! {
    mod config;
    fn rs_config;
}
