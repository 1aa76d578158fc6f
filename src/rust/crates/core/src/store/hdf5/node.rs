//! A group or dataset of an open file, and how errors about it are told.

use super::external::{self, External};
use super::links::{self, Link};
use super::{fault, storage, Attribute, Store, Values};
use crate::error::{Error, Result};
use hdf5::{h5call, Dataset, Group, Location, LocationType};
use hdf5_sys::h5a::H5Aexists;
use std::ffi::CString;
use std::sync::Arc;

/// Most links from one to the next.
const MOST_LINKS: usize = 16;

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
        Node::root(store)?.walk(path, 0)
    }

    fn root(store: &Arc<Store>) -> Result<Node> {
        let root = store.hdf5().group("/").map_err(|e| Error::File {
            path: store.path().to_owned(),
            message: format!("its root group cannot be opened: {}", fault::cause(&e)),
        })?;
        Ok(Node { store: store.clone(), path: String::new(), object: Object::Group(root) })
    }

    /// The member `key` of this group. One that a link leads to in another file is a node of that file.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none (or a link that leads nowhere), [`Error::Format`] for a dataset,
    /// [`Error::External`] for one in a file that may not be opened.
    pub fn child(&self, key: &str) -> Result<Node> {
        if key.is_empty() {
            return self.missing(key, self.hint());
        }
        self.walk(key, 0)
    }

    /// What lies at a path from here, after so many links.
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
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}/{key}", self.path)
        }
    }

    fn missing<T>(&self, key: &str, hint: String) -> Result<T> {
        Err(Error::Missing { path: self.store.path().to_owned(), element: self.below(key), hint })
    }

    fn step(&self, key: &str, links: usize) -> Result<Node> {
        let group = self.group()?;
        let path = self.below(key);
        let broken = |found: String| Error::Format {
            path: self.store.path().to_owned(),
            element: path.clone(),
            expected: "an intact group or dataset".into(),
            found,
        };
        // "." means the group itself to HDF5, and a NUL cannot be in a name.
        if key == "." || key.contains('\0') {
            return self.missing(key, self.hint());
        }
        let link = links::link(group, key).map_err(|e| broken(fault::cause(&e)))?;
        if links > MOST_LINKS && link != Some(Link::Hard) {
            return Err(broken(format!("more than {MOST_LINKS} links in a row")));
        }
        match link {
            None => self.missing(key, self.hint()),
            Some(Link::Hard) => self.object(key, path),
            Some(Link::Soft(target)) => {
                let start = if target.starts_with('/') { Node::root(&self.store)? } else { self.clone() };
                match start.follow(&target, links + 1) {
                    Ok(node) if Arc::ptr_eq(&node.store, &self.store) => Ok(Node { path, ..node }),
                    Err(Error::Missing { .. }) => {
                        self.missing(key, format!("; it is a link to '{target}', which is not there"))
                    }
                    other => other,
                }
            }
            Some(Link::External { file, path: target }) => {
                let what = "an external link";
                let place = self.other_file(&path, what, &file)?;
                Node::root(&self.store.family().linked(&place)?)?.follow(&target, links + 1)
            }
            Some(Link::Unknown(kind)) => Err(Error::Unsupported {
                path: self.store.path().to_owned(),
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
        let place = external::target(self.store.path(), file);
        self.store.family().allows(&place).map_err(|reason| Error::External {
            path: self.store.path().to_owned(),
            element: element.to_owned(),
            what,
            target: file.to_owned(),
            reason,
            hint: match self.store.external() {
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
                path: self.store.path().to_owned(),
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
                    path: self.store.path().to_owned(),
                    element: path,
                    what: "an HDF5 object that is neither group nor dataset".into(),
                    hint: String::new(),
                })
            }
        };
        let node = Node { store: self.store.clone(), path, object };
        if let Object::Dataset(dataset) = &node.object {
            storage::check(&node, dataset)?;
        }
        Ok(node)
    }

    /// The member `key`, `None` when there is no such link.
    ///
    /// # Errors
    /// As [`Node::child`], for a member that is there but broken.
    pub fn optional(&self, key: &str) -> Result<Option<Node>> {
        match &self.object {
            Object::Group(group) if !key.is_empty() && !key.contains('\0') && group.link_exists(key) => {
                self.child(key).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Members of this group, in creation order where the file keeps it, else by name.
    ///
    /// # Errors
    /// [`Error::Format`] for a dataset or a damaged group.
    pub fn keys(&self) -> Result<Vec<String>> {
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
        let Ok(name) = CString::new(name) else { return Ok(false) };
        let found = || h5call!(H5Aexists(self.location().id(), name.as_ptr()));
        found().map(|there| there > 0).map_err(|e| self.damaged(&e))
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
        let what = || format!("reading '{}', element '{}',", self.store().path().display(), self.name());
        if let Err(starved) = fault::fed(&what()) {
            return starved;
        }
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
