//! Places of stores.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The place of a store, for opening it again and for errors. Clones are cheap.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location(Arc<Place>);

#[derive(Debug, PartialEq, Eq, Hash)]
enum Place {
    Path(PathBuf),
    Url(String),
    /// A group of a store.
    Group(Location, String),
}

impl Location {
    /// Makes the location of a URL, or of any other place that is no path of this machine
    /// ("https://...", "s3://...", "memory:..." within this process).
    pub fn url(url: impl Into<String>) -> Location {
        Location(Arc::new(Place::Url(url.into())))
    }

    /// Returns the location that a user names: a URL where the text begins like one
    /// ("https://..."), else a path.
    pub fn named(place: &Path) -> Location {
        match place.to_str().filter(|text| is_url(text)) {
            Some(url) => Location::url(url),
            None => place.into(),
        }
    }

    /// Returns whether this is a URL, and no file or folder of this machine.
    pub fn is_url(&self) -> bool {
        match &*self.0 {
            Place::Url(url) => is_url(url),
            Place::Group(whole, _) => whole.is_url(),
            Place::Path(_) => false,
        }
    }

    /// Returns the file or folder on this machine; `None` for a URL. For a group it is the whole
    /// store's.
    pub fn path(&self) -> Option<&Path> {
        match &*self.0 {
            Place::Path(path) => Some(path),
            Place::Group(whole, _) => whole.path(),
            Place::Url(_) => None,
        }
    }

    /// Returns the location of the group `path` of this store.
    #[must_use]
    pub fn join(&self, path: &str) -> Location {
        Location(Arc::new(Place::Group(self.clone(), path.to_owned())))
    }

    /// Returns the path of the group inside the store; empty for the whole store.
    pub fn group(&self) -> &str {
        match &*self.0 {
            Place::Group(_, path) => path,
            Place::Path(_) | Place::Url(_) => "",
        }
    }
}

/// Returns whether a text begins like a URL: with a name, a colon and two slashes.
pub(crate) fn is_url(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once("://") else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    // A letter alone is a drive.
    scheme.len() > 1 && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(plain)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Place::Path(path) => path.display().fmt(f),
            Place::Url(url) => f.write_str(url),
            Place::Group(whole, path) => write!(f, "{whole}/{path}"),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Location {
        Location(Arc::new(Place::Path(path)))
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Location {
        path.to_owned().into()
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Location {
        path.clone().into()
    }
}

/// Returns the path or URL by which the store is opened again, for a group the whole store's.
impl From<&Location> for PathBuf {
    fn from(location: &Location) -> PathBuf {
        match &*location.0 {
            Place::Path(path) => path.clone(),
            Place::Url(url) => url.into(),
            Place::Group(whole, _) => whole.into(),
        }
    }
}

impl From<&Location> for Location {
    fn from(location: &Location) -> Location {
        location.clone()
    }
}
