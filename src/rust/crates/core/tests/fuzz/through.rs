//! Damages a file through the library, which keeps the library's own metadata valid.

use super::random::Random;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Group};
use std::path::Path;
use std::str::FromStr;

/// Returns the root and the groups below it, about 200 at most.
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

pub fn datasets(file: &Group) -> Vec<Dataset> {
    groups(file).iter().flat_map(|g| g.datasets().unwrap_or_default()).collect()
}

pub fn encoding(x: &hdf5::Location) -> Option<String> {
    Some(x.attr("encoding-type").ok()?.read_scalar::<VarLenUnicode>().ok()?.as_str().to_owned())
}

/// Damages the descriptions of elements: values, attributes, encodings, links and extents.
pub fn damage(target: &str, path: &Path, r: &mut Random) -> hdf5::Result<()> {
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
            // When an extent shrinks the library walks over every chunk that it could have, so
            // 10^12 of them are avoided.
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

/// Overwrites the values of a dataset with other bytes of the type that the file has.
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
        // SAFETY: the buffer holds all values in the file's own type, which has a fixed size.
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
        // SAFETY: the buffer holds all values in the file's own type, which has a fixed size.
        unsafe { hdf5_sys::h5d::H5Dwrite(d.id(), dtype.id(), all, all, plain, bytes.as_ptr().cast()) }
    });
    Ok(())
}

/// Gives an attribute another shape, order, encoding or version.
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

/// Replaces a member with a dataset of another type or size, without the member's attributes.
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

/// Replaces a member with a link to a group above, to nothing or to another file.
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
