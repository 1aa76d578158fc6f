//! Types and domains of parameters: which arguments are accepted, and the words that describe them.

use crate::given::Given;

/// An end of a range of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// The end itself is in the range.
    To(f64),
    /// The end itself is outside the range.
    Short(f64),
}

/// The type of a parameter with its domain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// True or false.
    Flag,
    /// A whole number between two ends, both allowed.
    Whole(i64, i64),
    /// A number between two ends, not NaN. Infinity is accepted only as an end that is allowed.
    Number(Bound, Bound),
    /// A name.
    Text,
    /// Text that is not empty.
    Path,
    /// The name of a new element of obsm, obsp or uns: not empty, without slash.
    Key,
    /// Positions on an axis (negative ones count from its end), or a truth value for each of its
    /// elements. The face checks arrays.
    Positions,
    /// NaN or a missing value.
    NotANumber,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// One value or a list of values of a kind, in order.
    List(&'static Kind),
    /// A value of any of some kinds.
    Either(&'static [Kind]),
    /// A value that only a face can check (an array, an object of a package), described in words.
    Object(&'static str),
    /// Like `Object`, but plain values and lists of them are refused.
    Opaque(&'static str),
}

use Bound::{Short, To};

/// A finite number above 0.
pub(super) const POSITIVE: Kind = Kind::Number(Short(0.0), Short(f64::INFINITY));
/// A number above 0, or infinity.
pub(super) const POSITIVE_OR_INFINITE: Kind = Kind::Number(Short(0.0), To(f64::INFINITY));
/// A finite number, 0 or more.
pub(super) const NOT_NEGATIVE: Kind = Kind::Number(To(0.0), Short(f64::INFINITY));
/// A number, 0 or more, or infinity.
pub(super) const NOT_NEGATIVE_OR_INFINITE: Kind = Kind::Number(To(0.0), To(f64::INFINITY));
/// Any number but NaN.
pub(super) const LIMIT: Kind = Kind::Number(To(f64::NEG_INFINITY), To(f64::INFINITY));
/// A share, from 0 to 1.
pub(super) const SHARE: Kind = Kind::Number(To(0.0), To(1.0));
/// A share above 0, up to 1.
pub(super) const SHARE_ABOVE_0: Kind = Kind::Number(Short(0.0), To(1.0));
/// A count, 1 or more. A bound that depends on the data is checked later, with the data.
pub(super) const COUNT: Kind = Kind::Whole(1, u32::MAX as i64);
/// A count, 0 or more.
pub(super) const COUNT_OR_0: Kind = Kind::Whole(0, u32::MAX as i64);
/// A position on an axis; a negative one counts from its end.
const POSITION: Kind = Kind::Whole(-(u32::MAX as i64), u32::MAX as i64);
/// A seed.
pub(super) const SEED: Kind = Kind::Whole(0, i64::MAX);

impl Kind {
    /// Returns the argument in the form of the type (a whole number for 2.0, a list for one value);
    /// `None` for one outside the domain.
    pub fn accept(&self, given: &Given) -> Option<Given> {
        match (self, given) {
            (Kind::Flag, Given::Flag(_)) | (Kind::Text, Given::Text(_)) => Some(given.clone()),
            (Kind::Whole(least, most), _) => {
                let i = whole(given)?;
                (*least <= i && i <= *most).then_some(Given::Whole(i))
            }
            (Kind::Number(low, high), Given::Whole(_) | Given::Number(_)) => {
                let v = match given {
                    Given::Whole(i) => *i as f64,
                    Given::Number(v) => *v,
                    _ => return None,
                };
                let above = match *low {
                    To(end) => v >= end,
                    Short(end) => v > end,
                };
                let below = match *high {
                    To(end) => v <= end,
                    Short(end) => v < end,
                };
                (above && below).then_some(Given::Number(v))
            }
            (Kind::Choice(words), Given::Text(word)) => words.contains(&word.as_str()).then(|| given.clone()),
            (Kind::List(kind), Given::List(items)) => {
                items.iter().map(|item| kind.accept(item)).collect::<Option<Vec<_>>>().map(Given::List)
            }
            (Kind::List(kind), one) => kind.accept(one).map(|item| Given::List(vec![item])),
            (Kind::Either(kinds), _) => kinds.iter().find_map(|kind| kind.accept(given)),
            (Kind::Path, Given::Text(path)) => (!path.is_empty()).then(|| given.clone()),
            (Kind::Key, Given::Text(key)) => (!key.is_empty() && !key.contains('/')).then(|| given.clone()),
            (Kind::Positions, Given::List(items)) => {
                let position = |item: &Given| matches!(item, Given::Flag(_)) || POSITION.accept(item).is_some();
                items.iter().all(position).then(|| given.clone())
            }
            (Kind::NotANumber, Given::Missing) => Some(given.clone()),
            (Kind::NotANumber, Given::Number(v)) => v.is_nan().then(|| given.clone()),
            (Kind::Object(_), _) | (Kind::Opaque(_) | Kind::Positions, Given::Other(_)) => Some(given.clone()),
            _ => None,
        }
    }

    /// Returns the part of an argument that an error shows: the first item of a list that is
    /// outside its domain, else the argument itself.
    pub fn at_fault(&self, given: &Given) -> Given {
        match (self, given) {
            (Kind::List(kind), Given::List(items)) => {
                items.iter().find(|item| kind.accept(item).is_none()).unwrap_or(given).clone()
            }
            _ => given.clone(),
        }
    }

    /// Returns the domain in words, to follow "must be"; a template of
    /// [`Syntax::sentence`](crate::given::Syntax::sentence).
    pub fn words(&self) -> String {
        self.described(false)
    }

    fn described(&self, several: bool) -> String {
        let number = |noun: &str, rest: String| {
            let article = if several { "" } else { "a " };
            let plural = if several { "s" } else { "" };
            format!("{article}{noun}{plural}{rest}")
        };
        match self {
            Kind::Flag => "{true} or {false}".to_owned(),
            Kind::Whole(least, most) if least == most => least.to_string(),
            Kind::Whole(least, most) if *most >= i64::from(u32::MAX) => {
                number("whole number", format!(", {least} or more"))
            }
            Kind::Whole(least, most) => number("whole number", format!(" from {least} to {most}")),
            Kind::Number(To(a), To(b)) if a.is_finite() && b.is_finite() => {
                number("number", format!(" from {a} to {b}"))
            }
            Kind::Number(low, high) => {
                let low = match low {
                    To(v) if v.is_finite() => format!(", {v} or more"),
                    Short(v) if v.is_finite() => format!(" above {v}"),
                    _ => String::new(),
                };
                let high = match high {
                    To(v) if v.is_finite() => format!(" and up to {v}"),
                    Short(v) if v.is_finite() => format!(" and below {v}"),
                    _ => String::new(),
                };
                number(if *self == LIMIT { "number" } else { "finite number" }, low + &high)
                    .replace(if matches!(self, Kind::Number(_, Short(_))) { "" } else { "finite " }, "")
            }
            Kind::Text => if several { "names" } else { "one name" }.to_owned(),
            Kind::Choice(words) => {
                let all: Vec<String> = words.iter().map(|w| format!("'{w}'")).collect();
                match all.split_last() {
                    Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                    _ => all.concat(),
                }
            }
            Kind::List(kind) => kind.described(true),
            Kind::Either(kinds) => kinds.iter().map(|kind| kind.described(several)).collect::<Vec<_>>().join(", or "),
            Kind::Path => if several { "paths" } else { "a path" }.to_owned(),
            Kind::Key => if several { "names without '/'" } else { "one name without '/'" }.to_owned(),
            Kind::Positions => "positions".to_owned(),
            Kind::NotANumber => "a missing value".to_owned(),
            Kind::Object(words) | Kind::Opaque(words) => (*words).to_owned(),
        }
    }
}

/// Returns a whole number that was given as an integer or as an exact float without fraction.
fn whole(given: &Given) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match given {
        Given::Whole(i) => Some(*i),
        Given::Number(v) if v.fract() == 0.0 && v.abs() <= EXACT => Some(*v as i64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_refuses_what_is_no_number_of_it() {
        let odd = [
            Given::Number(f64::NAN),
            Given::Missing,
            Given::Number(f64::INFINITY),
            Given::Number(-1.0),
            Given::Number(2f64.powi(63)),
            Given::Number(1.5),
            Given::Text("3".to_owned()),
            Given::Flag(true),
            Given::List(vec![Given::Whole(3)]),
            Given::Other("a list".to_owned()),
        ];
        assert!(odd.iter().all(|given| COUNT.accept(given).is_none()));
        assert_eq!(COUNT.accept(&Given::Number(3.0)), Some(Given::Whole(3)));
        assert_eq!(SHARE.accept(&Given::Whole(1)), Some(Given::Number(1.0)));
        assert_eq!([&odd[0], &odd[2], &odd[3]].map(|g| NOT_NEGATIVE.accept(g)), [None, None, None]);
        assert!(LIMIT.accept(&odd[2]).is_some() && LIMIT.accept(&odd[0]).is_none());
        assert_eq!(Kind::List(&COUNT).accept(&odd[8]), Some(odd[8].clone()));
        assert_eq!(Kind::List(&COUNT).accept(&Given::Whole(3)), Some(odd[8].clone()));
        let mixed = |item: Given| Given::List(vec![Given::Whole(-1), Given::Flag(true), item]);
        assert!(
            Kind::Positions.accept(&mixed(Given::Number(2.0))).is_some() && Kind::Positions.accept(&odd[9]).is_some()
        );
        assert!(
            Kind::Positions.accept(&mixed(Given::Number(1.5))).is_none() && Kind::Positions.accept(&odd[3]).is_none()
        );
    }

    #[test]
    fn a_domain_says_what_it_is() {
        let words = [
            (Kind::Flag, "{true} or {false}"),
            (COUNT, "a whole number, 1 or more"),
            (Kind::Whole(1, 9), "a whole number from 1 to 9"),
            (POSITIVE, "a finite number above 0"),
            (POSITIVE_OR_INFINITE, "a number above 0"),
            (NOT_NEGATIVE, "a finite number, 0 or more"),
            (LIMIT, "a number"),
            (SHARE, "a number from 0 to 1"),
            (SHARE_ABOVE_0, "a number above 0 and up to 1"),
            (Kind::List(&Kind::Text), "names"),
            (Kind::List(&COUNT), "whole numbers, 1 or more"),
            (Kind::Choice(&["a", "b", "c"]), "'a', 'b' or 'c'"),
            (Kind::Either(&[COUNT, Kind::Whole(-1, -1)]), "a whole number, 1 or more, or -1"),
        ];
        for (kind, expected) in words {
            assert_eq!(kind.words(), expected);
        }
    }
}
