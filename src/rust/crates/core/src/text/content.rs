//! Detection of the kind of a file or folder by its content; its name is not considered.

use super::bytes::first;
use super::collection::{collection, says_so};
use super::layout::{find, has_matrix, listed, listing};
use crate::element::{is_10x, loom, mudata, seurat};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::store::{is_store, is_zarr, named, External, Store};
use std::path::Path;

/// A kind of file or folder, by the reader that opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Content {
    H5ad,
    Zarr,
    /// Several objects in one folder (`collection`).
    Collection,
    TenXH5,
    H5mu,
    H5Seurat,
    Loom,
    TenXMtx,
    /// Objects of R (`saveRDS`, `save`).
    R,
    /// Text that is no matrix in the coordinate format, so probably a table.
    Table,
}

impl Content {
    /// Returns a short name of the kind, such as "h5ad" or "10x_mtx".
    pub fn name(self) -> &'static str {
        match self {
            Content::H5ad => "h5ad",
            Content::Zarr => "zarr",
            Content::Collection => "collection",
            Content::TenXH5 => "10x_h5",
            Content::H5mu => "h5mu",
            Content::H5Seurat => "h5seurat",
            Content::Loom => "loom",
            Content::TenXMtx => "10x_mtx",
            Content::R => "r",
            Content::Table => "table",
        }
    }
}

/// First bytes of files that R saves without compression: binary and text, with one object and with
/// several.
const R: [&[u8]; 6] = [b"X\n\0\0", b"A\n2\n", b"A\n3\n", b"RDX", b"RDA", b"B\n"];

/// Detects the kind of a file or folder.
///
/// # Errors
/// [`Error::Io`]; [`Error::File`] for a file that no reader opens, with its kind and what to do;
/// [`Error::Missing`] for an HDF5 file of another kind; [`Error::Parameter`] for a folder with
/// several matrices.
pub fn content(path: impl AsRef<Path>) -> Result<Content> {
    let path = path.as_ref();
    // A URL leads to a store, or to nothing that is read.
    let place = named(path, &[])?;
    if Location::named(&place).is_url() {
        return in_store(&place);
    }
    let other = |message: &str| Err(Error::File { path: path.into(), message: message.to_owned() });
    if path.is_dir() {
        if !has_matrix(path) && is_zarr(path)? {
            return in_store(path);
        }
        return match find(path, None) {
            Ok(_) => Ok(Content::TenXMtx),
            Err(Error::File { .. }) if !collection(path)?.is_empty() => Ok(Content::Collection),
            // A folder without a matrix; if it holds HDF5 files, the error names them.
            Err(e @ Error::File { .. }) => Err(in_folder(path)?.unwrap_or(e)),
            Err(e) => Err(e),
        };
    }
    if is_store(path)? {
        return in_store(path);
    }
    let start = first(path)?;
    if R.iter().any(|magic| start.starts_with(magic)) {
        return Ok(Content::R);
    }
    if start.len() >= 14 && start[..14].eq_ignore_ascii_case(b"%%MatrixMarket") {
        return Ok(Content::TenXMtx);
    }
    if start.starts_with(b"PAR1") || start.starts_with(b"ARROW1") {
        return other("is a table of Parquet or Arrow, which is not read: make an anndata.AnnData of it first");
    }
    let is_text = start.iter().all(|&b| b >= b' ' || matches!(b, b'\t' | b'\n' | b'\r'));
    if is_text && start.contains(&b'\n') {
        return Ok(Content::Table);
    }
    // HDF5 with a user block, or unknown: opening the store tells.
    in_store(path)
}

/// Returns the error for a folder that holds HDF5 files and no folder with a matrix.
fn in_folder(folder: &Path) -> Result<Option<Error>> {
    let (files, folders) = listing(folder)?;
    if folders.iter().any(|name| has_matrix(&folder.join(name))) {
        return Ok(None);
    }
    let mut there = Vec::new();
    for path in files.iter().map(|name| folder.join(name)) {
        // A pipe is skipped, because opening it would block.
        if path.is_file() && !is_zarr(&path).unwrap_or(true) && is_store(&path).unwrap_or(false) {
            there.push(format!("'{}'", path.display()));
        }
    }
    let message = match there.len() {
        0 => return Ok(None),
        1 => format!("is a folder, and what can be read is a file in it: give the path {}", there[0]),
        n => format!("is a folder, and what can be read are {n} files in it: give the path of one, {}", listed(&there)),
    };
    Ok(Some(Error::File { path: folder.into(), message }))
}

fn in_store(path: &Path) -> Result<Content> {
    let store = Store::open_as(path, false, External::Refuse)?;
    let has = |element: &str| store.exists(element);
    let zarr = store.format() == "zarr";
    store.hand_on();
    let anndata = if zarr { Content::Zarr } else { Content::H5ad };
    Ok(if zarr && says_so(&store)? {
        Content::Collection
    } else if mudata::modalities(&store)?.is_some() {
        Content::H5mu
    } else if has("obs") && has("var") {
        anndata
    } else if is_10x(&store) {
        Content::TenXH5
    } else if seurat::assays(&store)?.is_some() {
        Content::H5Seurat
    } else if loom::is_loom(&store) {
        Content::Loom
    } else if ["obs", "var", "X"].iter().any(|element| has(element)) {
        // The reader of AnnData names what is missing.
        anndata
    } else {
        let keys = store.keys("")?;
        let there = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
        return Err(Error::File {
            path: path.into(),
            message: format!(
                "is {} of an unknown kind, which holds {there}: expected obs and var (h5ad), mod (h5mu), matrix \
                 with barcodes (10x Genomics), assays and cell.names (h5Seurat), or row_attrs and col_attrs (loom)",
                if zarr { "a Zarr store" } else { "an HDF5 file" }
            ),
        });
    })
}
