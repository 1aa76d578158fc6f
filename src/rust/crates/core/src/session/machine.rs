//! The limits of the machine: its memory, and the free space on its disks. `None` where the system
//! does not tell.

use std::path::Path;

/// Returns the bytes that programs can have in memory, swap included: of the machine, or of the
/// control groups of the process.
#[cfg(target_os = "linux")]
pub(super) fn memory() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let of = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix("kB")?;
        value.trim().parse::<usize>().ok().map(|k| k.saturating_mul(1024))
    };
    let machine = of("MemTotal:")?;
    let memory = group().map_or(machine, |group| group.min(machine));
    Some(memory.saturating_add(of("SwapTotal:").unwrap_or(0)))
}

/// Returns the least limit of the control groups of the process. Each group is also bound by the
/// groups around it.
#[cfg(target_os = "linux")]
fn group() -> Option<usize> {
    let limits = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (root, file) = match parts.next()? {
            "" => ("/sys/fs/cgroup", "memory.max"),
            v1 if v1.split(',').any(|controller| controller == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let folder = Path::new(root).join(parts.next()?.trim_start_matches('/'));
        let around = folder.ancestors().take_while(|folder| folder.starts_with(root));
        around.filter_map(|folder| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse::<usize>().ok()).min()
    };
    std::fs::read_to_string("/proc/self/cgroup").ok()?.lines().filter_map(limits).min()
}

/// Returns `None`: elsewhere swap grows on demand.
#[cfg(not(target_os = "linux"))]
pub(super) fn memory() -> Option<usize> {
    None
}

/// Returns the bytes free for this user on the disk of `folder`, and the size of the disk in bytes.
#[cfg(unix)]
pub(super) fn disk(folder: &Path) -> Option<(u64, u64)> {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the name ends with 0, and `found` has room for the answer.
    let failed = unsafe { libc::statvfs(name.as_ptr(), found.as_mut_ptr()) } != 0;
    if failed {
        return None;
    }
    // SAFETY: `found` was filled, because the call did not fail.
    let found = unsafe { found.assume_init() };
    // The numbers are narrower on some systems.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    let (block, free, all) = (found.f_frsize as u64, found.f_bavail as u64, found.f_blocks as u64);
    Some((free.saturating_mul(block), all.saturating_mul(block)))
}

/// Returns `None`: free space is not known here.
#[cfg(not(unix))]
pub(super) fn disk(_: &Path) -> Option<(u64, u64)> {
    None
}

/// Returns whether the files of `folder` are in memory.
#[cfg(target_os = "linux")]
pub(super) fn is_in_memory(folder: &Path) -> bool {
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    use std::os::unix::ffi::OsStrExt;
    let Ok(name) = std::ffi::CString::new(folder.as_os_str().as_bytes()) else { return false };
    let mut found = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the name ends with 0, and `found` has room for the answer.
    let failed = unsafe { libc::statfs(name.as_ptr(), found.as_mut_ptr()) } != 0;
    if failed {
        return false;
    }
    // SAFETY: `found` was filled, because the call did not fail.
    let found = unsafe { found.assume_init() };
    // The kernel's number has 32 bits, whatever the type here.
    [TMPFS, RAMFS].contains(&(found.f_type as u32))
}

/// Returns `false`: the kind of file system is not known here.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_in_memory(_: &Path) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_memory_and_disk() {
        assert!(memory().is_some_and(|bytes| bytes > 1 << 26));
        let (free, all) = disk(&std::env::temp_dir()).unwrap();
        assert!(free <= all && all > 0);
        assert_eq!(disk(Path::new("/no/such/folder")), None);
        assert!(!is_in_memory(Path::new("/proc")) && !is_in_memory(Path::new("/no/such/folder")));
        // Where there is one, as nearly everywhere.
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        let in_memory = mounts.lines().any(|line| line.starts_with("tmpfs /dev/shm tmpfs"));
        assert_eq!(is_in_memory(Path::new("/dev/shm")), in_memory);
    }
}
