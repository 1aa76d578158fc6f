//! Checks faults from outside that a file can meet: the process is killed while it writes, the disk
//! is full, the directory is not writable, the file is replaced or truncated while it is open,
//! other processes read and write at the same time. Faults while saving into a file are in
//! `faults_save`.
//!
//! `ANNDATAOOM_KILLS` (default 12) is the number of times the writer is killed.
#![cfg(unix)]

mod faults_common;

use anndataoom_core::chain::{Along, Member, Stacked};
use anndataoom_core::element::{self, DataFrame, Value};
use anndataoom_core::matrix;
use anndataoom_core::ops::index_columns;
use anndataoom_core::store::Store;
use anndataoom_core::stream::in_sequence;
use anndataoom_core::write::{write_h5ad, Compression, H5adPlan, Part, WriteOptions};
use anndataoom_core::{LazyMatrix, Result, Session};
use faults_common::{child, kills, mount_small_disk, output, read_all, told, write, Locked, Moments, Scratch};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Instant;

#[test]
#[ignore = "started by the others"]
fn as_a_child() {
    let Ok(what) = std::env::var("ANNDATAOOM_FAULT_CHILD") else { return };
    let words: Vec<&str> = what.split('\n').collect();
    let number = |i: usize| words[i].parse::<u64>().unwrap();
    let done = match words[0] {
        "write" => write(Path::new(words[1]), number(2) as usize, number(3), Compression::Gzip(1)),
        "plain" => write(Path::new(words[1]), number(2) as usize, number(3), Compression::None),
        "concat" => concat(Path::new(words[1])),
        "index" => index(Path::new(words[1])),
        _ => (0..number(2)).try_for_each(|_| read_all(Path::new(words[1])).map(|_| ())),
    };
    if let Err(e) = done {
        eprintln!("told: {e}");
        std::process::exit(3);
    }
}

/// Writes a file beside `path` that holds its cells twice.
fn concat(path: &Path) -> Result<()> {
    let store = Store::open(path)?;
    let x = LazyMatrix::new(matrix::open(&store, "X")?);
    let (n, m) = x.shape();
    let member = |x: LazyMatrix| Member { x, from: None };
    let stack = Stacked::new(Along::Obs, vec![member(x.clone()), member(x)], m, None)?;
    let names = |n: usize| DataFrame {
        index_name: None,
        index: Box::new(Value::strings((0..n).map(|i| i.to_string()))),
        columns: Vec::new(),
    };
    let whole = Part::Matrix(LazyMatrix::new(std::sync::Arc::new(stack)));
    let plan = H5adPlan::new(Some(whole), names(2 * n).into(), names(m).into());
    let options = WriteOptions { compression: Compression::Gzip(1), ..WriteOptions::default() };
    write_h5ad(&plan, path.with_file_name("both.h5ad"), &options, &Session { threads: 2, ..Session::default() })?;
    Ok(())
}

fn index(path: &Path) -> Result<()> {
    let x = LazyMatrix::new(matrix::open(&Store::open(path)?, "X")?);
    let folder = path.parent().unwrap_or(Path::new("."));
    index_columns(&x, folder, &Session { threads: 2, ..Session::default() }).map(|_| ())
}

/// Checks that a writer killed at any moment leaves the old file or the whole new one.
#[test]
fn killed_while_writing() {
    let rounds = kills();
    let dir = Scratch::new("kill");
    let path = dir.0.join("x.h5ad");
    write(&path, 300, 0, Compression::Gzip(1)).unwrap();
    let old = std::fs::read(&path).unwrap();
    let begun = Instant::now();
    assert!(output(&format!("write\n{}\n3000\n1", path.display())).status.success());
    let mut moments = Moments::new(rounds, begun.elapsed());
    let new = std::fs::read(&path).unwrap();
    let (mut kept, mut replaced) = (0, 0);
    for _ in 0..rounds {
        std::fs::write(&path, &old).unwrap();
        let mut writer = child(&format!("write\n{}\n3000\n1", path.display()));
        std::thread::sleep(moments.next());
        writer.kill().unwrap();
        writer.wait().unwrap();
        let now = std::fs::read(&path).unwrap();
        if now == old {
            kept += 1;
        } else {
            assert!(now == new, "neither the old file nor the new one");
            replaced += 1;
        }
    }
    println!("{rounds} kills: the old file {kept} times, the whole new one {replaced} times");
    assert_eq!(dir.names().0, ["x.h5ad"]);
    // The next write removes the temporary files of the killed writers.
    write(&path, 300, 0, Compression::Gzip(1)).unwrap();
    assert_eq!(dir.names(), (vec!["x.h5ad".to_owned()], 0));
}

/// Checks killed writers of concatenated files and of column indexes.
#[test]
fn killed_while_concatenating_or_indexing() {
    for what in ["concat", "index"] {
        let dir = Scratch::new(&format!("kill-{what}"));
        let source = dir.0.join("source.h5ad");
        write(&source, 1500, 0, Compression::Gzip(1)).unwrap();
        let words = format!("{what}\n{}\n0", source.display());
        let made = |all: &Scratch| all.names().0.into_iter().find(|n| n != "source.h5ad");
        let begun = Instant::now();
        let done = output(&words);
        assert!(done.status.success(), "{}", told(&done));
        let mut moments = Moments::new(kills(), begun.elapsed());
        let target = dir.0.join(made(&dir).unwrap());
        let new = std::fs::read(&target).unwrap();
        let mut whole = 0;
        for _ in 0..kills() {
            let _ = std::fs::remove_file(&target);
            let mut writer = child(&words);
            std::thread::sleep(moments.next());
            writer.kill().unwrap();
            writer.wait().unwrap();
            if target.exists() {
                assert!(std::fs::read(&target).unwrap() == new, "{what}: half a file");
                whole += 1;
            }
        }
        println!("{what}: {} kills, the whole file {whole} times, none {} times", kills(), kills() - whole);
        let _ = std::fs::remove_file(&target);
        assert!(output(&words).status.success());
        assert_eq!(dir.names().1, 0, "{what}: something is left behind");
        assert_eq!(dir.names().0.len(), 2);
    }
}

#[test]
#[ignore = "mounts, which needs root or a user namespace: make test runs it where it may"]
fn mounts_a_full_disk() {
    let dir = Scratch::new("full");
    mount_small_disk(&dir.0);
    let path = dir.0.join("x.h5ad");
    let run = || {
        write(&path, 200, 0, Compression::Gzip(1)).unwrap();
        let old = std::fs::read(&path).unwrap();
        let out = output(&format!("plain\n{}\n9000\n1", path.display()));
        let told = told(&out);
        assert!(out.status.code() == Some(3), "{told}");
        assert!(told.contains("x.h5ad") && told.contains("No space left") && told.contains("unchanged"), "{told}");
        assert!(std::fs::read(&path).unwrap() == old);
        assert_eq!(dir.names(), (vec!["x.h5ad".to_owned()], 0), "nothing is left behind");
    };
    let result = std::panic::catch_unwind(run);
    assert!(Command::new("umount").arg(&dir.0).status().unwrap().success());
    result.unwrap();
}

/// Checks a directory on a file system that is mounted read-only, where even root cannot write.
#[test]
#[ignore = "mounts, which needs root or a user namespace: make test runs it where it may"]
fn mounts_a_read_only_file_system() {
    let dir = Scratch::new("readonly");
    let path = dir.0.join("x.h5ad");
    write(&path, 200, 0, Compression::Gzip(1)).unwrap();
    let old = std::fs::read(&path).unwrap();
    let mount =
        |words: &[&str]| Command::new("mount").args(words).arg(&dir.0).output().is_ok_and(|o| o.status.success());
    let bound = Command::new("mount").arg("--bind").args([&dir.0, &dir.0]).output().is_ok_and(|o| o.status.success());
    let only = bound && mount(&["-o", "remount,bind,ro"]);
    let out = output(&format!("write\n{}\n200\n1", path.display()));
    let read = read_all(&path);
    if bound {
        assert!(Command::new("umount").arg(&dir.0).status().unwrap().success());
    }
    assert!(only, "nothing can be mounted here");
    let told = told(&out);
    assert!(out.status.code() == Some(3) && told.contains("x.h5ad"), "{told}");
    assert!(told.contains("Read-only"), "{told}");
    assert!(std::fs::read(&path).unwrap() == old);
    // Reading needs no permission to write, and leaves no file behind.
    assert_eq!(read.unwrap(), 200);
}

/// Checks a directory whose permissions forbid writing. As root may write anywhere, root's child
/// changes its user.
#[test]
fn a_directory_that_may_not_be_written() {
    let dir = Scratch::new("forbidden");
    let path = dir.0.join("x.h5ad");
    write(&path, 200, 0, Compression::Gzip(1)).unwrap();
    let old = std::fs::read(&path).unwrap();
    let locked = Locked::new(&dir);
    let out = locked.output(&format!("write\n{}\n200\n1", path.display()));
    let told = told(&out);
    assert!(out.status.code() == Some(3) && told.contains("x.h5ad"), "{told}");
    assert!(told.contains("Permission denied"), "{told}");
    let read = locked.output(&format!("read\n{}\n1", path.display()));
    assert!(read.status.success(), "{}", faults_common::told(&read));
    drop(locked);
    assert!(std::fs::read(&path).unwrap() == old);
    assert_eq!(dir.names(), (vec!["x.h5ad".to_owned()], 0));
}

/// Checks that an open file goes on giving its content after another file has taken its name.
#[test]
fn replaced_while_open() {
    let dir = Scratch::new("replaced");
    let path = dir.0.join("x.h5ad");
    write(&path, 400, 0, Compression::Gzip(1)).unwrap();
    let store = Store::open(&path).unwrap();
    let before = element::read(&store, "obs").unwrap();
    assert!(output(&format!("write\n{}\n100\n7", path.display())).status.success());
    assert!(element::read(&store, "obs").unwrap() == before);
    let x = LazyMatrix::new(matrix::open(&store, "X").unwrap());
    assert_eq!(x.shape().0, 400);
    let session = Session { threads: 2, ..Session::default() };
    in_sequence(&x, &session, |_, _| Ok(()), |()| Ok(())).unwrap();
    assert_eq!(read_all(&path).unwrap(), 100);
}

/// Checks that errors name a file that is truncated or overwritten while it is open.
#[test]
fn damaged_while_open() {
    let dir = Scratch::new("damaged");
    let path = dir.0.join("x.h5ad");
    write(&path, 2000, 0, Compression::Gzip(1)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for (what, left) in [("truncated", bytes.len() / 3), ("emptied", 0), ("overwritten", bytes.len())] {
        std::fs::write(&path, &bytes).unwrap();
        let store = Store::open(&path).unwrap();
        let x = LazyMatrix::new(matrix::open(&store, "X").unwrap());
        if what == "overwritten" {
            std::fs::write(&path, vec![0x5a; left]).unwrap();
        } else {
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(left as u64).unwrap();
        }
        let session = Session { threads: 2, ..Session::default() };
        let e = in_sequence(&x, &session, |_, _| Ok(()), |()| Ok(())).unwrap_err();
        println!("{what}: {e}");
        assert!(e.to_string().contains("x.h5ad"), "{e}");
        // HDF5 caches some of its own tables, so reading may succeed; if it fails, the error names
        // the file.
        for key in ["obs", "var", "uns", "obsm"] {
            if let Err(e) = element::read(&store, key) {
                assert!(e.to_string().contains("x.h5ad"), "{e}");
            }
        }
        assert!(Store::open(&path).is_err() || left > 0);
    }
}

/// Checks that two processes can read one file while a third writes another beside it, which then
/// replaces the first.
#[test]
fn several_processes() {
    let dir = Scratch::new("several");
    let (path, other) = (dir.0.join("x.h5ad"), dir.0.join("y.h5ad"));
    write(&path, 1500, 0, Compression::Gzip(1)).unwrap();
    let old = std::fs::read(&path).unwrap();
    let readers: Vec<Child> = (0..2).map(|_| child(&format!("read\n{}\n8", path.display()))).collect();
    let writer = child(&format!("write\n{}\n1500\n3", other.display()));
    let over = child(&format!("write\n{}\n1500\n0", path.display()));
    for process in readers.into_iter().chain([writer, over]) {
        let out = process.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", told(&out));
    }
    // Equal seeds give equal bytes.
    assert!(std::fs::read(&path).unwrap() == old);
    assert_eq!(read_all(&other).unwrap(), 1500);
    assert_eq!(dir.names(), (vec!["x.h5ad".to_owned(), "y.h5ad".to_owned()], 0));
}
