//! The reasons why a file does not open, found before and after HDF5 tries.

use super::fault;
use crate::error::{Error, Result};
use crate::location::Location;
use crate::store::positioned;
use crate::store::remote::RemoteFile;
use std::fs::File;
use std::path::Path;

/// The first bytes of every HDF5 superblock.
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Checks that `path` is a readable file with the HDF5 signature at 0, 512, 1024, 2048, ... (a user
/// block may come first).
pub(super) fn check(path: &Path) -> Result<()> {
    let bad = |message: String| Error::File { path: path.into(), message };
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, "open", &e))?;
    if meta.is_dir() {
        let zarr = [".zgroup", "zarr.json"].iter().any(|f| path.join(f).exists());
        let what = if zarr { "is a Zarr directory" } else { "is a directory" };
        return Err(bad(format!("{what}, not an HDF5 (.h5ad) file; give the path of the file itself")));
    }
    let file = File::open(path).map_err(|e| Error::io(path, "open", &e))?;
    if meta.len() == 0 {
        return Err(bad("is empty (0 bytes), not an HDF5 (.h5ad) file; copy or download it again".into()));
    }
    let read = |bytes: &mut [u8], at| positioned::read_exact(&file, bytes, at);
    let (is, first) = signature(read, meta.len()).map_err(|e| Error::io(path, "read", &e))?;
    if is {
        return Ok(());
    }
    Err(bad(no_signature(&first)))
}

/// Checks that a remote file has the HDF5 signature.
pub(super) fn check_remote(file: &RemoteFile) -> Result<()> {
    let (is, first) = signature(|bytes, at| file.read(at, bytes), file.len())?;
    if is {
        return Ok(());
    }
    Err(Error::File { path: file.place().location().clone(), message: no_signature(&first) })
}

/// Returns the message about a file without a signature, from its first bytes.
fn no_signature(first: &[u8; 8]) -> String {
    let looks = match first {
        [0x1f, 0x8b, ..] => " (it is gzip-compressed: decompress it first)",
        [b'P', b'K', 3, 4, ..] => " (it is a zip archive)",
        [b'<', ..] => " (it looks like a web page: the download failed)",
        _ => "",
    };
    format!("is not an HDF5 (.h5ad) file: the HDF5 signature is missing{looks}")
}

/// Returns whether the file at `path` has the signature.
///
/// # Errors
/// [`Error::Io`].
pub(in crate::store) fn is_hdf5(path: &Path) -> Result<bool> {
    let file = File::open(path).map_err(|e| Error::io(path, "open", &e))?;
    let size = file.metadata().map_err(|e| Error::io(path, "open", &e))?.len();
    let read = |bytes: &mut [u8], at| positioned::read_exact(&file, bytes, at);
    Ok(signature(read, size).map_err(|e| Error::io(path, "read", &e))?.0)
}

/// Returns whether the signature is at an offset where a superblock may be, and the first bytes of
/// the file.
fn signature<E>(
    read: impl Fn(&mut [u8], u64) -> std::result::Result<(), E>,
    size: u64,
) -> std::result::Result<(bool, [u8; 8]), E> {
    let mut first = [0_u8; 8];
    let mut offset = 0;
    while offset + SIGNATURE.len() as u64 <= size {
        let mut bytes = [0_u8; 8];
        read(&mut bytes, offset)?;
        if bytes == SIGNATURE {
            return Ok((true, first));
        }
        if offset == 0 {
            first = bytes;
        }
        offset = if offset == 0 { 512 } else { offset * 2 };
    }
    Ok((false, first))
}

/// Makes the error for a file that another process is writing to.
pub(super) fn locked(path: &Path) -> Error {
    Error::Io {
        path: path.into(),
        action: "open",
        kind: std::io::ErrorKind::Other,
        message: "another process has it open for writing and locked it; close it there, or set the environment \
                  variable HDF5_USE_FILE_LOCKING=FALSE if nothing writes to it"
            .into(),
    }
}

/// Makes the error for a file that has the signature but that HDF5 refused.
pub(super) fn refused(path: &Location, error: &hdf5::Error) -> Error {
    if let Err(starved) = fault::fed(&format!("opening '{path}'")) {
        return starved;
    }
    let message = match fault::truncation(error) {
        Some((Some(has), Some(needs))) => {
            format!("is truncated: it has {has} of {needs} bytes; copy or download it again")
        }
        Some(_) => "is truncated: it is shorter than its header says; copy or download it again".into(),
        None => format!("is a damaged HDF5 file: {}; copy or download it again", fault::cause(error)),
    };
    Error::File { path: path.clone(), message }
}
