//! Changing what a group holds: only for a file being saved into, see [`Update`](super::Update).

use super::GroupWriter;
use crate::error::{Error, Result};
use hdf5::{from_id, h5call};
use hdf5_sys::h5a::{H5Adelete, H5Aexists};
use hdf5_sys::h5g::H5Gopen2;
use hdf5_sys::h5l::{H5Ldelete, H5Lmove};
use hdf5_sys::h5p::H5P_DEFAULT;
use std::ffi::CString;

impl<'w> GroupWriter<'w> {
    /// The subgroup `key`, which is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn existing(&self, key: &str) -> Result<GroupWriter<'w>> {
        let name = c_name(key)?;
        let open = || -> hdf5::Result<hdf5::Group> {
            let id = h5call!(H5Gopen2(self.group.id(), name.as_ptr(), H5P_DEFAULT))?;
            // SAFETY: the identifier was just returned by the constructor.
            unsafe { from_id(id) }
        };
        let group = open().map_err(|e| self.writer.fault(&e))?;
        Ok(GroupWriter { writer: self.writer, group, path: self.join(key) })
    }

    /// Removes `key`. Its space is not used again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn remove(&self, key: &str) -> Result<()> {
        self.writer.forget_copied(&self.join(key));
        let name = c_name(key)?;
        let remove = || h5call!(H5Ldelete(self.group.id(), name.as_ptr(), H5P_DEFAULT)).map(|_| ());
        remove().map_err(|e| self.writer.fault(&e))
    }

    /// Gives `from` the name `to`, which is free.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.writer.rename_copied(&self.join(from), &self.join(to));
        let (from, to, id) = (c_name(from)?, c_name(to)?, self.group.id());
        let rename = || h5call!(H5Lmove(id, from.as_ptr(), id, to.as_ptr(), H5P_DEFAULT, H5P_DEFAULT)).map(|_| ());
        rename().map_err(|e| self.writer.fault(&e))
    }

    /// Sets an attribute of a list of texts anew.
    ///
    /// # Errors
    /// As [`GroupWriter::set_texts`].
    pub(crate) fn reset_texts(&self, name: &str, texts: &[&str]) -> Result<()> {
        let c = c_name(name)?;
        let id = self.group.id();
        let remove = || -> hdf5::Result<()> {
            if h5call!(H5Aexists(id, c.as_ptr()))? > 0 {
                h5call!(H5Adelete(id, c.as_ptr()))?;
            }
            Ok(())
        };
        remove().map_err(|e| self.writer.fault(&e))?;
        self.set_texts(name, texts)
    }
}

fn c_name(key: &str) -> Result<CString> {
    CString::new(key).map_err(|_| Error::parameter("key", "a name without NUL characters", format!("{key:?}")))
}
