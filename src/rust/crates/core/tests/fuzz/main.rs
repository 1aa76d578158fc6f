//! Damages valid files in ways that a program can think up, and reads them with every reader in a
//! child process. The outcome must be an error that names file or element, in bounded time and
//! memory, and never a crash.
//!
//! `ANNDATAOOM_FUZZ_SECONDS` (default 4) is the total time, `ANNDATAOOM_FUZZ_SEED` the first case,
//! `ANNDATAOOM_FUZZ_TARGET` the only target to run. A case is a target and a number:
//! `ANNDATAOOM_FUZZ_CASE=csr_matrix:17` runs one. Files that once caused a crash are in
//! tests/golden/fuzz, and every run reads them again.
#![cfg(unix)]

mod deaths;
mod exercise;
mod mutate;
mod random;
#[cfg(feature = "remote")]
mod remote;
mod through;
mod zarr;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The system's allocator with a count of the bytes that Rust code holds, to find cases that take
/// far more than their file.
struct Counting;
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller gives the guarantees that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller gives the guarantees that the system's allocator asks for.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller gives the guarantees that the system's allocator asks for.
        unsafe { System.dealloc(p, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The upper bound in bytes of what a case may hold: files are below 1 MB, up to 64 MB are read
/// without a check of the file's size, and there are a copy or two.
const MEMORY: usize = 320 << 20;
/// The upper bound in bytes of the resident memory of a process that reads cases, the library's
/// memory included.
const RESIDENT: u64 = 1 << 30;
/// The upper bound in seconds of a case's processor time, about a hundred times the usual.
const PROCESSOR: u64 = 10;
/// The upper bound of a case's wall time, which finds cases that wait forever. It is long because
/// the machine may be busy with other work.
const WAIT: Duration = Duration::from_secs(300);

/// Returns the folder that keeps the files of failing cases.
fn found() -> PathBuf {
    std::env::temp_dir().join("anndataoom-fuzz-found")
}

/// Copies the file of a failing case into the folder [`found`].
fn keep(target: &str, number: u64, file: &Path) {
    let kept = std::fs::create_dir_all(found())
        .and_then(|()| std::fs::copy(file, found().join(format!("{target}-{number}.h5"))));
    if let Err(e) = kept {
        eprintln!("{target}:{number} is not kept: {e}");
    }
}

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden")
}

/// Reads the file of a case. The error describes the fault that the case shows.
fn run_file(path: &Path) -> Result<(), String> {
    run_case(path, || exercise::everything(path))
}

/// Runs a case, whose file is at `path`, within its memory.
fn run_case(path: &Path, case: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    PEAK.store(HELD.load(Relaxed), Relaxed);
    let before = HELD.load(Relaxed);
    let size = std::fs::metadata(path).map_or(0, |m| m.len() as usize);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(case)).map_err(|_| "a panic".to_owned())??;
    let peak = PEAK.load(Relaxed).saturating_sub(before);
    if peak > MEMORY + 100 * size {
        return Err(format!("{} MB held for a file of {size} bytes", peak >> 20));
    }
    let resident = deaths::resident();
    if resident > RESIDENT {
        return Err(format!("{} MB resident for a file of {size} bytes", resident >> 20));
    }
    Ok(())
}

/// Runs as a child: runs cases of `target` from `start` on, `count` at most, and prints each number
/// before the case begins.
fn child(target: &str, start: u64, count: u64) {
    // In memory if possible: the files that are written are synced, which on a disk takes longer
    // than all the rest.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let dir = place.join(format!("anndataoom-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("case.h5ad");
    println!("\nfile {}", path.display());
    deaths::tell();
    let tell = |words: String| {
        println!("{words}");
        std::io::stdout().flush().unwrap();
    };
    for number in start..start.saturating_add(count) {
        deaths::allow(PROCESSOR);
        // The HDF5 library also makes the cases, so it may die of its own damage to them.
        tell(format!("make {number}"));
        if !mutate::make(target, number, &golden(), &path) {
            continue;
        }
        tell(format!("case {number}"));
        deaths::allow(PROCESSOR);
        let done = match target {
            #[cfg(feature = "remote")]
            mutate::REMOTE => run_case(&path, || remote::run(number, &golden(), &path)),
            _ => run_file(&path),
        };
        if let Err(found) = done {
            keep(target, number, &path);
            tell(format!("wrong {found}"));
            // The peak of resident memory cannot be reset, so another process continues.
            if deaths::resident() > RESIDENT {
                break;
            }
        }
    }
    let _ = std::fs::remove_dir_all(&dir);
    println!("done");
}

/// Runs as a child: reads the given files.
fn replay(files: &[String]) {
    deaths::tell();
    for (i, file) in files.iter().enumerate() {
        println!("case {i}");
        std::io::stdout().flush().unwrap();
        deaths::allow(PROCESSOR);
        if let Err(found) = run_file(Path::new(file)) {
            println!("wrong {found}");
        }
    }
    println!("done");
}

/// The fate of a child: the last case that it began, and the faults of its cases.
struct Outcome {
    last: u64,
    /// Whether the last case was still being made.
    making: bool,
    /// The path at which the child puts the file of each case.
    file: Option<PathBuf>,
    cases: u64,
    wrong: Vec<(u64, String)>,
    /// How the child died, if it did not end by itself.
    death: Option<deaths::Death>,
}

/// Starts this program again as a child with the arguments `words`, and follows it until it ends,
/// hangs or the clock shows `until`.
fn follow(words: &str, until: Instant) -> Outcome {
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -v 6000000; ulimit -c 0; exec \"$0\" --exact --ignored --nocapture as_a_child"])
        .arg(std::env::current_exe().unwrap())
        .env("ANNDATAOOM_FUZZ_CHILD", words)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || lines.map_while(Result::ok).for_each(|l| drop(tell.send(l))));
    let mut out = Outcome { last: 0, making: false, file: None, cases: 0, wrong: Vec::new(), death: None };
    let mut last_words = None;
    loop {
        match told.recv_timeout(WAIT) {
            Ok(line) if line == "done" => break,
            Ok(line) => {
                // The first line of a child begins with the output of the test harness.
                if let Some((_, n)) = line.rsplit_once("case ") {
                    out.last = n.parse().unwrap_or(out.last);
                    out.making = false;
                    out.cases += 1;
                } else if let Some(n) = line.strip_prefix("make ") {
                    out.last = n.parse().unwrap_or(out.last);
                    out.making = true;
                } else if let Some(file) = line.strip_prefix("file ") {
                    out.file = Some(file.into());
                } else if let Some(found) = line.strip_prefix("wrong ") {
                    out.wrong.push((out.last, found.to_owned()));
                } else if let Some(words) = line.strip_prefix("died ") {
                    last_words = Some(words.to_owned());
                }
                if Instant::now() > until {
                    let _ = child.kill();
                    break;
                }
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                out.death = Some(deaths::Death::unknown(format!("no end after {} s", WAIT.as_secs())));
                break;
            }
            Err(_) => {
                let status = child.wait().unwrap();
                out.death = Some(match last_words {
                    Some(words) => deaths::Death::told(&words),
                    None => deaths::Death::unknown(format!("the process died ({status})")),
                });
                break;
            }
        }
    }
    let _ = child.wait();
    let _ = reader.join();
    out
}

#[test]
#[ignore = "started by the others"]
fn as_a_child() {
    let Ok(words) = std::env::var("ANNDATAOOM_FUZZ_CHILD") else { return };
    let words: Vec<String> = words.split('\n').map(str::to_owned).collect();
    std::panic::set_hook(Box::new(|_| {}));
    match words.as_slice() {
        [kind, target, start, count] if kind == "run" => child(target, start.parse().unwrap(), count.parse().unwrap()),
        [kind, files @ ..] if kind == "replay" => replay(files),
        _ => {}
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn damaged_files_are_errors() {
    let one = std::env::var("ANNDATAOOM_FUZZ_CASE").ok();
    let only = std::env::var("ANNDATAOOM_FUZZ_TARGET").ok();
    let seconds = number("ANNDATAOOM_FUZZ_SECONDS", 4);
    let targets: Vec<&str> = match (&one, &only) {
        (Some(case), _) => vec![case.split_once(':').unwrap().0],
        (_, Some(target)) => vec![target],
        _ => mutate::TARGETS.to_vec(),
    };
    let each = Duration::from_secs_f64(seconds as f64 / targets.len() as f64);
    let (mut wrong, mut known, mut cases, mut unmade) = (Vec::new(), Vec::new(), 0, 0);
    for target in targets {
        let mut start = number("ANNDATAOOM_FUZZ_SEED", 0);
        let mut count = u64::MAX;
        if let Some(case) = &one {
            (start, count) = (case.split_once(':').unwrap().1.parse().unwrap(), 1);
        }
        let until = Instant::now() + each;
        let begun = cases;
        loop {
            let out = follow(&format!("run\n{target}\n{start}\n{count}"), until);
            cases += out.cases;
            for (n, found) in &out.wrong {
                println!("{target}:{n}: {found}");
                wrong.push((target, *n, found.clone()));
            }
            if let (Some(file), Some(_), false) = (&out.file, &out.death, out.making) {
                keep(target, out.last, file);
            }
            if let Some(dir) = out.file.as_deref().and_then(Path::parent) {
                let _ = std::fs::remove_dir_all(dir);
            }
            if let Some(death) = out.death {
                println!("{target}:{}{}: {death}", out.last, if out.making { " (not made)" } else { "" });
                match death.known() {
                    _ if out.making => unmade += 1,
                    Some(why) if target == mutate::METADATA => {
                        println!("known: {why}");
                        known.push(out.last);
                    }
                    _ => wrong.push((target, out.last, death.to_string())),
                }
            } else if count == 1 {
                break;
            }
            start = out.last + 1;
            if Instant::now() > until || count == 1 {
                break;
            }
        }
        println!("{target}: {} cases", cases - begun);
    }
    println!(
        "{cases} cases, {} wrong, {} known deaths in the HDF5 library, {unmade} that it died of making",
        wrong.len(),
        known.len()
    );
    let told: Vec<String> = wrong.iter().map(|(t, n, found)| format!("{t}:{n}: {found}")).collect();
    assert!(wrong.is_empty(), "kept in {}:\n{}", found().display(), told.join("\n"));
    assert!(cases > 20 || one.is_some(), "only {cases} cases in {seconds} s");
}

#[test]
fn what_crashed_once_does_not_again() {
    let mut files: Vec<String> = std::fs::read_dir(golden().join("fuzz"))
        .map(|d| d.filter_map(|f| Some(f.ok()?.path().to_str()?.to_owned())).collect())
        .unwrap_or_default();
    files.sort();
    assert!(!files.is_empty(), "tests/golden/fuzz is empty");
    let out = follow(&format!("replay\n{}", files.join("\n")), Instant::now() + Duration::from_secs(600));
    let name = |n: u64| files.get(n as usize).cloned().unwrap_or_default();
    assert!(out.death.is_none(), "{}: {}", name(out.last), out.death.unwrap());
    assert!(out.wrong.is_empty(), "{:?}", out.wrong.iter().map(|(n, w)| (name(*n), w)).collect::<Vec<_>>());
    assert_eq!(out.cases as usize, files.len());
}
