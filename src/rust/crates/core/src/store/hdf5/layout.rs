//! How the values of a dataset are laid out, by its property list.

use hdf5::sync::sync;
use hdf5_sys::h5d::{H5D_fill_value_t, H5D_layout_t};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{H5Pfill_value_defined, H5Pget_external_count, H5Pget_layout};

/// How the values of a dataset with this property list are laid out; `None` for a way this library does not know.
pub(super) fn layout(plist: hid_t) -> Option<H5D_layout_t> {
    // SAFETY: a query on a property list that is open.
    let found = sync(|| unsafe { H5Pget_layout(plist) });
    [H5D_layout_t::H5D_COMPACT, H5D_layout_t::H5D_CONTIGUOUS, H5D_layout_t::H5D_CHUNKED, H5D_layout_t::H5D_VIRTUAL]
        .into_iter()
        .find(|&l| l == found)
}

/// Whether values that were never written are others than zeros.
pub(super) fn has_fill(plist: hid_t) -> bool {
    let mut defined = H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED;
    // SAFETY: a query into a local.
    let status = sync(|| unsafe { H5Pfill_value_defined(plist, &raw mut defined) });
    status >= 0 && defined == H5D_fill_value_t::H5D_FILL_VALUE_USER_DEFINED
}

/// Whether values lie in files of external storage, or are those of other datasets.
pub(super) fn is_elsewhere(plist: hid_t) -> bool {
    // SAFETY: a query on a property list that is open.
    layout(plist) == Some(H5D_layout_t::H5D_VIRTUAL) || sync(|| unsafe { H5Pget_external_count(plist) }) > 0
}
