//! The metadata of an array, in either version of the format.

use super::codecs::{self, Codecs, Fault, Sharding};
use super::datatype::{short, DataType};
use super::json::Json;

/// The description of an array, without its values.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) shape: Vec<u64>,
    /// Extents of an object: a chunk, or a shard of several.
    pub(super) object: Vec<u64>,
    pub(super) of: DataType,
    pub(super) codecs: Codecs,
    pub(super) sharding: Option<Sharding>,
    /// One value as it is stored; empty for types of any length.
    pub(super) fill: Vec<u8>,
    /// The fill value of texts.
    pub(super) fill_text: String,
    pub(super) keys: Keys,
}

/// The rule by which the objects of an array are named after their places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    /// Whether names start with "c".
    prefixed: bool,
    separator: char,
}

/// Upper bound of the axes of an array.
const MOST_AXES: usize = 32;

impl Keys {
    /// Returns the name of the object at a place in the grid of objects.
    pub(super) fn name(self, place: &[u64]) -> String {
        let mut name = if self.prefixed { "c".to_owned() } else { String::new() };
        for at in place {
            if !name.is_empty() {
                name.push(self.separator);
            }
            name.push_str(&at.to_string());
        }
        if name.is_empty() {
            // A single value of version 2.
            name.push('0');
        }
        name
    }

    /// Returns the place that a name stands for; `None` for names of other objects.
    pub(super) fn place(self, name: &str, rank: usize) -> Option<Vec<u64>> {
        let numbers = if self.prefixed {
            match name.strip_prefix('c')? {
                "" => "",
                rest => rest.strip_prefix(self.separator)?,
            }
        } else if rank == 0 {
            return (name == "0").then(Vec::new);
        } else {
            name
        };
        let mut place = Vec::new();
        for number in numbers.split(self.separator).filter(|_| !numbers.is_empty()) {
            // Only names as they are written: no sign, no leading zero.
            let plain = number.bytes().all(|b| b.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
            place.push(number.parse().ok().filter(|_| plain)?);
        }
        (place.len() == rank).then_some(place)
    }

    /// Returns the number of path components that a name has at most.
    pub(super) fn depth(self, rank: usize) -> usize {
        if self.separator == '/' {
            rank.max(1) + usize::from(self.prefixed)
        } else {
            1
        }
    }
}

impl Array {
    /// Returns the extents of a chunk.
    pub(super) fn chunk(&self) -> &[u64] {
        self.sharding.as_ref().map_or(&self.object, |s| &s.chunk)
    }

    /// Reads the description from the metadata of a version.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn from_json(json: &Json, version: u8) -> Result<Array, Fault> {
        match version {
            2 => Self::v2(json),
            _ => Self::v3(json),
        }
    }

    fn v2(json: &Json) -> Result<Array, Fault> {
        let shape = shape_of(json).map_err(|found| Fault::Wrong("extents in 'shape'", found))?;
        let filters = json.get("filters");
        let of = json.get("dtype").ok_or_else(|| Fault::Wrong("a data type", "none".to_owned()))?;
        let of = DataType::v2(of, codecs::object_of(filters)).map_err(|found| Fault::Wrong("a data type", found))?;
        let codecs = codecs::v2(json, shape.len(), of.size().unwrap_or(1))?;
        let separator = json.get("dimension_separator").map_or(Some("."), Json::text);
        let keys = Keys { prefixed: false, separator: separator_of(separator)? };
        Self::new(json, shape, json.get("chunks"), of, (codecs, None), keys)
    }

    fn v3(json: &Json) -> Result<Array, Fault> {
        let shape = shape_of(json).map_err(|found| Fault::Wrong("extents in 'shape'", found))?;
        let rank = shape.len();
        let of = json.get("data_type").ok_or_else(|| Fault::Wrong("a data type", "none".to_owned()))?;
        let of = DataType::v3(of).map_err(|found| Fault::Wrong("a data type", found))?;
        let must = |json: &&Json| json.get("must_understand") != Some(&Json::Bool(false));
        if let Some(other) = json.get("storage_transformers").and_then(Json::list).and_then(|l| l.iter().find(must)) {
            return Err(Fault::Unsupported(format!("the storage transformer {}", short(other))));
        }
        let (codecs, sharding) = codecs::v3(json.get("codecs"), rank, of.size().unwrap_or(1))?;
        let of = of.ordered(codecs.big);
        let grid = json.get("chunk_grid").ok_or_else(|| Fault::Wrong("a grid of chunks", "none".to_owned()))?;
        if grid.get("name").and_then(Json::text) != Some("regular") {
            return Err(Fault::Unsupported(format!("the grid of chunks {}", short(grid))));
        }
        let encoding = json.get("chunk_key_encoding");
        let name = encoding.and_then(|e| e.text().or_else(|| e.get("name")?.text()));
        let separator = encoding.and_then(|e| e.get("configuration")?.get("separator")).and_then(Json::text);
        let keys = match name {
            None | Some("default") => Keys { prefixed: true, separator: separator_of(separator.or(Some("/")))? },
            Some("v2") => Keys { prefixed: false, separator: separator_of(separator.or(Some(".")))? },
            Some(other) => return Err(Fault::Unsupported(format!("names of chunks by '{other}'"))),
        };
        let chunk = grid.get("configuration").and_then(|c| c.get("chunk_shape"));
        Self::new(json, shape, chunk, of, (codecs, sharding), keys)
    }

    fn new(
        json: &Json,
        shape: Vec<u64>,
        chunk: Option<&Json>,
        of: DataType,
        (codecs, sharding): (Codecs, Option<Sharding>),
        keys: Keys,
    ) -> Result<Array, Fault> {
        let object = chunk.and_then(Json::extents).filter(|o| o.len() == shape.len() && !o.contains(&0));
        let object = object.ok_or_else(|| {
            let expected = "extents of a chunk, as many as of the array, none of them 0";
            Fault::Wrong(expected, chunk.map_or("none".into(), short))
        })?;
        if let Some(sharding) = &sharding {
            if object.iter().zip(&sharding.chunk).any(|(o, c)| o % c != 0) {
                let found = format!("chunks of {:?} in shards of {object:?}", sharding.chunk);
                return Err(Fault::Wrong("shards of whole chunks", found));
            }
        }
        if codecs.lengths != (of.size().is_none()) && !matches!(of.kind(), crate::store::Kind::Other(_)) {
            return Err(Fault::Wrong(
                "codecs that fit the data type",
                format!("codecs unfit for {}", of.kind().name()),
            ));
        }
        let fill = of.fill(json.get("fill_value")).map_err(|found| Fault::Wrong("a fill value of the type", found))?;
        let fill_text = json.get("fill_value").and_then(Json::text).unwrap_or_default().to_owned();
        Ok(Array { shape, object, of, codecs, sharding, fill, fill_text, keys })
    }
}

fn separator_of(text: Option<&str>) -> Result<char, Fault> {
    match text {
        Some("/") => Ok('/'),
        Some(".") => Ok('.'),
        other => Err(Fault::Wrong("the separator '.' or '/'", format!("{other:?}"))),
    }
}

/// Reads the extents of an array.
///
/// # Errors
/// The text found instead.
pub(super) fn shape_of(json: &Json) -> Result<Vec<u64>, String> {
    let shape = json.get("shape").ok_or("none")?;
    let extents = shape.extents().filter(|s| s.len() <= MOST_AXES);
    // Larger sizes cannot be addressed by any machine.
    extents.filter(|s| s.iter().all(|&e| e < 1 << 62)).ok_or_else(|| short(shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects() {
        for (prefixed, separator, place, name) in [
            (true, '/', &[0, 12][..], "c/0/12"),
            (true, '.', &[3], "c.3"),
            (true, '/', &[], "c"),
            (false, '.', &[1, 2], "1.2"),
            (false, '/', &[1, 2], "1/2"),
            (false, '.', &[], "0"),
        ] {
            let keys = Keys { prefixed, separator };
            assert_eq!(keys.name(place), name);
            assert_eq!(keys.place(name, place.len()).as_deref(), Some(place));
        }
        let keys = Keys { prefixed: true, separator: '/' };
        for other in ["zarr.json", "c", "c/", "c/1/2", "c/-1", "c/01", "c/+1", "c//1", "c1", "c/99999999999999999999"] {
            assert_eq!(keys.place(other, 1), None, "{other}");
        }
    }
}
