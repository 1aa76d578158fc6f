//! Helpers of the tests of faults: a directory, children that run this program again, a small disk.
#![allow(dead_code)] // not every test file uses all of it

use anndataoom_core::element;
use anndataoom_core::matrix;
use anndataoom_core::sim::{simulate_h5ad, Simulation};
use anndataoom_core::store::Store;
use anndataoom_core::stream::in_sequence;
use anndataoom_core::write::{Compression, WriteOptions};
use anndataoom_core::{LazyMatrix, Result, Session};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A directory of one test, removed at the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anndataoom-faults-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    /// Returns the names in the directory, sorted, and the number of hidden (temporary) files,
    /// which are not among the names.
    pub fn names(&self) -> (Vec<String>, usize) {
        let all: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        let (left, mut names): (Vec<_>, Vec<_>) = all.into_iter().partition(|n| n.starts_with('.'));
        names.sort();
        (names, left.len())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn write(path: &Path, n_obs: usize, seed: u64, compression: Compression) -> Result<()> {
    let simulation = Simulation { n_obs, n_vars: 1500, seed, ..Simulation::default() };
    let options = WriteOptions { compression, ..WriteOptions::default() };
    simulate_h5ad(&simulation, path, &options, &Session { threads: 2, ..Session::default() }).map(|_| ())
}

/// Reads `obs`, `var` and `uns`, then makes a pass over `X`; returns the number of rows.
pub fn read_all(path: &Path) -> Result<u64> {
    let store = Store::open(path)?;
    for key in ["obs", "var", "uns"] {
        element::read(&store, key)?;
    }
    let x = LazyMatrix::new(matrix::open(&store, "X")?);
    let mut rows = 0;
    in_sequence(
        &x,
        &Session { threads: 1, ..Session::default() },
        |rows, _| Ok(rows.len()),
        |n| {
            rows += n as u64;
            Ok(())
        },
    )?;
    Ok(rows)
}

/// Starts this program again as a child. `what` is "write PATH ROWS SEED" or "read PATH TIMES", a
/// word a line.
pub fn child(what: &str) -> Child {
    command(&std::env::current_exe().unwrap(), what).spawn().unwrap()
}

fn command(program: &Path, what: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["--exact", "--ignored", "--nocapture", "as_a_child"]).env("ANNDATAOOM_FAULT_CHILD", what);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn output(what: &str) -> Output {
    child(what).wait_with_output().unwrap()
}

pub fn told(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr)
        .lines()
        .find_map(|l| l.split_once("told: "))
        .map(|l| l.1.to_owned())
        .unwrap_or_default()
}

/// Mounts a file system of 6 MB on `dir`.
pub fn mount_small_disk(dir: &Path) {
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(dir).output().unwrap();
    assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
}

/// A directory that is not writable during this value's life. Children of root run as another user,
/// because root may write anywhere.
pub struct Locked<'a> {
    dir: &'a Scratch,
    program: PathBuf,
}

impl<'a> Locked<'a> {
    pub fn new(dir: &'a Scratch) -> Self {
        // Another user may not be able to reach the folder of this program, so a copy is run.
        let program = PathBuf::from(format!("{}-program", dir.0.display()));
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&dir.0, std::fs::Permissions::from_mode(0o555)).unwrap();
        Locked { dir, program }
    }

    pub fn output(&self, what: &str) -> Output {
        let mut command = command(&self.program, what);
        // SAFETY: the call has no preconditions.
        if unsafe { libc::geteuid() } == 0 {
            command.uid(65534).gid(65534).current_dir("/");
        }
        // A child that another thread starts meanwhile may hold the copy open for writing, in which
        // case it cannot be run yet.
        for _ in 0..50 {
            match command.output() {
                Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                done => return done.unwrap(),
            }
        }
        panic!("the copy of this program is busy");
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let _ = std::fs::set_permissions(&self.dir.0, std::fs::Permissions::from_mode(0o755));
        let _ = std::fs::remove_file(&self.program);
    }
}

/// Returns how often a writer is to be killed: `ANNDATAOOM_KILLS`, or 12 if it is not set.
pub fn kills() -> u64 {
    std::env::var("ANNDATAOOM_KILLS").ok().and_then(|v| v.parse().ok()).unwrap_or(12)
}

/// Random moments up to a little after `whole`, so that the last steps are met as well.
pub struct Moments {
    state: u64,
    whole: Duration,
}

impl Moments {
    pub fn new(seed: u64, whole: Duration) -> Self {
        Moments { state: 0x2545_f491_4f6c_dd1d ^ seed, whole }
    }

    pub fn next(&mut self) -> Duration {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.whole.mul_f64((self.state % 1100) as f64 / 1000.0)
    }
}
