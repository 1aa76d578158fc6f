//! Saves into an existing file: the new content is prepared beside it and put in as a whole.
//!
//! HDF5 cannot change a file safely: if it is killed between two writes, groups point nowhere. So
//! HDF5 never writes to the file itself. It works on a [`PagedFile`](view::PagedFile), which reads
//! the file and keeps every written page in a second file beside it. When HDF5 has closed the view,
//! the second file is completed, synced and becomes the [journal](journal). Its pages are then
//! copied into the file, and the journal is removed. If the process is killed before the journal is
//! complete, the file is unchanged; if later, the next process that opens the file copies the pages
//! again.
//!
//! Old elements are removed after all new ones are written, and HDF5 forgets their space when it
//! closes the file. So that space is not used again, and whoever has the old file open (as every
//! matrix does) goes on reading the old values. The few pages that do change are kept for such
//! readers in memory.

mod journal;
mod lock;
mod names;
mod open;
mod view;

pub(super) use journal::recover;
pub(super) use lock::{lock_to_read, Shared};
pub(super) use names::remove_prepared;
pub(super) use open::{open, Open};

use super::bytes::Bytes;
use super::driver;
use super::external::Family;
use super::{Hdf5File, Hdf5Writer};
use crate::error::{Error, Result};
use crate::store::backend::{Backend, Change};
use crate::store::sink::GroupSink;
use open::open_view;
use std::sync::Arc;
use view::PagedFile;

/// A save under way. HDF5 writes through `writer`; nothing of it is in the file before it is
/// committed.
pub(super) struct Update {
    shared: Arc<Shared>,
    view: Arc<PagedFile>,
    family: Arc<Family>,
    writer: Hdf5Writer,
    /// Nobody else saves or opens the file meanwhile; released on drop.
    _exclusive: lock::Exclusive,
}

impl Update {
    /// Begins to save into a file.
    ///
    /// # Errors
    /// [`Error::State`] when it was opened read-only, or the file was saved or changed since it was
    /// opened; [`Error::Io`] when another process or thread has the file open.
    pub(super) fn begin(file: &Hdf5File) -> Result<Update> {
        let path = file.path();
        let Some(open) = file.update() else {
            return Err(Error::State(format!(
                "'{}' was opened read-only: open it with mode \"r+\", or write another file",
                path.display()
            )));
        };
        let exclusive = lock::Exclusive::lock(&open.shared, path)?;
        if open.shared.generation() != open.generation {
            return Err(Error::State(format!(
                "'{}' was saved since this object was opened, from another object: open it again",
                path.display()
            )));
        }
        open.shared.check_unchanged(path)?;
        let view = Arc::new(PagedFile::writable(open.shared.file(), path)?);
        let bytes: Arc<dyn Bytes> = view.clone();
        let hdf5 =
            driver::open(&bytes, file.family(), path, true).map_err(|e| super::probe::refused(&path.into(), &e))?;
        let writer = Hdf5Writer::into_existing(path, hdf5);
        let family = file.family().clone();
        Ok(Update { shared: open.shared.clone(), view, family, writer, _exclusive: exclusive })
    }
}

impl Change for Update {
    fn root(&self) -> Result<Box<dyn GroupSink<'_> + '_>> {
        Ok(Box::new(self.writer.root()?))
    }

    fn commit(mut self: Box<Self>) -> Result<Arc<dyn Backend>> {
        let path = self.writer.target().to_owned();
        let copied = self.writer.copied();
        self.writer.finish()?;
        if !copied.is_empty() {
            let bytes: Arc<dyn Bytes> = self.view.clone();
            let hdf5 = driver::open(&bytes, &self.family, &path, false)
                .map_err(|e| super::probe::refused(&(&path).into(), &e))?;
            let written = Arc::new(Hdf5File::of_view(&path, hdf5, bytes, &self.family));
            written.set_head();
            super::replace::check_copies(&written, &copied, &path)?;
        }
        if Arc::strong_count(&self.view) != 1 {
            return Err(Error::Internal("something of the file is still open for writing".into()));
        }
        journal::commit(&self.view, &path, &self.shared)?;
        // A new family, whose head is the new store.
        let family = Family::new(&path, self.family.policy());
        let (hdf5, open) = open_view(&path, &self.shared, &family)?;
        let file = Arc::new(Hdf5File::of_update(&path, hdf5, open, &family));
        file.set_head();
        Ok(file)
    }
}
