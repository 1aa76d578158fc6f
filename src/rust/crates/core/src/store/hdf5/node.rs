//! A group or dataset of an open file, and its errors.

use super::{fault, links, Hdf5File};
use crate::error::{Error, Result};
use crate::store::backend;
use hdf5::{h5call, Dataset, Group, Location};
use hdf5_sys::h5a::H5Aexists;
use std::ffi::CString;
use std::sync::Arc;

/// A group or dataset. Cheap to clone; keeps its file open.
#[derive(Clone)]
pub(super) struct Node {
    file: Arc<Hdf5File>,
    path: String,
    object: Object,
    /// The address of a dataset's header; 0 for a group.
    header: u64,
}

/// The HDF5 handle of a node.
#[derive(Clone)]
pub(super) enum Object {
    Group(Group),
    Dataset(Dataset),
}

impl Node {
    /// Makes the node of an open object; `path` is its path in the file.
    pub(super) fn new(file: &Arc<Hdf5File>, path: String, object: Object) -> Node {
        Node { file: file.clone(), path, object, header: 0 }
    }

    /// Returns the same object with the address of its header.
    pub(super) fn with_header(self, header: u64) -> Node {
        Node { header, ..self }
    }

    /// Returns the address of the header; 0 for a group.
    pub(super) fn header(&self) -> u64 {
        self.header
    }

    /// Returns the same object under another path.
    pub(super) fn with_path(self, path: String) -> Node {
        Node { path, ..self }
    }

    /// Returns the names of the group's members, in creation order where the file keeps it, else by
    /// name.
    ///
    /// # Errors
    /// [`Error::Format`] for a dataset or a damaged group.
    pub(super) fn keys(&self) -> Result<Vec<String>> {
        let group = self.group()?;
        let mut keys = links::names(group).map_err(|e| self.damaged(&e))?;
        if !keys.iter().all(|(order, _)| order.is_some()) {
            keys.iter_mut().for_each(|(order, _)| *order = None);
        }
        keys.sort();
        keys.into_iter().map(|(_, name)| self.utf8(name, "names of its members")).collect()
    }

    /// Returns bytes of the file as text, which must be UTF-8; `what` names them in the error.
    pub(super) fn utf8(&self, bytes: Vec<u8>, what: &str) -> Result<String> {
        String::from_utf8(bytes)
            .map_err(|e| self.format(format!("UTF-8 in the {what}"), format!("'{}'", e.as_bytes().escape_ascii())))
    }

    /// Returns whether this is a group.
    pub(super) fn is_group(&self) -> bool {
        matches!(self.object, Object::Group(_))
    }

    /// Returns the identity of this object, whichever links lead to it: the number that HDF5 gave
    /// the open file, and the object's place there.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged object.
    pub(super) fn identity(&self) -> Result<(u64, hdf5::LocationToken)> {
        let info = self.location().loc_info().map_err(|e| self.damaged(&e))?;
        Ok((info.fileno, info.token))
    }

    /// Returns the path inside the file, without a leading slash; "" is the root.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether there is an attribute `name`, of whatever type.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged element.
    pub(super) fn has_attribute(&self, name: &str) -> Result<bool> {
        let Ok(name) = CString::new(name) else { return Ok(false) };
        let found = || h5call!(H5Aexists(self.location().id(), name.as_ptr()));
        found().map(|there| there > 0).map_err(|e| self.damaged(&e))
    }

    /// Returns the extents of a dataset; `None` for a group and for a dataset without space
    /// (`null`).
    pub(super) fn shape(&self) -> Option<Vec<usize>> {
        match &self.object {
            Object::Dataset(d) => d.space().ok().filter(|s| !s.is_null()).map(|s| s.shape()),
            Object::Group(_) => None,
        }
    }

    /// Returns the handle of a group; [`Error::Format`] for a dataset.
    pub(super) fn group(&self) -> Result<&Group> {
        match &self.object {
            Object::Group(g) => Ok(g),
            Object::Dataset(_) => Err(self.format("a group", "a dataset")),
        }
    }

    /// Returns the handle of a dataset; [`Error::Format`] for a group.
    pub(super) fn dataset(&self) -> Result<&Dataset> {
        match &self.object {
            Object::Dataset(d) => Ok(d),
            Object::Group(_) => Err(self.format("a dataset", "a group")),
        }
    }

    /// Returns the handle of the group or dataset, for its attributes.
    pub(super) fn location(&self) -> &Location {
        match &self.object {
            Object::Group(g) => g,
            Object::Dataset(d) => d,
        }
    }

    /// Returns the node as an object of a store.
    pub(super) fn as_object(&self) -> &dyn backend::Object {
        self
    }

    /// Makes an [`Error::Format`] about this element.
    pub(super) fn format(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        self.as_object().format(expected, found)
    }

    /// Makes an [`Error::Unsupported`] about this element; `hint` is empty or starts with "; ".
    pub(super) fn unsupported(&self, what: impl Into<String>, hint: impl Into<String>) -> Error {
        self.as_object().unsupported(what, hint)
    }

    /// Returns the file of this element.
    pub(super) fn file(&self) -> &Arc<Hdf5File> {
        &self.file
    }

    /// Makes the error for an HDF5 call that failed on this element.
    pub(super) fn damaged(&self, error: &hdf5::Error) -> Error {
        let what = || format!("reading '{}', element '{}',", self.file.location(), self.path);
        if let Err(starved) = fault::fed(&what()) {
            return starved;
        }
        match fault::missing_filter(error) {
            Some(filter) => self.unsupported(filter, "; write the file again with gzip compression"),
            None => self.format("data that HDF5 can read", fault::cause(error)),
        }
    }
}
