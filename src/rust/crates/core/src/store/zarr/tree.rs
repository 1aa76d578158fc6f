//! An open store: the metadata of its groups and arrays, consolidated or read one by one.

use super::files::{join, Files};
use super::json::Json;
use crate::error::{Error, Result};
use crate::store::backend::FileState;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The metadata of a group or array.
#[derive(Debug)]
pub(super) struct Meta {
    pub(super) is_array: bool,
    pub(super) json: Json,
    /// The attributes, a map; or a description of the value found instead.
    pub(super) attributes: Result<Json, String>,
}

/// An open store.
#[derive(Debug)]
pub(super) struct Tree {
    files: Arc<dyn Files>,
    version: u8,
    /// Metadata by path, where they are consolidated.
    consolidated: Option<BTreeMap<String, Arc<Meta>>>,
    /// The state of the store when it was opened.
    state: Option<FileState>,
}

impl Tree {
    /// Opens the store in these files.
    ///
    /// # Errors
    /// [`Error::File`] for damaged metadata, [`Error::Io`].
    pub(super) fn open(files: Arc<dyn Files>) -> Result<Tree> {
        let state = files.state()?;
        let (version, consolidated) = match read(&*files, "zarr.json")? {
            Some(root) => (3, consolidated_v3(&*files, root)?),
            None => (2, consolidated_v2(&*files)?),
        };
        Ok(Tree { files, version, consolidated, state })
    }

    /// Returns the objects of the store.
    pub(super) fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    /// Returns the version of the format: 2 or 3.
    pub(super) fn version(&self) -> u8 {
        self.version
    }

    /// Returns the state of the store when it was opened.
    pub(super) fn opened(&self) -> Option<FileState> {
        self.state
    }

    /// Returns the metadata of the group or array at a path; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::File`] for damaged metadata, [`Error::Io`].
    pub(super) fn meta(&self, path: &str) -> Result<Option<Arc<Meta>>> {
        if let Some(all) = &self.consolidated {
            return Ok(all.get(path).cloned());
        }
        let files = &*self.files;
        let meta = match self.version {
            3 => read(files, &join(path, "zarr.json"))?.map(|json| v3(files, path, json)).transpose()?,
            _ => {
                let (array, group) = (read(files, &join(path, ".zarray"))?, join(path, ".zgroup"));
                let (is_array, json) = match array {
                    Some(json) => (true, Some(json)),
                    None => (false, read(files, &group)?),
                };
                match json {
                    None => None,
                    Some(json) => {
                        let attributes = read(files, &join(path, ".zattrs"))?;
                        Some(Meta { is_array, json, attributes: Ok(attributes.unwrap_or(Json::Map(Vec::new()))) })
                    }
                }
            }
        };
        Ok(meta.map(Arc::new))
    }

    /// Returns the names of the groups and arrays in a group, sorted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn keys(&self, path: &str) -> Result<Vec<String>> {
        if let Some(all) = &self.consolidated {
            let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
            let below = all.range(prefix.clone()..).map_while(|(key, _)| key.strip_prefix(&prefix));
            return Ok(below.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect());
        }
        let mut names = self.files.folders(path)?;
        let files: &[&str] = if self.version == 3 { &["zarr.json"] } else { &[".zarray", ".zgroup"] };
        let there = |name: &String| -> Result<bool> {
            for file in files {
                // A link out of the store counts as a member; opening it is an error.
                match self.files.open(&join(&join(path, name), file)) {
                    Ok(None) => {}
                    Ok(Some(_)) | Err(Error::External { .. }) => return Ok(true),
                    Err(e) => return Err(e),
                }
            }
            Ok(false)
        };
        let mut kept = Vec::new();
        for name in names.drain(..) {
            if there(&name)? {
                kept.push(name);
            }
        }
        Ok(kept)
    }
}

fn damaged(files: &dyn Files, key: &str, found: &str) -> Error {
    let message = format!("damaged metadata '{key}' of a Zarr store: {found}; restore it, or write it again");
    Error::File { path: files.location().clone(), message }
}

fn read(files: &dyn Files, key: &str) -> Result<Option<Json>> {
    let Some(bytes) = files.read(key)? else { return Ok(None) };
    match Json::parse(&bytes) {
        Ok(json @ Json::Map(_)) => Ok(Some(json)),
        Ok(_) => Err(damaged(files, key, "no map of members")),
        Err(found) => Err(damaged(files, key, &found)),
    }
}

fn v3(files: &dyn Files, path: &str, json: Json) -> Result<Meta> {
    let is_array = match json.get("node_type").and_then(Json::text) {
        Some("array") => true,
        Some("group") => false,
        _ => return Err(damaged(files, &join(path, "zarr.json"), "a 'node_type' that is neither array nor group")),
    };
    let attributes = match json.get("attributes") {
        None | Some(Json::Null) => Ok(Json::Map(Vec::new())),
        Some(map @ Json::Map(_)) => Ok(map.clone()),
        Some(_) => Err("attributes that are no map".to_owned()),
    };
    Ok(Meta { is_array, json, attributes })
}

/// Reads the consolidated metadata of version 3, which are in the metadata of the root; `None`
/// without them.
fn consolidated_v3(files: &dyn Files, mut root: Json) -> Result<Option<BTreeMap<String, Arc<Meta>>>> {
    let Some(Json::Map(members)) = root.remove("consolidated_metadata").and_then(|mut c| c.remove("metadata")) else {
        return Ok(None);
    };
    let mut all = BTreeMap::new();
    for (path, json) in members {
        let path = path.trim_matches('/').to_owned();
        let meta = Arc::new(v3(files, &path, json)?);
        all.insert(path, meta);
    }
    all.insert(String::new(), Arc::new(v3(files, "", root)?));
    Ok(Some(all))
}

/// Reads the consolidated metadata of version 2, which are in `.zmetadata`; `None` without it.
fn consolidated_v2(files: &dyn Files) -> Result<Option<BTreeMap<String, Arc<Meta>>>> {
    let Some(Json::Map(members)) = read(files, ".zmetadata")? else { return Ok(None) };
    let Some(Json::Map(members)) = members.into_iter().find(|m| m.0 == "metadata").map(|m| m.1) else {
        return Err(damaged(files, ".zmetadata", "no 'metadata'"));
    };
    let (mut all, mut attributes) = (BTreeMap::new(), BTreeMap::new());
    for (key, json) in members {
        let (path, name) = key.rsplit_once('/').unwrap_or(("", &key));
        let path = path.trim_matches('/').to_owned();
        match name {
            ".zattrs" => drop(attributes.insert(path, json)),
            ".zarray" | ".zgroup" => {
                let attributes = Ok(Json::Map(Vec::new()));
                all.insert(path, Meta { is_array: name == ".zarray", json, attributes });
            }
            _ => {}
        }
    }
    for (path, json) in attributes {
        if let Some(meta) = all.get_mut(&path) {
            meta.attributes = match json {
                map @ Json::Map(_) => Ok(map),
                _ => Err("attributes that are no map".to_owned()),
            };
        }
    }
    Ok(Some(all.into_iter().map(|(path, meta)| (path, Arc::new(meta))).collect()))
}
