//! Writes into stores in memory.

use super::read::Member;
use super::tree::{Array, Group, Item};
use super::{lock, Memory};
use crate::error::{Error, Result};
use crate::store::backend::{Backend, Change};
use crate::store::sink::{ArraySink, Cells, GroupSink, Layout, Setting, StoreSink, Target};
use crate::store::Kind;
use std::any::Any;
use std::sync::Arc;

/// The content that replaces that of `memory` on commit: a new store, or a save into an open one.
pub(super) struct New {
    pub(super) memory: Memory,
    pub(super) root: Arc<Group>,
}

impl StoreSink for New {
    fn root(&self) -> Result<Box<dyn GroupSink<'_> + '_>> {
        Ok(Box::new(self.root.clone()))
    }

    fn commit(self: Box<Self>) -> Result<()> {
        self.memory.replace(self.root);
        Ok(())
    }
}

impl Change for New {
    fn root(&self) -> Result<Box<dyn GroupSink<'_> + '_>> {
        Ok(Box::new(self.root.clone()))
    }

    fn commit(self: Box<Self>) -> Result<Arc<dyn Backend>> {
        self.memory.replace(self.root);
        Ok(self.memory.opened())
    }
}

fn missing(key: &str) -> Error {
    Error::Internal(format!("no '{key}' in a group in memory"))
}

impl<'w> GroupSink<'w> for Arc<Group> {
    fn exists(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn group(&self, key: &str) -> Result<Box<dyn GroupSink<'w> + 'w>> {
        let group = Group::new();
        self.put(key, Item::Group(group.clone()));
        Ok(Box::new(group))
    }

    fn existing(&self, key: &str) -> Result<Box<dyn GroupSink<'w> + 'w>> {
        match self.get(key) {
            _ if key == "." => Ok(Box::new(self.clone())),
            Some(Item::Group(group)) => Ok(Box::new(group)),
            _ => Err(missing(key)),
        }
    }

    fn array(
        &self,
        key: &str,
        kind: &Kind,
        shape: Option<&[usize]>,
        layout: &Layout,
    ) -> Result<Box<dyn ArraySink + 'w>> {
        let array = Arc::new(Array::new(kind, shape, layout)?);
        self.put(key, Item::Array(array.clone()));
        Ok(Box::new(array))
    }

    fn set(&self, name: &str, value: Setting<'_>) -> Result<()> {
        self.attributes.set(name, value);
        Ok(())
    }

    fn copy(&self, key: &str, from: &dyn Any) -> Result<bool> {
        let Some(member) = from.downcast_ref::<Member>() else { return Ok(false) };
        self.put(key, member.item.copied());
        Ok(true)
    }

    fn remove(&self, key: &str) -> Result<()> {
        lock(&self.members).retain(|m| m.0 != key);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut members = lock(&self.members);
        let member = members.iter_mut().find(|m| m.0 == from).ok_or_else(|| missing(from))?;
        to.clone_into(&mut member.0);
        Ok(())
    }
}

impl ArraySink for Arc<Array> {
    fn write(&self, to: Target<'_>, cells: Cells<'_>) -> Result<()> {
        Array::write(self, to, cells)
    }

    fn write_chunk(&self, first: usize, stored: &[u8]) -> Result<()> {
        Array::write_chunk(self, first, stored)
    }

    fn resize(&self, extent: usize) -> Result<()> {
        Array::resize(self, extent)
    }

    fn set(&self, name: &str, value: Setting<'_>) -> Result<()> {
        self.attributes.set(name, value);
        Ok(())
    }
}
