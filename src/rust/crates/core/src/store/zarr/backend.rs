//! An open store as the stores above see it.

use super::object::Member;
use super::tree::Tree;
use crate::error::Result;
use crate::location::Location;
use crate::store::backend::{Backend, Object, State};
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
    pub(super) fn of(tree: Tree, external: External) -> ZarrStore {
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
        Ok(Arc::new(Member::at(&(self as Arc<dyn Backend>), &tree, path)?))
    }

    fn bytes(&self) -> u64 {
        *self.bytes.get_or_init(|| self.tree.files().bytes())
    }

    fn external(&self) -> External {
        self.external
    }

    fn state(&self) -> Option<State> {
        let files = self.tree.files();
        // Of one far away, the state that it was opened in: that it is still in it is looked at
        // after each read.
        if files.is_far() {
            return self.tree.opened();
        }
        files.state().ok().flatten()
    }

    fn traffic(&self) -> Option<Traffic> {
        self.tree.files().traffic()
    }
}
