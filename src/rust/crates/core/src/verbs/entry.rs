//! The types of an entry of the table.

use super::call::{Call, Outcome};
use crate::error::{Error, Result};
use crate::given::Given;
use crate::session::Session;

pub(super) use super::need::{need, Need, Source, EMBEDDING, GENES, GRAPH, LOG_BASE, MATRIX};
pub(super) use super::param::{param, Param, Preset, COPY, INPLACE, LAYER, NEIGHBORS_KEY, RANDOM_STATE, USE_RAW};

/// A verb: an entry of the table.
#[derive(Debug, Clone, Copy)]
pub struct Verb {
    /// The name, scanpy's, in both languages.
    pub name: &'static str,
    /// A few words for a progress bar.
    pub label: &'static str,
    /// The parameters, in Python's order.
    pub params: &'static [Param],
    /// The parts of the object that the verb needs.
    pub needs: &'static [Need],
    /// The values that the verb adds to the object, each as "slot/key". `{name}` stands for the
    /// argument `name`, "X" for the matrix that was given.
    pub gives: &'static [&'static str],
    /// The function that runs the verb.
    pub(super) run: fn(&mut Call<'_>, &Session) -> Result<Outcome>,
    /// The function that gives the extents of coordinates, for verbs that can write them into the
    /// caller's memory.
    pub(super) room: Option<Room>,
}

/// A function that gives the extents, cells x components, of the coordinates of a call.
pub(super) type Room = fn(&Call<'_>) -> Result<(usize, usize)>;

impl Verb {
    /// Returns the extents, cells x components, of the coordinates that this call can write into
    /// memory of the caller; `None` for verbs that cannot.
    ///
    /// # Errors
    /// The errors of the verb about the arguments that set the extents.
    pub fn room(&self, call: &Call<'_>) -> Result<Option<(usize, usize)>> {
        self.room.map(|room| room(call)).transpose().map_err(|error| of_verb(call.args.verb, error))
    }

    /// Runs a call of this verb. Errors about parameters name the verb.
    ///
    /// # Errors
    /// The errors of the verb.
    pub fn run(&self, mut call: Call<'_>, session: &Session) -> Result<Outcome> {
        (self.run)(&mut call, session).map_err(|error| of_verb(call.args.verb, error))
    }
}

/// Adds the name of the verb to an error about a parameter.
fn of_verb(verb: &'static str, error: Error) -> Error {
    match error {
        Error::Parameter { parameter, expected, found } => {
            Error::Argument { verb, parameter, expected, found: Given::Other(found) }
        }
        other => other,
    }
}
