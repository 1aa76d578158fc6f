//! The R face: converts and nothing else.

use extendr_api::prelude::*;

/// Version of the core.
#[extendr]
fn rs_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

extendr_module! {
    mod anndataoom;
    fn rs_version;
}
