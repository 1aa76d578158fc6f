//! The values of a text as a stream of rows: one thread inflates, one parses, and the calling one
//! writes.

use super::buckets::Buckets;
use super::collect::{Collector, Float, Stop};
use super::lines::line_error;
use super::market::{self, Entries, Header};
use super::table::Table;
use crate::element::DType;
use crate::error::{Error, Result};
use crate::matrix::Scratch;
use crate::session::{guard, Session, STACK};
use crate::write::{RowRun, RowStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{sync_channel, SyncSender};
use std::sync::{Mutex, PoisonError};

/// Number of runs of rows that may wait to be written.
const WAITING: usize = 2;
/// 2^53 - 1: every larger whole number of a text may have been rounded to a float64.
const MOST_WHOLE: f64 = 9_007_199_254_740_991.0;

/// Assumptions about a text. When one turns out wrong, the text is read again without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guess {
    /// Whether values come in the order of the cells.
    pub(super) sorted: bool,
    /// Whether float32 holds all integers exactly.
    pub(super) narrow: bool,
}

/// The format of a text.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// Matrix Market's coordinate format.
    Market(Header),
    Table(Table),
}

impl Body {
    /// Returns the numbers of rows and columns as the file has them.
    fn extents(&self) -> (usize, usize) {
        match self {
            Body::Market(header) => (header.rows, header.columns),
            Body::Table(table) => (table.rows, table.columns),
        }
    }

    /// Returns an upper bound of the number of values.
    fn values(&self) -> u64 {
        match self {
            Body::Market(header) => header.values,
            Body::Table(table) => (table.rows as u64).saturating_mul(table.columns as u64),
        }
    }

    fn read<E: Entries>(&self, path: &Path, session: &Session, entries: &mut E) -> Result<(), E::Stop> {
        match self {
            Body::Market(_) => market::read(path, &session.monitor, entries),
            Body::Table(table) => table.read(session, entries),
        }
    }
}

/// A matrix in a text file, as a source of rows.
#[derive(Debug)]
pub(super) struct TextStream {
    pub(super) path: PathBuf,
    pub(super) body: Body,
    /// Whether the rows of the file are genes.
    pub(super) genes_first: bool,
    /// New position of each gene of the file, or `u32::MAX` to leave it out; `None` keeps all in
    /// order.
    pub(super) genes: Option<Vec<u32>>,
    pub(super) n_genes: usize,
    pub(super) guess: Guess,
    /// The guess to read with next, set when `guess` turned out wrong.
    pub(super) better: Mutex<Option<Guess>>,
}

impl TextStream {
    /// Returns the guess to read the text with next, after a read that failed because the guess of
    /// this stream was wrong; `None` after any other.
    pub(super) fn better(&self) -> Option<Guess> {
        *self.better.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn n_cells(&self) -> usize {
        let (rows, columns) = self.body.extents();
        if self.genes_first {
            columns
        } else {
            rows
        }
    }

    /// Parses the text and sends runs of rows to `sender`.
    fn parse<T: Float>(&self, session: &Session, sender: &SyncSender<Result<RowRun, Stop>>) -> Result<(), Stop> {
        let send = |run| {
            // The receiver is gone and knows the reason.
            sender.send(Ok(run)).map_err(|_| Stop::Error(Error::Cancelled))
        };
        let mut out = Collector::<T, _>::new(self.n_cells(), self.n_genes, send)?;
        if self.guess.sorted {
            let take = |row, column, value| out.push(row, column, value);
            self.body.read(&self.path, session, &mut Turned { of: self, take, kept: std::marker::PhantomData::<T> })?;
        } else {
            let room = session.part(16);
            let scratch = Scratch::new(&session.scratch)?;
            let mut buckets = Buckets::new(&scratch, 0..self.n_cells(), self.body.values(), room.bytes())?;
            let take = |row, column, value: T| Ok(buckets.push(row, column, value.to_f64())?);
            self.body.read(&self.path, session, &mut Turned { of: self, take, kept: std::marker::PhantomData::<T> })?;
            buckets.finish(&mut out, &session.monitor)?;
        }
        out.finish()
    }
}

/// Converts entries of the file to values of cells and genes.
struct Turned<'s, T, F> {
    of: &'s TextStream,
    take: F,
    kept: std::marker::PhantomData<T>,
}

impl<T: Float, F: FnMut(usize, u32, T) -> Result<(), Stop>> Entries for Turned<'_, T, F> {
    type Stop = Stop;

    #[inline(always)]
    fn entry(&mut self, row: u32, column: u32, value: f64, whole: bool, line: u64) -> Result<(), Stop> {
        let (cell, mut gene) = if self.of.genes_first { (column, row) } else { (row, column) };
        if let Some(genes) = &self.of.genes {
            gene = genes.get(gene as usize).copied().unwrap_or(u32::MAX);
            if gene == u32::MAX {
                return Ok(());
            }
        }
        if whole && value.abs() > MOST_WHOLE {
            return Err(line_error(
                &self.of.path,
                line,
                "a whole number of at most 9007199254740991",
                format!("{value}"),
            )
            .into());
        }
        let Some(value) = T::exact(value, whole) else { return Err(Stop::Wide) };
        (self.take)(cell as usize, gene, value)
    }
}

impl RowStream for TextStream {
    fn shape(&self) -> (usize, usize) {
        (self.n_cells(), self.n_genes)
    }

    fn dtype(&self) -> DType {
        if self.guess.narrow {
            DType::F32
        } else {
            DType::F64
        }
    }

    fn stream(&self, session: &Session, take: &mut dyn FnMut(RowRun) -> Result<()>) -> Result<()> {
        let bytes = std::fs::metadata(&self.path).map_or(0, |m| m.len());
        session.monitor.begin(bytes);
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(WAITING);
            let parse = move || {
                let mut stop = None;
                let parsed = guard(|| {
                    let parsed = match self.guess.narrow {
                        true => self.parse::<f32>(session, &sender),
                        false => self.parse::<f64>(session, &sender),
                    };
                    stop = parsed.err();
                    Ok(())
                });
                if let Some(stop) = parsed.err().map(Stop::Error).or(stop) {
                    let _ = sender.send(Err(stop));
                }
            };
            let thread = std::thread::Builder::new().name("anndataoom-rows".to_owned()).stack_size(STACK);
            thread.spawn_scoped(scope, parse).map_err(|e| Error::OutOfMemory {
                what: format!("a thread to parse on ({e})"),
                needed: STACK as u64,
            })?;
            for run in receiver {
                match run {
                    Ok(run) => take(run)?,
                    Err(stop) => return Err(self.stopped(stop)),
                }
            }
            Ok(())
        })
    }
}

impl TextStream {
    fn stopped(&self, stop: Stop) -> Error {
        let better = match stop {
            Stop::Error(e) => return e,
            Stop::Unsorted => Guess { sorted: false, ..self.guess },
            Stop::Wide => Guess { narrow: false, ..self.guess },
        };
        *self.better.lock().unwrap_or_else(PoisonError::into_inner) = Some(better);
        Error::Internal(format!("'{}' has to be read in another way", self.path.display()))
    }
}
