//! Which other files a file may take parts of itself from.

use crate::error::{Error, Result};

/// Which other files a file may take parts of itself from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum External {
    /// None.
    #[default]
    Refuse,
    /// Files in the folder of the file that was asked for, symbolic links resolved.
    SameFolder,
    /// All.
    Follow,
}

impl External {
    /// By its name in the faces: "refuse", "same-folder" or "follow".
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn parse(name: &str) -> Result<External> {
        match name {
            "refuse" => Ok(External::Refuse),
            "same-folder" => Ok(External::SameFolder),
            "follow" => Ok(External::Follow),
            _ => Err(Error::parameter("external", "'refuse', 'same-folder' or 'follow'", format!("'{name}'"))),
        }
    }

    /// Its name in the faces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            External::Refuse => "refuse",
            External::SameFolder => "same-folder",
            External::Follow => "follow",
        }
    }
}
