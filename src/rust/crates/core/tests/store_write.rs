//! Checks that files are replaced whole or not at all.

use anndataoom_core::element::{self, DatasetOptions, Value};
use anndataoom_core::store::{Store, Writer};
use std::path::{Path, PathBuf};

/// A directory of one test, empty at first and removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anndataoom-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn files(&self) -> usize {
        std::fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn write(path: &Path, values: Vec<f64>) -> anndataoom_core::Result<()> {
    let writer = Writer::create(path)?;
    element::write(&writer.root()?, "x", &Value::vector(values), &DatasetOptions::default())?;
    writer.commit()
}

#[test]
fn a_file_can_replace_the_one_being_read() {
    let dir = Scratch::new("replace");
    let path = dir.0.join("a.h5ad");
    write(&path, vec![1.0]).unwrap();
    let old = Store::open(&path).unwrap();
    write(&path, vec![2.0, 3.0]).unwrap();
    assert_eq!(element::read(&old, "x").unwrap(), Value::vector(vec![1.0]));
    assert_eq!(element::read(&Store::open(&path).unwrap(), "x").unwrap(), Value::vector(vec![2.0, 3.0]));
    assert_eq!(dir.files(), 1);
}

#[test]
fn a_file_given_up_leaves_nothing() {
    let dir = Scratch::new("givenup");
    let path = dir.0.join("a.h5ad");
    write(&path, vec![1.0]).unwrap();
    let before = std::fs::read(&path).unwrap();
    let writer = Writer::create(&path).unwrap();
    element::write(&writer.root().unwrap(), "y", &Value::number(1.0), &DatasetOptions::default()).unwrap();
    assert_eq!(dir.files(), 2);
    drop(writer);
    assert_eq!(dir.files(), 1);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn targets_that_cannot_be_written() {
    let dir = Scratch::new("targets");
    for path in [dir.0.join("nowhere/a.h5ad"), dir.0.clone(), PathBuf::from("/")] {
        let e = Writer::create(&path).unwrap_err();
        assert_eq!(e.class(), "io", "{e}");
        println!("{e}");
    }
}

#[cfg(unix)]
#[test]
fn permissions_and_links_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Scratch::new("permissions");
    let (path, link) = (dir.0.join("a.h5ad"), dir.0.join("link.h5ad"));
    write(&path, vec![1.0]).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    write(&link, vec![2.0]).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(element::read(&Store::open(&path).unwrap(), "x").unwrap(), Value::vector(vec![2.0]));
}

/// Runs itself again in a process that may write at most 100 KiB to a file, which looks to HDF5
/// like a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_the_old_file_survives() {
    const MARK: &str = "ANNDATAOOM_TEST_LIMITED";
    if let Some(path) = std::env::var_os(MARK) {
        let path = PathBuf::from(path);
        // The fault appears while writing, or only when everything is flushed.
        for n in [1_000_000, 20_000, 13_000] {
            let e = write(&path, vec![0.5; n]).unwrap_err();
            assert_eq!(e.class(), "io", "{e}");
            assert!(e.to_string().contains("a.h5ad") && e.to_string().contains("unchanged"), "{e}");
            println!("{e}");
        }
        // The process can go on working.
        assert_eq!(element::read(&Store::open(&path).unwrap(), "x").unwrap(), Value::vector(vec![1.0]));
        write(&path.with_file_name("small.h5ad"), vec![2.0]).unwrap();
        return;
    }
    let dir = Scratch::new("full");
    let path = dir.0.join("a.h5ad");
    write(&path, vec![1.0]).unwrap();
    let before = std::fs::read(&path).unwrap();
    let out = std::process::Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_full_disk_is_an_error_and_the_old_file_survives", "--nocapture"])
        .env(MARK, &path)
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    println!("{text}");
    assert!(out.status.success(), "{text}");
    assert!(!text.contains("HDF5-DIAG"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(dir.files(), 2, "the two whole files and no temporary one");
}
