//! Reads all that can be read of a file, whatever its content.

use anndataoom_core::chain::LazyMatrix;
use anndataoom_core::element::{self, DataFrame, Value};
use anndataoom_core::matrix;
use anndataoom_core::store::Store;
use anndataoom_core::stream::{Blocks, Order};
use anndataoom_core::text;
use anndataoom_core::write::{write_h5ad, H5adPlan, Part, WriteOptions};
use anndataoom_core::{Error, Session};
use std::path::Path;
use std::sync::Arc;

/// Upper bounds of the number of groups and datasets that are read, and of their depth: links of a
/// file to itself make both infinite.
const MOST: usize = 300;
const DEEPEST: usize = 12;

/// Opens the file and reads everything in it with every reader. The error returned is the first one
/// of a reader that is a defect of ours or does not say where it is from.
pub fn everything(file: &Path) -> Result<(), String> {
    let store = match Store::open(file) {
        Ok(store) => store,
        Err(e) => return judge(&e).and_then(|()| as_text(file)),
    };
    let mut errors = Vec::new();
    let mut keep = |e: Option<Error>| errors.extend(e);
    keep(element::tree(&store).err());
    keep(element::read_10x(&store, None).err());
    keep(element::seurat::read_h5seurat(&store, None, None).err());
    keep(element::loom::read_loom(&store, &element::loom::LoomOptions::default()).err());
    match element::mudata::modalities(&store) {
        Ok(names) => names.unwrap_or_default().iter().take(5).for_each(|name| {
            keep(element::mudata::shared_frame(&store, "obs", name).err());
            let tree =
                store.subgroup(&format!("{}/{name}", element::mudata::MODALITIES)).and_then(|s| element::tree(&s));
            keep(tree.err());
        }),
        Err(e) => keep(Some(e)),
    }
    let mut paths = vec![String::new()];
    let mut at = 0;
    while at < paths.len() {
        let path = paths[at].clone();
        at += 1;
        keep(element::describe(&store, &path).err());
        match store.node(&path) {
            Ok(node) if node.is_group() && path.split('/').count() <= DEEPEST => match node.keys() {
                Ok(keys) => {
                    let room = MOST.saturating_sub(paths.len());
                    let below = |k: String| if path.is_empty() { k } else { format!("{path}/{k}") };
                    paths.extend(keys.into_iter().take(room).map(below));
                }
                Err(e) => keep(Some(e)),
            },
            Ok(_) => {}
            Err(e) => keep(Some(e)),
        }
        if path.is_empty() {
            continue;
        }
        keep(element::read(&store, &path).err());
        keep(element::read_selected(&store, &path, Some(&[1, 0, 0]), None).err());
        keep(element::read_index(&store, &path).err());
        match element::column_names(&store, &path) {
            Ok(names) => names.iter().take(30).for_each(|n| keep(element::read_column(&store, &path, n).err())),
            Err(e) => keep(Some(e)),
        }
        keep(stream(&store, &path).err());
    }
    let copy = copy(&store, &file.with_file_name("copy.h5ad"));
    if let Ok(Some(wrong)) = copy {
        return Err(wrong);
    }
    keep(copy.err());
    errors.iter().try_for_each(judge)
}

/// Reads the file as the matrix of a folder of text files, and as the names of its genes. A file
/// that results is read again; a failed reader must leave no file behind.
fn as_text(file: &Path) -> Result<(), String> {
    let io = |e: std::io::Error| e.to_string();
    let folder = file.with_file_name("text");
    let session = Session { threads: 2, memory: 1 << 20, ..Session::default() };
    let names = |n: usize, columns: &str| (0..n).map(|i| format!("name{i}{columns}\n")).collect::<String>();
    for place in ["matrix.mtx", "features.tsv"] {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(io)?;
        let matrix = "%%MatrixMarket matrix coordinate integer general\n12 9 1\n1 1 1\n";
        std::fs::write(folder.join("matrix.mtx"), matrix).map_err(io)?;
        std::fs::write(folder.join("features.tsv"), names(12, "\tsymbol\tGene Expression")).map_err(io)?;
        std::fs::write(folder.join("barcodes.tsv"), names(9, "")).map_err(io)?;
        std::fs::copy(file, folder.join(place)).map_err(io)?;
        let to = folder.join("case.h5ad");
        let read = || text::read_10x_mtx(&folder, &text::MtxOptions::default(), &to, &session);
        made(text::content(&folder).and_then(|_| read()), &to)?;
        if std::fs::read_dir(&folder).map_err(io)?.count() != 3 {
            return Err("something is left behind".to_owned());
        }
    }
    for transpose in [false, true] {
        let options = text::TextOptions { transpose, ..text::TextOptions::default() };
        let to = folder.join("case.h5ad");
        made(text::read_text(file, &options, &to, &session), &to)?;
        if std::fs::read_dir(&folder).map_err(io)?.count() != 3 {
            return Err("a table leaves something behind".to_owned());
        }
    }
    std::fs::remove_dir_all(&folder).map_err(io)
}

/// Reads the file that was made of a text, and removes it.
fn made(read: Result<(), Error>, to: &Path) -> Result<(), String> {
    match read {
        Err(e) => judge(&e),
        Ok(()) => {
            let store = Store::open(to).map_err(|e| format!("what was made cannot be opened: {e}"))?;
            stream(&store, "X").map_err(|e| format!("what was made cannot be read: {e}"))?;
            std::fs::remove_file(to).map_err(|e| e.to_string())
        }
    }
}

/// Copies the elements at the root into another file, undecoded. Returns the first failure to read
/// a copy whose original can be read, if there is one.
fn copy(store: &Arc<Store>, to: &Path) -> Result<Option<String>, Error> {
    let names = |n: usize| DataFrame {
        index_name: None,
        index: Box::new(Value::strings((0..n).map(|i| i.to_string()))),
        columns: Vec::new(),
    };
    let mut plan = H5adPlan::new(None, names(1).into(), names(1).into());
    plan.uns = store.keys("")?.into_iter().map(|key| (key.clone(), Part::copy(store, key))).collect();
    let done = write_h5ad(&plan, to, &WriteOptions::default(), &Session::with_threads(1));
    let lost = done.and_then(|_| {
        let copied = Store::open(to)?;
        let lost = |key: &String| {
            let read = element::read(store, key).is_ok();
            let again = element::read(&copied, &format!("uns/{key}"));
            again.err().filter(|_| read).map(|e| format!("a copy that cannot be read: {e}"))
        };
        Ok(store.keys("")?.iter().find_map(lost))
    });
    let _ = std::fs::remove_file(to);
    lost
}

/// Makes passes over a matrix as it is stored, over a part of it, and over permuted rows.
fn stream(store: &Arc<Store>, path: &str) -> Result<(), Error> {
    let x = LazyMatrix::new(matrix::open(store, path)?);
    let session = Session { threads: 2, memory: 32 << 20, ..Session::default() };
    let (n, m) = x.shape();
    let pass = |x: &LazyMatrix| Blocks::new(x, Order::Matrix, &session)?.try_for_each(|b| b.map(drop));
    if n > 10_000_000 {
        // A huge shape may be only a claim of the metadata, so only its first rows are read.
        return pass(&x.select(Some(&[0, 1, 2]), None)?);
    }
    pass(&x)?;
    let rows: Vec<u32> = (0..n.min(50) as u32).rev().collect();
    let columns: Vec<u32> = (0..m.min(50) as u32).step_by(2).collect();
    pass(&x.select(Some(&rows), Some(&columns))?)
}

fn judge(e: &Error) -> Result<(), String> {
    let text = e.to_string();
    match e {
        Error::Internal(_) => Err(text),
        // These errors concern our own arguments, and their texts say so.
        Error::Index { .. } | Error::State(_) | Error::Name { .. } | Error::Parameter { .. } => Ok(()),
        _ if text.contains("case.h5ad") || text.contains('\'') => Ok(()),
        _ => Err(format!("an error that names nothing: {text}")),
    }
}
