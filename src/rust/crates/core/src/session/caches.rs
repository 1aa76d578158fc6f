//! Facts about matrices that a session keeps for later passes.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

type Entries = Mutex<HashMap<(u64, TypeId), Arc<dyn Any + Send + Sync>>>;

/// Entries that are found by name.
type Named = Mutex<Vec<(String, Arc<dyn Any + Send + Sync>)>>;

/// Entries by matrix and type, at most one of each. The entries of a matrix are dropped with it.
/// Facts about one state of a file are kept by the name of that state, and found when the file is
/// opened again.
#[derive(Debug, Clone, Default)]
pub struct Caches(Arc<Entries>, Arc<Named>);

/// The identity of a stored matrix, held by every chain on it.
#[derive(Debug)]
pub(crate) struct Identity {
    number: u64,
    /// Caches that have entries about this matrix.
    kept_in: Mutex<Vec<Weak<Entries>>>,
}

// A poisoned lock cannot occur: nothing that can panic runs while one is held.
/// Locks `m`.
fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Identity {
    /// Makes an identity that differs from every other one.
    pub(crate) fn new() -> Arc<Identity> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Identity { number: NEXT.fetch_add(1, Ordering::Relaxed), kept_in: Mutex::default() })
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        for entries in lock(&self.kept_in).iter().filter_map(Weak::upgrade) {
            // Entries are dropped once the lock is free again.
            let _gone: Vec<_> = lock(&entries).extract_if(|(number, _), _| *number == self.number).collect();
        }
    }
}

impl Caches {
    /// Returns the entry of type `T` about a matrix; `None` where there is none.
    pub(crate) fn find<T: Any + Send + Sync>(&self, of: &Identity) -> Option<Arc<T>> {
        lock(&self.0).get(&(of.number, TypeId::of::<T>())).cloned()?.downcast().ok()
    }

    /// Keeps an entry about a matrix; it replaces an older one of its type.
    pub(crate) fn keep<T: Any + Send + Sync>(&self, of: &Identity, entry: T) {
        {
            let mut kept_in = lock(&of.kept_in);
            if !kept_in.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(&self.0))) {
                kept_in.retain(|known| known.strong_count() > 0);
                kept_in.push(Arc::downgrade(&self.0));
            }
        }
        let before = lock(&self.0).insert((of.number, TypeId::of::<T>()), Arc::new(entry));
        drop(before);
    }

    /// Drops the entry of this type about a matrix.
    pub(crate) fn forget<T: Any + Send + Sync>(&self, of: &Identity) {
        let before = lock(&self.0).remove(&(of.number, TypeId::of::<T>()));
        drop(before);
    }

    /// Returns the entry of type `T` under a name; `None` where there is none.
    pub(crate) fn named<T: Any + Send + Sync>(&self, name: &str) -> Option<Arc<T>> {
        let named = lock(&self.1);
        named.iter().filter(|(known, _)| known == name).find_map(|(_, entry)| entry.clone().downcast().ok())
    }

    /// Keeps an entry under a name, in place of an entry of the same type under that name.
    pub(crate) fn keep_named<T: Any + Send + Sync>(&self, name: String, entry: Arc<T>) {
        let mut named = lock(&self.1);
        // Dropped when the lock is free again.
        let _before: Vec<_> = named.extract_if(.., |(known, entry)| *known == name && entry.is::<T>()).collect();
        named.push((name, entry));
        drop(named);
    }

    /// Drops named entries of this type that nobody else holds.
    pub(crate) fn forget_unused<T: Any + Send + Sync>(&self) {
        let unused =
            |(_, entry): &mut (String, Arc<dyn Any + Send + Sync>)| entry.is::<T>() && Arc::strong_count(entry) == 1;
        // Entries are dropped once the lock is free again.
        let _gone: Vec<_> = lock(&self.1).extract_if(.., unused).collect();
    }

    /// Returns the number of entries about all matrices; named ones do not count.
    pub fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Returns whether there are no entries about matrices.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_matrix_and_type_and_go_with_the_matrix() {
        let (caches, others) = (Caches::default(), Caches::default());
        let (one, two) = (Identity::new(), Identity::new());
        caches.keep(&one, 1_u32);
        caches.keep(&one, "text");
        caches.keep(&one, 2_u32);
        caches.keep(&two, 3_u32);
        others.keep(&one, 4_u32);
        assert_eq!(caches.find::<u32>(&one).as_deref(), Some(&2));
        assert_eq!(caches.clone().find::<&str>(&one).as_deref(), Some(&"text"));
        assert_eq!(caches.find::<u64>(&one), None);
        assert_eq!((caches.len(), others.len()), (3, 1));
        drop(one);
        assert_eq!((caches.len(), others.len()), (1, 0));
        caches.forget::<u32>(&two);
        assert!(caches.is_empty());
        // A matrix may outlive a session.
        others.keep(&two, 5_u32);
        drop(others);
        drop(two);
    }
}
