//! Reads and writes at a position in a file, on every system.

use std::fs::File;
use std::io::Result;

/// Fills `out` with the bytes of the file from `at` on, without moving its cursor.
#[cfg(unix)]
pub(crate) fn read_exact(file: &File, out: &mut [u8], at: u64) -> Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, at)
}

/// Writes all `bytes` at `at`, without moving the file's cursor.
#[cfg(unix)]
pub(crate) fn write_all(file: &File, bytes: &[u8], at: u64) -> Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

/// Allocates room on disk for bytes that are going to be written, where the system can; the length
/// of the file stays.
#[cfg(target_os = "linux")]
pub(crate) fn prepare(file: &File, at: u64, bytes: u64) {
    use std::os::fd::AsRawFd;
    let (Ok(at), Ok(bytes)) = (at.try_into(), bytes.try_into()) else { return };
    // SAFETY: a file that is open; the call takes no memory.
    unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, at, bytes) };
}

/// Allocates no room: only Linux can without changing the length.
#[cfg(not(target_os = "linux"))]
pub(crate) fn prepare(_: &File, _: u64, _: u64) {}

/// Fills `out` with the bytes of the file from `at` on.
#[cfg(windows)]
pub(crate) fn read_exact(file: &File, mut out: &mut [u8], mut at: u64) -> Result<()> {
    use std::os::windows::fs::FileExt;
    while !out.is_empty() {
        match file.seek_read(out, at) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => (out, at) = (&mut out[n..], at + n as u64),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Writes all `bytes` at `at`.
#[cfg(windows)]
pub(crate) fn write_all(file: &File, mut bytes: &[u8], mut at: u64) -> Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        match file.seek_write(bytes, at) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(n) => (bytes, at) = (&bytes[n..], at + n as u64),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
