//! HDF5 datatypes: what a stored type is, and the memory type it is read into or written from.

use half::f16;
use hdf5::{from_id, h5call, Datatype, Result};
use hdf5_sys::h5t::*;
use std::ffi::{CStr, CString};

/// What one stored value is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// A whole number of 1, 2, 4 or 8 bytes.
    Integer { bytes: usize, signed: bool },
    /// An IEEE number of 2, 4 or 8 bytes.
    Float { bytes: usize },
    /// An enumeration, stored as whole numbers; members by name.
    Enumeration { bytes: usize, signed: bool, members: Vec<(String, i64)> },
    /// A pair of IEEE numbers under these two names; `single` when each has at most 4 bytes.
    Complex { single: bool, real: CString, imaginary: CString },
    /// Text of fixed length in bytes.
    FixedText { bytes: usize, padding: Padding, utf8: bool },
    /// Text of any length.
    Text { utf8: bool },
    /// Named fields.
    Compound(Vec<(String, Kind)>),
    /// A small array in every value.
    Array { extents: Vec<usize>, item: Box<Kind> },
    /// Anything else, by its name.
    Other(String),
}

/// What follows the text in a field of fixed length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// One NUL, then anything.
    Terminated,
    /// NULs up to the end.
    Nul,
    /// Spaces up to the end.
    Spaces,
}

impl Kind {
    /// Whether it is an enumeration of FALSE and TRUE: the codes of both.
    pub(crate) fn boolean(&self) -> Option<(i64, i64)> {
        let Kind::Enumeration { members, .. } = self else { return None };
        let code = |name: &str| members.iter().find(|m| m.0.eq_ignore_ascii_case(name)).map(|m| m.1);
        (members.len() == 2).then(|| Some((code("FALSE")?, code("TRUE")?)))?
    }

    /// numpy's name of the dtype, or a short word for types numpy does not have.
    pub(crate) fn name(&self) -> String {
        match self {
            Kind::Integer { bytes, signed } | Kind::Enumeration { bytes, signed, .. } if self.boolean().is_none() => {
                format!("{}int{}", if *signed { "" } else { "u" }, bytes * 8)
            }
            Kind::Integer { .. } | Kind::Enumeration { .. } => "bool".into(),
            Kind::Float { bytes } => format!("float{}", bytes * 8),
            Kind::Complex { single, .. } => if *single { "complex64" } else { "complex128" }.into(),
            Kind::FixedText { .. } | Kind::Text { .. } => "string".into(),
            Kind::Compound(_) => "compound".into(),
            Kind::Array { item, .. } => item.name(),
            Kind::Other(name) => name.clone(),
        }
    }

    /// Bytes a value takes in memory; for text of any length, those of its pointer.
    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Kind::Integer { bytes, .. }
            | Kind::Float { bytes }
            | Kind::Enumeration { bytes, .. }
            | Kind::FixedText { bytes, .. } => *bytes,
            Kind::Complex { .. } => 16,
            Kind::Text { .. } => size_of::<*const u8>(),
            Kind::Compound(fields) => fields.iter().map(|f| f.1.memory_bytes()).sum(),
            Kind::Array { extents, item } => {
                extents.iter().fold(item.memory_bytes(), |bytes, &extent| bytes.saturating_mul(extent))
            }
            Kind::Other(_) => 0,
        }
    }

    /// What the file's type `t` is.
    pub(crate) fn of(t: &Datatype) -> Result<Kind> {
        Self::of_nested(t, 0)
    }

    fn of_nested(t: &Datatype, depth: usize) -> Result<Kind> {
        if depth > 8 {
            return Ok(Kind::Other("a type nested more than 8 deep".into()));
        }
        let id = t.id();
        let bytes = t.size();
        let class = class_of(id)?;
        Ok(match class {
            H5T_INTEGER if matches!(bytes, 1 | 2 | 4 | 8) => Kind::Integer { bytes, signed: is_signed(id) },
            H5T_FLOAT => float(id, bytes)?,
            H5T_ENUM => {
                let members = enumeration(t)?;
                let base = own(h5call!(H5Tget_super(id))?)?;
                match Kind::of_nested(&base, depth + 1)? {
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
            H5T_COMPLEX => {
                let (real, imaginary) = (CString::from(c"r"), CString::from(c"i"));
                Kind::Complex { single: bytes <= 8, real, imaginary }
            }
            H5T_ARRAY => {
                let rank = h5call!(H5Tget_array_ndims(id))?;
                let mut dims = vec![0; usize::try_from(rank).unwrap_or(0)];
                h5call!(H5Tget_array_dims2(id, dims.as_mut_ptr()))?;
                let base = own(h5call!(H5Tget_super(id))?)?;
                let item = Box::new(Kind::of_nested(&base, depth + 1)?);
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

    /// The type in memory that values of this kind are read into: native numbers, a (f64, f64) pair for complex,
    /// pointers for text of any length, NUL-padded bytes for fixed text.
    pub(crate) fn memory_type(&self) -> Result<Datatype> {
        match self {
            Kind::Integer { bytes, signed } => integer(*bytes, *signed),
            Kind::Float { bytes: 2 } => f16::datatype(),
            Kind::Float { bytes: 4 } => f32::datatype(),
            Kind::Float { .. } => f64::datatype(),
            Kind::Enumeration { bytes, signed, members } => {
                let base = integer(*bytes, *signed)?;
                let t = own(h5call!(H5Tenum_create(base.id()))?)?;
                for (name, value) in members {
                    let name = c_string(name)?;
                    let raw = value.to_ne_bytes();
                    let at = if cfg!(target_endian = "big") { 8 - *bytes } else { 0 };
                    h5call!(H5Tenum_insert(t.id(), name.as_ptr(), raw[at..].as_ptr().cast()))?;
                }
                Ok(t)
            }
            Kind::Complex { real, imaginary, .. } => {
                let part = f64::datatype()?;
                let t = own(h5call!(H5Tcreate(H5T_COMPOUND, 16))?)?;
                h5call!(H5Tinsert(t.id(), real.as_ptr(), 0, part.id()))?;
                h5call!(H5Tinsert(t.id(), imaginary.as_ptr(), 8, part.id()))?;
                Ok(t)
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
            Kind::Array { extents, item } => {
                let base = item.memory_type()?;
                let dims: Vec<u64> = extents.iter().map(|&e| e as u64).collect();
                own(h5call!(H5Tarray_create2(base.id(), dims.len() as u32, dims.as_ptr()))?)
            }
            Kind::Compound(fields) => {
                let types = fields.iter().map(|f| f.1.memory_type()).collect::<Result<Vec<_>>>()?;
                packed(&fields.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), &types)
            }
            Kind::Other(name) => Err(format!("no memory type for {name}").into()),
        }
    }
}

/// A number as it is written: its HDF5 type is the native one, which is what h5py writes.
pub(crate) trait Item: Copy + 'static {
    /// The HDF5 type.
    fn datatype() -> Result<Datatype>;
}

macro_rules! item {
    ($($t:ty),*) => { $(impl Item for $t { fn datatype() -> Result<Datatype> { Datatype::from_type::<$t>() } })* };
}
item!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);

/// h5py's bool: an enumeration of int8 with FALSE = 0 and TRUE = 1.
impl Item for bool {
    fn datatype() -> Result<Datatype> {
        let members = vec![("FALSE".to_owned(), 0), ("TRUE".to_owned(), 1)];
        Kind::Enumeration { bytes: 1, signed: true, members }.memory_type()
    }
}

/// IEEE half precision in native byte order, as h5py builds it.
impl Item for f16 {
    fn datatype() -> Result<Datatype> {
        let t = own(h5call!(H5Tcopy(f32::datatype()?.id()))?)?;
        h5call!(H5Tset_fields(t.id(), 15, 10, 5, 0, 10))?;
        h5call!(H5Tset_size(t.id(), 2))?;
        h5call!(H5Tset_ebias(t.id(), 15))?;
        Ok(t)
    }
}

/// UTF-8 text of any length, NUL-terminated: what h5py writes for `str`.
pub(crate) fn text() -> Result<Datatype> {
    string(H5T_VARIABLE, H5T_STR_NULLTERM, true)
}

/// HDF5 does not convert between character sets, so memory and file must agree on `utf8`.
fn string(size: usize, padding: H5T_str_t, utf8: bool) -> Result<Datatype> {
    let t = own(h5call!(H5Tcopy(*hdf5::globals::H5T_C_S1))?)?;
    h5call!(H5Tset_size(t.id(), size))?;
    h5call!(H5Tset_strpad(t.id(), padding))?;
    h5call!(H5Tset_cset(t.id(), if utf8 { H5T_CSET_UTF8 } else { H5T_CSET_ASCII }))?;
    Ok(t)
}

/// Bytes of a fixed number, padded with NUL: what h5py writes for `bytes`.
pub(crate) fn fixed_bytes(bytes: usize) -> Result<Datatype> {
    string(bytes.max(1), H5T_STR_NULLPAD, false)
}

/// h5py's complex: a compound of `r` and `i`.
pub(crate) fn complex(single: bool) -> Result<Datatype> {
    let part = if single { f32::datatype()? } else { f64::datatype()? };
    packed(&["r", "i"], &[part.clone(), part])
}

/// A compound of these fields without gaps.
pub(crate) fn packed(names: &[&str], types: &[Datatype]) -> Result<Datatype> {
    let size: usize = types.iter().map(Datatype::size).sum();
    let t = own(h5call!(H5Tcreate(H5T_COMPOUND, size.max(1)))?)?;
    let mut offset = 0;
    for (name, field) in names.iter().zip(types) {
        let name = c_string(name)?;
        h5call!(H5Tinsert(t.id(), name.as_ptr(), offset, field.id()))?;
        offset += field.size();
    }
    Ok(t)
}

/// An array of `item` in every value.
pub(crate) fn array(item: &Datatype, extents: &[usize]) -> Result<Datatype> {
    let dims: Vec<u64> = extents.iter().map(|&e| e as u64).collect();
    own(h5call!(H5Tarray_create2(item.id(), dims.len() as u32, dims.as_ptr()))?)
}

fn integer(bytes: usize, signed: bool) -> Result<Datatype> {
    match (bytes, signed) {
        (1, true) => i8::datatype(),
        (2, true) => i16::datatype(),
        (4, true) => i32::datatype(),
        (8, true) => i64::datatype(),
        (1, false) => u8::datatype(),
        (2, false) => u16::datatype(),
        (4, false) => u32::datatype(),
        _ => u64::datatype(),
    }
}

fn own(id: i64) -> Result<Datatype> {
    // SAFETY: every caller passes an identifier that a constructor of the library has just returned.
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

fn float(id: i64, bytes: usize) -> Result<Kind> {
    let (mut s, mut e, mut es, mut m, mut ms) = (0, 0, 0, 0, 0);
    h5call!(H5Tget_fields(id, &mut s, &mut e, &mut es, &mut m, &mut ms))?;
    // SAFETY: a query on the identifier of a datatype that is open.
    let bias = locked(|| unsafe { H5Tget_ebias(id) });
    Ok(match (bytes, es, ms, bias) {
        (2, 5, 10, 15) | (4, 8, 23, 127) | (8, 11, 52, 1023) => Kind::Float { bytes },
        _ => Kind::Other(format!("a {bytes}-byte float that is not IEEE half, single or double")),
    })
}

/// Names and types of a compound's members, or names of an enumeration's.
fn member_name(t: &Datatype, i: u32) -> Result<String> {
    // SAFETY: the library gives a NUL-terminated copy of the name, or null; it is freed once, after it was copied.
    locked(|| unsafe {
        let name = H5Tget_member_name(t.id(), i);
        if name.is_null() {
            return Err("a member without name".into());
        }
        let text = CStr::from_ptr(name).to_string_lossy().into_owned();
        hdf5_sys::h5::H5free_memory(name.cast());
        Ok(text)
    })
}

fn members(t: &Datatype) -> Result<u32> {
    let n = h5call!(H5Tget_nmembers(t.id()))?;
    u32::try_from(n).map_err(|_| "a negative number of members".into())
}

fn enumeration(t: &Datatype) -> Result<Vec<(String, i64)>> {
    let base = own(h5call!(H5Tget_super(t.id()))?)?;
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
        let member = own(h5call!(H5Tget_member_type(t.id(), i))?)?;
        fields.push((member_name(t, i)?, Kind::of_nested(&member, depth + 1)?));
    }
    if let [(real, Kind::Float { bytes }), (imaginary, Kind::Float { bytes: other })] = fields.as_slice() {
        let is = |s: &str, names: [&str; 4]| names.contains(&s.to_ascii_lowercase().as_str());
        let real_name = is(real, ["r", "re", "real", "x_real"]);
        if bytes == other && real_name && is(imaginary, ["i", "im", "imag", "imaginary"]) {
            let single = *bytes <= 4;
            return Ok(Kind::Complex { single, real: c_string(real)?, imaginary: c_string(imaginary)? });
        }
    }
    Ok(Kind::Compound(fields))
}
