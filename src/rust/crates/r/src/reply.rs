//! The only way of results and errors to R.
//!
//! extendr 0.9 passes the text of an `Err` to `Rf_error` as a printf format, so no function of this
//! crate returns `Err`. Each returns a list, which R's `rs_call()` turns into a value or a classed
//! condition.

use crate::args::Args;
use anndataoom_core::error::printable;
use anndataoom_core::given::Syntax;
use anndataoom_core::session::guard;
use anndataoom_core::{reserve, Error, Result};
use extendr_api::prelude::*;
use std::borrow::Cow;
use std::cell::RefCell;

/// Warnings of a call, which R shows when it ends.
#[derive(Debug, Default)]
pub(crate) struct Notes(RefCell<Vec<(&'static str, String)>>);

impl Notes {
    /// Records a warning of condition class `anndataoom_warning_<class>`; the class "note" is shown
    /// as a message.
    pub(crate) fn warn(&self, class: &'static str, message: String) {
        self.0.borrow_mut().push((class, message));
    }

    fn into_r(self) -> Robj {
        let notes = self.0.into_inner();
        if notes.is_empty() {
            return ().into();
        }
        List::from_values(
            notes.into_iter().map(|(class, message)| list!(class = class, message = clean(&message).as_ref())),
        )
        .into()
    }
}

/// Returns `s` without NUL bytes, which R strings cannot hold.
pub(crate) fn clean(s: &str) -> Cow<'_, str> {
    if s.contains('\0') {
        Cow::Owned(s.replace('\0', ""))
    } else {
        Cow::Borrowed(s)
    }
}

/// Converts an error of extendr.
pub(crate) fn r_error(e: extendr_api::Error) -> Error {
    Error::Internal(e.to_string())
}

/// Runs `work` on the named arguments in `args` and wraps its result: `list(ok =, warnings =)` or
/// `list(error = <class>, message =, warnings =)`.
pub(crate) fn reply(args: Robj, work: impl FnOnce(&Args, &Notes) -> Result<Robj>) -> Robj {
    let notes = Notes::default();
    match guard(|| {
        reserve::provide()?;
        work(&Args::new(&args)?, &notes)
    }) {
        Ok(value) => list!(ok = value, warnings = notes.into_r()).into(),
        Err(e) => {
            let text = e.in_syntax(&Syntax::R);
            list!(error = e.class(), message = clean(&printable(&text)).as_ref(), warnings = notes.into_r()).into()
        }
    }
}
