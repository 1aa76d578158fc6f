//! Compares the ops room on whole files with scanpy 1.11.5 and a dense SVD.

mod ops_support;
use anndataoom_core::ops::{self, Flavor, HvgOptions, NormalizeOptions, PcaOptions, QcOptions, QcSubset, ScaleOptions};
use anndataoom_core::{matrix, store::Store, LazyMatrix, Session};
use ops_support::*;
use std::path::{Path, PathBuf};

/// A data set with golden values, which is opened as a user opens a file.
struct Whole {
    path: PathBuf,
    goldens: Goldens,
    n_top_genes: usize,
}

impl Whole {
    fn open(&self) -> LazyMatrix {
        LazyMatrix::new(matrix::open(&Store::open(&self.path).unwrap(), "X").unwrap())
    }
}

/// Runs `test` on the bundled file, and on pbmc3k if it lies beside the project.
fn every_file(test: fn(Whole)) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../..");
    let shared = std::env::var_os("ANNDATAOOM_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let opened = |path: &Path, goldens, n_top_genes| {
        test(Whole { path: path.to_owned(), goldens: Goldens::read(goldens), n_top_genes });
    };
    opened(&root.join("inst/extdata/pbmc_like.h5ad"), "ops_pbmc_like.bin", 500);
    let real = shared.join("data/pbmc3k.h5ad");
    if real.exists() {
        opened(&real, "ops_pbmc3k.bin", 2000);
    }
}

fn logged(x: &LazyMatrix) -> LazyMatrix {
    let to = NormalizeOptions { target_sum: Some(1e4), ..Default::default() };
    ops::log1p(&ops::normalize_total(x, &to, &session()).unwrap().0, None).unwrap().0
}

/// Returns the mask of `n` genes that is packed into the bits of a golden array.
fn mask(g: &Goldens, name: &str, n: usize) -> Vec<bool> {
    let bytes = g.get(name);
    (0..n).map(|j| bytes[j / 8] as u8 >> (j % 8) & 1 == 1).collect()
}

#[test]
fn qc_and_normalisation() {
    every_file(|whole| {
        let x = whole.open();
        let g = whole.goldens;
        let mt = g.get("mt").iter().map(|&b| b != 0.0).collect();
        let options = QcOptions { qc_vars: vec![QcSubset { name: "mt".into(), mask: mt }], ..Default::default() };
        let patch = ops::calculate_qc_metrics(&x, &options, &session()).unwrap().patch().unwrap();
        for (axis, columns, step) in [("obs", &patch.obs, 20), ("var", &patch.var, 50)] {
            for (name, value) in columns {
                let v = numbers(value);
                let some: Vec<f64> = v.iter().step_by(step).copied().collect();
                assert_close(name, &some, g.get(&format!("qc.{axis}.{name}")), 1e-6);
                assert_close(name, &[v.iter().sum()], g.get(&format!("qc.{axis}.{name}.sum")), 1e-6);
            }
            assert_eq!(g.below(&format!("qc.{axis}.")).len(), 2 * columns.len());
        }
        let (_, found) = ops::normalize_total(&x, &NormalizeOptions::default(), &session()).unwrap();
        let some: Vec<f64> = found.norm_factor().unwrap().into_iter().step_by(20).collect();
        assert_close("norm_factor", &some, g.get("normalize.median.norm_factor"), 1e-6);
    });
}

#[test]
fn highly_variable_genes() {
    every_file(|whole| {
        let x = whole.open();
        let Whole { goldens: g, n_top_genes, .. } = whole;
        let log = logged(&x);
        let m = x.shape().1;
        for (name, flavor, n_top_genes) in [
            ("pearson", Flavor::PearsonResiduals, Some(n_top_genes)),
            ("seurat_top", Flavor::Seurat, Some(n_top_genes)),
            ("seurat_cut", Flavor::Seurat, None),
            ("cell_ranger_top", Flavor::CellRanger, Some(n_top_genes)),
            ("cell_ranger_cut", Flavor::CellRanger, None),
            ("seurat_v3", Flavor::SeuratV3, Some(n_top_genes)),
        ] {
            let options = HvgOptions { flavor, n_top_genes, ..Default::default() };
            let input = if flavor.needs_counts() { &x } else { &log };
            let found = ops::highly_variable_genes(input, &options, &session()).unwrap();
            let golden = mask(&g, &format!("hvg.{name}.highly_variable"), m);
            let both = golden.iter().zip(&found.highly_variable).filter(|(a, b)| **a && **b).count();
            let selected = golden.iter().filter(|g| **g).count();
            println!("{name}: {both} of {selected} genes agree, {} selected", found.positions().len());
            if flavor == Flavor::SeuratV3 {
                assert!(both * 100 >= selected * 99);
            } else {
                assert_eq!(found.highly_variable, golden, "{name}");
            }
            for (c, value) in &found.patch("adata.X").unwrap().var {
                if !c.starts_with("highly_variable") {
                    let some: Vec<f64> = numbers(value).into_iter().step_by(50).collect();
                    let floor = if c == "dispersions_norm" { 1.0 } else { 1e-3 };
                    let w = worst(&some, g.get(&format!("hvg.{name}.{c}")), floor);
                    println!("  {c}: {w:e}");
                    let tolerance = match c.as_str() {
                        "means" => 1e-6,
                        "variances_norm" => 5e-3,
                        _ => 5e-6,
                    };
                    assert!(w < tolerance, "{name}.{c}: {w:e}");
                }
            }
        }
    });
}

#[test]
fn principal_components() {
    every_file(|whole| {
        let x = whole.open();
        let g = whole.goldens;
        let top = mask(&g, "hvg.pearson.highly_variable", x.shape().1);
        let columns: Vec<u32> = (0..top.len() as u32).filter(|&j| top[j as usize]).collect();
        let log = logged(&x).select(None, Some(&columns)).unwrap();
        let scaled =
            ops::scale(&log, &ScaleOptions { max_value: Some(10.0), ..Default::default() }, &session()).unwrap().0;
        for (name, y) in [("log1p", log), ("scaled", scaled)] {
            let found = ops::pca(&y, &PcaOptions::default(), &session()).unwrap();
            let k = found.shape.2;
            let relative = worst(&found.variance, g.get(&format!("pca.{name}.variance")), 1e-300);
            let ratio = worst(&found.variance_ratio, g.get(&format!("pca.{name}.variance_ratio")), 1e-300);
            let loadings = worst(&every(&found.loadings, k, 40), g.get(&format!("pca.{name}.PCs")), 1.0);
            let scores: Vec<f64> = found.x_pca.iter().map(|&x| f64::from(x)).collect();
            let scores = worst(&every(&scores, k, 100), g.get(&format!("pca.{name}.X_pca")), found.variance[0].sqrt());
            println!("pca {name}: variance {relative:e}, ratio {ratio:e}, loadings {loadings:e}, scores {scores:e}");
            assert!(relative < 1e-6 && ratio < 1e-6, "{name}: {relative:e} {ratio:e}");
            // The comparison includes signs; a loading has the scale 1 / sqrt(2000).
            assert!(loadings < 1e-4 && scores < 1e-4, "{name}: {loadings:e} {scores:e}");
        }
    });
}

/// Checks that results have the same bits when passes find what earlier ones kept: sums of counts,
/// and selected columns in memory or in a scratch file.
#[test]
fn kept_columns_and_sums_change_nothing() {
    every_file(|whole| {
        let (fresh, used) = (whole.open(), whole.open());
        let Whole { goldens: g, n_top_genes, .. } = whole;
        let top = mask(&g, "hvg.pearson.highly_variable", fresh.shape().1);
        let columns: Vec<u32> = (0..top.len() as u32).filter(|&j| top[j as usize]).collect();
        let to = ScaleOptions { max_value: Some(10.0), ..Default::default() };
        let hvg = HvgOptions { flavor: Flavor::PearsonResiduals, n_top_genes: Some(n_top_genes), ..Default::default() };
        // A pass over one object keeps nothing for another.
        let alone = ops::highly_variable_genes(&fresh, &hvg, &session()).unwrap();
        let qc = QcOptions { percent_top: Vec::new(), ..Default::default() };
        ops::calculate_qc_metrics(&used, &qc, &session()).unwrap();
        let after = ops::highly_variable_genes(&used, &hvg, &session()).unwrap();
        assert!(after.residual_variances == alone.residual_variances && after.highly_variable == alone.highly_variable);
        assert!(after.means == alone.means && after.variances == alone.variances);

        let rows: Vec<u32> = (0..fresh.shape().0 as u32).rev().collect();
        let first = |x: &LazyMatrix, c: &Session| {
            let log = logged(x).select(Some(&rows), Some(&columns)).unwrap();
            let scaled = ops::scale(&log, &to, c).unwrap().0;
            (ops::pca(&scaled, &PcaOptions::default(), c).unwrap(), scaled)
        };
        let (expected, scaled) = first(&fresh, &session());
        assert!(ops::pca(&scaled, &PcaOptions::default(), &session()).unwrap() == expected);
        // The memory is so small that every block goes to the scratch file.
        let (found, _) = first(&used, &Session { memory: 4096, ..Session::with_threads(3) });
        assert!(found == expected);
    });
}
