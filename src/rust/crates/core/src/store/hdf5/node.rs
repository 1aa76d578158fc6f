//! A group or dataset of an open file, and how errors about it are told.

use super::external;
use super::links::{self, Link};
use super::transfer::Typed;
use super::{array, fault, storage, External, Hdf5File};
use crate::error::{Error, Result};
use crate::store::array::ChunkedArray;
use crate::store::backend::{self, below, Backend, Identity, Stored};
use crate::store::{Attribute, Values};
use hdf5::{h5call, Dataset, Group, Location, LocationType};
use hdf5_sys::h5a::H5Aexists;
use std::any::Any;
use std::ffi::CString;
use std::sync::Arc;

/// Most links from one to the next.
const MOST_LINKS: usize = 16;

/// A group or dataset. Cheap to clone; keeps its file open.
#[derive(Clone)]
pub(super) struct Node {
    file: Arc<Hdf5File>,
    path: String,
    object: Object,
}

#[derive(Clone)]
enum Object {
    Group(Group),
    Dataset(Dataset),
}

impl Node {
    pub(super) fn open(file: &Arc<Hdf5File>, path: &str) -> Result<Node> {
        Node::root(file)?.walk(path, 0)
    }

    fn root(file: &Arc<Hdf5File>) -> Result<Node> {
        let root = file.hdf5().group("/").map_err(|e| Error::File {
            path: file.location().clone(),
            message: format!("its root group cannot be opened: {}", fault::cause(&e)),
        })?;
        Ok(Node { file: file.clone(), path: String::new(), object: Object::Group(root) })
    }

    /// The member `key` of this group. One that a link leads to in another file is a node of that file.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none (or a link that leads nowhere), [`Error::Format`] for a dataset,
    /// [`Error::External`] for one in a file that may not be opened.
    pub(super) fn child(&self, key: &str) -> Result<Node> {
        if key.is_empty() {
            return Err(self.as_object().missing(key));
        }
        self.walk(key, 0)
    }

    /// Returns the object at a path from here, after so many links.
    fn walk(&self, path: &str, links: usize) -> Result<Node> {
        let mut keys = path.split('/').filter(|k| !k.is_empty());
        let mut node = match keys.next() {
            Some(key) => self.step(key, links)?,
            None => return Ok(self.clone()),
        };
        for key in keys {
            node = node.step(key, links)?;
        }
        Ok(node)
    }

    fn below(&self, key: &str) -> String {
        below(&self.path, key)
    }

    fn missing<T>(&self, key: &str, hint: String) -> Result<T> {
        Err(Error::Missing { path: self.file.location().clone(), element: self.below(key), hint })
    }

    fn step(&self, key: &str, links: usize) -> Result<Node> {
        let group = self.group()?;
        let path = self.below(key);
        let broken = |found: String| Error::Format {
            path: self.file.location().clone(),
            element: path.clone(),
            expected: "an intact group or dataset".into(),
            found,
        };
        // "." means the group itself to HDF5, and a NUL cannot be in a name.
        if key == "." || key.contains('\0') {
            return Err(self.as_object().missing(key));
        }
        let link = links::link(group, key).map_err(|e| broken(fault::cause(&e)))?;
        if links > MOST_LINKS && link != Some(Link::Hard) {
            return Err(broken(format!("more than {MOST_LINKS} links in a row")));
        }
        match link {
            None => Err(self.as_object().missing(key)),
            Some(Link::Hard) => self.object(key, path),
            Some(Link::Soft(target)) => {
                let start = if target.starts_with('/') { Node::root(&self.file)? } else { self.clone() };
                match start.follow(&target, links + 1) {
                    Ok(node) if Arc::ptr_eq(&node.file, &self.file) => Ok(Node { path, ..node }),
                    Err(Error::Missing { .. }) => {
                        self.missing(key, format!("; it is a link to '{target}', which is not there"))
                    }
                    other => other,
                }
            }
            Some(Link::External { file, path: target }) => {
                let what = "an external link";
                let place = self.other_file(&path, what, &file)?;
                Node::root(&self.file.family().linked(&place)?)?.follow(&target, links + 1)
            }
            Some(Link::Unknown(kind)) => Err(Error::Unsupported {
                path: self.file.location().clone(),
                element: path,
                what: format!("a link of kind {kind}, which another program has made for itself,"),
                hint: String::new(),
            }),
        }
    }

    /// [`Node::walk`] for the path that a link holds, in which "." is where one is.
    fn follow(&self, path: &str, links: usize) -> Result<Node> {
        let keys: Vec<&str> = path.split('/').filter(|&k| k != ".").collect();
        self.walk(&keys.join("/"), links)
    }

    /// The file that the element at `element` names as `file`, when it may be opened.
    pub(super) fn other_file(&self, element: &str, what: &'static str, file: &str) -> Result<std::path::PathBuf> {
        let place = external::target(self.file.path(), file);
        self.file.family().allows(&place).map_err(|reason| Error::External {
            path: self.file.location().clone(),
            element: element.to_owned(),
            what,
            target: file.to_owned(),
            reason,
            hint: match self.file.external() {
                External::Follow => "",
                External::SameFolder => "; if you trust this file, open it with external = \"follow\"",
                External::Refuse => {
                    "; if you trust this file, open it with external = \"same-folder\", or \"follow\" for files anywhere"
                }
            },
        })
    }

    /// The object a hard link leads to.
    fn object(&self, key: &str, path: String) -> Result<Node> {
        let group = self.group()?;
        let broken = |e: hdf5::Error| match fault::fed(&format!("opening element '{path}'")) {
            Err(starved) => starved,
            Ok(()) => Error::Format {
                path: self.file.location().clone(),
                element: path.clone(),
                expected: "an intact group or dataset".into(),
                found: fault::cause(&e),
            },
        };
        let object = match group.loc_type_by_name(key).map_err(broken)? {
            LocationType::Group => Object::Group(group.group(key).map_err(broken)?),
            LocationType::Dataset => Object::Dataset(storage::open(group, key).map_err(broken)?),
            _ => {
                return Err(Error::Unsupported {
                    path: self.file.location().clone(),
                    element: path,
                    what: "an HDF5 object that is neither group nor dataset".into(),
                    hint: String::new(),
                })
            }
        };
        let node = Node { file: self.file.clone(), path, object };
        if let Object::Dataset(dataset) = &node.object {
            storage::check(&node, dataset)?;
        }
        Ok(node)
    }

    /// Members of this group, in creation order where the file keeps it, else by name.
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

    /// Text of the file, which is UTF-8 or an error.
    pub(super) fn utf8(&self, bytes: Vec<u8>, what: &str) -> Result<String> {
        String::from_utf8(bytes)
            .map_err(|e| self.format(format!("UTF-8 in the {what}"), format!("'{}'", e.as_bytes().escape_ascii())))
    }

    /// Whether it is a group.
    pub(super) fn is_group(&self) -> bool {
        matches!(self.object, Object::Group(_))
    }

    /// Returns the identity of this object, whichever links lead to it: the file it is in, as HDF5 numbers those that are
    /// open, and its place there.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged object.
    pub(super) fn identity(&self) -> Result<(u64, hdf5::LocationToken)> {
        let info = self.location().loc_info().map_err(|e| self.damaged(&e))?;
        Ok((info.fileno, info.token))
    }

    /// Path inside the file, without a leading slash; "" is the root.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether there is an attribute `name`, of whatever type.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged element.
    pub(super) fn has_attribute(&self, name: &str) -> Result<bool> {
        let Ok(name) = CString::new(name) else { return Ok(false) };
        let found = || h5call!(H5Aexists(self.location().id(), name.as_ptr()));
        found().map(|there| there > 0).map_err(|e| self.damaged(&e))
    }

    /// Extents of a dataset; `None` for a group and for a dataset without space (`null`).
    pub(super) fn shape(&self) -> Option<Vec<usize>> {
        match &self.object {
            Object::Dataset(d) => d.space().ok().filter(|s| !s.is_null()).map(|s| s.shape()),
            Object::Group(_) => None,
        }
    }

    pub(super) fn group(&self) -> Result<&Group> {
        match &self.object {
            Object::Group(g) => Ok(g),
            Object::Dataset(_) => Err(self.format("a group", "a dataset")),
        }
    }

    pub(super) fn dataset(&self) -> Result<&Dataset> {
        match &self.object {
            Object::Dataset(d) => Ok(d),
            Object::Group(_) => Err(self.format("a dataset", "a group")),
        }
    }

    pub(super) fn location(&self) -> &Location {
        match &self.object {
            Object::Group(g) => g,
            Object::Dataset(d) => d,
        }
    }

    fn as_object(&self) -> &dyn backend::Object {
        self
    }

    /// [`Error::Format`] about this element.
    pub(super) fn format(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        self.as_object().format(expected, found)
    }

    /// [`Error::Unsupported`] about this element; `hint` is empty or starts with "; ".
    pub(super) fn unsupported(&self, what: impl Into<String>, hint: impl Into<String>) -> Error {
        self.as_object().unsupported(what, hint)
    }

    /// The file it is in.
    pub(super) fn file(&self) -> &Arc<Hdf5File> {
        &self.file
    }

    /// The error for an HDF5 call that failed on this element.
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

impl backend::Object for Node {
    fn backend(&self) -> Arc<dyn Backend> {
        self.file.clone()
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn is_group(&self) -> bool {
        self.is_group()
    }

    fn child(&self, key: &str) -> Result<Arc<dyn backend::Object>> {
        Ok(Arc::new(self.child(key)?))
    }

    fn has_link(&self, key: &str) -> bool {
        let Object::Group(group) = &self.object else { return false };
        !key.is_empty() && !key.contains('\0') && group.link_exists(key)
    }

    fn keys(&self) -> Result<Vec<String>> {
        self.keys()
    }

    fn has_attribute(&self, name: &str) -> Result<bool> {
        self.has_attribute(name)
    }

    fn attribute(&self, name: &str) -> Result<Option<Attribute>> {
        if !self.has_attribute(name)? {
            return Ok(None);
        }
        let stored = Box::new(Typed::of_attribute(self, name)?);
        Values::new(self, stored, format!("attribute '{name}': ")).attribute().map(Some)
    }

    fn identity(&self) -> Result<Identity> {
        let (file, token) = self.identity()?;
        Ok(format!("{file} {token:?}"))
    }

    fn shape(&self) -> Option<Vec<usize>> {
        self.shape()
    }

    fn values(&self) -> Result<Box<dyn Stored + '_>> {
        Ok(Box::new(Typed::of_dataset(self)?))
    }

    fn array(&self) -> Result<Arc<dyn ChunkedArray>> {
        Ok(Arc::new(array::Hdf5Array::open(self)?))
    }

    fn any(&self) -> &dyn Any {
        self
    }
}
