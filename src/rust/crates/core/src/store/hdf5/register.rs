//! The decoders of `codec` as filters of the HDF5 library: zstd, lz4, bitshuffle, blosc and blosc2.
//! The library itself has gzip, shuffle and fletcher32. The `hdf5` crate has lzf; its blosc is not
//! used, because it trusts the parameters and headers in a file.

use super::fault;
use crate::codec::pipeline::{Filter, Plan};
use crate::codec::{bitshuffle::Bitshuffle, blosc2, codecs, id};
use hdf5_sys::h5::{H5allocate_memory, H5free_memory};
use hdf5_sys::h5z::{H5Z_class2_t, H5Z_filter_t, H5Zfilter_avail, H5Zregister, H5Z_CLASS_T_VERS, H5Z_FLAG_REVERSE};
use std::ffi::{c_uint, c_void, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

/// Registers the filters with the library, once per process. If a filter cannot be registered, the
/// library reports it by name when a dataset needs it.
pub(super) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (id, name, filter) in [
            (id::ZSTD, c"zstd", filter::<{ id::ZSTD }> as Callback),
            (id::LZ4, c"lz4", filter::<{ id::LZ4 }>),
            (id::BITSHUFFLE, c"bitshuffle", filter::<{ id::BITSHUFFLE }>),
            (id::BLOSC, c"blosc", filter::<{ id::BLOSC }>),
            (id::BLOSC2, c"blosc2", filter::<{ id::BLOSC2 }>),
        ] {
            add(id, name, filter);
        }
    });
}

type Callback = unsafe extern "C" fn(c_uint, usize, *const c_uint, usize, *mut usize, *mut *mut c_void) -> usize;

fn add(id: H5Z_filter_t, name: &'static CStr, filter: Callback) {
    let class = H5Z_class2_t {
        version: H5Z_CLASS_T_VERS as _,
        id,
        encoder_present: 1,
        decoder_present: 1,
        name: name.as_ptr(),
        can_apply: None,
        set_local: None,
        filter: Some(filter),
    };
    hdf5::sync::sync(|| {
        // SAFETY: the library copies the class; its name is static.
        unsafe { H5Zregister((&raw const class).cast()) };
    });
}

/// The library's callback: replaces the buffer by its decoded or encoded form and returns the bytes
/// of that; 0 means failure.
///
/// # Safety
/// Only for the library, which guarantees the pointers and the lengths.
unsafe extern "C" fn filter<const ID: i32>(
    flags: c_uint,
    count: usize,
    values: *const c_uint,
    size: usize,
    capacity: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    // SAFETY: the library passes a place for its buffer, which nobody else has meanwhile, or null.
    let Some(buffer) = (unsafe { buffer.as_mut() }) else { return 0 };
    // SAFETY: the same, for the number of its bytes.
    let Some(capacity) = (unsafe { capacity.as_mut() }) else { return 0 };
    if buffer.is_null() {
        return 0;
    }
    // SAFETY: the library passes `count` parameters where there are any.
    let parameters = if values.is_null() { &[][..] } else { unsafe { std::slice::from_raw_parts(values, count) } };
    // SAFETY: the library passes a buffer of `size` bytes.
    let stored: &[u8] = unsafe { std::slice::from_raw_parts(buffer.cast(), size) };
    let work =
        || if flags & H5Z_FLAG_REVERSE == 0 { encode(ID, parameters, stored) } else { decode(ID, parameters, stored) };
    let Ok(Some(new)) = catch_unwind(AssertUnwindSafe(work)) else { return 0 };
    // SAFETY: a request for memory, which may be refused.
    let memory = unsafe { H5allocate_memory(new.len().max(1), 0) };
    if memory.is_null() {
        return 0;
    }
    // SAFETY: the memory was just made for as many bytes.
    unsafe { std::ptr::copy_nonoverlapping(new.as_ptr(), memory.cast(), new.len()) };
    // SAFETY: the buffer came from the library's allocator, and other memory of it takes its place.
    unsafe { H5free_memory(*buffer) };
    *buffer = memory;
    *capacity = new.len();
    new.len()
}

/// Upper bound of the bytes of a decoded chunk: HDF5's own limit.
const MOST: u64 = u32::MAX as u64;

/// Returns an upper bound of the decoded bytes for each stored byte.
fn expansion(id: i32) -> u64 {
    match id {
        id::LZ4 => 256,
        id::BLOSC2 => 1 << 20,
        _ => 1 << 15,
    }
}

fn decode(id: i32, parameters: &[c_uint], stored: &[u8]) -> Option<Vec<u8>> {
    let room = |claim: Option<u64>| -> Option<Vec<u8>> {
        // The library does not say how large the chunk is, and a false header must not make this
        // allocate.
        let most = (stored.len() as u64).saturating_mul(expansion(id)).saturating_add(1 << 12).min(MOST);
        let n = usize::try_from(claim.filter(|&n| n <= most)?).ok()?;
        let mut out = Vec::new();
        out.try_reserve_exact(n).ok()?;
        out.resize(n, 0);
        Some(out)
    };
    let filled = |claim: Option<u64>, decode: &dyn Fn(&mut [u8]) -> codecs::Decoded| -> Option<Vec<u8>> {
        let mut out = room(claim)?;
        match decode(&mut out) {
            Ok(n) if n == out.len() => return Some(out),
            Ok(n) => fault::keep(format!("{n} bytes in a chunk that says it has {}", out.len())),
            Err(reason) => fault::keep(reason),
        }
        None
    };
    match id {
        id::ZSTD => match codecs::zstd_claim(stored) {
            None => {
                use std::io::Read;
                let mut out = Vec::new();
                zstd::stream::Decoder::new(stored).ok()?.take(MOST).read_to_end(&mut out).ok()?;
                Some(out)
            }
            claim => filled(claim, &|out| codecs::zstd(stored, out)),
        },
        id::LZ4 => filled(codecs::lz4_claim(stored), &|out| codecs::lz4(stored, out)),
        id::BITSHUFFLE => {
            let b = Bitshuffle::from_parameters(parameters)?;
            filled(b.claim(stored), &|out| b.decode(stored, out))
        }
        id::BLOSC => filled(codecs::blosc_claim(stored), &|out| codecs::blosc(stored, out)),
        id::BLOSC2 => filled(blosc2::claim(stored), &|out| blosc2::decode(stored, out)),
        _ => None,
    }
}

/// Encodes a chunk for the library, which writes datasets of texts anew when it copies them; `None`
/// for filters that are not written. Python marks the filters as optional, so that a chunk that is
/// not encoded is stored as it is.
fn encode(id: i32, parameters: &[c_uint], bytes: &[u8]) -> Option<Vec<u8>> {
    match id {
        id::ZSTD => zstd::bulk::compress(bytes, parameters.first().map_or(3, |&l| l.min(22) as i32)).ok(),
        id::LZ4 => Some(codecs::lz4_frame(bytes)),
        id::BLOSC => codecs::blosc_frame(parameters, bytes),
        _ => None,
    }
}

/// Returns the way to decode the chunks of a dataset with this property list.
pub(crate) fn plan(plist: hdf5_sys::h5i::hid_t) -> Plan {
    // SAFETY: a query that takes any number.
    Plan::from_filters(&filters(plist), &|filter| hdf5::sync::sync(|| unsafe { H5Zfilter_avail(filter) }) > 0)
}

/// Reads identifier and parameters of each filter, in the order of writing.
fn filters(plist: hdf5_sys::h5i::hid_t) -> Vec<Filter> {
    use hdf5_sys::h5p;
    hdf5::sync::sync(|| {
        // SAFETY: queries on a valid property list; the buffer's length is passed along.
        let n = unsafe { h5p::H5Pget_nfilters(plist) };
        (0..n.max(0) as u32)
            .map(|i| {
                let (mut flags, mut config, mut count, mut values) = (0, 0, 64, vec![0u32; 64]);
                // SAFETY: as above.
                let id = unsafe {
                    h5p::H5Pget_filter2(
                        plist,
                        i,
                        &raw mut flags,
                        &raw mut count,
                        values.as_mut_ptr(),
                        0,
                        std::ptr::null_mut(),
                        &raw mut config,
                    )
                };
                values.truncate(count);
                (id, values)
            })
            .collect()
    })
}
