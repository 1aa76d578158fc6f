//! A store that is being written: groups in memory, chunks in a folder beside the target, metadata
//! last.

use super::files::{join, Files};
use super::json::Json;
use super::object::Member;
use super::objects::sync;
use super::sink::{json_of, lock, put, NewArray, Store};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::backend::Object;
use crate::store::sink::{ArraySink, GroupSink, Layout, Setting, StoreSink};
use crate::store::{Kind, Temporary};
use std::any::Any;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A group or array that is being written.
#[derive(Debug, Clone)]
enum Item {
    Group(Arc<NewGroup>),
    Array(Arc<NewArray>),
    /// An array whose chunks were copied: its metadata, and in version 2 its attributes.
    Copied(Json, Option<Json>),
}

/// A group that is being written.
#[derive(Debug)]
pub(super) struct NewGroup {
    store: Arc<Store>,
    folder: PathBuf,
    path: String,
    members: Mutex<Vec<(String, Item)>>,
    attributes: Mutex<Vec<(String, Json)>>,
}

/// A store that replaces its target when it is committed, and is removed if it is dropped before.
pub(super) struct NewStore {
    target: PathBuf,
    temporary: Temporary,
    root: Arc<NewGroup>,
}

impl NewStore {
    /// Begins a store in a temporary folder.
    pub(super) fn new(temporary: Temporary, store: Store) -> Result<NewStore> {
        let (target, store) = (store.target.clone(), Arc::new(store));
        let root = NewGroup::new(&store, temporary.path()?.to_owned(), String::new())?;
        Ok(NewStore { target, temporary, root })
    }
}

/// Returns the name that the older store has while the new one takes its place.
pub(super) fn aside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.replaced"))
}

/// Repairs what a killed writer left: the older store gets its name back, or is removed if the
/// newer one is in place.
pub(super) fn recover(target: &Path) {
    let aside = aside(target);
    if super::folder::mark(&aside).is_none() {
        return;
    }
    // A failure is reported when the target is opened.
    let _ = if target.exists() { fs::remove_dir_all(aside) } else { fs::rename(aside, target) };
}

impl StoreSink for NewStore {
    fn root(&self) -> Result<Box<dyn GroupSink<'_> + '_>> {
        Ok(Box::new(self.root.clone()))
    }

    /// Puts the store in place by two renames. Between them the older store has a name that the
    /// next process to open or write the target looks for.
    fn commit(mut self: Box<Self>) -> Result<()> {
        let target = &self.target;
        let io = |action: &'static str| {
            move |e: std::io::Error| Error::Io {
                message: format!("{e}; the store that was there is unchanged"),
                path: target.into(),
                action,
                kind: e.kind(),
            }
        };
        let mut consolidated = Vec::new();
        self.root.finish(&mut consolidated)?;
        self.root.write_root(consolidated)?;
        let made = self.temporary.path()?.to_owned();
        if let Ok(old) = fs::metadata(target) {
            fs::set_permissions(&made, old.permissions()).map_err(io("set the permissions of"))?;
        }
        sync(&made).map_err(io("write"))?;
        recover(target);
        let aside = aside(target);
        let replaced = target.exists();
        if replaced {
            fs::rename(target, &aside).map_err(io("replace"))?;
        }
        if let Err(e) = fs::rename(&made, target) {
            if replaced {
                let _ = fs::rename(&aside, target);
            }
            return Err(io("replace")(e));
        }
        self.temporary.keep();
        if let Some(folder) = target.parent() {
            let _ = File::open(folder).and_then(|f| f.sync_all());
        }
        if replaced {
            // The next writer removes any rest.
            let _ = fs::remove_dir_all(&aside);
        }
        Ok(())
    }
}

impl NewGroup {
    fn new(store: &Arc<Store>, folder: PathBuf, path: String) -> Result<Arc<NewGroup>> {
        fs::create_dir_all(&folder).map_err(|e| store.failed(&e))?;
        let (members, attributes) = Default::default();
        Ok(Arc::new(NewGroup { store: store.clone(), folder, path, members, attributes }))
    }

    fn put(&self, key: &str, item: Item) {
        lock(&self.members).push((key.to_owned(), item));
    }

    fn get(&self, key: &str) -> Option<Item> {
        lock(&self.members).iter().find(|m| m.0 == key).map(|m| m.1.clone())
    }

    /// Returns the folder of a member. Names that would lead elsewhere, or be taken for metadata,
    /// are refused.
    fn place(&self, key: &str) -> Result<PathBuf> {
        let taken = key.starts_with('.') || key == "zarr.json" || key.contains(['\\', '/']);
        if taken {
            let expected = "a name that does not start with '.' and has no '/' or '\\' in it, in a Zarr store";
            return Err(Error::parameter("key", expected, format!("'{}'", join(&self.path, key))));
        }
        Ok(self.folder.join(key))
    }

    fn write(&self, folder: &Path, name: &str, json: &Json) -> Result<()> {
        let written = File::create(folder.join(name)).and_then(|mut f| f.write_all(json.written().as_bytes()));
        written.map_err(|e| self.store.failed(&e))
    }

    /// Returns the group's own metadata.
    fn json(&self) -> Json {
        match self.store.version {
            2 => Json::of_map(vec![("zarr_format", Json::Number("2".to_owned()))]),
            _ => Json::of_map(vec![
                ("attributes", self.attributes()),
                ("zarr_format", Json::Number("3".to_owned())),
                ("node_type", Json::of_text("group")),
            ]),
        }
    }

    fn attributes(&self) -> Json {
        Json::Map(lock(&self.attributes).clone())
    }

    /// Writes the metadata of all members, and appends them to `all` by their keys. The metadata of
    /// this group are written by the caller.
    fn finish(&self, all: &mut Vec<(String, Json)>) -> Result<()> {
        let v2 = self.store.version == 2;
        for (key, item) in lock(&self.members).iter() {
            let (path, folder) = (join(&self.path, key), self.folder.join(key));
            let (json, attributes, name) = match item {
                Item::Group(group) => {
                    let attributes = v2.then(|| group.attributes());
                    (group.json(), attributes, ".zgroup")
                }
                Item::Array(array) => {
                    let (json, attributes) = array.finish()?;
                    (json, attributes, ".zarray")
                }
                Item::Copied(json, attributes) => (json.clone(), attributes.clone(), ".zarray"),
            };
            if v2 {
                let attributes = attributes.unwrap_or(Json::Map(Vec::new()));
                self.write(&folder, ".zattrs", &attributes)?;
                self.write(&folder, name, &json)?;
                all.push((join(&path, ".zattrs"), attributes));
                all.push((join(&path, name), json));
            } else {
                self.write(&folder, "zarr.json", &json)?;
                all.push((path, json));
            }
            if let Item::Group(group) = item {
                group.finish(all)?;
            }
        }
        Ok(())
    }

    /// Writes the metadata of the root, with those of all members. They make the folder a store.
    fn write_root(&self, mut all: Vec<(String, Json)>) -> Result<()> {
        if self.store.version == 2 {
            all.push((".zattrs".to_owned(), self.attributes()));
            all.push((".zgroup".to_owned(), self.json()));
            let consolidated = Json::of_map(vec![
                ("metadata", Json::Map(all)),
                ("zarr_consolidated_format", Json::Number("1".to_owned())),
            ]);
            if self.store.consolidate {
                self.write(&self.folder, ".zmetadata", &consolidated)?;
            }
            self.write(&self.folder, ".zattrs", &self.attributes())?;
            return self.write(&self.folder, ".zgroup", &self.json());
        }
        let consolidated = Json::of_map(vec![
            ("kind", Json::of_text("inline")),
            ("must_understand", Json::Bool(false)),
            ("metadata", Json::Map(all)),
        ]);
        let mut root = self.json();
        if let (true, Json::Map(members)) = (self.store.consolidate, &mut root) {
            members.insert(2, ("consolidated_metadata".to_owned(), consolidated));
        }
        self.write(&self.folder, "zarr.json", &root)
    }

    fn missing(&self, key: &str) -> Error {
        Error::Internal(format!("no '{key}' in '{}' of a Zarr store", self.path))
    }

    /// Copies an element of a store of the same version without decoding it.
    fn copy_member(&self, key: &str, from: &Member) -> Result<()> {
        let folder = self.place(key)?;
        let meta = from.meta();
        let attributes = meta.attributes.clone().map_err(|found| {
            let object: &dyn Object = from;
            object.format("attributes that can be read", found)
        })?;
        if meta.is_array {
            fs::create_dir_all(&folder).map_err(|e| self.store.failed(&e))?;
            copy_objects(&**from.files(), from.path(), &folder).map_err(|e| match e {
                Fault::Here(e) => self.store.failed(&e),
                Fault::There(e) => e,
            })?;
            let apart = (self.store.version == 2).then_some(attributes);
            self.put(key, Item::Copied(meta.json.clone(), apart));
            return Ok(());
        }
        let group = NewGroup::new(&self.store, folder, join(&self.path, key))?;
        if let Json::Map(members) = attributes {
            *lock(&group.attributes) = members;
        }
        self.put(key, Item::Group(group.clone()));
        from.keys()?.iter().try_for_each(|name| group.copy_member(name, &from.member(name)?))
    }
}

/// The side on which a copy failed.
enum Fault {
    Here(std::io::Error),
    There(Error),
}

/// Copies the chunks of an array.
fn copy_objects(files: &dyn Files, path: &str, folder: &Path) -> Result<(), Fault> {
    const PIECE: u64 = 1 << 20;
    const METADATA: [&str; 3] = ["zarr.json", ".zarray", ".zattrs"];
    let mut piece = memory::zeros::<u8>(PIECE as usize, "a copy of chunks").map_err(Fault::There)?;
    for (name, _) in files.objects(path, 40).map_err(Fault::There)? {
        if METADATA.contains(&name.as_str()) {
            continue;
        }
        let place = folder.join(&name);
        let Some(from) = files.open(&join(path, &name)).map_err(Fault::There)? else { continue };
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(Fault::Here)?;
        }
        let mut to = File::create(place).map_err(Fault::Here)?;
        let mut at = 0;
        while at < from.len() {
            let n = PIECE.min(from.len() - at);
            let piece = &mut piece[..n as usize];
            from.read(at, piece).map_err(|e| Fault::There(Error::io(files.location(), "read", &e)))?;
            to.write_all(piece).map_err(Fault::Here)?;
            at += n;
        }
    }
    Ok(())
}

impl<'w> GroupSink<'w> for Arc<NewGroup> {
    fn exists(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn group(&self, key: &str) -> Result<Box<dyn GroupSink<'w> + 'w>> {
        let group = NewGroup::new(&self.store, self.place(key)?, join(&self.path, key))?;
        self.put(key, Item::Group(group.clone()));
        Ok(Box::new(group))
    }

    fn existing(&self, key: &str) -> Result<Box<dyn GroupSink<'w> + 'w>> {
        match self.get(key) {
            _ if key == "." => Ok(Box::new(self.clone())),
            Some(Item::Group(group)) => Ok(Box::new(group)),
            _ => Err(self.missing(key)),
        }
    }

    fn array(
        &self,
        key: &str,
        kind: &Kind,
        shape: Option<&[usize]>,
        layout: &Layout,
    ) -> Result<Box<dyn ArraySink + 'w>> {
        let array = NewArray::new(&self.store, &self.place(key)?, join(&self.path, key), kind, shape, layout)?;
        let array = Arc::new(array);
        self.put(key, Item::Array(array.clone()));
        Ok(Box::new(array))
    }

    fn set(&self, name: &str, value: Setting<'_>) -> Result<()> {
        put(&mut lock(&self.attributes), name, json_of(value));
        Ok(())
    }

    fn copy(&self, key: &str, from: &dyn Any) -> Result<bool> {
        // A remote store does not list its chunks, so that its elements are written by their values.
        let fits = |m: &&Member| m.version() == self.store.version && m.files().lists();
        let Some(member) = from.downcast_ref::<Member>().filter(fits) else {
            return Ok(false);
        };
        self.copy_member(key, member).map(|()| true)
    }

    fn remove(&self, key: &str) -> Result<()> {
        lock(&self.members).retain(|m| m.0 != key);
        fs::remove_dir_all(self.place(key)?).map_err(|e| self.store.failed(&e))
    }

    /// Fails always: only a store that is saved into has elements renamed.
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        Err(Error::Internal(format!("'{from}' of a Zarr store renamed '{to}'")))
    }
}
