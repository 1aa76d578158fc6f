//! Stores in memory: for results too small for a file, and for tests of the code above the traits
//! of stores.
//!
//! A store is a tree of groups and arrays. Values are kept as they are in memory. Chunks that were
//! written encoded are kept encoded, and are located, fetched and decoded like the chunks of a
//! file.

mod read;
mod tree;
mod write;

use super::backend::{Backend, Change, Object};
use super::{Store, Writer};
use crate::error::{Error, Result};
use crate::location::Location;
use read::Member;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tree::{Group, Item};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock cannot occur: nothing that can panic runs while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place in memory for a store, empty at first. An open [`Store`] keeps the content of the time
/// when it was opened.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Place>);

#[derive(Debug)]
struct Place {
    location: Location,
    root: Mutex<Arc<Group>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// Makes an empty place, with a location of its own.
    #[must_use]
    pub fn new() -> Memory {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let location = Location::url(format!("memory:{number}"));
        Memory(Arc::new(Place { location, root: Mutex::new(Group::new()) }))
    }

    /// Opens the present content, for reading and saving.
    #[must_use]
    pub fn open(&self) -> Arc<Store> {
        Store::new(self.opened())
    }

    fn opened(&self) -> Arc<Opened> {
        let root = lock(&self.0.root).clone();
        Arc::new(Opened { memory: self.clone(), root })
    }

    /// Begins a store that replaces the content on [`Writer::commit`].
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer::new(Box::new(write::New { memory: self.clone(), root: Group::new() }))
    }

    fn replace(&self, root: Arc<Group>) {
        *lock(&self.0.root) = root;
    }
}

/// The content of a place at the time when it was opened.
struct Opened {
    memory: Memory,
    root: Arc<Group>,
}

impl Backend for Opened {
    fn location(&self) -> &Location {
        &self.memory.0.location
    }

    fn format(&self) -> &'static str {
        "memory"
    }

    fn object(self: Arc<Self>, path: &str) -> Result<Arc<dyn Object>> {
        let item = Item::Group(self.root.clone());
        let root: Arc<dyn Object> = Arc::new(Member { opened: self, path: String::new(), item });
        path.split('/').filter(|key| !key.is_empty()).try_fold(root, |object, key| object.child(key))
    }

    fn bytes(&self) -> u64 {
        self.root.bytes()
    }

    fn can_save(&self) -> bool {
        true
    }

    fn change(&self) -> Result<Box<dyn Change>> {
        if !Arc::ptr_eq(&self.root, &lock(&self.memory.0.root)) {
            return Err(Error::State(format!(
                "'{}' was saved since this object was opened, from another object: open it again",
                self.location()
            )));
        }
        Ok(Box::new(write::New { memory: self.memory.clone(), root: self.root.copied() }))
    }
}
