//! A list of strings in two buffers: each costs its bytes plus eight.

use crate::error::Result;
use crate::memory;
use crate::reserve;

/// A list of strings that can only be appended to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Strings {
    text: String,
    ends: Vec<usize>,
}

impl Strings {
    /// Makes an empty list.
    pub fn new() -> Self {
        Strings::default()
    }

    /// Returns the number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there are no strings.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Reserves memory for `text`, so that [`Strings::push`] of it does not allocate.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn reserve(&mut self, text: &str) -> Result<()> {
        const TEXTS: &str = "a column of texts";
        let needed = self.text.len() + text.len();
        reserve::ask(|| self.text.try_reserve(text.len())).map_err(|_| memory::refused::<u8>(needed, TEXTS))?;
        memory::reserve(&mut self.ends, 1, TEXTS)
    }

    /// Appends one string. Without [`Strings::reserve`] before, it aborts when memory runs out.
    pub fn push(&mut self, s: &str) {
        self.text.push_str(s);
        self.ends.push(self.text.len());
    }

    /// Collects the strings of `from`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn collected<S: AsRef<str>>(from: impl IntoIterator<Item = S>) -> Result<Strings> {
        let mut out = Strings::new();
        for text in from {
            out.reserve(text.as_ref())?;
            out.push(text.as_ref());
        }
        Ok(out)
    }

    /// Returns the string at `i`; `None` past the end.
    pub fn get(&self, i: usize) -> Option<&str> {
        let end = *self.ends.get(i)?;
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        self.text.get(start..end)
    }

    /// Iterates over the strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + '_ {
        (0..self.len()).map(|i| self.get(i).unwrap_or_default())
    }

    /// Returns the strings at `positions`, repeats allowed; `None` when a position is past the end.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn select(&self, positions: &[usize]) -> Result<Option<Strings>> {
        let mut out = Strings::new();
        for text in positions.iter().map(|&i| self.get(i)) {
            let Some(text) = text else { return Ok(None) };
            out.reserve(text)?;
            out.push(text);
        }
        Ok(Some(out))
    }
}

impl<S: AsRef<str>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(iter: I) -> Self {
        let mut out = Strings::new();
        for s in iter {
            out.push(s.as_ref());
        }
        out
    }
}
