//! The parameters of verbs.

use super::domain::Kind;
use crate::given::Given;

/// The default of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Preset {
    /// There is no default: the argument has to be given.
    Required,
    /// The default is R's `NULL`, Python's `None`.
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
    /// The default follows from the object, and each face writes it in its own way.
    Object,
}

impl Preset {
    /// Returns the default as an argument; `Nothing` where there is none or where a face decides.
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

/// The faces that have a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// R and Python.
    Both,
    /// Python alone, such as `copy`: objects change in place there, and code for scanpy passes
    /// these arguments.
    Python,
    /// R alone.
    R,
}

/// A parameter of a verb.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Param {
    /// The name, scanpy's where scanpy has the parameter.
    pub name: &'static str,
    /// The type and domain.
    pub kind: Kind,
    /// The default. A parameter whose default is `Nothing` accepts nothing as an argument.
    pub preset: Preset,
    /// The faces that have the parameter.
    pub face: Face,
    /// One line of description.
    pub about: &'static str,
}

impl Param {
    /// Returns the same parameter for Python alone.
    pub(super) const fn python(self) -> Param {
        Param { face: Face::Python, ..self }
    }

    /// Returns the same parameter for R alone.
    pub(super) const fn r(self) -> Param {
        Param { face: Face::R, ..self }
    }

    /// Returns whether nothing (`NULL`, `None`) is an accepted argument.
    pub fn optional(&self) -> bool {
        matches!(self.preset, Preset::Nothing | Preset::Object | Preset::Wholes(_))
    }
}

/// Makes a parameter of both faces.
pub(super) const fn param(name: &'static str, kind: Kind, preset: Preset, about: &'static str) -> Param {
    Param { name, kind, preset, face: Face::Both, about }
}

/// The parameter that names the layer to use instead of X.
pub(super) const LAYER: Param = param("layer", Kind::Text, Preset::Nothing, "Layer instead of X.");
/// The parameter that asks for a changed copy.
pub(super) const COPY: Param =
    param("copy", Kind::Flag, Preset::Flag(false), "Whether a changed copy is returned.").python();
/// The parameter that says whether the object is changed.
pub(super) const INPLACE: Param =
    param("inplace", Kind::Flag, Preset::Flag(true), "Whether the object is changed; else results are returned.")
        .python();
/// The parameter of the seed.
pub(super) const RANDOM_STATE: Param =
    param("random_state", super::domain::SEED, Preset::Whole(0), "Seed of every random number.");
/// The parameter that says whether raw is used. A face decides where it is not given.
pub(super) const USE_RAW: Param =
    param("use_raw", Kind::Flag, Preset::Nothing, "Whether raw is used instead of X; where there is one, without it.");
/// The parameter that names the results of `neighbors`: the `key_added` of that call.
pub(super) const NEIGHBORS_KEY: Param =
    param("neighbors_key", Kind::Text, Preset::Nothing, "Name given to neighbors as key_added.");
