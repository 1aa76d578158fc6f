//! Making filters: how chunks are compressed.

use crate::error::{Error, Result};
use crate::memory;
use libdeflater::{CompressionLvl, Compressor};

/// How the chunks of a array are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, level 0 to 9.
    Gzip(u8),
    /// LZF: fast, and part of h5py (not of other HDF5 readers).
    Lzf,
}

/// Compresses a chunk. LZF is left to the backend: such chunks stay as they are.
///
/// # Errors
/// [`Error::Parameter`] for a level that is none.
pub(crate) fn make(raw: Vec<u8>, compression: Compression) -> Result<Vec<u8>> {
    let Compression::Gzip(level) = compression else { return Ok(raw) };
    let level = CompressionLvl::new(i32::from(level))
        .map_err(|_| Error::parameter("compression", "a gzip level from 0 to 9", level))?;
    let mut compressor = Compressor::new(level);
    let mut out = memory::zeros::<u8>(compressor.zlib_compress_bound(raw.len()), "a chunk to be written")?;
    let n = compressor
        .zlib_compress(&raw, &mut out)
        .map_err(|e| Error::Internal(format!("compressing a chunk of {} bytes: {e}", raw.len())))?;
    out.truncate(n);
    out.shrink_to_fit();
    Ok(out)
}
