//! Copies of elements from one file to another without decoding.

use super::links::{self, Link};
use super::sink::{utf8_link, Hdf5Group};
use super::{fault, lengths, repack, Hdf5File, Node};
use crate::error::{Error, Result};
use hdf5::plist::ObjectCopy;
use hdf5::{from_id, h5call, Location, LocationType};
use hdf5_sys::h5::H5_ih_info_t;
use hdf5_sys::h5o::{H5O_hdr_info_t, H5O_native_info_t, H5Oget_native_info_by_name, H5Oopen, H5O_NATIVE_INFO_HDR};
use hdf5_sys::h5p::H5P_DEFAULT;
use std::ffi::CString;
use std::sync::Arc;

impl Hdf5Group<'_> {
    /// Copies a group or dataset verbatim as `key`, attributes and compression included. The
    /// targets of its links are copied in place of the links, from other files too where they may
    /// be opened.
    ///
    /// # Errors
    /// [`Error::Format`] when it is damaged, [`Error::External`] when a part of it is in a file
    /// that may not be opened, [`Error::Io`] for the target.
    pub(super) fn copy_element(&self, key: &str, node: &Node) -> Result<()> {
        self.copy_node(key, node, &mut Vec::new())?;
        self.writer.keep_copied(&self.join(key));
        Ok(())
    }

    fn copy_node(&self, key: &str, node: &Node, within: &mut Vec<Identity>) -> Result<()> {
        if is_plain(node)? {
            self.copy_plain(key, node)
        } else if node.is_group() {
            self.copy_members(key, node, within)
        } else {
            self.repack(key, node)
        }
    }

    /// Copies an element by one call of the library.
    fn copy_plain(&self, key: &str, node: &Node) -> Result<()> {
        let copy = || -> hdf5::Result<()> {
            // Links would lead nowhere in the new file, so their targets are copied.
            let plist = ObjectCopy::build().expand_soft_links(true).finish()?;
            let link = utf8_link()?;
            node.location().copy_to_with_props(&self.group, key, Some(&plist), Some(&link))
        };
        copy().map_err(|e| if fault::is_write(&e) { self.writer.fault(&e) } else { node.damaged(&e) })
    }

    /// Copies a group whose members the library cannot copy in one call: attributes first, then
    /// each member by itself.
    fn copy_members(&self, key: &str, node: &Node, within: &mut Vec<Identity>) -> Result<()> {
        let identity = node.identity()?;
        if within.contains(&identity) || within.len() >= DEEPEST {
            return Err(node.format("elements of its own", "a link to a group it lies in, or too many levels"));
        }
        within.push(identity);
        let group = self.new_group(key)?;
        group.copy_attributes(node, &group.group)?;
        for name in node.keys()? {
            match (links::link(node.group()?, &name).map_err(|e| node.damaged(&e))?, node.child(&name)) {
                (_, Ok(child)) => group.copy_node(&name, &child, within)?,
                // A dangling link stays a dangling link.
                (Some(Link::Soft(target)), Err(Error::Missing { .. })) => group.soft_link(&name, &target)?,
                (_, Err(e)) => return Err(e),
            }
        }
        within.pop();
        Ok(())
    }
}

/// The file and place of an object.
type Identity = (u64, hdf5::LocationToken);
/// Upper bound of the nesting of groups.
const DEEPEST: usize = 64;

/// Returns whether the library can copy an element and all in it by one call. It cannot where there
/// are links to other files, which it does not follow; external storage or virtual datasets, of
/// which it copies the list of parts instead of the values; or a filter without a name in the file,
/// which misleads it.
fn is_plain(node: &Node) -> Result<bool> {
    // An element has few groups, so the search is quick.
    let mut seen = Vec::new();
    let mut open = vec![node.clone()];
    while let Some(node) = open.pop() {
        lengths::check_all(&node)?;
        if !node.is_group() {
            if repack::is_needed(node.dataset()?).map_err(|e| node.damaged(&e))? {
                return Ok(false);
            }
            continue;
        }
        let identity = node.identity()?;
        if seen.contains(&identity) {
            continue;
        }
        seen.push(identity);
        check(&node, ".", OF_DATASETS | DATATYPE)?;
        for key in node.keys()? {
            if let Ok(LocationType::NamedDatatype) = node.group()?.loc_type_by_name(&key) {
                check(&node, &key, OF_DATASETS)?;
                check_datatype(&node, &key)?;
                continue;
            }
            match node.child(&key) {
                Ok(child) if Arc::ptr_eq(child.file(), node.file()) => open.push(child),
                Ok(_) => return Ok(false),
                // A dangling link is copied as a dangling link.
                Err(Error::Missing { .. } | Error::Unsupported { .. }) => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(true)
}

/// Checks a copy by opening every element in it: an element that cannot be opened was not copied.
/// Links that lead nowhere, and elements of a type that is not supported, are passed over.
///
/// # Errors
/// The errors of opening an element.
pub(super) fn check_copy(file: &Arc<Hdf5File>, path: &str) -> Result<()> {
    let mut seen = Vec::new();
    let mut open = vec![Node::open(file, path)?];
    while let Some(node) = open.pop() {
        let identity = node.identity()?;
        if seen.contains(&identity) || !node.is_group() {
            continue;
        }
        seen.push(identity);
        for key in node.keys()? {
            match node.child(&key) {
                Ok(child) => open.push(child),
                Err(Error::Missing { .. } | Error::Unsupported { .. }) => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

/// Header messages that only a dataset has, by their numbers in the file format: extents, fill
/// value (old and new), external files, layout. One bit each.
const OF_DATASETS: u64 = 1 << 0x1 | 1 << 0x4 | 1 << 0x5 | 1 << 0x7 | 1 << 0x8;
/// The header message of a datatype, which no group has.
const DATATYPE: u64 = 1 << 0x3;

/// Checks that the header of the object `key` of a group ("." is the group itself) has no message
/// of the kinds `never`. Given a group or a datatype whose damaged header has a message of a
/// dataset, the library follows a pointer that only copying a dataset sets, and the process dies.
fn check(group: &Node, key: &str, never: u64) -> Result<()> {
    let found = messages(group, key).map_err(|e| group.damaged(&e))? & never;
    if found == 0 {
        return Ok(());
    }
    let (element, what) = match key {
        "." => (group.path().to_owned(), "group"),
        _ => (format!("{}/{key}", group.path()), "datatype"),
    };
    Err(Error::Format {
        path: group.file().location().clone(),
        element,
        expected: format!("the header of a {what}"),
        found: format!(
            "one with a message of type {}, which no {what} has; the file is damaged",
            found.trailing_zeros()
        ),
    })
}

/// Checks the texts in the attributes of a named datatype, which are copied with it.
fn check_datatype(group: &Node, key: &str) -> Result<()> {
    let open = || -> hdf5::Result<Location> {
        let name = CString::new(key).map_err(|_| hdf5::Error::from("a name with a NUL in it"))?;
        // SAFETY: the identifier was just returned by the constructor.
        unsafe { from_id(h5call!(H5Oopen(group.location().id(), name.as_ptr(), H5P_DEFAULT))?) }
    };
    let datatype = open().map_err(|e| group.damaged(&e))?;
    lengths::check_attributes(group, &datatype)
}

/// The library's layout of `H5O_native_info_t`, whose fields the bindings keep to themselves.
#[repr(C)]
#[derive(Default)]
struct NativeInfo {
    header: H5O_hdr_info_t,
    sizes: [H5_ih_info_t; 2],
}
const _: () = assert!(size_of::<NativeInfo>() == size_of::<H5O_native_info_t>());

/// Returns the kinds of messages in the header of the object `key` of a group, one bit each.
fn messages(group: &Node, key: &str) -> hdf5::Result<u64> {
    let name = CString::new(key).map_err(|_| hdf5::Error::from("a name with a NUL in it"))?;
    let mut info = NativeInfo::default();
    let place = std::ptr::from_mut(&mut info).cast::<H5O_native_info_t>();
    h5call!(H5Oget_native_info_by_name(group.location().id(), name.as_ptr(), place, H5O_NATIVE_INFO_HDR, H5P_DEFAULT))?;
    Ok(info.header.mesg.present)
}
