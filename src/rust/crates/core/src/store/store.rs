//! An open store, and the groups and arrays in it.

use super::array::ChunkedArray;
use super::backend::{Backend, FileState, Identity, Object};
use super::traffic::Traffic;
use super::{backends, group, Attribute, External, Values};
use crate::error::{Error, Result};
use crate::location::Location;
use std::path::Path;
use std::sync::Arc;

/// A store open for reading. Arrays and elements hold an `Arc` of it, so it lives as long as
/// anything read from it. Nothing is written through it: a save has its own view of the file.
pub struct Store(Arc<dyn Backend>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("location", self.location()).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes the store of a backend.
    pub(super) fn new(backend: Arc<dyn Backend>) -> Arc<Store> {
        Arc::new(Store(backend))
    }

    /// Returns the backend.
    pub(super) fn backend(&self) -> &Arc<dyn Backend> {
        &self.0
    }

    /// Opens an existing HDF5 file or Zarr store for reading, and none of the files it names. A
    /// save of it that was interrupted is finished first.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not there, not readable or locked; [`Error::File`] when it is not
    /// HDF5 or truncated.
    pub fn open(path: impl AsRef<Path>) -> Result<Arc<Store>> {
        Self::open_as(path, false, External::Refuse)
    }

    /// Opens an existing file for reading and for saving into it (mode "r+"): see
    /// [`save_h5ad`](crate::write::save_h5ad).
    ///
    /// # Errors
    /// The errors of [`Store::open`]; [`Error::Io`] when the file cannot be written or another
    /// process is writing to it.
    pub fn open_to_save(path: impl AsRef<Path>) -> Result<Arc<Store>> {
        Self::open_as(path, true, External::Refuse)
    }

    /// Opens an existing file for reading or, with `save`, to be saved into; `external` says which
    /// of the files it names may be opened too.
    ///
    /// # Errors
    /// The errors of [`Store::open`] and [`Store::open_to_save`].
    pub fn open_as(path: impl AsRef<Path>, save: bool, external: External) -> Result<Arc<Store>> {
        Ok(Store::new(backends::open(path.as_ref(), save, external)?))
    }

    /// Returns the group at `path` as a store of its own, for files that hold several objects. A
    /// save into it is a save into the whole file.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none, with the keys that are there; [`Error::Format`] for
    /// an array.
    pub fn subgroup(&self, path: &str) -> Result<Arc<Store>> {
        Ok(Store::new(group::subgroup(self.backend(), path)?))
    }

    /// Returns the location of the store; a path is absolute.
    pub fn location(&self) -> &Location {
        self.0.location()
    }

    /// Returns the name of its format: "hdf5", "zarr" or "memory".
    pub fn format(&self) -> &'static str {
        self.0.format()
    }

    /// Checks that the store has a format.
    ///
    /// # Errors
    /// [`Error::File`], with the function that reads the format it has.
    pub fn expect_format(&self, format: &str) -> Result<()> {
        let found = match self.format() {
            found if found == format => return Ok(()),
            "zarr" => "is a Zarr store: open it with read_zarr(), or with read(), which finds out what there is",
            _ => {
                "is an HDF5 file, no Zarr store: open it with read_h5ad(), or with read(), which finds out what there is"
            }
        };
        Err(Error::File { path: self.location().clone(), message: found.to_owned() })
    }

    /// Returns whether the store was opened to be saved into.
    pub fn can_save(&self) -> bool {
        self.0.can_save()
    }

    /// Returns the policy on the files that it names.
    pub fn external(&self) -> External {
        self.0.external()
    }

    /// Returns the bytes of all that is stored.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Returns a mark of the present state of the store, which changes with the file; `None` where
    /// there is none.
    pub(crate) fn state(&self) -> Option<FileState> {
        self.0.state()
    }

    /// Returns the state in which a remote store was opened: its bytes, and a number that changes
    /// with its ETag; `None` for a local store.
    pub fn mark(&self) -> Option<(u64, u64)> {
        self.traffic()?;
        self.state().map(|state| (state.bytes, state.modified.0))
    }

    /// Returns the group or array at `path` ("" or "/" is the root).
    ///
    /// # Errors
    /// [`Error::Missing`], with the keys that are there.
    pub fn node(self: &Arc<Self>, path: &str) -> Result<Node> {
        Ok(Node::new(self, self.0.clone().object(path)?))
    }

    /// Returns the names of the members of the group at `path`, in the order of creation where the
    /// store keeps it, else by name.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none, [`Error::Format`] when it is an array.
    pub fn keys(self: &Arc<Self>, path: &str) -> Result<Vec<String>> {
        self.node(path)?.keys()
    }

    /// Returns whether there is a group or array at `path`. It counts as there if it is in another
    /// file that may not be opened, or if a remote store cannot be read: reading it tells why.
    pub fn exists(self: &Arc<Self>, path: &str) -> bool {
        match self.node(path) {
            Ok(_) | Err(Error::External { .. }) => true,
            Err(Error::Io { .. } | Error::File { .. } | Error::Cancelled) => self.location().is_url(),
            Err(_) => false,
        }
    }

    /// Keeps this store, if it is remote, for the next call in this process that opens a remote
    /// store. That call sends no request if the location is the same.
    pub(crate) fn hand_on(&self) {
        if self.traffic().is_some() {
            backends::hand_on(&self.0);
        }
    }

    /// Returns the requests and bytes of a remote store so far; `None` for a local store.
    pub fn traffic(&self) -> Option<Traffic> {
        self.0.traffic()
    }

    /// Returns whether `path` is a group (else an array).
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn is_group(self: &Arc<Self>, path: &str) -> Result<bool> {
        Ok(self.node(path)?.is_group())
    }

    /// Reads the attribute `name` of the group or array at `path`; `None` when it has none of that
    /// name.
    ///
    /// # Errors
    /// [`Error::Missing`] when `path` is not there, [`Error::Unsupported`] for an attribute of an
    /// unusual type.
    pub fn attribute(self: &Arc<Self>, path: &str, name: &str) -> Result<Option<Attribute>> {
        self.node(path)?.attribute(name)
    }
}

/// A group or array. Cheap to clone; keeps its store open.
#[derive(Clone)]
pub struct Node {
    store: Arc<Store>,
    object: Arc<dyn Object>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("store", self.store().location()).field("path", &self.path()).finish()
    }
}

impl Node {
    /// Makes the node of an object that came from `store`, or from a link in it: the object may lie
    /// in another store.
    fn new(store: &Arc<Store>, object: Arc<dyn Object>) -> Node {
        let backend = object.backend();
        let store = if Arc::ptr_eq(&backend, store.backend()) { store.clone() } else { Store::new(backend) };
        Node { store, object }
    }

    /// Returns the object, for its backend.
    pub(super) fn object(&self) -> &dyn Object {
        &*self.object
    }

    /// Returns the member `key` of this group. If a link leads to another store, the member is a
    /// node of that store.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none (or a link that leads nowhere), [`Error::Format`] for
    /// an array, [`Error::External`] for one in a store that may not be opened.
    pub fn child(&self, key: &str) -> Result<Node> {
        Ok(Node::new(&self.store, self.object.child(key)?))
    }

    /// Returns the member `key` of this group; `None` when there is none, or when this is an array.
    ///
    /// # Errors
    /// [`Error::Format`] when it is there but broken.
    pub fn optional(&self, key: &str) -> Result<Option<Node>> {
        if self.is_group() && self.object.has_link(key)? {
            self.child(key).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Returns the names of the members of this group, in creation order where the store keeps it,
    /// else by name.
    ///
    /// # Errors
    /// [`Error::Format`] for an array or a damaged group.
    pub fn keys(&self) -> Result<Vec<String>> {
        self.object.keys()
    }

    /// Returns whether this is a group.
    pub fn is_group(&self) -> bool {
        self.object.is_group()
    }

    /// Returns the identity of this object, the same whichever links lead to it.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged object.
    pub(crate) fn identity(&self) -> Result<Identity> {
        self.object.identity()
    }

    /// Returns the path inside the store, without a leading slash; "" is the root.
    pub fn path(&self) -> &str {
        self.object.path()
    }

    /// Returns the store of this node.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Reads the attribute `name`; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an attribute that is not text, number or bool; [`Error::Format`]
    /// for a damaged one.
    pub fn attribute(&self, name: &str) -> Result<Option<Attribute>> {
        self.object.attribute(name)
    }

    /// Returns whether there is an attribute `name`, of whatever type.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged element.
    pub fn has_attribute(&self, name: &str) -> Result<bool> {
        self.object.has_attribute(name)
    }

    /// Returns the extents of an array; `None` for a group and for an array without space (`null`).
    pub fn shape(&self) -> Option<Vec<usize>> {
        self.object.shape()
    }

    /// Prepares to read the values of an array, of any type.
    pub(crate) fn values(&self) -> Result<Values<'_>> {
        Ok(Values::new(&*self.object, self.object.values()?, String::new()))
    }

    /// Prepares to read an array of numbers chunk by chunk.
    ///
    /// # Errors
    /// [`Error::Format`] for a group or a damaged array; [`Error::Unsupported`] for a type or
    /// filter that cannot be read.
    pub(crate) fn array(&self) -> Result<Arc<dyn ChunkedArray>> {
        self.object.array()
    }

    /// Checks that this is an array.
    ///
    /// # Errors
    /// [`Error::Format`] for a group.
    pub(crate) fn expect_array(&self) -> Result<()> {
        if self.is_group() {
            return Err(self.format("a dataset", "a group"));
        }
        Ok(())
    }

    /// Makes an [`Error::Format`] about this element.
    pub(crate) fn format(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        self.object.format(expected, found)
    }

    /// Makes an [`Error::Unsupported`] about this element; `hint` is empty or starts with "; ".
    pub(crate) fn unsupported(&self, what: impl Into<String>, hint: impl Into<String>) -> Error {
        self.object.unsupported(what, hint)
    }
}
