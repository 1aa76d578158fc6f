//! Remote stores: files over HTTP and in object stores, read in ranges.
//!
//! `address` is a URL with its options, public and secret. `client` sends requests, again where
//! that may help; `watch` ends the waiting when the call is cancelled. `stores` signs requests to
//! object stores. `place` fetches parts of objects. [`RemoteFile`] is an object in one state:
//! `blocks` keeps the parts of its metadata that were read, `fetch` reads many parts at once, and
//! `disk` caches parts on this machine. Nothing here knows a format.

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
pub(super) use file::RemoteFile;
pub(super) use place::{Part, Place};

/// Returns the text that stands for a URL wherever a path is expected, and keeps its secrets in
/// this process. Anybody may see the text, and another process can open the store from it and its
/// own environment.
///
/// # Errors
/// [`crate::Error::Parameter`] for a text that is no URL, or for options that do not exist.
pub(super) fn named(url: &str, options: &[(String, String)]) -> Result<String> {
    let address = Address::new(url, options)?;
    let before = address.remember();
    let text = address.shown();
    // Wrong options are reported now, whether or not the text is used, and are not kept.
    Place::open(&text).inspect_err(|_| address.restore(before))?;
    Ok(text)
}

/// Returns the text that stands for the object or folder `name` below a URL, with the options and
/// secrets of the URL.
///
/// # Errors
/// The errors of [`named`].
pub(super) fn part_url(url: &str, name: &str) -> Result<String> {
    let mut address = Address::new(url, &[])?;
    address.key = format!("{}/{name}", address.key);
    address.remember();
    Ok(address.shown())
}

/// Returns whether the path of a URL ends in one of `endings`, in lower or upper case.
pub(super) fn ends_in(location: &Location, endings: &[&str]) -> bool {
    let text = location.to_string();
    let path = text.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase();
    endings.iter().any(|ending| path.ends_with(ending))
}
