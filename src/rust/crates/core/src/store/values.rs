//! Typed reading of the values of an array, of one field of its records, or of an attribute.

use super::backend::{Object, Part, Stored};
use super::{Attribute, Kind, Padding};
use crate::dtype::{as_bytes_mut, Plain};
use crate::error::{Error, Result};
use crate::memory;
use std::ops::Range;
use std::rc::Rc;

/// Bytes up to which values are read without a check of the claimed size; beyond it, the stored
/// bytes must be able to hold that size.
pub(super) const UNQUESTIONED: u64 = 64 << 20;

/// Stored values: their kind and extents, and methods that read all of them or a run of rows.
pub(crate) struct Values<'a> {
    at: &'a dyn Object,
    stored: Rc<dyn Stored + 'a>,
    /// The field that is read, for records; `None` for whole values.
    field: Option<String>,
    kind: Kind,
    /// Extents of the array or attribute.
    extents: Vec<usize>,
    /// Extents of the array in every value, for array types; else empty.
    inner: Vec<usize>,
    null: bool,
    /// Start of `found` in errors: empty, or the name of the attribute or field with ": ".
    what: String,
}

impl<'a> Values<'a> {
    /// Makes the values of element `at`, or of the attribute of it that `what` names.
    pub(super) fn new(at: &'a dyn Object, stored: Box<dyn Stored + 'a>, what: String) -> Values<'a> {
        let (kind, inner) = flatten(stored.kind().clone());
        let extents = stored.extents();
        let null = extents.is_none();
        let extents = extents.unwrap_or_default();
        Values { at, stored: stored.into(), field: None, kind, extents, inner, null, what }
    }

    /// Returns the values of one field of records.
    pub(crate) fn field(&self, name: &str) -> Result<Values<'a>> {
        let Kind::Compound(fields) = &self.kind else {
            return Err(self.format("a compound type", self.kind.name()));
        };
        let Some((_, kind)) = fields.iter().find(|f| f.0 == name) else {
            return Err(self.format(format!("a field '{name}'"), "none of that name"));
        };
        let (kind, inner) = flatten(kind.clone());
        let what = format!("{}field '{name}': ", self.what);
        Ok(Values {
            at: self.at,
            stored: self.stored.clone(),
            field: Some(name.to_owned()),
            kind,
            extents: self.extents.clone(),
            inner,
            null: self.null,
            what,
        })
    }

    /// Returns the kind of one value. For array types it is the kind of an entry; their extents are
    /// in [`Values::shape`].
    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Returns the extents, with the extents of array types last; empty for a scalar.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.extents.iter().chain(&self.inner).copied().collect()
    }

    /// Returns whether there is no dataspace at all (h5py's `Empty`).
    pub(crate) fn is_null(&self) -> bool {
        self.null
    }

    /// Returns whether this is a single value without axes.
    pub(crate) fn is_scalar(&self) -> bool {
        !self.null && self.extents.is_empty() && self.inner.is_empty()
    }

    /// Makes an [`Error::Format`] about these values.
    pub(crate) fn format(&self, expected: impl Into<String>, found: impl std::fmt::Display) -> Error {
        self.at.format(expected, format!("{}{found}", self.what))
    }

    /// Makes an [`Error::Unsupported`] about the type of these values.
    pub(crate) fn unsupported(&self) -> Error {
        self.at.unsupported(format!("{}the type {}", self.what, self.kind.name()), "")
    }

    /// Returns the number of values in a run of rows, with the entries of array types counted. An
    /// error when the extents claim more bytes than the stored data can hold.
    fn count(&self, rows: Option<&Range<usize>>) -> Result<usize> {
        if self.null {
            return Ok(0);
        }
        if let (Some(rows), Some(&n)) = (rows, self.extents.first()) {
            if rows.end > n || rows.start > rows.end {
                return Err(self.format(format!("rows up to {}", rows.end), format!("{n} rows")));
            }
        }
        let mut extents = self.extents.clone();
        if let (Some(first), Some(rows)) = (extents.first_mut(), rows) {
            *first = rows.len();
        }
        let absurd = || self.format("a size that fits the file", format!("extents {:?}", self.shape()));
        let count = extents.iter().chain(&self.inner).try_fold(1_usize, |n, &e| n.checked_mul(e)).ok_or_else(absurd)?;
        let bytes = (count as u64).checked_mul(self.kind.memory_bytes() as u64).ok_or_else(absurd)?;
        if bytes > UNQUESTIONED {
            let most = self.stored.max_bytes();
            if bytes > most {
                return Err(self.format(
                    "a size that fits the stored data",
                    format!(
                        "extents {:?} ({bytes} bytes) over data that can be {most} bytes; arrays of which little is stored \
                         are read up to 64 MB",
                        self.shape()
                    ),
                ));
            }
        }
        Ok(count)
    }

    /// Reads the values as an attribute.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for values of an unusual type; the errors of reading.
    pub(super) fn attribute(&self) -> Result<Attribute> {
        if self.is_null() {
            return Ok(Attribute::Empty);
        }
        Ok(match self.kind() {
            Kind::Text { .. } | Kind::FixedText { .. } => {
                let mut texts = Vec::new();
                self.read_texts(None, &mut |t| {
                    texts.push(t.to_owned());
                    Ok(())
                })?;
                Attribute::Text(texts)
            }
            kind if kind.boolean().is_some() => Attribute::Boolean(self.read_booleans(None)?),
            Kind::Integer { .. } | Kind::Enumeration { .. } => Attribute::Integer(self.read_integers(None)?),
            Kind::Float { bytes: 4 } => Attribute::Float(self.read::<f32>(None)?.into_iter().map(f64::from).collect()),
            Kind::Float { bytes: 8 } => Attribute::Float(self.read(None)?),
            _ => return Err(self.unsupported()),
        })
    }

    fn part(&self, rows: Option<Range<usize>>, count: usize) -> Part<'_> {
        Part { field: self.field.as_deref(), kind: &self.kind, inner: &self.inner, rows, count }
    }

    /// Reads `per_value` items of type `T` for each value (1, or the bytes of fixed text), for all
    /// rows or a run of them.
    fn read_items<T: Plain>(&self, rows: Option<Range<usize>>, per_value: usize) -> Result<Vec<T>> {
        let count = self.count(rows.as_ref())?;
        let items = count.saturating_mul(per_value);
        let mut out: Vec<T> = Vec::new();
        out.try_reserve_exact(items).map_err(|_| Error::Memory {
            what: format!("reading {}", self.at.path()),
            needed: (items as u64).saturating_mul(size_of::<T>() as u64),
            limit: 0,
            hint: "; the system has no more memory".into(),
        })?;
        if items > 0 {
            out.resize(items, T::default());
            self.stored.read(&self.part(rows, count), as_bytes_mut(&mut out))?;
        }
        Ok(out)
    }

    /// Reads the values as `T`, which must be the type of this kind in memory.
    pub(crate) fn read<T: Plain>(&self, rows: Option<Range<usize>>) -> Result<Vec<T>> {
        if self.kind.memory_bytes() != size_of::<T>() {
            return Err(Error::Internal(format!("{} read as {} bytes", self.kind.name(), size_of::<T>())));
        }
        self.read_items(rows, 1)
    }

    /// Reads complex numbers as pairs of real and imaginary part.
    pub(crate) fn read_complex(&self, rows: Option<Range<usize>>) -> Result<Vec<(f64, f64)>> {
        if !matches!(self.kind, Kind::Complex { .. }) {
            return Err(self.format("complex numbers", self.kind.name()));
        }
        let parts: Vec<f64> = self.read_items(rows, 2)?;
        let (pairs, _) = parts.as_chunks::<2>();
        memory::collected(pairs.iter().map(|&[re, im]| (re, im)), "complex numbers")
    }

    /// Reads whole numbers and enumerations as i64. A u64 of 2^63 or more is an error.
    pub(crate) fn read_integers(&self, rows: Option<Range<usize>>) -> Result<Vec<i64>> {
        const NUMBERS: &str = "whole numbers of a file";
        fn wide<T: Into<i64>>(v: Vec<T>) -> Result<Vec<i64>> {
            memory::collected(v.into_iter().map(Into::into), NUMBERS)
        }
        let (Kind::Integer { bytes, signed } | Kind::Enumeration { bytes, signed, .. }) = &self.kind else {
            return Err(self.format("whole numbers", self.kind.name()));
        };
        Ok(match (bytes, signed) {
            (1, true) => wide(self.read::<i8>(rows)?)?,
            (2, true) => wide(self.read::<i16>(rows)?)?,
            (4, true) => wide(self.read::<i32>(rows)?)?,
            (8, true) => self.read::<i64>(rows)?,
            (1, false) => wide(self.read::<u8>(rows)?)?,
            (2, false) => wide(self.read::<u16>(rows)?)?,
            (4, false) => wide(self.read::<u32>(rows)?)?,
            _ => self
                .read::<u64>(rows)?
                .into_iter()
                .map(|x| i64::try_from(x).map_err(|_| self.format("numbers below 2^63", x)))
                .collect::<Result<_>>()?,
        })
    }

    /// Reads booleans, which are stored as an enumeration of FALSE and TRUE.
    pub(crate) fn read_booleans(&self, rows: Option<Range<usize>>) -> Result<Vec<bool>> {
        let Some((no, yes)) = self.kind.boolean() else {
            return Err(self.format("an enumeration of FALSE and TRUE", self.kind.name()));
        };
        let truth = |x: i64| match x {
            x if x == no => Ok(false),
            x if x == yes => Ok(true),
            x => Err(self.format(format!("{no} (FALSE) or {yes} (TRUE)"), x)),
        };
        if let Kind::Enumeration { bytes: 1, signed: true, .. } = self.kind {
            return self.read::<i8>(rows)?.into_iter().map(|x| truth(x.into())).collect();
        }
        self.read_integers(rows)?.into_iter().map(truth).collect()
    }

    /// Reads texts, of fixed or of any length, and hands each to `each`, in order.
    pub(crate) fn read_texts(
        &self,
        rows: Option<Range<usize>>,
        each: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        let mut at = 0_usize;
        self.read_bytes(rows, &mut |bytes| match std::str::from_utf8(bytes) {
            Ok(text) => {
                at += 1;
                each(text)
            }
            Err(e) => {
                let byte = bytes.get(e.valid_up_to()).copied().unwrap_or_default();
                Err(self.format("UTF-8 text", format!("byte 0x{byte:02x} in text {at} (zero-based)")))
            }
        })
    }

    /// Reads the bytes of texts, of fixed or of any length, and hands them to `give`, without their
    /// padding.
    pub(crate) fn read_bytes(
        &self,
        rows: Option<Range<usize>>,
        give: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        match self.kind {
            Kind::FixedText { bytes, padding, .. } => {
                let raw: Vec<u8> = self.read_items(rows, bytes)?;
                let kept = |cell: &[u8]| match padding {
                    Padding::Terminated => cell.iter().position(|&b| b == 0),
                    Padding::Nul => cell.iter().rposition(|&b| b != 0).map_or(Some(0), |i| Some(i + 1)),
                    Padding::Spaces => cell.iter().rposition(|&b| b != b' ').map_or(Some(0), |i| Some(i + 1)),
                };
                raw.chunks_exact(bytes.max(1)).try_for_each(|cell| give(&cell[..kept(cell).unwrap_or(cell.len())]))
            }
            Kind::Text { .. } => {
                let count = self.count(rows.as_ref())?;
                self.stored.texts(&self.part(rows, count), give)
            }
            _ => Err(self.format("text", self.kind.name())),
        }
    }
}

fn flatten(kind: Kind) -> (Kind, Vec<usize>) {
    let (mut kind, mut inner) = (kind, Vec::new());
    while let Kind::Array { extents, item } = kind {
        inner.extend(extents);
        kind = *item;
    }
    (kind, inner)
}
