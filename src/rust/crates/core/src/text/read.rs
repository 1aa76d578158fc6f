//! Readers of count matrices and tables as text, which write an h5ad file.

use super::layout::{find, Layout, Names};
use super::market::{self, Header};
use super::names::{frame, tabbed, table, texts, typed, unique, Columns};
use super::stream::{Body, Guess, TextStream};
use super::table::{self, TextOptions};
use crate::element::{DataFrame, Strings, Value};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::write::{write_h5ad, H5adPlan, Part, WriteOptions};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Options of reading a folder, as in scanpy's `read_10x_mtx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MtxOptions {
    /// Whether genes are named by identifiers instead of symbols.
    pub gene_ids: bool,
    /// Whether repeated symbols get "-1", "-2", ... appended.
    pub make_unique: bool,
    /// Whether only features of the type "Gene Expression" are read.
    pub gex_only: bool,
    /// The prefix of the files' names.
    pub prefix: Option<String>,
}

impl Default for MtxOptions {
    fn default() -> Self {
        MtxOptions { gene_ids: false, make_unique: true, gex_only: true, prefix: None }
    }
}

/// The type of the features that `gex_only` keeps.
const GENES: &str = "Gene Expression";

/// Writes the count matrix of a folder as an h5ad file: cells x genes, CSR, float32 (float64 where
/// an integer is not exact in float32). The text is read once, and again if its values turn out not
/// to be in the order of cells or to need float64. Memory grows with the names, but not with the
/// matrix.
///
/// # Errors
/// [`Error::File`] for a folder without a matrix, or damaged files; [`Error::Line`];
/// [`Error::Parameter`] for a prefix; [`Error::Shape`] when the numbers of names do not fit the
/// matrix; the errors of writing. No error leaves a file behind.
pub fn read_10x_mtx(
    folder: impl AsRef<Path>,
    options: &MtxOptions,
    to: impl AsRef<Path>,
    session: &Session,
) -> Result<()> {
    let (folder, to) = (folder.as_ref(), to.as_ref());
    let layout = find(folder, options.prefix.as_deref())?;
    let header = market::header(&layout.matrix, &session.monitor)?;
    let genes = match layout.names {
        Names::Columns => tabbed(&layout.genes, 3, session)?,
        Names::Table => table(&layout.genes, session)?,
    };
    let cells = match layout.names {
        Names::Columns => tabbed(&layout.cells, 1, session)?,
        Names::Table => table(&layout.cells, session)?,
    };
    let genes_first = orientation(&layout, header, genes.len(), cells.len())?;
    let keep = genes_to_keep(&genes, options);
    let var = var_of(&layout, genes, options, keep.as_deref(), session)?;
    let obs = obs_of(cells);
    let n_genes = var.index.len().unwrap_or(0);
    let places = keep.map(|keep| {
        let mut next = 0..;
        keep.iter().map(|&k| if k { next.next().unwrap_or(u32::MAX) } else { u32::MAX }).collect()
    });
    let stream = |guess| TextStream {
        path: layout.matrix.clone(),
        body: Body::Market(header),
        genes_first,
        genes: places.clone(),
        n_genes,
        guess,
        better: Mutex::default(),
    };
    write(H5adPlan::new(None, obs.into(), var.into()), Guess { sorted: true, narrow: true }, stream, to, session)
}

/// Writes a table of numbers as an h5ad file: CSR without zeros, float32 (float64 where an integer
/// is not exact in float32). The text is read twice: for the names, and for the values.
///
/// # Errors
/// [`Error::File`], [`Error::Line`] for a text that is no table; the errors of writing. No error
/// leaves a file behind.
pub fn read_text(path: impl AsRef<Path>, options: &TextOptions, to: impl AsRef<Path>, session: &Session) -> Result<()> {
    let path = path.as_ref();
    let found = table::scan(path, options, session)?;
    let genes_first = options.transpose;
    let (cells, genes) = if genes_first { (found.columns, found.rows) } else { (found.rows, found.columns) };
    let n_genes = genes.len();
    let stream = |guess| TextStream {
        path: path.to_owned(),
        body: Body::Table(found.table.clone()),
        genes_first,
        genes: None,
        n_genes,
        guess,
        better: Mutex::default(),
    };
    let plan = H5adPlan::new(None, frame(cells, Vec::new()).into(), frame(genes, Vec::new()).into());
    write(plan, Guess { sorted: !genes_first, narrow: true }, stream, to.as_ref(), session)
}

/// Writes the plan with the text as X, once more for every guess that turns out wrong.
fn write(
    mut plan: H5adPlan,
    mut guess: Guess,
    stream: impl Fn(Guess) -> TextStream,
    to: &Path,
    session: &Session,
) -> Result<()> {
    loop {
        let stream = Arc::new(stream(guess));
        plan.x = Some(Part::Rows(stream.clone()));
        match (write_h5ad(&plan, to, &WriteOptions::default(), session), stream.better()) {
            (Err(_), Some(better)) => guess = better,
            (done, _) => return done,
        }
    }
}

/// Returns whether the rows of the matrix are genes, by the numbers of names.
fn orientation(layout: &Layout, header: Header, genes: usize, cells: usize) -> Result<bool> {
    let extents = (header.rows, header.columns);
    match (extents == (genes, cells), extents == (cells, genes)) {
        (true, true) => Ok(layout.genes_first),
        (true, false) => Ok(true),
        (false, true) => Ok(false),
        (false, false) => {
            let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Err(Error::shape(
                format!("'{}'", layout.matrix.display()),
                format!(
                    "{genes} x {cells} or {cells} x {genes}, the numbers of names in {} and {}",
                    name(&layout.genes),
                    name(&layout.cells)
                ),
                format!("{} x {}", header.rows, header.columns),
            ))
        }
    }
}

/// Returns for each gene whether it is read; `None` for all.
fn genes_to_keep(genes: &Columns, options: &MtxOptions) -> Option<Vec<bool>> {
    let types = genes.columns.get(2).filter(|_| options.gex_only && genes.titles.is_empty())?;
    let keep: Vec<bool> = types.iter().map(|t| t == GENES).collect();
    keep.contains(&false).then_some(keep)
}

fn filtered(names: &Strings, keep: Option<&[bool]>) -> Result<Strings> {
    let kept = |i: usize| keep.is_none_or(|k| k.get(i).copied().unwrap_or(false));
    Strings::collected(names.iter().enumerate().filter(|(i, _)| kept(*i)).map(|(_, name)| name))
}

fn var_of(
    layout: &Layout,
    genes: Columns,
    options: &MtxOptions,
    keep: Option<&[bool]>,
    session: &Session,
) -> Result<DataFrame> {
    let titled = |title: &str| genes.titled(title).cloned();
    let beside = layout.symbols.as_ref().map(|path| tabbed(path, 1, session)).transpose()?;
    if let (Some(path), Some(found)) = (&layout.symbols, &beside) {
        if found.len() != genes.len() {
            let expected = format!("{} names, one for each gene", genes.len());
            return Err(Error::shape(format!("'{}'", path.display()), expected, found.len()));
        }
    }
    let beside = beside.and_then(|c| c.columns.into_iter().next());
    let mut columns = genes.columns.iter().cloned();
    let (ids, symbols, others) = if genes.titles.is_empty() {
        let (ids, symbols) = (columns.next().unwrap_or_default(), columns.next().or(beside));
        (ids, symbols, columns.next().map(|types| ("feature_types".to_owned(), types)).into_iter().collect())
    } else {
        let ids = titled("gene_id").or_else(|| columns.next()).unwrap_or_default();
        let others: Vec<(String, Strings)> = (genes.titles.iter().cloned().zip(genes.columns.iter().cloned()))
            .filter(|(title, _)| !title.is_empty() && title != "gene_id" && title != "gene_name")
            .collect();
        (ids, titled("gene_name"), others)
    };
    // Names become unique before genes are left out, as in scanpy.
    let symbols = match symbols {
        Some(symbols) if options.make_unique && !options.gene_ids => Some(unique(&symbols)?),
        symbols => symbols,
    };
    let ids = filtered(&ids, keep)?;
    let symbols = symbols.map(|s| filtered(&s, keep)).transpose()?;
    let (index, mut columns) = match (symbols, options.gene_ids) {
        (Some(symbols), false) => (symbols, vec![("gene_ids".to_owned(), texts(ids))]),
        (Some(symbols), true) => (ids, vec![("gene_symbols".to_owned(), texts(symbols))]),
        (None, _) => (ids, Vec::new()),
    };
    for (title, column) in others {
        columns.push((title, texts(filtered(&column, keep)?)));
    }
    Ok(frame(index, columns))
}

fn obs_of(cells: Columns) -> DataFrame {
    let mut titles = cells.titles.into_iter().skip(1);
    let mut columns = cells.columns.into_iter();
    let index = columns.next().unwrap_or_default();
    let columns: Vec<(String, Value)> = columns
        .map(|column| (titles.next().unwrap_or_default(), typed(column)))
        .filter(|(title, _)| !title.is_empty())
        .collect();
    frame(index, columns)
}
