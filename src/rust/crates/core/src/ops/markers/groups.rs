//! The groups of a comparison: the cells of each, and which groups are compared.

use crate::error::{Error, Result};
use crate::memory;
use crate::stream::NO_LABEL;

const GROUPS: &str = "the groups of cells";

/// The cells by group: the chosen groups in the order asked for, then, without a reference group,
/// the rest of the cells.
pub(super) struct Chosen {
    /// The group of each cell, [`NO_LABEL`] for a cell that takes no part.
    pub(super) labels: Vec<u32>,
    /// The number of cells of each group. Without a reference group the last number is that of the
    /// cells of no chosen group.
    pub(super) sizes: Vec<usize>,
    /// The names of the chosen groups.
    pub(super) names: Vec<String>,
    /// The group that the others are compared with; `None` for all other cells.
    pub(super) reference: Option<usize>,
    n_cells: usize,
}

impl Chosen {
    /// Chooses groups. `codes` has a position in `names` for each cell; `groups` names some of
    /// them, `None` all; `reference` is "rest" or a name.
    pub(super) fn new(
        groupby: &str,
        codes: &[u32],
        names: &[String],
        groups: Option<&[String]>,
        reference: &str,
    ) -> Result<Self> {
        let place = |parameter: &'static str, name: &str| {
            names.iter().position(|n| n == name).ok_or_else(|| {
                let expected = format!("a group of '{groupby}' ({})", listed(names));
                Error::parameter(parameter, expected, format!("'{name}'"))
            })
        };
        let mut chosen: Vec<usize> = match groups {
            None => (0..names.len()).collect(),
            Some(some) => {
                let mut at = Vec::new();
                for name in some {
                    let found = place("groups", name)?;
                    if at.contains(&found) {
                        return Err(Error::parameter("groups", "groups that differ", format!("'{name}' twice")));
                    }
                    at.push(found);
                }
                at
            }
        };
        let reference = match reference {
            "rest" => None,
            name => {
                let found = place("reference", name)?;
                if !chosen.contains(&found) {
                    chosen.push(found);
                }
                chosen.iter().position(|&g| g == found)
            }
        };
        let mut place = memory::filled(names.len(), NO_LABEL, GROUPS)?;
        chosen.iter().enumerate().for_each(|(k, &g)| place[g] = k as u32);
        let k = chosen.len();
        if reference.is_none() {
            place.iter_mut().filter(|p| **p == NO_LABEL).for_each(|p| *p = k as u32);
        }
        let labels = memory::collected(codes.iter().map(|&c| place[c as usize]), GROUPS)?;
        let mut sizes = memory::zeros::<usize>(k + usize::from(reference.is_none()), GROUPS)?;
        labels.iter().filter(|&&l| l != NO_LABEL).for_each(|&l| sizes[l as usize] += 1);
        let names: Vec<String> = chosen.iter().map(|&g| names[g].clone()).collect();
        let few: Vec<String> = names.iter().zip(&sizes).filter(|(_, &n)| n < 2).map(|(name, _)| name.clone()).collect();
        if let Some(first) = few.first() {
            let n = sizes[names.iter().position(|name| name == first).unwrap_or(0)];
            let expected = format!("groups of at least two cells in '{groupby}' (name the others with groups)");
            let all = if few.len() > 1 { format!(", the first of {}", listed(&few)) } else { String::new() };
            let cells = if n == 1 { "1 cell" } else { "no cell" };
            return Err(Error::parameter("groupby", expected, format!("{cells} in '{first}'{all}")));
        }
        let found = Chosen { n_cells: sizes.iter().sum(), labels, sizes, names, reference };
        if let (None, Some(g)) = (reference, (0..k).find(|&g| found.n_reference(g) == 0)) {
            let expected = format!("at least two groups in '{groupby}'");
            return Err(Error::parameter("groupby", expected, format!("all cells in '{}'", found.names[g])));
        }
        if let (Some(_), 1) = (reference, k) {
            let expected = "at least one group beside the reference";
            return Err(Error::parameter("groups", expected, format!("'{}' alone", found.names[0])));
        }
        Ok(found)
    }

    /// Returns the number of cells that take part.
    pub(super) fn n_cells(&self) -> usize {
        self.n_cells
    }

    /// Returns the number of cells that a group is compared with.
    pub(super) fn n_reference(&self, group: usize) -> usize {
        self.reference.map_or_else(|| self.n_cells() - self.sizes[group], |r| self.sizes[r])
    }

    /// Returns the groups that are compared.
    pub(super) fn compared(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.names.len()).filter(|&g| self.reference != Some(g))
    }
}

/// Returns names for a message: the first few of many.
fn listed(names: &[String]) -> String {
    const MOST: usize = 12;
    let mut all: Vec<String> = names.iter().take(MOST).map(|n| format!("'{n}'")).collect();
    if names.len() > MOST {
        all.push(format!("... {} in all", names.len()));
    }
    all.join(", ")
}
