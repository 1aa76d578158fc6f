//! The bytes of a text file, inflated if it is gzipped.

use crate::codec::{Inflater, Step, Wrapper};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::session::{guard, Monitor, STACK};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

/// Number of bytes read from the file at once.
const STORED: usize = 1 << 18;
/// Number of bytes passed on at once: small enough that the allocator keeps them for reuse.
const CHUNK: usize = 1 << 16;
/// Number of chunks that may wait for the consumer.
const WAITING: usize = 16;

/// First bytes of files that are no text, with what they are and what to do.
const OTHERS: [(&[u8], &str); 5] = [
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"BZh", "compressed with bzip2: unpack it, or compress it with gzip"),
    (b"\xfd7zXZ\0", "compressed with xz: unpack it, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard: unpack it, or compress it with gzip"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file: open it with read()"),
];
const GZIP: &[u8] = b"\x1f\x8b";

/// An open text file.
struct Text {
    path: PathBuf,
    file: File,
    stored: Vec<u8>,
    /// Range of the bytes of `stored` that are still to be consumed.
    at: Range<usize>,
    inflater: Option<Inflater>,
    /// Whether the last member of the gzip data has ended and no other has begun.
    between: bool,
}

impl Text {
    fn open(path: &Path) -> Result<Text> {
        if Location::named(path).is_url() {
            let message = "is remote, and texts are read from this machine alone: download it".to_owned();
            return Err(Error::File { path: Location::named(path), message });
        }
        let file = File::open(path).map_err(|e| Error::io(path, "open", &e))?;
        let mut text =
            Text { path: path.to_owned(), file, stored: vec![0; STORED], at: 0..0, inflater: None, between: false };
        text.refill()?;
        let first = &text.stored[text.at.clone()];
        if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| first.starts_with(magic)) {
            return Err(text.damaged(format!("expected text, gzipped or not, found {what}")));
        }
        if first.starts_with(GZIP) {
            text.inflater = Some(Inflater::new(Wrapper::Gzip).map_err(|e| text.damaged(e))?);
        }
        Ok(text)
    }

    fn damaged(&self, message: impl Into<String>) -> Error {
        Error::File { path: Location::from(&self.path), message: message.into() }
    }

    /// Refills `stored` when all of it is consumed. Returns the number of bytes to consume, 0 at
    /// the end of the file.
    fn refill(&mut self) -> Result<usize> {
        while self.at.is_empty() {
            match self.file.read(&mut self.stored) {
                Ok(n) => {
                    self.at = 0..n;
                    break;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(&self.path, "read", &e)),
            }
        }
        Ok(self.at.len())
    }

    /// Returns the next bytes of the text, none at the end. `monitor` counts the bytes of the file.
    fn next(&mut self, monitor: &Monitor) -> Result<Vec<u8>> {
        let mut out = vec![0_u8; CHUNK];
        let mut made = 0;
        while made < out.len() {
            monitor.check()?;
            if self.refill()? == 0 {
                if self.inflater.is_some() && !self.between {
                    return Err(self.damaged("the gzip data end too early: the file is cut short"));
                }
                break;
            }
            let taken = match self.inflater.take() {
                None => {
                    let n = self.at.len().min(out.len() - made);
                    out[made..made + n].copy_from_slice(&self.stored[self.at.start..self.at.start + n]);
                    made += n;
                    n
                }
                Some(mut inflater) => {
                    if self.between && !self.begins_again(&mut inflater)? {
                        self.inflater = Some(inflater);
                        continue;
                    }
                    let Step { read, made: more, ended } =
                        inflater.step(&self.stored[self.at.clone()], &mut out[made..]).map_err(|e| self.damaged(e))?;
                    if (read, more, ended) == (0, 0, false) {
                        return Err(self.damaged("damaged gzip data"));
                    }
                    self.inflater = Some(inflater);
                    self.between = ended;
                    made += more;
                    read
                }
            };
            self.at.start += taken;
            monitor.advance(taken as u64);
        }
        out.truncate(made);
        Ok(out)
    }

    /// Returns whether another gzip member follows; zeros before it, which tapes leave, are
    /// skipped.
    fn begins_again(&mut self, inflater: &mut Inflater) -> Result<bool> {
        let zeros = self.stored[self.at.clone()].iter().take_while(|&&b| b == 0).count();
        self.at.start += zeros;
        match self.stored[self.at.clone()].first() {
            None => Ok(false),
            Some(&b) if b == GZIP[0] => {
                inflater.restart().map_err(|e| self.damaged(e))?;
                self.between = false;
                Ok(true)
            }
            Some(_) => Err(self.damaged("something that is no gzip data follows the gzip data")),
        }
    }
}

/// Returns the first bytes of the text of a file, up to 64 KiB.
///
/// # Errors
/// The errors of [`stream`].
pub(super) fn first(path: &Path) -> Result<Vec<u8>> {
    Text::open(path)?.next(&Monitor::default())
}

/// Passes the text of a file to `take`, piece by piece; a separate thread reads and inflates ahead.
///
/// # Errors
/// [`Error::Io`]; [`Error::File`] for damaged data and for files that are no text;
/// [`Error::Cancelled`]; the errors of `take`.
pub(super) fn stream<E: From<Error>>(
    path: &Path,
    monitor: &Monitor,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Result<Vec<u8>>>(WAITING);
        let read = move || {
            let read = guard(|| {
                let mut text = Text::open(path)?;
                loop {
                    let chunk = text.next(monitor)?;
                    let last = chunk.is_empty();
                    // The consumer has stopped, or this was the last chunk.
                    if sender.send(Ok(chunk)).is_err() || last {
                        return Ok(());
                    }
                }
            });
            if let Err(e) = read {
                let _ = sender.send(Err(e));
            }
        };
        let thread = std::thread::Builder::new().name("anndataoom-text".to_owned()).stack_size(STACK);
        thread
            .spawn_scoped(scope, read)
            .map_err(|e| Error::OutOfMemory { what: format!("a thread to read on ({e})"), needed: STACK as u64 })?;
        for chunk in receiver {
            let chunk = chunk?;
            if chunk.is_empty() {
                break;
            }
            take(&chunk)?;
        }
        Ok(())
    })
}
