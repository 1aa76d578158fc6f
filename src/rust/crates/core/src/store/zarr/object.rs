//! Groups and arrays of an open Zarr store as objects of a store.

use super::array::ZarrArray;
use super::chunks::Chunks;
use super::codecs::Fault;
use super::datatype::short;
use super::files::{is_name, Files};
use super::json::Json;
use super::metadata::{shape_of, Array};
use super::tree::{Meta, Tree};
use super::values::Values;
use crate::error::{Error, Result};
use crate::store::array::{ChunkedArray, NumberType};
use crate::store::backend::{below, Backend, Identity, Object, Stored};
use crate::store::Attribute;
use std::any::Any;
use std::sync::Arc;

/// A group or array of an open store.
pub(super) struct Member {
    backend: Arc<dyn Backend>,
    tree: Arc<Tree>,
    path: String,
    meta: Arc<Meta>,
}

impl Member {
    /// Finds the group or array at `path`.
    ///
    /// # Errors
    /// [`Error::Missing`]; the errors of reading its metadata.
    pub(super) fn find(backend: &Arc<dyn Backend>, tree: &Arc<Tree>, path: &str) -> Result<Member> {
        let root = tree.meta("")?.ok_or_else(|| Error::Missing {
            path: backend.location().clone(),
            element: String::new(),
            hint: "; its metadata are gone".to_owned(),
        })?;
        let root = Member { backend: backend.clone(), tree: tree.clone(), path: String::new(), meta: root };
        path.split('/').filter(|key| !key.is_empty()).try_fold(root, |member, key| member.member(key))
    }

    fn as_object(&self) -> &dyn Object {
        self
    }

    fn found(&self, key: &str) -> Result<Option<Member>> {
        let path = below(&self.path, key);
        let meta = if is_name(key) { self.tree.meta(&path)? } else { None };
        Ok(meta.map(|meta| Member { backend: self.backend.clone(), tree: self.tree.clone(), path, meta }))
    }

    /// Returns the metadata.
    pub(super) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Returns the objects of the store.
    pub(super) fn files(&self) -> &Arc<dyn Files> {
        self.tree.files()
    }

    /// Returns the version of the format of the store.
    pub(super) fn version(&self) -> u8 {
        self.tree.version()
    }

    /// Returns a member of this group, by its key or by a path that starts here.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Format`] when this, or a group on the path, is an array.
    pub(super) fn member(&self, key: &str) -> Result<Member> {
        if self.meta.is_array {
            return Err(self.as_object().format("a group", "an array"));
        }
        // "T/NK" is "NK" in the group "T".
        let (first, rest) = key.split_once('/').map_or((key, None), |(first, rest)| (first, Some(rest)));
        let member = self.found(first)?.ok_or_else(|| self.as_object().missing(key))?;
        match rest {
            Some(rest) => member.member(rest),
            None => Ok(member),
        }
    }

    fn fault(&self, fault: Fault) -> Error {
        match fault {
            Fault::Unsupported(what) => self.as_object().unsupported(what, ""),
            Fault::Wrong(expected, found) => self.as_object().format(expected, found),
        }
    }

    /// Reads the description of an array from its metadata.
    ///
    /// # Errors
    /// [`Error::Format`] for a group and for damaged metadata; [`Error::Unsupported`] for codecs
    /// that cannot be read.
    fn parsed(&self) -> Result<Array> {
        if !self.meta.is_array {
            return Err(self.as_object().format("a dataset", "a group"));
        }
        Array::from_json(&self.meta.json, self.tree.version()).map_err(|fault| self.fault(fault))
    }

    /// Looks up the chunks of an array.
    ///
    /// # Errors
    /// The errors of [`Chunks::open`].
    fn chunks(&self, array: Array) -> Result<Chunks> {
        Chunks::open(self.tree.files(), &self.path, Arc::new(array), self.tree.opened())
    }
}

impl Object for Member {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn is_group(&self) -> bool {
        !self.meta.is_array
    }

    fn child(&self, key: &str) -> Result<Arc<dyn Object>> {
        Ok(Arc::new(self.member(key)?))
    }

    fn has_link(&self, key: &str) -> Result<bool> {
        // A damaged array exists.
        Ok(self.meta.attributes.is_ok()
            && !self.meta.is_array
            && !matches!(self.member(key), Err(Error::Missing { .. })))
    }

    fn keys(&self) -> Result<Vec<String>> {
        match self.meta.is_array {
            true => Err(self.as_object().format("a group", "a dataset")),
            false => self.tree.keys(&self.path),
        }
    }

    fn has_attribute(&self, name: &str) -> Result<bool> {
        Ok(self.attributes()?.get(name).is_some())
    }

    fn attribute(&self, name: &str) -> Result<Option<Attribute>> {
        let Some(json) = self.attributes()?.get(name) else { return Ok(None) };
        let unusual = || self.as_object().unsupported(format!("attribute '{name}': the value {}", short(json)), "");
        attribute_of(json).map(Some).ok_or_else(unusual)
    }

    fn identity(&self) -> Result<Identity> {
        Ok(self.path.clone())
    }

    fn shape(&self) -> Option<Vec<usize>> {
        let shape = shape_of(&self.meta.json).ok().filter(|_| self.meta.is_array)?;
        shape.into_iter().map(|e| usize::try_from(e).ok()).collect()
    }

    fn values(&self) -> Result<Box<dyn Stored + '_>> {
        let array = Arc::new(self.parsed()?);
        Ok(Box::new(Values::new(self, self.tree.files(), self.tree.opened(), array)?))
    }

    fn array(&self) -> Result<Arc<dyn ChunkedArray>> {
        let array = self.parsed()?;
        let kind = array.of.kind();
        let Some(dtype) = kind.dtype() else {
            return Err(self.as_object().unsupported(format!("values of type {}", kind.name()), ""));
        };
        let number = NumberType { dtype, swapped: array.of.swapped };
        Ok(Arc::new(ZarrArray::new(self.chunks(array)?, number)?))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Member {
    fn attributes(&self) -> Result<&Json> {
        self.meta.attributes.as_ref().map_err(|found| self.as_object().format("attributes that can be read", found))
    }
}

/// Reads an attribute from JSON: one value, or a list of values of one type; `None` for anything
/// else.
fn attribute_of(json: &Json) -> Option<Attribute> {
    let single = std::slice::from_ref(json);
    let list = match json {
        Json::Null => return Some(Attribute::Empty),
        Json::List(list) => list.as_slice(),
        Json::Map(_) => return None,
        _ => single,
    };
    let all_texts = list.iter().map(|x| x.text().map(str::to_owned)).collect::<Option<_>>().map(Attribute::Text);
    let booleans = || {
        let truth = |x: &Json| if let Json::Bool(x) = x { Some(*x) } else { None };
        list.iter().map(truth).collect::<Option<_>>().map(Attribute::Boolean)
    };
    let whole = || list.iter().map(Json::whole).collect::<Option<_>>().map(Attribute::Integer);
    let floats = || list.iter().map(Json::float).collect::<Option<_>>().map(Attribute::Float);
    all_texts.or_else(booleans).or_else(whole).or_else(floats)
}
