//! The files with the values of a dataset, from its property list.

use hdf5::sync::sync;
use hdf5::{from_id, h5call, Dataset, Group};
use hdf5_sys::h5d::H5Dopen2;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{
    H5Pclose, H5Pcreate, H5Pget_external, H5Pget_external_count, H5Pget_virtual_count, H5Pget_virtual_dsetname,
    H5Pget_virtual_filename, H5Pset_efile_prefix,
};
use std::ffi::{c_char, CString};

/// Bytes of the buffer for a name.
const NAME: usize = 4096;
/// Opens a dataset. Relative names of its external files start at the folder of the file.
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

/// Returns the names of the files of external storage, sorted, without repeats.
pub(super) fn external_files(plist: hid_t) -> hdf5::Result<Vec<String>> {
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

/// Returns file and path of each source of a virtual dataset, sorted, without repeats.
pub(super) fn sources(plist: hid_t) -> hdf5::Result<Vec<(String, String)>> {
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
