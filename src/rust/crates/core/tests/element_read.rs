//! Reads every encoding from files that anndata 0.12 and h5py wrote
//! (tests/golden/make_elements.py).

use anndataoom_core::element::*;
use anndataoom_core::store::Store;
use anndataoom_core::Error;
use half::f16;
use std::path::PathBuf;
use std::sync::Arc;

fn golden(name: &str) -> Arc<Store> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden").join(name);
    Store::open(path).unwrap()
}

fn get(store: &Arc<Store>, path: &str) -> Value {
    read(store, path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn texts(v: &Value) -> Vec<String> {
    match v {
        Value::Strings { data, .. } => data.iter().map(str::to_owned).collect(),
        other => panic!("not strings: {other:?}"),
    }
}

fn counts() -> Vec<f64> {
    (0..35).map(|k| if k % 3 == 0 { f64::from(k) + 1.0 } else { 0.0 }).collect()
}

fn dense_of(v: &Value) -> Vec<f64> {
    let Value::Sparse(m) = v else { panic!("not sparse: {v:?}") };
    let mut out = vec![0.0; m.shape.0 * m.shape.1];
    let data = m.data.to_f64().unwrap();
    for (major, w) in m.indptr.windows(2).enumerate() {
        for (k, &value) in data.iter().enumerate().take(w[1] as usize).skip(w[0] as usize) {
            let (r, c) = match m.format {
                SparseFormat::Csr => (major, m.indices[k] as usize),
                SparseFormat::Csc => (m.indices[k] as usize, major),
            };
            out[r * m.shape.1 + c] = value;
        }
    }
    out
}

#[test]
fn matrices_keep_format_and_dtype() {
    let s = golden("elements.h5ad");
    for (path, format, dtype) in [
        ("X", SparseFormat::Csr, DType::F32),
        ("raw/X", SparseFormat::Csr, DType::F32),
        ("layers/csc", SparseFormat::Csc, DType::I64),
        ("obsm/sparse", SparseFormat::Csr, DType::I32),
    ] {
        let v = get(&s, path);
        assert_eq!(dense_of(&v), counts(), "{path}");
        let Value::Sparse(m) = v else { unreachable!() };
        assert_eq!((m.format, m.data.dtype(), m.shape), (format, dtype, (7, 5)), "{path}");
        let d = describe(&s, path).unwrap();
        assert_eq!((d.shape, d.nnz, d.dtype.as_deref()), (vec![7, 5], Some(12), Some(dtype.name())), "{path}");
    }
    let Value::Sparse(m) = get(&s, "layers/bool") else { panic!() };
    assert!(matches!(&m.data, Data::Bool(v) if v.iter().filter(|&&b| b).count() == 6), "{:?}", m.data);
    assert_eq!(get(&s, "layers/dense"), Value::matrix(7, 5, counts()));
    let Value::Sparse(m) = get(&s, "uns/sparse") else { panic!() };
    assert_eq!((m.shape, m.indptr, m.data), ((0, 4), vec![0], Data::F32(vec![])));
}

#[test]
fn dense_arrays_of_any_rank() {
    let s = golden("elements.h5ad");
    let pca: Vec<f32> = (0..21).map(|x| x as f32).collect();
    assert_eq!(get(&s, "obsm/X_pca"), Value::matrix(7, 3, pca));
    let half: Vec<f16> = (0..14).map(|x| f16::from_f32(x as f32)).collect();
    assert_eq!(get(&s, "obsm/half"), Value::matrix(7, 2, half));
    let cube: Vec<i16> = (0..28).collect();
    assert_eq!(get(&s, "obsm/cube"), Value::Array(Array { shape: vec![7, 2, 2], data: cube.into() }));
    assert_eq!(get(&s, "obsm/no_columns"), Value::matrix(7, 0, Vec::<f64>::new()));
    assert_eq!(get(&s, "varp/dense"), Value::matrix(5, 5, (0..25).collect::<Vec<u8>>()));
    assert_eq!(get(&s, "uns/no_numbers"), Value::vector(Vec::<f32>::new()));
    assert_eq!(
        get(&s, "uns/complex_array"),
        Value::Complex { shape: vec![2], data: vec![(1.0, 2.0), (3.0, -4.0)], single: true }
    );
    let d = describe(&s, "obsm/cube").unwrap();
    assert_eq!((d.encoding.as_str(), d.shape, d.dtype.as_deref()), ("array", vec![7, 2, 2], Some("int16")));
}

#[test]
fn dataframe_columns_of_every_kind() {
    let s = golden("elements.h5ad");
    let (name, index) = read_index(&s, "obs").unwrap();
    assert_eq!(name, None);
    assert_eq!(texts(&index), (0..7).map(|i| format!("cell_{i}")).collect::<Vec<_>>());
    assert_eq!(read_index(&s, "var").unwrap().0.as_deref(), Some("gene_id"));
    let names = column_names(&s, "obs").unwrap();
    assert_eq!(names[..3], ["text", "float32", "float64"]);
    assert_eq!(names.len(), 12);
    let column = |name: &str| read_column(&s, "obs", name).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(column("float32"), Value::vector((0..7).map(|i| i as f32 / 4.0).collect::<Vec<_>>()));
    assert_eq!(column("int8"), Value::vector((-3..4).collect::<Vec<i8>>()));
    assert_eq!(column("int64"), Value::vector((0..7).map(|i| i << 40).collect::<Vec<i64>>()));
    assert_eq!(column("uint16"), Value::vector((0..7).map(|i| i * 9000).collect::<Vec<u16>>()));
    assert_eq!(column("bool"), Value::vector((0..7).map(|i| i % 2 == 0).collect::<Vec<_>>()));
    assert_eq!(texts(&column("text"))[..2], ["", "τext 1"]);
    let Value::Categorical(c) = column("category") else { panic!() };
    assert_eq!(
        (c.codes, texts(&c.categories), c.ordered),
        (vec![0, 1, 2, 0, 1, 2, 0], vec!["b".to_owned(), "a".into(), "ü".into(), "unused".into()], false)
    );
    let Value::Categorical(c) = column("ordered") else { panic!() };
    assert_eq!((c.codes, c.ordered), (vec![-1, 0, 1, -1, 0, 1, -1], true));
    let Value::Categorical(c) = column("numbers") else { panic!() };
    assert_eq!(*c.categories, Value::vector(vec![10_i64, 5, 7]));
    let Value::Nullable(n) = column("nullable_int") else { panic!() };
    assert_eq!(n.mask, [false, true, false, false, false, false, false]);
    assert_eq!(*n.values, Value::vector(vec![0_i32, 0, 2, 3, 4, 5, 6]));
    let v = column("nullable_bool");
    assert_eq!(v.encoding(), "nullable-boolean");
    let v = get(&s, "uns/nullable_text");
    assert_eq!(v.encoding(), "nullable-string-array");
    let Value::Nullable(n) = v else { panic!() };
    assert!(n.mask[3]);
    assert_eq!(texts(&n.values)[4], "s4");

    let Value::DataFrame(whole) = get(&s, "obs") else { panic!() };
    assert_eq!(whole.columns.iter().map(|c| c.0.as_str()).collect::<Vec<_>>(), names);
    let d = describe(&s, "obs").unwrap();
    assert_eq!((d.encoding.as_str(), d.version.as_str(), d.shape, d.keys), ("dataframe", "0.2.0", vec![7, 12], names));
    let d = describe(&s, "obs/category").unwrap();
    assert_eq!((d.dtype.as_deref(), d.categories), (Some("category"), Some(4)));

    let Value::DataFrame(t) = get(&s, "uns/table") else { panic!() };
    assert_eq!((t.index_name.as_deref(), &*t.index), (Some("key"), &Value::vector(vec![10_i64, 20])));
    assert_eq!(t.columns[0].0, "b");
    let Value::DataFrame(t) = get(&s, "uns/no_rows") else { panic!() };
    assert_eq!((t.index.len(), t.columns.len()), (Some(0), 1));
    let Value::DataFrame(t) = get(&s, "uns/no_columns") else { panic!() };
    assert_eq!((t.index.len(), t.columns.len()), (Some(2), 0));
}

#[test]
fn uns_scalars_texts_and_nesting() {
    let s = golden("elements.h5ad");
    assert_eq!(get(&s, "uns/int"), Value::number(7_i64));
    assert_eq!(get(&s, "uns/float"), Value::number(2.5_f64));
    assert_eq!(get(&s, "uns/float32"), Value::number(1.5_f32));
    assert_eq!(get(&s, "uns/bool"), Value::number(true));
    assert_eq!(get(&s, "uns/complex"), Value::Scalar(Scalar::Complex(1.0, -2.0)));
    assert_eq!(get(&s, "uns/text"), Value::string("näme"));
    assert_eq!(get(&s, "uns/empty_text"), Value::string(""));
    assert_eq!(get(&s, "uns/none"), Value::Null);
    assert_eq!(get(&s, "uns/strings"), Value::strings(["a", "", "ccc"]));
    assert_eq!(get(&s, "uns/no_strings"), Value::strings(Vec::<String>::new()));
    let Value::Strings { shape, .. } = get(&s, "uns/strings_2d") else { panic!() };
    assert_eq!(shape, [2, 2]);
    let Value::Dict(items) = get(&s, "uns/nested") else { panic!() };
    assert_eq!(items[1], ("empty".to_owned(), Value::Dict(vec![])));
    assert_eq!(get(&s, "uns/nested/deep/deeper/x"), Value::vector(vec![0_i64, 1, 2]));
    let Value::RecArray(fields) = get(&s, "uns/records") else { panic!() };
    assert_eq!(fields[0], ("i".into(), Value::vector(vec![1_i32, 2])));
    assert_eq!(fields[1], ("f".into(), Value::vector(vec![0.5_f64, 1.5])));
    assert_eq!(fields[2], ("s".into(), Value::strings(["x", "yy"])));
    assert_eq!(describe(&s, "uns/records").unwrap().keys, ["i", "f", "s"]);
    let Value::Categorical(c) = get(&s, "uns/category") else { panic!() };
    assert_eq!((c.codes, texts(&c.categories)), (vec![1, -1, 0], vec!["v".to_owned(), "u".into()]));
    let Value::Categorical(c) = get(&s, "uns/no_categories") else { panic!() };
    assert_eq!((c.codes, c.categories.len()), (vec![-1, -1], Some(0)));
    if s.exists("obsm/awkward") {
        let Value::Awkward { length, form, buffers } = get(&s, "obsm/awkward") else { panic!() };
        assert_eq!(length, 7);
        assert!(form.starts_with('{') && !buffers.is_empty());
    }
}

#[test]
fn types_other_tools_write() {
    let s = golden("elements_types.h5");
    for order in ["le", "be"] {
        let v = |kind: &str| get(&s, &format!("{order}_{kind}"));
        assert_eq!(v("i1"), Value::vector(vec![0_i8, 1, 2, 3]));
        assert_eq!(v("i2"), Value::vector(vec![0_i16, 1, 2, 3]));
        assert_eq!(v("i4"), Value::vector(vec![0_i32, 1, 2, 3]));
        assert_eq!(v("i8"), Value::vector(vec![0_i64, 1, 2, 3]));
        assert_eq!(v("u1"), Value::vector(vec![0_u8, 1, 2, 3]));
        assert_eq!(v("u2"), Value::vector(vec![0_u16, 1, 2, 3]));
        assert_eq!(v("u4"), Value::vector(vec![0_u32, 1, 2, 3]));
        assert_eq!(v("u8"), Value::vector(vec![0_u64, 1, 2, 3]));
        assert_eq!(v("f2"), Value::vector([0.0, 1.0, 2.0, 3.0].map(f16::from_f32).to_vec()));
        assert_eq!(v("f4"), Value::vector(vec![0_f32, 1.0, 2.0, 3.0]));
        assert_eq!(v("f8"), Value::vector(vec![0_f64, 1.0, 2.0, 3.0]));
    }
    assert_eq!(
        get(&s, "be_complex"),
        Value::Complex { shape: vec![2], data: vec![(1.0, 2.0), (3.0, -4.0)], single: false }
    );
    assert_eq!(get(&s, "extremes_i8"), Value::vector(vec![i64::MIN, i64::MAX]));
    assert_eq!(get(&s, "extremes_u8"), Value::vector(vec![0, u64::MAX]));
    let Value::Array(a) = get(&s, "nan_inf") else { panic!() };
    let bits: Vec<u64> = a.data.to_f64().unwrap().iter().map(|x| x.to_bits()).collect();
    assert_eq!(bits[1..], [f64::INFINITY, f64::NEG_INFINITY, -0.0].map(f64::to_bits));
    assert!(f64::from_bits(bits[0]).is_nan());
    assert_eq!(get(&s, "zero_d"), Value::Array(Array { shape: vec![], data: vec![3_i16].into() }));
    assert_eq!(get(&s, "enumeration"), Value::vector(vec![3_u8, 1]));
    assert_eq!(get(&s, "uint8_bool"), Value::vector(vec![true, false, true]));
    assert_eq!(get(&s, "fixed_ascii"), Value::strings(["abc", "", "abcde"]));
    assert_eq!(get(&s, "fixed_utf8"), Value::strings(["é", "", "abcd"]));
    assert_eq!(get(&s, "variable_ascii"), Value::strings(["x", "", "yz"]));
    assert_eq!(get(&s, "space_padded"), Value::strings(["ab", "c"]));
    assert_eq!(get(&s, "fixed_scalar"), Value::string("hello"));
    assert_eq!(get(&s, "bytes"), Value::Scalar(Scalar::Bytes(b"a\0\xffb".to_vec())));
    assert_eq!(get(&s, "array_scalar_like"), Value::number(4.5));
    let Value::RecArray(fields) = get(&s, "records") else { panic!() };
    assert_eq!(fields[0].1, Value::vector(vec![1_i16, 2, 3]));
    assert_eq!(fields[1].1, Value::strings(["a", "bb", "ccc"]));
    let grid: Vec<f32> = (0..12).map(|x| x as f32).collect();
    assert_eq!(fields[2].1, Value::Array(Array { shape: vec![3, 2, 2], data: grid.into() }));
    assert_eq!(fields[3].1, Value::vector(vec![true, false, true]));
    let z = vec![(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)];
    assert_eq!(fields[4].1, Value::Complex { shape: vec![3], data: z, single: true });
    assert_eq!(dense_of(&get(&s, "int64_indices")), [1.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
    assert_eq!(column_names(&s, "wide").unwrap(), Vec::<String>::new());
    assert_eq!(s.keys("in_order").unwrap(), ["z", "a", "y"]);
    assert_eq!(get(&s, "soft"), Value::vector(vec![0_i32, 1, 2, 3]));
    let e = read(&s, "dangling").unwrap_err();
    assert!(matches!(e, Error::Missing { .. }) && e.to_string().contains("link"), "{e}");
    assert_eq!(get(&s, "plain/group/x"), Value::number(5_i64));
    assert_eq!(describe(&s, "plain").unwrap().keys, ["group"]);
}

#[test]
fn files_of_anndata_before_0_8() {
    let s = golden("elements_legacy.h5ad");
    assert_eq!(dense_of(&get(&s, "X")), counts());
    let Value::DataFrame(obs) = get(&s, "obs") else { panic!() };
    assert_eq!(obs.index_name.as_deref(), Some("names"));
    let Value::Categorical(c) = &obs.columns[0].1 else { panic!("{:?}", obs.columns[0]) };
    assert_eq!((c.codes.as_slice(), c.ordered), ([0, 1, 0, 1, 0, 1, 0].as_slice(), true));
    assert_eq!(texts(&c.categories), ["b", "a"]);
    assert_eq!(read_column(&s, "var", "group").unwrap().len(), Some(5));
    assert_eq!(get(&s, "uns/params/method"), Value::string("umap"));
    assert_eq!(get(&s, "uns/params/n"), Value::number(15_i64));
    assert_eq!(get(&s, "uns/colors"), Value::strings(["#fff", "#000"]));

    let s = golden("elements_ancient.h5ad");
    assert_eq!(dense_of(&get(&s, "X")), counts());
    assert_eq!(describe(&s, "X").unwrap().encoding, "csr_matrix");
    let Value::DataFrame(obs) = get(&s, "obs") else { panic!() };
    assert_eq!((obs.index_name.as_deref(), texts(&obs.index)[6].as_str()), (Some("index"), "cell_6"));
    let Value::Categorical(c) = &obs.columns[0].1 else { panic!() };
    assert_eq!((c.codes.len(), texts(&c.categories)), (7, vec!["b".to_owned(), "a".into()]));
    assert_eq!(describe(&s, "obs").unwrap().keys, ["group", "score"]);
    assert_eq!(read_column(&s, "obs", "score").unwrap(), Value::vector((0..7).map(|i| i as f32).collect::<Vec<_>>()));
    assert_eq!(texts(&read_index(&s, "var").unwrap().1)[4], "gene_4");
    let Value::Dict(obsm) = get(&s, "obsm") else { panic!() };
    let pca: Vec<f32> = (0..14).map(|i| if i % 2 == 0 { 1.0 } else { 2.0 }).collect();
    assert_eq!(obsm[0], ("X_pca".to_owned(), Value::matrix(7, 2, pca)));
    assert_eq!(describe(&s, "obsm").unwrap().keys, ["X_pca"]);
}

#[test]
fn hostile_elements_are_errors_that_name_them() {
    let s = golden("elements_hostile.h5");
    let mut seen = 0;
    for key in s.keys("").unwrap() {
        // The other columns of such a table remain readable, which is checked below.
        if ["code_too_large", "text_as_number"].contains(&key.as_str()) {
            continue;
        }
        let e = match read(&s, &key) {
            Ok(v) => panic!("{key} was read as {v:?}"),
            Err(e) => e,
        };
        let text = e.to_string();
        assert!(matches!(e.class(), "format" | "unsupported" | "missing"), "{key}: {text}");
        assert!(text.contains("elements_hostile.h5") && text.contains(&format!("'{key}")), "{key}: {text}");
        println!("{text}");
        seen += 1;
    }
    assert!(seen > 35, "{seen}");
    let e = read(&s, "code_too_large").unwrap_err();
    assert!(e.to_string().contains("codes from -1 to 1, found 2 at row 1"), "{e}");
    for table in ["column_short", "column_unknown", "column_2d"] {
        let good = column_names(&s, table).unwrap().remove(0);
        if table != "column_2d" {
            assert!(read_column(&s, table, &good).is_ok(), "{table}");
        }
        assert_eq!(read_index(&s, table).unwrap().1.len(), Some(3));
    }
    assert!(read_column(&s, "column_short", "b").is_err());
    let e = read_column(&s, "column_short", "c").unwrap_err();
    assert_eq!(e.class(), "name");
    assert!(e.to_string().contains("there are: a, b"), "{e}");
}

#[test]
fn rows_and_columns_can_be_selected() {
    let s = golden("elements.h5ad");
    let (rows, cols) = ([6_u32, 0, 0, 3], [4_u32, 1, 1]);
    let full = counts();
    let expected: Vec<f64> =
        rows.iter().flat_map(|&r| cols.iter().map(move |&c| (r, c))).map(|(r, c)| full[(r * 5 + c) as usize]).collect();
    for path in ["X", "layers/csc", "obsm/sparse"] {
        let v = read_selected(&s, path, Some(&rows), Some(&cols)).unwrap();
        assert_eq!(dense_of(&v), expected, "{path}");
        let whole = read_selected(&s, path, None, None).unwrap();
        assert_eq!(dense_of(&whole), full);
    }
    assert_eq!(
        read_selected(&s, "layers/dense", Some(&rows), Some(&cols)).unwrap(),
        Value::matrix(4, 3, expected.clone())
    );
    let Value::Array(cube) = read_selected(&s, "obsm/cube", Some(&[2, 1]), None).unwrap() else { panic!() };
    assert_eq!((cube.shape, cube.data), (vec![2, 2, 2], Data::I16(vec![8, 9, 10, 11, 4, 5, 6, 7])));
    let Value::DataFrame(d) = read_selected(&s, "obs", Some(&rows), None).unwrap() else { panic!() };
    assert_eq!(texts(&d.index), ["cell_6", "cell_0", "cell_0", "cell_3"]);
    let Value::Nullable(n) = read_selected(&s, "uns/nullable_text", Some(&rows), None).unwrap() else { panic!() };
    assert_eq!(n.mask, [false, false, false, true]);
    assert!(matches!(read_selected(&s, "obs", Some(&[7]), None), Err(Error::Index { axis: "row", index: 7, len: 7 })));
    assert_eq!(read_selected(&s, "obs/text", Some(&[]), None).unwrap(), Value::strings(Vec::<String>::new()));
    assert!(read_selected(&s, "uns/int", Some(&[0]), None).is_err());
}

#[test]
fn threads_may_read_the_same_file() {
    let s = golden("elements.h5ad");
    let expected = get(&s, "obs");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(get(&s, "obs"), expected);
                    assert!(read(&s, "nope").is_err());
                }
            });
        }
    });
}

/// Checks that damage is an error or goes unnoticed, and is never a crash: bytes of a small file
/// are overwritten in turn.
#[test]
fn damaged_bytes_do_not_crash() {
    let whole = std::fs::read(golden("elements_legacy.h5ad").location().path().unwrap()).unwrap();
    let path = std::env::temp_dir().join(format!("anndataoom-damaged-{}.h5ad", std::process::id()));
    let (mut opened, mut failed) = (0, 0);
    for at in (0..whole.len()).step_by(199) {
        for value in [0_u8, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            std::fs::write(&path, bytes).unwrap();
            let Ok(s) = Store::open(&path) else { continue };
            opened += 1;
            for key in s.keys("").unwrap_or_default() {
                failed += usize::from(read(&s, &key).is_err()) + usize::from(describe(&s, &key).is_err());
            }
        }
    }
    std::fs::remove_file(&path).unwrap();
    assert!(opened > 50 && failed > 0, "{opened} {failed}");
}
