//! Compares highly variable genes with scanpy 1.11.5.

mod ops_support;
use anndataoom_core::element::Value;
use anndataoom_core::ops::{self, Flavor, Hvg, HvgOptions, NormalizeOptions};
use anndataoom_core::{Error, LazyMatrix, Session};
use ops_support::*;

fn logged(x: &LazyMatrix) -> LazyMatrix {
    let to = NormalizeOptions { target_sum: Some(1e4), ..Default::default() };
    ops::log1p(&ops::normalize_total(x, &to, &session()).unwrap().0, None).unwrap().0
}

fn run(x: &LazyMatrix, flavor: Flavor, n_top_genes: Option<usize>, batch: Option<Vec<i32>>) -> Hvg {
    let x = if flavor.needs_counts() { x.clone() } else { logged(x) };
    ops::highly_variable_genes(&x, &HvgOptions { flavor, n_top_genes, batch, ..Default::default() }, &session())
        .unwrap()
}

/// Compares every column that scanpy gives, by name; the selected genes must be the same.
fn compare(name: &str, found: &Hvg, g: &Goldens, tolerance: f64) {
    let patch = found.patch("adata.X").unwrap();
    let columns = g.below(&format!("hvg.{name}."));
    assert_eq!(columns.len(), patch.var.len(), "{name}: {columns:?}");
    for c in columns {
        let golden = g.get(&format!("hvg.{name}.{c}"));
        let v = numbers(column(&patch.var, &c));
        if c.starts_with("highly_variable") && name.starts_with("seurat_v3") {
            // Genes with the same counts tie exactly. numpy's argsort orders ties arbitrarily, so
            // neighbours may swap.
            let near = if c == "highly_variable_rank" { 3.0 } else { 0.0 };
            let same = |a: f64, b: f64| (a - b).abs() <= near || (a.is_nan() && b.is_nan());
            let off = v.iter().zip(golden).filter(|(a, b)| !same(**a, **b)).count();
            let selected = golden.iter().filter(|x| !x.is_nan() && **x != 0.0).count();
            assert!(off * 100 <= selected * if c == "highly_variable" { 2 } else { 6 }, "{name}.{c}: {off} differ");
        } else if c.starts_with("highly_variable") {
            let differ: Vec<_> = v.iter().zip(golden).enumerate().filter(|(_, (a, b))| a != b && !a.is_nan()).collect();
            assert!(differ.is_empty() && worst(&v, golden, 1.0) == 0.0, "{name}.{c}: gene, found, expected {differ:?}");
        } else {
            // Normalised dispersions are differences, so their scale is 1.
            let w = worst(&v, golden, if c == "dispersions_norm" { 1.0 } else { 1e-3 });
            let tolerance = if c == "variances_norm" { 1e-9 } else { tolerance };
            assert!(w <= tolerance, "{name}.{c}: {w:e}");
        }
    }
}

fn forms(g: &Goldens) -> Vec<LazyMatrix> {
    let (n, m, x) = g.matrix("X");
    vec![sparse(n, m, x, None, f32s), sparse(n, m, x, Some(3), f64s), dense(n, m, x, f32s), sparse(n, m, x, None, u16s)]
}

fn batch(g: &Goldens) -> Vec<i32> {
    g.get("batch").iter().map(|&b| b as i32).collect()
}

#[test]
fn pearson_residuals_equal_scanpy() {
    let g = Goldens::read("ops.bin");
    // scanpy gives NaN for every gene if a cell is empty; here an empty cell has residuals of 0.
    let cells: Vec<u32> = (0..300).filter(|&i| i != 17).collect();
    let batch: Vec<i32> = batch(&g).into_iter().enumerate().filter(|&(i, _)| i != 17).map(|(_, b)| b).collect();
    for form in forms(&g) {
        let form = form.select(Some(&cells), None).unwrap();
        compare("pearson", &run(&form, Flavor::PearsonResiduals, Some(100), None), &g, 1e-6);
        compare("pearson_batch", &run(&form, Flavor::PearsonResiduals, Some(100), Some(batch.clone())), &g, 1e-6);
    }
}

#[test]
fn dispersion_flavours_equal_scanpy() {
    let g = Goldens::read("ops.bin");
    for form in forms(&g) {
        for flavor in [Flavor::Seurat, Flavor::CellRanger] {
            for (kind, n_top) in [("top", Some(100)), ("cut", None)] {
                let name = flavor.name();
                compare(&format!("{name}_{kind}"), &run(&form, flavor, n_top, None), &g, 2e-6);
                compare(&format!("{name}_batch_{kind}"), &run(&form, flavor, n_top, Some(batch(&g))), &g, 2e-6);
            }
        }
    }
}

#[test]
fn seurat_v3_follows_scanpy() {
    let g = Goldens::read("ops.bin");
    for form in forms(&g) {
        compare("seurat_v3", &run(&form, Flavor::SeuratV3, Some(100), None), &g, 1e-6);
        compare("seurat_v3_batch", &run(&form, Flavor::SeuratV3, Some(100), Some(batch(&g))), &g, 1e-6);
        compare("seurat_v3_paper_batch", &run(&form, Flavor::SeuratV3Paper, Some(100), Some(batch(&g))), &g, 1e-6);
    }
}

#[test]
fn same_bits_for_any_threads_and_memory_and_batches_in_any_file_order() {
    let (n, m) = (4000, 700);
    let x = sparse(n, m, &random_counts(n, m, 0.6, 2), None, f32s);
    let batch: Vec<i32> = (0..n as i32).map(|i| i % 3 * 2).collect();
    for flavor in [Flavor::PearsonResiduals, Flavor::Seurat, Flavor::SeuratV3] {
        let options = HvgOptions { flavor, n_top_genes: Some(50), batch: Some(batch.clone()), ..Default::default() };
        let go = |c: Session| ops::highly_variable_genes(&x, &options, &c).unwrap();
        let one = go(session());
        // Printed floats are exact, and NaN equals NaN.
        let bits = |h: &Hvg| format!("{h:?}");
        assert_eq!(bits(&one), bits(&go(Session::with_threads(2))));
        assert_eq!(bits(&one), bits(&go(Session { memory: 1 << 20, ..Session::with_threads(3) })));
        assert_eq!(one.positions().len(), 50);
        let back: Vec<u32> = (0..n as u32).rev().collect();
        let turned = HvgOptions { batch: Some(batch.iter().rev().copied().collect()), ..options.clone() };
        let other = ops::highly_variable_genes(&x.select(Some(&back), None).unwrap(), &turned, &session()).unwrap();
        assert_eq!(one.highly_variable, other.highly_variable);
    }
}

#[test]
fn clip_and_theta_by_brute_force() {
    let (n, m) = (60, 40);
    let x = random_counts(n, m, 0.5, 9);
    let (theta, clip) = (10.0, 1.5);
    let options = HvgOptions {
        flavor: Flavor::PearsonResiduals,
        n_top_genes: Some(5),
        theta,
        clip: Some(clip),
        ..Default::default()
    };
    let found = ops::highly_variable_genes(&sparse(n, m, &x, None, f64s), &options, &session()).unwrap();
    let total: f64 = x.iter().sum();
    for (j, v) in found.residual_variances.unwrap().into_iter().enumerate() {
        let gene: f64 = (0..n).map(|i| x[i * m + j]).sum();
        let r: Vec<f64> = (0..n)
            .map(|i| {
                let mu = gene * x[i * m..(i + 1) * m].iter().sum::<f64>() / total;
                ((x[i * m + j] - mu) / (mu + mu * mu / theta).sqrt()).clamp(-clip, clip)
            })
            .collect();
        let mean = r.iter().sum::<f64>() / n as f64;
        let expected = r.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / n as f64;
        assert!(if gene == 0.0 { v == 0.0 } else { (v - expected).abs() < 1e-12 * expected }, "{v} {expected}");
    }
}

#[test]
fn layout_in_uns_and_refusals() {
    let g = Goldens::read("ops.bin");
    let form = &forms(&g)[0];
    let patch = run(form, Flavor::PearsonResiduals, Some(10), None).patch("adata.X").unwrap();
    let entry = |k: &str, v: &str| (k.to_owned(), Value::string(v));
    let hvg = Value::Dict(vec![entry("flavor", "pearson_residuals"), entry("computed_on", "adata.X")]);
    assert_eq!(patch.uns, [("hvg".to_owned(), hvg)]);
    let names: Vec<_> = patch.var.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["means", "variances", "residual_variances", "highly_variable_rank", "highly_variable"]);

    let refuse = |o: HvgOptions| ops::highly_variable_genes(form, &o, &session()).unwrap_err();
    let pearson = HvgOptions { flavor: Flavor::PearsonResiduals, n_top_genes: Some(5), ..Default::default() };
    assert_eq!(refuse(HvgOptions { n_top_genes: None, ..pearson.clone() }).class(), "parameter");
    assert_eq!(refuse(HvgOptions { theta: 0.0, ..pearson.clone() }).class(), "parameter");
    assert_eq!(refuse(HvgOptions { batch: Some(vec![0]), ..pearson.clone() }).class(), "shape");
    assert_eq!(refuse(HvgOptions { batch: Some(vec![-1; 300]), ..pearson }).class(), "parameter");
    let message = Flavor::parse("seurat_v2").unwrap_err().to_string();
    assert!(message.starts_with("flavor: expected 'pearson_residuals', 'seurat'"), "{message}");
    let empty = sparse(30, 40, &[vec![0.0; 1000], vec![1.0; 200]].concat(), None, f32s);
    let ranger = HvgOptions { flavor: Flavor::CellRanger, n_top_genes: Some(5), ..Default::default() };
    assert_eq!(ops::highly_variable_genes(&empty, &ranger, &session()).unwrap_err().class(), "state");
    for flavor in [Flavor::PearsonResiduals, Flavor::Seurat, Flavor::SeuratV3] {
        let bad = dense(2, 2, &[1.0, -2.0, 0.0, 1.0], f64s);
        let o = HvgOptions { flavor, n_top_genes: Some(1), ..Default::default() };
        match ops::highly_variable_genes(&bad, &o, &session()) {
            Err(Error::Values { row: 0, column: 1, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}
