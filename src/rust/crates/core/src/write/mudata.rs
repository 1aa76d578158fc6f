//! Several objects as the modalities of one file (MuData, h5mu).

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

/// Cells are what modalities have in common; genes lie beside one another.
const AXIS: i64 = 0;

/// Writes an h5mu file as mudata does: each object under `mod`, the names of all cells and of all genes as `obs` and `var`,
/// and where each modality has them. Streamed, and put in place when it is whole, as [`write_h5ad`](super::write_h5ad).
///
/// # Errors
/// [`Error::Parameter`] for no modality, a name that is there twice or can be none, and names of cells that repeat within a
/// modality; else as [`write_h5ad`](super::write_h5ad).
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
    let obs = Union::of(modalities, "obs", true)?;
    let var = Union::of(modalities, "var", false)?;
    let renamed = modalities.iter().map(|(_, plan)| Renamed::of(plan)).collect::<Result<Vec<_>>>()?;
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

/// The names that any modality has along an axis, in the order they come, and where each modality has them.
struct Union {
    names: Strings,
    /// One for each modality: for each name the row there counted from 1, 0 for none.
    rows: Vec<Vec<u32>>,
}

impl Union {
    /// With `shared`, a name is the same cell in all modalities.
    fn of(modalities: &[(String, H5adPlan)], axis: &str, shared: bool) -> Result<Union> {
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

    /// The table, and the maps of the modalities; an empty `obsm` beside them.
    fn write(
        &self,
        root: &GroupWriter<'_>,
        axis: &str,
        modalities: &[(String, H5adPlan)],
        options: &WriteOptions,
    ) -> Result<()> {
        let n = self.names.len();
        let plain = element::WriteOptions { compression: options.compression, shuffle: false };
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
            // As mudata has it: whether each has it.
            let there: Vec<bool> = rows.iter().map(|&r| r != 0).collect();
            element::write(&arrays, name, &Value::matrix(n, 1, there), &plain)?;
        }
        Ok(())
    }
}
