//! Where the values of a dataset are: in the file, or in others that it names.

use super::claim::check_claim;
use super::layout::layout;
use super::{datatype, External, Node};
use crate::error::{Error, Result};
use crate::store::backend::Backend;
use hdf5::sync::sync;
use hdf5::{from_id, h5call, Dataset, Group};
use hdf5_sys::h5d::{H5D_layout_t, H5Dopen2};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{
    H5Pclose, H5Pcreate, H5Pget_external, H5Pget_external_count, H5Pget_virtual_count, H5Pget_virtual_dsetname,
    H5Pget_virtual_filename, H5Pset_efile_prefix,
};
use std::cell::Cell;
use std::ffi::{c_char, CString};
use std::sync::{Arc, OnceLock};

/// Most datasets that a virtual one may be made of, one within the other.
const DEEPEST: usize = 8;
/// Most parts of all of them.
const MOST: usize = 50_000;
/// Bytes of a name.
const NAME: usize = 4096;
/// Whether the environment names folders in which the library looks for the files of external storage and of virtual
/// datasets, before and instead of those that were checked. It reads the first of them once, as it starts.
pub(super) fn prefixes() -> [bool; 2] {
    static FIRST: OnceLock<[bool; 2]> = OnceLock::new();
    let set = |name| std::env::var_os(name).is_some_and(|folder| !folder.is_empty());
    let now = [set(EXTERNAL_PREFIX), set(VIRTUAL_PREFIX)];
    let first = FIRST.get_or_init(|| now);
    [first[0] || now[0], now[1]]
}

const EXTERNAL_PREFIX: &str = "HDF5_EXTFILE_PREFIX";
const VIRTUAL_PREFIX: &str = "HDF5_VDS_PREFIX";

/// Opens a dataset. Names of external files in it that are not absolute start at the folder of the file.
pub(super) fn open(group: &Group, key: &str) -> hdf5::Result<Dataset> {
    let name = CString::new(key).map_err(|_| hdf5::Error::from("a name with a NUL in it"))?;
    sync(|| {
        let access = h5call!(H5Pcreate(*hdf5::globals::H5P_DATASET_ACCESS))?;
        let opened = h5call!(H5Pset_efile_prefix(access, c"${ORIGIN}".as_ptr()))
            .and_then(|_| h5call!(H5Dopen2(group.id(), name.as_ptr(), access)));
        // SAFETY: made above and used by nobody else.
        unsafe { H5Pclose(access) };
        // SAFETY: the identifier was just returned by the constructor.
        unsafe { from_id(opened?) }
    })
}

thread_local! {
    /// How deep in virtual datasets of virtual datasets this thread is, and datasets looked at for the outermost.
    static WITHIN: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Refuses a dataset whose values lie in files that may not be opened. Nothing was opened for it before.
pub(super) fn check(node: &Node, dataset: &Dataset) -> Result<()> {
    let (depth, seen) = WITHIN.get();
    if depth > DEEPEST || seen > MOST {
        return Err(node.format(format!("at most {MOST} parts of virtual datasets, {DEEPEST} in one another"), "more"));
    }
    WITHIN.set((depth + 1, seen + 1));
    let done = check_parts(node, dataset);
    let seen = if depth == 0 { 0 } else { WITHIN.get().1 };
    WITHIN.set((depth, seen));
    done
}

fn check_parts(node: &Node, dataset: &Dataset) -> Result<()> {
    let plist = dataset.create_plist().map_err(|e| node.damaged(&e))?;
    for file in external_files(plist.id()).map_err(|e| node.damaged(&e))? {
        node.other_file(node.path(), "its values are in external storage, which leads", &file)?;
        if prefixes()[0] {
            return Err(prefixed(node, EXTERNAL_PREFIX));
        }
    }
    if layout(plist.id()) != Some(H5D_layout_t::H5D_VIRTUAL) {
        return Ok(());
    }
    for (file, path) in sources(plist.id()).map_err(|e| node.damaged(&e))? {
        let what = "it is a virtual dataset with a part that leads";
        // A pattern of names, of which the library opens those that are there.
        if file.contains('%') || path.contains('%') {
            if node.file().external() != External::Follow {
                node.other_file(node.path(), what, &file)?;
                return Err(node.unsupported("a virtual dataset of files by a pattern of names", FOLLOW));
            }
            continue;
        }
        let store = if file == "." {
            node.file().clone()
        } else {
            let place = node.other_file(node.path(), what, &file)?;
            if prefixes()[1] {
                return Err(prefixed(node, VIRTUAL_PREFIX));
            }
            node.file().family().linked(&place)?
        };
        // The library takes what is not there for empty. A source is checked as it is opened.
        let source = Node::open(&store, &path)?;
        check_claim(&source, source.dataset()?)?;
        // The library converts the source's type, too.
        let kind = source.dataset()?.dtype().and_then(|t| datatype::kind_of(&t)).map_err(|e| source.damaged(&e))?;
        if let Some(name) = datatype::unreadable(&kind) {
            return Err(source.unsupported(name, ""));
        }
        if !Arc::ptr_eq(source.file(), &store) {
            return Err(node.unsupported("a virtual dataset with a part behind an external link", ""));
        }
    }
    Ok(())
}

fn prefixed(node: &Node, variable: &str) -> Error {
    let hint = format!("; unset {variable} and start again");
    node.unsupported(format!("values in other files, for which the variable {variable} names another folder,"), hint)
}

const FOLLOW: &str = "; if you trust this file, open it with external = \"follow\"";

/// The files of external storage.
fn external_files(plist: hid_t) -> hdf5::Result<Vec<String>> {
    let n = h5call!(H5Pget_external_count(plist))?;
    let mut out = Vec::new();
    for i in 0..n.max(0) as u32 {
        let mut name = vec![0_u8; NAME];
        let (mut offset, mut size) = (0, 0);
        let place = name.as_mut_ptr().cast::<c_char>();
        // The last byte stays NUL.
        h5call!(H5Pget_external(plist, i, NAME - 1, place, &raw mut offset, &raw mut size))?;
        out.push(text(&name));
    }
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

/// File and path of each part of a virtual dataset.
fn sources(plist: hid_t) -> hdf5::Result<Vec<(String, String)>> {
    let mut n = 0;
    h5call!(H5Pget_virtual_count(plist, &raw mut n))?;
    let mut out = Vec::new();
    for i in 0..n {
        let (mut file, mut path) = (vec![0_u8; NAME], vec![0_u8; NAME]);
        let sizes = [
            h5call!(H5Pget_virtual_filename(plist, i, file.as_mut_ptr().cast(), NAME))?,
            h5call!(H5Pget_virtual_dsetname(plist, i, path.as_mut_ptr().cast(), NAME))?,
        ];
        if sizes.iter().any(|&size| size >= NAME as isize) {
            return Err("a part with a name of more than 4095 bytes".into());
        }
        out.push((text(&file), text(&path)));
    }
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
