//! Checks files that anndata 0.5, 0.6, 0.7, 0.8, 0.10, 0.12 and 0.13 wrote
//! (tests/golden/make_versions.sh), and files of 10x Genomics (make_tenx.py): equal content gives
//! equal elements.

use anndataoom_core::element::{self, Array, DataFrame, Sparse, Value};
use anndataoom_core::matrix::{self, Storage};
use anndataoom_core::store::Store;
use anndataoom_core::stream::in_sequence;
use anndataoom_core::write::{write_h5ad, H5adPlan, Part, RawPlan, WriteOptions};
use anndataoom_core::{LazyMatrix, Session};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

fn golden(name: &str) -> Arc<Store> {
    Store::open(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden").join(name)).unwrap()
}

fn dense(store: &Arc<Store>, element: &str) -> Vec<f64> {
    let x = LazyMatrix::new(matrix::open(store, element).unwrap());
    let mut out = Vec::new();
    let session = Session::default();
    let columns = x.shape().1;
    let rows = |rows: Range<usize>, values| {
        let mut out = vec![0.0; rows.len() * columns];
        match values {
            Storage::Dense(data) => out = data.to_f64().unwrap(),
            Storage::Csr { indptr, indices, data } => {
                let data = data.to_f64().unwrap();
                for (row, w) in indptr.windows(2).enumerate() {
                    (w[0]..w[1]).for_each(|k| out[row * columns + indices[k] as usize] = data[k]);
                }
            }
        }
        Ok(out)
    };
    in_sequence(&x, &session, rows, |b| {
        out.extend(b);
        Ok(())
    })
    .unwrap();
    out
}

fn counts() -> Vec<f64> {
    (0..35).map(|k| if k % 3 == 0 { f64::from(k) + 1.0 } else { 0.0 }).collect()
}

fn frame(store: &Arc<Store>, path: &str) -> DataFrame {
    match element::read(store, path).unwrap() {
        Value::DataFrame(d) => d,
        other => panic!("{path}: {}", other.encoding()),
    }
}

fn column(d: &DataFrame, name: &str) -> Value {
    d.columns.iter().find(|c| c.0 == name).unwrap_or_else(|| panic!("{name}")).1.clone()
}

/// Returns a nullable array without missing values as plain values; pandas 3 writes texts as
/// nullable.
fn plain(v: &Value) -> Value {
    match v {
        Value::Nullable(n) if !n.mask.contains(&true) => (*n.values).clone(),
        other => other.clone(),
    }
}

/// Checks a table that `make_versions.py` wrote.
fn check_table(d: &DataFrame, n: usize, prefix: &str) {
    assert_eq!(plain(&d.index), Value::strings((0..n).map(|i| format!("{prefix}_{i}"))));
    let Value::Categorical(c) = column(d, "group") else { panic!("group of {prefix}: {:?}", column(d, "group")) };
    assert_eq!(c.codes, (0..n as i32).map(|i| i % 2).collect::<Vec<_>>());
    assert_eq!((plain(&c.categories), c.ordered), (Value::strings(["b", "a"]), false));
    assert_eq!(column(d, "score"), Value::vector((0..n).map(|i| i as f64 / 4.0).collect::<Vec<_>>()));
    assert_eq!(column(d, "count"), Value::vector((0..n as i64).map(|i| i * 10).collect::<Vec<_>>()));
    assert_eq!(column(d, "flag"), Value::vector((0..n).map(|i| i % 3 == 0).collect::<Vec<_>>()));
    let labels = Value::strings((0..n).map(|i| format!("{prefix} label {i}")));
    assert_eq!(plain(&column(d, "label")), labels);
}

/// Returns a scalar, also where old versions store an array of one.
fn scalar(v: &Value) -> Value {
    match v {
        Value::Array(Array { shape, data }) if shape == &[1] => Value::Scalar(element::Scalar::Number(data.clone())),
        Value::Strings { data, .. } if data.len() == 1 => Value::string(data.get(0).unwrap()),
        other => other.clone(),
    }
}

#[test]
fn every_version_of_anndata() {
    for version in ["0.5", "0.6", "0.7", "0.8", "0.10", "0.12", "0.13"] {
        println!("{version}");
        let number: u32 = version[2..].parse().unwrap();
        let s = golden(&format!("versions/anndata_{version}.h5ad"));
        let tree = element::tree(&s).unwrap();
        assert_eq!(dense(&s, tree.x.as_deref().unwrap()), counts());
        check_table(&frame(&s, "obs"), 7, "cell");
        check_table(&frame(&s, "var"), 5, "gene");
        let raw = tree.raw.clone().unwrap();
        assert_eq!(dense(&s, &raw.x), counts());
        check_table(&frame(&s, &raw.var), 5, "gene");
        let get = |slot: &str, key: &str| {
            let (_, entries) = tree.slots.iter().find(|e| e.0 == slot).unwrap();
            let (_, path) = entries.iter().find(|e| e.0 == key).unwrap_or_else(|| panic!("{slot}/{key}: {entries:?}"));
            element::read(&s, path).unwrap()
        };
        let loadings = Value::matrix(5, 2, (0..10).map(f64::from).collect::<Vec<_>>());
        assert_eq!(get("obsm", "X_pca"), Value::matrix(7, 3, (0..21).map(f64::from).collect::<Vec<_>>()));
        assert_eq!(get("varm", "PCs"), loadings);
        assert_eq!(element::read(&s, &raw.varm[0].1).unwrap(), loadings);
        assert_eq!(scalar(&get("uns", "number")), Value::number(15_i64));
        assert_eq!(scalar(&get("uns", "fraction")), Value::number(0.25));
        assert_eq!(scalar(&get("uns", "text")), Value::string("umap"));
        assert_eq!(plain(&get("uns", "colors")), Value::strings(["#ff0000", "#00ff00"]));
        let Value::Dict(deep) = get("uns", "deep") else { panic!() };
        let Value::Dict(deeper) = &deep[0].1 else { panic!() };
        assert_eq!(deeper[0], ("values".to_owned(), Value::vector(vec![0.0, 1.0, 2.0, 3.0])));
        let uns: Vec<&str> = tree.slots.iter().find(|e| e.0 == "uns").unwrap().1.iter().map(|e| e.0.as_str()).collect();
        assert!(!uns.contains(&"group_categories"), "{uns:?}");
        if number >= 6 {
            assert_eq!(dense(&s, "layers/dense"), counts());
        }
        if number >= 7 {
            let Value::Categorical(c) = column(&frame(&s, "obs"), "ordered") else { panic!() };
            assert_eq!((c.codes, c.ordered), (vec![-1, 0, 1, -1, 0, 1, -1], true));
            assert_eq!(dense(&s, "layers/csc"), counts().iter().map(|x| x * 2.0).collect::<Vec<_>>());
            let Value::Sparse(Sparse { indices, .. }) = get("obsp", "distances") else { panic!() };
            assert_eq!(indices, (0..7).collect::<Vec<_>>());
            assert_eq!(get("varp", "links"), Value::matrix(5, 5, (0..25).map(f64::from).collect::<Vec<_>>()));
            let Value::DataFrame(f) = get("obsm", "frame") else { panic!() };
            assert_eq!(f.columns.iter().map(|c| c.0.as_str()).collect::<Vec<_>>(), ["score", "group"]);
        }
        if number >= 8 {
            let Value::Nullable(n) = column(&frame(&s, "obs"), "maybe") else { panic!() };
            assert_eq!(n.mask, (0..7).map(|i| i == 2).collect::<Vec<_>>());
        }
    }
}

/// Checks that the core writes a file of an old version as one of today with the same content.
#[test]
fn old_files_become_new_ones() {
    let dir = std::env::temp_dir().join(format!("anndataoom-versions-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for version in ["0.5", "0.6", "0.7", "0.8"] {
        let s = golden(&format!("versions/anndata_{version}.h5ad"));
        let tree = element::tree(&s).unwrap();
        let mut plan = H5adPlan::new(tree.x.map(|x| Part::copy(&s, x)), Part::copy(&s, "obs"), Part::copy(&s, "var"));
        for (slot, entries) in tree.slots {
            let parts = entries.into_iter().map(|(key, path)| (key, Part::copy(&s, path))).collect();
            match slot {
                "layers" => plan.layers = parts,
                "obsm" => plan.obsm = parts,
                "varm" => plan.varm = parts,
                "obsp" => plan.obsp = parts,
                "varp" => plan.varp = parts,
                _ => plan.uns = parts,
            }
        }
        plan.raw = tree.raw.map(|r| RawPlan {
            x: Part::copy(&s, r.x),
            var: Part::copy(&s, r.var),
            varm: r.varm.into_iter().map(|(key, path)| (key, Part::copy(&s, path))).collect(),
        });
        let path = dir.join(format!("{version}.h5ad"));
        write_h5ad(&plan, &path, &WriteOptions::default(), &Session::default()).unwrap();
        let new = Store::open(&path).unwrap();
        assert_eq!(element::describe(&new, "obs").unwrap().version, "0.2.0");
        check_table(&frame(&new, "obs"), 7, "cell");
        check_table(&frame(&new, "raw/var"), 5, "gene");
        assert_eq!((dense(&new, "X"), dense(&new, "raw/X")), (counts(), counts()));
        assert_eq!(element::describe(&new, "X").unwrap().encoding, "csr_matrix");
        assert!(!new.exists("uns/group_categories"));
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn files_of_10x_genomics() {
    let expected: Vec<f64> =
        (0..54).map(|k| (k % 9 * 6 + k / 9) as f64).map(|k| if k % 4.0 == 1.0 { k % 7.0 + 1.0 } else { 0.0 }).collect();
    for (file, genome, factor) in [("v3.h5", None, 1.0), ("v2_one.h5", None, 1.0), ("v2.h5", Some("mm10"), 2.0)] {
        let s = golden(&format!("tenx/{file}"));
        let t = element::read_10x(&s, genome).unwrap();
        assert_eq!(dense(&s, &t.element), expected.iter().map(|x| x * factor).collect::<Vec<_>>(), "{file}");
        assert_eq!(*t.obs.index, Value::strings((0..6).map(|i| format!("ACGT{i}-1"))));
        assert_eq!(*t.var.index, Value::strings((0..9).map(|i| format!("Gene{i}"))));
        let names: Vec<&str> = t.var.columns.iter().map(|c| c.0.as_str()).collect();
        if file == "v3.h5" {
            assert_eq!(names, ["gene_ids", "feature_types", "genome", "pattern"]);
        } else {
            assert_eq!(names, ["gene_ids"]);
        }
        let e = element::tree(&s).unwrap_err();
        assert!(e.to_string().contains("read_10x_h5"), "{e}");
    }
    let e = element::read_10x(&golden("tenx/v2.h5"), None).unwrap_err();
    assert!(e.class() == "parameter" && e.to_string().contains("GRCh38, mm10"), "{e}");
    assert_eq!(element::read_10x(&golden("elements.h5ad"), None).unwrap_err().class(), "missing");
}
