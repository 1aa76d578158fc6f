//! The settings of a call, with their domains.

use super::domain::Kind;
use super::param::{param, Param, Preset};
use crate::error::{Error, Result};
use crate::given::Given;
use crate::session::Session;

/// The settings that a user makes for all calls. Results do not depend on them.
pub static SETTINGS: &[Param] = &[
    param("threads", Kind::Whole(1, 1024), Preset::Nothing, "Worker threads; all there are without it."),
    param("memory", Kind::Whole(1, 1 << 50), Preset::Whole(256 << 20), "Working memory of a pass in bytes."),
    param(
        "graph_memory",
        Kind::Whole(1, 1 << 50),
        Preset::Nothing,
        "Most bytes of embeddings and graphs in memory at a time; what the machine has without it.",
    ),
    param(
        "scratch_limit",
        Kind::Whole(0, 1 << 50),
        Preset::Nothing,
        "Most bytes in scratch files; the room on the disk less a reserve without it.",
    ),
    param(
        "scratch",
        Kind::Whole(0, 1 << 50),
        Preset::Nothing,
        "Most bytes of the packed rows of a matrix; as many as it takes in its file without it.",
    ),
    param(
        "cache",
        Kind::Path,
        Preset::Nothing,
        "The folder that keeps parts of remote files; none are kept without it.",
    ),
    param(
        "cache_limit",
        Kind::Whole(1 << 20, 1 << 50),
        Preset::Whole(10 << 30),
        "Most bytes of remote files in that folder.",
    ),
    param(
        "array_limit",
        Kind::Whole(1, 1 << 50),
        Preset::Whole(4 << 30),
        "Largest matrix that becomes an array, in bytes.",
    )
    .python(),
    param("max_bytes", super::domain::POSITIVE_OR_INFINITE, Preset::Nothing, "The same in R.").r(),
];

/// Checks the value of the setting `name` and returns it as a number; `None` where nothing is
/// given, or a text (a folder).
///
/// # Errors
/// [`Error::Argument`] for a value outside its domain; [`Error::Internal`] for a setting that does
/// not exist.
pub fn setting(name: &str, given: &Given) -> Result<Option<usize>> {
    let param = SETTINGS.iter().find(|p| p.name == name);
    let param = param.ok_or_else(|| Error::Internal(format!("there is no setting '{name}'")))?;
    match (param.kind.accept(given), given) {
        (Some(Given::Whole(i)), _) => Ok(usize::try_from(i).ok()),
        (Some(Given::Text(_)), _) => Ok(None),
        (_, Given::Nothing) if param.optional() => Ok(None),
        _ => Err(Error::Argument {
            verb: crate::error::SETTINGS,
            parameter: param.name,
            expected: param.kind.words() + if param.optional() { ", or {nothing}" } else { "" },
            found: given.clone(),
        }),
    }
}

/// Makes the session of one call from `session`, with the settings that `given` returns by name. A
/// setting of the cache that is given changes the cache of the whole process.
///
/// # Errors
/// The errors of [`setting`]; errors of changing the cache.
pub fn call(session: &Session, given: impl Fn(&str) -> Given) -> Result<Session> {
    let mut call = session.call();
    if let Some(threads) = setting("threads", &given("threads"))? {
        call.threads = threads.max(1);
    }
    let memory = given("memory");
    if memory != Given::Nothing {
        call.memory = setting("memory", &memory)?.unwrap_or(call.memory);
    }
    // The cache belongs to the process: a call that says nothing of it leaves it as it is.
    let most = given("cache_limit");
    if most != Given::Nothing {
        let (cache, most) = (given("cache"), setting("cache_limit", &most)?);
        setting("cache", &cache)?;
        let folder = if let Given::Text(folder) = &cache { Some(std::path::Path::new(folder)) } else { None };
        crate::store::set_cache(folder, most.map(|bytes| bytes as u64))?;
    }
    call.graph_memory = setting("graph_memory", &given("graph_memory"))?;
    let limit = setting("scratch_limit", &given("scratch_limit"))?;
    call.scratch = call.scratch.limited(limit.map(|bytes| bytes as u64));
    call.packed = setting("scratch", &given("scratch"))?.map(|bytes| bytes as u64);
    Ok(call)
}
