//! Damages a valid file: what its elements say about themselves (lengths, offsets, codes, shapes, types, links), the
//! stored bytes of its chunks, or bytes anywhere.

use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Group};
use std::path::Path;
use std::str::FromStr;

/// Elements whose encoding is the target's name are damaged through the library, which keeps its own metadata intact;
/// the others damage stored bytes, links, filters, the places of texts, the library's structures and anything.
pub const TARGETS: &[&str] = &[
    "array",
    "string-array",
    "numeric-scalar",
    "string",
    "categorical",
    "nullable-integer",
    "nullable-boolean",
    "nullable-string-array",
    "csr_matrix",
    "csc_matrix",
    "dataframe",
    "dict",
    "rec-array",
    "null",
    "awkward-array",
    "legacy",
    "10x",
    "matrix",
    "chunks",
    "links",
    "filters",
    "texts",
    "modalities",
    TEXT,
    STRUCTURES,
    METADATA,
];
/// The target that damages counts as text.
pub const TEXT: &str = "text";
/// The target that damages the library's own structures, field by field.
pub const STRUCTURES: &str = "structures";
/// The target that damages bytes anywhere, the library's own structures included.
pub const METADATA: &str = "bytes";

const ELEMENTS: &[&str] = &["elements.h5ad", "versions/anndata_0.12.h5ad", "versions/anndata_0.7.h5ad"];
const LEGACY: &[&str] = &[
    "versions/anndata_0.5.h5ad",
    "versions/anndata_0.6.h5ad",
    "versions/anndata_0.7.h5ad",
    "elements_legacy.h5ad",
    "elements_ancient.h5ad",
];
const MATRICES: &[&str] = &["matrix/types.h5", "matrix/layouts.h5", "matrix/userblock.h5", "matrix/filters.h5"];
const TENX: &[&str] = &["tenx/v2.h5", "tenx/v3.h5"];
const MODALITIES: &[&str] = &["mudata/two.h5mu", "seurat/small.h5Seurat"];

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
    fn pick<'a, T>(&mut self, v: &'a [T]) -> Option<&'a T> {
        let i = self.below(v.len());
        v.get(i)
    }
    /// A number that is somehow at an edge.
    fn odd(&mut self) -> i64 {
        let edges = [
            0,
            1,
            2,
            -1,
            -2,
            3,
            7,
            127,
            128,
            255,
            -128,
            32767,
            1 << 16,
            i64::from(i32::MAX),
            1 << 31,
            i64::from(u32::MAX),
            1 << 32,
            1_000_000_000_000,
            1 << 40,
            1 << 53,
            1 << 62,
            i64::MAX,
            i64::MIN,
        ];
        match self.below(3) {
            0 => self.below(40) as i64,
            1 => self.next() as i64,
            _ => *self.pick(&edges).unwrap_or(&0),
        }
    }
}

/// Writes case `number` of `target` to `path`; false when this one is nothing.
pub fn make(target: &str, number: u64, golden: &Path, path: &Path) -> bool {
    let salt = target.bytes().fold(7_u64, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
    let mut r = Random(number ^ salt << 32);
    if target == TEXT {
        return text(path, &mut r);
    }
    let seeds = match target {
        "legacy" => LEGACY,
        "matrix" | "chunks" => MATRICES,
        "10x" => TENX,
        "modalities" => MODALITIES,
        "filters" => [ELEMENTS, MATRICES, TENX][r.below(3)],
        STRUCTURES | METADATA => [ELEMENTS, LEGACY, MATRICES, TENX, MODALITIES][r.below(5)],
        _ => ELEMENTS,
    };
    let Some(seed) = r.pick(seeds) else { return false };
    if std::fs::copy(golden.join(seed), path).is_err() {
        return false;
    }
    match target {
        METADATA => anywhere(path, &mut r),
        "chunks" => stored(path, &mut r),
        STRUCTURES => structures(path, &mut r),
        "texts" => texts(path, &mut r),
        "filters" => filters(path, &mut r).is_ok(),
        _ => through_library(target, path, &mut r).is_ok(),
    }
}

/// A matrix of 12 genes and 9 cells as text, sorted or not, with a few words exchanged, and damaged bytes; gzipped or not.
fn text(path: &Path, r: &mut Random) -> bool {
    let sorted = r.below(2) == 0;
    let mut places: Vec<(usize, usize)> = (0..9).flat_map(|c| (0..12).map(move |g| (g + 1, c + 1))).collect();
    places.retain(|_| r.below(3) == 0);
    if !sorted {
        places.sort_unstable();
    }
    let mut lines = vec![
        "%%MatrixMarket matrix coordinate integer general".to_owned(),
        "% a comment".to_owned(),
        format!("12 9 {}", places.len()),
    ];
    lines.extend(places.iter().map(|(g, c)| format!("{g} {c} {}", r.below(40) + 1)));
    for _ in 0..r.below(3) {
        let at = r.below(lines.len());
        let odd = r.odd().to_string();
        let words = ["", "real", "pattern", "nan", "-1e309", "1.5", "+", "0", "%", "\r", "\t\t", odd.as_str()];
        let word = (*r.pick(&words).unwrap_or(&"")).to_owned();
        let mut parts: Vec<String> = lines[at].split(' ').map(str::to_owned).collect();
        let place = r.below(parts.len());
        parts[place] = word;
        lines[at] = parts.join(" ");
    }
    let mut bytes = lines.join(["\n", "\r\n"][r.below(2)]).into_bytes();
    let damage = |bytes: &mut Vec<u8>, r: &mut Random| {
        for _ in 0..r.below(3) {
            let at = r.below(bytes.len());
            match r.below(4) {
                0 => bytes.truncate(at),
                _ if at < bytes.len() => bytes[at] = [r.next() as u8, 0, b'\n', b' '][r.below(4)],
                _ => {}
            }
        }
    };
    damage(&mut bytes, r);
    if r.below(2) == 0 {
        let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
        let mut out = vec![0; compressor.gzip_compress_bound(bytes.len())];
        let Ok(n) = compressor.gzip_compress(&bytes, &mut out) else { return false };
        out.truncate(n);
        bytes = out;
        damage(&mut bytes, r);
    }
    std::fs::write(path, bytes).is_ok()
}

/// Flips, overwrites or cuts off bytes.
fn anywhere(path: &Path, r: &mut Random) -> bool {
    let Ok(mut bytes) = std::fs::read(path) else { return false };
    match r.below(4) {
        0 => {
            let n = r.below(bytes.len());
            bytes.truncate(n);
        }
        _ => {
            for _ in 0..=r.below(8) {
                let at = r.below(bytes.len());
                bytes[at] = [r.next() as u8, 0, 0xff, bytes[at] ^ 1 << r.below(8)][r.below(4)];
            }
        }
    }
    std::fs::write(path, bytes).is_ok()
}

/// What the library's structures start with: trees, groups, heaps, headers of objects, tables of chunks.
const SIGNATURES: &[&[u8]] = &[
    b"TREE", b"SNOD", b"HEAP", b"GCOL", b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB", b"FSHD", b"BTHD", b"BTLF",
    b"BTIN", b"FAHD", b"FADB", b"EAHD", b"EAIB", b"EASB", b"EADB", b"\x89HDF",
];

/// Puts odd numbers of any width into the library's structures, near their starts above all.
fn structures(path: &Path, r: &mut Random) -> bool {
    let Ok(mut bytes) = std::fs::read(path) else { return false };
    let kind = *r.pick(SIGNATURES).unwrap_or(&&b"TREE"[..]);
    let find = |kind: &[u8]| -> Vec<usize> {
        bytes.windows(kind.len()).enumerate().filter(|(_, w)| *w == kind).map(|(i, _)| i).collect()
    };
    let mut places = find(kind);
    if places.is_empty() {
        places = [&b"TREE"[..], b"GCOL", b"OHDR"].iter().flat_map(|k| find(k)).collect();
    }
    for _ in 0..=r.below(3) {
        let Some(&start) = r.pick(&places) else { return false };
        let reach = [16, 64, 512, 4096][r.below(4)];
        let width = [1, 2, 4, 8][r.below(4)];
        let at = start + 4 + r.below(reach) / width.min(2) * width.min(2);
        let Some(field) = bytes.get_mut(at..at + width) else { continue };
        let number = match r.below(4) {
            // One more, one less: tables with an entry too many.
            0 => {
                let mut old = [0; 8];
                old[..width].copy_from_slice(field);
                u64::from_le_bytes(old).wrapping_add([1, u64::MAX][r.below(2)])
            }
            1 => (u64::MAX - 16).wrapping_add(r.below(17) as u64),
            _ => r.odd() as u64,
        };
        field.copy_from_slice(&number.to_le_bytes()[..width]);
    }
    std::fs::write(path, bytes).is_ok()
}

/// Damages lengths and places of texts.
fn texts(path: &Path, r: &mut Random) -> bool {
    let mut places = || -> hdf5::Result<Vec<(u64, u64)>> {
        let file = hdf5::File::open(path)?;
        let is_text = |d: &Dataset| {
            let t = d.dtype().and_then(|t| t.to_descriptor());
            matches!(t, Ok(hdf5::types::TypeDescriptor::VarLenUnicode | hdf5::types::TypeDescriptor::VarLenAscii))
        };
        let all: Vec<Dataset> = datasets(&file).into_iter().filter(is_text).collect();
        let mut out = Vec::new();
        for _ in 0..4 {
            let Some(d) = r.pick(&all) else { break };
            if let Some(at) = d.offset() {
                out.push((at, d.storage_size()));
            }
        }
        Ok(out)
    };
    let Ok(places) = places() else { return false };
    let Ok(mut bytes) = std::fs::read(path) else { return false };
    for _ in 0..=r.below(3) {
        let Some(&(at, size)) = r.pick(&places) else { return false };
        let text = at as usize + r.below(size as usize / 16) * 16;
        let (from, width) = [(0, 4), (4, 8), (12, 4)][r.below(3)];
        let odd = r.odd().to_le_bytes();
        if let Some(field) = bytes.get_mut(text + from..text + from + width) {
            field.copy_from_slice(&odd[..width]);
        }
    }
    std::fs::write(path, bytes).is_ok()
}

/// Gives datasets other filters, in odd orders and with odd parameters, known to nobody too; then damages bytes.
fn filters(path: &Path, r: &mut Random) -> hdf5::Result<()> {
    use hdf5_sys::h5p::H5Pset_filter;
    let file = hdf5::File::open_rw(path)?;
    let all = datasets(&file);
    for _ in 0..=r.below(2) {
        let Some(d) = r.pick(&all).cloned() else { break };
        let (dtype, shape) = (d.dtype()?, d.shape());
        let fixed = matches!(
            dtype.to_descriptor(),
            Ok(hdf5::types::TypeDescriptor::Integer(_)
                | hdf5::types::TypeDescriptor::Unsigned(_)
                | hdf5::types::TypeDescriptor::Float(_)
                | hdf5::types::TypeDescriptor::Boolean)
        );
        if !fixed || d.size() == 0 || d.size() > 1 << 16 || shape.is_empty() {
            continue;
        }
        let mut bytes = vec![0_u8; d.size() * dtype.size()];
        let (everything, plain) = (hdf5_sys::h5s::H5S_ALL, hdf5_sys::h5p::H5P_DEFAULT);
        let name = d.name();
        let plist = hdf5::plist::DatasetCreate::build()
            .chunk(shape.iter().map(|&n| 1 + r.below(n * 2)).collect::<Vec<_>>())
            .finish()?;
        for _ in 0..=r.below(3) {
            let id = [1, 2, 3, 5, 6, 32000, 32001, 32004, 32008, 32015, 32026, 32999][r.below(12)];
            let flags = r.below(4).min(1) as u32;
            let values: Vec<u32> = (0..r.below(9)).map(|_| r.odd() as u32).collect();
            let values = if id == 1 {
                vec![1]
            } else if id < 7 && r.below(3) > 0 {
                vec![]
            } else {
                values
            };
            hdf5::sync::sync(|| {
                // SAFETY: the values are those counted.
                unsafe { H5Pset_filter(plist.id(), id, flags, values.len(), values.as_ptr()) }
            });
        }
        hdf5::sync::sync(|| {
            // SAFETY: the buffer holds all values in the file's own type, which is of fixed size.
            unsafe {
                hdf5_sys::h5d::H5Dread(d.id(), dtype.id(), everything, everything, plain, bytes.as_mut_ptr().cast())
            }
        });
        let attributes = encoding(&d);
        drop(d);
        let Ok(place) = std::ffi::CString::new(name.clone()) else { continue };
        file.unlink(&name)?;
        let extents: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        hdf5::sync::sync(|| {
            let (rank, none) = (extents.len() as i32, std::ptr::null());
            // SAFETY: there are as many extents as the rank says.
            let space = unsafe { hdf5_sys::h5s::H5Screate_simple(rank, extents.as_ptr(), none) };
            let (on, name, create) = (file.id(), place.as_ptr(), plist.id());
            // SAFETY: the identifiers are open, and the name ends with a NUL.
            let made = unsafe { hdf5_sys::h5d::H5Dcreate2(on, name, dtype.id(), space, plain, create, plain) };
            if made >= 0 {
                let (all, bytes) = (hdf5_sys::h5s::H5S_ALL, bytes.as_ptr().cast());
                // SAFETY: the buffer holds all values in the file's own type, which is of fixed size.
                unsafe { hdf5_sys::h5d::H5Dwrite(made, dtype.id(), all, all, plain, bytes) };
                // SAFETY: made above, and closed once.
                unsafe { hdf5_sys::h5d::H5Dclose(made) };
            }
            // SAFETY: as above; what was not made is a negative identifier, which the call refuses.
            unsafe { hdf5_sys::h5s::H5Sclose(space) };
        });
        if let (Some(text), Ok(d)) = (attributes, file.dataset(&name)) {
            let text = VarLenUnicode::from_str(&text).unwrap_or_default();
            d.new_attr::<VarLenUnicode>().create("encoding-type")?.write_scalar(&text)?;
            let version = VarLenUnicode::from_str("0.2.0").unwrap_or_default();
            d.new_attr::<VarLenUnicode>().create("encoding-version")?.write_scalar(&version)?;
        }
    }
    file.close()?;
    if r.below(3) == 0 {
        stored(path, r);
    }
    Ok(())
}

/// Damages stored bytes of one dataset.
fn stored(path: &Path, r: &mut Random) -> bool {
    let mut places = || -> hdf5::Result<Vec<(u64, u64)>> {
        let file = hdf5::File::open(path)?;
        let mut out = Vec::new();
        let all = datasets(&file);
        for _ in 0..4 {
            let Some(d) = r.pick(&all) else { break };
            d.chunks_visit(|c| {
                out.push((c.addr, c.size));
                0
            })
            .ok();
            if let Some(at) = d.offset() {
                out.push((at, d.storage_size()));
            }
        }
        Ok(out)
    };
    let Ok(places) = places() else { return false };
    let Ok(mut bytes) = std::fs::read(path) else { return false };
    for _ in 0..=r.below(6) {
        let Some(&(at, size)) = r.pick(&places) else { return false };
        // Headers of compressed data are at the front.
        let within = if r.below(2) == 0 { r.below(24.min(size as usize)) } else { r.below(size as usize) };
        let Some(byte) = bytes.get_mut(at as usize + within) else { continue };
        *byte = [r.next() as u8, 0, 0xff, *byte ^ 1 << r.below(8)][r.below(4)];
    }
    std::fs::write(path, bytes).is_ok()
}

/// Groups below the root, and their paths.
fn groups(file: &Group) -> Vec<Group> {
    let mut out = vec![file.clone()];
    let mut at = 0;
    while at < out.len() && out.len() < 200 {
        let more = out[at].groups().unwrap_or_default();
        out.extend(more);
        at += 1;
    }
    out
}

fn datasets(file: &Group) -> Vec<Dataset> {
    groups(file).iter().flat_map(|g| g.datasets().unwrap_or_default()).collect()
}

fn encoding(x: &hdf5::Location) -> Option<String> {
    Some(x.attr("encoding-type").ok()?.read_scalar::<VarLenUnicode>().ok()?.as_str().to_owned())
}

fn through_library(target: &str, path: &Path, r: &mut Random) -> hdf5::Result<()> {
    let file = hdf5::File::open_rw(path)?;
    let all = groups(&file);
    let free = ["legacy", "10x", "matrix", "links"].contains(&target);
    for _ in 0..=r.below(3) {
        let some: Vec<&Group> = all.iter().filter(|g| free || encoding(g).as_deref() == Some(target)).collect();
        let leaves: Vec<Dataset> =
            datasets(&file).into_iter().filter(|d| free || encoding(d).as_deref() == Some(target)).collect();
        let group = r.pick(&some).copied().cloned();
        let within: Vec<Dataset> = match &group {
            Some(g) => g.datasets().unwrap_or_default(),
            None => leaves.clone(),
        };
        let leaf = if r.below(3) == 0 { r.pick(&leaves) } else { r.pick(&within) }.cloned();
        match (if target == "links" { 4 + r.below(2) } else { r.below(7) }, group, leaf) {
            (0 | 1, _, Some(d)) => values(&d, r)?,
            (2, Some(g), _) => attribute(&g, r)?,
            (2, None, Some(d)) => attribute(&d, r)?,
            (3, Some(g), _) => replace(&g, r)?,
            (4, Some(g), _) => link(&g, &all, r)?,
            (5, Some(g), _) => {
                let names = g.member_names()?;
                if let Some(name) = r.pick(&names) {
                    g.unlink(name)?;
                }
            }
            // The library walks over every chunk there could be when an extent shrinks: not over 10^12 of them.
            (6, _, Some(d)) if d.is_resizable() && d.size() <= 1 << 20 => {
                let to: Vec<usize> = d.shape().iter().map(|_| [0, 1, 5, 1000, 1 << 33, 1 << 40][r.below(6)]).collect();
                d.resize(to)?;
            }
            (_, _, Some(d)) => attribute(&d, r)?,
            _ => {}
        }
    }
    file.close()
}

/// Puts other bytes where values were, in the type they have in the file.
fn values(d: &Dataset, r: &mut Random) -> hdf5::Result<()> {
    let dtype = d.dtype()?;
    let (size, n) = (dtype.size(), d.size());
    let variable = matches!(
        dtype.to_descriptor(),
        Ok(hdf5::types::TypeDescriptor::VarLenUnicode | hdf5::types::TypeDescriptor::VarLenAscii)
    );
    let compound = matches!(dtype.to_descriptor(), Ok(hdf5::types::TypeDescriptor::Compound(_)) | Err(_));
    if n == 0 || n * size > 1 << 20 || variable || compound {
        return Ok(());
    }
    let mut bytes = vec![0_u8; n * size];
    let (all, plain) = (hdf5_sys::h5s::H5S_ALL, hdf5_sys::h5p::H5P_DEFAULT);
    let read = hdf5::sync::sync(|| {
        // SAFETY: the buffer holds all values in the file's own type, which is of fixed size.
        unsafe { hdf5_sys::h5d::H5Dread(d.id(), dtype.id(), all, all, plain, bytes.as_mut_ptr().cast()) }
    });
    if read < 0 {
        return Ok(());
    }
    for _ in 0..=r.below(4) {
        let at = r.below(n) * size;
        let odd = r.odd().to_le_bytes();
        let k = size.min(8);
        bytes[at..at + k].copy_from_slice(&odd[..k]);
    }
    hdf5::sync::sync(|| {
        // SAFETY: as above.
        unsafe { hdf5_sys::h5d::H5Dwrite(d.id(), dtype.id(), all, all, plain, bytes.as_ptr().cast()) }
    });
    Ok(())
}

/// Another shape, order, encoding or version.
fn attribute(on: &hdf5::Location, r: &mut Random) -> hdf5::Result<()> {
    let names = on.attr_names()?;
    let Some(name) = r.pick(&names) else { return Ok(()) };
    let text = |r: &mut Random| {
        let known = [
            "array",
            "csr_matrix",
            "categorical",
            "dataframe",
            "dict",
            "",
            "null",
            "0.1.0",
            "_index",
            "{}",
            "awkward-array",
            "nullable-integer",
            "rec-array",
            "string",
            "9.9.9",
            "csc",
            "raw",
            ".",
        ];
        VarLenUnicode::from_str(r.pick(&known).unwrap_or(&"")).unwrap_or_default()
    };
    on.delete_attr(name)?;
    match r.below(6) {
        0 => {}
        1 => on.new_attr::<i64>().create(name.as_str())?.write_scalar(&r.odd())?,
        2 => on.new_attr::<f64>().create(name.as_str())?.write_scalar(&(r.odd() as f64))?,
        3 => {
            let shape = [r.odd(), r.odd()];
            on.new_attr_builder().with_data(&shape).create(name.as_str())?;
        }
        4 => {
            let several: Vec<VarLenUnicode> = (0..r.below(5)).map(|_| text(r)).collect();
            on.new_attr_builder().with_data(&several).create(name.as_str())?;
        }
        _ => on.new_attr::<VarLenUnicode>().create(name.as_str())?.write_scalar(&text(r))?,
    }
    Ok(())
}

/// A member replaced by a dataset of another type or size, its attributes lost.
fn replace(g: &Group, r: &mut Random) -> hdf5::Result<()> {
    let names = g.member_names()?;
    let Some(name) = r.pick(&names) else { return Ok(()) };
    g.unlink(name)?;
    let name = name.as_str();
    match r.below(6) {
        0 => drop(g.new_dataset::<f64>().chunk(1024).shape(1 << 40).deflate(1).create(name)?),
        1 => drop(g.new_dataset::<VarLenUnicode>().chunk(1024).shape(1 << 40).create(name)?),
        2 => drop(g.new_dataset::<i32>().shape(r.below(9)).create(name)?),
        3 => g.new_dataset::<f32>().create(name)?.write_scalar(&0.5)?,
        4 => drop(g.new_dataset::<u8>().chunk((1, 1)).shape((1 << 20, 1 << 20)).create(name)?),
        _ => drop(g.create_group(name)?),
    }
    Ok(())
}

/// Links to a group above, to nothing or to another file.
fn link(g: &Group, all: &[Group], r: &mut Random) -> hdf5::Result<()> {
    let names = g.member_names()?;
    if let Some(name) = r.pick(&names) {
        g.unlink(name)?;
        let to = r.pick(all).map_or("/".to_owned(), |g| g.name());
        match r.below(5) {
            0 => g.link_soft("/nowhere", name)?,
            1 => g.link_soft(&format!("{}/{name}", g.name()), name)?,
            2 => g.link_external("nowhere.h5", "/X", name)?,
            3 => g.link_external("case.h5ad", &to, name)?,
            _ => g.link_hard(&to, name)?,
        }
    }
    Ok(())
}
