//! The cost of a matrix: the plan of a chain, in passes and bytes, without reading values.

use super::hvg::{self, Flavor};
use super::{
    aggregate, combat, doublets, downsample, mean_var, normalize, pca, project, qc, score_aucell, score_genes,
};
use crate::chain::{Description, LazyMatrix};
use crate::error::Result;
use crate::matrix::{Layout, PackedState, PackedTrouble, Rows};
use crate::session::Session;
use crate::store::Traffic;
use crate::stream::{keeps_columns, scratch, Needs};
use std::fmt;
use std::path::PathBuf;

/// The place that a pass reads its values from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// The file (or the matrix in memory).
    File,
    /// Columns that an earlier pass has kept.
    Kept,
    /// The column index.
    Index,
    /// Rows that an earlier pass has left packed.
    Packed,
}

/// The cost of a verb, from the present state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The verb, by scanpy's name.
    pub verb: String,
    /// The passes over the values, each with the place that it reads from.
    pub passes: Vec<ReadFrom>,
    /// The data that a verb without passes reads: results of an earlier pass, an element of obsm,
    /// or no values.
    pub without: &'static str,
    /// Whether further passes follow until a residual is small.
    pub more: bool,
    /// The number of columns that a pass keeps.
    pub columns: usize,
    /// The bytes read from the file, the index or packed rows, over all passes.
    pub bytes: u64,
}

/// The plan of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The file and element.
    pub matrix: String,
    /// The resources at hand, each as a name and a sentence.
    pub facts: Vec<(&'static str, String)>,
    /// The costs of the next verbs.
    pub steps: Vec<Step>,
}

const KNOWN: &str = "known";
const EMBEDDING: &str = "an embedding";
const WILCOXON: &str = "rank_genes_groups 'wilcoxon'";

/// Returns the plan of `x`: what is stored, queued, known and kept, and the passes and bytes that
/// each verb would take from here. Reads no values. `call` prints a queued verb.
///
/// # Errors
/// [`Error::OutOfMemory`](crate::Error::OutOfMemory) where there is no room for a selection.
pub fn explain(x: &LazyMatrix, call: impl Fn(&Description) -> String, session: &Session) -> Result<Plan> {
    let source = x.source();
    let ((n, m), stored) = (x.shape(), source.shape());
    let rows = x.source_rows();
    let columns = x.column_map()?;
    let whole_pass = source.pass_bytes(&rows, columns.as_deref());
    let sorted = match &rows {
        Rows::List(list) => {
            let mut list = list.to_vec();
            list.sort_unstable();
            Rows::List(list.into())
        }
        Rows::All => Rows::All,
    };
    let (kept, index, sums) = (x.cached_blocks(&sorted, session), x.index(session), x.known_sums(session));

    let mut facts = Vec::new();
    let values = source.nnz().map_or_else(String::new, |nnz| {
        let share = 100.0 * nnz as f64 / (stored.0 as f64 * stored.1 as f64).max(1.0);
        format!(", {} values ({share:.1} %)", big(nnz))
    });
    let traffic = source.traffic();
    let place = match (x.location(), traffic) {
        (None, _) => "in memory".into(),
        (_, Some(_)) => format!("at most {} far away", bytes(source.disk_bytes())),
        (_, None) => bytes(source.disk_bytes()) + " on disk",
    };
    facts.push((
        "stored",
        format!(
            "{} x {} {} {}{values}, {place}",
            big(stored.0 as u64),
            big(stored.1 as u64),
            source.layout().name(),
            source.dtype()
        ),
    ));
    if let Some(Traffic { requests, retries, bytes: came, cached }) = traffic {
        let again = if retries > 0 { format!(", {} of them sent again", big(retries)) } else { String::new() };
        let kept = if cached > 0 { format!("; {} of the cache on this machine", bytes(cached)) } else { String::new() };
        facts.push(("far away", format!("{} requests so far{again}, {} fetched{kept}", big(requests), bytes(came))));
    }
    facts.extend(x.queued().iter().enumerate().map(|(i, q)| ("queued", format!("{}. {}", i + 1, q.line(&call)))));
    facts.push((
        "a pass",
        format!(
            "over {} x {}: {} on {} threads within {}",
            big(n as u64),
            big(m as u64),
            if x.location().is_none() { "from memory".into() } else { format!("reads {}", bytes(whole_pass)) },
            session.threads,
            bytes(session.memory as u64)
        ),
    ));
    if sums.is_some() {
        facts.push(("known", "sums of every cell and gene, from an earlier pass over these counts".to_owned()));
    }
    if let Some(kept) = &kept {
        let (memory, scratch) = kept.held();
        let more = if scratch > 0 { format!(" and {} in a scratch file", bytes(scratch)) } else { String::new() };
        facts.push(("kept", format!("these columns, {} in memory{more}", bytes(memory))));
    }
    if let Some(index) = &index {
        facts.push(("index", format!("{} in '{}'", bytes(index.bytes()), index.path().display())));
    }

    let packed = source.packed(&session.keeping(true), &session.scratch);
    let packed_bytes = match packed {
        PackedState::Kept { kept, all, bytes, .. } if kept == all => Some(bytes),
        _ => None,
    };
    let all_rows = matches!(rows, Rows::All);
    facts.extend(packed_fact(&packed, all_rows).map(|fact| ("packed", fact)));
    // A pass over all rows leaves them packed. Their size is not known before.
    let packing = all_rows && matches!(packed, PackedState::Planned(_));

    let own = match (&kept, packed_bytes) {
        (Some(_), _) => ReadFrom::Kept,
        (None, Some(_)) => ReadFrom::Packed,
        (None, None) => ReadFrom::File,
    };
    // A first pass over selected columns keeps them for later passes.
    let keeping = keeps_columns(x);
    let step = |verb: &str, needs: &[Needs]| {
        let mut from = own;
        let mut passes = Vec::with_capacity(needs.len());
        for need in needs {
            passes.push(from);
            if need.keeps_columns && keeping {
                from = ReadFrom::Kept;
            } else if packing && from == ReadFrom::File {
                from = ReadFrom::Packed;
            }
        }
        let count = |place: ReadFrom| passes.iter().filter(|from| **from == place).count() as u64;
        let bytes = whole_pass * count(ReadFrom::File) + packed_bytes.unwrap_or(0) * count(ReadFrom::Packed);
        Step { verb: verb.to_owned(), passes, without: KNOWN, more: false, columns: m, bytes }
    };
    // Verbs that read no values at all.
    let none = |verb: &str, without| Step { without, columns: 0, ..step(verb, &[]) };
    // Verbs that go through the matrix column by column.
    let by_columns = |verb: &str| match &index {
        Some(index) if x.is_sparse() => Step { passes: vec![ReadFrom::Index], bytes: index.bytes(), ..step(verb, &[]) },
        _ => step(verb, &[Needs::FILE]),
    };
    let mut steps = Vec::new();
    if x.nodes().is_empty() {
        steps.push(step("calculate_qc_metrics", &qc::passes()));
        steps.push(step("normalize_total", &normalize::passes(x, session)));
        for flavor in [Flavor::PearsonResiduals, Flavor::SeuratV3] {
            let verb = format!("highly_variable_genes '{}'", flavor.name());
            steps.push(step(&verb, &hvg::passes(x, flavor, session)));
        }
        steps.push(step("downsample_counts", &downsample::passes()));
        let (first, kept) = doublets::passes(x, session);
        let mut scrublet = step("scrublet", &first);
        scrublet.passes.extend(std::iter::repeat_n(ReadFrom::Kept, kept));
        steps.push(scrublet);
        steps.push(step("pseudobulk", &aggregate::passes()));
    }
    if !x.nodes().iter().any(|n| n.fills_zeros()) {
        if !x.nodes().is_empty() {
            steps.push(step("highly_variable_genes 'seurat'", &hvg::passes(x, Flavor::Seurat, session)));
            steps.push(step("rank_genes_groups 't-test'", &[Needs::FILE]));
            steps.push(by_columns(WILCOXON));
            steps.push(step("score_genes", &score_genes::passes(x, session)));
            steps.push(step("score_aucell", &score_aucell::passes()));
            for verb in ["ingest", "transfer_labels"] {
                steps.push(step(verb, &project::passes()));
            }
        }
        steps.push(step("aggregate", &aggregate::passes()));
        steps.push(by_columns("aggregate 'median'"));
        let scratch = scratch(x, size_of::<u16>(), session);
        if scratch > 0 {
            let of = if x.nodes().is_empty() { "medians" } else { "wilcoxon and for medians" };
            facts.push(("scratch", format!("about {} for {of}, by genes and then gone", bytes(scratch))));
        }
        steps.push(step("combat", &combat::passes()));
        steps.push(step("scale", &mean_var::passes()));
    }
    let (passes, more) = pca::passes(m);
    steps.push(Step { more, ..step("pca", &passes) });
    steps.push(none("harmony_integrate", EMBEDDING));
    steps.push(none("sketch", EMBEDDING));
    steps.push(none("sample", "no values"));
    // One gene is another selection, for which the columns kept for this one are not used.
    let gene = match (&index, source.layout()) {
        (Some(index), _) => (ReadFrom::Index, index.bytes() / stored.1.max(1) as u64),
        (None, layout) => {
            let share = if layout == Layout::Csc { m.max(1) as u64 } else { 1 };
            match packed_bytes {
                Some(bytes) => (ReadFrom::Packed, bytes / share),
                None if layout == Layout::Csc => (ReadFrom::File, whole_pass / share),
                None => (ReadFrom::File, source.pass_bytes(&rows, None)),
            }
        }
    };
    let verb = "obs_vector of one gene".to_owned();
    steps.push(Step { verb, passes: vec![gene.0], without: KNOWN, more: false, columns: 1, bytes: gene.1 });
    Ok(Plan { matrix: x.name(), facts, steps })
}

/// Returns a sentence about packed rows; `None` where there is nothing to tell.
fn packed_fact(packed: &PackedState, all_rows: bool) -> Option<String> {
    let file = |path: &Option<PathBuf>| match path {
        Some(path) => format!("'{}'", path.display()),
        None => "a scratch file".to_owned(),
    };
    match packed {
        PackedState::None => None,
        PackedState::Planned(limit) => all_rows.then(|| {
            let most = bytes(*limit);
            format!(
                "the first pass leaves its rows in a scratch file of at most {most}: about a sixth longer, and a quarter of \
                 the time for those after it"
            )
        }),
        PackedState::Kept { kept, all, bytes: n, path, trouble: None } if kept == all => {
            Some(format!("all rows, {} in {}, read in a quarter of the time", bytes(*n), file(path)))
        }
        PackedState::Kept { kept, all, bytes: n, path, trouble } => {
            let why = match trouble {
                None => "; the next pass leaves the rest".to_owned(),
                Some(PackedTrouble::Limit(limit)) => {
                    format!(": more than {} in all, see the setting scratch", bytes(*limit))
                }
                Some(PackedTrouble::Scratch(error)) => format!(": {error}"),
                Some(PackedTrouble::GivenUp) => ": other scratch files needed the room".to_owned(),
                Some(PackedTrouble::Damaged) => ": not all were as they were written".to_owned(),
            };
            let share = 100.0 * *kept as f64 / (*all).max(1) as f64;
            Some(format!("{share:.0} % of the rows, {} in {}, the rest from the file{why}", bytes(*n), file(path)))
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan for {}", self.matrix)?;
        let mut before = "";
        for (name, text) in &self.facts {
            writeln!(f, "  {:<8} {text}", if *name == before { "" } else { name })?;
            before = name;
        }
        let width = self.steps.iter().map(|s| s.verb.len()).max().unwrap_or(0).max(42);
        writeln!(
            f,
            "  {:<w$} {:>6}  {:<15} {:>8}  {:>9}",
            "from here",
            "passes",
            "over",
            "columns",
            "reads",
            w = width + 2
        )?;
        for s in &self.steps {
            let passes = format!("{}{}", s.passes.len(), if s.more { "+" } else { "" });
            let reads = if s.bytes == 0 { "-".to_owned() } else { bytes(s.bytes) };
            let columns = big(s.columns as u64);
            writeln!(f, "    {:<width$} {passes:>6}  {:<15} {columns:>8}  {reads:>9}", s.verb, s.places())?;
        }
        Ok(())
    }
}

impl Step {
    /// Returns the places that the passes read from, such as "file, then kept" or "known".
    pub fn places(&self) -> String {
        let name = |from: &ReadFrom| match from {
            ReadFrom::File => "file",
            ReadFrom::Kept => "kept",
            ReadFrom::Index => "index",
            ReadFrom::Packed => "packed",
        };
        match (self.passes.first(), self.passes.last()) {
            (Some(first), Some(last)) if first != last => format!("{}, then {}", name(first), name(last)),
            (Some(first), _) => name(first).to_owned(),
            _ => self.without.to_owned(),
        }
    }
}

/// Formats 1234567 as "1,234,567".
fn big(n: u64) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let mut out = digits[..first].to_owned();
    for group in digits.as_bytes()[first..].chunks(3) {
        if !out.is_empty() {
            out.push(',');
        }
        out.extend(group.iter().map(|&b| char::from(b)));
    }
    out
}

fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 100.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 12, 999, 1000, 1_234_567].map(big), ["0", "12", "999", "1,000", "1,234,567"].map(str::to_owned));
        assert_eq!([0, 1023, 1024, 500 << 20].map(bytes), ["0 B", "1023 B", "1.0 KB", "500 MB"].map(str::to_owned));
    }
}
