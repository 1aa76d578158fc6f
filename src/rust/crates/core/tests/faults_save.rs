//! Checks faults that a file can meet while it is saved into (mode "r+"): the process is killed at
//! any moment, the disk is full, the directory is not writable, the file is truncated or replaced
//! while it is open, other processes read it.
//!
//! A round writes its number into every value of an embedding, a column of obs and an entry of uns,
//! so that a mixture of two rounds would be detected. `ANNDATAOOM_KILLS` (default 12) is the number
//! of times the saving process is killed.
#![cfg(unix)]

mod faults_common;

use anndataoom_core::element::{self, Value};
use anndataoom_core::store::Store;
use anndataoom_core::write::{save_h5ad, Compression, Frame, H5adPlan, Part, SaveOptions};
use anndataoom_core::{Error, Result, Session};
use faults_common::{child, kills, mount_small_disk, output, read_all, told, write, Locked, Moments, Scratch};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

/// Returns the plan that leaves every element of the file unchanged.
fn untouched(store: &Arc<Store>) -> Result<H5adPlan> {
    let mut plan = H5adPlan::new(Some(Part::copy(store, "X")), Part::copy(store, "obs"), Part::copy(store, "var"));
    let all = |slot: &str| -> Result<Vec<(String, Part)>> {
        let keys = if store.exists(slot) { store.keys(slot)? } else { Vec::new() };
        Ok(keys.into_iter().map(|key| (key.clone(), Part::copy(store, format!("{slot}/{key}")))).collect())
    };
    (plan.layers, plan.obsm, plan.varm) = (all("layers")?, all("obsm")?, all("varm")?);
    (plan.obsp, plan.varp, plan.uns) = (all("obsp")?, all("varp")?, all("uns")?);
    Ok(plan)
}

fn set(parts: &mut Vec<(String, Part)>, key: &str, value: Value) {
    parts.retain(|(k, _)| k != key);
    parts.push((key.to_owned(), value.into()));
}

/// Returns the plan of the file with the number `round` in it and an embedding of `width` columns.
fn round_of(store: &Arc<Store>, round: u32, width: usize) -> Result<H5adPlan> {
    let (name, index) = element::read_index(store, "obs")?;
    let n = index.len().unwrap_or(0);
    let key = name.clone().unwrap_or_else(|| "_index".to_owned());
    let mut columns: Vec<(String, Part)> = element::column_names(store, "obs")?
        .into_iter()
        .map(|column| (column.clone(), Part::copy(store, format!("obs/{column}"))))
        .collect();
    set(&mut columns, "round", Value::vector(vec![f64::from(round); n]));
    let mut plan = untouched(store)?;
    let index = Box::new(Part::copy(store, format!("obs/{key}")));
    plan.obs = Part::Frame(Frame { index_name: name, index, columns });
    set(&mut plan.obsm, "X_round", Value::matrix(n, width, vec![f64::from(round); width * n]));
    set(&mut plan.uns, "round", Value::number(f64::from(round)));
    Ok(plan)
}

/// Saves rounds `from` to `to` - 1, and prints each when it is saved.
fn save(path: &Path, from: u32, to: u32, width: usize) -> Result<()> {
    let mut store = Store::open_to_save(path)?;
    for round in from..to {
        let plan = round_of(&store, round, width)?;
        // Wide embeddings are to need much room.
        let compression = if width > 20 { Compression::None } else { Compression::Gzip(1) };
        let options = SaveOptions { compression, x: false };
        store = save_h5ad(&plan, &store, &options, &Session::with_threads(1))?.store;
        println!("round {round}");
    }
    Ok(())
}

/// Reads the whole file, and returns the one round that it holds, if any.
fn check(path: &Path) -> Result<Option<u32>> {
    read_all(path)?;
    let store = Store::open(path)?;
    for slot in ["X", "obsm", "varm", "obsp", "varp", "layers"] {
        element::read(&store, slot)?;
    }
    let values = |value: Value| match value {
        Value::Array(a) => a.data.to_f64().unwrap(),
        Value::Scalar(element::Scalar::Number(x)) => x.to_f64().unwrap(),
        _ => Vec::new(),
    };
    if !store.exists("uns/round") {
        return Ok(None);
    }
    let mut found = values(element::read(&store, "uns/round")?);
    found.extend(values(element::read_column(&store, "obs", "round")?));
    found.extend(values(element::read(&store, "obsm/X_round")?));
    found.dedup();
    match found.as_slice() {
        [round] => Ok(Some(*round as u32)),
        mixed => Err(Error::State(format!("the file holds several rounds at once: {mixed:?}"))),
    }
}

#[test]
#[ignore = "started by the others"]
fn as_a_child() {
    let Ok(what) = std::env::var("ANNDATAOOM_FAULT_CHILD") else { return };
    let words: Vec<&str> = what.split('\n').collect();
    let number = |i: usize| words[i].parse::<u32>().unwrap();
    let path = Path::new(words[1]);
    let done = match words[0] {
        "save" => save(path, number(2), number(3), number(4) as usize),
        // Holds the file open until the process is killed.
        "hold" => Store::open(path).map(|_store| {
            println!("round 0");
            std::thread::sleep(std::time::Duration::from_secs(60));
        }),
        other => panic!("{other}"),
    };
    if let Err(e) = done {
        eprintln!("told: {e}");
        std::process::exit(3);
    }
}

/// Returns a guard that lets one test run at a time: a child started by another test would inherit
/// the descriptor of this test's file, with its lock.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Returns the last round that a child has printed as saved.
fn last_round(out: &[u8]) -> Option<u32> {
    let text = String::from_utf8_lossy(out);
    text.lines().rev().find_map(|l| l.rsplit_once("round ")?.1.parse().ok())
}

fn file(dir: &Scratch) -> std::path::PathBuf {
    let path = dir.0.join("x.h5ad");
    write(&path, 1200, 0, Compression::Gzip(1)).unwrap();
    path
}

/// Checks that a file whose saving process is killed at any moment opens and holds, whole, the
/// state before or after the interrupted save.
#[test]
fn killed_while_saving() {
    let _alone = alone();
    let dir = Scratch::new("save-kill");
    let path = file(&dir);
    let begun = Instant::now();
    assert!(output(&format!("save\n{}\n0\n4\n20", path.display())).status.success());
    let mut moments = Moments::new(kills(), begun.elapsed());
    let (mut at, mut recovered) = (3, 0);
    for i in 0..kills() {
        let mut saving = child(&format!("save\n{}\n{}\n{}\n20", path.display(), at + 1, at + 1000));
        std::thread::sleep(moments.next());
        saving.kill().unwrap();
        let said = last_round(&saving.wait_with_output().unwrap().stdout).unwrap_or(at);
        recovered += u32::from(dir.0.join(".x.h5ad.save").exists());
        let found = check(&path).unwrap_or_else(|e| panic!("kill {i}: {e}"));
        assert!(found == Some(said) || found == Some(said + 1), "kill {i}: {found:?}, the last one done was {said}");
        at = found.unwrap();
    }
    println!("{} kills in {at} saves: the state before or after, always; {recovered} journals were finished", kills());
}

/// Checks that whichever step finds the disk full, the file stays as it was and can be saved into
/// once there is room.
#[test]
#[ignore = "mounts, which needs root or a user namespace: make test runs it where it may"]
fn mounts_a_disk_without_room_to_save() {
    let _alone = alone();
    let dir = Scratch::new("save-full");
    mount_small_disk(&dir.0);
    let run = || {
        let path = file(&dir);
        assert!(output(&format!("save\n{}\n0\n1\n20", path.display())).status.success());
        let old = std::fs::read(&path).unwrap();
        // There is room for the file, for its journal too, or for neither.
        for width in [300, 400, 500, 2000] {
            let out = output(&format!("save\n{}\n1\n2\n{width}", path.display()));
            let told = told(&out);
            println!("{width} columns: {told}");
            if out.status.success() {
                continue;
            }
            assert!(told.contains("x.h5ad") && told.contains("No space left"), "{told}");
            assert_eq!(dir.names(), (vec!["x.h5ad".to_owned()], 0), "nothing is left behind");
            if told.contains("unchanged") {
                assert_eq!(check(&path).unwrap(), Some(0));
                assert!(std::fs::read(&path).unwrap() == old);
            }
        }
        assert!(output(&format!("save\n{}\n5\n6\n20", path.display())).status.success());
        assert_eq!(check(&path).unwrap(), Some(5));
    };
    let result = std::panic::catch_unwind(run);
    assert!(Command::new("umount").arg(&dir.0).status().unwrap().success());
    result.unwrap();
}

/// Checks a file that may be written in a directory that may not, which leaves no place for the
/// journal.
#[test]
fn a_directory_that_may_not_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let _alone = alone();
    let dir = Scratch::new("save-forbidden");
    let path = file(&dir);
    let old = std::fs::read(&path).unwrap();
    for mode in [0o666, 0o444] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let locked = Locked::new(&dir);
        let out = locked.output(&format!("save\n{}\n0\n1\n20", path.display()));
        let told = told(&out);
        println!("{mode:o}: {told}");
        assert!(out.status.code() == Some(3) && told.contains("x.h5ad"), "{told}");
        assert!(told.contains("Permission denied"), "{told}");
        drop(locked);
        assert!(std::fs::read(&path).unwrap() == old);
        assert_eq!(dir.names(), (vec!["x.h5ad".to_owned()], 0));
    }
}

/// Checks that saving refuses a file that has been replaced, truncated or removed.
#[test]
fn replaced_or_truncated_while_open() {
    let _alone = alone();
    let dir = Scratch::new("save-replaced");
    let path = file(&dir);
    let bytes = std::fs::read(&path).unwrap();
    for what in ["replaced", "truncated", "removed"] {
        std::fs::write(&path, &bytes).unwrap();
        let store = Store::open_to_save(&path).unwrap();
        let plan = round_of(&store, 1, 20).unwrap();
        match what {
            "replaced" => {
                let other = dir.0.join("other.h5ad");
                std::fs::write(&other, &bytes).unwrap();
                std::fs::rename(&other, &path).unwrap();
            }
            "truncated" => {
                let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
                file.set_len(bytes.len() as u64 / 2).unwrap();
            }
            _ => std::fs::remove_file(&path).unwrap(),
        }
        let before = std::fs::read(&path).ok();
        let e = save_h5ad(&plan, &store, &SaveOptions::default(), &Session::default()).err().unwrap();
        println!("{what}: {e}");
        let (named, e) = (e.to_string().contains("x.h5ad"), e.to_string());
        assert!(named && (what == "removed" || e.contains("was changed since it was opened")), "{e}");
        assert!(std::fs::read(&path).ok() == before);
        assert_eq!(dir.names().1, 0, "nothing is left behind");
    }
}

/// Checks that saving is refused while another process reads the file, and works afterwards.
#[test]
fn another_process_reads() {
    use std::io::{BufRead, BufReader};
    let _alone = alone();
    let dir = Scratch::new("save-read");
    let path = file(&dir);
    let store = Store::open_to_save(&path).unwrap();
    let mut reader = child(&format!("hold\n{}", path.display()));
    let lines = BufReader::new(reader.stdout.take().unwrap()).lines();
    assert!(lines.map_while(std::io::Result::ok).any(|l| l.contains("round 0")));
    let plan = round_of(&store, 1, 20).unwrap();
    let try_it = || save_h5ad(&plan, &store, &SaveOptions::default(), &Session::default());
    let e = try_it().err().unwrap();
    assert!(e.to_string().contains("open elsewhere") && e.to_string().contains("x.h5ad"), "{e}");
    reader.kill().unwrap();
    reader.wait().unwrap();
    try_it().unwrap();
    assert_eq!(check(&path).unwrap(), Some(1));
}
