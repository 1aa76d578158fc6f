//! The settings of a call, with their domains.

use super::domain::Kind;
use super::param::{param, Param, Preset};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::given::Given;

/// The settings of a user for all calls. Results do not depend on it.
pub static SETTINGS: &[Param] = &[
    param("threads", Kind::Whole(1, 1024), Preset::Nothing, "Worker threads; all there are without it."),
    param("memory", Kind::Whole(1, 1 << 50), Preset::Whole(256 << 20), "Working memory of a pass in bytes."),
    param(
        "array_limit",
        Kind::Whole(1, 1 << 50),
        Preset::Whole(4 << 30),
        "Largest matrix that becomes an array, in bytes.",
    )
    .python(),
    param("max_bytes", super::domain::POSITIVE_OR_INFINITE, Preset::Nothing, "The same in R.").r(),
];

/// Checks the setting `name`; gives it as a number, `None` where nothing is given.
///
/// # Errors
/// [`Error::Argument`] for a value outside its domain; [`Error::Internal`] for a setting that does not exist.
pub fn setting(name: &str, given: &Given) -> Result<Option<usize>> {
    let param = SETTINGS.iter().find(|p| p.name == name);
    let param = param.ok_or_else(|| Error::Internal(format!("there is no setting '{name}'")))?;
    match (param.kind.accept(given), given) {
        (Some(Given::Whole(i)), _) => Ok(usize::try_from(i).ok()),
        (_, Given::Nothing) if param.optional() => Ok(None),
        _ => Err(Error::Argument {
            verb: "settings",
            parameter: param.name,
            expected: param.kind.words() + if param.optional() { ", or {nothing}" } else { "" },
            found: given.clone(),
        }),
    }
}

/// The context of a call with these settings.
///
/// # Errors
/// The errors of [`setting`].
pub fn context(threads: &Given, memory: &Given) -> Result<Context> {
    let mut ctx = setting("threads", threads)?.map_or_else(Context::default, Context::with_threads);
    if let Some(bytes) = if *memory == Given::Nothing { None } else { setting("memory", memory)? } {
        ctx.memory = bytes;
    }
    Ok(ctx)
}
