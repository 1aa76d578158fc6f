//! Puts results of verbs into an AnnData.

use crate::convert::array_of;
use anndata::{AnnData, AnnDataOp, ArrayData, Backend};
use anndata_hdf5::H5;
use anndataoom_core::element::{self, Value};
use anndataoom_core::patch::Patch;
use anndataoom_core::store::Store;
use anndataoom_core::stream::{collect, Chunks};
use anndataoom_core::write::{save_h5ad, Frame, H5adPlan, Part, RawPlan, SaveOptions};
use anndataoom_core::{LazyMatrix, Session};
use anyhow::{Context as _, Result};
use std::sync::Arc;

/// Saves the results of a verb into the file of `adata`, and opens the file again for reading and
/// writing. All other elements keep their bytes in the file: order of categories, masks,
/// compression. If a save is interrupted, anndataoom completes or discards it when it next
/// opens the file. Chains of the file ([`crate::lazy_x`]) must have been dropped, because they keep
/// the file in use.
///
/// # Errors
/// Fails if the file cannot be closed, written or opened, or is in use, and if a result has another
/// length than the file's axis. `adata` is then closed. The file is as it was, unless only the last
/// step failed, which opens it again.
pub fn apply(adata: AnnData<H5>, patch: &Patch) -> Result<AnnData<H5>> {
    let path = adata.filename();
    adata.close().with_context(|| format!("cannot close '{}'", path.display()))?;
    let store = Store::open_to_save(&path)?;
    let plan = merged(&store, patch)?;
    save_h5ad(&plan, &store, &SaveOptions::default(), &Session::default())?;
    drop((plan, store));
    AnnData::open(H5::open_rw(&path)?)
}

/// Returns the plan of a file as it is, with the values of `patch` in their slots.
fn merged(store: &Arc<Store>, patch: &Patch) -> Result<H5adPlan> {
    let tree = element::tree(store)?;
    let copies = |entries: &[(String, String)]| -> Vec<(String, Part)> {
        entries.iter().map(|(key, path)| (key.clone(), Part::copy(store, path.as_str()))).collect()
    };
    let obs = table(store, "obs", &patch.obs)?;
    let var = table(store, "var", &patch.var)?;
    let mut plan = H5adPlan::new(tree.x.as_deref().map(|x| Part::copy(store, x)), obs, var);
    plan.raw = tree.raw.as_ref().map(|raw| RawPlan {
        x: Part::copy(store, raw.x.as_str()),
        var: Part::copy(store, raw.var.as_str()),
        varm: copies(&raw.varm),
    });
    for (slot, entries) in &tree.slots {
        let (to, new): (_, &[(String, Value)]) = match *slot {
            "layers" => (&mut plan.layers, &[]),
            "obsm" => (&mut plan.obsm, &patch.obsm),
            "varm" => (&mut plan.varm, &patch.varm),
            "obsp" => (&mut plan.obsp, &patch.obsp),
            "varp" => (&mut plan.varp, &[]),
            _ => (&mut plan.uns, &patch.uns),
        };
        *to = copies(entries);
        put(to, new);
    }
    Ok(plan)
}

/// Returns the plan of a table of the file with columns replaced or added. Without new columns the
/// table is copied whole.
fn table(store: &Arc<Store>, name: &str, new: &[(String, Value)]) -> Result<Part> {
    if new.is_empty() {
        return Ok(Part::copy(store, name));
    }
    let (index_name, index) = element::read_index(store, name)?;
    let names = element::column_names(store, name)?;
    let mut columns = names.into_iter().map(|c| (c.clone(), Part::copy(store, format!("{name}/{c}")))).collect();
    put(&mut columns, new);
    Ok(Part::Frame(Frame { index_name, index: Box::new(index.into()), columns }))
}

fn put(to: &mut Vec<(String, Part)>, new: &[(String, Value)]) {
    for (key, value) in new {
        match to.iter_mut().find(|(k, _)| k == key) {
            Some((_, part)) => *part = value.clone().into(),
            None => to.push((key.clone(), value.clone().into())),
        }
    }
}

/// The number of cells in a chunk that [`set_x`] hands over.
const CHUNK: usize = 4096;

/// Streams a chain, with all its lazy transforms, into `X` of an object of any backend, 4,096 cells
/// at a time in one pass.
///
/// # Errors
/// Returns the errors of reading the chain and of the backend. `X` is then incomplete.
pub fn set_x<B: Backend>(adata: &AnnData<B>, x: &LazyMatrix, session: &Session) -> Result<()> {
    if x.shape().0 == 0 {
        return adata.set_x(array_of(collect(x, session, u64::MAX)?)?);
    }
    let mut failed = None;
    let chunks = Chunks::new(x, CHUNK, session)?.map_while(|chunk| {
        let chunk = chunk.map_err(anyhow::Error::from).and_then(|(_, values)| array_of(values));
        chunk.map_err(|e| failed = Some(e)).ok()
    });
    let written = adata.set_x_from_iter::<_, ArrayData>(chunks);
    failed.map_or(written, Err)
}
