//! A group or dataset of an open file, and how errors about it are told.

use super::{fault, Attribute, Store, Values};
use crate::error::{Error, Result};
use hdf5::{Dataset, Group, Location, LocationType};
use std::sync::Arc;

/// A group or dataset. Cheap to clone; keeps its file open.
#[derive(Clone)]
pub struct Node {
    store: Arc<Store>,
    path: String,
    object: Object,
}

#[derive(Clone)]
enum Object {
    Group(Group),
    Dataset(Dataset),
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("file", &self.store.path()).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Node {
    pub(super) fn open(store: &Arc<Store>, path: &str) -> Result<Node> {
        let root = store.hdf5().group("/").map_err(|e| Error::File {
            path: store.path().to_owned(),
            message: format!("its root group cannot be opened: {e}"),
        })?;
        let mut node = Node { store: store.clone(), path: String::new(), object: Object::Group(root) };
        for key in path.split('/').filter(|k| !k.is_empty()) {
            node = node.child(key)?;
        }
        Ok(node)
    }

    /// The member `key` of this group.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none (or a link that leads nowhere), [`Error::Format`] for a dataset.
    pub fn child(&self, key: &str) -> Result<Node> {
        let group = self.group()?;
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}/{key}", self.path) };
        let missing =
            |hint: String| Err(Error::Missing { path: self.store.path().to_owned(), element: path.clone(), hint });
        // "." means the group itself to HDF5, and a NUL cannot be in a name.
        if key.is_empty() || key == "." || key.contains('\0') || !group.link_exists(key) {
            return missing(self.hint());
        }
        let Ok(kind) = group.loc_type_by_name(key) else {
            return missing("; it is a link to something that is not there".into());
        };
        let broken = |e: String| Error::Format {
            path: self.store.path().to_owned(),
            element: path.clone(),
            expected: "an intact group or dataset".into(),
            found: e,
        };
        let object = match kind {
            LocationType::Group => Object::Group(group.group(key).map_err(|e| broken(e.to_string()))?),
            LocationType::Dataset => Object::Dataset(group.dataset(key).map_err(|e| broken(e.to_string()))?),
            _ => {
                return Err(Error::Unsupported {
                    path: self.store.path().to_owned(),
                    element: path,
                    what: "an HDF5 object that is neither group nor dataset".into(),
                    hint: String::new(),
                })
            }
        };
        Ok(Node { store: self.store.clone(), path, object })
    }

    /// The member `key`, `None` when there is no such link.
    ///
    /// # Errors
    /// As [`Node::child`], for a member that is there but broken.
    pub fn optional(&self, key: &str) -> Result<Option<Node>> {
        match &self.object {
            Object::Group(group) if !key.is_empty() && group.link_exists(key) => self.child(key).map(Some),
            _ => Ok(None),
        }
    }

    /// Members of this group, in creation order where the file keeps it, else by name.
    ///
    /// # Errors
    /// [`Error::Format`] for a dataset or a damaged group.
    pub fn keys(&self) -> Result<Vec<String>> {
        let group = self.group()?;
        let mut keys = group
            .iter_visit_default(Vec::new(), |_, name, info, keys: &mut Vec<_>| {
                keys.push((info.creation_order, name.to_owned()));
                true
            })
            .map_err(|e| self.damaged(&e))?;
        if !keys.iter().all(|(order, _)| order.is_some()) {
            keys.iter_mut().for_each(|(order, _)| *order = None);
        }
        keys.sort();
        Ok(keys.into_iter().map(|(_, name)| name).collect())
    }

    /// Whether it is a group.
    pub fn is_group(&self) -> bool {
        matches!(self.object, Object::Group(_))
    }

    /// What tells this object from others, whichever links lead to it: the file it is in, as HDF5 numbers those that are
    /// open, and its place there.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged object.
    pub(crate) fn identity(&self) -> Result<(u64, hdf5::LocationToken)> {
        let info = self.location().loc_info().map_err(|e| self.damaged(&e))?;
        Ok((info.fileno, info.token))
    }

    /// Path inside the file, without a leading slash; "" is the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The file.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The attribute `name`, `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an attribute that is not text, number or bool; [`Error::Format`] for a damaged one.
    pub fn attribute(&self, name: &str) -> Result<Option<Attribute>> {
        Attribute::read(self, name)
    }

    /// Whether there is an attribute `name`, of whatever type.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged element.
    pub fn has_attribute(&self, name: &str) -> Result<bool> {
        Ok(self.location().attr_names().map_err(|e| self.damaged(&e))?.iter().any(|n| n == name))
    }

    /// Extents of a dataset; `None` for a group and for a dataset without space (`null`).
    pub fn shape(&self) -> Option<Vec<usize>> {
        match &self.object {
            Object::Dataset(d) => d.space().ok().filter(|s| !s.is_null()).map(|s| s.shape()),
            Object::Group(_) => None,
        }
    }

    /// What a dataset holds, ready to be read.
    pub(crate) fn values(&self) -> Result<Values<'_>> {
        Values::of_dataset(self)
    }

    pub(crate) fn group(&self) -> Result<&Group> {
        match &self.object {
            Object::Group(g) => Ok(g),
            Object::Dataset(_) => Err(self.format("a group", "a dataset")),
        }
    }

    pub(crate) fn dataset(&self) -> Result<&Dataset> {
        match &self.object {
            Object::Dataset(d) => Ok(d),
            Object::Group(_) => Err(self.format("a dataset", "a group")),
        }
    }

    pub(crate) fn location(&self) -> &Location {
        match &self.object {
            Object::Group(g) => g,
            Object::Dataset(d) => d,
        }
    }

    /// [`Error::Format`] about this element.
    pub(crate) fn format(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::Format {
            path: self.store.path().to_owned(),
            element: self.name().to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// [`Error::Unsupported`] about this element; `hint` is empty or starts with "; ".
    pub(crate) fn unsupported(&self, what: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Unsupported {
            path: self.store.path().to_owned(),
            element: self.name().to_owned(),
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// The error for an HDF5 call that failed on this element.
    pub(crate) fn damaged(&self, error: &hdf5::Error) -> Error {
        match fault::missing_filter(error) {
            Some(filter) => self.unsupported(filter, "; write the file again with gzip compression"),
            None => self.format("data that HDF5 can read", fault::cause(error)),
        }
    }

    fn name(&self) -> &str {
        if self.path.is_empty() {
            "/"
        } else {
            &self.path
        }
    }

    fn hint(&self) -> String {
        const SHOWN: usize = 20;
        match self.keys() {
            Ok(keys) if keys.is_empty() => format!("; '{}' is empty", self.name()),
            Ok(keys) => {
                let more = if keys.len() > SHOWN { ", ..." } else { "" };
                let shown = keys.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
                format!("; '{}' has {shown}{more}", self.name())
            }
            Err(_) => String::new(),
        }
    }
}
