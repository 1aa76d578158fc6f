//! Filters of chunks (HDF5) and codecs (Zarr): their names, decoding without trust in the input,
//! and encoding. The module works on bytes and knows no files.

pub(crate) mod bitshuffle;
pub(crate) mod blosc2;
mod checksum;
pub(crate) mod codecs;
mod inflate;
mod make;
pub(crate) mod pipeline;

pub(crate) use checksum::crc32c;
pub(crate) use inflate::{inflate_pieces, Inflater, Step, Wrapper};
pub(crate) use make::make;
pub use make::Compression;

use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Filter identifiers: HDF5's own and those registered with The HDF Group.
pub(crate) mod id {
    pub(crate) const DEFLATE: i32 = 1;
    pub(crate) const SHUFFLE: i32 = 2;
    pub(crate) const FLETCHER32: i32 = 3;
    pub(crate) const LZF: i32 = 32000;
    pub(crate) const BLOSC: i32 = 32001;
    pub(crate) const LZ4: i32 = 32004;
    pub(crate) const BITSHUFFLE: i32 = 32008;
    pub(crate) const ZSTD: i32 = 32015;
    pub(crate) const BLOSC2: i32 = 32026;
}

/// Returns the name of a filter with its identifier, for messages.
pub(crate) fn name_of(filter: i32) -> String {
    let name = match filter {
        id::DEFLATE => "gzip",
        id::SHUFFLE => "shuffle",
        id::FLETCHER32 => "fletcher32",
        4 => "szip",
        5 => "nbit",
        6 => "scaleoffset",
        305 => "lzo",
        307 => "bzip2",
        id::LZF => "lzf",
        id::BLOSC => "blosc",
        32002 => "mafisc",
        32003 => "snappy",
        id::LZ4 => "lz4",
        id::BITSHUFFLE => "bitshuffle",
        32012 => "jpeg-xr",
        32013 => "zfp",
        id::ZSTD => "zstd",
        32016 => "b3d",
        32017 => "sz",
        32018 => "fcidecomp",
        32019 => "jpeg",
        32022 => "granular bitround",
        32024 => "sz3",
        id::BLOSC2 => "blosc2",
        32028 => "bitgroom",
        _ => return format!("filter {filter}"),
    };
    format!("filter '{name}' ({filter})")
}

/// Inflates zlib data, which have to fill `out` exactly.
pub(crate) fn deflate(stored: &[u8], out: &mut [u8]) -> Result<(), String> {
    inflate_new(stored, codecs::as_new(out))
}

/// Inflates zlib data, which have to fill `out`, uninitialised memory, exactly; after `Ok` all of
/// it is initialised.
pub(crate) fn inflate_new(stored: &[u8], out: &mut [MaybeUninit<u8>]) -> Result<(), String> {
    inflate_by(libdeflate_sys::libdeflate_zlib_decompress, stored, out)
}

/// Inflates gzip data of one member, which have to fill `out`, uninitialised memory, exactly; after
/// `Ok` all of it is initialised.
pub(crate) fn gunzip_new(stored: &[u8], out: &mut [MaybeUninit<u8>]) -> Result<(), String> {
    inflate_by(libdeflate_sys::libdeflate_gzip_decompress, stored, out)
}

/// Inflates deflated data without a wrapper, as in an entry of a zip archive. They have to fill
/// `out` exactly, and to have the CRC-32 `checksum`.
///
/// # Errors
/// A description of the damage.
pub(crate) fn inflate_raw(stored: &[u8], out: &mut [u8], checksum: u32) -> Result<(), String> {
    inflate_by(libdeflate_sys::libdeflate_deflate_decompress, stored, codecs::as_new(out))?;
    // SAFETY: pointer and length are the slice's.
    let found = unsafe { libdeflate_sys::libdeflate_crc32(0, out.as_ptr().cast(), out.len()) };
    match found == checksum {
        true => Ok(()),
        false => Err(format!("a wrong checksum (crc32 {checksum:#010x}, computed {found:#010x})")),
    }
}

/// A function of the library that inflates data in one kind of wrapper.
type InflateFunction = unsafe extern "C" fn(
    *mut libdeflate_sys::libdeflate_decompressor,
    *const std::ffi::c_void,
    usize,
    *mut std::ffi::c_void,
    usize,
    *mut usize,
) -> libdeflate_sys::libdeflate_result;

fn inflate_by(function: InflateFunction, stored: &[u8], out: &mut [MaybeUninit<u8>]) -> Result<(), String> {
    use libdeflate_sys as sys;
    thread_local! {
        static INFLATE: Inflate = Inflate::new();
    }
    INFLATE.with(|inflate| {
        // SAFETY: pointers and lengths are those of the slices. Given no place for the size found,
        // the library fails unless it fills all of `out`.
        let status = unsafe {
            function(
                inflate.0.ok_or("no memory for gzip")?.as_ptr(),
                stored.as_ptr().cast(),
                stored.len(),
                out.as_mut_ptr().cast(),
                out.len(),
                std::ptr::null_mut(),
            )
        };
        match status {
            sys::libdeflate_result_LIBDEFLATE_SUCCESS => Ok(()),
            sys::libdeflate_result_LIBDEFLATE_SHORT_OUTPUT => Err("less gzip data than the chunk holds".to_owned()),
            sys::libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => {
                Err("more gzip data than the chunk holds".to_owned())
            }
            _ => Err("damaged gzip data".to_owned()),
        }
    })
}

/// libdeflate's decompressor. It is costly to make, so each thread keeps one.
struct Inflate(Option<NonNull<libdeflate_sys::libdeflate_decompressor>>);

impl Inflate {
    fn new() -> Self {
        // SAFETY: no preconditions; null (out of memory) becomes `None`.
        Inflate(NonNull::new(unsafe { libdeflate_sys::libdeflate_alloc_decompressor() }))
    }
}

impl Drop for Inflate {
    fn drop(&mut self) {
        if let Some(p) = self.0 {
            // SAFETY: it came from the allocation above and is freed once.
            unsafe { libdeflate_sys::libdeflate_free_decompressor(p.as_ptr()) };
        }
    }
}
