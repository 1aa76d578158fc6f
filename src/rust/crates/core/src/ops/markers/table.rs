//! Genes in the order of their scores, group by group, with adjusted p-values, and their form in
//! scanpy.

use super::groups::Chosen;
use super::options::{Correction, MarkerOptions, Test, Tested, VERB};
use super::tails::normal_two_sided;
use crate::element::{DataFrame, Value};
use crate::error::Result;
use crate::memory;
use crate::session::Session;
use rayon::prelude::*;

/// The ranked genes of the groups that were compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The results of each group that was compared.
    pub groups: Vec<RankedGroup>,
    /// The names of all chosen groups, including the reference.
    pub names: Vec<String>,
    /// The share of the cells of each chosen group in which each gene is not 0, n_vars values each.
    pub pts: Option<Vec<Vec<f64>>>,
    /// The same shares in the cells outside each group; `None` with a reference.
    pub pts_rest: Option<Vec<Vec<f64>>>,
    /// Whether there are p-values and fold changes, which a regression does not have.
    pub tested: bool,
    /// A sentence for the user if the values look like counts.
    pub note: Option<String>,
}

/// The genes of one group in descending order of their scores (of their absolute values with
/// `rankby_abs`). Genes of equal score are in the order of the matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedGroup {
    /// The name of the group.
    pub name: String,
    /// The positions of the genes.
    pub genes: Vec<i32>,
    /// The z or t statistics, or the coefficients.
    pub scores: Vec<f32>,
    /// log2 of the ratio of the means, with the logarithm of the values undone.
    pub logfoldchanges: Vec<f32>,
    /// The two-sided p-values.
    pub pvals: Vec<f64>,
    /// The p-values, adjusted for the number of genes.
    pub pvals_adj: Vec<f64>,
}

/// Sorts the results of all genes by score, group by group, and adjusts the p-values. `genes` are
/// in the order of the matrix. `counts` says whether all values look like raw counts; the result
/// then has a note for the user.
pub(super) fn ranked(
    genes: Vec<Tested>,
    chosen: &Chosen,
    options: &MarkerOptions,
    counts: bool,
    session: &Session,
) -> Result<Ranked> {
    let logistic = options.test == Test::Logistic;
    let compared: Vec<usize> = match chosen.names.len() {
        2 if logistic => vec![0],
        n if logistic => (0..n).collect(),
        _ => chosen.compared().collect(),
    };
    session.monitor.begin(compared.len() as u64);
    let groups: Vec<RankedGroup> = session.install(|| {
        compared
            .par_iter()
            .enumerate()
            .map(|(k, &g)| {
                session.monitor.check()?;
                let found = group(&genes, k, chosen.names[g].clone(), options)?;
                session.monitor.advance(1);
                Ok(found)
            })
            .collect::<Result<_>>()
    })?;
    let shares = |of: fn(&Tested) -> &[f64]| -> Result<Option<Vec<Vec<f64>>>> {
        if !options.pts || logistic {
            return Ok(None);
        }
        let n = genes.first().map_or(0, |gene| of(gene).len());
        (0..n).map(|g| memory::collected(genes.iter().map(|gene| of(gene)[g]), VERB)).collect::<Result<_>>().map(Some)
    };
    let (pts, pts_rest) = (shares(|t| &t.pts)?, shares(|t| &t.pts_rest)?);
    let pts_rest = pts_rest.filter(|_| chosen.reference.is_none());
    let note = || {
        "rank_genes_groups: all values are whole numbers that are not negative, as counts are; the tests and fold changes \
         are for logarithmised values: run normalize_total() and log1p() first"
            .to_owned()
    };
    Ok(Ranked { groups, names: chosen.names.clone(), pts, pts_rest, tested: !logistic, note: counts.then(note) })
}

fn group(genes: &[Tested], k: usize, name: String, options: &MarkerOptions) -> Result<RankedGroup> {
    let n = genes.len();
    let scores = memory::collected(genes.iter().map(|gene| gene.scores[k]), VERB)?;
    let p = match options.test {
        Test::Logistic => Vec::new(),
        Test::Wilcoxon { .. } => memory::collected(scores.iter().map(|&z| normal_two_sided(z)), VERB)?,
        _ => memory::collected(genes.iter().map(|gene| gene.p[k]), VERB)?,
    };
    let key = |j: &u32| {
        let score = scores[*j as usize];
        if options.rankby_abs {
            score.abs()
        } else {
            score
        }
    };
    let mut order: Vec<u32> = memory::collected(0..n as u32, VERB)?;
    let ranks = |a: &u32, b: &u32| key(b).total_cmp(&key(a)).then(a.cmp(b));
    let kept = options.n_genes.unwrap_or(n).min(n);
    if kept < n {
        order.select_nth_unstable_by(kept, ranks);
        order.truncate(kept);
    }
    order.sort_unstable_by(ranks);
    let adjusted = adjust(&p, options.correction)?;
    let at = |j: &u32| *j as usize;
    let tested: &[u32] = if options.test == Test::Logistic { &[] } else { &order };
    Ok(RankedGroup {
        name,
        scores: memory::collected(order.iter().map(|j| scores[at(j)] as f32), VERB)?,
        logfoldchanges: memory::collected(tested.iter().map(|j| genes[at(j)].folds[k]), VERB)?,
        pvals: memory::collected(tested.iter().map(|j| p[at(j)]), VERB)?,
        pvals_adj: memory::collected(tested.iter().map(|j| adjusted[at(j)]), VERB)?,
        genes: memory::collected(order.iter().map(|&j| j as i32), VERB)?,
    })
}

fn adjust(p: &[f64], correction: Correction) -> Result<Vec<f64>> {
    let n = p.len() as f64;
    match correction {
        Correction::Bonferroni => memory::collected(p.iter().map(|p| (p * n).min(1.0)), VERB),
        Correction::BenjaminiHochberg => {
            let mut order: Vec<u32> = memory::collected(0..p.len() as u32, VERB)?;
            order.sort_unstable_by(|&a, &b| p[a as usize].total_cmp(&p[b as usize]));
            let mut out = memory::zeros::<f64>(p.len(), VERB)?;
            let mut least = 1.0f64;
            for (rank, &j) in order.iter().enumerate().rev() {
                least = least.min(p[j as usize] / ((rank + 1) as f64 / n));
                out[j as usize] = least;
            }
            Ok(out)
        }
    }
}

impl Ranked {
    /// Returns the results under scanpy's names, as `uns[key]`. Its `names` are positions of genes,
    /// which a face replaces by names. `genes` are the names of the genes for `pts`, `params` the
    /// parameters of the call.
    pub fn patch(self, params: Vec<(String, Value)>, genes: &Value, key: &str) -> crate::patch::Patch {
        let mut all = vec![("params".to_owned(), Value::Dict(params))];
        for (name, shares) in [("pts", self.pts), ("pts_rest", self.pts_rest)] {
            let Some(shares) = shares else { continue };
            let columns = self.names.iter().cloned().zip(shares.into_iter().map(Value::vector)).collect();
            let frame = DataFrame { index_name: None, index: Box::new(genes.clone()), columns };
            all.push((name.to_owned(), Value::DataFrame(frame)));
        }
        let mut fields: [Vec<(String, Value)>; 5] = Default::default();
        for group in self.groups {
            let values = [
                Value::vector(group.genes),
                Value::vector(group.scores),
                Value::vector(group.pvals),
                Value::vector(group.pvals_adj),
                Value::vector(group.logfoldchanges),
            ];
            fields.iter_mut().zip(values).for_each(|(to, value)| to.push((group.name.clone(), value)));
        }
        let names = ["names", "scores", "pvals", "pvals_adj", "logfoldchanges"];
        let given = if self.tested { names.len() } else { 2 };
        all.extend(names.into_iter().zip(fields).take(given).map(|(name, of)| (name.to_owned(), Value::RecArray(of))));
        crate::patch::Patch { uns: vec![(key.to_owned(), Value::Dict(all))], ..Default::default() }
    }
}
