//! The R face: it converts between R and the core, and does nothing else.
//!
//! Every function takes one named list and returns one list, through `reply`; R's `rs_call()`
//! calls them.
#![warn(unreachable_pub)]
#![allow(missing_docs)] // extendr_module! makes public functions

mod args;
mod chunks;
mod config;
mod files;
mod from_r;
mod given;
mod handles;
mod matrices;
mod reply;
mod run;
mod simulate;
mod text;
mod to_r;
mod vector;
mod verbs;
mod write;

use anndataoom_core::reserve::Reserved;
use extendr_api::prelude::*;

#[global_allocator]
static MEMORY: Reserved = Reserved;

extendr_module! {
    mod anndataoom;
    use config;
    use files;
    use chunks;
    use matrices;
    use simulate;
    use text;
    use verbs;
    use write;
}
