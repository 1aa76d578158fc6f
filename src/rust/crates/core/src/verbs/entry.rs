//! The entries of the table.

use super::call::{Call, Outcome};
use crate::error::{Error, Result};
use crate::given::Given;
use crate::session::Session;

pub(super) use super::need::{need, Need, Source, EMBEDDING, GENES, GRAPH, LOG_BASE, MATRIX};
pub(super) use super::param::{param, Param, Preset, COPY, INPLACE, LAYER, NEIGHBORS_KEY, RANDOM_STATE, USE_RAW};

/// A verb: an entry of the table.
#[derive(Debug, Clone, Copy)]
pub struct Verb {
    /// scanpy's name, in both languages.
    pub name: &'static str,
    /// A few words for a progress bar.
    pub label: &'static str,
    /// Its parameters, in Python's order.
    pub params: &'static [Param],
    /// The parts of the object it needs.
    pub needs: &'static [Need],
    /// The values it adds to the object, as "slot/key"; `{name}` stands for an argument, "X" for the matrix it was given.
    pub gives: &'static [&'static str],
    /// Runs it.
    pub(super) run: fn(&mut Call<'_>, &Session) -> Result<Outcome>,
    /// Extents of coordinates it can write into memory of the caller.
    pub(super) room: Option<Room>,
}

/// Gives the extents of coordinates of a call.
pub(super) type Room = fn(&Call<'_>) -> Result<(usize, usize)>;

impl Verb {
    /// Returns the extents, cells x components, of the coordinates that a call of this verb can write into memory of the
    /// caller.
    ///
    /// # Errors
    /// The errors of the verb about the arguments the extents follow from.
    pub fn room(&self, call: &Call<'_>) -> Result<Option<(usize, usize)>> {
        self.room.map(|room| room(call)).transpose().map_err(|error| of_verb(call.args.verb, error))
    }

    /// Runs a call of this verb. Errors about parameters name it.
    ///
    /// # Errors
    /// The errors of the verb.
    pub fn run(&self, mut call: Call<'_>, session: &Session) -> Result<Outcome> {
        (self.run)(&mut call, session).map_err(|error| of_verb(call.args.verb, error))
    }
}

/// An error about a parameter, with the verb it belongs to.
fn of_verb(verb: &'static str, error: Error) -> Error {
    match error {
        Error::Parameter { parameter, expected, found } => {
            Error::Argument { verb, parameter, expected, found: Given::Other(found) }
        }
        other => other,
    }
}
