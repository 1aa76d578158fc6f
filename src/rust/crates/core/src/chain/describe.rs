//! The queued selections and transforms of a chain as data, which each face prints in the syntax of
//! its language.

/// A queued step of a chain: a selection or a verb.
#[derive(Debug, Clone, PartialEq)]
pub enum Queued {
    /// A selection of rows.
    Rows {
        /// Rows kept.
        kept: usize,
        /// Rows of the source.
        of: usize,
    },
    /// A selection of columns.
    Columns {
        /// Columns kept.
        kept: usize,
        /// Columns of the source.
        of: usize,
    },
    /// A recorded verb.
    Verb(Description),
}

/// A call of a verb: its name and the parameters worth showing.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Name of the verb, as in [`Transform::NAME`](super::nodes::Transform::NAME).
    pub verb: &'static str,
    /// Names and values, in the order of the verb's signature.
    pub parameters: Vec<(&'static str, Parameter)>,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// No value: R's NULL, Python's None.
    Nothing,
    /// A boolean: R's TRUE and FALSE, Python's True and False.
    Flag(bool),
    /// A number.
    Number(f64),
    /// Names of columns.
    Names(Vec<String>),
}

impl Queued {
    /// Returns the step as one line of text; `call` prints the call of a verb.
    pub fn line(&self, call: impl Fn(&Description) -> String) -> String {
        match self {
            Queued::Rows { kept, of } => format!("select {kept} of {of} rows"),
            Queued::Columns { kept, of } => format!("select {kept} of {of} columns"),
            Queued::Verb(description) => call(description),
        }
    }
}

impl From<f64> for Parameter {
    fn from(x: f64) -> Self {
        Parameter::Number(x)
    }
}

impl From<bool> for Parameter {
    fn from(x: bool) -> Self {
        Parameter::Flag(x)
    }
}

impl From<Vec<String>> for Parameter {
    fn from(x: Vec<String>) -> Self {
        Parameter::Names(x)
    }
}

impl<T: Into<Parameter>> From<Option<T>> for Parameter {
    fn from(x: Option<T>) -> Self {
        x.map_or(Parameter::Nothing, Into::into)
    }
}
