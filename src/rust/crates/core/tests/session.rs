//! A session: what passes leave in it is found by every chain on the same matrix and goes with it, and all that is at work
//! shares its memory; results depend on neither.

mod matrix_common;

use anndataoom_core::ops::{self, PcaOptions, QcOptions, ScaleOptions};
use anndataoom_core::stream::{Blocks, Order};
use anndataoom_core::{LazyMatrix, Session};
use matrix_common::*;
use std::path::Path;

const STORED: Stored = Stored::Chunked { chunk: 5000, filter: "gzip" };

fn matrix(path: &Path) -> LazyMatrix {
    LazyMatrix::new(open(path, "X").unwrap())
}

fn written(dir: &Dir) -> std::path::PathBuf {
    let path = dir.file("x.h5ad");
    write_sparse::<i32>(&path, "X", &random_csr::<f32>(6000, 300, 90, 3), &STORED);
    path
}

/// Passes of every verb that `explain` names, by verb.
fn passes(x: &LazyMatrix, session: &Session) -> Vec<(String, usize)> {
    let plan = ops::explain(x, |d| d.verb.to_owned(), session).unwrap();
    plan.steps.into_iter().map(|step| (step.verb, step.passes.len())).collect()
}

fn bits(x: &LazyMatrix, session: &Session) -> Vec<u64> {
    let (scaled, _) = ops::scale(x, &ScaleOptions::default(), session).unwrap();
    let options = PcaOptions { n_comps: Some(5), ..PcaOptions::default() };
    let found = ops::pca(&scaled, &options, session).unwrap();
    found.loadings.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn what_is_known_is_found_by_chains_on_the_matrix_and_goes_with_them() {
    let dir = Dir::new();
    let path = written(&dir);
    let session = Session::with_threads(2);
    let x = matrix(&path);
    let copy = x.select(None, None).unwrap();
    let fresh = passes(&x, &session);
    ops::calculate_qc_metrics(&x, &QcOptions { percent_top: Vec::new(), ..QcOptions::default() }, &session.call())
        .unwrap();
    let known = passes(&copy, &session.call());
    let of = |plan: &[(String, usize)]| plan.iter().find(|(verb, _)| verb == "normalize_total").unwrap().1;
    assert_eq!((of(&fresh), of(&known)), (1, 0));
    // Another session knows nothing of it, nor does the file opened again.
    assert_eq!(of(&passes(&x, &Session::with_threads(2))), 1);
    assert_eq!(of(&passes(&matrix(&path), &session)), 1);

    // Columns that one selection leaves are read by a copy of it, without the file.
    let columns: Vec<u32> = (0..300).step_by(3).collect();
    let part = x.select(None, Some(&columns)).unwrap();
    let first = bits(&part, &session.call());
    let read = x.source().reads().decoded;
    assert_eq!(bits(&part.clone(), &session.call()), first);
    assert_eq!(x.source().reads().decoded, read);
    assert!(session.caches.len() == 2 && session.budget.leased() > 0);
    assert_eq!(bits(&part, &Session::with_threads(3)), first);

    drop((x, copy));
    assert_eq!(session.caches.len(), 2);
    drop(part);
    assert!(session.caches.is_empty());
    assert_eq!(session.budget.leased(), 0);
}

#[test]
fn whatever_others_hold_a_pass_gets_on_and_gives_the_same_bits() {
    let dir = Dir::new();
    let columns: Vec<u32> = (0..300).step_by(2).collect();
    let x = matrix(&written(&dir)).select(None, Some(&columns)).unwrap();
    let free = bits(&x, &Session::with_threads(2));

    let session = Session::with_threads(2);
    let all = session.lease("everything", session.memory, session.memory).unwrap();
    assert_eq!(bits(&x, &session.call()), free);
    let error = session.lease("a graph", 1, 1).unwrap_err().to_string();
    assert!(error.contains("raise the setting memory"), "{error}");
    drop(all);

    // One pass in the middle of another.
    let mut blocks = Blocks::new(&x, Order::Matrix, &session.call()).unwrap();
    let first = blocks.next().unwrap().unwrap();
    assert!(first.n_rows() > 0);
    assert_eq!(bits(&x, &session.call()), free);
    drop(blocks);
    drop(x);
    assert_eq!(session.budget.leased(), 0);
}

#[test]
fn columns_past_the_memory_go_to_the_scratch_space_and_leave_it_with_the_matrix() {
    let dir = Dir::new();
    let columns: Vec<u32> = (0..300).step_by(2).collect();
    let x = matrix(&written(&dir)).select(None, Some(&columns)).unwrap();
    let session = Session { memory: 1 << 12, ..Session::with_threads(2) };
    let first = bits(&x, &session.call());
    assert!(session.scratch.used() > 0);
    assert_eq!(bits(&x, &session.call()), first);
    assert_eq!(bits(&x, &Session::with_threads(1)), first);
    drop(x);
    assert_eq!((session.scratch.used(), session.budget.leased()), (0, 0));
}
