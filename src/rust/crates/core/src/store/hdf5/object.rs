//! A node of an HDF5 file as an object of a store.

use super::transfer::Typed;
use super::{array, links, Node};
use crate::error::Result;
use crate::store::array::ChunkedArray;
use crate::store::backend::{self, Backend, Identity, Stored};
use crate::store::{Attribute, Values};
use std::any::Any;
use std::sync::Arc;

impl backend::Object for Node {
    fn backend(&self) -> Arc<dyn Backend> {
        self.file().clone()
    }

    fn path(&self) -> &str {
        self.path()
    }

    fn is_group(&self) -> bool {
        self.is_group()
    }

    fn child(&self, key: &str) -> Result<Arc<dyn backend::Object>> {
        Ok(Arc::new(self.child(key)?))
    }

    fn has_link(&self, key: &str) -> Result<bool> {
        let Ok(group) = self.group() else { return Ok(false) };
        if key.is_empty() || key.contains('\0') {
            return Ok(false);
        }
        links::exists(group, key).map_err(|e| self.damaged(&e))
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

    fn as_any(&self) -> &dyn Any {
        self
    }
}
