//! A group or array of an open store.

use super::array::ChunkedArray;
use super::backend::{Identity, Object};
use super::{Attribute, Store, Values};
use crate::error::{Error, Result};
use std::sync::Arc;

/// A group or array. Cheap to clone; keeps its store open.
#[derive(Clone)]
pub struct Node(Arc<dyn Object>);

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("store", self.store().location()).field("path", &self.path()).finish()
    }
}

impl Node {
    pub(in crate::store) fn new(object: Arc<dyn Object>) -> Node {
        Node(object)
    }

    /// What the backend knows of it.
    pub(in crate::store) fn object(&self) -> &dyn Object {
        &*self.0
    }

    /// The member `key` of this group. One that a link leads to in another store is a node of that.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none (or a link that leads nowhere), [`Error::Format`] for an array,
    /// [`Error::External`] for one in a store that may not be opened.
    pub fn child(&self, key: &str) -> Result<Node> {
        self.0.child(key)
    }

    /// The member `key` of this group, `None` when there is none (or this is an array).
    ///
    /// # Errors
    /// [`Error::Format`] when it is there but broken.
    pub fn optional(&self, key: &str) -> Result<Option<Node>> {
        if self.is_group() && self.0.has_link(key) {
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
        self.0.keys()
    }

    /// Whether it is a group.
    pub fn is_group(&self) -> bool {
        self.0.is_group()
    }

    /// What tells this object from others, whichever links lead to it.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged object.
    pub(crate) fn identity(&self) -> Result<Identity> {
        self.0.identity()
    }

    /// Path inside the store, without a leading slash; "" is the root.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        self.0.store()
    }

    /// The attribute `name`, `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an attribute that is not text, number or bool; [`Error::Format`] for a damaged one.
    pub fn attribute(&self, name: &str) -> Result<Option<Attribute>> {
        self.0.attribute(name)
    }

    /// Whether there is an attribute `name`, of whatever type.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged element.
    pub fn has_attribute(&self, name: &str) -> Result<bool> {
        self.0.has_attribute(name)
    }

    /// Extents of an array; `None` for a group and for an array without space (`null`).
    pub fn shape(&self) -> Option<Vec<usize>> {
        self.0.shape()
    }

    /// What an array holds, ready to be read.
    pub(crate) fn values(&self) -> Result<Values<'_>> {
        Ok(Values::new(&*self.0, self.0.values()?, String::new()))
    }

    /// An array of numbers, to be read chunk by chunk.
    ///
    /// # Errors
    /// [`Error::Format`] for a group or a damaged array; [`Error::Unsupported`] for a type or filter that cannot be read.
    pub(crate) fn array(&self) -> Result<Arc<dyn ChunkedArray>> {
        self.0.array()
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
        self.0.format(expected, found)
    }

    /// [`Error::Unsupported`] about this element; `hint` is empty or starts with "; ".
    pub(crate) fn unsupported(&self, what: impl Into<String>, hint: impl Into<String>) -> Error {
        self.0.unsupported(what, hint)
    }
}
