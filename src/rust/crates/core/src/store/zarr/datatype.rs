//! Data types as both versions name them, and the conversion of their bytes to values in memory.

use super::json::Json;
use crate::store::{Kind, Padding};

/// The type of one stored value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DataType {
    pub(super) item: Item,
    /// Whether the byte order is the opposite of this machine's.
    pub(super) swapped: bool,
}

/// The type of a value, without its byte order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Bool,
    Integer {
        bytes: usize,
        signed: bool,
    },
    Float {
        bytes: usize,
    },
    /// A complex number of two float32 (`single`) or two float64.
    Complex {
        single: bool,
    },
    /// Bytes of a fixed number, padded with NUL.
    Bytes(usize),
    /// Text of a fixed number of UTF-32 characters, padded with NUL.
    Utf32(usize),
    /// Text of any length.
    Text,
    /// Bytes of any length.
    AnyBytes,
    Struct {
        fields: Vec<Field>,
        bytes: usize,
    },
    /// A type that cannot be read, by its name.
    Other(String),
}

/// A field of records.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    /// Offset of the field in a record.
    pub(super) at: usize,
    pub(super) of: DataType,
    /// Extents of the array that the field is in every record; else empty.
    pub(super) inner: Vec<usize>,
}

/// Upper bound of the bytes of a value of fixed length.
const LARGEST: usize = 1 << 24;
/// Upper bound of the nesting of records.
const DEEPEST: usize = 8;

impl DataType {
    fn new(item: Item) -> DataType {
        DataType { item, swapped: false }
    }

    /// Reads a type from metadata of version 3. Its byte order is this machine's until
    /// [`DataType::ordered`] sets it.
    ///
    /// # Errors
    /// A description of a type that is malformed.
    pub(super) fn v3(json: &Json) -> Result<DataType, String> {
        named(json, 0)
    }

    /// Reads a type from metadata of version 2. `object` is the item type of objects, which the
    /// filters name.
    ///
    /// # Errors
    /// A description of a type that is malformed.
    pub(super) fn v2(json: &Json, object: Option<Item>) -> Result<DataType, String> {
        match json {
            Json::Text(code) if code.ends_with('O') => match object {
                Some(item) => Ok(Self::new(item)),
                None => Ok(Self::new(Item::Other("object".to_owned()))),
            },
            json => numpy(json, 0),
        }
    }

    /// Returns the same type with this byte order, in fields too.
    pub(super) fn ordered(self, big: bool) -> DataType {
        let other = big == cfg!(target_endian = "little");
        let item = match self.item {
            Item::Struct { fields, bytes } => {
                let fields = fields.into_iter().map(|f| Field { of: f.of.ordered(big), ..f }).collect();
                Item::Struct { fields, bytes }
            }
            item => item,
        };
        DataType { item, swapped: other }
    }

    /// Returns the bytes of a stored value; `None` for values of any length and for types that
    /// cannot be read.
    pub(super) fn size(&self) -> Option<usize> {
        Some(match &self.item {
            Item::Bool => 1,
            Item::Integer { bytes, .. } | Item::Float { bytes } | Item::Struct { bytes, .. } => *bytes,
            Item::Complex { single } => 8 << usize::from(!single),
            Item::Bytes(bytes) => *bytes,
            Item::Utf32(characters) => 4 * characters,
            Item::Text | Item::AnyBytes | Item::Other(_) => return None,
        })
    }

    /// Returns the kind of the values in memory. Texts of fixed length become UTF-8 in as many
    /// bytes.
    pub(super) fn kind(&self) -> Kind {
        match &self.item {
            Item::Bool => Kind::from_dtype(crate::dtype::DType::Bool),
            Item::Integer { bytes, signed } => Kind::Integer { bytes: *bytes, signed: *signed },
            Item::Float { bytes } => Kind::Float { bytes: *bytes },
            Item::Complex { single } => Kind::complex(*single),
            Item::Bytes(bytes) => Kind::bytes(*bytes),
            Item::Utf32(characters) => {
                Kind::FixedText { bytes: (4 * characters).max(1), padding: Padding::Nul, utf8: true }
            }
            Item::Text => Kind::TEXT,
            Item::AnyBytes => Kind::Text { utf8: false },
            Item::Struct { fields, .. } => {
                Kind::Compound(fields.iter().map(|f| (f.name.clone(), f.of.kind().array(&f.inner))).collect())
            }
            Item::Other(name) => Kind::Other(name.clone()),
        }
    }

    /// Returns the bytes of a number within a value, the unit of a change of byte order.
    fn unit(&self) -> usize {
        match &self.item {
            Item::Integer { bytes, .. } | Item::Float { bytes } => *bytes,
            Item::Complex { single } => 4 << usize::from(!single),
            Item::Utf32(_) => 4,
            _ => 1,
        }
    }

    /// Converts stored values to values in memory. `stored` and `out` hold the same number of whole
    /// values.
    ///
    /// # Errors
    /// A description of the value that cannot be converted.
    pub(super) fn convert(&self, stored: &[u8], out: &mut [u8]) -> Result<(), String> {
        let unit = self.unit();
        let native = |bytes: &[u8]| -> [u8; 8] {
            let mut copy = [0; 8];
            copy[..unit].copy_from_slice(bytes);
            if self.swapped {
                copy[..unit].reverse();
            }
            copy
        };
        match &self.item {
            Item::Bool | Item::Bytes(1..) => out.copy_from_slice(stored),
            Item::Integer { .. } | Item::Float { .. } => {
                out.copy_from_slice(stored);
                if self.swapped && unit > 1 {
                    out.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
                }
            }
            Item::Complex { single } => {
                for (part, to) in stored.chunks_exact(unit).zip(out.chunks_exact_mut(8)) {
                    let bytes = native(part);
                    let wide = if *single {
                        f64::from(f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                    } else {
                        f64::from_ne_bytes(bytes)
                    };
                    to.copy_from_slice(&wide.to_ne_bytes());
                }
            }
            // Texts of length 0, which take one byte in memory.
            Item::Bytes(0) | Item::Utf32(0) => out.fill(0),
            Item::Utf32(characters) => {
                for (text, to) in stored.chunks_exact(4 * characters).zip(out.chunks_exact_mut(4 * characters)) {
                    let mut at = 0;
                    let codes = text.chunks_exact(4).map(|c| {
                        let bytes = native(c);
                        u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
                    });
                    // A NUL within a text stays; NULs at its end are padding.
                    for code in codes {
                        let c =
                            char::from_u32(code).ok_or_else(|| format!("the code {code}, which is no character"))?;
                        at += c.encode_utf8(&mut to[at..]).len();
                    }
                    to[at..].fill(0);
                }
            }
            Item::Struct { .. } | Item::Text | Item::AnyBytes | Item::Other(_) => {
                return Err(format!("values of type {}", self.kind().name()));
            }
        }
        Ok(())
    }

    /// Returns the field `name` of records; `None` for other types.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        match &self.item {
            Item::Struct { fields, .. } => fields.iter().find(|f| f.name == name),
            _ => None,
        }
    }

    /// Returns the bytes of the fill value in the metadata, in the stored byte order; zeros where
    /// there is none.
    ///
    /// # Errors
    /// A description of the fill value and the type that it does not fit.
    pub(super) fn fill(&self, json: Option<&Json>) -> Result<Vec<u8>, String> {
        let size = self.size().unwrap_or(0);
        let json = match json {
            None | Some(Json::Null) => return Ok(vec![0; size]),
            Some(json) => json,
        };
        let wrong = || format!("a fill value {} for {}", json.written(), self.kind().name());
        let mut bytes = match &self.item {
            Item::Bool => match json {
                Json::Bool(value) => vec![u8::from(*value)],
                json => vec![u8::from(json.float().ok_or_else(wrong)? != 0.0)],
            },
            Item::Integer { bytes, signed } => {
                // Some writers write whole numbers as floats.
                let float =
                    || json.float().filter(|x| x.fract() == 0.0 && x.abs() <= 2_f64.powi(53)).map(|x| x as i128);
                let value: i128 = json.whole().or_else(float).ok_or_else(wrong)?;
                let bits = 8 * *bytes as u32;
                let (low, high) = if *signed { (-(1 << (bits - 1)), 1 << (bits - 1)) } else { (0_i128, 1 << bits) };
                if value < low || value >= high {
                    return Err(wrong());
                }
                let all = value.to_le_bytes();
                in_order(&all[..*bytes])
            }
            Item::Float { bytes } => float(json, *bytes).ok_or_else(wrong)?,
            Item::Complex { single } => {
                let bytes = if *single { 4 } else { 8 };
                match json.list() {
                    Some([re, im]) => {
                        let parts = float(re, bytes).zip(float(im, bytes)).ok_or_else(wrong)?;
                        return Ok(self.in_stored_order([parts.0, parts.1].concat()));
                    }
                    Some(_) => return Err(wrong()),
                    None => [float(json, bytes).ok_or_else(wrong)?, vec![0; bytes]].concat(),
                }
            }
            Item::Utf32(_) | Item::Bytes(_) | Item::Struct { .. } => match json.text() {
                Some("") => vec![0; size],
                // Version 2 has the stored bytes in Base64.
                Some(text) => match base64(text).filter(|bytes| bytes.len() == size) {
                    Some(bytes) => return Ok(bytes),
                    None => return Err(wrong()),
                },
                None => vec![0; size],
            },
            Item::Text | Item::AnyBytes | Item::Other(_) => Vec::new(),
        };
        bytes.resize(size, 0);
        Ok(self.in_stored_order(bytes))
    }

    fn in_stored_order(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.swapped {
            bytes.chunks_exact_mut(self.unit()).for_each(<[u8]>::reverse);
        }
        bytes
    }
}

/// Returns a little-endian number in the byte order of this machine.
fn in_order(little: &[u8]) -> Vec<u8> {
    let mut bytes = little.to_vec();
    if cfg!(target_endian = "big") {
        bytes.reverse();
    }
    bytes
}

/// Returns the bytes of a float of `bytes` bytes from a number, a name ("NaN", "Infinity"), or its
/// bits in hexadecimal digits ("0x...").
fn float(json: &Json, bytes: usize) -> Option<Vec<u8>> {
    let value = match json.text() {
        Some(text) if text.starts_with("0x") => {
            let bits = u64::from_str_radix(&text[2..], 16).ok()?;
            return Some(in_order(bits.to_le_bytes().get(..bytes)?));
        }
        Some("NaN") => f64::NAN,
        Some("Infinity") => f64::INFINITY,
        Some("-Infinity") => f64::NEG_INFINITY,
        Some(_) => return None,
        None => json.float()?,
    };
    Some(match bytes {
        2 => half::f16::from_f64(value).to_ne_bytes().to_vec(),
        4 => (value as f32).to_ne_bytes().to_vec(),
        _ => value.to_ne_bytes().to_vec(),
    })
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

fn structure(fields: Vec<(String, DataType, Vec<usize>)>) -> Result<DataType, String> {
    let (mut out, mut at) = (Vec::new(), 0_usize);
    for (name, of, inner) in fields {
        let size = of.size().ok_or_else(|| format!("a field '{name}' of values of any length"))?;
        let all = inner.iter().try_fold(size, |n, &e| n.checked_mul(e)).and_then(|n| at.checked_add(n));
        let end = all.filter(|&n| n <= LARGEST).ok_or_else(|| format!("records of more than {LARGEST} bytes"))?;
        out.push(Field { name, at, of, inner });
        at = end;
    }
    if at == 0 {
        return Err("records without fields".to_owned());
    }
    Ok(DataType::new(Item::Struct { fields: out, bytes: at }))
}

fn named(json: &Json, depth: usize) -> Result<DataType, String> {
    let shown = || format!("a data type {}", short(json));
    if depth > DEEPEST {
        return Err("records within records".to_owned());
    }
    let (name, configuration) = match json {
        Json::Text(name) => (name.as_str(), None),
        json => (json.get("name").and_then(Json::text).ok_or_else(shown)?, json.get("configuration")),
    };
    let setting = |key: &str| configuration.and_then(|c| c.get(key));
    let length = || {
        let n: Option<usize> = setting("length_bytes").and_then(Json::whole);
        n.filter(|&n| n <= LARGEST).ok_or_else(shown)
    };
    let number =
        |bits: &str| bits.parse().ok().filter(|bits| [8, 16, 32, 64].contains(bits)).map(|bits: usize| bits / 8);
    Ok(DataType::new(match name {
        "bool" => Item::Bool,
        "string" => Item::Text,
        "bytes" | "variable_length_bytes" => Item::AnyBytes,
        "float16" => Item::Float { bytes: 2 },
        "float32" => Item::Float { bytes: 4 },
        "float64" => Item::Float { bytes: 8 },
        "complex64" => Item::Complex { single: true },
        "complex128" => Item::Complex { single: false },
        "fixed_length_utf32" => match length()? {
            n if n % 4 == 0 => Item::Utf32(n / 4),
            _ => return Err(shown()),
        },
        "null_terminated_bytes" | "raw_bytes" => Item::Bytes(length()?),
        "struct" | "structured" => {
            let fields = setting("fields").and_then(Json::list).ok_or_else(shown)?;
            let field = |json: &Json| {
                let (name, of) = match json.list() {
                    Some([name, of]) => (name.text(), Some(of)),
                    Some(_) => (None, None),
                    None => (json.get("name").and_then(Json::text), json.get("data_type")),
                };
                let (name, of) = name.zip(of).ok_or_else(shown)?;
                Ok((name.to_owned(), named(of, depth + 1)?, Vec::new()))
            };
            return structure(fields.iter().map(field).collect::<Result<_, String>>()?);
        }
        other => {
            let whole = other.strip_prefix("int").and_then(number).map(|bytes| Item::Integer { bytes, signed: true });
            let count =
                || other.strip_prefix("uint").and_then(number).map(|bytes| Item::Integer { bytes, signed: false });
            whole.or_else(count).unwrap_or_else(|| Item::Other(short(json)))
        }
    }))
}

/// Reads a type from numpy's code ("<f4", "|S5", "<U3") or from a list of fields.
fn numpy(json: &Json, depth: usize) -> Result<DataType, String> {
    let shown = || format!("a data type {}", short(json));
    if depth > DEEPEST {
        return Err("records within records".to_owned());
    }
    if let Some(fields) = json.list() {
        let field = |json: &Json| {
            let (name, of, inner) = match json.list() {
                Some([name, of]) => (name, of, Vec::new()),
                Some([name, of, extents]) => (name, of, extents.extents().ok_or_else(shown)?),
                _ => return Err(shown()),
            };
            let inner = inner.into_iter().map(|e| usize::try_from(e).map_err(|_| shown())).collect::<Result<_, _>>()?;
            Ok((name.text().ok_or_else(shown)?.to_owned(), numpy(of, depth + 1)?, inner))
        };
        return structure(fields.iter().map(field).collect::<Result<_, String>>()?);
    }
    let code = json.text().ok_or_else(shown)?;
    let mut letters = code.chars();
    let order = letters.next().ok_or_else(shown)?;
    let letter = letters.next().ok_or_else(shown)?;
    let size = letters.as_str();
    let n = || size.parse::<usize>().ok().filter(|&n| n <= LARGEST / 4).ok_or_else(shown);
    let item = match (letter, size) {
        ('b', "1") => Item::Bool,
        ('i', "1" | "2" | "4" | "8") => Item::Integer { bytes: n()?, signed: true },
        ('u', "1" | "2" | "4" | "8") => Item::Integer { bytes: n()?, signed: false },
        ('f', "2" | "4" | "8") => Item::Float { bytes: n()? },
        ('c', "8") => Item::Complex { single: true },
        ('c', "16") => Item::Complex { single: false },
        ('S', _) => Item::Bytes(n()?),
        ('U', _) => Item::Utf32(n()?),
        _ => Item::Other(short(json)),
    };
    match order {
        '<' | '|' => Ok(DataType::new(item).ordered(false)),
        '>' => Ok(DataType::new(item).ordered(true)),
        _ => Err(shown()),
    }
}

/// Returns the first 80 characters of the JSON, for messages.
pub(super) fn short(json: &Json) -> String {
    const SHOWN: usize = 80;
    let text = json.written();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn types_of_both_versions() {
        let v2 = |text: &str| DataType::v2(&json(text), Some(Item::Text)).unwrap();
        let v3 = |text: &str| DataType::v3(&json(text)).unwrap();
        assert_eq!(v2("\"<f4\"").kind(), v3("\"float32\"").kind());
        assert_eq!(v2("\"|u1\"").item, v3("\"uint8\"").item);
        assert!(v2("\">i8\"").swapped && !v2("\"<i8\"").swapped);
        assert_eq!(v2("\"|O\"").item, Item::Text);
        assert_eq!(v2("\"<M8[ns]\"").item, Item::Other("\"<M8[ns]\"".to_owned()));
        let record = v2("[[\"a\", \"<i4\"], [\"b\", \">f8\", [2]], [\"c\", \"<U3\"]]");
        assert_eq!(record.size(), Some(32));
        let field = record.field("b").unwrap();
        assert!((field.at, field.of.swapped, &field.inner[..]) == (4, true, &[2][..]));
        let record = v3(
            "{\"name\": \"struct\", \"configuration\": {\"fields\": [{\"name\": \"a\", \"data_type\": \"int16\"}, \
             {\"name\": \"c\", \"data_type\": {\"name\": \"fixed_length_utf32\", \"configuration\": {\"length_bytes\": 8}}}]}}",
        );
        assert_eq!(record.size(), Some(10));
        for wrong in ["3", "\"\"", "[[\"a\"]]", "[]", "\"<U99999999999\"", "[[\"a\", \"|O\"]]"] {
            assert!(DataType::v2(&json(wrong), None).is_err() || wrong == "\"\"", "{wrong}");
        }
    }

    #[test]
    fn fills() {
        let of =
            |code: &str, fill: &str| DataType::v2(&json(&format!("\"{code}\"")), None).unwrap().fill(Some(&json(fill)));
        assert_eq!(of(">i2", "258").unwrap(), [1, 2]);
        assert_eq!(of("<u8", "18446744073709551615").unwrap(), [255; 8]);
        assert_eq!(of("<f4", "\"NaN\"").unwrap(), f32::NAN.to_le_bytes());
        assert_eq!(of("<f4", "\"0x7fc00001\"").unwrap(), 0x7fc0_0001_u32.to_le_bytes());
        assert_eq!(of("<c8", "[1.0, \"Infinity\"]").unwrap()[4..], f32::INFINITY.to_le_bytes());
        assert_eq!(of("|S3", "\"YWI=\"").ok(), None);
        assert_eq!(of("|S2", "\"YWI=\"").unwrap(), *b"ab");
        assert!(of("|u1", "256").is_err() && of("|i1", "-129").is_err() && of("<f8", "\"x\"").is_err());
        assert_eq!(of("<i4", "null").unwrap(), [0; 4]);
    }

    #[test]
    fn texts_of_utf_32() {
        let stored: Vec<u8> = ['a', '🧬', '\0'].iter().flat_map(|&c| (c as u32).to_be_bytes()).collect();
        let of = DataType::v2(&json("\">U3\""), None).unwrap();
        let mut out = [9; 12];
        of.convert(&stored, &mut out).unwrap();
        assert_eq!(out, *b"a\xf0\x9f\xa7\xac\0\0\0\0\0\0\0");
        assert!(of.convert(&[0, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &mut out).is_err());
    }
}
