//! The verbs `leiden` and `louvain`: the cells to cluster, and the result under scanpy's names.

use super::groups::subgraph;
use super::leiden::{leiden_of, louvain_of, LeidenParams, Objective, Partition};
use super::links::{owned_links, Links, Origin};
use crate::element::{Categorical, Value};
use crate::error::{Error, Result};
use crate::memory;
use crate::natural_order;
use crate::patch::Patch;
use crate::session::Session;
use sprs::CsMatI;
use std::fmt;
use std::str::FromStr;

/// The name of the groups in errors.
const GROUPS: &str = "groups of the cells";

/// The algorithm that finds clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// [`leiden()`](super::leiden()).
    #[default]
    Leiden,
    /// [`louvain()`](super::louvain()).
    Louvain,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::Leiden => "leiden",
            Algorithm::Louvain => "louvain",
        })
    }
}

impl FromStr for Objective {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "modularity" => Ok(Objective::Modularity),
            "cpm" => Ok(Objective::Cpm),
            _ => Err(Error::parameter("objective_function", "modularity or CPM", name)),
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Objective::Modularity => "modularity",
            Objective::Cpm => "CPM",
        })
    }
}

/// A restriction to the cells of some groups of an earlier clustering, which are clustered again
/// (scanpy's `restrict_to`).
#[derive(Debug, Clone, PartialEq)]
pub struct Restriction {
    /// Name of the earlier clustering, for messages.
    pub key: String,
    /// The group of each cell in the earlier clustering; -1 where it is missing.
    pub codes: Vec<i32>,
    /// Names of the groups of the earlier clustering.
    pub categories: Vec<String>,
    /// Names of the groups to cluster again.
    pub chosen: Vec<String>,
}

impl Restriction {
    /// Returns whether each cell is clustered again.
    fn keep(&self) -> Result<Vec<bool>> {
        if let Some(name) = self.chosen.iter().find(|name| !self.categories.contains(name)) {
            let expected = format!("categories of {}: {}", self.key, self.categories.join(", "));
            return Err(Error::parameter("restrict_to", expected, name));
        }
        if self.chosen.is_empty() {
            return Err(Error::parameter("restrict_to", "at least one category", "none"));
        }
        let chosen: Vec<bool> = self.categories.iter().map(|name| self.chosen.contains(name)).collect();
        let of = |&code: &i32| usize::try_from(code).ok().and_then(|c| chosen.get(c)).copied().unwrap_or(false);
        memory::collected(self.codes.iter().map(of), GROUPS)
    }

    /// Returns the earlier groups, with the chosen ones replaced by the new clusters, which are
    /// named "A-B,0", "A-B,1", ...
    fn relabel(&self, keep: &[bool], found: &Partition) -> Result<Categorical> {
        let prefix = self.chosen.join("-");
        let n_old = self.categories.len();
        let mut names = self.categories.clone();
        names.extend((0..found.n_clusters).map(|c| format!("{prefix},{c}")));
        let mut new = found.membership.iter();
        let codes = keep.iter().zip(&self.codes).map(|(&keep, &code)| match keep {
            true => new.next().map(|&c| n_old + c as usize),
            false => usize::try_from(code).ok().filter(|&code| code < n_old),
        });
        let codes: Vec<Option<usize>> = memory::collected(codes, GROUPS)?;
        let mut used = vec![false; names.len()];
        codes.iter().flatten().for_each(|&code| used[code] = true);
        let mut order: Vec<usize> = (0..names.len()).filter(|&code| used[code]).collect();
        order.sort_by(|&a, &b| natural_order(&names[a], &names[b]));
        let mut place = vec![-1i32; names.len()];
        order.iter().zip(0..).for_each(|(&code, at)| place[code] = at);
        Ok(Categorical {
            codes: memory::collected(codes.iter().map(|code| code.map_or(-1, |code| place[code])), GROUPS)?,
            categories: Box::new(Value::strings(order.iter().map(|&code| &names[code]))),
            ordered: false,
        })
    }
}

/// Options of [`cluster`].
#[derive(Debug, Clone, Default)]
pub struct Clustering {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The parameters of the algorithm.
    pub params: LeidenParams,
    /// Whether weights count; otherwise every stored entry is an edge of weight 1.
    pub use_weights: bool,
    /// The cells to cluster; all where `None`.
    pub restriction: Option<Restriction>,
    /// Name of the column of obs and the element of uns. `None` is the name of the algorithm, with
    /// "_R" added under a restriction.
    pub key_added: Option<String>,
}

/// Clusters a graph by the algorithm of `job`.
fn partition(graph: Origin<impl Links + Send + Sync>, job: &Clustering, session: &Session) -> Result<Partition> {
    match job.algorithm {
        Algorithm::Leiden => leiden_of(graph, &job.params, session),
        Algorithm::Louvain => louvain_of(graph, &job.params, session),
    }
}

/// Returns the graph of the cells to keep, or a copy of all of it.
fn some_of(graph: &impl Links, keep: Option<&[bool]>) -> Result<CsMatI<f32, u32, usize>> {
    keep.map_or_else(|| copied(graph), |keep| subgraph(graph, keep))
}

/// Copies a graph, so that its weights can be changed.
fn copied(graph: &impl Links) -> Result<CsMatI<f32, u32, usize>> {
    let graph = graph.borrowed();
    if !graph.is_csr() {
        return Err(Error::parameter("connectivities", "a matrix stored as CSR", "CSC"));
    }
    let (shape, (indptr, indices, data)) = (graph.shape(), graph.into_raw_storage());
    let (indptr, indices) = (memory::copied(indptr, GROUPS)?, memory::copied(indices, GROUPS)?);
    Ok(CsMatI::new(shape, indptr, indices, memory::copied(data, GROUPS)?))
}

/// Clusters the cells. Returns a categorical obs column of the clusters "0", "1", ... from the
/// largest, and their parameters and quality for uns, as `scanpy.tl.leiden` or `scanpy.tl.louvain`.
///
/// # Errors
/// Errors of [`leiden()`](super::leiden()); [`Error::Parameter`] for a restriction to groups that do
/// not exist.
pub fn cluster(graph: impl Links + Send + Sync, job: &Clustering, session: &Session) -> Result<Patch> {
    cluster_of(Origin::Memory(graph), job, session)
}

/// Works as [`cluster`], for a graph in memory or a kept one.
///
/// # Errors
/// Errors of [`cluster`]; [`Error::Io`] where a kept graph cannot be read.
pub fn cluster_of(graph: Origin<impl Links + Send + Sync>, job: &Clustering, session: &Session) -> Result<Patch> {
    let keep = job.restriction.as_ref().map(Restriction::keep).transpose()?;
    let found = if keep.is_none() && job.use_weights {
        partition(graph, job, session)?
    } else {
        let mut some = match graph {
            Origin::Memory(graph) => some_of(&graph, keep.as_deref())?,
            Origin::Kept(kept) => some_of(&owned_links(kept.read(session)?)?, keep.as_deref())?,
        };
        if !job.use_weights {
            some.data_mut().iter_mut().for_each(|w| *w = 1.0);
        }
        partition(Origin::Memory(some), job, session)?
    };
    let clusters = match (&job.restriction, &keep) {
        (Some(restriction), Some(keep)) => restriction.relabel(keep, &found)?,
        _ => Categorical {
            codes: memory::collected(found.membership.iter().map(|&c| c as i32), GROUPS)?,
            categories: Box::new(Value::strings((0..found.n_clusters).map(|c| c.to_string()))),
            ordered: false,
        },
    };
    let name = job.algorithm.to_string();
    let mut key = job.key_added.clone().unwrap_or_else(|| name.clone());
    if keep.is_some() && key == name {
        key.push_str("_R");
    }
    let params = &job.params;
    let mut noted = vec![
        ("resolution".to_owned(), Value::number(params.resolution)),
        ("random_state".to_owned(), Value::number(params.seed as i64)),
        ("n_iterations".to_owned(), Value::number(params.n_iterations)),
    ];
    if params.objective != Objective::default() {
        noted.push(("objective_function".to_owned(), Value::string(params.objective.to_string())));
    }
    let quality = match params.objective {
        Objective::Modularity => "modularity",
        Objective::Cpm => "quality",
    };
    let summary = vec![("params".to_owned(), Value::Dict(noted)), (quality.to_owned(), Value::number(found.quality))];
    Ok(Patch {
        obs: vec![(key.clone(), Value::Categorical(clusters))],
        uns: vec![(key, Value::Dict(summary))],
        ..Patch::default()
    })
}
