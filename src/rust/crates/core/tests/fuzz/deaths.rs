//! Records how a child dies that reads damaged files: the signal and the functions on its stack.
//! The child itself prints both.

use std::fmt::{Display, Formatter};
use std::io::Write;

/// Known defects of the HDF5 library that no check before the call can prevent: the function in
/// which the process dies, and what is known of the defect. A death anywhere else is a failure of
/// the test.
const KNOWN: &[(&str, &str)] = &[];

/// The size in bytes of a stack for the handler, which works even when the process has exhausted
/// its own stack.
const STACK: usize = 4 << 20;

/// Installs the handler of deadly signals. If the calling thread has exhausted its stack, the
/// handler has another one.
pub fn tell() {
    let memory = Box::leak(vec![0_u8; STACK].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK };
    // SAFETY: the stack is never freed.
    assert_eq!(unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) }, 0);
    // SAFETY: all zeros are a valid value of this C struct.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_death as extern "C" fn(libc::c_int) as usize;
    action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGXCPU] {
        // SAFETY: the handler has the signature of a handler without SA_SIGINFO.
        assert_eq!(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) }, 0);
    }
}

/// Returns the peak resident memory of this process in bytes.
pub fn resident() -> u64 {
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    used().ru_maxrss as u64 * unit
}

/// Returns the resources that this process has used so far.
fn used() -> libc::rusage {
    // SAFETY: all zeros are a valid value of this C struct.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the call fills the struct it is given.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut used) };
    used
}

/// Permits this process `seconds` more of processor time. Wall time would include what the machine
/// does for other processes.
pub fn allow(seconds: u64) {
    let so_far = (used().ru_utime.tv_sec + used().ru_stime.tv_sec) as u64;
    // SAFETY: all zeros are a valid value of this C struct.
    let mut limit: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: the call fills the struct it is given.
    unsafe { libc::getrlimit(libc::RLIMIT_CPU, &raw mut limit) };
    limit.rlim_cur = limit.rlim_max.min((so_far + 1 + seconds) as _);
    // SAFETY: the call reads the struct it is given.
    unsafe { libc::setrlimit(libc::RLIMIT_CPU, &raw const limit) };
}

/// Prints the signal and the functions on the stack, then ends the process. A signal handler must
/// not allocate, but this process is lost anyway. At worst it deadlocks on a lock of its own until
/// the alarm ends it without output, which counts as a death at an unknown place.
extern "C" fn on_death(signal: libc::c_int) {
    // SAFETY: the call has no preconditions.
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
    // SAFETY: the call has no preconditions.
    unsafe { libc::_exit(128 + signal) };
}

/// How a child was ended by a signal.
pub struct Death {
    text: String,
    /// The innermost function of the HDF5 library, if our code called it and it had called none of
    /// ours.
    place: Option<String>,
}

impl Death {
    pub fn unknown(text: String) -> Death {
        Death { text, place: None }
    }

    /// Parses the line that [`on_death`] printed.
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

    /// Returns what is known of the death, if it is a known defect of the HDF5 library.
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
