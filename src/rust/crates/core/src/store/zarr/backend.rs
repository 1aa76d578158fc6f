//! Zarr stores as backends.

use super::object::Member;
use super::tree::Tree;
use crate::error::Result;
use crate::location::Location;
use crate::store::backend::{Backend, FileState, Object};
use crate::store::traffic::Traffic;
use crate::store::External;
use std::sync::{Arc, OnceLock};

/// An open store.
pub(super) struct ZarrStore {
    tree: Arc<Tree>,
    external: External,
    bytes: OnceLock<u64>,
}

impl ZarrStore {
    /// Makes the open store of this metadata.
    pub(super) fn new(tree: Tree, external: External) -> ZarrStore {
        ZarrStore { tree: Arc::new(tree), external, bytes: OnceLock::new() }
    }
}

impl Backend for ZarrStore {
    fn location(&self) -> &Location {
        self.tree.files().location()
    }

    fn format(&self) -> &'static str {
        "zarr"
    }

    fn object(self: Arc<Self>, path: &str) -> Result<Arc<dyn Object>> {
        let tree = self.tree.clone();
        Ok(Arc::new(Member::find(&(self as Arc<dyn Backend>), &tree, path)?))
    }

    fn bytes(&self) -> u64 {
        *self.bytes.get_or_init(|| self.tree.files().bytes())
    }

    fn external(&self) -> External {
        self.external
    }

    fn state(&self) -> Option<FileState> {
        let files = self.tree.files();
        // For a remote store, the state in which it was opened. Every read checks that it has not
        // changed since.
        if files.is_remote() {
            return self.tree.opened();
        }
        files.state().ok().flatten()
    }

    fn traffic(&self) -> Option<Traffic> {
        self.tree.files().traffic()
    }
}
