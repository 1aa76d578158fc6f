//! Types of stored values, whatever stores them.

use crate::dtype::DType;

/// The kind of one stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number of 1, 2, 4 or 8 bytes.
    Integer { bytes: usize, signed: bool },
    /// An IEEE number of 2, 4 or 8 bytes.
    Float { bytes: usize },
    /// An enumeration, stored as whole numbers; members by name.
    Enumeration { bytes: usize, signed: bool, members: Vec<(String, i64)> },
    /// A pair of IEEE numbers under these two names; `single` when each has at most 4 bytes.
    Complex { single: bool, real: String, imaginary: String },
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

/// The padding after the text in a field of fixed length.
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
    /// UTF-8 text of any length.
    pub(crate) const TEXT: Kind = Kind::Text { utf8: true };

    /// The kind of numbers of a dtype; truth values are an enumeration of FALSE and TRUE, as h5py has them.
    pub(crate) fn of(dtype: DType) -> Kind {
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

    /// The dtype of numbers and truth values.
    pub(crate) fn dtype(&self) -> Option<DType> {
        use DType::{Bool, F16, F32, F64, I16, I32, I64, I8, U16, U32, U64, U8};
        let all = [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64];
        all.into_iter().find(|&dtype| Kind::of(dtype) == *self)
    }

    /// Complex numbers of two float32 (`single`) or float64, under h5py's names.
    pub(crate) fn complex(single: bool) -> Kind {
        Kind::Complex { single, real: "r".into(), imaginary: "i".into() }
    }

    /// Bytes of a fixed number, padded with NUL: what h5py writes for `bytes`.
    pub(crate) fn bytes(bytes: usize) -> Kind {
        Kind::FixedText { bytes: bytes.max(1), padding: Padding::Nul, utf8: false }
    }

    /// Arrays of these extents of a kind; the kind itself without any.
    pub(crate) fn array(self, extents: &[usize]) -> Kind {
        match extents {
            [] => self,
            _ => Kind::Array { extents: extents.to_vec(), item: Box::new(self) },
        }
    }
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
}
