//! The simulated matrix as a source of blocks, with its obs and var.

use super::genes::{barcode, gene_id, type_name};
use super::model::Model;
use super::Simulation;
use crate::element::{Categorical, DType, Data, DataFrame, Strings, Value};
use crate::error::{Error, Result};
use crate::matrix::{cut_blocks, Block, ColumnMap, Layout, Location, Pass, Positions, Rows, Source, Storage};
use crate::session::Allowance;
use std::ops::Range;
use std::sync::Arc;

/// A simulated matrix of counts (CSR, float32) whose rows are drawn when they are read. See the
/// [module](super) for the distribution.
pub struct SimulatedSource {
    simulation: Simulation,
    model: Model,
}

impl std::fmt::Debug for SimulatedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedSource").field("simulation", &self.simulation).finish_non_exhaustive()
    }
}

impl SimulatedSource {
    /// Makes the source; time and memory grow with `n_types * n_vars`, not with `n_obs`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a value outside its domain.
    pub fn new(simulation: Simulation) -> Result<Self> {
        let s = &simulation;
        let counts = [("n_vars", s.n_vars, 20), ("n_types", s.n_types, 1), ("n_batches", s.n_batches, 1)];
        for (name, value, least) in counts {
            if value < least || u32::try_from(value).is_err() {
                return Err(Error::parameter(name, format!("a number from {least} to {}", u32::MAX), value));
            }
        }
        if u32::try_from(s.n_obs).is_err() {
            return Err(Error::parameter("n_obs", format!("at most {}", u32::MAX), s.n_obs));
        }
        if !(s.density > 0.0 && s.density <= 0.9) {
            return Err(Error::parameter("density", "above 0 and at most 0.9", s.density));
        }
        let model = Model::new(s);
        Ok(SimulatedSource { simulation, model })
    }

    /// Returns the parameters.
    pub fn simulation(&self) -> &Simulation {
        &self.simulation
    }

    /// Returns obs: barcodes as index (18 characters, unique), `cell_type` and `batch` as
    /// categoricals.
    pub fn obs(&self) -> DataFrame {
        let n = self.simulation.n_obs;
        let mut index = Strings::new();
        let (mut types, mut batches) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for row in 0..n as u32 {
            let (cell, _) = self.model.cell(row);
            index.push(&barcode(row, self.simulation.seed));
            types.push(cell.cell_type as i32);
            batches.push(cell.batch as i32);
        }
        let categorical = |codes, names: Vec<String>| {
            Value::Categorical(Categorical { codes, categories: Box::new(Value::strings(names)), ordered: false })
        };
        DataFrame {
            index_name: None,
            index: Box::new(Value::Strings { shape: vec![n], data: index }),
            columns: vec![
                ("cell_type".into(), categorical(types, (0..self.simulation.n_types).map(type_name).collect())),
                (
                    "batch".into(),
                    categorical(batches, (1..=self.simulation.n_batches).map(|b| format!("batch{b}")).collect()),
                ),
            ],
        }
    }

    /// Returns var: gene symbols as index, `gene_ids` (ENSG...).
    pub fn var(&self) -> DataFrame {
        DataFrame {
            index_name: None,
            index: Box::new(Value::strings(&self.model.gene_names)),
            columns: vec![("gene_ids".into(), Value::strings((0..self.simulation.n_vars).map(gene_id)))],
        }
    }

    /// Returns the parameters as the dict `uns["simulation"]` of a written file.
    pub fn parameters(&self) -> Value {
        let s = &self.simulation;
        let count = |n: usize| Value::number(n as i64);
        Value::Dict(vec![
            ("n_obs".into(), count(s.n_obs)),
            ("n_vars".into(), count(s.n_vars)),
            ("n_types".into(), count(s.n_types)),
            ("n_batches".into(), count(s.n_batches)),
            ("density".into(), Value::number(s.density)),
            ("seed".into(), Value::number(s.seed)),
        ])
    }

    /// Returns the expected number of non-zero counts of a row.
    fn row_values(&self) -> u64 {
        ((self.simulation.density * self.simulation.n_vars as f64) as u64).max(1)
    }
}

impl Source for SimulatedSource {
    fn shape(&self) -> (usize, usize) {
        (self.simulation.n_obs, self.simulation.n_vars)
    }

    fn dtype(&self) -> DType {
        DType::F32
    }

    fn layout(&self) -> Layout {
        Layout::Csr
    }

    /// Returns `None`: the number is unknown before rows are drawn.
    fn nnz(&self) -> Option<u64> {
        None
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn location(&self) -> Option<Location> {
        None
    }

    fn pass<'a>(&'a self, rows: Rows, columns: Option<Arc<ColumnMap>>, _: &Allowance) -> Result<Box<dyn Pass + 'a>> {
        let per_row = self.row_values();
        let blocks = cut_blocks(rows.len(self.simulation.n_obs), |_| per_row);
        Ok(Box::new(SimulatedPass { source: self, rows, columns, blocks }))
    }
}

struct SimulatedPass<'a> {
    source: &'a SimulatedSource,
    rows: Rows,
    columns: Option<Arc<ColumnMap>>,
    blocks: Vec<Range<usize>>,
}

impl Pass for SimulatedPass<'_> {
    fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    fn cost(&self, block: usize) -> usize {
        // 8 bytes a value, and half as much again for rows above the expectation.
        self.blocks[block].len() * self.source.row_values() as usize * 12
    }

    fn read(&self, block: usize) -> Result<Block> {
        let range = self.blocks[block].clone();
        let expected = range.len() * self.source.row_values() as usize;
        let (mut low, mut row) = (Vec::new(), Vec::new());
        let mut indptr = Vec::with_capacity(range.len() + 1);
        let (mut indices, mut data) = (Vec::with_capacity(expected), Vec::with_capacity(expected));
        indptr.push(0);
        for i in range.clone() {
            self.source.model.draw(self.rows.row(i) as u32, &mut low, &mut row);
            if let Some(map) = &self.columns {
                row = row.iter().flat_map(|&(g, x)| map.outputs(g).map(move |c| (c, x))).collect();
                if !map.ascending() {
                    row.sort_unstable_by_key(|&(c, _)| c);
                }
            }
            indices.extend(row.iter().map(|e| e.0));
            data.extend(row.iter().map(|e| e.1 as f32));
            indptr.push(indices.len());
        }
        let n_cols = self.columns.as_ref().map_or(self.source.simulation.n_vars, |m| m.n_out());
        Ok(Block {
            positions: Positions::Range(range),
            n_cols,
            storage: Storage::Csr { indptr, indices, data: Data::F32(data) },
        })
    }
}
