//! The check for elements in today's encoding.

use crate::element;
use crate::error::Result;
use crate::store::Store;
use std::sync::Arc;

/// Returns whether a verbatim copy of an element is valid in a new file. Elements of anndata before
/// 0.8 have no encoding, and a dataframe of version 0.1.0 points to its categories by references,
/// which a copy would break.
pub(super) fn is_current(store: &Arc<Store>, element: &str) -> Result<bool> {
    if !store.exists(element) {
        // A field of a compound table, or a missing element; reading reports the latter.
        return Ok(false);
    }
    let text = |name| Ok::<_, crate::Error>(store.attribute(element, name)?.and_then(|a| a.text().map(str::to_owned)));
    let (encoding, version) = (text("encoding-type")?, text("encoding-version")?);
    Ok(element::is_of_today(encoding.as_deref().unwrap_or_default(), version.as_deref().unwrap_or_default()))
}
