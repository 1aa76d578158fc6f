//! Compression of chunks for writing.

use crate::error::{Error, Result};
use crate::memory;
use libdeflater::{CompressionLvl, Compressor};

/// The compression of the chunks of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// No compression.
    #[default]
    None,
    /// gzip, level 0 to 9, in zlib's wrapper, as in HDF5's filter.
    Gzip(u8),
    /// gzip, level 0 to 9, in gzip's own wrapper: Zarr's codec. HDF5 has no filter for it.
    GzipFile(u8),
    /// Zstandard, level 1 to 22: Zarr's codec. HDF5 has it as a plugin (filter 32015), which
    /// hdf5plugin brings for h5py.
    Zstd(u8),
    /// LZF: fast, and part of h5py (but not of other HDF5 readers).
    Lzf,
}

impl Compression {
    /// Returns the compression of an HDF5 file by name and level: "gzip" (default level 4), "zstd"
    /// (3), "lzf" or "none".
    ///
    /// # Errors
    /// [`Error::Parameter`] for another name, a level out of range, or a level of a compression that
    /// has none.
    pub fn for_hdf5(name: &str, level: Option<u8>) -> Result<Compression> {
        match name {
            "lzf" => Compression::Lzf.without_level(name, level),
            "gzip" | "zstd" | "none" => Ok(match Compression::for_zarr(name, level)? {
                Compression::GzipFile(level) => Compression::Gzip(level),
                other => other,
            }),
            other => Err(Error::parameter("compression", "'gzip', 'lzf', 'zstd' or 'none'", format!("'{other}'"))),
        }
    }

    /// Returns the compression of a Zarr store by name and level: "zstd" (default level 3), "gzip"
    /// (4) or "none".
    ///
    /// # Errors
    /// [`Error::Parameter`] for another name, a level out of range, or a level of a compression that
    /// has none.
    pub fn for_zarr(name: &str, level: Option<u8>) -> Result<Compression> {
        match (name, level) {
            ("none", level) => Compression::None.without_level(name, level),
            ("zstd", level) if level.is_none_or(|l| (1..=22).contains(&l)) => Ok(Compression::Zstd(level.unwrap_or(3))),
            ("gzip", level) if level.is_none_or(|l| l <= 9) => Ok(Compression::GzipFile(level.unwrap_or(4))),
            ("zstd" | "gzip", level) => {
                let found = level.unwrap_or(0);
                Err(Error::parameter("compression_opts", "1 to 22 for zstd, 0 to 9 for gzip", found))
            }
            (other, _) => Err(Error::parameter("compression", "'zstd', 'gzip' or 'none'", format!("'{other}'"))),
        }
    }

    fn without_level(self, name: &str, level: Option<u8>) -> Result<Compression> {
        let refused = |level| {
            let expected = format!("none, as '{name}' has no levels");
            Err(Error::parameter("compression_opts", expected, level))
        };
        level.map_or(Ok(self), refused)
    }
}

const CHUNK: &str = "a chunk to be written";

fn zstd(raw: &[u8], level: u8) -> Result<Vec<u8>> {
    use std::cell::RefCell;
    use zstd::zstd_safe::{compress_bound, get_error_name, CCtx};
    thread_local! {
        static CONTEXT: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
    }
    if !(1..=22).contains(&level) {
        return Err(Error::parameter("compression", "a zstd level from 1 to 22", level));
    }
    let mut out = memory::zeros::<u8>(compress_bound(raw.len()), CHUNK)?;
    let failed = |what: &str| Error::Internal(format!("compressing a chunk of {} bytes: {what}", raw.len()));
    let n = CONTEXT.with_borrow_mut(|context| {
        let context = match context {
            Some(context) => context,
            None => context.insert(CCtx::try_create().ok_or_else(|| failed("no memory"))?),
        };
        context.compress(out.as_mut_slice(), raw, level.into()).map_err(|code| failed(get_error_name(code)))
    })?;
    out.truncate(n);
    out.shrink_to_fit();
    Ok(out)
}

/// Compresses a chunk. With LZF it returns the chunk unchanged, because the backend compresses it.
///
/// # Errors
/// [`Error::Parameter`] for a level out of range; [`Error::OutOfMemory`]; [`Error::Internal`] when
/// the library fails.
pub(crate) fn make(raw: Vec<u8>, compression: Compression) -> Result<Vec<u8>> {
    let (level, gzip) = match compression {
        Compression::None | Compression::Lzf => return Ok(raw),
        Compression::Zstd(level) => return zstd(&raw, level),
        Compression::Gzip(level) => (level, false),
        Compression::GzipFile(level) => (level, true),
    };
    let level = CompressionLvl::new(i32::from(level))
        .map_err(|_| Error::parameter("compression", "a gzip level from 0 to 9", level))?;
    let mut compressor = Compressor::new(level);
    let bound =
        if gzip { compressor.gzip_compress_bound(raw.len()) } else { compressor.zlib_compress_bound(raw.len()) };
    let mut out = memory::zeros::<u8>(bound, CHUNK)?;
    let made = if gzip { compressor.gzip_compress(&raw, &mut out) } else { compressor.zlib_compress(&raw, &mut out) };
    let n = made.map_err(|e| Error::Internal(format!("compressing a chunk of {} bytes: {e}", raw.len())))?;
    out.truncate(n);
    out.shrink_to_fit();
    Ok(out)
}
