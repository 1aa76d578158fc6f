//! Checks packed rows: passes after the first read them in place of the file and give the same
//! blocks, whatever the values are. A copy of another state is never read, and nothing fails where
//! there is no room for packed rows.

mod matrix_common;

use anndataoom_core::element::{Array, Data, Number, Sparse, SparseFormat};
use anndataoom_core::matrix::{MemorySource, PackedState, PackedTrouble, Source};
use anndataoom_core::ops::{self, ScaleOptions};
use anndataoom_core::stream::{collect, map_columns, Column, Label, Order, PerColumn, Value};
use anndataoom_core::{LazyMatrix, Result, Session};
use matrix_common::*;
use std::path::Path;
use std::sync::Arc;

const GZIP: Stored = Stored::Chunked { chunk: 10_007, filter: "gzip" };

fn matrix(path: &Path, element: &str) -> LazyMatrix {
    LazyMatrix::new(open(path, element).unwrap())
}

fn state(source: &Arc<dyn Source>, session: &Session) -> PackedState {
    source.packed(&session.keeping(true), &session.scratch)
}

/// Returns whether all rows are packed.
fn is_whole(source: &Arc<dyn Source>, session: &Session) -> bool {
    matches!(state(source, session), PackedState::Kept { kept, all, trouble: None, .. } if kept == all && all > 0)
}

/// Returns all rows of `x`, collected in memory, as text to the last bit.
fn values(x: &LazyMatrix, session: &Session) -> String {
    format!("{:?}", collect(x, session, u64::MAX).unwrap())
}

/// Makes a session with the default setting, whose passes leave as many packed rows as the matrix
/// takes up in its file.
fn packing(threads: usize) -> Session {
    Session::with_threads(threads)
}

fn not_packing() -> Session {
    Session { packed: Some(0), ..Session::with_threads(2) }
}

fn counts(dir: &Dir) -> std::path::PathBuf {
    let path = dir.file("x.h5ad");
    write_sparse::<i32>(&path, "X", &random_csr::<f32>(4000, 700, 90, 3), &GZIP);
    path
}

/// Returns the matrix with value `of(k)` at stored entry `k`.
fn with_values<T: Number>(m: &Sparse, of: impl Fn(usize) -> T) -> Sparse {
    Sparse { data: T::wrap((0..m.indices.len()).map(of).collect()), ..m.clone() }
}

#[test]
fn values_of_every_type_come_back_in_every_layout_and_selection() {
    let dir = Dir::new();
    let path = dir.file("x.h5ad");
    let counts = random_csr::<f32>(4000, 700, 40, 5);
    let odd = [f64::NAN, -0.0, 0.0, -3.0, 0.1, f64::INFINITY, 1e300, 2f64.powi(53), 7.0, 7.0, 7.0];
    let odd = |i: usize| odd[(i * i) % odd.len()];
    let mut elements = vec![
        ("f32", counts.clone()),
        ("f64", with_values(&counts, odd)),
        ("f32-odd", with_values(&counts, |i| odd(i) as f32)),
        ("i8", with_values(&counts, |i| i as i8)),
        ("i16", with_values(&counts, |i| (i % 7) as i16 - 3)),
        ("i32", with_values(&counts, |i| (i as i32).wrapping_mul(1 << (i % 31)))),
        ("i64", with_values(&counts, |i| i64::MIN >> (i % 63))),
        ("u8", with_values(&counts, |i| i as u8)),
        ("u16", with_values(&counts, |i| (i % 3) as u16)),
        ("u32", with_values(&counts, |i| u32::MAX >> (i % 31))),
        ("u64", with_values(&counts, |i| u64::MAX >> (i % 63))),
        ("bool", with_values(&counts, |i| i % 3 == 0)),
    ];
    // Columns that descend and repeat; the source sorts them.
    let mut unsorted = counts.clone();
    unsorted.indices.reverse();
    (0..unsorted.indices.len()).step_by(5).skip(1).for_each(|i| unsorted.indices[i] = unsorted.indices[i - 1]);
    elements.push(("unsorted", unsorted));
    // One row that holds all values, between empty rows.
    let n = counts.indices.len();
    let indptr = (0..=4000).map(|i| if i < 2000 { 0 } else { n as u64 }).collect();
    elements.push(("one row", Sparse { indptr, indices: (0..n as u32).collect(), shape: (4000, n), ..counts.clone() }));
    let csc = Sparse { format: SparseFormat::Csc, ..to_csc(&counts) };
    elements.push(("csc", csc));
    for (element, m) in &elements {
        let is_wide = *element == "f64";
        if is_wide {
            write_sparse::<i64>(&path, element, m, &GZIP);
        } else {
            write_sparse::<i32>(&path, element, m, &GZIP);
        }
        let plain = matrix(&path, element);
        let session = Session { packed: Some(1 << 30), ..packing(3) };
        let x = matrix(&path, element);
        let decoded = || x.source().reads().decoded;
        let _ = ops::row_sums(&x, &session);
        if !is_whole(x.source(), &session) {
            // Values without a sum end the first pass with an error; another pass leaves the rest.
            ops::filter_cells(&x, ops::CellCriterion::MinGenes(1.0), &session).ok();
        }
        let whole = is_whole(x.source(), &session);
        assert!(whole, "{element}: {:?}", state(x.source(), &session));
        let (chunks, once) = (x.source().reads().chunks, decoded());
        assert!(chunks > 0 && once >= chunks);
        let (n, m) = x.shape();
        let some: Vec<u32> = (0..n as u32).filter(|i| i % 7 < 3).collect();
        let turned: Vec<u32> = (0..n as u32).rev().collect();
        let columns: Vec<u32> = (0..m as u32).step_by(3).collect();
        for rows in [None, Some(&some), Some(&turned)] {
            for columns in [None, Some(&columns)] {
                let select = |x: &LazyMatrix| x.select(rows.map(|r| &r[..]), columns.map(|c| &c[..])).unwrap();
                assert!(values(&select(&x), &session) == values(&select(&plain), &not_packing()), "{element}");
            }
        }
        assert_eq!(decoded(), once, "{element}");
    }
}

#[test]
fn a_file_opened_again_is_packed_already_and_one_that_changed_is_not() {
    let dir = Dir::new();
    let (path, session) = (counts(&dir), packing(2));
    let first = ops::col_sums(&matrix(&path, "X"), &session).unwrap();
    let x = matrix(&path, "X");
    assert!(is_whole(x.source(), &session) && session.scratch.used() > 0);
    assert_eq!(ops::col_sums(&x, &session).unwrap(), first);
    assert_eq!(x.source().reads().decoded, 0);
    // Another session has no packed rows of it, and neither has a call that wants none.
    for other in [packing(2), Session { packed: Some(0), ..session.call() }] {
        let again = matrix(&path, "X");
        assert_eq!(ops::col_sums(&again, &other).unwrap(), first);
        assert_eq!(again.source().reads().decoded, again.source().reads().chunks);
    }
    drop(x);

    // Another matrix of the same extents is written over the first.
    let other = dir.file("other.h5ad");
    write_sparse::<i32>(&other, "X", &random_csr::<f32>(4000, 700, 90, 4), &GZIP);
    std::fs::copy(&other, &path).unwrap();
    let changed = matrix(&path, "X");
    assert!(matches!(state(changed.source(), &session), PackedState::Planned(_)));
    let sums = ops::col_sums(&changed, &session).unwrap();
    assert_eq!(sums, ops::col_sums(&matrix(&other, "X"), &not_packing()).unwrap());
    assert_ne!(sums, first);
    assert!(is_whole(changed.source(), &session));
    // A touched file is read again, and packed rows that nothing refers to any more make room.
    let used = session.scratch.used();
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(ops::col_sums(&changed, &session).unwrap(), sums);
    assert_eq!(changed.source().reads().decoded, 2 * changed.source().reads().chunks);
    drop(changed);
    ops::col_sums(&matrix(&other, "X"), &session).unwrap();
    assert!(session.scratch.used() <= used, "{} {used}", session.scratch.used());
}

#[test]
fn passes_that_come_once_or_over_a_few_rows_leave_nothing() {
    let dir = Dir::new();
    let (path, session) = (counts(&dir), packing(2));
    let x = matrix(&path, "X");
    blocks(&x, Order::Matrix, 2).unwrap();
    collect(&x, &session, u64::MAX).unwrap();
    ops::row_sums(&x.select(Some(&[5, 6, 7]), None).unwrap(), &session).unwrap();
    assert_eq!(session.scratch.used(), 0);
    // Neither does a matrix leave packed rows that is uncompressed, compressed by lzf, or small.
    for (name, rows, filter) in [("lzf", 4000, "lzf"), ("none", 4000, "none"), ("small", 400, "gzip")] {
        let stored = Stored::Chunked { chunk: 10_007, filter };
        write_sparse::<i32>(&path.with_file_name(name), "X", &random_csr::<f32>(rows, 700, 90, 3), &stored);
        let x = matrix(&path.with_file_name(name), "X");
        ops::row_sums(&x, &session).unwrap();
        assert_eq!((session.scratch.used(), state(x.source(), &session)), (0, PackedState::None), "{name}");
    }
}

/// Returns the results of verbs that read in several ways, as text to the last bit.
fn results(x: &LazyMatrix, session: &Session) -> String {
    let sums = (ops::row_sums(x, session).unwrap(), ops::col_sums(x, session).unwrap());
    let scaled = ops::scale(x, &ScaleOptions::default(), session).unwrap().1;
    format!("{sums:?} {scaled:?} {}", values(x, session))
}

#[test]
fn where_there_is_no_room_the_file_is_read() {
    let dir = Dir::new();
    let path = counts(&dir);
    let expected = results(&matrix(&path, "X"), &not_packing());
    let fact = |x: &LazyMatrix, session: &Session| {
        let plan = ops::explain(x, |d| d.verb.to_owned(), session).unwrap();
        plan.facts.into_iter().find(|(name, _)| *name == "packed").map(|(_, text)| text).unwrap_or_default()
    };

    // The packed rows need more than the setting: as many are kept as it allows.
    let little = Session { packed: Some(100_000), ..packing(2) };
    let x = matrix(&path, "X");
    assert_eq!(results(&x, &little), expected);
    let PackedState::Kept { kept, all, bytes, trouble, .. } = state(x.source(), &little) else { panic!() };
    assert!(0 < kept && kept < all && bytes <= 100_000 && trouble == Some(PackedTrouble::Limit(100_000)));
    assert!(fact(&x, &little).ends_with("the rest from the file: more than 97.7 KB in all, see the setting scratch"));

    // Full scratch files and a missing folder are no errors for the user.
    let full = packing(2);
    let full = Session { scratch: full.scratch.limited(Some(100_000)), packed: Some(1 << 30), ..full };
    let x = matrix(&path, "X");
    assert_eq!(results(&x, &full), expected);
    assert!(matches!(state(x.source(), &full), PackedState::Kept { trouble: Some(PackedTrouble::Scratch(_)), .. }));
    assert!(fact(&x, &full).contains("the rest from the file: scratch files in '"), "{}", fact(&x, &full));
    let none = packing(2);
    let none = Session { scratch: none.scratch.in_folder(&dir.file("not there")), ..none };
    let x = matrix(&path, "X");
    assert_eq!(results(&x, &none), expected);
    assert!(fact(&x, &none).contains("create a scratch file in"), "{}", fact(&x, &none));

    // Work that cannot do without scratch space gets the room of packed rows.
    let session = packing(2);
    let x = matrix(&path, "X");
    assert_eq!(results(&x, &session), expected);
    assert!(is_whole(x.source(), &session));
    let columns = map_columns(&x, Some(&[0; 4000]), &Sum, &not_packing()).unwrap();
    let tight = Session { scratch: session.scratch.limited(Some(2 << 20)), memory: 100_000, ..session.call() };
    assert_eq!(map_columns(&x, Some(&[0; 4000]), &Sum, &tight).unwrap(), columns);
    assert!(matches!(
        state(x.source(), &session),
        PackedState::Kept { kept: 0, trouble: Some(PackedTrouble::GivenUp), .. }
    ));
    assert_eq!(session.scratch.used(), 0);
    assert_eq!(results(&x, &session), expected);
    assert!(fact(&x, &session).ends_with("other scratch files needed the room"));
}

/// Computes the sum of a column.
struct Sum;

impl PerColumn for Sum {
    type Output = f64;

    fn column<T: Value, L: Label>(&self, column: &Column<'_, T, L>) -> Result<f64> {
        Ok(column.values.iter().map(|x| x.to_f64()).sum())
    }
}

#[test]
#[cfg(target_os = "linux")]
fn damaged_bytes_are_not_read() {
    use std::os::unix::fs::FileExt;
    let dir = Dir::new();
    std::fs::create_dir(dir.file("scratch")).unwrap();
    let path = counts(&dir);
    let expected = results(&matrix(&path, "X"), &not_packing());
    let session = packing(2);
    let session = Session { scratch: session.scratch.in_folder(&dir.file("scratch")), ..session };
    let x = matrix(&path, "X");
    ops::row_sums(&x, &session).unwrap();
    assert!(is_whole(x.source(), &session));
    // The scratch file is unlinked, so it is found by its descriptor.
    let folder = std::fs::canonicalize(dir.file("scratch")).unwrap();
    let is_scratch = |path: &std::path::PathBuf| std::fs::read_link(path).is_ok_and(|to| to.starts_with(&folder));
    let mut files = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path()).filter(is_scratch);
    let file = std::fs::File::options().write(true).open(files.next().unwrap()).unwrap();
    assert!(files.next().is_none());
    for (at, byte) in [(100, 1), (20_000, 77), (file.metadata().unwrap().len() - 3, 200)] {
        file.write_all_at(&[byte, byte ^ 3], at).unwrap();
    }
    assert_eq!(results(&x, &session), expected);
    let PackedState::Kept { kept, all, trouble, .. } = state(x.source(), &session) else { panic!() };
    assert!(kept < all && kept > 0 && trouble == Some(PackedTrouble::Damaged));
    // All of the scratch file is lost.
    file.set_len(10).unwrap();
    assert_eq!(results(&x, &session), expected);
}

/// Checks that a copy in a folder is found by sessions that share nothing.
#[test]
fn a_copy_is_kept_for_other_sessions() {
    let dir = Dir::new();
    let (path, copies) = (counts(&dir), dir.file(""));
    let expected = results(&matrix(&path, "X"), &not_packing());
    let x = matrix(&path, "X");
    let first = ops::pack(&x, &copies, &packing(2)).unwrap();
    assert!(first.made && first.path.parent() == Some(&copies) && first.bytes > 0);
    let again = matrix(&path, "X");
    let session = Session { packed: Some(0), ..packing(1) };
    let found = ops::pack(&again, &copies, &session).unwrap();
    assert_eq!(found, ops::Indexed { made: false, ..first.clone() });
    let before = again.source().reads().decoded;
    assert_eq!(results(&again, &session), expected);
    // Another object of the same session.
    assert_eq!(results(&matrix(&path, "X"), &session), expected);
    assert_eq!((again.source().reads().decoded, session.scratch.used()), (before, 0));
    let PackedState::Kept { kept, all, path: at, trouble: None, .. } = state(again.source(), &session) else {
        panic!()
    };
    assert!(kept == all && at.as_ref() == Some(&first.path));
    let plan = ops::explain(&again, |d| d.verb.to_owned(), &session).unwrap().to_string();
    assert!(plan.contains(&format!(" in '{}', read in a quarter of the time", first.path.display())), "{plan}");
    // The result is the same on any number of threads, and whatever was packed before.
    let packed = packing(3);
    ops::row_sums(&x, &packed).unwrap();
    std::fs::remove_file(&first.path).unwrap();
    let remade = ops::pack(&x, &copies, &packed).unwrap();
    assert_eq!(remade, first);
    assert_eq!((results(&x, &packed), packed.scratch.used()), (expected.clone(), 0));

    // Another state of the file.
    let other = dir.file("other.h5ad");
    write_sparse::<i32>(&other, "X", &random_csr::<f32>(4000, 700, 90, 4), &GZIP);
    std::fs::copy(&other, &path).unwrap();
    let changed = matrix(&path, "X");
    let session = packing(2);
    assert!(ops::pack(&changed, &copies, &session).unwrap().made);
    assert_eq!(results(&changed, &session), results(&matrix(&other, "X"), &not_packing()));

    // Columns, few values, no values, and layers have copies of their own.
    let path = dir.file("more.h5ad");
    write_sparse::<i32>(&path, "X", &to_csc(&random_csr::<f32>(4000, 700, 90, 5)), &GZIP);
    write_sparse::<i32>(&path, "few", &random_csr::<f32>(20, 10, 3, 5), &GZIP);
    write_sparse::<i32>(&path, "none", &random_csr::<f32>(20, 10, 0, 5), &GZIP);
    for element in ["X", "few", "none"] {
        let (x, session) = (matrix(&path, element), packing(2));
        assert!(ops::pack(&x, &copies, &session).unwrap().made);
        let decoded = x.source().reads().decoded;
        assert_eq!(results(&x, &session), results(&matrix(&path, element), &not_packing()), "{element}");
        assert_eq!(x.source().reads().decoded, decoded, "{element}");
    }
    // A matrix that cannot be packed gives an error that says so; so does a folder that cannot be
    // written.
    let two = Array { shape: vec![2, 2], data: Data::F32(vec![1.0; 4]) };
    let dense = LazyMatrix::new(Arc::new(MemorySource::from_array(two).unwrap()));
    let e = ops::pack(&dense, &copies, &session).unwrap_err().to_string();
    assert!(e.ends_with("is in memory or in several files: only a matrix in one file can be packed"), "{e}");
    let e = ops::pack(&matrix(&other, "X"), &dir.file("nowhere"), &session).unwrap_err();
    assert_eq!(e.class(), "io");
}

#[test]
fn a_damaged_copy_gives_no_wrong_values() {
    let dir = Dir::new();
    let (path, copies) = (counts(&dir), dir.file(""));
    let expected = results(&matrix(&path, "X"), &not_packing());
    let made = ops::pack(&matrix(&path, "X"), &copies, &packing(2)).unwrap();
    let whole = std::fs::read(&made.path).unwrap();
    let last = whole.len() - 1;
    let places =
        [0, 1, 77, last / 3, last / 2, last - 2000, last - 100, last - 30, last - 20, last - 12, last - 3, last];
    for at in places {
        for cut in [false, true] {
            let mut bytes = whole.clone();
            bytes[at] ^= 16;
            bytes.truncate(if cut { at } else { bytes.len() });
            std::fs::write(&made.path, &bytes).unwrap();
            let (x, session) = (matrix(&path, "X"), packing(2));
            ops::pack(&x, &copies, &session).unwrap();
            assert_eq!(results(&x, &session), expected, "{at} {cut}");
        }
    }
    // The copy is damaged while it is open.
    let (x, session) = (matrix(&path, "X"), packing(2));
    ops::pack(&x, &copies, &session).unwrap();
    let mut bytes = std::fs::read(&made.path).unwrap();
    bytes[last / 2] ^= 1;
    std::fs::write(&made.path, &bytes).unwrap();
    assert_eq!(results(&x, &session), expected);
    let PackedState::Kept { kept, all, trouble: Some(PackedTrouble::Damaged), .. } = state(x.source(), &session) else {
        panic!()
    };
    assert_eq!(kept + 1, all);
}

#[test]
fn the_plan_says_what_is_packed() {
    let dir = Dir::new();
    let (path, session) = (counts(&dir), packing(2));
    let x = matrix(&path, "X");
    let plan = || ops::explain(&x, |d| d.verb.to_owned(), &session).unwrap();
    let step = |verb: &str| {
        let step = plan().steps.into_iter().find(|s| s.verb == verb).unwrap();
        (step.places(), step.bytes)
    };
    let text = plan().to_string();
    assert!(text.contains("  packed   the first pass leaves its rows in a scratch file of at most "), "{text}");
    assert_eq!(step("calculate_qc_metrics"), ("file".to_owned(), x.source().disk_bytes()));
    let pearson = "highly_variable_genes 'pearson_residuals'";
    assert_eq!(step(pearson), ("file, then packed".to_owned(), x.source().disk_bytes()));
    ops::mean_var(&x, ops::Axis::Var, 1, &session).unwrap();
    let PackedState::Kept { bytes, .. } = state(x.source(), &session) else { panic!() };
    assert!(plan().to_string().contains("  packed   all rows, "), "{}", plan());
    assert_eq!(step("calculate_qc_metrics"), ("packed".to_owned(), bytes));
    assert_eq!(step("obs_vector of one gene"), ("packed".to_owned(), bytes));
    assert_eq!(bytes, session.scratch.used());
    assert!(bytes < x.source().disk_bytes());
}

#[test]
fn logarithms_of_counts_are_a_table() {
    let dir = Dir::new();
    let m = random_csr::<f32>(4000, 700, 90, 3);
    let Data::F32(values) = &m.data else { panic!() };
    let path = dir.file("logs.h5ad");
    write_sparse::<i32>(&path, "X", &with_values(&m, |i| (values[i] * 1.7).ln_1p()), &GZIP);
    let (x, session) = (matrix(&path, "X"), packing(1));
    ops::row_sums(&x, &session).unwrap();
    let PackedState::Kept { bytes, .. } = state(x.source(), &session) else { panic!() };
    // Eight different values are stored as a table.
    assert!(is_whole(x.source(), &session) && bytes < 2 * values.len() as u64, "{bytes} of {}", values.len());
}
