//! The parameters of verbs.

use super::domain::Kind;
use crate::given::Given;

/// The value of a parameter that is not given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Preset {
    /// There is none: the argument has to be given.
    Required,
    /// R's `NULL`, Python's `None`.
    Nothing,
    /// A truth value.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A number.
    Number(f64),
    /// A word.
    Text(&'static str),
    /// Whole numbers.
    Wholes(&'static [i64]),
    /// Follows from the object; a face has its own way to write it.
    Object,
}

impl Preset {
    /// Returns it as an argument; `Nothing` where a face decides.
    pub fn given(&self) -> Given {
        match *self {
            Preset::Required | Preset::Nothing | Preset::Object => Given::Nothing,
            Preset::Flag(b) => Given::Flag(b),
            Preset::Whole(i) => Given::Whole(i),
            Preset::Number(v) => Given::Number(v),
            Preset::Text(s) => Given::Text(s.to_owned()),
            Preset::Wholes(v) => Given::List(v.iter().map(|&i| Given::Whole(i)).collect()),
        }
    }
}

/// Which faces have a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// R and Python.
    Both,
    /// Python alone: objects change in place there, and scanpy's code is called with it.
    Python,
    /// R alone.
    R,
}

/// A parameter of a verb.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Param {
    /// Its name, scanpy's where scanpy has it.
    pub name: &'static str,
    /// Its type and domain.
    pub kind: Kind,
    /// Its default; a parameter whose default is nothing may be nothing.
    pub preset: Preset,
    /// Which faces have it.
    pub face: Face,
    /// One line about it.
    pub about: &'static str,
}

impl Param {
    /// Returns the same parameter of Python alone.
    pub(super) const fn python(self) -> Param {
        Param { face: Face::Python, ..self }
    }

    /// Returns the same parameter of R alone.
    pub(super) const fn r(self) -> Param {
        Param { face: Face::R, ..self }
    }

    /// Whether nothing is an argument of it.
    pub fn optional(&self) -> bool {
        matches!(self.preset, Preset::Nothing | Preset::Object | Preset::Wholes(_))
    }
}

/// A parameter of both faces.
pub(super) const fn param(name: &'static str, kind: Kind, preset: Preset, about: &'static str) -> Param {
    Param { name, kind, preset, face: Face::Both, about }
}

/// The layer used instead of X.
pub(super) const LAYER: Param = param("layer", Kind::Text, Preset::Nothing, "Layer instead of X.");
/// Whether a changed copy is returned.
pub(super) const COPY: Param =
    param("copy", Kind::Flag, Preset::Flag(false), "Whether a changed copy is returned.").python();
/// Whether the object is changed.
pub(super) const INPLACE: Param =
    param("inplace", Kind::Flag, Preset::Flag(true), "Whether the object is changed; else results are returned.")
        .python();
/// The seed.
pub(super) const RANDOM_STATE: Param =
    param("random_state", super::domain::SEED, Preset::Whole(0), "Seed of every random number.");
/// Whether raw is used, which a face decides where it is not given.
pub(super) const USE_RAW: Param =
    param("use_raw", Kind::Flag, Preset::Nothing, "Whether raw is used instead of X; where there is one, without it.");
/// The name `neighbors` was given as `key_added`.
pub(super) const NEIGHBORS_KEY: Param =
    param("neighbors_key", Kind::Text, Preset::Nothing, "Name given to neighbors as key_added.");
