//! One pass over a stack: the blocks of its members, cut at their ends and joined.
//!
//! A block of the stack needs at most one block of each member. Where members follow one another,
//! it is the member's block unchanged. Where rows are interleaved, a member's block serves several
//! blocks of the stack and is kept, decoded, until the last of them.

use super::{Along, Stacked, MISSING};
use crate::chain::LazyMatrix;
use crate::element::{DType, Data, Number};
use crate::error::{Error, Result};
use crate::matrix::{Block, ColumnMap, Pass, Positions, Rows, Storage, BLOCK_ROWS, BLOCK_VALUES};
use crate::memory;
use crate::session::Allowance;
use crate::with_data;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Describes positions of rows in errors of memory.
const ROWS: &str = "rows of a stack";

const STACK: &str = "rows of a stack of matrices";

/// The part of a member in the pass.
struct Part<'a> {
    /// The member with its rows and columns selected.
    x: LazyMatrix,
    /// Column of the result for each of the member's columns, ascending; `None` when they are the
    /// same.
    targets: Option<Vec<u32>>,
    /// Row ranges of the member's blocks.
    blocks: Vec<Range<usize>>,
    costs: Vec<usize>,
    /// Number of blocks of the stack that need each block.
    uses: Vec<u32>,
    /// The member's pass and the number of reads still to come. The pass is dropped after the last
    /// one, with everything it holds (partitions of compressed columns).
    pass: Mutex<(Option<Arc<dyn Pass + 'a>>, u64)>,
}

/// The part that a block of the stack takes from a member: the rows `rows` (in the order of the
/// member's pass) of its block `block`.
struct Piece {
    part: usize,
    block: usize,
    rows: Range<usize>,
}

/// One pass over a stack.
pub(super) struct StackedPass<'a> {
    stack: &'a Stacked,
    rows: Rows,
    n_out: usize,
    /// Part of each member; `None` for a member that contributes no rows.
    parts: Vec<Option<Part<'a>>>,
    blocks: Vec<Range<usize>>,
    pieces: Vec<Vec<Piece>>,
    kept: Mutex<Kept>,
    /// Upper bound of the bytes of decoded blocks to keep.
    limit: usize,
}

type Slot = Arc<OnceLock<Result<Arc<Rowed>>>>;

#[derive(Default)]
struct Kept {
    cells: HashMap<(usize, usize), (Slot, u32, usize)>,
    bytes: usize,
}

/// A member's block in the dtype and sparsity of the stack; sparse indices are columns of the
/// result.
struct Rowed {
    start: usize,
    storage: Storage,
    n_cols: usize,
}

impl<'a> StackedPass<'a> {
    /// Plans the blocks of a pass over `rows` and `columns`, and opens the passes of the members.
    pub(super) fn new(
        stack: &'a Stacked,
        rows: Rows,
        columns: Option<&ColumnMap>,
        allowed: &Allowance,
    ) -> Result<Self> {
        let n = rows.len(stack.shape.0);
        let n_out = columns.map_or(stack.shape.1, ColumnMap::n_out);
        // Along obs members are read one after another, along var all of them at once.
        let share = if stack.along == Along::Obs { 2 } else { 2 * stack.members.len() };
        let mut parts = Vec::with_capacity(stack.members.len());
        for p in 0..stack.members.len() {
            parts.push(Part::open(stack, p, &rows, columns, &allowed.divided(share))?);
        }
        // A block is bounded by the blocks of its members, unless filling in adds much more.
        let filled = !stack.sparse || stack.fill.value != 0.0;
        let most = if filled { (BLOCK_VALUES as usize / n_out.max(1)).clamp(1, BLOCK_ROWS) } else { BLOCK_ROWS };
        let (mut blocks, mut pieces) = (Vec::new(), Vec::new());
        let (mut at, mut from) = (vec![0usize; parts.len()], vec![0usize; parts.len()]);
        let mut current = vec![0usize; parts.len()];
        let (mut start, mut last) = (0, 0);
        for i in 0..n {
            let row = rows.row(i);
            let mut cut = i + 1 == n || i + 1 - start >= most;
            let mut step = |p: usize| {
                at[p] += 1;
                cut |= parts[p]
                    .as_ref()
                    .and_then(|part: &Part<'_>| part.blocks.get(current[p]))
                    .is_none_or(|b| at[p] == b.end);
            };
            match stack.along {
                Along::Obs => {
                    last = stack.member_of(row, last);
                    step(last);
                }
                Along::Var => (0..stack.members.len()).filter(|&p| stack.has_row(p, row)).for_each(step),
            }
            if !cut {
                continue;
            }
            let mut of_block = Vec::new();
            for p in 0..parts.len() {
                let Some(part) = parts[p].as_mut().filter(|_| at[p] > from[p]) else { continue };
                let block = current[p];
                let (Some(range), Some(uses)) = (part.blocks.get(block), part.uses.get_mut(block)) else {
                    return Err(Error::Internal("a member of a stack gave fewer rows than asked for".to_owned()));
                };
                *uses += 1;
                part.pass.get_mut().unwrap_or_else(PoisonError::into_inner).1 += 1;
                current[p] += usize::from(at[p] == range.end);
                of_block.push(Piece { part: p, block, rows: from[p]..at[p] });
                from[p] = at[p];
            }
            blocks.push(start..i + 1);
            pieces.push(of_block);
            start = i + 1;
        }
        Ok(StackedPass { stack, rows, n_out, parts, blocks, pieces, kept: Mutex::default(), limit: allowed.memory / 2 })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn part(&self, p: usize) -> Result<&Part<'a>> {
        let part = self.parts.get(p).and_then(Option::as_ref);
        part.ok_or_else(|| Error::Internal("a member of a stack is missing".to_owned()))
    }

    /// Returns a member's block, decoded; it is kept while other blocks of the stack need it, too.
    fn piece(&self, piece: &Piece) -> Result<Arc<Rowed>> {
        let part = self.part(piece.part)?;
        let (uses, key) = (part.uses[piece.block], (piece.part, piece.block));
        let cell = if uses <= 1 {
            None
        } else {
            let mut kept = self.lock();
            let (none, held) = (kept.cells.is_empty(), kept.bytes);
            match kept.cells.get_mut(&key) {
                Some((cell, left, size)) => {
                    let (cell, size) = (cell.clone(), *size);
                    *left -= 1;
                    if *left == 0 {
                        kept.cells.remove(&key);
                        kept.bytes -= size;
                    }
                    Some(cell)
                }
                None if none || held + part.costs[piece.block] <= self.limit => {
                    let (cell, size) = (Slot::default(), part.costs[piece.block]);
                    kept.cells.insert(key, (cell.clone(), uses - 1, size));
                    kept.bytes += size;
                    Some(cell)
                }
                // Over the limit: the next block of the stack decodes it again.
                None => None,
            }
        };
        let read = || part.read(self.stack, piece.block).map(Arc::new);
        let read = cell.map_or_else(read, |cell| cell.get_or_init(read).clone());
        part.count_down();
        read
    }

    fn gather<T: Number>(&self, range: &Range<usize>, pieces: &[(&Piece, Arc<Rowed>)]) -> Result<Storage> {
        let fill = T::from_f64(self.stack.fill.value);
        let broken = || Error::Internal("the blocks of a stack do not fit together".to_owned());
        // The next row of each piece.
        let mut next: Vec<usize> = pieces.iter().map(|(piece, _)| piece.rows.start).collect();
        let (mut indptr, mut indices, mut out) = (vec![0usize], Vec::<u32>::new(), Vec::<T>::new());
        memory::reserve(&mut indptr, range.len(), STACK)?;
        let mut line: Vec<(u32, T)> = Vec::new();
        let absent: Vec<Vec<u32>> = self.parts.iter().map(|part| self.absent(part.as_ref())).collect();
        let mut last = 0;
        for i in range.clone() {
            let row = self.rows.row(i);
            let first = out.len();
            line.clear();
            if !self.stack.sparse {
                memory::lengthen(&mut out, first + self.n_out, fill, STACK)?;
            }
            let members = match self.stack.along {
                Along::Obs => {
                    last = self.stack.member_of(row, last);
                    last..last + 1
                }
                Along::Var => 0..self.stack.members.len(),
            };
            for p in members {
                let Some(k) = pieces.iter().position(|(piece, _)| piece.part == p) else {
                    line.extend(absent[p].iter().map(|&c| (c, fill)));
                    continue;
                };
                if self.stack.along == Along::Var && !self.stack.has_row(p, row) {
                    line.extend(absent[p].iter().map(|&c| (c, fill)));
                    continue;
                }
                let block = &pieces[k].1;
                let r = next[k].checked_sub(block.start).ok_or_else(broken)?;
                next[k] += 1;
                let targets = self.part(p)?.targets.as_deref();
                match &block.storage {
                    Storage::Csr { indptr, indices, data } => {
                        let data = T::slice(data).ok_or_else(broken)?;
                        let entries = indptr[r]..indptr[r + 1];
                        line.extend(indices[entries.clone()].iter().copied().zip(data[entries].iter().copied()));
                        if self.stack.along == Along::Obs && !absent[p].is_empty() {
                            line.extend(absent[p].iter().map(|&c| (c, fill)));
                        }
                    }
                    Storage::Dense(data) => {
                        let data = T::slice(data).ok_or_else(broken)?;
                        let values = &data[r * block.n_cols..(r + 1) * block.n_cols];
                        match targets {
                            None => out[first..].copy_from_slice(values),
                            Some(targets) => {
                                targets.iter().zip(values).for_each(|(&c, &x)| out[first + c as usize] = x);
                            }
                        }
                    }
                }
            }
            if self.stack.sparse {
                if !line.windows(2).all(|w| w[0].0 < w[1].0) {
                    line.sort_unstable_by_key(|e| e.0);
                }
                memory::reserve(&mut indices, line.len(), STACK)?;
                memory::reserve(&mut out, line.len(), STACK)?;
                indices.extend(line.iter().map(|e| e.0));
                out.extend(line.iter().map(|e| e.1));
                indptr.push(out.len());
            }
        }
        let data = T::wrap(out);
        Ok(if self.stack.sparse { Storage::Csr { indptr, indices, data } } else { Storage::Dense(data) })
    }

    /// Returns the columns that read as the fill value and have to be stored: along obs those the
    /// member lacks, along var all of its own, for a row that it lacks. Empty where the fill value
    /// is a zero of a sparse stack.
    fn absent(&self, part: Option<&Part<'a>>) -> Vec<u32> {
        if !self.stack.sparse || self.stack.fill.value == 0.0 {
            return Vec::new();
        }
        let Some(part) = part else { return Vec::new() };
        match (self.stack.along, &part.targets) {
            (Along::Obs, None) => Vec::new(),
            (Along::Obs, Some(targets)) => {
                let mut there = vec![false; self.n_out];
                targets.iter().for_each(|&c| there[c as usize] = true);
                (0..self.n_out as u32).filter(|&c| !there[c as usize]).collect()
            }
            (Along::Var, None) => (0..self.n_out as u32).collect(),
            (Along::Var, Some(targets)) => targets.clone(),
        }
    }
}

/// Collects at most `most` positions.
fn collect_at_most(from: impl Iterator<Item = u32>, most: usize) -> Result<Vec<u32>> {
    memory::exactly(most, from, ROWS)
}

impl Stacked {
    /// Returns the member that `row` belongs to along obs; `guess` is tried first.
    fn member_of(&self, row: usize, guess: usize) -> usize {
        if self.starts[guess] <= row && row < self.starts[guess + 1] {
            return guess;
        }
        self.starts.partition_point(|&s| s <= row) - 1
    }

    /// Returns whether member `p` has `row` along var.
    fn has_row(&self, p: usize, row: usize) -> bool {
        self.members[p].from.as_ref().is_none_or(|from| from[row] != MISSING)
    }

    /// Returns the rows of member `p` that a pass over `rows` needs; `None` for all.
    fn rows_of(&self, p: usize, rows: &Rows) -> Result<Option<Vec<u32>>> {
        Ok(match (self.along, rows) {
            (Along::Obs, Rows::All) => None,
            (Along::Obs, Rows::List(list)) => {
                let (from, to) = (self.starts[p] as u32, self.starts[p + 1] as u32);
                Some(collect_at_most(list.iter().filter(|&&r| from <= r && r < to).map(|&r| r - from), list.len())?)
            }
            (Along::Var, _) => {
                let own = self.members[p].from.as_deref();
                match (own, rows) {
                    (None, Rows::All) => None,
                    (None, Rows::List(list)) => Some(memory::copied(list, ROWS)?),
                    (Some(own), Rows::All) => {
                        Some(collect_at_most(own.iter().copied().filter(|&r| r != MISSING), own.len())?)
                    }
                    (Some(own), Rows::List(list)) => Some(collect_at_most(
                        list.iter().map(|&r| own[r as usize]).filter(|&r| r != MISSING),
                        list.len(),
                    )?),
                }
            }
        })
    }

    /// Returns the columns of member `p` that a pass needs (`None` for all) and their columns in
    /// the result (`None` for the same).
    fn columns_of(&self, p: usize, columns: Option<&ColumnMap>) -> (Option<Vec<u32>>, Option<Vec<u32>>) {
        let own_width = self.members[p].x.shape().1;
        let (mut own, mut targets) = (Vec::new(), Vec::new());
        let n_out = columns.map_or(self.shape.1, ColumnMap::n_out);
        for j in 0..n_out as u32 {
            let c = columns.map_or(j, |map| map.selected()[j as usize]);
            let found = match (self.along, &self.members[p].from) {
                (Along::Obs, None) => c,
                (Along::Obs, Some(from)) => from[c as usize],
                (Along::Var, _) if (self.starts[p]..self.starts[p + 1]).contains(&(c as usize)) => {
                    c - self.starts[p] as u32
                }
                (Along::Var, _) => MISSING,
            };
            if found != MISSING {
                own.push(found);
                targets.push(j);
            }
        }
        let whole = own.len() == own_width && own.iter().enumerate().all(|(i, &c)| c as usize == i);
        let same = targets.len() == n_out;
        ((!whole).then_some(own), (!same).then_some(targets))
    }
}

impl<'a> Part<'a> {
    fn open(
        stack: &'a Stacked,
        p: usize,
        rows: &Rows,
        columns: Option<&ColumnMap>,
        allowed: &Allowance,
    ) -> Result<Option<Self>> {
        let member = &stack.members[p].x;
        let own_rows = stack.rows_of(p, rows)?;
        if own_rows.as_ref().map_or(member.shape().0, Vec::len) == 0 {
            return Ok(None);
        }
        let (own_columns, targets) = stack.columns_of(p, columns);
        let x = member.select(own_rows.as_deref(), own_columns.as_deref())?;
        let pass: Arc<dyn Pass + 'a> = Arc::from(member.source().pass(x.source_rows(), x.column_map()?, allowed)?);
        let blocks = pass.blocks().to_vec();
        let width = if x.is_sparse() { 0 } else { x.shape().1 * x.dtype().size() };
        let costs = blocks.iter().enumerate().map(|(b, r)| pass.cost(b).max(r.len() * width)).collect();
        let uses = vec![0; blocks.len()];
        Ok(Some(Part { x, targets, blocks, costs, uses, pass: Mutex::new((Some(pass), 0)) }))
    }

    fn state(&self) -> MutexGuard<'_, (Option<Arc<dyn Pass + 'a>>, u64)> {
        self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts down the reads still to come; after the last one the pass is dropped.
    fn count_down(&self) {
        let mut state = self.state();
        state.1 = state.1.saturating_sub(1);
        if state.1 == 0 {
            state.0 = None;
        }
    }

    /// Reads and transforms a block of the member, in the dtype and sparsity of the stack.
    fn read(&self, stack: &Stacked, block: usize) -> Result<Rowed> {
        let pass = self.state().0.clone();
        let pass = pass.ok_or_else(|| Error::Internal("a block of a stack was asked for twice".to_owned()))?;
        let Block { positions, n_cols, storage } = self.x.transform(pass.read(block)?)?;
        drop(pass);
        let start = match positions {
            Positions::Range(r) => r.start,
            Positions::List(_) => return Err(Error::Internal("a pass gave scattered rows".to_owned())),
        };
        let storage = match storage {
            Storage::Csr { indptr, mut indices, data } => {
                if let Some(targets) = &self.targets {
                    indices.iter_mut().for_each(|c| *c = targets[*c as usize]);
                }
                Storage::Csr { indptr, indices, data: cast(data, stack.dtype)? }
            }
            Storage::Dense(data) if stack.sparse => {
                let rows = self.blocks[block].len();
                sparsify(&cast(data, stack.dtype)?, rows, n_cols, self.targets.as_deref())?
            }
            Storage::Dense(data) => Storage::Dense(cast(data, stack.dtype)?),
        };
        Ok(Rowed { start, storage, n_cols })
    }
}

/// Converts `data` to `dtype`, rounding as numpy does where it does not hold all values.
fn cast(data: Data, dtype: DType) -> Result<Data> {
    fn typed<F: Number, T: Number>(from: &[F], _: &[T]) -> Result<Data> {
        Ok(T::wrap(memory::collected(from.iter().map(|x| T::from_f64(x.to_f64())), STACK)?))
    }
    fn converted<F: Number>(from: &[F], dtype: DType) -> Result<Data> {
        with_data!(&Data::empty(dtype), v => typed(from, v))
    }
    if data.dtype() == dtype {
        return Ok(data);
    }
    with_data!(&data, v => converted(v, dtype))
}

/// Compresses dense rows, dropping zeros; `targets` are the columns of the result.
fn sparsify(data: &Data, n_rows: usize, n_cols: usize, targets: Option<&[u32]>) -> Result<Storage> {
    fn typed<T: Number>(v: &[T], n_rows: usize, n_cols: usize, targets: Option<&[u32]>) -> Result<Storage> {
        let stored = v.iter().filter(|&&x| x != T::default()).count();
        let (mut indptr, mut indices, mut out) =
            (memory::room(n_rows + 1, STACK)?, memory::room(stored, STACK)?, memory::room::<T>(stored, STACK)?);
        indptr.push(0);
        for row in 0..n_rows {
            for (c, &x) in v[row * n_cols..(row + 1) * n_cols].iter().enumerate() {
                if x != T::default() {
                    indices.push(targets.map_or(c as u32, |t| t[c]));
                    out.push(x);
                }
            }
            indptr.push(out.len());
        }
        Ok(Storage::Csr { indptr, indices, data: T::wrap(out) })
    }
    with_data!(data, v => typed(v, n_rows, n_cols, targets))
}

impl Pass for StackedPass<'_> {
    fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    fn cost(&self, block: usize) -> usize {
        let of = |piece: &Piece| self.parts[piece.part].as_ref().map_or(0, |part| part.costs[piece.block]);
        let rows = self.blocks[block].len();
        let dense = !self.stack.sparse || self.stack.fill.value != 0.0;
        let filled = if dense { rows * self.n_out * (4 + self.stack.dtype.size()) } else { 0 };
        self.pieces[block].iter().map(of).sum::<usize>().max(filled)
    }

    fn read(&self, block: usize) -> Result<Block> {
        let (range, pieces) = (self.blocks[block].clone(), &self.pieces[block]);
        let storage = match pieces.as_slice() {
            // A member's block, unchanged.
            [piece] if self.plain(piece, &range) => {
                let part = self.part(piece.part)?;
                let read = part.read(self.stack, piece.block);
                part.count_down();
                read?.storage
            }
            _ => {
                let mut read = Vec::with_capacity(pieces.len());
                for piece in pieces {
                    read.push((piece, self.piece(piece)?));
                }
                let typed = Data::empty(self.stack.dtype);
                fn gathered<T: Number>(
                    _: &[T],
                    pass: &StackedPass<'_>,
                    range: &Range<usize>,
                    pieces: &[(&Piece, Arc<Rowed>)],
                ) -> Result<Storage> {
                    pass.gather::<T>(range, pieces)
                }
                with_data!(&typed, v => gathered(v, self, &range, &read))?
            }
        };
        Ok(Block { positions: Positions::Range(range), n_cols: self.n_out, storage })
    }
}

impl StackedPass<'_> {
    /// Returns whether a block of the stack is exactly one block of a member, with nothing to fill
    /// in.
    fn plain(&self, piece: &Piece, range: &Range<usize>) -> bool {
        let Some(part) = self.parts.get(piece.part).and_then(Option::as_ref) else { return false };
        let whole = part.blocks.get(piece.block) == Some(&piece.rows) && piece.rows.len() == range.len();
        let fits = part.targets.is_none() || (self.stack.sparse && self.stack.fill.value == 0.0);
        whole && fits && part.uses[piece.block] == 1
    }
}
