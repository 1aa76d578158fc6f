//! The dtype of a stack, as numpy, scipy and pandas determine it in `anndata.concat`.

use super::MISSING;
use crate::element::DType;

/// The value read where a member lacks a row or column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fill {
    /// The value as f64.
    pub value: f64,
    /// Whether it was given as an integer, which an integer matrix can hold without becoming float.
    pub integer: bool,
}

impl Fill {
    /// Integer 0.
    pub const ZERO: Fill = Fill { value: 0.0, integer: true };
    /// Float NaN.
    pub const NAN: Fill = Fill { value: f64::NAN, integer: false };

    fn dtype(self) -> DType {
        if self.integer {
            DType::I64
        } else {
            DType::F64
        }
    }
}

#[derive(PartialEq)]
enum Kind {
    Bool,
    Unsigned,
    Signed,
    Float,
}

fn kind(t: DType) -> Kind {
    use DType::*;
    match t {
        Bool => Kind::Bool,
        U8 | U16 | U32 | U64 => Kind::Unsigned,
        I8 | I16 | I32 | I64 => Kind::Signed,
        F16 | F32 | F64 => Kind::Float,
    }
}

fn signed(bytes: usize) -> DType {
    match bytes {
        1 => DType::I8,
        2 => DType::I16,
        4 => DType::I32,
        8 => DType::I64,
        // No integer holds both uint64 and a negative number.
        _ => DType::F64,
    }
}

fn float(bytes: usize) -> DType {
    match bytes {
        2 => DType::F16,
        4 => DType::F32,
        _ => DType::F64,
    }
}

/// Returns the smallest dtype that holds the values of both (`numpy.promote_types`).
pub fn promote(a: DType, b: DType) -> DType {
    let (x, y) = (kind(a), kind(b));
    if x == y {
        return if a.size() >= b.size() { a } else { b };
    }
    match (x, y) {
        (Kind::Bool, _) => b,
        (_, Kind::Bool) => a,
        (Kind::Float, _) => float(a.size().max(2 * b.size())),
        (_, Kind::Float) => float(b.size().max(2 * a.size())),
        (Kind::Signed, _) => signed(if a.size() > b.size() { a.size() } else { 2 * b.size() }),
        _ => signed(if b.size() > a.size() { b.size() } else { 2 * a.size() }),
    }
}

/// Returns the dtype of a member after its alignment with the stack. `t` is the dtype of the
/// member, and `own` the length of the axis that is aligned, in the member. `from` has the position
/// in the member of each entry of that axis of the stack, or [`MISSING`]; `None` when the axes are
/// equal.
pub(super) fn aligned(t: DType, sparse: bool, own: usize, from: Option<&[u32]>, fill: Fill) -> DType {
    let Some(from) = from else { return t };
    if own == 0 {
        // scipy's empty matrix is float64.
        return if sparse && fill.value == 0.0 { DType::F64 } else { fill.dtype() };
    }
    if !from.contains(&MISSING) || (sparse && fill.value == 0.0) {
        return t;
    }
    if sparse {
        return promote(t, fill.dtype());
    }
    match kind(t) {
        Kind::Float if fill.integer || fill.value.is_nan() => t,
        Kind::Float => promote(t, smallest_float(fill.value)),
        // numpy would make an array of objects here, which no file holds.
        Kind::Bool => DType::F64,
        _ if fill.integer => promote(t, smallest_integer(fill.value, t)),
        _ => DType::F64,
    }
}

fn smallest_float(x: f64) -> DType {
    if x.abs() < 65000.0 {
        DType::F16
    } else if x.abs() < 3.4e38 {
        DType::F32
    } else {
        DType::F64
    }
}

/// Returns `t` if it holds `x`, else the smallest integer dtype that does, else float64.
fn smallest_integer(x: f64, t: DType) -> DType {
    use DType::*;
    let holds = |t: DType| {
        let bits = 8 * t.size() as i32;
        match kind(t) {
            Kind::Unsigned => x >= 0.0 && x < 2f64.powi(bits),
            _ => x >= -(2f64.powi(bits - 1)) && x < 2f64.powi(bits - 1),
        }
    };
    [t, U8, I8, U16, I16, U32, I32, U64, I64].into_iter().find(|&t| holds(t)).unwrap_or(F64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use DType::*;

    /// Checks every pair against `numpy.promote_types` of numpy 2.4.
    #[test]
    fn numpy_agrees() {
        let order = [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64];
        let table = [
            [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64],
            [I8, I8, I16, I32, I64, I16, I32, I64, F64, F16, F32, F64],
            [I16, I16, I16, I32, I64, I16, I32, I64, F64, F32, F32, F64],
            [I32, I32, I32, I32, I64, I32, I32, I64, F64, F64, F64, F64],
            [I64, I64, I64, I64, I64, I64, I64, I64, F64, F64, F64, F64],
            [U8, I16, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64],
            [U16, I32, I32, I32, I64, U16, U16, U32, U64, F32, F32, F64],
            [U32, I64, I64, I64, I64, U32, U32, U32, U64, F64, F64, F64],
            [U64, F64, F64, F64, F64, U64, U64, U64, U64, F64, F64, F64],
            [F16, F16, F32, F64, F64, F16, F32, F64, F64, F16, F32, F64],
            [F32, F32, F32, F64, F64, F32, F32, F64, F64, F32, F32, F64],
            [F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, F64],
        ];
        for (a, row) in order.iter().zip(table) {
            for (b, expected) in order.iter().zip(row) {
                assert_eq!(promote(*a, *b), expected, "{a} with {b}");
            }
        }
    }
}
