//! The layout of a dataset's values, from its property list.

use hdf5::sync::sync;
use hdf5_sys::h5d::{H5D_fill_value_t, H5D_layout_t};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{H5Pfill_value_defined, H5Pget_external_count, H5Pget_layout};

/// Returns the layout of a dataset with this property list; `None` for a layout that is unknown
/// here.
pub(super) fn layout(plist: hid_t) -> Option<H5D_layout_t> {
    // SAFETY: a query on a property list that is open.
    let found = sync(|| unsafe { H5Pget_layout(plist) });
    [H5D_layout_t::H5D_COMPACT, H5D_layout_t::H5D_CONTIGUOUS, H5D_layout_t::H5D_CHUNKED, H5D_layout_t::H5D_VIRTUAL]
        .into_iter()
        .find(|&l| l == found)
}

/// Returns whether the writer set a value for elements that were never written; else they are
/// zeros.
pub(super) fn has_fill(plist: hid_t) -> bool {
    let mut defined = H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED;
    // SAFETY: a query into a local.
    let status = sync(|| unsafe { H5Pfill_value_defined(plist, &raw mut defined) });
    status >= 0 && defined == H5D_fill_value_t::H5D_FILL_VALUE_USER_DEFINED
}

/// Returns whether the values lie in files of external storage, or in other datasets (a virtual
/// dataset).
pub(super) fn is_elsewhere(plist: hid_t) -> bool {
    // SAFETY: a query on a property list that is open.
    layout(plist) == Some(H5D_layout_t::H5D_VIRTUAL) || sync(|| unsafe { H5Pget_external_count(plist) }) > 0
}
