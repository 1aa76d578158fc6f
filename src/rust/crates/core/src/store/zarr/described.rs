//! The metadata of arrays that are written, in either version.

use super::json::Json;
use crate::codec::Compression;
use crate::dtype::DType;
use crate::store::Kind;

/// An array to be described by metadata.
pub(super) struct Described<'a> {
    pub(super) kind: &'a Stored,
    pub(super) shape: &'a [u64],
    pub(super) chunk: &'a [u64],
    /// Extents of a shard; `None` where every chunk is an object of its own.
    pub(super) shard: Option<&'a [u64]>,
    pub(super) compression: Compression,
}

/// The type of values as they are written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stored {
    Number(DType),
    Complex {
        single: bool,
    },
    Bytes(usize),
    Text,
    /// Records by field: numbers, complex numbers, fixed bytes, and texts of a fixed number of
    /// characters.
    Struct(Vec<(String, Stored)>),
    /// Texts of a fixed number of characters, in records.
    Utf32(usize),
}

impl Stored {
    /// Returns the type for a kind; `None` where there is none. Arrays in records have none, since
    /// zarr-python refuses a whole store that has them. Texts in records are `Text` here, and
    /// become `Utf32` when their lengths are known.
    pub(super) fn from_kind(kind: &Kind) -> Option<Stored> {
        Some(match kind {
            Kind::Text { .. } => Stored::Text,
            Kind::Complex { single, .. } => Stored::Complex { single: *single },
            Kind::FixedText { bytes, .. } => Stored::Bytes(*bytes),
            Kind::Compound(fields) => {
                let field = |(name, kind): &(String, Kind)| Some((name.clone(), Stored::from_kind(kind)?));
                Stored::Struct(fields.iter().map(field).collect::<Option<_>>()?)
            }
            kind => Stored::Number(kind.dtype()?),
        })
    }

    /// Returns the bytes of a value; 0 for texts of any length.
    pub(super) fn size(&self) -> usize {
        match self {
            Stored::Number(dtype) => dtype.size(),
            Stored::Complex { single } => 8 << usize::from(!single),
            Stored::Bytes(bytes) => *bytes,
            Stored::Text => 0,
            Stored::Struct(fields) => fields.iter().map(|f| f.1.size()).sum(),
            Stored::Utf32(characters) => 4 * characters,
        }
    }

    fn v2(&self) -> Json {
        let order = if cfg!(target_endian = "little") { '<' } else { '>' };
        Json::Text(match self {
            Stored::Number(dtype) => {
                let (letter, bytes) = match dtype {
                    DType::Bool => return Json::of_text("|b1"),
                    DType::I8 | DType::I16 | DType::I32 | DType::I64 => ('i', dtype.size()),
                    DType::U8 | DType::U16 | DType::U32 | DType::U64 => ('u', dtype.size()),
                    DType::F16 | DType::F32 | DType::F64 => ('f', dtype.size()),
                };
                format!("{}{letter}{bytes}", if bytes == 1 { '|' } else { order })
            }
            Stored::Complex { .. } => format!("{order}c{}", self.size()),
            Stored::Bytes(bytes) => format!("|S{bytes}"),
            Stored::Text => "|O".to_owned(),
            Stored::Utf32(characters) => format!("{order}U{characters}"),
            Stored::Struct(fields) => {
                let field = |(name, of): &(String, Stored)| Json::List(vec![Json::of_text(name), of.v2()]);
                return Json::List(fields.iter().map(field).collect());
            }
        })
    }

    fn v3(&self) -> Json {
        let sized = |name: &str, bytes: usize| {
            let length = Json::Number(bytes.to_string());
            let configuration = Json::of_map(vec![("length_bytes", length)]);
            Json::of_map(vec![("name", Json::of_text(name)), ("configuration", configuration)])
        };
        Json::Text(match self {
            Stored::Number(dtype) => dtype.to_string(),
            Stored::Complex { single } => if *single { "complex64" } else { "complex128" }.to_owned(),
            Stored::Bytes(bytes) => return sized("null_terminated_bytes", *bytes),
            Stored::Text => "string".to_owned(),
            Stored::Utf32(characters) => return sized("fixed_length_utf32", 4 * characters),
            // The name and form of records that all releases of zarr-python read.
            Stored::Struct(fields) => {
                let field = |(name, of): &(String, Stored)| Json::List(vec![Json::of_text(name), of.v3()]);
                let fields = Json::List(fields.iter().map(field).collect());
                let configuration = Json::of_map(vec![("fields", fields)]);
                return Json::of_map(vec![("name", Json::of_text("structured")), ("configuration", configuration)]);
            }
        })
    }

    fn fill(&self) -> Json {
        let zero = || Json::Number("0".to_owned());
        let float = || Json::Number("0.0".to_owned());
        match self {
            Stored::Number(DType::Bool) => Json::Bool(false),
            Stored::Number(DType::F16 | DType::F32 | DType::F64) => float(),
            Stored::Number(_) => zero(),
            Stored::Complex { .. } => Json::List(vec![float(), float()]),
            Stored::Text | Stored::Utf32(_) => Json::of_text(""),
            Stored::Bytes(_) | Stored::Struct(_) => Json::Text(zeros_in_base64(self.size())),
        }
    }

    fn has_order(&self) -> bool {
        !matches!(self, Stored::Number(dtype) if dtype.size() == 1)
    }
}

fn zeros_in_base64(bytes: usize) -> String {
    let mut text = "A".repeat((bytes * 8).div_ceil(6));
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

fn level(level: u8) -> Json {
    Json::Number(level.to_string())
}

impl Described<'_> {
    /// Returns the content of `.zarray`.
    pub(super) fn v2(&self) -> Json {
        let compressor = match self.compression {
            Compression::Zstd(n) => Json::of_map(vec![("id", Json::of_text("zstd")), ("level", level(n))]),
            Compression::GzipFile(n) => Json::of_map(vec![("id", Json::of_text("gzip")), ("level", level(n))]),
            _ => Json::Null,
        };
        let filters = match self.kind {
            Stored::Text => Json::List(vec![Json::of_map(vec![("id", Json::of_text("vlen-utf8"))])]),
            _ => Json::Null,
        };
        Json::of_map(vec![
            ("shape", Json::of_extents(self.shape)),
            ("chunks", Json::of_extents(self.chunk)),
            ("dtype", self.kind.v2()),
            ("fill_value", self.kind.fill()),
            ("order", Json::of_text("C")),
            ("filters", filters),
            ("dimension_separator", Json::of_text(".")),
            ("compressor", compressor),
            ("zarr_format", Json::Number("2".to_owned())),
        ])
    }

    /// Returns the content of `zarr.json`.
    pub(super) fn v3(&self, attributes: Json) -> Json {
        let named = |name: &str, configuration: Vec<(&str, Json)>| {
            Json::of_map(vec![("name", Json::of_text(name)), ("configuration", Json::of_map(configuration))])
        };
        let little = if cfg!(target_endian = "little") { "little" } else { "big" };
        let bytes = || named("bytes", vec![("endian", Json::of_text(little))]);
        let mut codecs = vec![match self.kind {
            Stored::Text => named("vlen-utf8", Vec::new()),
            kind if kind.has_order() => bytes(),
            _ => Json::of_map(vec![("name", Json::of_text("bytes"))]),
        }];
        match self.compression {
            Compression::Zstd(n) => {
                codecs.push(named("zstd", vec![("level", level(n)), ("checksum", Json::Bool(false))]));
            }
            Compression::GzipFile(n) => codecs.push(named("gzip", vec![("level", level(n))])),
            _ => {}
        }
        if self.shard.is_some() {
            let index = vec![
                named("bytes", vec![("endian", Json::of_text("little"))]),
                Json::of_map(vec![("name", Json::of_text("crc32c"))]),
            ];
            codecs = vec![named(
                "sharding_indexed",
                vec![
                    ("chunk_shape", Json::of_extents(self.chunk)),
                    ("codecs", Json::List(codecs)),
                    ("index_codecs", Json::List(index)),
                    ("index_location", Json::of_text("end")),
                ],
            )];
        }
        Json::of_map(vec![
            ("shape", Json::of_extents(self.shape)),
            ("data_type", self.kind.v3()),
            ("chunk_grid", named("regular", vec![("chunk_shape", Json::of_extents(self.shard.unwrap_or(self.chunk)))])),
            ("chunk_key_encoding", named("default", vec![("separator", Json::of_text("/"))])),
            ("fill_value", self.kind.fill()),
            ("codecs", Json::List(codecs)),
            ("attributes", attributes),
            ("zarr_format", Json::Number("3".to_owned())),
            ("node_type", Json::of_text("array")),
            ("storage_transformers", Json::List(Vec::new())),
        ])
    }
}
