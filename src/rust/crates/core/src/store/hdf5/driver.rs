//! This crate's HDF5 file driver, through which all files are read, and existing files are saved
//! into.
//!
//! The library opens files that other files name (external links, virtual datasets) with the driver
//! of the file that names them. So every such file comes to [`open_file`], which asks the
//! [`Family`] of the first file. The driver also checks the bytes that are read: see
//! [`heap`](super::heap).
//!
//! The structures are those of `H5FDdevelop.h` in HDF5 1.14 and 2.x (class version 1), which the
//! `hdf5-sys` crate lacks. The library checks the version when the driver is registered.

use super::bytes::Bytes;
use super::external::Family;
use super::{environment, fault, heap};
use hdf5::{from_id, h5call};
use hdf5_sys::h5::H5allocate_memory;
use hdf5_sys::h5f::{H5Fopen, H5F_ACC_RDONLY, H5F_ACC_RDWR};
use hdf5_sys::h5p::{H5Pget_driver_info, H5Pset_cache, H5Pset_driver};
use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void, CStr, CString};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// `H5FD_class_t`. Functions that this driver does not implement are null pointers.
#[repr(C)]
struct Class {
    version: c_uint,
    value: c_int,
    name: *const c_char,
    maxaddr: u64,
    fc_degree: c_int,
    terminate: Absent,
    sb_size: Absent,
    sb_encode: Absent,
    sb_decode: Absent,
    fapl_size: usize,
    fapl_get: unsafe extern "C" fn(*const Opened) -> *mut c_void,
    fapl_copy: Absent,
    fapl_free: Absent,
    dxpl_size: usize,
    dxpl_copy: Absent,
    dxpl_free: Absent,
    open: unsafe extern "C" fn(*const c_char, c_uint, i64, u64) -> *mut Opened,
    close: unsafe extern "C" fn(*mut Opened) -> c_int,
    cmp: unsafe extern "C" fn(*const Opened, *const Opened) -> c_int,
    query: unsafe extern "C" fn(*const Opened, *mut c_ulong) -> c_int,
    get_type_map: Absent,
    alloc: Absent,
    free: Absent,
    get_eoa: unsafe extern "C" fn(*const Opened, c_int) -> u64,
    set_eoa: unsafe extern "C" fn(*mut Opened, c_int, u64) -> c_int,
    get_eof: unsafe extern "C" fn(*const Opened, c_int) -> u64,
    get_handle: Absent,
    read: unsafe extern "C" fn(*mut Opened, c_int, i64, u64, usize, *mut c_void) -> c_int,
    write: unsafe extern "C" fn(*mut Opened, c_int, i64, u64, usize, *const c_void) -> c_int,
    read_vector: Absent,
    write_vector: Absent,
    read_selection: Absent,
    write_selection: Absent,
    flush: Absent,
    truncate: unsafe extern "C" fn(*mut Opened, i64, bool) -> c_int,
    lock: Absent,
    unlock: Absent,
    del: Absent,
    ctl: Absent,
    fl_map: [c_int; 7],
}

type Absent = Option<unsafe extern "C" fn()>;

// SAFETY: no field ever changes, and the one pointer is to a literal.
unsafe impl Sync for Class {}

/// `H5FD_t`, whose fields the library fills in, followed by the fields of this driver.
#[repr(C)]
struct Opened {
    driver_id: i64,
    cls: *const c_void,
    fileno: c_ulong,
    access_flags: c_uint,
    feature_flags: c_ulong,
    maxaddr: u64,
    base_addr: u64,
    threshold: u64,
    alignment: u64,
    paged_aggr: bool,
    bytes: Arc<dyn Bytes>,
    /// Number of the file's [`Family`].
    number: u64,
    /// Bytes of a length in this file, by its superblock.
    lengths: usize,
    eoa: u64,
}

/// The driver's feature flags: the library gathers metadata and small data into larger reads and
/// writes.
const FEATURES: c_ulong = 0x1 | 0x6 | 0x8 | 0x10;

static CLASS: Class = Class {
    version: 1,
    // A number between those reserved by the library and those it gives to registered drivers.
    value: 486,
    name: c"anndataoom".as_ptr(),
    maxaddr: i64::MAX as u64,
    fc_degree: 1, // H5F_CLOSE_WEAK
    terminate: None,
    sb_size: None,
    sb_encode: None,
    sb_decode: None,
    fapl_size: size_of::<u64>(),
    fapl_get: access_info,
    fapl_copy: None,
    fapl_free: None,
    dxpl_size: 0,
    dxpl_copy: None,
    dxpl_free: None,
    open: open_file,
    close: close_file,
    cmp: compare,
    query,
    get_type_map: None,
    alloc: None,
    free: None,
    get_eoa,
    set_eoa,
    get_eof,
    get_handle: None,
    read,
    write,
    read_vector: None,
    write_vector: None,
    read_selection: None,
    write_selection: None,
    flush: None,
    truncate,
    lock: None,
    unlock: None,
    del: None,
    ctl: None,
    // H5FD_FLMAP_DICHOTOMY: freed data is never used for metadata.
    fl_map: [1, 1, 1, 3, 3, 1, 1],
};

extern "C" {
    fn H5FDregister(class: *const Class) -> i64;
}

/// Opens the HDF5 file whose content is `bytes`; `path` is for messages. `family` decides about the
/// files that it names.
pub(super) fn open(bytes: &Arc<dyn Bytes>, family: &Arc<Family>, path: &Path, write: bool) -> hdf5::Result<hdf5::File> {
    static DRIVER: Mutex<i64> = Mutex::new(0);
    environment::prefixes();
    let driver = {
        let mut driver = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
        if *driver <= 0 {
            *driver = h5call!(H5FDregister(&CLASS))?;
        }
        *driver
    };
    let name = path.to_str().and_then(|s| CString::new(s).ok());
    let name = name.ok_or_else(|| hdf5::Error::from("the file's name is not UTF-8, or has a NUL in it"))?;
    let access = {
        use hdf5::file::LibraryVersion::{V110, V18};
        hdf5::plist::FileAccess::build().libver_bounds(V18, V110).finish()?
    };
    // No cache of decoded chunks. Chunks are read once, and the library copies a cached chunk with
    // the length that it has in the file.
    h5call!(H5Pset_cache(access.id(), 0, 0, 0, 0.0))?;
    let number = family.number();
    h5call!(H5Pset_driver(access.id(), driver, (&raw const number).cast()))?;
    let flags = if write { H5F_ACC_RDWR } else { H5F_ACC_RDONLY };
    // The library's lock is held meanwhile, so that `open_file` takes the bytes handed over here.
    hdf5::sync::sync(|| {
        family.hand_over(Some(bytes.clone()));
        let opened = h5call!(H5Fopen(name.as_ptr(), flags, access.id()));
        family.hand_over(None);
        // SAFETY: the identifier was just returned by the constructor.
        unsafe { from_id(opened?) }
    })
}

// The library calls these with pointers `open_file` gave it, one at a time, and never after
// `close_file`.

unsafe extern "C" fn open_file(name: *const c_char, flags: c_uint, access: i64, maxaddr: u64) -> *mut Opened {
    // SAFETY: a query on a property list that is open.
    let number = unsafe { H5Pget_driver_info(access) };
    // SAFETY: `open` made the list, or the library from what `access_info` says, so that the
    // information is a number.
    let number = unsafe { number.cast::<u64>().as_ref() };
    let Some(family) = number.and_then(|&number| Family::of_number(number)) else { return std::ptr::null_mut() };
    let bytes = match family.handed_over() {
        Some(bytes) => bytes,
        // Nothing was handed over: a file that the first one names.
        None => {
            // SAFETY: the library passes the name as a C string.
            let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
            match family.second(Path::new(&*name), flags & H5F_ACC_RDWR != 0) {
                Ok(bytes) => bytes,
                Err(reason) => {
                    fault::keep(reason);
                    return std::ptr::null_mut();
                }
            }
        }
    };
    let lengths = heap::superblock(&*bytes).lengths;
    Box::into_raw(Box::new(Opened {
        driver_id: 0,
        cls: std::ptr::null(),
        fileno: 0,
        access_flags: 0,
        feature_flags: 0,
        maxaddr,
        base_addr: 0,
        threshold: 0,
        alignment: 0,
        paged_aggr: false,
        bytes,
        number: family.number(),
        lengths,
        eoa: 0,
    }))
}

/// Returns the properties that the library passes on to files that this one names: the number of
/// its family, in memory that the library allocates.
unsafe extern "C" fn access_info(file: *const Opened) -> *mut c_void {
    // SAFETY: the file is open.
    let number = unsafe { (*file).number };
    // SAFETY: a request for memory, which may be refused.
    let memory = unsafe { H5allocate_memory(size_of::<u64>(), 0) };
    if !memory.is_null() {
        // SAFETY: the memory has room for the number.
        unsafe { memory.cast::<u64>().write_unaligned(number) };
    }
    memory
}

unsafe extern "C" fn close_file(file: *mut Opened) -> c_int {
    // SAFETY: made by `open_file`, closed once.
    drop(unsafe { Box::from_raw(file) });
    0
}

unsafe extern "C" fn compare(a: *const Opened, b: *const Opened) -> c_int {
    // Each opening counts as another file, since one opening does not see what another saves.
    // SAFETY: the file is open.
    let a = unsafe { Arc::as_ptr(&(*a).bytes) };
    // SAFETY: as above.
    let b = unsafe { Arc::as_ptr(&(*b).bytes) };
    a.cast::<()>().cmp(&b.cast::<()>()) as c_int
}

unsafe extern "C" fn query(_: *const Opened, flags: *mut c_ulong) -> c_int {
    if !flags.is_null() {
        // SAFETY: the library passes a place for the flags.
        unsafe { *flags = FEATURES };
    }
    0
}

unsafe extern "C" fn get_eoa(file: *const Opened, _: c_int) -> u64 {
    // SAFETY: the file is open.
    unsafe { (*file).eoa }
}

unsafe extern "C" fn set_eoa(file: *mut Opened, _: c_int, address: u64) -> c_int {
    // SAFETY: the file is open.
    unsafe { (*file).eoa = address };
    0
}

unsafe extern "C" fn get_eof(file: *const Opened, _: c_int) -> u64 {
    // SAFETY: the file is open.
    unsafe { (*file).bytes.len() }
}

unsafe extern "C" fn read(
    file: *mut Opened,
    _: c_int,
    _: i64,
    address: u64,
    size: usize,
    buffer: *mut c_void,
) -> c_int {
    if size == 0 {
        return 0;
    }
    // SAFETY: the file is open.
    let file = unsafe { &*file };
    // SAFETY: the library passes a buffer of `size` bytes.
    let out = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), size) };
    status(file.bytes.read(out, address).and_then(|()| heap::check(&*file.bytes, file.lengths, out, address)))
}

unsafe extern "C" fn write(
    file: *mut Opened,
    _: c_int,
    _: i64,
    address: u64,
    size: usize,
    buffer: *const c_void,
) -> c_int {
    if size == 0 {
        return 0;
    }
    // SAFETY: the file is open.
    let file = unsafe { &*file };
    // SAFETY: the library passes a buffer of `size` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), size) };
    status(file.bytes.write(bytes, address))
}

unsafe extern "C" fn truncate(file: *mut Opened, _: i64, _: bool) -> c_int {
    // SAFETY: the file is open.
    let file = unsafe { &*file };
    file.bytes.set_len(file.eoa);
    0
}

fn status(done: std::io::Result<()>) -> c_int {
    match done {
        Ok(()) => 0,
        Err(e) => {
            fault::keep(e.to_string());
            -1
        }
    }
}
