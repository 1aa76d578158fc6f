//! Natural order of names with numbers in them.

use std::cmp::Ordering;

/// Compares names with runs of digits as numbers: "2" before "10" (as in Python's `natsort`).
pub(crate) fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (x, y) = (run(&mut a), run(&mut b));
        let order = match (x, y) {
            ("", "") => return Ordering::Equal,
            _ if is_number(x) && is_number(y) => {
                let (m, n) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
                m.len().cmp(&n.len()).then(m.cmp(n)).then(x.cmp(y))
            }
            // Numbers come before all other text; this happens only at the start of names.
            _ if is_number(x) && !y.is_empty() => Ordering::Less,
            _ if is_number(y) && !x.is_empty() => Ordering::Greater,
            _ => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn is_number(run: &str) -> bool {
    run.starts_with(|c: char| c.is_ascii_digit())
}

/// Splits off the leading run of digits or of other characters.
fn run<'a>(text: &mut &'a str) -> &'a str {
    let digits = is_number(text);
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    *text = tail;
    head
}

#[cfg(test)]
mod tests {
    use super::natural_order;

    #[test]
    fn names_in_natural_order() {
        let mut names = ["10", "2", "0-1,10", "0-1,9", "b", "-5", "B cell 12", "B cell 3", "1"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["0-1,9", "0-1,10", "1", "2", "10", "-5", "B cell 3", "B cell 12", "b"]);
    }
}
