//! What the core was built with and runs with.

use crate::reply::reply;
use crate::to_r::list_of;
use extendr_api::prelude::*;

/// `threads`, `memory`: versions and resources.
#[extendr]
fn rs_config(args: Robj) -> Robj {
    reply(args, |a, _| {
        let ctx = a.context()?;
        list_of(
            ["core", "threads", "memory"].into_iter(),
            vec![env!("CARGO_PKG_VERSION").into(), (ctx.threads as f64).into(), (ctx.memory as f64).into()],
        )
    })
}

extendr_module! {
    mod config;
    fn rs_config;
}
