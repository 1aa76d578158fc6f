//! Checks columns whose variance cancels in sums of squares: constant, nearly constant, huge, tiny,
//! with one outlier. The reference is a compensated twin, in every layout and for several numbers
//! of threads.

mod matrix_common;
mod ops_support;

use anndataoom_core::element::{Array, Data, Number, Sparse, SparseFormat};
use anndataoom_core::graph::{neighbors, KnnParams, NeighborsParams};
use anndataoom_core::matrix::MemorySource;
use anndataoom_core::ops::{self, Axis, Flavor, HvgOptions, PcaOptions, Regressors, ScaleOptions, Sums};
use anndataoom_core::{Error, LazyMatrix, Session};
use matrix_common::{open, to_csc, write_dense, write_sparse, Dir, Random, Stored};
use ops_support::{dense, f32s, f64s, random_counts, session, sparse, values};

/// The number of rows, which makes two blocks of a pass.
const N: usize = 70_000;

fn uniform(r: &mut Random) -> f64 {
    (r.next() >> 11) as f64 / (1u64 << 53) as f64
}

/// Makes one column of each kind, `N` values each.
fn columns(single: bool) -> Vec<Vec<f64>> {
    let mut r = Random(11);
    let mut of = |f: &mut dyn FnMut(usize, f64) -> f64| -> Vec<f64> { (0..N).map(|i| f(i, uniform(&mut r))).collect() };
    let step = if single { 1.0 } else { 1e-6 };
    let all = vec![
        of(&mut |_, _| 0.1),
        of(&mut |_, _| 1.0 / 3.0),
        of(&mut |_, _| 8.112),
        of(&mut |_, _| 123_456.7),
        of(&mut |_, _| 0.0),
        // Nearly constant columns.
        of(&mut |_, u| 2e4 + (3.0 * u).floor() * step),
        of(&mut |i, _| if i == N - 1 { 0.100_001 } else { 0.1 }),
        of(&mut |i, _| if i == 17 { 0.0 } else { 8.112 }),
        // Huge and tiny values.
        of(&mut |_, u| 1e15 * (1.0 + u)),
        of(&mut |_, u| 1e-15 * (1.0 + u)),
        // Columns whose first values differ from the others.
        of(&mut |i, u| if i == 0 { 1e8 } else { 1.0 + u }),
        of(&mut |i, u| if i < 40 { 1e6 * u } else { 7.0 + u * 1e-3 }),
        // Columns like those of counts and their logarithms.
        of(&mut |_, u| if u < 0.9 { 0.0 } else { (u * 50.0).floor() }),
        of(&mut |_, u| if u < 0.02 { 0.0 } else { u.ln_1p() }),
        of(&mut |i, u| if i % 1000 == 3 { u } else { 0.0 }),
        of(&mut |_, u| u - 0.5),
    ];
    if single {
        all.into_iter().map(|c| c.into_iter().map(|x| f64::from(x as f32)).collect()).collect()
    } else {
        all
    }
}

/// Returns the sum of `f` over the values and the rounding errors lost in its additions, to be
/// added at the end (Neumaier).
fn compensated(values: &[f64], f: impl Fn(f64) -> f64) -> (f64, f64) {
    values.iter().map(|&x| f(x)).fold((0.0, 0.0), |(sum, lost): (f64, f64), x| {
        let to: f64 = sum + x;
        (to, lost + if sum.abs() >= x.abs() { (sum - to) + x } else { (x - to) + sum })
    })
}

/// Computes mean and variance by two passes over differences from one of the values.
fn twin(v: &[f64]) -> (f64, f64) {
    let (n, one) = (v.len() as f64, v[v.len() / 2]);
    let (sum, lost) = compensated(v, |x| x - one);
    let (high, low) = (sum / n, lost / n);
    let apart = |x: f64| ((x - one) - high) - low;
    let (sq, lost) = compensated(v, |x| apart(x) * apart(x));
    let (rest, more) = compensated(v, apart);
    (one + (high + low), (sq + lost - (rest + more) * (rest + more) / n) / (n - 1.0))
}

fn rows(columns: &[Vec<f64>]) -> Vec<f64> {
    (0..columns[0].len()).flat_map(|i| columns.iter().map(move |c| c[i])).collect()
}

/// Makes the matrix as CSR in memory, and as CSC and dense on disk.
fn layouts(dir: &Dir, n: usize, m: usize, x: &[f64], data: fn(Vec<f64>) -> Data) -> Vec<(&'static str, LazyMatrix)> {
    let (mut indptr, mut indices, mut stored) = (vec![0u64], Vec::new(), Vec::new());
    for row in x.chunks(m) {
        for (j, &v) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            indices.push(j as u32);
            stored.push(v);
        }
        indptr.push(indices.len() as u64);
    }
    let csr = Sparse { format: SparseFormat::Csr, shape: (n, m), indptr, indices, data: data(stored) };
    let path = dir.file("layouts.h5ad");
    write_sparse::<i32>(&path, "csc", &to_csc(&csr), &Stored::Contiguous);
    write_dense(&path, "dense", &Array { shape: vec![n, m], data: data(x.to_vec()) }, None, "none");
    vec![
        ("csr", LazyMatrix::new(MemorySource::from_sparse(&csr).unwrap().into())),
        ("csc", LazyMatrix::new(open(&path, "csc").unwrap())),
        ("dense", LazyMatrix::new(open(&path, "dense").unwrap())),
    ]
}

fn close(what: &str, found: f64, expected: f64) {
    let ok = found == expected || (found - expected).abs() <= 1e-12 * expected.abs();
    assert!(ok, "{what}: found {found:e}, expected {expected:e}: {:e}", (found - expected).abs() / expected.abs());
}

#[test]
fn moments_equal_a_compensated_twin() {
    for single in [true, false] {
        let columns = columns(single);
        let (m, dir) = (columns.len(), Dir::new());
        let x = rows(&columns);
        let expected: Vec<(f64, f64)> = columns.iter().map(|c| twin(c)).collect();
        assert!(expected[..5].iter().all(|e| e.1 == 0.0));
        for (layout, form) in layouts(&dir, N, m, &x, if single { f32s } else { f64s }) {
            let found = ops::mean_var(&form, Axis::Obs, 1, &session()).unwrap();
            for (j, (mean, var)) in expected.iter().enumerate() {
                let what = format!("{layout}, single {single}, column {j}");
                close(&what, found.var[j], *var);
                let near = 1e-12 * mean.abs().max(var.sqrt());
                assert!((found.mean[j] - mean).abs() <= near, "{what}: {} {mean}", found.mean[j]);
            }
            for threads in [2, 3] {
                assert_eq!(found, ops::mean_var(&form, Axis::Obs, 1, &Session::with_threads(threads)).unwrap());
            }
            // Quality control keeps the same moments for the flavours that need them.
            let counts = form.select(None, Some(&(0..15).collect::<Vec<u32>>())).unwrap();
            let options = HvgOptions { flavor: Flavor::PearsonResiduals, n_top_genes: Some(3), ..Default::default() };
            let before = ops::highly_variable_genes(&counts, &options, &session()).unwrap().variances.unwrap();
            ops::calculate_qc_metrics(
                &counts,
                &ops::QcOptions { percent_top: vec![], ..Default::default() },
                &session(),
            )
            .unwrap();
            let after = ops::highly_variable_genes(&counts, &options, &session()).unwrap().variances.unwrap();
            for j in 0..15 {
                close(&format!("{layout}, pearson, column {j}"), before[j], expected[j].1);
                close(&format!("{layout}, after quality control, column {j}"), after[j], expected[j].1);
            }
        }
    }
}

#[test]
fn rows_equal_the_twin_too() {
    let mut r = Random(3);
    let (n, m) = (6, 4001);
    let line = |i: usize, u: f64| match i {
        0 => 0.1,
        1 => 1e6 + 1e-3 * u,
        2 => f64::from(u > 0.8) * u,
        3 => 0.0,
        4 => 1e12 * u,
        _ => 1.0 / 3.0,
    };
    let x: Vec<f64> = (0..n * m).map(|k| line(k / m, uniform(&mut r))).collect();
    for form in [sparse(n, m, &x, None, f64s), dense(n, m, &x, f64s)] {
        let found = ops::mean_var(&form, Axis::Var, 1, &session()).unwrap();
        for i in 0..n {
            let (mean, var) = twin(&x[i * m..][..m]);
            close("variance of a row", found.var[i], var);
            close("mean of a row", found.mean[i], mean);
        }
    }
}

#[test]
fn constant_columns_scale_to_zero_through_any_chain() {
    let (n, m, dir) = (1003, 5, Dir::new());
    // All rows have the same total, so normalising cells leaves the columns constant.
    let x: Vec<f64> = (0..n).flat_map(|i| [0.1, 1.0 / 3.0, 123_456.7, (i % 3) as f64, (3 - i % 3) as f64]).collect();
    for (layout, form) in layouts(&dir, n, m, &x, f64s) {
        let logged = ops::log1p(&form, None).unwrap().0;
        let normal = ops::normalize_total(&form, &ops::NormalizeOptions::default(), &session()).unwrap().0;
        for x in [form, logged.clone(), ops::log1p(&normal, None).unwrap().0] {
            let plain = values(&x);
            for zero_center in [true, false] {
                let options = ScaleOptions { zero_center, ..Default::default() };
                let (y, scaled) = ops::scale(&x, &options, &session()).unwrap();
                assert_eq!(scaled.std[..3], [1.0; 3], "{layout}");
                for (found, x) in values(&y).chunks(m).zip(plain.chunks(m)) {
                    let wanted = if zero_center { [0.0; 3] } else { [x[0], x[1], x[2]] };
                    assert_eq!(found[..3], wanted, "{layout}");
                }
            }
        }
    }
}

/// Centres the columns of `x`; constant ones become exactly 0.
fn centred(x: &[f64], m: usize) -> Vec<f64> {
    let n = x.len() / m;
    let mut out = x.to_vec();
    for j in 0..m {
        let column: Vec<f64> = (0..n).map(|i| x[i * m + j]).collect();
        let (mean, var) = twin(&column);
        (0..n).for_each(|i| out[i * m + j] = if var == 0.0 { 0.0 } else { x[i * m + j] - mean });
    }
    out
}

fn first_variance(centred: &[f64], m: usize) -> f64 {
    let n = centred.len() / m;
    let a = faer::Mat::from_fn(n, m, |i, j| centred[i * m + j]);
    let s = a.thin_svd().unwrap();
    s.S().column_vector()[0].powi(2) / (n as f64 - 1.0)
}

#[test]
fn pca_of_constant_and_nearly_constant_genes() {
    let (n, m) = (450, 30);
    for far in [1.0, 500.0] {
        let mut x = random_counts(n, m, 0.6, 5);
        for i in 0..n {
            x[i * m + 7] = 0.1;
            x[i * m + 8] = 8.112;
            // A column far from 0 whose deviations are as large as those of other genes.
            x[i * m + 9] = 2e4 * far + (i % 3) as f64;
        }
        let wanted = first_variance(&centred(&x, m), m);
        for data in [f32s as fn(Vec<f64>) -> Data, f64s] {
            let dir = Dir::new();
            for (layout, form) in layouts(&dir, n, m, &x, data) {
                let options = PcaOptions { n_comps: Some(2), ..Default::default() };
                let found = ops::pca(&form, &options, &session()).unwrap();
                let off = (found.variance[0] / wanted - 1.0).abs();
                assert!(off < 1e-6, "{layout}, far {far}: {off:e}");
                assert!(
                    found.loadings[14..18].iter().all(|l| l.abs() < 1e-12),
                    "{layout}: {:?}",
                    &found.loadings[14..18]
                );
                assert_eq!(found.note(), None);
                // After scaling, every gene has the same weight.
                let scaled = ops::scale(&form, &ScaleOptions::default(), &session()).unwrap().0;
                let again = ops::pca(&scaled, &options, &session()).unwrap();
                let z = first_variance(&values(&scaled), m);
                let off = (again.variance[0] / z - 1.0).abs();
                assert!(off < 1e-5, "{layout}, far {far}, scaled: {off:e}");
                assert!(again.loadings[14..18].iter().all(|l| l.abs() < 1e-12));
            }
        }
    }
}

#[test]
fn pca_of_many_genes_with_nearly_constant_ones() {
    let (n, m) = (60, ops::MAX_EXACT + 100);
    let mut x = random_counts(n, m, 0.05, 5);
    for i in 0..n {
        x[i * m + 7] = 0.1;
        x[i * m + 9] = 2e6 + (i % 3) as f64 * 3.0;
    }
    let centred = centred(&x, m);
    let transposed: Vec<f64> = (0..m * n).map(|k| centred[k % n * m + k / n]).collect();
    let a = faer::Mat::from_fn(m, n, |j, i| transposed[j * n + i]);
    let wanted = a.thin_svd().unwrap().S().column_vector()[0].powi(2) / (n as f64 - 1.0);
    for form in [sparse(n, m, &x, None, f64s), dense(n, m, &x, f64s)] {
        let options = PcaOptions { n_comps: Some(3), ..Default::default() };
        let found = ops::pca(&form, &options, &session()).unwrap();
        assert!((found.variance[0] / wanted - 1.0).abs() < 1e-6, "{} {wanted}", found.variance[0]);
        assert!(found.loadings[21..24].iter().all(|l| l.abs() < 1e-9));
    }
}

#[test]
fn a_constant_matrix_has_no_ratios_and_a_note() {
    for (n, m) in [(10, 6), (12, ops::MAX_EXACT + 100)] {
        for form in [sparse(n, m, &vec![0.1; n * m], None, f64s), dense(n, m, &vec![0.1; n * m], f32s)] {
            let found = ops::pca(&form, &PcaOptions { n_comps: Some(2), ..Default::default() }, &session()).unwrap();
            assert_eq!((&found.variance[..], &found.variance_ratio[..]), (&[0.0; 2][..], &[0.0; 2][..]));
            assert!(found
                .x_pca
                .iter()
                .chain(&found.loadings.iter().map(|&l| l as f32).collect::<Vec<_>>())
                .all(|x| x.is_finite()));
            assert!(found.note().unwrap().contains("every gene is constant"));
        }
    }
}

#[test]
fn regressing_out_leaves_nothing_of_genes_without_variation() {
    let (n, m) = (80, 4);
    let x: Vec<f64> = (0..n).flat_map(|i| [0.1, (i % 2) as f64 / 3.0 + 0.1, (i * i % 7) as f64, 1.0 / 3.0]).collect();
    let numbers = vec![("a".to_owned(), (0..n).map(|i| (i * 37 % 11) as f64).collect::<Vec<f64>>())];
    let one = ("one".to_owned(), vec![3.0; n]);
    let twice = vec![numbers[0].clone(), one, numbers[0].clone()];
    let groups = Regressors::Groups { name: "g".into(), codes: (0..n as u32).map(|i| i % 2).collect(), n_groups: 3 };
    for form in [sparse(n, m, &x, None, f64s), dense(n, m, &x, f64s)] {
        let by = |r: &Regressors| values(&ops::regress_out(&form, r, &session()).unwrap());
        let plain = by(&Regressors::Numbers(numbers.clone()));
        assert!(plain.chunks(m).all(|r| r[0] == 0.0 && r[3] == 0.0));
        assert_eq!(plain, by(&Regressors::Numbers(twice.clone())));
        assert!(by(&groups).chunks(m).all(|r| r[0] == 0.0 && r[1] == 0.0 && r[3] == 0.0));
        let only_constant = by(&Regressors::Numbers(vec![twice[1].clone()]));
        let expected = centred(&x, m);
        assert!(only_constant.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-14));
    }
}

#[test]
fn sums_of_integers_are_exact() {
    fn check<T: Number + Into<i128>>(v: [T; 6], signed: bool) {
        let exact = |k: &[usize]| -> i128 { k.iter().map(|&k| v[k].into()).sum() };
        let (by_row, by_column) =
            ([[0, 1, 2], [3, 4, 5]].map(|k| exact(&k)), [[0, 3], [1, 4], [2, 5]].map(|k| exact(&k)));
        let array = Array { shape: vec![2, 3], data: T::wrap(v.to_vec()) };
        let stored = Sparse {
            format: SparseFormat::Csr,
            shape: (2, 3),
            indptr: vec![0, 3, 6],
            indices: vec![0, 1, 2, 0, 1, 2],
            data: T::wrap(v.to_vec()),
        };
        let dir = Dir::new();
        write_sparse::<i32>(&dir.file("x.h5ad"), "X", &to_csc(&stored), &Stored::Contiguous);
        for x in [
            LazyMatrix::new(MemorySource::from_array(array.clone()).unwrap().into()),
            LazyMatrix::new(MemorySource::from_sparse(&stored).unwrap().into()),
            LazyMatrix::new(open(&dir.file("x.h5ad"), "X").unwrap()),
        ] {
            let of = |v: Vec<i128>| if signed { Sums::Signed(v) } else { Sums::Unsigned(v) };
            let sums = |axis| ops::sums(&x, axis, &session()).unwrap();
            assert_eq!(sums(Some(Axis::Var)), of(by_row.to_vec()));
            assert_eq!(sums(Some(Axis::Obs)), of(by_column.to_vec()));
            assert_eq!(sums(None), of(vec![by_row.iter().sum()]));
            assert_eq!(ops::row_sums(&x, &session()).unwrap(), by_row.map(|s| s as f64));
        }
    }
    check([true, true, false, true, true, true], true);
    check([i8::MAX, i8::MAX, -1, i8::MIN, 0, 7], true);
    check([i16::MAX, i16::MAX, -1, i16::MIN, 0, 7], true);
    check([i32::MAX, i32::MAX, -1, i32::MIN, 0, 7], true);
    check([(1i64 << 53) + 1, 0, -(1 << 62), 1, (1 << 62) + 3, 7], true);
    check([u8::MAX; 6], false);
    check([u16::MAX; 6], false);
    check([u32::MAX; 6], false);
    check([1u64 << 63, (1 << 63) - 1, 5, u64::MAX - 1, 1, (1 << 53) + 1], false);
    // Sums past the end of the type wrap around, as numpy's do.
    assert_eq!(Sums::Unsigned(vec![1 << 64]).into_numpy().unwrap(), Data::U64(vec![0]));
    assert_eq!(Sums::Signed(vec![1 << 63]).into_numpy().unwrap(), Data::I64(vec![i64::MIN]));
    assert_eq!(Sums::Signed(vec![(1 << 53) + 1]).into_numpy().unwrap(), Data::I64(vec![(1 << 53) + 1]));
}

#[test]
fn batches_of_one_cell_take_no_part() {
    let (n, m) = (101, 60);
    let mut x = random_counts(n, m, 0.8, 21);
    x.chunks_mut(m).enumerate().for_each(|(i, r)| r[i % m] += 1.0);
    let batch: Vec<i32> = (0..n as i32).map(|i| if i == 100 { 4 } else { i % 2 }).collect();
    let turned: Vec<u32> = (0..m as u32).rev().collect();
    let counts = sparse(n, m, &x, None, f64s);
    let logged = ops::log1p(&counts, None).unwrap().0;
    for flavor in
        [Flavor::Seurat, Flavor::CellRanger, Flavor::SeuratV3, Flavor::SeuratV3Paper, Flavor::PearsonResiduals]
    {
        let form = if flavor.needs_counts() { &counts } else { &logged };
        let names = ["a", "b", "x", "y", "lonely"].map(str::to_owned).to_vec();
        let options = HvgOptions {
            flavor,
            n_top_genes: Some(12),
            batch: Some(batch.clone()),
            batch_names: names,
            ..Default::default()
        };
        let found = ops::highly_variable_genes(form, &options, &session()).unwrap();
        assert_eq!(found.positions().len(), 12);
        assert!(found.notes.len() == 1 && found.notes[0].contains("batch 'lonely'"), "{:?}", found.notes);
        for column in [&found.variances_norm, &found.residual_variances, &found.dispersions_norm].into_iter().flatten()
        {
            assert!(column.iter().all(|v| v.is_finite()), "{flavor:?}");
        }
        let other =
            ops::highly_variable_genes(&form.select(None, Some(&turned)).unwrap(), &options, &session()).unwrap();
        let mut same = other.highly_variable.clone();
        same.reverse();
        assert_eq!(same, found.highly_variable, "{flavor:?}");
        // Without the lonely batch the choice is the same.
        let rest: Vec<u32> = (0..100).collect();
        let two = HvgOptions { batch: Some(batch[..100].to_vec()), ..options.clone() };
        let without = ops::highly_variable_genes(&form.select(Some(&rest), None).unwrap(), &two, &session()).unwrap();
        assert_eq!((&without.highly_variable, &without.notes), (&found.highly_variable, &vec![]), "{flavor:?}");
        let alone = HvgOptions { batch: Some((0..n as i32).collect()), ..options };
        assert!(matches!(
            ops::highly_variable_genes(form, &alone, &session()),
            Err(Error::Parameter { parameter: "batch_key", .. })
        ));
    }
}

#[test]
fn values_a_flavour_is_not_made_for() {
    let (n, m) = (40, 30);
    let x = random_counts(n, m, 0.8, 2);
    let thousands: Vec<f64> = x.iter().map(|v| v * 2000.0).collect();
    let e = ops::highly_variable_genes(&sparse(n, m, &thousands, None, f32s), &HvgOptions::default(), &session())
        .unwrap_err();
    assert!(e.class() == "parameter" && e.to_string().contains("expects logarithmised values"), "{e}");
    let logged = ops::log1p(&sparse(n, m, &x, None, f32s), None).unwrap().0;
    for flavor in [Flavor::SeuratV3, Flavor::PearsonResiduals] {
        let options = HvgOptions { flavor, n_top_genes: Some(5), span: 0.9, ..Default::default() };
        let notes = |x: &LazyMatrix, o: &HvgOptions| ops::highly_variable_genes(x, o, &session()).unwrap().notes;
        let told = format!("`flavor='{}'` expects raw count data, but non-integers were found.", flavor.name());
        assert_eq!(notes(&logged, &options), [told]);
        assert!(notes(&logged, &HvgOptions { check_values: false, ..options.clone() }).is_empty());
        assert!(notes(&sparse(n, m, &x, None, f32s), &options).is_empty());
    }
}

#[test]
fn residuals_of_nothing_are_zero() {
    let (n, m) = (30, 20);
    let mut x = random_counts(n, m, 0.9, 8);
    (0..n).for_each(|i| x[i * m + 4] = 0.0);
    x[2 * m..3 * m].fill(0.0);
    for x in [x, vec![0.0; n * m]] {
        for form in [sparse(n, m, &x, None, f32s), dense(n, m, &x, f64s)] {
            let cells = ops::row_sums(&form, &session()).unwrap();
            let op = anndataoom_core::chain::nodes::PearsonResiduals {
                total: cells.iter().sum(),
                cell_sums: cells.into(),
                gene_sums: ops::col_sums(&form, &session()).unwrap().into(),
                theta: 100.0,
                clip: 5.0,
            };
            let found = values(&form.with(op).unwrap());
            assert!(found.iter().all(|r| r.is_finite()));
            assert!((0..n).all(|i| found[i * m + 4] == 0.0) && found[2 * m..3 * m].iter().all(|&r| r == 0.0));
        }
    }
}

#[test]
fn one_neighbour_is_refused() {
    let points = ndarray::Array2::from_shape_fn((5, 2), |(i, j)| (i * 3 + j) as f32);
    let with = |k| NeighborsParams { knn: KnnParams { k, ..Default::default() }, ..Default::default() };
    let e = neighbors(points.view(), &with(1), &session()).unwrap_err();
    assert!(e.to_string().starts_with("n_neighbors: expected at least 2"), "{e}");
    assert!(neighbors(points.view(), &with(2), &session()).is_ok());
}
