//! Writing a plan to a file, beside the target, which is replaced when the file is complete.

use super::check::check;
use super::names::Renamed;
use super::part::write_part;
use super::plan::{H5adPlan, Part, WriteOptions};
use crate::element;
use crate::error::Result;
use crate::session::Session;
use crate::store::{GroupWriter, Writer, ZarrFormat};
use std::path::Path;

/// Writes an h5ad file as anndata 0.12 does (root encoding `anndata` 0.1.0; every mapping exists,
/// even if empty).
///
/// The file appears under its name only when it is complete and on the disk; after a failure the
/// old file is unchanged. `path` may be the file that the plan reads from, and open handles keep
/// reading the old content. Matrices are streamed within `session.memory`. The same plan gives the
/// same bytes, for any number of threads.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) and [`Error::Parameter`](crate::Error::Parameter), naming
/// slot and key, before anything is written; errors of reading the parts;
/// [`Error::Io`](crate::Error::Io) naming `path`, also for a full disk;
/// [`Error::Cancelled`](crate::Error::Cancelled). None of them leaves a file behind.
pub fn write_h5ad(plan: &H5adPlan, path: impl AsRef<Path>, options: &WriteOptions, session: &Session) -> Result<()> {
    write(plan, || Writer::create(path), options, session)
}

/// Writes a Zarr store, as [`write_h5ad`] writes a file. A store that is open elsewhere while it is
/// replaced changes under its readers.
///
/// # Errors
/// Errors of [`write_h5ad`]; [`Error::Parameter`](crate::Error::Parameter) for a format that does
/// not exist.
pub fn write_zarr(
    plan: &H5adPlan,
    path: impl AsRef<Path>,
    format: ZarrFormat,
    options: &WriteOptions,
    session: &Session,
) -> Result<()> {
    write(plan, || Writer::create_zarr(path, format), options, session)
}

/// Writes a plan, as [`write_h5ad`] does, to a store of any kind, which is put in place when it is
/// complete.
///
/// # Errors
/// Errors of [`write_h5ad`].
pub fn write_store(plan: &H5adPlan, to: Writer, options: &WriteOptions, session: &Session) -> Result<()> {
    write(plan, || Ok(to), options, session)
}

/// Checks a plan, writes it to the store that `to` creates, and puts the store in place.
fn write(
    plan: &H5adPlan,
    to: impl FnOnce() -> Result<Writer>,
    options: &WriteOptions,
    session: &Session,
) -> Result<()> {
    check(plan, options)?;
    let renamed = Renamed::find(plan)?;
    session.monitor.check()?;
    let file = to()?;
    write_slots(&file.root()?, plan, &renamed, options, session)?;
    session.monitor.check()?;
    file.commit()
}

/// Writes every slot of a checked plan as a member of `root`, which gets the encoding of an
/// AnnData. `renamed` has the parts that are written in place of the plan's. Paths in `options` and
/// errors start at `root`.
pub(super) fn write_slots(
    root: &GroupWriter<'_>,
    plan: &H5adPlan,
    renamed: &Renamed,
    options: &WriteOptions,
    session: &Session,
) -> Result<()> {
    element::ANNDATA.mark_group(root)?;
    let write = |key: &str, part: &Part| write_part(root, key, part, options, session);
    let mapping = |key: &str, parts: &[(String, Part)]| write_mapping(root, key, parts, renamed, options, session);
    if let Some(x) = &plan.x {
        write("X", x)?;
    }
    write("obs", &plan.obs)?;
    write("var", &plan.var)?;
    mapping("obsm", &plan.obsm)?;
    mapping("varm", &plan.varm)?;
    mapping("obsp", &plan.obsp)?;
    mapping("varp", &plan.varp)?;
    mapping("layers", &plan.layers)?;
    mapping("uns", &plan.uns)?;
    if let Some(raw) = &plan.raw {
        let group = root.group("raw")?;
        element::RAW.mark_group(&group)?;
        write_part(&group, "X", &raw.x, options, session)?;
        write_part(&group, "var", &raw.var, options, session)?;
        write_mapping(&group, "varm", &raw.varm, renamed, options, session)?;
    }
    session.monitor.check()
}

/// Writes a mapping of parts; dataframes that `renamed` has go by it.
fn write_mapping(
    group: &GroupWriter<'_>,
    key: &str,
    parts: &[(String, Part)],
    renamed: &Renamed,
    options: &WriteOptions,
    session: &Session,
) -> Result<()> {
    let group = group.group(key)?;
    element::DICT.mark_group(&group)?;
    let part = |key: &str, part| renamed.part(&format!("{}/{key}", group.path()), part);
    parts.iter().try_for_each(|(key, p)| write_part(&group, key, part(key, p), options, session))
}
