//! The steps that undo the codecs named by the metadata.

use super::datatype::{short, Item};
use super::json::Json;
use crate::codec::pipeline::{Pipeline, Step};

/// The way from the bytes of a chunk to its values.
#[derive(Debug)]
pub(super) struct Codecs {
    /// The axes of the array in the order they have in a chunk: `[1, 0]` is a transposed one.
    /// `None` where they are in order.
    pub(super) order: Option<Vec<usize>>,
    /// Whether numbers are big-endian.
    pub(super) big: bool,
    /// Whether a chunk begins with its number of values, and each value with its length
    /// (`vlen-utf8`, `vlen-bytes`).
    pub(super) lengths: bool,
    pub(super) pipeline: Pipeline,
}

/// The layout of shards: objects of several chunks, with an index of their places.
#[derive(Debug)]
pub(super) struct Sharding {
    /// Extents of a chunk in a shard.
    pub(super) chunk: Vec<u64>,
    pub(super) at_end: bool,
    pub(super) big: bool,
    pub(super) checksum: bool,
}

/// An error in the metadata: something that is not supported, or a value that is wrong.
#[derive(Debug)]
pub(super) enum Fault {
    Unsupported(String),
    /// The expected and the found value.
    Wrong(&'static str, String),
}

fn codec(name: &str) -> Fault {
    Fault::Unsupported(format!("the codec '{name}'"))
}

/// Returns the step that undoes a compressor or checksum, by its name in either version.
fn step(name: &str, json: &Json, item_bytes: usize) -> Result<Step, Fault> {
    let setting = |key: &str| json.get("configuration").unwrap_or(json).get(key);
    Ok(match name.strip_prefix("numcodecs.").unwrap_or(name) {
        "zstd" => Step::Zstd,
        "blosc" => Step::Blosc,
        "gzip" => Step::Gzip,
        "zlib" => Step::Deflate,
        "lz4" => Step::Lz4Block,
        "crc32c" => Step::Crc32c,
        "shuffle" => Step::Shuffle { size: setting("elementsize").and_then(Json::whole).unwrap_or(item_bytes) },
        _ => return Err(codec(name)),
    })
}

fn pipeline(steps: Vec<Step>) -> Result<Pipeline, Fault> {
    Pipeline::from_steps(steps).ok_or_else(|| Fault::Unsupported("this order of codecs".to_owned()))
}

/// Returns the permutation of the axes, `None` if they are in order.
fn permuted(order: Vec<u64>, rank: usize) -> Result<Option<Vec<usize>>, Fault> {
    let wrong = || Fault::Wrong("every axis once in a transposed chunk", format!("{order:?}"));
    let axes: Vec<usize> = order.iter().map(|&axis| axis as usize).collect();
    let mut seen = vec![false; rank];
    for &axis in &axes {
        match seen.get_mut(axis) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(wrong()),
        }
    }
    if axes.len() != rank {
        return Err(wrong());
    }
    Ok(axes.iter().enumerate().any(|(i, &axis)| i != axis).then_some(axes))
}

/// Returns the item type of an array of objects in version 2, which its first filter names: texts
/// for "vlen-utf8", bytes for "vlen-bytes", else an item that cannot be read. Returns `None`
/// without filters.
pub(super) fn object_of(filters: Option<&Json>) -> Option<Item> {
    let of = |filter: &Json| match filter.get("id")?.text()? {
        "vlen-utf8" => Some(Item::Text),
        "vlen-bytes" => Some(Item::AnyBytes),
        other => Some(Item::Other(format!("objects by the filter '{other}'"))),
    };
    filters?.list()?.first().and_then(of)
}

/// Reads the codecs of version 2: filters, a compressor, the order of the axes.
///
/// # Errors
/// [`Fault`].
pub(super) fn v2(array: &Json, rank: usize, item_bytes: usize) -> Result<Codecs, Fault> {
    let mut steps = Vec::new();
    let mut lengths = false;
    let filters = array.get("filters").and_then(Json::list).unwrap_or_default();
    let compressor = array.get("compressor").filter(|c| **c != Json::Null);
    for (i, filter) in filters.iter().chain(compressor).enumerate() {
        let name = filter.get("id").and_then(Json::text);
        match name.ok_or_else(|| Fault::Wrong("a codec with an id", short(filter)))? {
            "vlen-utf8" | "vlen-bytes" if i == 0 => lengths = true,
            name => steps.push(step(name, filter, item_bytes)?),
        }
    }
    let order = match array.get("order").and_then(Json::text) {
        None | Some("C") => None,
        Some("F") => permuted((0..rank as u64).rev().collect(), rank)?,
        Some(other) => return Err(Fault::Wrong("the order C or F", format!("'{other}'"))),
    };
    Ok(Codecs { order, big: false, lengths, pipeline: pipeline(steps)? })
}

/// Reads the codecs of version 3. For a shard, these are the codecs of its chunks.
///
/// # Errors
/// [`Fault`].
pub(super) fn v3(list: Option<&Json>, rank: usize, item_bytes: usize) -> Result<(Codecs, Option<Sharding>), Fault> {
    let expected = "a list of codecs";
    let list = list.and_then(Json::list).ok_or_else(|| Fault::Wrong(expected, "none".to_owned()))?;
    let named = |json: &Json| -> Result<String, Fault> {
        let name = json.text().or_else(|| json.get("name")?.text());
        name.map(str::to_owned).ok_or_else(|| Fault::Wrong("a codec with a name", short(json)))
    };
    if let [only] = list {
        if named(only)? == "sharding_indexed" {
            let (codecs, sharding) = shards(only, rank, item_bytes)?;
            return Ok((codecs, Some(sharding)));
        }
    }
    let mut found = Codecs { order: None, big: false, lengths: false, pipeline: Pipeline::default() };
    let mut steps = Vec::new();
    let mut bytes = false;
    for json in list {
        let name = named(json)?;
        let setting = |key: &str| json.get("configuration").and_then(|c| c.get(key));
        match (name.as_str(), bytes) {
            ("transpose", false) if found.order.is_none() => {
                let order = match setting("order") {
                    Some(order) if order.text() == Some("C") => (0..rank as u64).collect(),
                    Some(order) if order.text() == Some("F") => (0..rank as u64).rev().collect(),
                    order => order.and_then(Json::extents).unwrap_or_default(),
                };
                found.order = permuted(order, rank)?;
            }
            ("bytes" | "endian", false) => {
                bytes = true;
                found.big = match setting("endian").and_then(Json::text) {
                    None | Some("little") => false,
                    Some("big") => true,
                    Some(other) => return Err(Fault::Wrong("the endianness little or big", format!("'{other}'"))),
                };
            }
            ("vlen-utf8" | "vlen-bytes", false) => (bytes, found.lengths) = (true, true),
            ("sharding_indexed", _) => {
                return Err(Fault::Unsupported("shards with other codecs around them".to_owned()));
            }
            (name, true) => steps.push(step(name, json, item_bytes)?),
            (name, false) => return Err(codec(name)),
        }
    }
    if !bytes {
        return Err(Fault::Wrong(expected, "none that makes bytes of values".to_owned()));
    }
    found.pipeline = pipeline(steps)?;
    Ok((found, None))
}

fn shards(json: &Json, rank: usize, item_bytes: usize) -> Result<(Codecs, Sharding), Fault> {
    let setting = |key: &str| json.get("configuration").and_then(|c| c.get(key));
    let chunk = setting("chunk_shape").and_then(Json::extents).filter(|c| c.len() == rank && !c.contains(&0));
    let chunk = chunk.ok_or_else(|| Fault::Wrong("extents of the chunks in a shard", short(json)))?;
    let (codecs, within) = v3(setting("codecs"), rank, item_bytes)?;
    if within.is_some() {
        return Err(Fault::Unsupported("shards within shards".to_owned()));
    }
    let index = setting("index_codecs").and_then(Json::list).unwrap_or_default();
    let names: Vec<&str> = index.iter().filter_map(|c| c.text().or_else(|| c.get("name")?.text())).collect();
    let checksum = match names.as_slice() {
        ["bytes", "crc32c"] => true,
        ["bytes"] => false,
        other => return Err(Fault::Unsupported(format!("an index of shards with the codecs {other:?}"))),
    };
    let endian = index.first().and_then(|c| c.get("configuration")?.get("endian")?.text());
    let at_end = match setting("index_location").and_then(Json::text) {
        None | Some("end") => true,
        Some("start") => false,
        Some(other) => return Err(Fault::Wrong("an index at the start or end of a shard", format!("'{other}'"))),
    };
    Ok((codecs, Sharding { chunk, at_end, big: endian == Some("big"), checksum }))
}
