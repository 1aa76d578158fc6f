//! Saving changes into the file that an object was read from (mode "r+").

use super::check::check;
use super::current::is_current;
use super::names::Renamed;
use super::part::write_part;
use super::plan::{shape_of, Frame, H5adPlan, Part, WriteOptions};
use super::same::same;
use crate::element;
use crate::error::{Error, Result};
use crate::session::Session;
use crate::store::{Compression, GroupWriter, Store, Update};
use std::collections::HashSet;
use std::sync::Arc;

/// The options of a save.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SaveOptions {
    /// Compression of elements that are written anew.
    pub compression: Compression,
    /// Whether a changed X is written too. Writing it is a pass over the matrix, and the old one
    /// keeps its space in the file.
    pub x: bool,
}

/// The result of a save: the file's new state, and the elements that were written, removed or left.
#[derive(Debug)]
pub struct Saved {
    /// The file after the save; the store that was saved into still shows its old state.
    pub store: Arc<Store>,
    /// Paths of the elements that were written ("obs/leiden", "obsm/X_pca").
    pub written: Vec<String>,
    /// Paths of the elements that were removed.
    pub removed: Vec<String>,
    /// Paths of the elements that differ from the file and were not written: X, if it was not asked
    /// for.
    pub left: Vec<String>,
}

/// An element to write.
struct Put<'p> {
    path: String,
    part: &'p Part,
}

/// The changes to be made to a file.
#[derive(Default)]
struct Changes<'p> {
    put: Vec<Put<'p>>,
    remove: Vec<String>,
    /// Paths of dataframes with a new list or order of columns, and the names of the columns.
    columns: Vec<(String, Vec<&'p str>)>,
    left: Vec<String>,
    /// Whether "raw" exists but is null, as anndata writes it for an object without raw.
    null_raw: bool,
}

/// Updates the file of `store` to what `plan` says, element by element; elements whose values are
/// the same bit by bit are not written. Either all changes are in the file afterwards or, after any
/// failure, none; the store ensures this.
///
/// # Errors
/// [`Error::State`] where the store was not opened for saving, the file changed since, or the plan
/// is of some rows or columns of the file while X is not written; [`Error::Shape`] and
/// [`Error::Parameter`] as by [`write_h5ad`](super::write_h5ad); [`Error::Io`].
pub fn save_h5ad(plan: &H5adPlan, store: &Arc<Store>, options: &SaveOptions, session: &Session) -> Result<Saved> {
    // `begin` refuses a file that changed since it was opened: checks of its elements would be
    // about another file.
    let update = Update::begin(store)?;
    check(plan, &WriteOptions::default())?;
    check_selection(plan, store, options)?;
    let renamed = Renamed::find(plan)?;
    let changes = Changes::find(plan, &renamed, store, options)?;
    let Changes { put, remove, columns, left, null_raw } = &changes;
    let written = put.iter().map(|p| p.path.clone()).collect();
    if put.is_empty() && remove.is_empty() && columns.is_empty() {
        return Ok(Saved { store: store.clone(), written, removed: Vec::new(), left: left.clone() });
    }
    {
        let root = update.root()?;
        let plain = WriteOptions { compression: options.compression, ..WriteOptions::default() };
        if *null_raw {
            root.remove("raw")?;
        }
        // HDF5 gives freed space to later writes. So everything new is written before anything old
        // is removed, and open handles of the old file find the old values in their places.
        let mut replaced = Vec::new();
        for (i, Put { path, part }) in put.iter().enumerate() {
            let (parent, key) = parent_of(&root, path)?;
            if parent.exists(&key) {
                let interim = format!("anndataoom-new-{i}");
                write_part(&parent, &interim, part, &plain, session)?;
                replaced.push((parent, interim, key));
            } else {
                write_part(&parent, &key, part, &plain, session)?;
            }
        }
        for (path, names) in columns {
            root.existing(path)?.set_texts("column-order", names)?;
        }
        for (parent, interim, key) in &replaced {
            parent.remove(key)?;
            parent.rename(interim, key)?;
        }
        for path in remove {
            let (parent, key) = parent_of(&root, path)?;
            parent.remove(&key)?;
        }
    }
    session.monitor.check()?;
    Ok(Saved { store: update.commit()?, written, removed: changes.remove, left: changes.left })
}

/// Returns the group of an element, created if it does not exist, and the key of the element in it.
fn parent_of<'w>(root: &GroupWriter<'w>, path: &str) -> Result<(GroupWriter<'w>, String)> {
    let mut group = root.existing(".")?;
    let mut keys: Vec<&str> = path.split('/').collect();
    let key = keys.pop().unwrap_or_default().to_owned();
    for (depth, name) in keys.into_iter().enumerate() {
        group = if group.exists(name) {
            group.existing(name)?
        } else {
            let made = group.group(name)?;
            if depth == 0 && name == "raw" { element::RAW } else { element::DICT }.mark_group(&made)?;
            made
        };
    }
    Ok((group, key))
}

/// Checks that the plan has all cells and genes of the file, or that X is written too: a selection
/// cannot replace other elements while X stays.
fn check_selection(plan: &H5adPlan, store: &Arc<Store>, options: &SaveOptions) -> Result<()> {
    if options.x || !present(store, "X") {
        return Ok(());
    }
    let refused = |found: &str| {
        Err(Error::State(format!(
            "the object is {found} of '{}': saving it would leave X with other cells or genes; save X too, or write \
             another file",
            store.location()
        )))
    };
    let frames = [&plan.obs, &plan.var];
    let members = [&plan.layers, &plan.obsm, &plan.varm, &plan.obsp, &plan.varp];
    let members = members.into_iter().flatten().map(|(_, part)| part);
    if frames.into_iter().chain(&plan.x).chain(members).any(|part| selects(part, store)) {
        return refused("a selection");
    }
    let shape = element::describe(store, "X")?.shape;
    let extent = |part: &Part| Ok::<_, Error>(shape_of(part)?.first().copied().unwrap_or(0));
    if shape != [extent(&plan.obs)?, extent(&plan.var)?] {
        return refused("of another shape than X");
    }
    Ok(())
}

/// Returns whether a part is a selection of rows or columns of an element of this store.
fn selects(part: &Part, of: &Arc<Store>) -> bool {
    match part {
        Part::Copy { store, rows, columns, .. } => {
            store.location() == of.location() && (rows.is_some() || columns.is_some())
        }
        Part::Frame(frame) => selects(&frame.index, of) || frame.columns.iter().any(|(_, c)| selects(c, of)),
        Part::Matrix(x) => {
            x.location().is_some_and(|at| at.store == *of.location()) && (x.rows().is_some() || x.columns().is_some())
        }
        Part::Value(_) | Part::Rows(_) => false,
    }
}

/// Returns whether there is an element other than null at `path`.
fn present(store: &Arc<Store>, path: &str) -> bool {
    store.exists(path) && !matches!(element::describe(store, path), Ok(d) if d.encoding == "null")
}

/// Returns whether the file already has `part` at `path`.
fn unchanged(store: &Arc<Store>, path: &str, part: &Part) -> bool {
    match part {
        Part::Copy { store: from, element, rows: None, columns: None } => {
            Arc::ptr_eq(from, store) && element.trim_matches('/') == path && element::is_whole(store, element)
        }
        Part::Value(value) => store.exists(path) && element::read(store, path).is_ok_and(|stored| same(value, &stored)),
        _ => false,
    }
}

impl<'p> Changes<'p> {
    /// Compares a plan with the file.
    fn find(plan: &'p H5adPlan, renamed: &'p Renamed, store: &Arc<Store>, options: &SaveOptions) -> Result<Self> {
        let mut changes = Changes::default();
        let same_x = match &plan.x {
            Some(x) => unchanged(store, "X", x),
            None => !present(store, "X"),
        };
        match &plan.x {
            _ if same_x => {}
            Some(x) if options.x => changes.put("X".to_owned(), x),
            None if options.x => changes.remove.push("X".to_owned()),
            _ => changes.left.push("X".to_owned()),
        }
        changes.frame(store, "obs", &plan.obs)?;
        changes.frame(store, "var", &plan.var)?;
        for (slot, parts) in [
            ("layers", &plan.layers),
            ("obsm", &plan.obsm),
            ("varm", &plan.varm),
            ("obsp", &plan.obsp),
            ("varp", &plan.varp),
            ("uns", &plan.uns),
        ] {
            changes.mapping(store, slot, parts, renamed)?;
        }
        match &plan.raw {
            Some(raw) => {
                if !unchanged(store, "raw/X", &raw.x) {
                    changes.put("raw/X".to_owned(), &raw.x);
                }
                changes.frame(store, "raw/var", &raw.var)?;
                changes.mapping(store, "raw/varm", &raw.varm, renamed)?;
                changes.null_raw = store.exists("raw") && !present(store, "raw");
            }
            None if present(store, "raw") => changes.remove.push("raw".to_owned()),
            None => {}
        }
        Ok(changes)
    }

    fn put(&mut self, path: String, part: &'p Part) {
        self.put.push(Put { path, part });
    }

    /// Compares a mapping with the file.
    fn mapping(
        &mut self,
        store: &Arc<Store>,
        slot: &str,
        parts: &'p [(String, Part)],
        renamed: &'p Renamed,
    ) -> Result<()> {
        let there = if present(store, slot) { store.keys(slot)? } else { Vec::new() };
        for key in there.iter().filter(|key| !parts.iter().any(|(k, _)| k == *key)) {
            self.remove.push(format!("{slot}/{key}"));
        }
        for (key, part) in parts {
            let path = format!("{slot}/{key}");
            let part = renamed.part(&path, part);
            if !unchanged(store, &path, part) {
                self.put(path, part);
            }
        }
        Ok(())
    }

    /// Compares a dataframe with the file, column by column where that is possible.
    fn frame(&mut self, store: &Arc<Store>, path: &str, part: &'p Part) -> Result<()> {
        if unchanged(store, path, part) {
            return Ok(());
        }
        match part {
            Part::Frame(frame) if same_index(store, path, frame)? && fit(store, path, frame)? => {
                self.columns(store, path, frame)
            }
            _ => {
                self.put(path.to_owned(), part);
                Ok(())
            }
        }
    }

    /// Compares the columns of a dataframe, which has the index of the file, with the file.
    fn columns(&mut self, store: &Arc<Store>, path: &str, frame: &'p Frame) -> Result<()> {
        let there = element::column_names(store, path)?;
        // A column with the index's name is the index.
        let index = frame.index_name.as_deref().unwrap_or("_index");
        let kept = |name: &str| name == index || frame.columns.iter().any(|(n, _)| n == name);
        for name in there.iter().filter(|name| !kept(name)) {
            self.remove.push(format!("{path}/{name}"));
        }
        for (name, part) in frame.columns.iter().filter(|(name, _)| name != index) {
            let place = format!("{path}/{name}");
            if !unchanged(store, &place, part) {
                self.put(place, part);
            }
        }
        let names: Vec<&str> = frame.columns.iter().map(|(n, _)| n.as_str()).collect();
        if names != there {
            self.columns.push((path.to_owned(), names));
        }
        Ok(())
    }
}

/// Returns whether the columns of a dataframe can be stored beside those in the file: "T" and
/// "T/NK" cannot.
fn fit(store: &Arc<Store>, path: &str, frame: &Frame) -> Result<bool> {
    let there = element::column_names(store, path)?;
    let all: HashSet<&str> = there.iter().chain(frame.columns.iter().map(|c| &c.0)).map(String::as_str).collect();
    Ok(element::check_names(path, "_index", all.into_iter()).is_ok())
}

/// Returns whether a dataframe of the file can be changed column by column: it has today's encoding
/// and this very index.
fn same_index(store: &Arc<Store>, path: &str, frame: &Frame) -> Result<bool> {
    if !store.exists(path) || !is_current(store, path)? || !store.is_group(path)? {
        return Ok(false);
    }
    let (name, stored) = element::read_index(store, path)?;
    let key = name.as_deref().unwrap_or("_index");
    if frame.index_name.as_deref().unwrap_or("_index") != key {
        return Ok(false);
    }
    Ok(match &*frame.index {
        Part::Value(value) => same(value, &stored),
        index => unchanged(store, &format!("{path}/{key}"), index),
    })
}
