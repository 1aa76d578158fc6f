//! Stores far away: files over HTTP and in object stores, read in ranges.
//!
//! `address` is a URL with its options, and which of them may be shown; `client` sends requests,
//! again where that helps (`watch` ends the waiting when the call is cancelled); `stores` signs
//! those to object stores; `place` gives parts of objects; [`FarFile`] is one object in one state,
//! of which `blocks` keeps what was read of its metadata, `fetch` gets many parts at once and
//! `disk` keeps parts on this machine. Nothing here knows a format.

mod address;
mod blocks;
mod client;
mod counts;
mod disk;
mod fetch;
mod file;
mod place;
mod stores;
mod watch;

use crate::error::Result;
use crate::location::Location;
use address::Address;
pub use disk::{cache_folder, set_cache};
pub(super) use fetch::{fetch, Run};
pub(super) use file::FarFile;
pub(super) use place::{Part, Place};

/// The text that stands for a URL wherever a path does, with its secrets put by: what anybody may
/// see, and all that another process needs beside its environment.
///
/// # Errors
/// [`crate::Error::Parameter`] for a URL or options that are none.
pub(super) fn named(url: &str, options: &[(String, String)]) -> Result<String> {
    let address = Address::new(url, options)?;
    address.remember();
    let text = address.shown();
    // Wrong options are told now, whatever is done with the text.
    Place::open(&text)?;
    Ok(text)
}

/// Whether a name far away ends in one of these.
pub(super) fn ends_in(location: &Location, endings: &[&str]) -> bool {
    let text = location.to_string();
    let path = text.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase();
    endings.iter().any(|ending| path.ends_with(ending))
}
