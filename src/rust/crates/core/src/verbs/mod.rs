//! The table of verbs: of each its name, parameters with type, default and domain, what it needs of an object and what it
//! adds. Faces hand arguments over as they are ([`Given`](crate::given::Given)); [`Verb::check`] refuses them or not before
//! anything is computed, and [`Verb::run`] does the work. A verb is its function in `ops` or `graph`, an entry here, and
//! one signature with documentation a face, which a test compares with the entry. Functions that are no verbs have their
//! parameters in [`FUNCTIONS`].
//!
//! ```
//! # fn main() -> anndataoom_core::Result<()> {
//! use anndataoom_core::given::{Given, Syntax};
//! use anndataoom_core::verbs;
//!
//! let verb = verbs::find("leiden")?;
//! assert!(verb.params.iter().any(|p| p.name == "resolution"));
//! let wrong = [("resolution".to_owned(), Given::Text("high".to_owned()))];
//! let Err(error) = verb.check(wrong) else { panic!("accepted") };
//! assert!(error.in_syntax(&Syntax::PYTHON).starts_with("leiden: resolution must be"));
//! # Ok(())
//! # }
//! ```

mod args;
mod call;
mod check;
mod clusters;
mod counts;
mod domain;
mod doublets;
mod elementwise;
mod embeddings;
mod entry;
mod functions;
mod groups;
mod hvg;
mod ingest;
mod integration;
mod markers;
mod need;
mod neighbors;
mod param;
mod pca;
mod scores;
mod selections;
mod settings;
mod transforms;

pub use args::Args;
pub use call::{Call, Column, Groups, Input, Outcome};
pub use domain::{Bound, Kind};
pub use entry::Verb;
pub use functions::{function_named, Function, FUNCTIONS};
pub use need::{Need, Source};
pub use param::{Face, Param, Preset};
pub use settings::{call, setting, SETTINGS};

use crate::error::{Error, Result};

/// The verbs of each file.
static FILES: [&[&Verb]; 15] = [
    counts::VERBS,
    elementwise::VERBS,
    transforms::VERBS,
    doublets::VERBS,
    hvg::VERBS,
    pca::VERBS,
    ingest::VERBS,
    integration::VERBS,
    neighbors::VERBS,
    embeddings::VERBS,
    clusters::VERBS,
    groups::VERBS,
    markers::VERBS,
    scores::VERBS,
    selections::VERBS,
];

/// All verbs.
pub fn all() -> impl Iterator<Item = &'static Verb> {
    FILES.into_iter().flatten().copied()
}

/// The verb of that name.
///
/// # Errors
/// [`Error::Internal`] for a name that is none.
pub fn find(name: &str) -> Result<&'static Verb> {
    all().find(|verb| verb.name == name).ok_or_else(|| Error::Internal(format!("there is no verb '{name}'")))
}
