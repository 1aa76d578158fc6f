//! Types of stored values, for all formats of stores.

use crate::dtype::DType;

/// The kind of one stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number of 1, 2, 4 or 8 bytes.
    Integer { bytes: usize, signed: bool },
    /// An IEEE floating-point number of 2, 4 or 8 bytes.
    Float { bytes: usize },
    /// An enumeration, stored as whole numbers; members are names with their codes.
    Enumeration { bytes: usize, signed: bool, members: Vec<(String, i64)> },
    /// A pair of IEEE floating-point numbers under these two names; `single` when each has at most
    /// 4 bytes.
    Complex { single: bool, real: String, imaginary: String },
    /// Text of a fixed number of bytes.
    FixedText { bytes: usize, padding: Padding, utf8: bool },
    /// Text of any length.
    Text { utf8: bool },
    /// A record of named fields.
    Compound(Vec<(String, Kind)>),
    /// An array of fixed extents in every value.
    Array { extents: Vec<usize>, item: Box<Kind> },
    /// A type that cannot be read, by its name.
    Other(String),
}

/// The padding after the text in a field of fixed length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// One NUL after the text, then any bytes.
    Terminated,
    /// NULs up to the end.
    Nul,
    /// Spaces up to the end.
    Spaces,
}

impl Kind {
    /// UTF-8 text of any length.
    pub(crate) const TEXT: Kind = Kind::Text { utf8: true };

    /// Returns the kind of the numbers of a dtype. Booleans are an enumeration of FALSE and TRUE,
    /// as h5py stores them.
    pub(crate) fn from_dtype(dtype: DType) -> Kind {
        let bytes = dtype.size();
        match dtype {
            DType::Bool => {
                let members = vec![("FALSE".to_owned(), 0), ("TRUE".to_owned(), 1)];
                Kind::Enumeration { bytes, signed: true, members }
            }
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => Kind::Integer { bytes, signed: true },
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Kind::Integer { bytes, signed: false },
            DType::F16 | DType::F32 | DType::F64 => Kind::Float { bytes },
        }
    }

    /// Returns the dtype whose kind this is; `None` for kinds that [`Kind::from_dtype`] never
    /// returns.
    pub(crate) fn dtype(&self) -> Option<DType> {
        use DType::{Bool, F16, F32, F64, I16, I32, I64, I8, U16, U32, U64, U8};
        let all = [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64];
        all.into_iter().find(|&dtype| Kind::from_dtype(dtype) == *self)
    }

    /// Makes the kind of complex numbers of two float32 (`single`) or two float64, with h5py's
    /// names of the parts.
    pub(crate) fn complex(single: bool) -> Kind {
        Kind::Complex { single, real: "r".into(), imaginary: "i".into() }
    }

    /// Makes the kind of `bytes` bytes padded with NUL, which h5py writes for numpy's `bytes`
    /// dtype.
    pub(crate) fn bytes(bytes: usize) -> Kind {
        Kind::FixedText { bytes: bytes.max(1), padding: Padding::Nul, utf8: false }
    }

    /// Makes the kind of arrays of these extents of this kind; without extents it is the kind
    /// itself.
    pub(crate) fn array(self, extents: &[usize]) -> Kind {
        match extents {
            [] => self,
            _ => Kind::Array { extents: extents.to_vec(), item: Box::new(self) },
        }
    }
    /// Returns the codes of FALSE and TRUE if this is an enumeration of just these two names, in
    /// upper or lower case; else `None`.
    pub(crate) fn boolean(&self) -> Option<(i64, i64)> {
        let Kind::Enumeration { members, .. } = self else { return None };
        let code = |name: &str| members.iter().find(|m| m.0.eq_ignore_ascii_case(name)).map(|m| m.1);
        (members.len() == 2).then(|| Some((code("FALSE")?, code("TRUE")?)))?
    }

    /// Returns numpy's name of the dtype, or a short word for types that numpy does not have.
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

    /// Returns the bytes of a value in memory: those of a pointer for text of any length, 0 for
    /// types that cannot be read.
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
}
