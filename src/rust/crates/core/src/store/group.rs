//! A group of a store as a store of its own: paths in it begin at the group.

use super::array::ChunkedArray;
use super::backend::{Backend, Change, FileState, Identity, Object, Stored};
use super::sink::GroupSink;
use super::traffic::Traffic;
use super::{Attribute, External};
use crate::error::Result;
use crate::location::Location;
use std::any::Any;
use std::sync::Arc;

/// A group of another store.
struct Group {
    whole: Arc<dyn Backend>,
    /// Path of the group in the other store, without slashes at its ends.
    path: String,
    location: Location,
}

/// Returns the group at `path` of a store as a backend of its own.
///
/// # Errors
/// [`Error::Missing`](crate::Error::Missing) when there is none;
/// [`Error::Format`](crate::Error::Format) for an array.
pub(super) fn subgroup(whole: &Arc<dyn Backend>, path: &str) -> Result<Arc<dyn Backend>> {
    let object = whole.clone().object(path)?;
    if !object.is_group() {
        return Err(object.format("a group", "a dataset"));
    }
    Ok(new(whole.clone(), path))
}

fn new(whole: Arc<dyn Backend>, path: &str) -> Arc<dyn Backend> {
    let path = path.trim_matches('/').to_owned();
    let location = whole.location().join(&path);
    Arc::new(Group { whole, path, location })
}

impl Group {
    fn wrapped(self: &Arc<Self>, inner: Arc<dyn Object>) -> Arc<dyn Object> {
        // The target of a link into another store, or out of the group, keeps its own path.
        let same = Arc::ptr_eq(&inner.backend(), &self.whole);
        let path = inner.path().strip_prefix(&self.path).filter(|p| p.is_empty() || p.starts_with('/'));
        match path.filter(|_| same) {
            Some(path) => {
                let path = path.trim_start_matches('/').to_owned();
                Arc::new(Member { inner, group: self.clone(), path })
            }
            None => inner,
        }
    }
}

impl Backend for Group {
    fn location(&self) -> &Location {
        &self.location
    }

    fn format(&self) -> &'static str {
        self.whole.format()
    }

    fn object(self: Arc<Self>, path: &str) -> Result<Arc<dyn Object>> {
        let path = path.trim_matches('/');
        let whole = if path.is_empty() { self.path.clone() } else { format!("{}/{path}", self.path) };
        let inner = self.whole.clone().object(&whole)?;
        Ok(self.wrapped(inner))
    }

    fn bytes(&self) -> u64 {
        self.whole.bytes()
    }

    fn external(&self) -> External {
        self.whole.external()
    }

    fn state(&self) -> Option<FileState> {
        self.whole.state()
    }

    fn traffic(&self) -> Option<Traffic> {
        self.whole.traffic()
    }

    fn can_save(&self) -> bool {
        self.whole.can_save()
    }

    fn change(&self) -> Result<Box<dyn Change>> {
        Ok(Box::new(GroupChange { whole: self.whole.change()?, path: self.path.clone() }))
    }
}

/// A save into a group.
struct GroupChange {
    whole: Box<dyn Change>,
    path: String,
}

impl Change for GroupChange {
    fn root(&self) -> Result<Box<dyn GroupSink<'_> + '_>> {
        self.path.split('/').try_fold(self.whole.root()?, |group, key| group.existing(key))
    }

    fn commit(self: Box<Self>) -> Result<Arc<dyn Backend>> {
        Ok(new(self.whole.commit()?, &self.path))
    }
}

/// A group or array of a group.
struct Member {
    inner: Arc<dyn Object>,
    group: Arc<Group>,
    /// Path from the group.
    path: String,
}

impl Object for Member {
    fn backend(&self) -> Arc<dyn Backend> {
        self.group.clone()
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn is_group(&self) -> bool {
        self.inner.is_group()
    }

    fn child(&self, key: &str) -> Result<Arc<dyn Object>> {
        Ok(self.group.wrapped(self.inner.child(key)?))
    }

    fn has_link(&self, key: &str) -> Result<bool> {
        self.inner.has_link(key)
    }

    fn keys(&self) -> Result<Vec<String>> {
        self.inner.keys()
    }

    fn has_attribute(&self, name: &str) -> Result<bool> {
        self.inner.has_attribute(name)
    }

    fn attribute(&self, name: &str) -> Result<Option<Attribute>> {
        self.inner.attribute(name)
    }

    fn identity(&self) -> Result<Identity> {
        self.inner.identity()
    }

    fn shape(&self) -> Option<Vec<usize>> {
        self.inner.shape()
    }

    fn values(&self) -> Result<Box<dyn Stored + '_>> {
        self.inner.values()
    }

    fn array(&self) -> Result<Arc<dyn ChunkedArray>> {
        self.inner.array()
    }

    fn as_any(&self) -> &dyn Any {
        self.inner.as_any()
    }
}
