//! The stand-in for `remote` in a build without remote stores. Its items have the names and the
//! signatures of the items of `remote`, whose docs hold for them. No URL can be opened, so no value
//! of [`Place`], [`RemoteFile`] or [`Mark`] ever exists.

use super::array::{Extent, Take, TakePiece};
use super::backend::FileState;
use super::traffic::Traffic;
use crate::error::{Error, Result};
use crate::location::Location;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn absent<T>(url: &str) -> Result<T> {
    let scheme = url.split("://").next().unwrap_or_default();
    Err(Error::State(format!(
        "'{scheme}://...' is remote, and this build of anndataoom reads files of this machine alone: install it without \
         ANNDATAOOM_REMOTE=false in the environment, or download the file"
    )))
}

/// Refuses a URL.
///
/// # Errors
/// [`Error::State`] always.
pub(super) fn named(url: &str, _: &[(String, String)]) -> Result<String> {
    absent(url)
}

/// Does nothing: there is no cache, and its settings are ignored.
///
/// # Errors
/// None.
pub fn set_cache(_: Option<&Path>, _: Option<u64>) -> Result<()> {
    Ok(())
}

/// Returns `None`: there is no cache.
pub fn cache_folder() -> Option<PathBuf> {
    None
}

/// Refuses a URL.
///
/// # Errors
/// [`Error::State`] always.
pub(super) fn part_url(url: &str, _: &str) -> Result<String> {
    absent(url)
}

/// Returns `false`: no location is a URL here.
pub(super) fn ends_in(_: &Location, _: &[&str]) -> bool {
    false
}

/// A remote place; it has no values here.
#[derive(Debug)]
pub(super) struct Place(Infallible);

/// A remote object; it has no values here.
#[derive(Debug)]
pub(super) struct RemoteFile(Infallible);

/// The part of an object that is requested.
pub(super) enum Part {
    All,
}

/// The reply to a request: bytes of an object, and the object's state.
pub(super) struct Got {
    pub(super) bytes: Vec<u8>,
    pub(super) mark: Mark,
}

/// The state of a remote object; it has no values here.
pub(super) struct Mark(Infallible);

/// Parts of an object that one request fetches.
pub(super) struct Run {
    pub(super) object: u64,
    pub(super) at: u64,
    pub(super) size: u64,
}

impl Mark {
    pub(super) fn state(&self) -> FileState {
        match self.0 {}
    }
}

/// Refuses to fetch extents.
///
/// # Errors
/// [`Error::Internal`] always, since nothing here can ask for it.
pub(super) fn fetch(
    _: &[Extent],
    _: impl Fn(&Run) -> Result<Option<Vec<u8>>> + Sync,
    _: &mut TakePiece<'_>,
) -> Result<()> {
    Err(Error::Internal("there is nothing remote".to_owned()))
}

impl Place {
    pub(super) fn open(url: &str) -> Result<Place> {
        absent(url)
    }

    pub(super) fn location(&self) -> &Location {
        match self.0 {}
    }

    pub(super) fn traffic(&self) -> Traffic {
        match self.0 {}
    }

    pub(super) fn get(&self, _: &str, _: &Part) -> Result<Option<Got>> {
        match self.0 {}
    }

    pub(super) fn mark(&self, _: &str) -> Result<Option<Mark>> {
        match self.0 {}
    }

    pub(super) fn folders(&self, _: &str) -> Result<Vec<String>> {
        match self.0 {}
    }
}

impl RemoteFile {
    pub(super) fn open(place: &Arc<Place>, _: &str) -> Result<Option<RemoteFile>> {
        match place.0 {}
    }

    pub(super) fn open_end(place: &Arc<Place>, _: &str, _: u64) -> Result<Option<RemoteFile>> {
        match place.0 {}
    }

    pub(super) fn place(&self) -> &Arc<Place> {
        match self.0 {}
    }

    pub(super) fn number(&self) -> u64 {
        match self.0 {}
    }

    pub(super) fn len(&self) -> u64 {
        match self.0 {}
    }

    pub(super) fn state(&self) -> FileState {
        match self.0 {}
    }

    pub(super) fn part(&self, _: u64, _: u64) -> Result<Vec<u8>> {
        match self.0 {}
    }

    pub(super) fn read(&self, _: u64, _: &mut [u8]) -> Result<()> {
        match self.0 {}
    }

    pub(super) fn fetch(&self, _: &[Extent], _: &mut Take<'_>) -> Result<()> {
        match self.0 {}
    }

    pub(super) fn fetch_pieces(&self, _: &[Extent], _: &mut TakePiece<'_>) -> Result<()> {
        match self.0 {}
    }

    pub(super) fn is_marked(&self) -> bool {
        match self.0 {}
    }
}
