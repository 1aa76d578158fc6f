//! Files of 10x Genomics: the tables of cells and features, made from the tables of a plan, and the
//! writing of an HDF5 file.

use super::csr::CsrOut;
use super::encode::Piece;
use super::names::{column_of, table_index, texts};
use super::part::value_of;
use super::plan::{H5adPlan, Part};
use super::spool::Spool;
use super::vectors::{chunk_of, index_data};
use crate::chain::LazyMatrix;
use crate::element::{DType, Data, Number, Strings, Value};
use crate::error::{Error, Result};
use crate::matrix::{self, MemorySource, Storage};
use crate::memory;
use crate::session::Session;
use crate::store::{Compression, GroupWriter, Layout, Writer};
use crate::stream::in_sequence;
use crate::with_data;
use std::path::Path;
use std::sync::Arc;

const COUNTS: &str = "counts to be written";

/// A matrix with the names of its axes in the form of Cell Ranger.
pub(crate) struct TenXPlan {
    /// Cells x features.
    pub(crate) x: LazyMatrix,
    /// Names of cells.
    pub(crate) barcodes: Strings,
    /// Identifiers of features: the column `gene_ids`, else their names.
    pub(crate) ids: Strings,
    /// Names of features.
    pub(crate) names: Strings,
    /// Types of features: the column `feature_types`, else "Gene Expression".
    pub(crate) types: Strings,
    /// Genomes of features: the column `genome`, else empty texts.
    pub(crate) genomes: Strings,
}

impl TenXPlan {
    /// Takes X, and the names in obs and var, of a plan.
    ///
    /// # Errors
    /// [`Error::State`] without X; [`Error::Shape`] for tables of other lengths, or columns that
    /// are not texts.
    pub(crate) fn from_plan(plan: &H5adPlan) -> Result<TenXPlan> {
        let x = match &plan.x {
            Some(Part::Matrix(x)) => x.clone(),
            Some(Part::Copy { store, element, rows, columns }) => {
                LazyMatrix::new(matrix::open(store, element)?).select(rows.as_deref(), columns.as_deref())?
            }
            Some(Part::Value(Value::Sparse(s))) => LazyMatrix::new(Arc::new(MemorySource::from_sparse(s)?)),
            Some(Part::Value(Value::Array(a))) => LazyMatrix::new(Arc::new(MemorySource::from_array(a.clone())?)),
            _ => return Err(Error::State("there is no X to write".to_owned())),
        };
        let index = |part: &Part, name: &str| -> Result<Strings> {
            let (_, index) = table_index(part)?.ok_or_else(|| Error::shape(name, "a table", "none"))?;
            texts(&index, &format!("the index of {name}"))
        };
        let (barcodes, names) = (index(&plan.obs, "obs")?, index(&plan.var, "var")?);
        if x.shape() != (barcodes.len(), names.len()) {
            let expected = format!("{} x {}", barcodes.len(), names.len());
            return Err(Error::shape("X", expected, format!("{} x {}", x.shape().0, x.shape().1)));
        }
        let column = |key: &str, otherwise: &str| -> Result<Option<Strings>> {
            match column_of(&plan.var, key)? {
                Some(part) => texts(&*value_of(&part)?, &format!("var[\"{key}\"]")).map(Some),
                None if otherwise.is_empty() && key == "gene_ids" => Ok(None),
                None => Strings::collected((0..names.len()).map(|_| otherwise)).map(Some),
            }
        };
        Ok(TenXPlan {
            ids: match column("gene_ids", "")? {
                Some(ids) => ids,
                None => Strings::collected(names.iter())?,
            },
            types: column("feature_types", "Gene Expression")?.unwrap_or_default(),
            genomes: column("genome", "")?.unwrap_or_default(),
            x,
            barcodes,
            names,
        })
    }
}

/// Writes X of `plan` as Cell Ranger 3 does (`filtered_feature_bc_matrix.h5`): a sparse matrix of
/// features x cells, compressed by cell, counts as int32. The columns `gene_ids`, `feature_types`
/// and `genome` of `var` are used where they exist.
///
/// # Errors
/// [`Error::Values`] for values other than whole numbers from 0 to 2^31 - 1; errors of the tables
/// and of the pass; [`Error::Io`]. None of them leaves a file behind.
pub fn write_10x_h5(plan: &H5adPlan, path: impl AsRef<Path>, session: &Session) -> Result<()> {
    let plan = TenXPlan::from_plan(plan)?;
    let compression = Compression::Gzip(4);
    let file = Writer::create(path)?;
    {
        let root = file.root()?;
        root.set_text("filetype", "matrix")?;
        root.set_integer("version", 2)?;
        let group = root.group("matrix")?;
        let layout = Layout { compression, ..Layout::default() };
        let list = |group: &GroupWriter<'_>, key: &str, texts: &Strings| {
            group.texts(key, texts.iter(), &[texts.len()], &layout).map(drop)
        };
        list(&group, "barcodes", &plan.barcodes)?;
        let features = group.group("features")?;
        list(&features, "_all_tag_keys", &["genome"].into_iter().collect())?;
        list(&features, "feature_type", &plan.types)?;
        list(&features, "genome", &plan.genomes)?;
        list(&features, "id", &plan.ids)?;
        list(&features, "name", &plan.names)?;
        let (n, m) = plan.x.shape();
        let extent = |n: usize| i32::try_from(n).map_err(|_| Error::parameter("X", "extents below 2147483648", n));
        group.dataset::<i32>("shape", &[2], &Layout::default())?.write(&[extent(m)?, extent(n)?])?;

        let chunk = chunk_of(&plan.x, None);
        let spool = Spool::new(chunk, compression, &session.monitor);
        let mut out = CsrOut::new(&group, DType::I32, chunk, n, true, compression.into())?;
        in_sequence(
            &plan.x,
            session,
            |rows, values| {
                let (indptr, indices, data) = compressed(values, m)?;
                let data = whole(&data, &indptr, &indices, rows.start)?;
                spool.put(
                    rows.start,
                    rows.end,
                    Piece::Sparse { indices: index_data(indices, true)?, data: Data::I32(data) },
                )?;
                Ok(indptr)
            },
            |offsets: Vec<usize>| out.add(&offsets, &spool),
        )?;
        out.finish(&group, &spool, session)?;
    }
    session.monitor.check()?;
    file.commit()
}

/// Converts rows of `n_columns` columns to compressed rows: `indptr`, the column of each value, and
/// the values. Of a dense block, the values that are not 0 are taken.
pub(crate) fn compressed(storage: Storage, n_columns: usize) -> Result<(Vec<usize>, Vec<u32>, Data)> {
    fn pick<T: Number>(values: &[T], n_columns: usize) -> Result<(Vec<usize>, Vec<u32>, Data)> {
        let count = values.iter().filter(|v| v.to_f64() != 0.0).count();
        let rows = values.len() / n_columns.max(1);
        let (mut indptr, mut indices, mut data) =
            (memory::room(rows + 1, COUNTS)?, memory::room(count, COUNTS)?, memory::room(count, COUNTS)?);
        indptr.push(0);
        for row in values.chunks(n_columns.max(1)) {
            for (column, &value) in row.iter().enumerate().filter(|(_, v)| v.to_f64() != 0.0) {
                indices.push(column as u32);
                data.push(value);
            }
            indptr.push(indices.len());
        }
        Ok((indptr, indices, T::wrap(data)))
    }
    match storage {
        Storage::Csr { indptr, indices, data } => Ok((indptr, indices, data)),
        Storage::Dense(data) => with_data!(&data, v => pick(v, n_columns)),
    }
}

/// Converts values to int32. `first` is the first row of the block, for errors.
fn whole(data: &Data, indptr: &[usize], indices: &[u32], first: usize) -> Result<Vec<i32>> {
    fn convert<T: Number>(values: &[T], indptr: &[usize], indices: &[u32], first: usize) -> Result<Vec<i32>> {
        let mut out = memory::room(values.len(), COUNTS)?;
        for (i, value) in values.iter().map(|v| v.to_f64()).enumerate() {
            let count = value as i32;
            if f64::from(count) != value || count < 0 {
                return Err(Error::Values {
                    element: "X".to_owned(),
                    operation: "write_10x_h5()",
                    expected: "counts: whole numbers from 0 to 2147483647",
                    found: value.to_string(),
                    row: first + indptr.partition_point(|&start| start <= i).saturating_sub(1),
                    column: indices.get(i).map_or(0, |&c| c as usize),
                });
            }
            out.push(count);
        }
        Ok(out)
    }
    with_data!(data, v => convert(v, indptr, indices, first))
}
