//! The filters of a dataset.

use hdf5::h5call;
use hdf5_sys::h5p::{H5Pget_filter2, H5Pget_nfilters};

/// A filter of a dataset.
pub(super) struct Filter {
    pub(super) id: i32,
    /// Whether the filter has a name: in the file, or in the library, which then reports its own.
    pub(super) named: bool,
    pub(super) optional: bool,
}

/// Reads the filters from a property list, in the order of writing.
pub(super) fn filters(plist: i64) -> hdf5::Result<Vec<Filter>> {
    let n = h5call!(H5Pget_nfilters(plist))?;
    (0..n.max(0) as u32)
        .map(|i| {
            let (mut flags, mut count, mut config, mut name) = (0, 0, 0, [0_u8; 256]);
            let (values, place) = (std::ptr::null_mut(), name.as_mut_ptr().cast());
            let id = h5call!(H5Pget_filter2(
                plist,
                i,
                &raw mut flags,
                &raw mut count,
                values,
                name.len() - 1,
                place,
                &raw mut config
            ))?;
            Ok(Filter { id, named: name[0] != 0, optional: flags & 1 != 0 })
        })
        .collect()
}
