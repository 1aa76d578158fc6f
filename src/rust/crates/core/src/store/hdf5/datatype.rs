//! HDF5 datatypes: the kind of a stored type, and the type in memory or in a file for a kind.

use super::{descriptors, Kind, Padding};
use crate::dtype::DType;
use crate::store::array::NumberType;
use hdf5::{from_id, h5call, Datatype, Result};
use hdf5_sys::h5t::*;
use std::ffi::CString;

/// Returns the kind of the file's type `t`.
pub(super) fn kind_of(t: &Datatype) -> Result<Kind> {
    of_nested(t, 0)
}

/// Returns the name of the first type that cannot be read: the kind itself, or the kind of an entry
/// or field in it. Returns `None` when all of them can be read.
pub(super) fn unreadable(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::Other(name) => Some(name),
        Kind::Array { item, .. } => unreadable(item),
        Kind::Compound(fields) => fields.iter().find_map(|(_, field)| unreadable(field)),
        _ => None,
    }
}

fn of_nested(t: &Datatype, depth: usize) -> Result<Kind> {
    if depth > 8 {
        return Ok(Kind::Other("a type nested more than 8 deep".into()));
    }
    let id = t.id();
    let bytes = t.size();
    let class = class_of(id)?;
    Ok(match class {
        H5T_INTEGER if matches!(bytes, 1 | 2 | 4 | 8) => match bits(id)? {
            (first, n) if n > 0 && first.saturating_add(n) <= bytes * 8 => {
                Kind::Integer { bytes, signed: is_signed(id) }
            }
            (first, n) => Kind::Other(format!("an integer of {n} bits from bit {first} on in {bytes} bytes")),
        },
        H5T_FLOAT => float(id, bytes)?,
        H5T_ENUM => {
            let members = enumeration(t)?;
            let base = adopt(h5call!(H5Tget_super(id))?)?;
            match of_nested(&base, depth + 1)? {
                Kind::Integer { bytes, signed } => Kind::Enumeration { bytes, signed, members },
                other => Kind::Other(format!("an enumeration of {}", other.name())),
            }
        }
        H5T_STRING if h5call!(H5Tis_variable_str(id))? > 0 => Kind::Text { utf8: is_utf8(id) },
        H5T_STRING => {
            // SAFETY: a query on the identifier of a datatype that is open.
            let padding = match locked(|| unsafe { H5Tget_strpad(id) }) {
                H5T_STR_NULLTERM => Padding::Terminated,
                H5T_STR_SPACEPAD => Padding::Spaces,
                _ => Padding::Nul,
            };
            Kind::FixedText { bytes, padding, utf8: is_utf8(id) }
        }
        H5T_COMPOUND => compound(t, depth)?,
        H5T_COMPLEX => match of_nested(&adopt(h5call!(H5Tget_super(id))?)?, depth + 1)? {
            Kind::Float { bytes: part } if part * 2 == bytes => Kind::complex(bytes <= 8),
            other => Kind::Other(format!("a complex number of {}", other.name())),
        },
        H5T_ARRAY => {
            let rank = h5call!(H5Tget_array_ndims(id))?;
            let mut dims = vec![0; usize::try_from(rank).unwrap_or(0)];
            h5call!(H5Tget_array_dims2(id, dims.as_mut_ptr()))?;
            let base = adopt(h5call!(H5Tget_super(id))?)?;
            let item = Box::new(of_nested(&base, depth + 1)?);
            Kind::Array { extents: dims.iter().map(|&d| usize::try_from(d).unwrap_or(usize::MAX)).collect(), item }
        }
        H5T_INTEGER => Kind::Other(format!("a {bytes}-byte integer")),
        H5T_VLEN => Kind::Other("a variable-length array".into()),
        H5T_REFERENCE => Kind::Other("an HDF5 reference".into()),
        H5T_OPAQUE => Kind::Other("opaque bytes".into()),
        H5T_BITFIELD => Kind::Other("a bit field".into()),
        H5T_TIME => Kind::Other("an HDF5 time".into()),
        _ => Kind::Other("an unknown HDF5 type".into()),
    })
}

/// Returns the type in memory that values of this kind are read into: native numbers, a (f64, f64)
/// pair for complex numbers, pointers for text of any length, and bytes with the padding of the
/// kind for fixed text.
pub(super) fn memory_type(kind: &Kind) -> Result<Datatype> {
    match kind {
        Kind::Integer { bytes, signed } => integer(*bytes, *signed),
        Kind::Float { bytes: 2 } => half(),
        Kind::Float { bytes: 4 } => Datatype::from_type::<f32>(),
        Kind::Float { .. } => Datatype::from_type::<f64>(),
        Kind::Enumeration { bytes, signed, members } => {
            let base = integer(*bytes, *signed)?;
            let t = adopt(h5call!(H5Tenum_create(base.id()))?)?;
            for (name, value) in members {
                let name = c_string(name)?;
                let raw = value.to_ne_bytes();
                let at = if cfg!(target_endian = "big") { 8 - *bytes } else { 0 };
                h5call!(H5Tenum_insert(t.id(), name.as_ptr(), raw[at..].as_ptr().cast()))?;
            }
            Ok(t)
        }
        Kind::Complex { real, imaginary, .. } => {
            let part = Datatype::from_type::<f64>()?;
            packed(&[real, imaginary], &[part.clone(), part])
        }
        Kind::FixedText { bytes, padding, utf8 } => {
            let padding = match padding {
                Padding::Terminated => H5T_STR_NULLTERM,
                Padding::Nul => H5T_STR_NULLPAD,
                Padding::Spaces => H5T_STR_SPACEPAD,
            };
            string(*bytes, padding, *utf8)
        }
        Kind::Text { utf8 } => string(H5T_VARIABLE, H5T_STR_NULLTERM, *utf8),
        Kind::Array { extents, item } => array(&memory_type(item)?, extents),
        Kind::Compound(fields) => {
            let types = fields.iter().map(|f| memory_type(&f.1)).collect::<Result<Vec<_>>>()?;
            packed(&fields.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), &types)
        }
        Kind::Other(name) => Err(format!("no memory type for {name}").into()),
    }
}

/// Returns the type in the file that values of this kind are written as. Like h5py, it uses native
/// numbers, without gaps between fields.
pub(super) fn stored_type(kind: &Kind) -> Result<Datatype> {
    match kind {
        Kind::Complex { single: true, real, imaginary } => {
            let part = Datatype::from_type::<f32>()?;
            packed(&[real, imaginary], &[part.clone(), part])
        }
        Kind::Array { extents, item } => array(&stored_type(item)?, extents),
        Kind::Compound(fields) => {
            let types = fields.iter().map(|f| stored_type(&f.1)).collect::<Result<Vec<_>>>()?;
            packed(&fields.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), &types)
        }
        other => memory_type(other),
    }
}

/// Makes IEEE half precision in native byte order, as h5py does.
fn half() -> Result<Datatype> {
    let t = adopt(h5call!(H5Tcopy(Datatype::from_type::<f32>()?.id()))?)?;
    h5call!(H5Tset_fields(t.id(), 15, 10, 5, 0, 10))?;
    h5call!(H5Tset_size(t.id(), 2))?;
    h5call!(H5Tset_ebias(t.id(), 15))?;
    Ok(t)
}

/// Makes a type of text. HDF5 does not convert between character sets, so the types in memory and
/// file must agree on `utf8`.
fn string(size: usize, padding: H5T_str_t, utf8: bool) -> Result<Datatype> {
    let t = adopt(h5call!(H5Tcopy(*hdf5::globals::H5T_C_S1))?)?;
    h5call!(H5Tset_size(t.id(), size))?;
    h5call!(H5Tset_strpad(t.id(), padding))?;
    h5call!(H5Tset_cset(t.id(), if utf8 { H5T_CSET_UTF8 } else { H5T_CSET_ASCII }))?;
    Ok(t)
}

/// Makes a compound of these fields without gaps.
pub(super) fn packed(names: &[&str], types: &[Datatype]) -> Result<Datatype> {
    let size: usize = types.iter().map(Datatype::size).sum();
    let t = adopt(h5call!(H5Tcreate(H5T_COMPOUND, size.max(1)))?)?;
    let mut offset = 0;
    for (name, field) in names.iter().zip(types) {
        let name = c_string(name)?;
        h5call!(H5Tinsert(t.id(), name.as_ptr(), offset, field.id()))?;
        offset += field.size();
    }
    Ok(t)
}

/// Makes the type of an array of `item` with these extents.
pub(super) fn array(item: &Datatype, extents: &[usize]) -> Result<Datatype> {
    let dims: Vec<u64> = extents.iter().map(|&e| e as u64).collect();
    adopt(h5call!(H5Tarray_create2(item.id(), dims.len() as u32, dims.as_ptr()))?)
}

fn integer(bytes: usize, signed: bool) -> Result<Datatype> {
    match (bytes, signed) {
        (1, true) => Datatype::from_type::<i8>(),
        (2, true) => Datatype::from_type::<i16>(),
        (4, true) => Datatype::from_type::<i32>(),
        (8, true) => Datatype::from_type::<i64>(),
        (1, false) => Datatype::from_type::<u8>(),
        (2, false) => Datatype::from_type::<u16>(),
        (4, false) => Datatype::from_type::<u32>(),
        _ => Datatype::from_type::<u64>(),
    }
}

fn adopt(id: i64) -> Result<Datatype> {
    // SAFETY: every caller passes an identifier that a constructor of the library has just
    // returned.
    unsafe { from_id(id) }
}

fn c_string(s: &str) -> Result<CString> {
    CString::new(s).map_err(|_| format!("a name with a NUL in it: {s:?}").into())
}

fn locked<T>(f: impl FnOnce() -> T) -> T {
    hdf5::sync::sync(f)
}

fn class_of(id: i64) -> Result<H5T_class_t> {
    // SAFETY: a query on the identifier of a datatype that is open.
    let class = locked(|| unsafe { H5Tget_class(id) });
    if class == H5T_NO_CLASS {
        return Err("a type without class".into());
    }
    Ok(class)
}

fn is_utf8(id: i64) -> bool {
    // SAFETY: a query on the identifier of a datatype that is open.
    locked(|| unsafe { H5Tget_cset(id) }) == H5T_CSET_UTF8
}

fn is_signed(id: i64) -> bool {
    // SAFETY: a query on the identifier of a datatype that is open.
    locked(|| unsafe { H5Tget_sign(id) }) == H5T_SGN_2
}

/// Returns the first bit and the number of bits of an integer type.
fn bits(id: i64) -> Result<(usize, usize)> {
    // SAFETY: a query on the identifier of a datatype that is open.
    let first = locked(|| unsafe { H5Tget_offset(id) });
    // SAFETY: as above.
    let n = locked(|| unsafe { H5Tget_precision(id) });
    Ok((usize::try_from(first).map_err(|_| "an integer without a first bit")?, n))
}

/// Returns the kind of a floating-point type. Only the exact IEEE layouts are accepted, since the
/// library converts others from bits that do not exist.
fn float(id: i64, bytes: usize) -> Result<Kind> {
    let (mut s, mut e, mut es, mut m, mut ms) = (0, 0, 0, 0, 0);
    h5call!(H5Tget_fields(id, &mut s, &mut e, &mut es, &mut m, &mut ms))?;
    // SAFETY: a query on the identifier of a datatype that is open.
    let bias = locked(|| unsafe { H5Tget_ebias(id) });
    let whole = bits(id)? == (0, bytes * 8);
    Ok(match (bytes, [s, e, es, m, ms], bias) {
        (2, [15, 10, 5, 0, 10], 15) | (4, [31, 23, 8, 0, 23], 127) | (8, [63, 52, 11, 0, 52], 1023) if whole => {
            Kind::Float { bytes }
        }
        _ => Kind::Other(format!("a {bytes}-byte float that is not IEEE half, single or double")),
    })
}

/// Returns the name of member `i` of a compound or enumeration.
fn member_name(t: &Datatype, i: u32) -> Result<String> {
    Ok(descriptors::Name::read(t.id(), i)?.text().to_string_lossy().into_owned())
}

fn members(t: &Datatype) -> Result<u32> {
    let n = h5call!(H5Tget_nmembers(t.id()))?;
    u32::try_from(n).map_err(|_| "a negative number of members".into())
}

fn enumeration(t: &Datatype) -> Result<Vec<(String, i64)>> {
    let base = adopt(h5call!(H5Tget_super(t.id()))?)?;
    let (size, signed) = (base.size(), is_signed(base.id()));
    if size > 8 {
        return Err("an enumeration of more than 8 bytes".into());
    }
    // SAFETY: a query on the identifier of a datatype that is open.
    let big = locked(|| unsafe { H5Tget_order(base.id()) }) == H5T_ORDER_BE;
    (0..members(t)?)
        .map(|i| {
            let mut raw = [0_u8; 8];
            h5call!(H5Tget_member_value(t.id(), i, raw.as_mut_ptr().cast()))?;
            let bytes = &mut raw[..size];
            if big {
                bytes.reverse();
            }
            let mut value = u64::from_le_bytes(raw);
            if signed && size < 8 && size > 0 && value >> (size * 8 - 1) & 1 == 1 {
                value |= u64::MAX << (size * 8);
            }
            Ok((member_name(t, i)?, value as i64))
        })
        .collect()
}

fn compound(t: &Datatype, depth: usize) -> Result<Kind> {
    let mut fields = Vec::new();
    for i in 0..members(t)? {
        let member = adopt(h5call!(H5Tget_member_type(t.id(), i))?)?;
        fields.push((member_name(t, i)?, of_nested(&member, depth + 1)?));
    }
    if let [(real, Kind::Float { bytes }), (imaginary, Kind::Float { bytes: other })] = fields.as_slice() {
        let is = |s: &str, names: [&str; 4]| names.contains(&s.to_ascii_lowercase().as_str());
        let real_name = is(real, ["r", "re", "real", "x_real"]);
        if bytes == other && real_name && is(imaginary, ["i", "im", "imag", "imaginary"]) {
            let single = *bytes <= 4;
            return Ok(Kind::Complex { single, real: real.clone(), imaginary: imaginary.clone() });
        }
    }
    Ok(Kind::Compound(fields))
}

/// Returns the layout of a number in the file; `Err` names a type that is not a plain number.
pub(super) fn number_of(datatype: &Datatype) -> std::result::Result<NumberType, String> {
    let other = |what: &str| Err(format!("values of type {what}"));
    let id = datatype.id();
    // SAFETY: a query on the identifier of a datatype that is open.
    let class = locked(|| unsafe { H5Tget_class(id) });
    // SAFETY: as above.
    let size = locked(|| unsafe { H5Tget_size(id) });
    // SAFETY: as above.
    let order = locked(|| unsafe { H5Tget_order(id) });
    let dtype = match class {
        H5T_INTEGER => {
            // SAFETY: as above.
            let precision = locked(|| unsafe { H5Tget_precision(id) });
            // SAFETY: as above.
            let offset = locked(|| unsafe { H5Tget_offset(id) });
            if precision != size * 8 || offset != 0 {
                return other(&format!("{precision}-bit integer"));
            }
            match (size, is_signed(id)) {
                (1, true) => DType::I8,
                (2, true) => DType::I16,
                (4, true) => DType::I32,
                (8, true) => DType::I64,
                (1, _) => DType::U8,
                (2, _) => DType::U16,
                (4, _) => DType::U32,
                (8, _) => DType::U64,
                _ => return other(&format!("{size}-byte integer")),
            }
        }
        H5T_FLOAT => match float(id, size) {
            Ok(Kind::Float { bytes: 2 }) => DType::F16,
            Ok(Kind::Float { bytes: 4 }) => DType::F32,
            Ok(Kind::Float { .. }) => DType::F64,
            Ok(kind) => return other(&kind.name()),
            Err(_) => return other("unknown"),
        },
        H5T_ENUM => match kind_of(datatype) {
            Ok(kind) if size == 1 && kind.boolean() == Some((0, 1)) => DType::Bool,
            _ => return other("enumeration"),
        },
        _ => return other(&kind_of(datatype).map_or_else(|_| "unknown".to_owned(), |kind| kind.name())),
    };
    let swapped = match order {
        _ if size == 1 => false,
        H5T_ORDER_LE => cfg!(target_endian = "big"),
        H5T_ORDER_BE => cfg!(target_endian = "little"),
        _ => return other("numbers in VAX byte order"),
    };
    Ok(NumberType { dtype, swapped })
}
