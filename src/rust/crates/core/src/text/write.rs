//! A count matrix as text in a folder, in the layout of Cell Ranger 3.

use crate::dtype::{Data, Number};
use crate::element::Strings;
use crate::error::{Error, Result};
use crate::memory;
use crate::session::Session;
use crate::store::Temporary;
use crate::stream::in_sequence;
use crate::with_data;
use crate::write::{compressed, H5adPlan, TenXPlan};
use libdeflater::{CompressionLvl, Compressor};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const TEXT: &str = "text to be written";
/// Number of bytes of text that are compressed together.
const PIECE: usize = 1 << 20;
/// Upper bound of the bytes of a line: two positions and a number.
const LINE: usize = 512;
const LEVEL: i32 = 4;
/// Files of other layouts, which readers would find instead of this matrix.
const OTHERS: [&str; 5] = ["genes.tsv", "genes.tsv.gz", "matrix.mtx", "features.tsv", "barcodes.tsv"];

/// Writes X of `plan` into a folder: `matrix.mtx.gz` (features x cells, sorted by cell),
/// `features.tsv.gz` (`gene_ids`, names and `feature_types`) and `barcodes.tsv.gz`. Zeros are left
/// out. The field of the matrix is "integer" when all values are positive integers below 9e15, else
/// "real". Existing files stay until all new ones are complete.
///
/// # Errors
/// [`Error::State`] for a folder with a matrix of another layout; [`Error::Parameter`] for names
/// that are empty or have tabs, line ends or quotes; the errors of the pass; [`Error::Io`].
pub fn write_10x_mtx(plan: &H5adPlan, folder: impl AsRef<Path>, session: &Session) -> Result<()> {
    let folder = folder.as_ref();
    let plan = TenXPlan::from_plan(plan)?;
    for (what, names) in [
        ("obs_names", &plan.barcodes),
        ("var_names", &plan.names),
        ("gene_ids", &plan.ids),
        ("feature_types", &plan.types),
    ] {
        if let Some(name) = names.iter().find(|n| n.contains(['\t', '\n', '\r', '"']) || n.is_empty()) {
            let expected = "names that are not empty, without tabs, line ends and quotes";
            return Err(Error::parameter(what, expected, format!("{name:?}")));
        }
    }
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create", &e))?;
    if let Some(other) = OTHERS.iter().find(|o| folder.join(o).exists()) {
        return Err(Error::State(format!(
            "'{}' has a matrix of another layout ({other}), which would be read instead: write into another folder",
            folder.display()
        )));
    }
    let mut barcodes = Gzipped::create(folder.join("barcodes.tsv.gz"))?;
    barcodes.lines(&[&plan.barcodes])?;
    let mut features = Gzipped::create(folder.join("features.tsv.gz"))?;
    features.lines(&[&plan.ids, &plan.names, &plan.types])?;
    let mut matrix = Gzipped::create(folder.join("matrix.mtx.gz"))?;
    values(&plan, &mut matrix, session)?;
    [barcodes, features, matrix].into_iter().try_for_each(Gzipped::commit)
}

/// Returns the lines before the values. Their length is constant, because they are overwritten when
/// the number of values is known.
fn head(shape: (usize, usize), values: u64, whole: bool) -> String {
    let field = if whole { "integer" } else { "real   " };
    format!("%%MatrixMarket matrix coordinate {field} general\n{:10} {:10} {values:20}\n", shape.1, shape.0)
}

fn values(plan: &TenXPlan, out: &mut Gzipped, session: &Session) -> Result<()> {
    let (n, m) = plan.x.shape();
    let stored = |whole, values| gzip(head((n, m), values, whole).as_bytes(), 0);
    out.put(&stored(true, 0)?)?;
    let (mut count, mut whole) = (0, true);
    in_sequence(
        &plan.x,
        session,
        |rows, values| {
            let (indptr, indices, data) = compressed(values, m)?;
            text(&indptr, &indices, &data, rows.start)
        },
        |(pieces, values, all_whole): (Vec<Vec<u8>>, u64, bool)| {
            count += values;
            whole &= all_whole;
            pieces.iter().try_for_each(|piece| out.put(piece))
        },
    )?;
    out.put_first(&stored(whole, count)?)
}

/// Formats some rows. Returns the gzipped lines, their number, and whether all values are positive
/// integers below 9e15.
fn text(indptr: &[usize], indices: &[u32], data: &Data, first: usize) -> Result<(Vec<Vec<u8>>, u64, bool)> {
    fn lines<T: Number>(
        values: &[T],
        indptr: &[usize],
        indices: &[u32],
        first: usize,
    ) -> Result<(Vec<Vec<u8>>, u64, bool)> {
        let (mut pieces, mut count, mut whole) = (Vec::new(), 0, true);
        let mut text: Vec<u8> = memory::room(PIECE + LINE, TEXT)?;
        for (row, w) in indptr.windows(2).enumerate() {
            for (gene, value) in indices[w[0]..w[1]].iter().zip(&values[w[0]..w[1]]) {
                let value = value.to_f64();
                if value == 0.0 {
                    continue;
                }
                count += 1;
                digits(&mut text, u64::from(*gene) + 1);
                text.push(b' ');
                digits(&mut text, (first + row) as u64 + 1);
                text.push(b' ');
                if value.fract() == 0.0 && value > 0.0 && value < 9e15 {
                    digits(&mut text, value as u64);
                } else {
                    whole = false;
                    // The shortest text that parses to the same number of its type.
                    let _ = match T::DTYPE.size() {
                        8 => write!(text, "{value:?}"),
                        _ => write!(text, "{:?}", value as f32),
                    };
                }
                text.push(b'\n');
                if text.len() >= PIECE {
                    pieces.push(gzip(&text, LEVEL)?);
                    text.clear();
                }
            }
        }
        if !text.is_empty() {
            pieces.push(gzip(&text, LEVEL)?);
        }
        Ok((pieces, count, whole))
    }
    with_data!(data, v => lines(v, indptr, indices, first))
}

fn digits(text: &mut Vec<u8>, mut n: u64) {
    let mut out = [0_u8; 20];
    let mut at = out.len();
    loop {
        at -= 1;
        out[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    text.extend_from_slice(&out[at..]);
}

/// Compresses text to one gzip member, which may stand between others.
fn gzip(text: &[u8], level: i32) -> Result<Vec<u8>> {
    let failed = |e: String| Error::Internal(format!("compressing text: {e}"));
    let level = CompressionLvl::new(level).map_err(|e| failed(format!("{e:?}")))?;
    let mut compressor = Compressor::new(level);
    let mut out = memory::zeros::<u8>(compressor.gzip_compress_bound(text.len()), TEXT)?;
    let n = compressor.gzip_compress(text, &mut out).map_err(|e| failed(e.to_string()))?;
    out.truncate(n);
    out.shrink_to_fit();
    Ok(out)
}

/// A gzipped file that replaces its target once it is complete.
struct Gzipped {
    target: PathBuf,
    temporary: Temporary,
    file: File,
}

impl Gzipped {
    fn create(target: PathBuf) -> Result<Gzipped> {
        let temporary = Temporary::create(&target)?;
        let file = File::options().write(true).open(temporary.path()?).map_err(|e| Error::io(&target, "write", &e))?;
        Ok(Gzipped { target, temporary, file })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::io(&self.target, "write", &e))
    }

    /// Overwrites the first bytes.
    fn put_first(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.seek(SeekFrom::Start(0)).map_err(|e| Error::io(&self.target, "write", &e))?;
        self.put(bytes)
    }

    /// Writes columns of texts with tabs between them.
    fn lines(&mut self, columns: &[&Strings]) -> Result<()> {
        let mut text: Vec<u8> = memory::room(PIECE + LINE, TEXT)?;
        for i in 0..columns.first().map_or(0, |c| c.len()) {
            for (j, column) in columns.iter().enumerate() {
                if j > 0 {
                    text.push(b'\t');
                }
                text.extend_from_slice(column.get(i).unwrap_or_default().as_bytes());
            }
            text.push(b'\n');
            if text.len() >= PIECE {
                self.put(&gzip(&text, LEVEL)?)?;
                text.clear();
            }
        }
        self.put(&gzip(&text, LEVEL)?)
    }

    fn commit(mut self) -> Result<()> {
        let path = self.temporary.path()?.to_owned();
        self.file.sync_all().map_err(|e| Error::io(&self.target, "write", &e))?;
        std::fs::rename(path, &self.target).map_err(|e| Error::io(&self.target, "replace", &e))?;
        self.temporary.keep();
        Ok(())
    }
}
