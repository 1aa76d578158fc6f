//! The core's build options and the settings in use.

use crate::reply::reply;
use crate::to_r::list_of;
use anndataoom_core::store;
use extendr_api::prelude::*;

/// Does nothing. It is called when the package is loaded, so that the reserve of memory and
/// extendr's table of R objects are allocated while there is memory.
#[extendr]
fn rs_start(args: Robj) -> Robj {
    reply(args, |_, _| Ok(().into()))
}

/// Returns versions of the core and its libraries, filters, threads, cores and memory (bytes);
/// argument `settings`.
#[extendr]
fn rs_config(args: Robj) -> Robj {
    reply(args, |a, _| {
        let session = a.session()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let libraries = store::libraries();
        let mut names = vec!["core"];
        let mut values: Vec<Robj> = vec![env!("CARGO_PKG_VERSION").into()];
        names.extend(libraries.iter().map(|l| l.0));
        values.extend(libraries.iter().map(|l| Robj::from(l.1.as_str())));
        names.extend(["filters", "threads", "cores", "memory"]);
        values.extend([
            Robj::from(store::FILTERS.map(str::to_owned).to_vec()),
            (session.threads as f64).into(),
            (cores as f64).into(),
            (session.memory as f64).into(),
        ]);
        list_of(names.into_iter(), values)
    })
}

extendr_module! {
    mod config;
    fn rs_start;
    fn rs_config;
}
