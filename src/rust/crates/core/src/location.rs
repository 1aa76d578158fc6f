//! Where a store is.

use std::fmt;
use std::path::{Path, PathBuf};

/// The place of a store: what it is opened by again, and what errors show.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// A file or folder of this machine.
    Path(PathBuf),
    /// Anywhere else: "https://...", "s3://...", or "memory:..." of this process.
    Url(String),
}

impl Location {
    /// The path, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Location::Path(path) => Some(path),
            Location::Url(_) => None,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Path(path) => path.display().fmt(f),
            Location::Url(url) => f.write_str(url),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Location {
        Location::Path(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Location {
        Location::Path(path.to_owned())
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Location {
        Location::Path(path.clone())
    }
}

/// What it is opened by again.
impl From<&Location> for PathBuf {
    fn from(location: &Location) -> PathBuf {
        match location {
            Location::Path(path) => path.clone(),
            Location::Url(url) => url.into(),
        }
    }
}

impl From<&Location> for Location {
    fn from(location: &Location) -> Location {
        location.clone()
    }
}
