//! Arguments of users, and sentences of the core, independent of the language. Errors and the table
//! of verbs are made of them; [`Syntax`] prints them for one language.

use std::fmt;

/// An argument as the user gave it, before any check.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// R's `NULL`, Python's `None`.
    Nothing,
    /// R's `NA`, of any type; pandas' `NA`.
    Missing,
    /// A boolean.
    Flag(bool),
    /// An integer.
    Whole(i64),
    /// Any number, NaN and infinity included.
    Number(f64),
    /// Text.
    Text(String),
    /// Several arguments, in order.
    List(Vec<Given>),
    /// Anything else, described in words.
    Other(String),
}

/// The way a language writes constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    nothing: &'static str,
    missing: &'static str,
    flags: [&'static str; 2],
    nan: &'static str,
    infinite: &'static str,
    list: [&'static str; 2],
    setting: [&'static str; 2],
}

impl Syntax {
    /// Plain words, for no language.
    pub const PLAIN: Syntax = Syntax {
        nothing: "nothing",
        missing: "a missing value",
        flags: ["false", "true"],
        nan: "NaN",
        infinite: "infinity",
        list: ["", ""],
        setting: ["the setting ", ""],
    };
    /// R's syntax.
    pub const R: Syntax = Syntax {
        nothing: "NULL",
        missing: "NA",
        flags: ["FALSE", "TRUE"],
        nan: "NaN",
        infinite: "Inf",
        list: ["c(", ")"],
        setting: ["options(anndataoom.", " = )"],
    };
    /// Python's syntax.
    pub const PYTHON: Syntax = Syntax {
        nothing: "None",
        missing: "NA",
        flags: ["False", "True"],
        nan: "nan",
        infinite: "inf",
        list: ["[", "]"],
        setting: ["settings.", ""],
    };

    /// Returns words of the core with the settings named in them as the language names them.
    pub fn settings(&self, words: &str) -> String {
        let named = |text: String, name| text.replace(&Syntax::PLAIN.setting(name), &self.setting(name));
        ["memory", "graph_memory", "scratch_limit"].into_iter().fold(words.to_owned(), named)
    }

    /// Returns the name of a setting, as a user of the language sets it.
    pub fn setting(&self, name: &str) -> String {
        format!("{}{name}{}", self.setting[0], self.setting[1])
    }

    /// Returns a sentence with the language's words in place of `{nothing}`, `{true}` and
    /// `{false}`.
    pub fn sentence(&self, text: &str) -> String {
        text.replace("{nothing}", self.nothing).replace("{true}", self.flags[1]).replace("{false}", self.flags[0])
    }

    /// Returns `given` as one would type it; a list is cut after five items.
    pub fn value(&self, given: &Given) -> String {
        const SHOWN: usize = 5;
        match given {
            Given::Nothing => self.nothing.to_owned(),
            Given::Missing => self.missing.to_owned(),
            Given::Flag(b) => self.flags[usize::from(*b)].to_owned(),
            Given::Whole(i) => i.to_string(),
            Given::Number(v) if v.is_nan() => self.nan.to_owned(),
            Given::Number(v) if v.is_infinite() => {
                format!("{}{}", if *v < 0.0 { "-" } else { "" }, self.infinite)
            }
            Given::Number(v) if *v != 0.0 && !(1e-5..1e21).contains(&v.abs()) => format!("{v:e}"),
            Given::Number(v) if v.fract() == 0.0 => (*v as i128).to_string(),
            Given::Number(v) => v.to_string(),
            Given::Text(s) => format!("'{s}'"),
            Given::List(items) => {
                let mut shown: Vec<String> = items.iter().take(SHOWN).map(|item| self.value(item)).collect();
                if items.len() > SHOWN {
                    shown.push("...".to_owned());
                }
                format!("{}{}{}", self.list[0], shown.join(", "), self.list[1])
            }
            Given::Other(words) => words.clone(),
        }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Syntax::PLAIN.value(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_those_of_the_language() {
        let all = Given::List(vec![
            Given::Nothing,
            Given::Flag(true),
            Given::Number(f64::NEG_INFINITY),
            Given::Number(2f64.powi(63)),
            Given::Text("a".to_owned()),
            Given::Missing,
        ]);
        assert_eq!(Syntax::R.value(&all), "c(NULL, TRUE, -Inf, 9223372036854775808, 'a', ...)");
        assert_eq!(Syntax::PYTHON.value(&all), "[None, True, -inf, 9223372036854775808, 'a', ...]");
        assert_eq!(Syntax::R.value(&Given::Number(1e300)), "1e300");
        assert_eq!(Syntax::R.setting("threads"), "options(anndataoom.threads = )");
        assert_eq!(Syntax::PYTHON.setting("threads"), "settings.threads");
        assert_eq!(Syntax::R.sentence("{true}, {false} or {nothing}"), "TRUE, FALSE or NULL");
    }
}
