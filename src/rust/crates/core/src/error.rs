//! The one error type of the core.
//!
//! Every variant carries what a user needs to act: the file, the path of the element inside it,
//! what was expected and what was found. The faces turn [`Error::class`] into R condition classes
//! and Python exception types.

use crate::given::{Given, Syntax};
use crate::location::Location;
use std::borrow::Cow;
use std::io::ErrorKind;

/// Shorthand used throughout the core.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The name by which settings are the arguments of a function.
pub(crate) const SETTINGS: &str = "settings";

/// Everything that can go wrong in the core.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something: missing file, permission, full disk.
    #[error("cannot {action} '{path}': {message}")]
    Io {
        /// The file (or other store) concerned.
        path: Location,
        /// The attempt, as a verb phrase ("open", "write", "rename to").
        action: &'static str,
        /// Its kind, where the operating system said it, else `Other`.
        kind: ErrorKind,
        /// The operating system's words and, where useful, what to do.
        message: String,
    },

    /// The file is not what its name promises: not HDF5, truncated, or damaged.
    #[error("'{path}': {message}")]
    File {
        /// The file (or other store) concerned.
        path: Location,
        /// The fault and its remedy.
        message: String,
    },

    /// An element asked for is not in the file.
    #[error("'{path}' has no element '{element}'{hint}")]
    Missing {
        /// The file (or other store) concerned.
        path: Location,
        /// Path of the element inside the file.
        element: String,
        /// Empty, or a sentence that starts with "; ".
        hint: String,
    },

    /// An element's content contradicts its encoding.
    #[error("'{path}', element '{element}': expected {expected}, found {found}")]
    Format {
        /// The file (or other store) concerned.
        path: Location,
        /// Path of the element inside the file.
        element: String,
        /// The encoding's rule.
        expected: String,
        /// The value in the file.
        found: String,
    },

    /// A line of a text file is not what it has to be.
    #[error("'{path}', line {line}: expected {expected}, found {found}")]
    Line {
        /// The file concerned.
        path: Location,
        /// Number of the line, from 1.
        line: u64,
        /// The text expected there.
        expected: String,
        /// The text found there, shortened.
        found: String,
    },

    /// A valid element that this library cannot handle.
    #[error("'{path}', element '{element}': {what} is not supported{hint}")]
    Unsupported {
        /// The file (or other store) concerned.
        path: Location,
        /// Path of the element inside the file.
        element: String,
        /// The encoding, filter or type, by name.
        what: String,
        /// Empty, or a sentence that starts with "; ".
        hint: String,
    },

    /// An element has parts in another file, which may not be opened.
    #[error("'{path}', element '{element}': {what} to '{target}', {reason}{hint}")]
    External {
        /// The file (or other store) concerned.
        path: Location,
        /// Path of the element inside the file.
        element: String,
        /// The kind of reference that leads there ("an external link", ...).
        what: &'static str,
        /// The other file, as this one names it.
        target: String,
        /// The reason why it is not opened.
        reason: String,
        /// Empty, or a sentence that starts with "; ".
        hint: &'static str,
    },

    /// Two sizes that must agree do not.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// The object of the wrong size.
        what: String,
        /// The size required.
        expected: String,
        /// The size given.
        found: String,
    },

    /// A position past the end of an axis.
    #[error("index {index} is out of range for {axis} of length {len}")]
    Index {
        /// "obs", "var" or another axis.
        axis: &'static str,
        /// The position asked for, zero-based.
        index: i64,
        /// The length of the axis.
        len: usize,
    },

    /// A name that does not exist on an axis or in a mapping.
    #[error("no {what} named '{name}'{hint}")]
    Name {
        /// "gene", "cell", "layer", ...
        what: &'static str,
        /// The name asked for.
        name: String,
        /// Empty, or a sentence that starts with "; ".
        hint: String,
    },

    /// A parameter outside its domain.
    #[error("{parameter}: expected {expected}, found {found}")]
    Parameter {
        /// The parameter's name, as the user typed it.
        parameter: &'static str,
        /// Its domain.
        expected: String,
        /// The value given.
        found: String,
    },

    /// An argument of a verb outside its domain.
    #[error("{}", self.in_syntax(&Syntax::PLAIN))]
    Argument {
        /// The verb, by the name it was called by.
        verb: &'static str,
        /// The parameter.
        parameter: &'static str,
        /// Its domain, to follow "must be"; a template of [`Syntax::sentence`].
        expected: String,
        /// The argument.
        found: Given,
    },

    /// The matrix holds values the operation is not defined for (NaN, infinite, negative where
    /// counts are needed).
    #[error("{element}: {found} at row {row}, column {column} (zero-based); {operation} needs {expected}")]
    Values {
        /// File and element, or "matrix" for one in memory.
        element: String,
        /// The operation that refused.
        operation: &'static str,
        /// The values that it needs ("non-negative finite counts", ...).
        expected: &'static str,
        /// The offending value, printed.
        found: String,
        /// Row of the value, zero-based, in the matrix as seen by the caller.
        row: usize,
        /// Column of the value, zero-based, in the matrix as seen by the caller.
        column: usize,
    },

    /// The operation does not apply to the object's present state ("X is already scaled").
    #[error("{0}")]
    State(String),

    /// A result would exceed a memory limit.
    #[error("{}", self.in_syntax(&Syntax::PLAIN))]
    Memory {
        /// The object that needs the memory, in words.
        what: String,
        /// Bytes it would take.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
        /// Empty, or a sentence that starts with "; ".
        hint: String,
    },

    /// Scratch files would exceed their limit, or the room on the disk.
    #[error("{}", self.in_syntax(&Syntax::PLAIN))]
    Scratch {
        /// The folder of the scratch files.
        path: Location,
        /// Bytes still to be written.
        needed: u64,
        /// Bytes that are free.
        free: u64,
        /// Bytes allowed; `None` where the disk is the limit.
        limit: Option<u64>,
    },

    /// The system has no memory left.
    #[error("{}", self.in_syntax(&Syntax::PLAIN))]
    OutOfMemory {
        /// The object that needs the memory, in words.
        what: String,
        /// Bytes it would take.
        needed: u64,
    },

    /// A numerical method did not reach its goal.
    #[error("{0}")]
    Numerical(String),

    /// The drawing of progress failed, and the work was stopped.
    #[error("the progress bar failed, and the work was stopped: {message}{hint}")]
    Progress {
        /// The message of the failure.
        message: String,
        /// Empty, or a sentence that starts with "; ".
        hint: &'static str,
    },

    /// The user asked to stop.
    #[error("interrupted")]
    Cancelled,

    /// A defect of this library (a caught panic): please report it.
    #[error("internal error in anndataoom, please report it: {0}")]
    Internal(String),
}

/// Returns text with control characters, and those that change the direction of writing, as
/// escapes, so that a name in a file cannot move the cursor of a terminal. Line ends stay.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let bad = |c: char| (c.is_control() && c != '\n') || turns(c);
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if bad(c) && (c as u32) < 0x100 => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if bad(c) => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Returns the end of the message of [`Error::Scratch`]: the limit that is reached, and what raises
/// it.
fn no_room(limit: Option<u64>) -> String {
    let (of, more) = match limit {
        Some(limit) => (format!("of the {limit} they may take"), "raise the setting scratch_limit"),
        None => (
            "on the disk beside its reserve".to_owned(),
            "free some, have the variable TMPDIR name another folder, set the setting scratch_limit to use the reserve too",
        ),
    };
    format!("{of}; {more}, or raise the setting memory so that more stays in memory")
}

impl Error {
    /// Returns a short stable word for the kind of error, from which R condition classes and Python
    /// exception types derive.
    pub fn class(&self) -> &'static str {
        match self {
            Error::Io { .. } | Error::Scratch { .. } => "io",
            Error::File { .. } => "file",
            Error::Missing { .. } => "missing",
            Error::Format { .. } | Error::Line { .. } => "format",
            Error::Unsupported { .. } => "unsupported",
            Error::External { .. } => "external",
            Error::Shape { .. } => "shape",
            Error::Index { .. } => "index",
            Error::Name { .. } => "name",
            Error::Parameter { .. } | Error::Argument { .. } => "parameter",
            Error::Values { .. } => "values",
            Error::State(_) => "state",
            Error::Memory { .. } | Error::OutOfMemory { .. } => "memory",
            Error::Numerical(_) => "numerical",
            Error::Progress { .. } => "progress",
            Error::Cancelled => "cancelled",
            Error::Internal(_) => "internal",
        }
    }

    /// Returns the message with constants and settings in the syntax of a language.
    pub fn in_syntax(&self, syntax: &Syntax) -> String {
        match self {
            Error::Argument { verb, parameter, expected, found } => {
                let argument = match *verb {
                    SETTINGS => syntax.setting(parameter),
                    verb => format!("{verb}: {parameter}"),
                };
                format!("{argument} must be {}, found {}", syntax.sentence(expected), syntax.value(found))
            }
            Error::Memory { what, needed, limit, hint } => {
                format!("{what} needs {needed} bytes, the limit is {limit}{}", syntax.settings(hint))
            }
            Error::OutOfMemory { what, needed } => format!(
                "{what} needs {needed} bytes, more than the system gives: ask for less, use fewer threads or lower {}, \
                 or free memory",
                syntax.setting("memory")
            ),
            Error::Scratch { path, needed, free, limit } => {
                let room = syntax.settings(&no_room(*limit));
                format!("scratch files in '{path}' need {needed} bytes more, and {free} are free {room}")
            }
            other => other.to_string(),
        }
    }

    /// Makes an [`Error::Parameter`].
    pub fn parameter(parameter: &'static str, expected: impl Into<String>, found: impl ToString) -> Self {
        Error::Parameter { parameter, expected: expected.into(), found: found.to_string() }
    }

    /// Makes an [`Error::Shape`].
    pub fn shape(what: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        Error::Shape { what: what.into(), expected: expected.to_string(), found: found.to_string() }
    }

    /// Makes an [`Error::Io`] of an error of the operating system.
    pub fn io(path: impl Into<Location>, action: &'static str, source: &std::io::Error) -> Self {
        Error::Io { path: path.into(), action, kind: source.kind(), message: source.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::{printable, Error};
    use crate::given::Syntax;

    #[test]
    fn settings_are_named_in_a_language_and_names_of_users_stay() {
        let what = "obsm/the setting memory".to_owned();
        let hint = "; raise the setting memory".to_owned();
        let error = Error::Memory { what: what.clone(), needed: 2, limit: 1, hint };
        let r = "obsm/the setting memory needs 2 bytes, the limit is 1; raise options(anndataoom.memory = )";
        assert_eq!(error.in_syntax(&Syntax::R), r);
        let plain = "obsm/the setting memory needs 2 bytes, the limit is 1; raise the setting memory";
        assert_eq!(error.to_string(), plain);
        let error = Error::OutOfMemory { what, needed: 2 };
        assert!(error.in_syntax(&Syntax::PYTHON).starts_with("obsm/the setting memory needs 2 bytes, more than"));
        assert!(error.in_syntax(&Syntax::PYTHON).ends_with("or lower settings.memory, or free memory"));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\nb \u{e9}"), "a\nb \u{e9}");
        assert_eq!(printable("\u{1b}[31m\r\u{7f}\u{9b}\u{202e}x"), "\\x1b[31m\\x0d\\x7f\\x9b\\u202ex");
    }
}
