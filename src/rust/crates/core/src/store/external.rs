//! The policy on other files of which a file makes use.

use crate::error::{Error, Result};

/// The other files from which a file may take parts of itself: by links, external storage or
/// virtual datasets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum External {
    /// No other file.
    #[default]
    Refuse,
    /// Files in the folder of the file that was opened, symbolic links resolved.
    SameFolder,
    /// All files.
    Follow,
}

impl External {
    /// Returns the policy that the packages for R and Python call "refuse", "same-folder" or
    /// "follow".
    ///
    /// # Errors
    /// [`Error::Parameter`] for another name.
    pub fn parse(name: &str) -> Result<External> {
        match name {
            "refuse" => Ok(External::Refuse),
            "same-folder" => Ok(External::SameFolder),
            "follow" => Ok(External::Follow),
            _ => Err(Error::parameter("external", "'refuse', 'same-folder' or 'follow'", format!("'{name}'"))),
        }
    }

    /// Returns the name of the policy in the packages for R and Python, see [`External::parse`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            External::Refuse => "refuse",
            External::SameFolder => "same-folder",
            External::Follow => "follow",
        }
    }
}
