//! Attributes of groups and arrays.

use crate::error::printable;
use std::fmt;

/// Upper bound of the values of an attribute that an error shows.
const SHOWN: usize = 8;

/// The values of an attribute and their type. A scalar attribute has one value.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// Text.
    Text(Vec<String>),
    /// Whole numbers.
    Integer(Vec<i64>),
    /// Floating-point numbers.
    Float(Vec<f64>),
    /// Booleans.
    Boolean(Vec<bool>),
    /// No value, only a type (h5py's `Empty`).
    Empty,
}

/// Formats the values as an error shows them.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T>(f: &mut fmt::Formatter<'_>, values: &[T], one: impl Fn(&T) -> String) -> fmt::Result {
            let shown: Vec<String> = values.iter().take(SHOWN).map(one).collect();
            let more = if values.len() > SHOWN { ", ..." } else { "" };
            match shown.as_slice() {
                [] => f.write_str("an empty list"),
                shown => write!(f, "{}{more}", shown.join(", ")),
            }
        }
        match self {
            Attribute::Text(v) => list(f, v, |t| format!("'{}'", printable(t))),
            Attribute::Integer(v) => list(f, v, i64::to_string),
            Attribute::Float(v) => list(f, v, |x| format!("{x:?}")),
            Attribute::Boolean(v) => list(f, v, bool::to_string),
            Attribute::Empty => f.write_str("nothing"),
        }
    }
}

impl Attribute {
    /// Returns the text of a scalar, or of a list of one; `None` for anything else.
    pub fn text(&self) -> Option<&str> {
        match self {
            Attribute::Text(t) if t.len() == 1 => t.first().map(String::as_str),
            _ => None,
        }
    }

    /// Returns all texts; `None` for values that are not texts. An attribute of no values counts as
    /// an empty list whatever its type, since h5py stores an empty list as float64.
    pub fn texts(&self) -> Option<&[String]> {
        match self {
            Attribute::Text(t) => Some(t),
            other if other.is_empty() => Some(&[]),
            _ => None,
        }
    }

    /// Returns all whole numbers; `None` for values of another type.
    pub fn integers(&self) -> Option<&[i64]> {
        match self {
            Attribute::Integer(v) => Some(v),
            _ => None,
        }
    }

    /// Returns the one truth value, stored as a boolean or as a whole number; `None` for anything
    /// else.
    pub fn flag(&self) -> Option<bool> {
        match self {
            Attribute::Boolean(v) if v.len() == 1 => v.first().copied(),
            Attribute::Integer(v) if v.len() == 1 => v.first().map(|&x| x != 0),
            _ => None,
        }
    }

    /// Returns whether the attribute has no value.
    pub fn is_empty(&self) -> bool {
        match self {
            Attribute::Text(v) => v.is_empty(),
            Attribute::Integer(v) => v.is_empty(),
            Attribute::Float(v) => v.is_empty(),
            Attribute::Boolean(v) => v.is_empty(),
            Attribute::Empty => true,
        }
    }
}
