//! An open store, and the groups and arrays in it.

use super::array::ChunkedArray;
use super::backend::{Backend, Identity, Object, State};
use super::traffic::Traffic;
use super::{backends, group, Attribute, External, Values};
use crate::error::{Error, Result};
use crate::location::Location;
use std::path::Path;
use std::sync::Arc;

/// A store open for reading. Arrays and elements hold an `Arc` on it, so it lives as long as
/// anything read from it. Through it nothing is ever written; what is saved into it is another's.
pub struct Store(Arc<dyn Backend>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("location", self.location()).finish_non_exhaustive()
    }
}

impl Store {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Arc<Store> {
        Arc::new(Store(backend))
    }

    pub(super) fn backend(&self) -> &Arc<dyn Backend> {
        &self.0
    }

    /// Opens an existing HDF5 file or Zarr store for reading, and none of the files it names. A
    /// save of it that was interrupted is finished first.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not there, not readable or locked, [`Error::File`] when it is not
    /// HDF5 or truncated.
    pub fn open(path: impl AsRef<Path>) -> Result<Arc<Store>> {
        Self::open_as(path, false, External::Refuse)
    }

    /// The same for a file that shall be saved into (mode "r+"): see
    /// [`save_h5ad`](crate::write::save_h5ad).
    ///
    /// # Errors
    /// As [`Store::open`]; [`Error::Io`] when it cannot be written or another process is writing to
    /// it.
    pub fn open_to_save(path: impl AsRef<Path>) -> Result<Arc<Store>> {
        Self::open_as(path, true, External::Refuse)
    }

    /// Opens an existing file for reading or, with `save`, to be saved into; `external` says which
    /// of the files it names may be opened too.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::open_to_save`].
    pub fn open_as(path: impl AsRef<Path>, save: bool, external: External) -> Result<Arc<Store>> {
        Ok(Store::new(backends::open(path.as_ref(), save, external)?))
    }

    /// The group at `path` as a store of its own: one of the objects in a file that holds several.
    /// It is saved into as the whole is.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none, with what there is; [`Error::Format`] for an array.
    pub fn within(&self, path: &str) -> Result<Arc<Store>> {
        Ok(Store::new(group::within(self.backend(), path)?))
    }

    /// Where it is; a path is absolute.
    pub fn location(&self) -> &Location {
        self.0.location()
    }

    /// The name of its format: "hdf5", "zarr" or "memory".
    pub fn format(&self) -> &'static str {
        self.0.format()
    }

    /// That it is of a format.
    ///
    /// # Errors
    /// [`Error::File`], with the reader of what it is.
    pub fn expect_format(&self, format: &str) -> Result<()> {
        let found = match self.format() {
            found if found == format => return Ok(()),
            "zarr" => "is a Zarr store: open it with read_zarr(), or with read(), which finds out what there is",
            _ => "is an HDF5 file, no Zarr store: open it with read_h5ad(), or with read(), which finds out what there is",
        };
        Err(Error::File { path: self.location().clone(), message: found.to_owned() })
    }

    /// Whether it was opened to be saved into.
    pub fn can_save(&self) -> bool {
        self.0.can_save()
    }

    /// Which of the files it names may be opened too.
    pub fn external(&self) -> External {
        self.0.external()
    }

    /// Bytes of all that is stored.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// A mark of its present state, which changes with the file; `None` where there is none.
    pub(crate) fn state(&self) -> Option<State> {
        self.0.state()
    }

    /// The state that a store far away was opened in: its bytes, and a number that changes with its
    /// ETag; `None` for one of this machine.
    pub fn mark(&self) -> Option<(u64, u64)> {
        self.traffic()?;
        self.state().map(|state| (state.bytes, state.modified.0))
    }

    /// The group or array at `path` ("" or "/" is the root).
    ///
    /// # Errors
    /// [`Error::Missing`], with the keys that are there.
    pub fn node(self: &Arc<Self>, path: &str) -> Result<Node> {
        Ok(Node::new(self, self.0.clone().object(path)?))
    }

    /// Names in the group at `path`, in the order they were created where the store keeps it, else
    /// by name.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none, [`Error::Format`] when it is an array.
    pub fn keys(self: &Arc<Self>, path: &str) -> Result<Vec<String>> {
        self.node(path)?.keys()
    }

    /// Whether there is a group or array at `path`; one in another file that may not be opened is
    /// there, and so is one far away of which nobody knows, as reading it tells why.
    pub fn exists(self: &Arc<Self>, path: &str) -> bool {
        match self.node(path) {
            Ok(_) | Err(Error::External { .. }) => true,
            Err(Error::Io { .. } | Error::File { .. } | Error::Cancelled) => self.location().is_url(),
            Err(_) => false,
        }
    }

    /// Leaves a store far away to the next to open it, so that nothing is asked for twice.
    pub(crate) fn hand_on(&self) {
        if self.traffic().is_some() {
            backends::hand_on(&self.0);
        }
    }

    /// What a store far away took so far; `None` for one of this machine.
    pub fn traffic(&self) -> Option<Traffic> {
        self.0.traffic()
    }

    /// Whether `path` is a group (else an array).
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn is_group(self: &Arc<Self>, path: &str) -> Result<bool> {
        Ok(self.node(path)?.is_group())
    }

    /// The attribute `name` of the group or array at `path`, `None` when it has none of that name.
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
    /// Of an object that `store` gave, or that one of it led to: it may be in another.
    fn new(store: &Arc<Store>, object: Arc<dyn Object>) -> Node {
        let backend = object.backend();
        let store = if Arc::ptr_eq(&backend, store.backend()) { store.clone() } else { Store::new(backend) };
        Node { store, object }
    }

    /// The object as the backend knows it.
    pub(super) fn object(&self) -> &dyn Object {
        &*self.object
    }

    /// The member `key` of this group. One that a link leads to in another store is a node of that.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none (or a link that leads nowhere), [`Error::Format`] for
    /// an array, [`Error::External`] for one in a store that may not be opened.
    pub fn child(&self, key: &str) -> Result<Node> {
        Ok(Node::new(&self.store, self.object.child(key)?))
    }

    /// The member `key` of this group, `None` when there is none (or this is an array).
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

    /// Members of this group, in creation order where the store keeps it, else by name.
    ///
    /// # Errors
    /// [`Error::Format`] for an array or a damaged group.
    pub fn keys(&self) -> Result<Vec<String>> {
        self.object.keys()
    }

    /// Whether it is a group.
    pub fn is_group(&self) -> bool {
        self.object.is_group()
    }

    /// The identity of this object, whichever links lead to it.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged object.
    pub(crate) fn identity(&self) -> Result<Identity> {
        self.object.identity()
    }

    /// Path inside the store, without a leading slash; "" is the root.
    pub fn path(&self) -> &str {
        self.object.path()
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The attribute `name`, `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an attribute that is not text, number or bool; [`Error::Format`]
    /// for a damaged one.
    pub fn attribute(&self, name: &str) -> Result<Option<Attribute>> {
        self.object.attribute(name)
    }

    /// Whether there is an attribute `name`, of whatever type.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged element.
    pub fn has_attribute(&self, name: &str) -> Result<bool> {
        self.object.has_attribute(name)
    }

    /// Extents of an array; `None` for a group and for an array without space (`null`).
    pub fn shape(&self) -> Option<Vec<usize>> {
        self.object.shape()
    }

    /// The values of an array, ready to be read.
    pub(crate) fn values(&self) -> Result<Values<'_>> {
        Ok(Values::new(&*self.object, self.object.values()?, String::new()))
    }

    /// An array of numbers, to be read chunk by chunk.
    ///
    /// # Errors
    /// [`Error::Format`] for a group or a damaged array; [`Error::Unsupported`] for a type or
    /// filter that cannot be read.
    pub(crate) fn array(&self) -> Result<Arc<dyn ChunkedArray>> {
        self.object.array()
    }

    /// That it is an array.
    ///
    /// # Errors
    /// [`Error::Format`] for a group.
    pub(crate) fn expect_array(&self) -> Result<()> {
        if self.is_group() {
            return Err(self.format("a dataset", "a group"));
        }
        Ok(())
    }

    /// [`Error::Format`] about this element.
    pub(crate) fn format(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        self.object.format(expected, found)
    }

    /// [`Error::Unsupported`] about this element; `hint` is empty or starts with "; ".
    pub(crate) fn unsupported(&self, what: impl Into<String>, hint: impl Into<String>) -> Error {
        self.object.unsupported(what, hint)
    }
}
