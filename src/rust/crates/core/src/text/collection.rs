//! Collections that annbatch writes: a Zarr store, or a folder of h5ad files, whose parts
//! `dataset_0`, `dataset_1`, ... are each an AnnData with the same genes.

use super::layout::listing;
use crate::element::COLLECTION;
use crate::error::{Error, Result};
use crate::location::Location;
use crate::store::{is_zarr, named, part_url, External, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Returns the places of the parts of a collection, folders or files in it, in the order of their
/// numbers, which begin at 0. The list is empty where the path is no collection. A collection at a
/// URL has URLs.
///
/// # Errors
/// [`Error::Io`]; [`Error::File`] for a collection without parts, for one with a number left out,
/// and for one in an archive, whose parts have no paths.
pub fn collection(path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let path = path.as_ref();
    let place = named(path, &[])?;
    if Location::named(&place).is_url() {
        return at_url(&place);
    }
    let refused = |message: String| Error::File { path: path.into(), message };
    let zarr = is_zarr(path)?;
    if zarr && !says_so(&Store::open_as(path, false, External::Refuse)?)? || !zarr && !path.is_dir() {
        return Ok(Vec::new());
    }
    if !path.is_dir() {
        let message = "is an archive of a collection of several objects: unpack it and give the folder";
        return Err(refused(message.to_owned()));
    }
    let (files, folders) = listing(path)?;
    let (names, end) = if zarr { (folders, "") } else { (files, ".h5ad") };
    let parts = in_order(names, end).map_err(refused)?;
    if zarr && parts.is_empty() {
        return Err(refused(without_parts()));
    }
    Ok(parts.into_iter().map(|name| path.join(name)).collect())
}

/// Returns the URLs of the parts of a Zarr store at a URL.
fn at_url(place: &Path) -> Result<Vec<PathBuf>> {
    let store = Store::open_as(place, false, External::Refuse)?;
    if store.format() != "zarr" || !says_so(&store)? {
        return Ok(Vec::new());
    }
    let refused = |message: String| Error::File { path: store.location().clone(), message };
    let names = store.keys("").map_err(|e| match e {
        // A server that lists nothing, and metadata that are not consolidated.
        Error::File { .. } => refused(
            "is a collection of several objects without consolidated metadata, on a server that does not say which \
             parts there are: give AnnDataSet() the URLs of its parts, .../dataset_0 and so on"
                .to_owned(),
        ),
        other => other,
    })?;
    let parts = in_order(names, "").map_err(refused)?;
    if parts.is_empty() {
        return Err(refused(without_parts()));
    }
    parts.iter().map(|name| part_url(place, name)).collect()
}

fn without_parts() -> String {
    format!("is a collection ({COLLECTION}) without parts: expected dataset_0, dataset_1, ...")
}

/// Returns the names of parts, which have this end, in the order of their numbers; the message of
/// an error where one is left out.
fn in_order(names: Vec<String>, end: &str) -> std::result::Result<Vec<String>, String> {
    let mut parts = Vec::new();
    parts.extend(names.into_iter().filter_map(|name| Some((number(name.strip_suffix(end)?)?, name))));
    parts.sort_unstable();
    if let Some(missing) = (0..).zip(&parts).find(|(i, part)| part.0 != *i).map(|(i, _)| i) {
        let (of, there) = (parts.len(), parts.last().map_or("", |part| part.1.as_str()));
        return Err(format!(
            "is a collection with {of} parts up to {there}, of which dataset_{missing} is missing: to read the others, \
             give AnnDataSet() their paths"
        ));
    }
    Ok(parts.into_iter().map(|(_, name)| name).collect())
}

/// Returns whether the attributes of a store say that it is a collection.
pub(super) fn says_so(store: &Arc<Store>) -> Result<bool> {
    Ok(store.attribute("", "encoding-type")?.as_ref().and_then(|a| a.text()) == Some(COLLECTION))
}

/// Returns the number N of `dataset_N`; `None` for another name.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("dataset_")?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_in_the_order_of_their_numbers() {
        let folder = std::env::temp_dir().join(format!("anndataoom-collection-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["dataset_1.h5ad", "dataset_0.h5ad", "dataset_x.h5ad", "other.h5ad", "dataset_.h5ad"] {
            std::fs::write(folder.join(name), b"").unwrap();
        }
        let there = ["dataset_0.h5ad", "dataset_1.h5ad"].map(|name| folder.join(name));
        assert_eq!(collection(&folder).unwrap(), there);
        std::fs::write(folder.join("dataset_10.h5ad"), b"").unwrap();
        let refused = collection(&folder).unwrap_err().to_string();
        assert!(refused.contains("3 parts up to dataset_10.h5ad, of which dataset_2 is missing"), "{refused}");
        let zarr = folder.join("c.zarr");
        for part in ["dataset_1", "dataset_0", "rest"] {
            std::fs::create_dir_all(zarr.join(part)).unwrap();
        }
        let metadata = |encoding: &str| {
            let text =
                format!(r#"{{"attributes":{{"encoding-type":"{encoding}"}},"zarr_format":3,"node_type":"group"}}"#);
            std::fs::write(zarr.join("zarr.json"), text).unwrap();
        };
        metadata("annbatch-preshuffled");
        assert_eq!(collection(&zarr).unwrap(), ["dataset_0", "dataset_1"].map(|name| zarr.join(name)));
        metadata("anndata");
        assert!(collection(&zarr).unwrap().is_empty());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
