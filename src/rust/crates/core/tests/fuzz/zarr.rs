//! Damages a Zarr store: numbers and words of its metadata, bytes of its chunks and shards, the set
//! of its objects, and the zip archive that holds it.

use super::random::Random;
use anndataoom_core::element;
use anndataoom_core::store::{Compression, Store, Writer, ZarrFormat};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The objects of a store, as keys and bytes.
type Objects = Vec<(String, Vec<u8>)>;

/// Returns valid stores: both versions, compressed and not, chunks in shards and alone, metadata
/// consolidated and not.
fn seeds(golden: &Path, place: &Path) -> &'static Vec<Objects> {
    static SEEDS: OnceLock<Vec<Objects>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let formats = [
            (2, None, Compression::Zstd(1), true),
            (2, None, Compression::None, false),
            (3, None, Compression::GzipFile(1), false),
            (3, Some(2), Compression::None, false),
            (3, Some(2), Compression::Zstd(1), true),
        ];
        let made = |(version, shards, compression, consolidate)| {
            let format = ZarrFormat { version, shards, consolidate, compression };
            store(golden, place, format).unwrap_or_default()
        };
        formats.into_iter().map(made).collect()
    })
}

fn store(golden: &Path, place: &Path, format: ZarrFormat) -> Option<Objects> {
    let from = Store::open(golden.join("elements.h5ad")).ok()?;
    let root = place.join("seed.zarr");
    let writer = Writer::create_zarr(&root, format).ok()?;
    let options = element::DatasetOptions { compression: format.compression, shuffle: false };
    for key in from.keys("").ok()? {
        // Elements that Zarr cannot hold are left out.
        let _ = element::write(&writer.root().ok()?, &key, &element::read(&from, &key).ok()?, &options);
    }
    writer.commit().ok()?;
    let mut objects = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let mut inside: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.filter_map(|e| Some(e.ok()?.path())).collect();
        inside.sort();
        for path in inside {
            if path.is_dir() {
                folders.push(path);
            } else {
                let key = path.strip_prefix(&root).ok()?.to_str()?.to_owned();
                objects.push((key, std::fs::read(&path).ok()?));
            }
        }
    }
    std::fs::remove_dir_all(root).ok()?;
    Some(objects)
}

/// Writes a damaged store as a zip archive.
pub fn make(golden: &Path, path: &Path, r: &mut Random) -> bool {
    let Some(place) = path.parent() else { return false };
    let Some(seed) = r.pick(seeds(golden, place)).filter(|objects| !objects.is_empty()) else { return false };
    let mut objects = seed.clone();
    for _ in 0..1 + r.below(3) {
        let at = r.below(objects.len());
        let (key, bytes) = &mut objects[at];
        let metadata = key.contains("zarr.json") || key.rsplit('/').next().is_some_and(|name| name.starts_with(".z"));
        match r.below(8) {
            0 => drop(objects.remove(at)),
            1 => bytes.truncate(r.below(bytes.len() + 1)),
            2 => *key = format!("{}{}", key, ["x", "/0", "/../../etc", ".1"][r.below(4)]),
            3 => {
                let other = objects[r.below(objects.len())].1.clone();
                objects[at].1 = other;
            }
            _ if metadata => words(bytes, r),
            _ => {
                for _ in 0..1 + r.below(4) {
                    let i = r.below(bytes.len());
                    // The index of a shard is at its end.
                    let i = if r.below(2) == 0 { i } else { bytes.len().saturating_sub(1 + r.below(40)) };
                    if let Some(byte) = bytes.get_mut(i) {
                        *byte = r.next() as u8;
                    }
                }
            }
        }
        if objects.is_empty() {
            return false;
        }
    }
    let mut archive = zip(&objects);
    if r.below(6) == 0 {
        let i = r.below(archive.len());
        archive[i] = r.next() as u8;
    }
    std::fs::write(path, archive).is_ok()
}

/// Replaces one number or word of a JSON text.
fn words(bytes: &mut Vec<u8>, r: &mut Random) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let is_word = |c: char| c.is_alphanumeric() || "_<>|-.".contains(c);
    let mut places = Vec::new();
    let mut start = None;
    for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, is_word(c)) {
            (None, true) => start = Some(i),
            (Some(from), false) => {
                places.push(from..i);
                start = None;
            }
            _ => {}
        }
    }
    let Some(place) = r.pick(&places).cloned() else { return };
    let odd = r.odd().to_string();
    let other = r.pick(&places).map(|p| text[p.clone()].to_owned()).unwrap_or_default();
    let new = match r.below(4) {
        0 => other,
        1 => ["null", "[]", "{}", "NaN", "\"", "1e400", "-0", "F", ">f8", "|O", "transpose", "string"][r.below(12)]
            .to_owned(),
        _ => odd,
    };
    *bytes = format!("{}{new}{}", &text[..place.start], &text[place.end..]).into_bytes();
}

/// Makes a zip archive of uncompressed objects. Checksums are left out: readers check those of
/// deflated entries only.
fn zip(objects: &Objects) -> Vec<u8> {
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for (key, bytes) in objects {
        let (name, size) = (key.as_bytes(), (bytes.len() as u32).to_le_bytes());
        let at = out.len() as u32;
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend([0; 4]);
        common.extend(size);
        common.extend(size);
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name);
        out.extend(bytes);
        list.extend(b"PK\x01\x02\x14\0");
        list.extend(&common);
        list.extend([0; 10]);
        list.extend(at.to_le_bytes());
        list.extend(name);
    }
    let (count, at) = ((objects.len() as u16).to_le_bytes(), (out.len() as u32).to_le_bytes());
    out.extend(&list);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count);
    out.extend(count);
    out.extend((list.len() as u32).to_le_bytes());
    out.extend(at);
    out.extend([0, 0]);
    out
}
