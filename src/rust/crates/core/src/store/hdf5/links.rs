//! The members of a group as they are in the file: names as bytes, and the kinds of links.

use hdf5::{h5call, Group, Result};
use hdf5_sys::h5::{H5_INDEX_NAME, H5_ITER_NATIVE};
use hdf5_sys::h5l::{H5L_info2_t, H5Lexists, H5Lget_info2, H5Lget_val, H5Literate2, H5Lunpack_elink_val};
use hdf5_sys::h5p::H5P_DEFAULT;
use std::ffi::{c_char, c_int, c_void, CStr, CString};

/// The kinds of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// A link to the object whose header is at this address.
    Hard(u64),
    /// A link to a path in the file.
    Soft(String),
    /// A link to a path in another file.
    External { file: String, path: String },
    /// A link of a kind that only the program which made it knows.
    Unknown(i32),
}

/// `H5L_info2_t`, with a kind that may be any number a file holds.
#[repr(C)]
#[derive(Default)]
struct Info {
    kind: c_int,
    order_valid: bool,
    order: i64,
    cset: c_int,
    /// The object's address, or the bytes of the link's value.
    value: [u64; 2],
}
const _: () = assert!(size_of::<Info>() == size_of::<H5L_info2_t>());

/// Upper bound of the bytes of a link's value.
const LONGEST: u64 = 1 << 16;

/// Returns whether a group has a link `key`. Bytes that cannot be read are an error; the link does
/// not count as missing.
pub(super) fn exists(group: &Group, key: &str) -> Result<bool> {
    let name = CString::new(key).map_err(|_| hdf5::Error::from("a name with a NUL in it"))?;
    Ok(h5call!(H5Lexists(group.id(), name.as_ptr(), H5P_DEFAULT))? > 0)
}

/// Returns the kind of the link `key` of a group; `None` when there is no such link.
pub(super) fn link(group: &Group, key: &str) -> Result<Option<Link>> {
    let name = CString::new(key).map_err(|_| hdf5::Error::from("a name with a NUL in it"))?;
    if !exists(group, key)? {
        return Ok(None);
    }
    let mut info = Info::default();
    h5call!(H5Lget_info2(group.id(), name.as_ptr(), (&raw mut info).cast(), H5P_DEFAULT))?;
    if info.kind == 0 {
        return Ok(Some(Link::Hard(info.value[0])));
    }
    if info.kind != 1 && info.kind != 64 {
        return Ok(Some(Link::Unknown(info.kind)));
    }
    let size = info.value[0];
    if size > LONGEST {
        return Err(format!("a link of {size} bytes").into());
    }
    let mut value = vec![0_u8; size as usize + 1];
    h5call!(H5Lget_val(group.id(), name.as_ptr(), value.as_mut_ptr().cast(), size as usize, H5P_DEFAULT))?;
    if info.kind == 1 {
        let end = value.iter().position(|&b| b == 0).unwrap_or(0);
        return Ok(Some(Link::Soft(String::from_utf8_lossy(&value[..end]).into_owned())));
    }
    let (mut flags, mut file, mut path) = (0, std::ptr::null::<c_char>(), std::ptr::null::<c_char>());
    h5call!(H5Lunpack_elink_val(value.as_ptr().cast(), size as usize, &raw mut flags, &raw mut file, &raw mut path))?;
    if file.is_null() || path.is_null() {
        return Err("an external link without a target".into());
    }
    // SAFETY: the library checked that both are NUL-terminated within `value`, which has a NUL at
    // its end anyway.
    let text = |p| unsafe { CStr::from_ptr(p) }.to_string_lossy().into_owned();
    Ok(Some(Link::External { file: text(file), path: text(path) }))
}

/// A name of a link or attribute, and its position in the order of creation where the file keeps
/// it.
pub(super) type Name = (Option<i64>, Vec<u8>);

/// Reads the names in a group, in the file's own order.
pub(super) fn names(group: &Group) -> Result<Vec<Name>> {
    unsafe extern "C" fn add_name(_: i64, name: *const c_char, info: *const H5L_info2_t, names: *mut c_void) -> c_int {
        // SAFETY: the library passes a NUL-terminated name.
        let name = unsafe { CStr::from_ptr(name) };
        // SAFETY: the library passes the information on the link, laid out as `Info`.
        let info = unsafe { &*info.cast::<Info>() };
        // SAFETY: the library hands on the vector below, which nobody else has meanwhile.
        let names = unsafe { &mut *names.cast::<Vec<Name>>() };
        names.push((info.order_valid.then_some(info.order), name.to_bytes().to_vec()));
        0
    }
    let mut found: Vec<Name> = Vec::new();
    let place = (&raw mut found).cast();
    h5call!(H5Literate2(group.id(), H5_INDEX_NAME, H5_ITER_NATIVE, std::ptr::null_mut(), Some(add_name), place))?;
    Ok(found)
}
