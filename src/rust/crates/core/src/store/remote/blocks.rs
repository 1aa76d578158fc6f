//! Blocks of the metadata of remote files, kept in memory. All files share one limit; the least
//! recently used blocks go first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a block.
pub(super) const BLOCK: u64 = 64 << 10;
/// Upper bound of the bytes kept for all files.
const MOST: usize = 32 << 20;

type Key = (u64, u64);

#[derive(Default)]
struct Kept {
    blocks: HashMap<Key, (u64, Arc<Vec<u8>>)>,
    bytes: usize,
    clock: u64,
}

static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Kept>> {
    // A poisoned lock cannot occur: nothing that can panic runs while one is held.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a block of a file, if it is kept.
pub(super) fn block(file: u64, number: u64) -> Option<Arc<Vec<u8>>> {
    let mut kept = lock();
    let kept = kept.get_or_insert_default();
    kept.clock += 1;
    let (used, bytes) = kept.blocks.get_mut(&(file, number))?;
    *used = kept.clock;
    Some(bytes.clone())
}

/// Keeps a block.
pub(super) fn keep(file: u64, number: u64, bytes: &Arc<Vec<u8>>) {
    let mut kept = lock();
    let kept = kept.get_or_insert_default();
    kept.clock += 1;
    let before = kept.blocks.insert((file, number), (kept.clock, bytes.clone()));
    kept.bytes += bytes.len();
    kept.bytes -= before.map_or(0, |(_, bytes)| bytes.len());
    if kept.bytes > MOST {
        // A quarter is freed at once, so that this happens seldom.
        let mut used: Vec<(u64, Key)> = kept.blocks.iter().map(|(&key, block)| (block.0, key)).collect();
        used.sort_unstable();
        for (_, key) in used {
            if kept.bytes <= MOST / 4 * 3 {
                break;
            }
            kept.bytes -= kept.blocks.remove(&key).map_or(0, |(_, bytes)| bytes.len());
        }
    }
}

/// Drops the blocks of a file.
pub(super) fn forget(file: u64) {
    let mut kept = lock();
    let kept = kept.get_or_insert_default();
    let Kept { blocks, bytes, .. } = kept;
    blocks.retain(|key, (_, block)| {
        let stays = key.0 != file;
        *bytes -= if stays { 0 } else { block.len() };
        stays
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blocks_of_all_files_are_bounded() {
        let files = u64::MAX - 3..u64::MAX;
        for file in files.clone() {
            for number in 0..300 {
                keep(file, number, &Arc::new(vec![file as u8; BLOCK as usize]));
            }
        }
        assert!(lock().as_ref().unwrap().bytes <= MOST);
        assert_eq!(block(u64::MAX - 1, 299).unwrap()[0], 254);
        files.clone().for_each(forget);
        assert!(block(u64::MAX - 1, 299).is_none());
    }
}
