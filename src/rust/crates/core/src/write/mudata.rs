//! Writing several objects as the modalities of one file (MuData, h5mu).

use super::check::check;
use super::h5ad::write_slots;
use super::names::{table_index, texts, Renamed};
use super::plan::{H5adPlan, WriteOptions};
use crate::element::mudata::MODALITIES;
use crate::element::{self, DataFrame, Strings, Value};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::store::{GroupWriter, Writer};
use std::collections::HashMap;
use std::path::Path;

/// The value of the attribute `axis`: modalities share cells, and each has its own genes.
const AXIS: i64 = 0;

/// Writes an h5mu file as mudata does: each object under `mod`, the union of the cells' names as
/// `obs`, all genes' names as `var`, and the rows of each modality in both. It is streamed and put
/// in place when it is complete, as by [`write_h5ad`](super::write_h5ad).
///
/// # Errors
/// [`Error::Parameter`] for no modality, a modality's name that is repeated, empty or has a '/',
/// and names of cells that repeat within a modality; else the errors of
/// [`write_h5ad`](super::write_h5ad).
pub fn write_h5mu(
    modalities: &[(String, H5adPlan)],
    path: impl AsRef<Path>,
    options: &WriteOptions,
    session: &Session,
) -> Result<()> {
    if modalities.is_empty() {
        return Err(Error::parameter("adatas", "at least one object, by name", "none"));
    }
    for (i, (name, plan)) in modalities.iter().enumerate() {
        if name.is_empty() || name.contains('/') || modalities[..i].iter().any(|m| m.0 == *name) {
            return Err(Error::parameter("adatas", "different names without '/'", format!("'{name}'")));
        }
        check(plan, options)?;
    }
    let obs = Union::collect(modalities, "obs", true)?;
    let var = Union::collect(modalities, "var", false)?;
    let renamed = modalities.iter().map(|(_, plan)| Renamed::find(plan)).collect::<Result<Vec<_>>>()?;
    session.monitor.check()?;
    let file = Writer::create(path)?;
    {
        let root = file.root()?;
        root.set_encoding("MuData", "0.1.0")?;
        root.set_integer("axis", AXIS)?;
        root.set_text("encoder", "anndataoom")?;
        root.set_text("encoder-version", env!("CARGO_PKG_VERSION"))?;
        obs.write(&root, "obs", modalities, options)?;
        var.write(&root, "var", modalities, options)?;
        let group = root.group(MODALITIES)?;
        let names: Vec<&str> = modalities.iter().map(|m| m.0.as_str()).collect();
        group.set_texts("mod-order", &names)?;
        for ((name, plan), renamed) in modalities.iter().zip(&renamed) {
            write_slots(&group.group(name)?.into_root(), plan, renamed, options, session)?;
        }
        for slot in ["uns", "obsp", "varp"] {
            element::DICT.mark_group(&root.group(slot)?)?;
        }
    }
    session.monitor.check()?;
    file.commit()
}

/// The names that any modality has along an axis, in the order of their first occurrence, and the
/// row of each in every modality.
struct Union {
    names: Strings,
    /// For each modality, the row of each name, counted from 1, or 0 where the modality does not
    /// have it. Names of later modalities may be missing at the end.
    rows: Vec<Vec<u32>>,
}

impl Union {
    /// Collects the names of all modalities. With `shared`, equal names are the same cell in all
    /// modalities; else every row has a name of its own.
    fn collect(modalities: &[(String, H5adPlan)], axis: &str, shared: bool) -> Result<Union> {
        let mut names = Strings::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut rows: Vec<Vec<u32>> = Vec::new();
        for (modality, plan) in modalities {
            let table = if axis == "obs" { &plan.obs } else { &plan.var };
            let index = table_index(table)?;
            let name = format!("the index of {axis} of '{modality}'");
            let (_, index) = index.ok_or_else(|| Error::shape(&name, "texts", "none"))?;
            let index = texts(&index, &name)?;
            let mut own = vec![0; names.len()];
            for (row, name) in index.iter().enumerate() {
                let next = names.len();
                let place = match shared {
                    true => *places.entry(name.to_owned()).or_insert(next),
                    false => next,
                };
                if place == next {
                    names.reserve(name)?;
                    names.push(name);
                    own.push(0);
                }
                if own[place] != 0 {
                    let found = format!("'{name}' twice in '{modality}'");
                    return Err(Error::parameter("adatas", "names of cells that do not repeat", found));
                }
                own[place] = row as u32 + 1;
            }
            rows.push(own);
        }
        Ok(Union { names, rows })
    }

    /// Writes the table `axis`, the map of each modality (n x 1), and the masks beside it.
    fn write(
        &self,
        root: &GroupWriter<'_>,
        axis: &str,
        modalities: &[(String, H5adPlan)],
        options: &WriteOptions,
    ) -> Result<()> {
        let n = self.names.len();
        let plain = element::DatasetOptions { compression: options.compression, shuffle: false };
        let index = Value::Strings { shape: vec![n], data: self.names.clone() };
        let frame = DataFrame { index_name: None, index: Box::new(index), columns: Vec::new() };
        element::write(root, axis, &Value::DataFrame(frame), &plain)?;
        let (arrays, map) = (root.group(&format!("{axis}m"))?, root.group(&format!("{axis}map"))?);
        element::DICT.mark_group(&arrays)?;
        element::DICT.mark_group(&map)?;
        for ((name, _), rows) in modalities.iter().zip(&self.rows) {
            let mut rows = rows.clone();
            rows.resize(n, 0);
            element::write(&map, name, &Value::vector(rows.clone()), &plain)?;
            // Arrays of obsm and varm as mudata has them: whether the modality has each name.
            let there: Vec<bool> = rows.iter().map(|&r| r != 0).collect();
            element::write(&arrays, name, &Value::matrix(n, 1, there), &plain)?;
        }
        Ok(())
    }
}
