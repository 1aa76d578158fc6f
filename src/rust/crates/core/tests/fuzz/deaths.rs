//! How a child that reads damaged files dies, told by itself: the signal and the functions it was in.

use std::fmt::{Display, Formatter};
use std::io::Write;

/// Deaths inside the HDF5 library that are its own defects and that nothing we can check before calling it prevents: the
/// function, and what is known of it. A death anywhere else counts against us.
const KNOWN: &[(&str, &str)] = &[];

/// Room for a stack trace, also when the stack itself has run out.
const STACK: usize = 4 << 20;

/// From now on this process tells how it dies, if it is this thread that dies.
pub fn tell() {
    let memory = Box::leak(vec![0_u8; STACK].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK };
    // SAFETY: the stack is never freed.
    assert_eq!(unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) }, 0);
    // SAFETY: zero bytes are a value of this struct of C.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_death as extern "C" fn(libc::c_int) as usize;
    action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGXCPU] {
        // SAFETY: the handler takes the one argument of a handler without SA_SIGINFO.
        assert_eq!(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) }, 0);
    }
}

/// The most memory this process has had, in bytes.
pub fn resident() -> u64 {
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    used().ru_maxrss as u64 * unit
}

/// Resources that this process used so far.
fn used() -> libc::rusage {
    // SAFETY: zero bytes are a value of this struct of C.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the call fills the struct it is given.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut used) };
    used
}

/// Lets this process use so many more seconds of processor time. The time on the clock would count what the machine
/// does for others.
pub fn allow(seconds: u64) {
    let so_far = (used().ru_utime.tv_sec + used().ru_stime.tv_sec) as u64;
    // SAFETY: zero bytes are a value of this struct of C.
    let mut limit: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: the call fills the struct it is given.
    unsafe { libc::getrlimit(libc::RLIMIT_CPU, &raw mut limit) };
    limit.rlim_cur = limit.rlim_max.min((so_far + 1 + seconds) as _);
    // SAFETY: the call reads the struct it is given.
    unsafe { libc::setrlimit(libc::RLIMIT_CPU, &raw const limit) };
}

/// Not what a handler may do by the book, as it allocates. The process is lost anyway: at worst it waits for a lock of
/// its own and is ended by the alarm, without a word, which counts as a death of unknown place.
extern "C" fn on_death(signal: libc::c_int) {
    // SAFETY: plain calls.
    unsafe { libc::alarm(60) };
    let trace = std::backtrace::Backtrace::force_capture().to_string();
    let mut frames: Vec<&str> = trace
        .lines()
        .filter_map(|line| line.trim_start().split_once(": "))
        .filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()))
        .map(|(_, name)| name)
        .collect();
    if let Some(own) = frames.iter().position(|name| name.contains("on_death")) {
        frames.drain(..=own);
    }
    frames.truncate(40);
    println!("\ndied {signal} {}", frames.join(" < "));
    let _ = std::io::stdout().flush();
    // SAFETY: a plain call.
    unsafe { libc::_exit(128 + signal) };
}

/// How a child ended that did not end by itself.
pub struct Death {
    text: String,
    /// The innermost function of the HDF5 library, when it was called by us and had called nothing of ours.
    place: Option<String>,
}

impl Death {
    pub fn unknown(text: String) -> Death {
        Death { text, place: None }
    }

    /// From the line [`on_death`] wrote.
    pub fn told(words: &str) -> Death {
        let (signal, frames) = words.split_once(' ').unwrap_or((words, ""));
        let ours = |name: &&str| name.contains("::");
        let place = frames.split(" < ").take_while(|n| !ours(n)).find(|n| n.starts_with("H5"));
        let what = match signal.parse() {
            Ok(libc::SIGXCPU) => "no end in the time allowed".to_owned(),
            _ => format!("died of signal {signal}"),
        };
        Death { text: format!("{what} in {frames}"), place: place.map(str::to_owned) }
    }

    /// The known cause, for a defect of the HDF5 library.
    pub fn known(&self) -> Option<&'static str> {
        let place = self.place.as_deref()?;
        KNOWN.iter().find(|(function, _)| *function == place).map(|(_, why)| *why)
    }
}

impl Display for Death {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
