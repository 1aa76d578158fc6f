//! Reads of many parts at once. Adjacent parts share a request, several requests are under way, and
//! each part is handed on as it comes.

use crate::error::{Error, Result};
use crate::session::{guard, Monitor, STACK};
use crate::store::array::{Extent, TakePiece};
use crate::store::piece::Piece;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{sync_channel, SyncSender};

/// Upper bound of the requests under way for one list of parts.
const AT_ONCE: usize = 8;
/// Upper bound of the bytes of a request for several parts.
const TOGETHER: u64 = 4 << 20;
/// Upper bound of the bytes between two parts that are read along with them.
const GAP: u64 = 16 << 10;

/// Parts of an object that one request fetches.
pub(in crate::store) struct Run {
    pub(in crate::store) object: u64,
    pub(in crate::store) at: u64,
    pub(in crate::store) size: u64,
    /// The parts, by their positions in the list.
    parts: Vec<usize>,
}

/// Joins adjacent parts into runs, by object and offset.
fn runs(extents: &[Extent]) -> Vec<Run> {
    let mut order: Vec<usize> = (0..extents.len()).collect();
    order.sort_by_key(|&i| (extents[i].object, extents[i].at));
    let mut runs: Vec<Run> = Vec::new();
    for i in order {
        let Extent { object, at, size, .. } = extents[i];
        let joined = runs.last_mut().filter(|run| run.object == object && size != Extent::WHOLE).and_then(|run| {
            let end = run.at.checked_add(run.size)?;
            let whole = at.checked_add(size)?.max(end) - run.at;
            (at <= end.saturating_add(GAP) && whole <= TOGETHER).then_some((run, whole))
        });
        match joined {
            Some((run, whole)) => {
                run.size = whole;
                run.parts.push(i);
            }
            None => runs.push(Run { object, at, size, parts: vec![i] }),
        }
    }
    runs
}

/// Reads parts and hands each to `take`, with its position in the list, in any order. `get`
/// requests a run of them, and returns `None` for an object that does not exist.
///
/// # Errors
/// The errors of `get` and of `take`.
pub(in crate::store) fn fetch(
    extents: &[Extent],
    get: impl Fn(&Run) -> Result<Option<Vec<u8>>> + Sync,
    take: &mut TakePiece<'_>,
) -> Result<()> {
    let runs = runs(extents);
    let mut hand_out = |run: &Run, bytes: Option<Vec<u8>>| -> Result<()> {
        let whole = bytes.map(Piece::new);
        for &i in &run.parts {
            let extent = extents[i];
            let part = match (&whole, extent.size) {
                (None, _) => None,
                (Some(whole), Extent::WHOLE) => Some(whole.clone()),
                (Some(whole), size) => {
                    let from = (extent.at - run.at) as usize;
                    let part = from.checked_add(size as usize).and_then(|to| whole.part(from..to));
                    Some(part.ok_or_else(|| Error::Internal("fewer bytes than were asked for".to_owned()))?)
                }
            };
            take(i, part)?;
        }
        Ok(())
    };
    if let [run] = runs.as_slice() {
        return hand_out(run, get(run)?);
    }
    let (next, monitor) = (AtomicUsize::new(0), Monitor::of_thread());
    let work = |sender: SyncSender<(usize, Result<Option<Vec<u8>>>)>| loop {
        let i = next.fetch_add(1, Ordering::Relaxed);
        let Some(run) = runs.get(i) else { break };
        let got = guard(|| match &monitor {
            Some(monitor) => monitor.during(|| get(run)),
            None => get(run),
        });
        let failed = got.is_err();
        if sender.send((i, got)).is_err() || failed {
            break;
        }
    };
    let work = &work;
    std::thread::scope(|scope| {
        // Each thread holds at most one run that waits to be taken.
        let (sender, receiver) = sync_channel(0);
        let started = (0..AT_ONCE.min(runs.len()))
            .take_while(|_| {
                let sender = sender.clone();
                std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || work(sender)).is_ok()
            })
            .count();
        drop(sender);
        if started == 0 {
            return runs.iter().try_for_each(|run| hand_out(run, get(run)?));
        }
        let mut left = runs.len();
        let mut done = Ok(());
        while let Ok((i, got)) = receiver.recv() {
            done = got.and_then(|bytes| hand_out(&runs[i], bytes));
            left -= 1;
            if done.is_err() {
                // The other threads find nobody to take their runs, and end.
                next.store(runs.len(), Ordering::Relaxed);
                break;
            }
        }
        drop(receiver);
        done.and_then(|()| if left == 0 { Ok(()) } else { Err(Error::Internal("parts that did not come".to_owned())) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(object: u64, at: u64, size: u64) -> Extent {
        Extent { object, at, size, mask: 0 }
    }

    #[test]
    fn neighbours_share_a_request() {
        let parts =
            [extent(0, 100, 50), extent(0, 0, 100), extent(0, 200, 10), extent(1, 210, 5), extent(0, 1 << 20, 9)];
        let found: Vec<_> = runs(&parts).iter().map(|run| (run.object, run.at, run.size, run.parts.clone())).collect();
        assert_eq!(found, [(0, 0, 210, vec![1, 0, 2]), (0, 1 << 20, 9, vec![4]), (1, 210, 5, vec![3])]);
        // Long parts stay apart.
        let long = [extent(0, 0, 3 << 20), extent(0, 3 << 20, 3 << 20), extent(0, 6 << 20, 9 << 20)];
        assert_eq!(runs(&long).len(), 3);
    }

    #[test]
    fn every_part_comes_once_and_the_first_error_ends_it() {
        let parts: Vec<Extent> = (0..100).map(|i| extent(i / 7, (i % 7) << 15, 10 + i % 3)).collect();
        let get = |run: &Run| Ok(Some((run.at..run.at + run.size).map(|b| (b ^ run.object) as u8).collect()));
        let mut seen = vec![0; parts.len()];
        fetch(&parts, get, &mut |i, bytes| {
            let Extent { object, at, size, .. } = parts[i];
            let expected: Vec<u8> = (at..at + size).map(|b| (b ^ object) as u8).collect();
            assert_eq!(bytes.as_deref(), Some(expected.as_slice()));
            seen[i] += 1;
            Ok(())
        })
        .unwrap();
        assert!(seen.iter().all(|&n| n == 1));
        let fails = |run: &Run| if run.object == 5 { Err(Error::State("no".to_owned())) } else { get(run) };
        assert_eq!(fetch(&parts, fails, &mut |_, _| Ok(())).unwrap_err().to_string(), "no");
        let none = fetch(&parts[..1], |_| Ok(None), &mut |_, bytes| {
            assert!(bytes.is_none());
            Ok(())
        });
        none.unwrap();
    }
}
