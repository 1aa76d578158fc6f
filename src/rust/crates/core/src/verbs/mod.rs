//! The table of verbs. An entry has the name of a verb, its parameters with type, default and
//! domain, the parts of an object it needs and the values it adds. Faces hand arguments over as
//! they are ([`Given`](crate::given::Given)). [`Verb::check`] accepts or refuses them before
//! anything is computed, and [`Verb::run`] does the work. A verb consists of its function in `ops`
//! or `graph`, an entry here, and a documented signature in each face, which a test compares with
//! the entry. The parameters of functions that are no verbs are in [`FUNCTIONS`].
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

/// Returns all verbs.
pub fn all() -> impl Iterator<Item = &'static Verb> {
    FILES.into_iter().flatten().copied()
}

/// Returns the verb with this name.
///
/// # Errors
/// [`Error::Internal`] for a name that no verb has.
pub fn find(name: &str) -> Result<&'static Verb> {
    all().find(|verb| verb.name == name).ok_or_else(|| Error::Internal(format!("there is no verb '{name}'")))
}
