//! Damages a valid file: the descriptions of its elements (lengths, offsets, codes, shapes, types,
//! links), the stored bytes of its chunks, or bytes anywhere.

use super::random::Random;
use super::through::{self, datasets, encoding};
use super::zarr;
use hdf5::types::VarLenUnicode;
use hdf5::Dataset;
use std::path::Path;
use std::str::FromStr;

/// The names of the targets. A target named like an encoding damages elements of that encoding
/// through the library, which keeps the library's own metadata valid. The other targets damage
/// stored bytes, links, filters, the positions of texts, the library's structures and bytes
/// anywhere.
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
    ZARR,
    #[cfg(feature = "remote")]
    REMOTE,
    TEXT,
    STRUCTURES,
    METADATA,
];
/// The target that damages Zarr stores.
pub const ZARR: &str = "zarr";
/// The target that reads files and stores from a server with damaged answers.
#[cfg(feature = "remote")]
pub const REMOTE: &str = "remote";
/// The target that damages counts in text files.
pub const TEXT: &str = "text";
/// The target that damages the library's own structures, field by field.
pub const STRUCTURES: &str = "structures";
/// The target that damages bytes anywhere, the library's own structures included.
pub const METADATA: &str = "bytes";

pub const ELEMENTS: &[&str] = &["elements.h5ad", "versions/anndata_0.12.h5ad", "versions/anndata_0.7.h5ad"];
const LEGACY: &[&str] = &[
    "versions/anndata_0.5.h5ad",
    "versions/anndata_0.6.h5ad",
    "versions/anndata_0.7.h5ad",
    "elements_legacy.h5ad",
    "elements_ancient.h5ad",
];
pub const MATRICES: &[&str] = &["matrix/types.h5", "matrix/layouts.h5", "matrix/userblock.h5", "matrix/filters.h5"];
pub const TENX: &[&str] = &["tenx/v2.h5", "tenx/v3.h5"];
const MODALITIES: &[&str] = &["mudata/two.h5mu", "seurat/small.h5Seurat", "loom/small.loom"];

/// Writes case `number` of `target` to `path`. Returns false if the case cannot be made.
pub fn make(target: &str, number: u64, golden: &Path, path: &Path) -> bool {
    let salt = target.bytes().fold(7_u64, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
    let mut r = Random(number ^ salt << 32);
    match target {
        TEXT => return text(path, &mut r),
        ZARR => return zarr::make(golden, path, &mut r),
        #[cfg(feature = "remote")]
        REMOTE => return super::remote::make(number, golden, path),
        _ => {}
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
        _ => through::damage(target, path, &mut r).is_ok(),
    }
}

/// Writes a text matrix of 12 genes and 9 cells: sorted or not, with a few words exchanged, with
/// damaged bytes, gzipped or not.
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

/// Flips, overwrites or truncates bytes of the file.
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

/// The signatures of the library's structures: B-trees, groups, heaps, object headers, chunk
/// indexes.
const SIGNATURES: &[&[u8]] = &[
    b"TREE", b"SNOD", b"HEAP", b"GCOL", b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB", b"FSHD", b"BTHD", b"BTLF",
    b"BTIN", b"FAHD", b"FADB", b"EAHD", b"EAIB", b"EASB", b"EADB", b"\x89HDF",
];

/// Writes odd numbers of any width into the library's structures, mostly near their starts.
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
            // One more or one less makes tables with an entry too many or too few.
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

/// Damages the lengths and positions of texts.
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

/// Gives datasets other filters, in odd orders, with odd parameters and also unregistered ones,
/// then damages bytes.
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
                // SAFETY: the length given is that of the slice of values.
                unsafe { H5Pset_filter(plist.id(), id, flags, values.len(), values.as_ptr()) }
            });
        }
        hdf5::sync::sync(|| {
            // SAFETY: the buffer holds all values in the file's own type, which has a fixed size.
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
                // SAFETY: the buffer holds all values in the file's own type, which has a fixed
                // size.
                unsafe { hdf5_sys::h5d::H5Dwrite(made, dtype.id(), all, all, plain, bytes) };
                // SAFETY: the identifier was made above and is closed once.
                unsafe { hdf5_sys::h5d::H5Dclose(made) };
            }
            // SAFETY: the identifier was made above; if that failed it is negative, which the call
            // refuses.
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

/// Damages stored bytes of some datasets.
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
        // Compressed data have their headers at the front.
        let within = if r.below(2) == 0 { r.below(24.min(size as usize)) } else { r.below(size as usize) };
        let Some(byte) = bytes.get_mut(at as usize + within) else { continue };
        *byte = [r.next() as u8, 0, 0xff, *byte ^ 1 << r.below(8)][r.below(4)];
    }
    std::fs::write(path, bytes).is_ok()
}
