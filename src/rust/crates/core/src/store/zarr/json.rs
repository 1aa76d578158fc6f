//! JSON as the metadata of Zarr use it, with the `NaN` and `Infinity` that Python writes.
//!
//! Numbers keep their text, so that whole numbers of 64 bits stay exact, and members keep their
//! order. Nesting is bounded, and a value takes memory in proportion to its text.

use std::fmt::Write;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// A number, by its text.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

/// Upper bound of the nesting.
const DEEPEST: usize = 96;

impl Json {
    /// Parses a text, which must hold one value and nothing more.
    ///
    /// # Errors
    /// A description of the fault with its position in bytes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Json, String> {
        let text = std::str::from_utf8(bytes).map_err(|e| format!("a byte that is no UTF-8 at {}", e.valid_up_to()))?;
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        parser.space();
        match parser.peek() {
            None => Ok(value),
            Some(_) => Err(parser.wrong("nothing more")),
        }
    }

    /// Returns the member `key` of a map; `None` without it, or for another value.
    pub(super) fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Map(members) => members.iter().find(|m| m.0 == key).map(|m| &m.1),
            _ => None,
        }
    }

    /// Removes the member `key` of a map and returns it.
    pub(super) fn remove(&mut self, key: &str) -> Option<Json> {
        match self {
            Json::Map(members) => members.iter().position(|m| m.0 == key).map(|at| members.remove(at).1),
            _ => None,
        }
    }

    /// Returns the text of a text value.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the entries of a list.
    pub(super) fn list(&self) -> Option<&[Json]> {
        match self {
            Json::List(list) => Some(list),
            _ => None,
        }
    }

    /// Returns a whole number, in a type that can hold it; `None` for numbers written like "1e3" or
    /// "2.0".
    pub(super) fn whole<T: std::str::FromStr>(&self) -> Option<T> {
        match self {
            Json::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Returns a number as a float, `NaN` and infinities included.
    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Json::Number(text) => match text.as_str() {
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                "NaN" => Some(f64::NAN),
                text => text.parse().ok(),
            },
            _ => None,
        }
    }

    /// Returns extents: a list of whole numbers of 0 or more.
    pub(super) fn extents(&self) -> Option<Vec<u64>> {
        self.list()?.iter().map(Json::whole).collect()
    }

    /// Makes a list of whole numbers.
    pub(super) fn of_extents(extents: &[u64]) -> Json {
        Json::List(extents.iter().map(|e| Json::Number(e.to_string())).collect())
    }

    /// Makes a text value.
    pub(super) fn of_text(text: &str) -> Json {
        Json::Text(text.to_owned())
    }

    /// Makes a map of these members.
    pub(super) fn of_map(members: Vec<(&str, Json)>) -> Json {
        Json::Map(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Returns the JSON text, on one line.
    pub(super) fn written(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(text) => out.push_str(text),
            Json::Text(text) => write_text(text, out),
            Json::List(list) => {
                out.push('[');
                for (i, value) in list.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    value.write(out);
                }
                out.push(']');
            }
            Json::Map(members) => {
                out.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    write_text(key, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a `String` cannot fail.
            c if c < ' ' => drop(write!(out, "\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn wrong(&self, expected: &str) -> String {
        let found = match self.peek() {
            None => "its end".to_owned(),
            Some(b) => format!("'{}'", b.escape_ascii()),
        };
        format!("{found} at byte {} where JSON has {expected}", self.at)
    }

    fn accept(&mut self, word: &str) -> bool {
        let there = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        self.space();
        if self.accept(word) {
            Ok(())
        } else {
            Err(self.wrong(&format!("'{word}'")))
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > DEEPEST {
            return Err(format!("more than {DEEPEST} levels at byte {}", self.at));
        }
        self.space();
        Ok(match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => {
                let mut list = Vec::new();
                self.at += 1;
                self.space();
                if !self.accept("]") {
                    loop {
                        list.push(self.value(depth + 1)?);
                        self.space();
                        if !self.accept(",") {
                            break;
                        }
                    }
                    self.expect("]")?;
                }
                Json::List(list)
            }
            Some(b'"') => Json::Text(self.string()?),
            _ if self.accept("null") => Json::Null,
            _ if self.accept("true") => Json::Bool(true),
            _ if self.accept("false") => Json::Bool(false),
            _ => self.number()?,
        })
    }

    fn map(&mut self, depth: usize) -> Result<Json, String> {
        let mut members = Vec::new();
        self.at += 1;
        self.space();
        if !self.accept("}") {
            loop {
                self.space();
                let key = self.string()?;
                self.expect(":")?;
                members.push((key, self.value(depth + 1)?));
                self.space();
                if !self.accept(",") {
                    break;
                }
            }
            self.expect("}")?;
        }
        Ok(Json::Map(members))
    }

    fn number(&mut self) -> Result<Json, String> {
        for word in ["NaN", "Infinity", "-Infinity"] {
            if self.accept(word) {
                return Ok(Json::Number(word.to_owned()));
            }
        }
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        // A whole number may have more digits than any float.
        let digits = text.strip_prefix('-').unwrap_or(text);
        let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if whole || (text.parse::<f64>().is_ok() && text.bytes().any(|b| b.is_ascii_digit())) {
            return Ok(Json::Number(text.to_owned()));
        }
        self.at = start;
        Err(self.wrong("a value"))
    }

    fn string(&mut self) -> Result<String, String> {
        if !self.accept("\"") {
            return Err(self.wrong("a text"));
        }
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(['"', '\\']).ok_or_else(|| "a text without an end".to_owned())?;
            out.push_str(&rest[..plain]);
            self.at += plain;
            if self.accept("\"") {
                return Ok(out);
            }
            self.at += 1;
            let escaped = self.peek().ok_or("a text without an end")?;
            self.at += 1;
            out.push(match escaped {
                b'"' => '"',
                b'\\' => '\\',
                b'/' => '/',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'u' => self.unicode()?,
                _ => {
                    self.at -= 1;
                    return Err(self.wrong("a character that is escaped"));
                }
            });
        }
    }

    fn hexadecimal(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
        let code = code.ok_or_else(|| self.wrong("four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }

    /// Reads the code after "\u". Characters from 2^16 on are pairs of codes; half of a pair
    /// becomes the replacement character.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hexadecimal()?;
        if (0xd800..0xdc00).contains(&first) && self.accept("\\u") {
            let second = self.hexadecimal()?;
            let low = second.checked_sub(0xdc00).filter(|&low| low < 0x400);
            return Ok(low
                .and_then(|low| char::from_u32(0x10000 + ((first - 0xd800) << 10) + low))
                .unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let text =
            "{\"a\": [1, -2.5e3, true, false, null, NaN, -Infinity], \"\\u00e4\\ud83e\\uddec\\n\": {}, \"l\": [], \
                    \"n\": 18446744073709551615}";
        let value = Json::parse(text.as_bytes()).unwrap();
        assert_eq!(value.get("n").unwrap().whole(), Some(u64::MAX));
        assert!(matches!(&value, Json::Map(m) if m[1].0 == "ä🧬\n"));
        let list = value.get("a").unwrap().list().unwrap();
        assert_eq!((list[1].float(), list[6].float()), (Some(-2500.0), Some(f64::NEG_INFINITY)));
        assert!(list[5].float().unwrap().is_nan() && list[0].whole::<i64>() == Some(1));
        assert_eq!(Json::parse(value.written().as_bytes()).unwrap(), value);
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in
            ["", "{", "[1,]", "{\"a\" 1}", "{\"a\": }", "tru", "1 2", "\"\\x\"", "\"abc", "--1", "\"\\u12\"", "."]
        {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Json::parse(&[b'"', 0xff, b'"']).is_err());
        let deep = "[".repeat(200_000);
        assert!(Json::parse(deep.as_bytes()).unwrap_err().contains("levels"));
    }
}
