//! The way to an object of a file. Links are followed, into other files where they may be opened,
//! and the parts of a virtual dataset are opened before the dataset.

use super::claim::check_claim;
use super::environment::{prefixes, EXTERNAL_PREFIX, VIRTUAL_PREFIX};
use super::layout::layout;
use super::links::{self, Link};
use super::node::Object;
use super::{datatype, external, fault, parts, storage, External, Hdf5File, Node};
use crate::error::{Error, Result};
use crate::store::backend::{below, Backend};
use hdf5::{Dataset, LocationType};
use hdf5_sys::h5d::H5D_layout_t;
use std::cell::Cell;
use std::sync::Arc;

/// Upper bound of the links in a row.
const MOST_LINKS: usize = 16;

/// Upper bound of the nesting of virtual datasets.
const DEEPEST: usize = 8;
/// Upper bound of the parts of all nested virtual datasets together.
const MOST: usize = 50_000;
impl Node {
    /// Opens the object at `path`, links followed; "" is the root.
    pub(super) fn open(file: &Arc<Hdf5File>, path: &str) -> Result<Node> {
        Node::root(file)?.walk(path, 0)
    }

    fn root(file: &Arc<Hdf5File>) -> Result<Node> {
        let root = file.hdf5().group("/").map_err(|e| match fault::fed("opening the root group") {
            Err(other) => other,
            Ok(()) => Error::File {
                path: file.location().clone(),
                message: format!("its root group cannot be opened: {}", fault::cause(&e)),
            },
        })?;
        Ok(Node::new(file, String::new(), Object::Group(root)))
    }

    /// Returns the member `key` of this group. If a link leads to another file, the member is a
    /// node of that file.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none (or a link that leads nowhere), [`Error::Format`] for
    /// a dataset, [`Error::External`] for one in a file that may not be opened.
    pub(super) fn child(&self, key: &str) -> Result<Node> {
        if key.is_empty() {
            return Err(self.as_object().missing(key));
        }
        self.walk(key, 0)
    }

    /// Returns the object at a path from here; `links` is the number of links already followed.
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
        below(self.path(), key)
    }

    fn missing<T>(&self, key: &str, hint: String) -> Result<T> {
        Err(Error::Missing { path: self.file().location().clone(), element: self.below(key), hint })
    }

    fn step(&self, key: &str, links: usize) -> Result<Node> {
        let group = self.group()?;
        let path = self.below(key);
        let broken = |found: String| Error::Format {
            path: self.file().location().clone(),
            element: path.clone(),
            expected: "an intact group or dataset".into(),
            found,
        };
        // "." means the group itself to HDF5, and a NUL cannot be in a name.
        if key == "." || key.contains('\0') {
            return Err(self.as_object().missing(key));
        }
        let link = links::link(group, key).map_err(|e| match fault::fed(&format!("opening element '{path}'")) {
            Err(other) => other,
            Ok(()) => broken(fault::cause(&e)),
        })?;
        if links > MOST_LINKS && !matches!(link, Some(Link::Hard(_))) {
            return Err(broken(format!("more than {MOST_LINKS} links in a row")));
        }
        match link {
            None => Err(self.as_object().missing(key)),
            Some(Link::Hard(header)) => self.object(key, path, header),
            Some(Link::Soft(target)) => {
                let start = if target.starts_with('/') { Node::root(self.file())? } else { self.clone() };
                match start.follow(&target, links + 1) {
                    Ok(node) if Arc::ptr_eq(node.file(), self.file()) => Ok(node.with_path(path)),
                    Err(Error::Missing { .. }) => {
                        self.missing(key, format!("; it is a link to '{target}', which is not there"))
                    }
                    other => other,
                }
            }
            Some(Link::External { file, path: target }) => {
                let what = "an external link";
                let place = self.other_file(&path, what, &file)?;
                Node::root(&self.file().linked(&place)?)?.follow(&target, links + 1)
            }
            Some(Link::Unknown(kind)) => Err(Error::Unsupported {
                path: self.file().location().clone(),
                element: path,
                what: format!("a link of kind {kind}, which another program has made for itself,"),
                hint: String::new(),
            }),
        }
    }

    /// Returns the object at the path in a link, like [`Node::walk`]; "." in the path is skipped.
    fn follow(&self, path: &str, links: usize) -> Result<Node> {
        let keys: Vec<&str> = path.split('/').filter(|&k| k != ".").collect();
        self.walk(&keys.join("/"), links)
    }

    /// Returns the path of the file that the element at `element` names as `file`, if it may be
    /// opened. `what` names the kind of reference in the error.
    pub(super) fn other_file(&self, element: &str, what: &'static str, file: &str) -> Result<std::path::PathBuf> {
        let place = external::target(self.file().path(), file);
        self.file().family().allows(&place).map_err(|reason| Error::External {
            path: self.file().location().clone(),
            element: element.to_owned(),
            what,
            target: file.to_owned(),
            reason,
            hint: match self.file().external() {
                External::Follow => "",
                External::SameFolder => "; if you trust this file, open it with external = \"follow\"",
                External::Refuse => {
                    "; if you trust this file, open it with external = \"same-folder\", or \"follow\" for files anywhere"
                }
            },
        })
    }

    /// Opens the object a hard link leads to, whose header is at `header`.
    fn object(&self, key: &str, path: String, header: u64) -> Result<Node> {
        let group = self.group()?;
        let broken = |e: hdf5::Error| match fault::fed(&format!("opening element '{path}'")) {
            Err(starved) => starved,
            Ok(()) => Error::Format {
                path: self.file().location().clone(),
                element: path.clone(),
                expected: "an intact group or dataset".into(),
                found: fault::cause(&e),
            },
        };
        let object = match group.loc_type_by_name(key).map_err(broken)? {
            LocationType::Group => Object::Group(group.group(key).map_err(broken)?),
            LocationType::Dataset => {
                let parts = parts::count(self.file().bytes_read(), self.file().superblock(), header);
                let parts = parts.map_err(|e| match e.kind() {
                    // The kind of errors about a damaged header or list.
                    std::io::ErrorKind::Other => broken(e.to_string().into()),
                    _ => Error::io(self.file().path(), "read", &e),
                });
                match parts? {
                    Some((n, most)) if n > most => {
                        return Err(Error::Format {
                            path: self.file().location().clone(),
                            element: path.clone(),
                            expected: format!("a virtual dataset of at most {most} parts, for which its list has room"),
                            found: format!("{n} parts: the file is damaged"),
                        })
                    }
                    _ => Object::Dataset(storage::open(group, key).map_err(broken)?),
                }
            }
            _ => {
                return Err(Error::Unsupported {
                    path: self.file().location().clone(),
                    element: path,
                    what: "an HDF5 object that is neither group nor dataset".into(),
                    hint: String::new(),
                })
            }
        };
        let node = Node::new(self.file(), path, object).with_header(header);
        if !node.is_group() {
            check(&node, node.dataset()?)?;
        }
        Ok(node)
    }
}

thread_local! {
    /// The nesting of virtual datasets in which this thread is, and the number of datasets checked
    /// for the outermost one.
    static WITHIN: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Checks that the values of a dataset lie in files that may be opened, before any of those is
/// opened.
fn check(node: &Node, dataset: &Dataset) -> Result<()> {
    let (depth, seen) = WITHIN.get();
    if depth > DEEPEST || seen > MOST {
        return Err(
            node.format(format!("at most {MOST} parts of virtual datasets, {DEEPEST} in one another"), "more parts")
        );
    }
    WITHIN.set((depth + 1, seen + 1));
    let done = check_parts(node, dataset);
    let seen = if depth == 0 { 0 } else { WITHIN.get().1 };
    WITHIN.set((depth, seen));
    done
}

fn check_parts(node: &Node, dataset: &Dataset) -> Result<()> {
    let plist = dataset.create_plist().map_err(|e| node.damaged(&e))?;
    for file in storage::external_files(plist.id()).map_err(|e| node.damaged(&e))? {
        node.other_file(node.path(), "its values are in external storage, which leads", &file)?;
        if prefixes()[0] {
            return Err(prefixed(node, EXTERNAL_PREFIX));
        }
    }
    if layout(plist.id()) != Some(H5D_layout_t::H5D_VIRTUAL) {
        return Ok(());
    }
    for (file, path) in storage::sources(plist.id()).map_err(|e| node.damaged(&e))? {
        let what = "it is a virtual dataset with a part that leads";
        // A pattern of names. The library opens the files and datasets that match it.
        if file.contains('%') || path.contains('%') {
            if node.file().external() != External::Follow {
                node.other_file(node.path(), what, &file)?;
                return Err(node.unsupported("a virtual dataset of files by a pattern of names", FOLLOW));
            }
            continue;
        }
        let store = if file == "." {
            node.file().clone()
        } else {
            let place = node.other_file(node.path(), what, &file)?;
            if prefixes()[1] {
                return Err(prefixed(node, VIRTUAL_PREFIX));
            }
            node.file().linked(&place)?
        };
        // The library takes a missing source for empty, so it is opened here first, which also
        // checks it.
        let source = Node::open(&store, &path)?;
        check_claim(&source, source.dataset()?)?;
        // The library converts the source's type, too.
        let kind = source.dataset()?.dtype().and_then(|t| datatype::kind_of(&t)).map_err(|e| source.damaged(&e))?;
        if let Some(name) = datatype::unreadable(&kind) {
            return Err(source.unsupported(name, ""));
        }
        if !Arc::ptr_eq(source.file(), &store) {
            return Err(node.unsupported("a virtual dataset with a part behind an external link", ""));
        }
    }
    Ok(())
}

fn prefixed(node: &Node, variable: &str) -> Error {
    let hint = format!("; unset {variable} and start again");
    node.unsupported(format!("values in other files, for which the variable {variable} names another folder,"), hint)
}

const FOLLOW: &str = "; if you trust this file, open it with external = \"follow\"";
