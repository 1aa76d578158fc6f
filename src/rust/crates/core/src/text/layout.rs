//! The files of a folder that belong together: a matrix, the names of its genes, and the names of
//! its cells.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The format of the files of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Columns separated by tabs, without a line of titles.
    Columns,
    /// A table separated by commas, with a line of titles.
    Table,
}

/// The files of a count matrix in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) matrix: PathBuf,
    pub(super) genes: PathBuf,
    pub(super) cells: PathBuf,
    /// A file of symbols beside one of identifiers.
    pub(super) symbols: Option<PathBuf>,
    pub(super) names: Names,
    /// Whether the rows of the matrix are genes when its extents do not tell.
    pub(super) genes_first: bool,
}

/// A naming scheme of the files.
struct Kind {
    /// Ends of the names, without `.gz`, of the files of the matrix, the genes (the first one there
    /// counts) and the cells.
    matrix: &'static [&'static str],
    genes: &'static [&'static str],
    cells: &'static [&'static str],
    symbols: &'static str,
    names: Names,
    genes_first: bool,
}

const KINDS: [Kind; 4] = [
    // Cell Ranger 3 and 2, and STARsolo. GEO adds a prefix to each name.
    Kind {
        matrix: &["matrix.mtx"],
        genes: &["features.tsv", "genes.tsv"],
        cells: &["barcodes.tsv"],
        symbols: "",
        names: Names::Columns,
        genes_first: true,
    },
    // alevin-fry
    Kind {
        matrix: &["quants_mat.mtx"],
        genes: &["quants_mat_cols.txt"],
        cells: &["quants_mat_rows.txt"],
        symbols: "",
        names: Names::Columns,
        genes_first: false,
    },
    // Parse
    Kind {
        matrix: &["DGE.mtx", "count_matrix.mtx"],
        genes: &["all_genes.csv"],
        cells: &["cell_metadata.csv"],
        symbols: "",
        names: Names::Table,
        genes_first: false,
    },
    // kallisto and bustools, with any name before the dot.
    Kind {
        matrix: &[".mtx"],
        genes: &[".genes.txt"],
        cells: &[".barcodes.txt"],
        symbols: ".genes.names.txt",
        names: Names::Columns,
        genes_first: false,
    },
];

const EXPECTED: &str = "matrix.mtx, features.tsv or genes.tsv, and barcodes.tsv (gzipped or not), as Cell Ranger and \
STARsolo write them, or the files of alevin-fry, kallisto or Parse";

/// Returns the name of a file without `.gz`.
fn plain(name: &str) -> &str {
    name.strip_suffix(".gz").unwrap_or(name)
}

/// Lists the names of the files and of the folders in a folder, each sorted. Names that are not
/// UTF-8 are left out.
pub(super) fn listing(folder: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let io = |e: std::io::Error| Error::io(folder, "read the folder", &e);
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // Links count as their target.
        let is_folder = std::fs::metadata(entry.path()).is_ok_and(|m| m.is_dir());
        if is_folder { &mut folders } else { &mut files }.push(name);
    }
    files.sort();
    folders.sort();
    Ok((files, folders))
}

/// Returns the first file named `prefix` and one of `ends`, preferably not gzipped.
fn file<'f>(files: &'f [String], prefix: &str, ends: &[&str]) -> Option<&'f String> {
    ends.iter().find_map(|end| {
        let wanted = format!("{prefix}{end}");
        files.iter().find(|f| **f == wanted).or_else(|| files.iter().find(|f| plain(f) == wanted))
    })
}

/// Returns all complete sets of files in a folder, each with its prefix.
fn sets(folder: &Path, files: &[String]) -> Vec<(String, Layout)> {
    let mut out: Vec<(String, Layout)> = Vec::new();
    for kind in &KINDS {
        for (name, end) in files.iter().flat_map(|f| kind.matrix.iter().map(move |end| (f, end))) {
            let Some(prefix) = plain(name).strip_suffix(end) else { continue };
            let found = (file(files, prefix, kind.genes), file(files, prefix, kind.cells));
            let (Some(genes), Some(cells)) = found else { continue };
            let symbols = (!kind.symbols.is_empty()).then(|| file(files, prefix, &[kind.symbols])).flatten();
            // The same matrix is there gzipped and not.
            if out.iter().any(|(p, _)| p == prefix) {
                continue;
            }
            let layout = Layout {
                matrix: folder.join(name),
                genes: folder.join(genes),
                cells: folder.join(cells),
                symbols: symbols.map(|s| folder.join(s)),
                names: kind.names,
                genes_first: kind.genes_first,
            };
            out.push((prefix.to_owned(), layout));
        }
    }
    out
}

/// Returns whether a folder holds a count matrix with its names.
pub(super) fn has_matrix(folder: &Path) -> bool {
    listing(folder).is_ok_and(|(files, _)| !sets(folder, &files).is_empty())
}

/// Finds the count matrix at `path`. In a folder with several matrices `prefix` chooses one; for a
/// file, the names are those beside it.
///
/// # Errors
/// [`Error::Io`]; [`Error::File`] for a folder without a matrix, with the files found;
/// [`Error::Parameter`] for a prefix that is needed but not given, or that no file has.
pub(super) fn find(path: &Path, prefix: Option<&str>) -> Result<Layout> {
    if path.is_file() {
        return files_beside(path, prefix);
    }
    let (files, folders) = listing(path)?;
    let mut sets = sets(path, &files);
    let quoted = |prefix: &str| format!("\"{prefix}\"");
    if let Some(wanted) = prefix {
        if let Some(at) = sets.iter().position(|(p, _)| p == wanted) {
            return Ok(sets.swap_remove(at).1);
        }
        if !sets.is_empty() {
            let there: Vec<String> = sets.iter().map(|(p, _)| quoted(p)).collect();
            let expected = format!("what the names of a matrix in '{}' begin with: {}", path.display(), listed(&there));
            return Err(Error::parameter("prefix", expected, quoted(wanted)));
        }
    }
    match sets.len() {
        0 => Err(nothing_found(path, &files, &folders)),
        1 => Ok(sets.swap_remove(0).1),
        n => {
            if let Some(at) = sets.iter().position(|(p, _)| p.is_empty()) {
                return Ok(sets.swap_remove(at).1);
            }
            let there: Vec<String> = sets.iter().map(|(p, _)| quoted(p)).collect();
            let expected = format!("one of the {n} in '{}': {}", path.display(), listed(&there));
            Err(Error::parameter("prefix", expected, "none"))
        }
    }
}

/// Joins up to 20 names by commas.
pub(super) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    format!("{}{more}", names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// Makes the error for a folder without a matrix.
fn nothing_found(path: &Path, files: &[String], folders: &[String]) -> Error {
    let inner: Vec<String> =
        folders.iter().filter(|f| has_matrix(&path.join(f))).map(|f| format!("'{}'", path.join(f).display())).collect();
    let matrices = files.iter().filter(|f| plain(f).ends_with(".mtx")).count();
    let found = match (files.len() + folders.len(), matrices) {
        _ if !inner.is_empty() => format!("none here, but in {}", listed(&inner)),
        (0, _) => "an empty folder".to_owned(),
        (_, 0) => listed(&files.iter().chain(folders).cloned().collect::<Vec<_>>()),
        _ => format!("a matrix without the names of its genes or cells among {}", listed(files)),
    };
    Error::File { path: path.into(), message: format!("expected a folder with {EXPECTED}; found {found}") }
}

/// Finds the names beside a matrix whose file is given.
fn files_beside(path: &Path, prefix: Option<&str>) -> Result<Layout> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let (files, folders) = listing(folder)?;
    let same = |l: &Layout| l.matrix.file_name().and_then(|n| n.to_str()).is_some_and(|n| plain(n) == plain(name));
    let found = sets(folder, &files).into_iter().map(|s| s.1).find(|l| same(l)).or_else(|| {
        // STARsolo writes several matrices of the same genes and cells.
        let prefix = prefix.unwrap_or_default();
        let genes = file(&files, prefix, KINDS[0].genes)?;
        let cells = file(&files, prefix, KINDS[0].cells)?;
        let (genes, cells) = (folder.join(genes), folder.join(cells));
        let matrix = path.to_owned();
        Some(Layout { matrix, genes, cells, symbols: None, names: Names::Columns, genes_first: true })
    });
    match found {
        Some(layout) => Ok(Layout { matrix: path.to_owned(), ..layout }),
        None if plain(name).ends_with(".mtx") => Err(Error::File {
            path: path.into(),
            message: format!(
                "expected the names of its genes and cells beside it (features.tsv and barcodes.tsv, or others of \
                 {EXPECTED}); found {}",
                listed(&files)
            ),
        }),
        None => {
            let mut e = nothing_found(folder, &files, &folders);
            if let Error::File { path: of, message } = &mut e {
                *of = path.into();
                *message = format!("expected a folder with {EXPECTED}; found a file");
            }
            Err(e)
        }
    }
}

/// Returns the prefix of each matrix in a folder, sorted: the text that the names of its files
/// share. The list is empty where `find` needs no prefix: for a file, and for a folder with at most
/// one matrix or with a matrix whose files have no prefix.
///
/// # Errors
/// [`Error::Io`].
pub fn prefixes(path: &Path) -> Result<Vec<String>> {
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let mut found: Vec<String> = sets(path, &listing(path)?.0).into_iter().map(|s| s.0).collect();
    found.sort();
    Ok(if found.len() < 2 || found.iter().any(String::is_empty) { Vec::new() } else { found })
}
