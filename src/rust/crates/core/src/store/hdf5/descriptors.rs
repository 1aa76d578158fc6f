//! The descriptors of texts and lists in a file: a length and a place in a heap. The library
//! follows a descriptor when it converts values to a type in memory, and offers no call to read it.
//! A conversion registered here turns texts and lists into opaque bytes and leaves the descriptor
//! in them. That works for every layout, filter and nesting of records, in datasets and attributes.

use super::Node;
use crate::error::Result;
use hdf5::sync::sync;
use hdf5::{from_id, h5call, Datatype};
use hdf5_sys::h5::H5free_memory;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5t::*;
use std::ffi::{c_char, c_void, CStr};
use std::sync::OnceLock;

/// Upper bound of the texts in one value.
const MOST: usize = 1 << 16;
/// Upper bound of the nesting of records.
const DEEPEST: usize = 32;

/// The descriptors of texts and lists in values of a type.
pub(super) struct Texts {
    /// The type in memory that consists of the descriptors of a value alone, one after the other,
    /// as they are in the file.
    pub(super) memory: Datatype,
    /// Bytes of a descriptor: the length (4), the address of the heap, the number in the heap (4).
    pub(super) width: usize,
    /// The bytes of one item of each text or list in a value: 1 for texts.
    pub(super) units: Vec<u64>,
}

impl Texts {
    /// Finds the texts and lists in a type, or in its field `field`; `None` when there are none.
    pub(super) fn find(node: &Node, dtype: &Datatype, field: Option<&str>) -> Result<Option<Texts>> {
        register().map_err(|e| node.damaged(&e))?;
        let width = 8 + node.file().superblock().addresses;
        let mut units = Vec::new();
        let memory = opaque(dtype.id(), width, field, &mut units, 0).map_err(|e| node.damaged(&e))?;
        Ok(memory.map(|memory| Texts { memory, width, units }))
    }
}

fn adopt(id: hid_t) -> hdf5::Result<Datatype> {
    // SAFETY: every caller passes an identifier that a constructor of the library has just
    // returned.
    unsafe { from_id(id) }
}

fn class(id: hid_t) -> H5T_class_t {
    // SAFETY: a query on the identifier of a datatype that is open.
    sync(|| unsafe { H5Tget_class(id) })
}

fn is_list(id: hid_t) -> hdf5::Result<bool> {
    Ok(class(id) == H5T_class_t::H5T_VLEN || h5call!(H5Tis_variable_str(id))? > 0)
}

fn base(id: hid_t) -> hdf5::Result<Datatype> {
    adopt(h5call!(H5Tget_super(id))?)
}

fn members(id: hid_t) -> hdf5::Result<u32> {
    Ok(h5call!(H5Tget_nmembers(id))?.max(0) as u32)
}

/// Returns whether the type has texts or lists within lists. The descriptors of inner ones lie in
/// the heap.
pub(super) fn is_nested(dtype: &Datatype) -> hdf5::Result<bool> {
    nested(dtype.id(), false, 0)
}

fn nested(id: hid_t, within: bool, depth: usize) -> hdf5::Result<bool> {
    if depth > DEEPEST {
        return Ok(true);
    }
    Ok(match class(id) {
        _ if h5call!(H5Tis_variable_str(id))? > 0 => within,
        H5T_class_t::H5T_VLEN => within || nested(base(id)?.id(), true, depth + 1)?,
        H5T_class_t::H5T_ARRAY => nested(base(id)?.id(), within, depth + 1)?,
        H5T_class_t::H5T_COMPOUND => {
            for i in 0..members(id)? {
                if nested(adopt(h5call!(H5Tget_member_type(id, i))?)?.id(), within, depth + 1)? {
                    return Ok(true);
                }
            }
            false
        }
        _ => false,
    })
}

/// Returns the type in memory of the descriptors in values of type `id`, and appends their item
/// sizes to `units`; `None` when there are none. With `only`, other fields of records are left out.
fn opaque(
    id: hid_t,
    width: usize,
    only: Option<&str>,
    units: &mut Vec<u64>,
    depth: usize,
) -> hdf5::Result<Option<Datatype>> {
    if depth > DEEPEST || units.len() > MOST {
        return Err("a type of too many texts, or too many records in one another".into());
    }
    if is_list(id)? {
        units.push(if class(id) == H5T_class_t::H5T_VLEN { base(id)?.size() as u64 } else { 1 });
        return Ok(Some(adopt(h5call!(H5Tcreate(H5T_class_t::H5T_OPAQUE, width))?)?));
    }
    match class(id) {
        H5T_class_t::H5T_ARRAY => {
            let before = units.len();
            let Some(item) = opaque(base(id)?.id(), width, None, units, depth + 1)? else { return Ok(None) };
            let rank = h5call!(H5Tget_array_ndims(id))?;
            let mut extents = vec![0_u64; rank.max(0) as usize];
            h5call!(H5Tget_array_dims2(id, extents.as_mut_ptr()))?;
            let times = extents.iter().fold(1_u64, |n, &e| n.saturating_mul(e)) as usize;
            if times.saturating_mul(units.len() - before) > MOST {
                return Err(format!("more than {MOST} texts in one value").into());
            }
            let all = units.split_off(before).repeat(times);
            units.extend(all);
            Ok(Some(adopt(h5call!(H5Tarray_create2(item.id(), extents.len() as u32, extents.as_ptr()))?)?))
        }
        H5T_class_t::H5T_COMPOUND => {
            let mut fields = Vec::new();
            for i in 0..members(id)? {
                let name = Name::read(id, i)?;
                if only.is_some_and(|only| name.text().to_bytes() != only.as_bytes()) {
                    continue;
                }
                let member = adopt(h5call!(H5Tget_member_type(id, i))?)?;
                if let Some(found) = opaque(member.id(), width, None, units, depth + 1)? {
                    fields.push((name, found));
                }
            }
            if fields.is_empty() {
                return Ok(None);
            }
            let record = adopt(h5call!(H5Tcreate(
                H5T_class_t::H5T_COMPOUND,
                fields.iter().map(|f| f.1.size()).sum::<usize>()
            ))?)?;
            let mut at = 0;
            for (name, field) in &fields {
                h5call!(H5Tinsert(record.id(), name.text().as_ptr(), at, field.id()))?;
                at += field.size();
            }
            Ok(Some(record))
        }
        _ => Ok(None),
    }
}

/// The name of a field, in memory that the library allocated.
pub(super) struct Name(*mut c_char);

impl Name {
    /// Reads the name of member `i` of a compound or of an enumeration.
    pub(super) fn read(id: hid_t, i: u32) -> hdf5::Result<Name> {
        // SAFETY: a query on the identifier of a datatype that is open.
        let name = sync(|| unsafe { H5Tget_member_name(id, i) });
        if name.is_null() {
            return Err("a field without name".into());
        }
        Ok(Name(name))
    }

    /// Returns the name.
    pub(super) fn text(&self) -> &CStr {
        // SAFETY: the library gave it NUL-terminated, and it lives as long as this.
        unsafe { CStr::from_ptr(self.0) }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // SAFETY: the library's memory, freed once.
        sync(|| unsafe { H5free_memory(self.0.cast()) });
    }
}

/// Registers the conversion [`as_it_is`] with the library, once per process.
fn register() -> hdf5::Result<()> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = *DONE.get_or_init(|| {
        let tell = || -> hdf5::Result<()> {
            let list = adopt(h5call!(H5Tvlen_create(Datatype::from_type::<u8>()?.id()))?)?;
            let bytes = adopt(h5call!(H5Tcreate(H5T_class_t::H5T_OPAQUE, 16))?)?;
            let (soft, name) = (H5T_pers_t::H5T_PERS_SOFT, c"anndataoom".as_ptr());
            h5call!(H5Tregister(soft, name, list.id(), bytes.id(), Some(as_it_is)))?;
            Ok(())
        };
        tell().is_ok()
    });
    if done {
        Ok(())
    } else {
        Err("the library takes no conversion of texts".into())
    }
}

/// The conversion of a text or list to opaque bytes. In the file both have the same size, and
/// nothing is to be done. In memory, where a fill value may come from, a text is a pointer without
/// a length, so zeros are written instead.
extern "C" fn as_it_is(
    from: hid_t,
    to: hid_t,
    call: *mut H5T_cdata_t,
    count: usize,
    stride: usize,
    _: usize,
    values: *mut c_void,
    _: *mut c_void,
    _: hid_t,
) -> hdf5_sys::h5::herr_t {
    // SAFETY: the library passes its call, which nobody else has meanwhile.
    let call = unsafe { &mut *call };
    match call.command {
        H5T_cmd_t::H5T_CONV_INIT => call.need_bkg = H5T_bkg_t::H5T_BKG_NO,
        H5T_cmd_t::H5T_CONV_CONV => {
            // SAFETY: a query on the identifier of a datatype that is open.
            let before = unsafe { H5Tget_size(from) };
            // SAFETY: as above.
            let after = unsafe { H5Tget_size(to) };
            if before != after && !values.is_null() {
                let step = if stride == 0 { after } else { stride };
                for i in 0..count {
                    let value = values.cast::<u8>().wrapping_add(i * step);
                    // SAFETY: there are `count` values with room for both types, one every `stride`
                    // bytes or else next to one another.
                    unsafe { std::ptr::write_bytes(value, 0, after) };
                }
            }
        }
        H5T_cmd_t::H5T_CONV_FREE => {}
    }
    0
}
