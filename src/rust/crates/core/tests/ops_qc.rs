//! Compares QC metrics, filters, sums and moments with scanpy 1.11.5 and brute force.

mod ops_support;
use anndataoom_core::element::{DType, Value};
use anndataoom_core::ops::{self, Axis, CellCriterion, GeneCriterion, QcOptions, QcSubset};
use anndataoom_core::{Error, Session};
use ops_support::*;

fn options(m: usize) -> QcOptions {
    let set = |name: &str, every: usize| QcSubset { name: name.into(), mask: (0..m).map(|j| j % every == 3).collect() };
    QcOptions { qc_vars: vec![set("mt", 40), set("ribo", 10)], ..QcOptions::default() }
}

#[test]
fn metrics_equal_scanpy_in_every_storage() {
    let g = Goldens::read("ops.bin");
    let (n, m, x) = g.matrix("X");
    let forms = [
        sparse(n, m, x, None, f32s),
        sparse(n, m, x, Some(5), f32s),
        dense(n, m, x, f32s),
        dense(n, m, x, f64s),
        sparse(n, m, x, None, u16s),
        sparse(n, m, x, Some(3), i64s),
    ];
    for form in forms {
        let patch = ops::calculate_qc_metrics(&form, &options(m), &session()).unwrap().patch().unwrap();
        for (axis, columns) in [("obs", &patch.obs), ("var", &patch.var)] {
            let names = g.below(&format!("qc.{axis}."));
            assert_eq!(names.len(), columns.len());
            for name in names {
                let golden = g.get(&format!("qc.{axis}.{name}"));
                assert_close(&name, &numbers(column(columns, &name)), golden, 1e-6);
            }
        }
    }
}

#[test]
fn columns_have_scanpys_order_and_dtypes() {
    let g = Goldens::read("ops.bin");
    let (n, m, x) = g.matrix("X");
    let patch =
        ops::calculate_qc_metrics(&sparse(n, m, x, None, f32s), &options(m), &session()).unwrap().patch().unwrap();
    let show = |c: &[(String, Value)]| -> Vec<String> {
        c.iter()
            .map(|(name, v)| match v {
                Value::Array(a) => format!("{name} {}", a.data.dtype()),
                other => other.encoding().to_owned(),
            })
            .collect()
    };
    assert_eq!(
        show(&patch.obs),
        [
            "n_genes_by_counts int32",
            "log1p_n_genes_by_counts float64",
            "total_counts float32",
            "log1p_total_counts float32",
            "pct_counts_in_top_50_genes float64",
            "pct_counts_in_top_100_genes float64",
            "pct_counts_in_top_200_genes float64",
            "pct_counts_in_top_500_genes float64",
            "total_counts_mt float32",
            "log1p_total_counts_mt float32",
            "pct_counts_mt float32",
            "total_counts_ribo float32",
            "log1p_total_counts_ribo float32",
            "pct_counts_ribo float32",
        ]
    );
    assert_eq!(
        show(&patch.var),
        [
            "n_cells_by_counts int64",
            "mean_counts float64",
            "log1p_mean_counts float64",
            "pct_dropout_by_counts float64",
            "total_counts float32",
            "log1p_total_counts float32",
        ]
    );
    let patch =
        ops::calculate_qc_metrics(&sparse(n, m, x, None, i64s), &options(m), &session()).unwrap().patch().unwrap();
    assert_eq!(show(&patch.obs)[2..4], ["total_counts int64", "log1p_total_counts float64"]);
    assert_eq!(show(&patch.var)[4..6], ["total_counts int64", "log1p_total_counts float64"]);
    let none = QcOptions { percent_top: vec![], log1p: false, qc_vars: vec![] };
    let patch = ops::calculate_qc_metrics(&sparse(n, m, x, None, f32s), &none, &session()).unwrap().patch().unwrap();
    assert_eq!(show(&patch.obs), ["n_genes_by_counts int32", "total_counts float32"]);
}

#[test]
fn top_shares_of_values_that_are_not_counts() {
    let (n, m) = (40, 700);
    let x: Vec<f64> =
        random_counts(n, m, 0.6, 3).iter().enumerate().map(|(i, v)| v * (1.0 + (i % 17) as f64)).collect();
    for scale in [1.0, 0.37, 400.0] {
        let y: Vec<f64> = x.iter().map(|v| v * scale).collect();
        let q = ops::calculate_qc_metrics(&sparse(n, m, &y, None, f64s), &QcOptions::default(), &session()).unwrap();
        for (i, row) in y.chunks(m).enumerate() {
            let mut sorted = row.to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            for (t, k) in [50, 100, 200, 500].into_iter().enumerate() {
                let expected = sorted[..k].iter().sum::<f64>() / row.iter().sum::<f64>() * 100.0;
                assert_close("pct", &[q.pct_counts_in_top[t][i]], &[expected], 1e-12);
            }
        }
    }
}

#[test]
fn filters_equal_scanpy() {
    let g = Goldens::read("ops.bin");
    let (n, m, x) = g.matrix("X");
    for form in [sparse(n, m, x, Some(4), f32s), dense(n, m, x, f32s)] {
        let cells = [("min_genes", CellCriterion::MinGenes(230.0)), ("max_counts", CellCriterion::MaxCounts(600.0))];
        for (name, criterion) in cells {
            let f = ops::filter_cells(&form, criterion, &session()).unwrap();
            let keep: Vec<f64> = f.keep.iter().map(|&k| f64::from(u8::from(k))).collect();
            assert_eq!(keep, g.get(&format!("filter_cells.{name}.keep")));
            assert_eq!(f.number, g.get(&format!("filter_cells.{name}.number")));
            assert_eq!(f.positions().unwrap().len(), keep.iter().sum::<f64>() as usize);
        }
        let genes = [("min_cells", GeneCriterion::MinCells(100.0)), ("max_counts", GeneCriterion::MaxCounts(300.0))];
        for (name, criterion) in genes {
            let f = ops::filter_genes(&form, criterion, &session()).unwrap();
            let keep: Vec<f64> = f.keep.iter().map(|&k| f64::from(u8::from(k))).collect();
            assert_eq!(keep, g.get(&format!("filter_genes.{name}.keep")));
            assert_eq!(f.number, g.get(&format!("filter_genes.{name}.number")));
        }
    }
    let f =
        ops::filter_cells(&dense(n, m, x, f32s), CellCriterion::MinGenes(1.0), &session()).unwrap().patch().unwrap();
    assert!(matches!(&f.obs[..], [(name, Value::Array(a))] if name == "n_genes" && a.data.dtype() == DType::I64));
    let f =
        ops::filter_genes(&dense(n, m, x, f32s), GeneCriterion::MinCounts(1.0), &session()).unwrap().patch().unwrap();
    assert!(matches!(&f.var[..], [(name, Value::Array(a))] if name == "n_counts" && a.data.dtype() == DType::F32));
}

#[test]
fn same_bits_for_any_threads_memory_and_row_order_scatters() {
    let (n, m) = (4000, 900);
    let x = random_counts(n, m, 0.5, 11);
    let plain = sparse(n, m, &x, None, f32s);
    let run = |threads, memory| {
        let c = Session { memory, ..Session::with_threads(threads) };
        (ops::calculate_qc_metrics(&plain, &options(m), &c).unwrap(), ops::mean_var(&plain, Axis::Obs, 1, &c).unwrap())
    };
    let one = run(1, 256 << 20);
    assert!(one == run(2, 256 << 20) && one == run(3, 64 << 20) && one == run(2, 1 << 20));
    let order: Vec<u32> = (0..n as u32).map(|i| (i * 1009 + 5) % n as u32).collect();
    let permuted = plain.select(Some(&order), None).unwrap();
    let sums = ops::row_sums(&permuted, &session()).unwrap();
    assert!(order.iter().zip(&sums).all(|(&i, &s)| s == one.0.total_counts[i as usize]));
    assert_eq!(ops::col_sums(&permuted, &session()).unwrap(), one.0.gene_total_counts);
}

#[test]
fn moments_survive_a_large_offset() {
    let (n, m) = (3000, 500);
    let x: Vec<f64> = random_counts(n, m, 0.5, 5).iter().map(|v| 1e8 + v).collect();
    let two_pass = |v: &mut dyn Iterator<Item = f64>| {
        let v: Vec<f64> = v.map(|x| x - 1e8).collect();
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        (mean + 1e8, v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (v.len() - 1) as f64)
    };
    for form in [dense(n, m, &x, f64s), sparse(n, m, &x, None, f64s)] {
        let by_gene = ops::mean_var(&form, Axis::Obs, 1, &session()).unwrap();
        let by_cell = ops::mean_var(&form, Axis::Var, 1, &session()).unwrap();
        let offset_sparse = form.is_sparse();
        for j in 0..m {
            let (mean, var) = two_pass(&mut (0..n).map(|i| x[i * m + j]));
            assert_close("mean", &[by_gene.mean[j]], &[mean], 1e-14);
            if !offset_sparse {
                assert!((by_gene.var[j] - var).abs() <= 1e-8 * var.max(1e-3), "{} {var}", by_gene.var[j]);
            }
        }
        for i in (0..n).step_by(50) {
            let (mean, var) = two_pass(&mut (0..m).map(|j| x[i * m + j]));
            assert_close("mean", &[by_cell.mean[i]], &[mean], 1e-14);
            assert!((by_cell.var[i] - var).abs() <= 1e-6 * var, "{} {var}", by_cell.var[i]);
        }
    }
}

#[test]
fn empty_matrices() {
    for (n, m) in [(0, 5), (5, 0), (0, 0)] {
        for form in [sparse(n, m, &[], None, f32s), dense(n, m, &[], f32s)] {
            let o = QcOptions { percent_top: vec![], ..options(m) };
            let q = ops::calculate_qc_metrics(&form, &o, &session()).unwrap();
            assert_eq!((q.total_counts.len(), q.gene_total_counts.len()), (n, m));
            assert_eq!(
                ops::filter_cells(&form, CellCriterion::MinGenes(1.0), &session()).unwrap().keep,
                vec![false; n]
            );
            assert_eq!(
                ops::filter_genes(&form, GeneCriterion::MinCells(1.0), &session()).unwrap().keep,
                vec![false; m]
            );
            assert_eq!(ops::mean_var(&form, Axis::Obs, 1, &session()).unwrap().mean.len(), m);
            assert_eq!(ops::mean_var(&form, Axis::Var, 1, &session()).unwrap().var.len(), n);
            assert_eq!(ops::row_sums(&form, &session()).unwrap(), vec![0.0; n]);
        }
    }
}

#[test]
fn refusals_name_row_column_and_value() {
    let mut x = random_counts(50, 60, 0.5, 1);
    for (bad, text) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (-2.0, "-2.0")] {
        x[31 * 60 + 7] = bad;
        for form in [sparse(50, 60, &x, None, f32s), dense(50, 60, &x, f64s)] {
            let o = QcOptions { percent_top: vec![50], ..QcOptions::default() };
            let found = [
                ops::calculate_qc_metrics(&form, &o, &session()).err(),
                ops::filter_cells(&form, CellCriterion::MinGenes(1.0), &session()).err(),
                ops::filter_genes(&form, GeneCriterion::MinCells(1.0), &session()).err(),
                ops::normalize_total(&form, &ops::NormalizeOptions::default(), &session()).err(),
            ];
            for e in found {
                match e {
                    Some(Error::Values { row: 31, column: 7, found, element, .. }) => {
                        assert_eq!((found.as_str(), element.as_str()), (text, "matrix"));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    let form = sparse(50, 60, &random_counts(50, 60, 0.5, 1), None, f32s);
    let e = ops::calculate_qc_metrics(&form, &QcOptions::default(), &session()).unwrap_err();
    assert_eq!(
        e.to_string(),
        "percent_top: expected numbers of genes from 1 to 60, the genes there are, or none, found 100"
    );
    let short =
        QcOptions { qc_vars: vec![QcSubset { name: "mt".into(), mask: vec![true] }], percent_top: vec![], log1p: true };
    assert!(matches!(ops::calculate_qc_metrics(&form, &short, &session()), Err(Error::Shape { .. })));
}
