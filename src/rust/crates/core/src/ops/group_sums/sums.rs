//! Sums of all genes in all groups.
//!
//! Rows are held as far as memory goes and then added together, group by group, so that a processor
//! finds the sums in its cache. The values of a gene in a group are added in the order of the rows,
//! whenever that happens and whatever the bands and threads are.

use super::accumulator::Accumulator;
use super::list::{add_all, few, List, Room, SUMS};
use super::rows::{Bands, Part, Rows, FEW_GROUPS};
use crate::element::{DType, Data, Number};
use crate::error::{Error, Result};
use crate::matrix::{Block, Storage};
use crate::memory;
use crate::session::Session;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::mem::take;
use std::ops::Range;

/// Sums by group and gene, and rows that are not added yet.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(in crate::ops) struct GroupSums<C: Accumulator> {
    bands: Bands,
    n_groups: usize,
    /// The sums of each group; empty before rows were added.
    lists: Vec<List<C>>,
    /// The rows that are not added yet, their bytes, and the most bytes to hold.
    held: Vec<Rows<C::Value>>,
    bytes: usize,
    most: usize,
}

/// The places of rows of groups: the group, the held block, and the position of the group in that
/// block.
type Places = Vec<(u32, u32, u32)>;

impl<C: Accumulator> GroupSums<C> {
    /// Makes empty sums. At most `most` bytes of rows are held.
    pub(in crate::ops) fn new(n_groups: usize, bands: Bands, most: usize) -> Self {
        GroupSums { bands, n_groups, lists: Vec::new(), held: Vec::new(), bytes: 0, most }
    }

    /// Returns the bands of its genes.
    pub(in crate::ops) fn bands(&self) -> Bands {
        self.bands
    }

    /// Takes the rows of the next block. If too many bytes are held then, adds all held rows and
    /// returns them, so that their memory is used again.
    pub(in crate::ops) fn add(&mut self, rows: Rows<C::Value>, session: &Session) -> Result<Vec<Rows<C::Value>>> {
        self.bytes += rows.bytes();
        memory::reserve(&mut self.held, 1, SUMS)?;
        self.held.push(rows);
        if self.bytes > self.most {
            self.settle(session)
        } else {
            Ok(Vec::new())
        }
    }

    /// Adds the rows that are held to the sums, and returns them.
    pub(in crate::ops) fn settle(&mut self, session: &Session) -> Result<Vec<Rows<C::Value>>> {
        let (n_vars, few) = (self.bands.n_vars, self.n_groups <= FEW_GROUPS);
        if self.lists.is_empty() {
            let list = |_| if few { List::dense(n_vars) } else { Ok(List::NOTHING) };
            self.lists = memory::tried((0..self.n_groups).map(list), SUMS)?;
        }
        let (places, held, bands) = (self.places()?, take(&mut self.held), self.bands);
        self.bytes = 0;
        let of = |&(_, block, k): &(u32, u32, u32), b: usize| held[block as usize].bands[b].of_group(k as usize);
        if few {
            let mut tasks = memory::room(self.n_groups * bands.len(), SUMS)?;
            for (g, list) in self.lists.iter_mut().enumerate() {
                if let List::All(cells) = list {
                    tasks.extend(
                        cells.chunks_mut(bands.genes(0).len().max(1)).enumerate().map(|(b, cells)| (g, b, cells)),
                    );
                }
            }
            session.install(|| {
                tasks.into_par_iter().for_each(|(g, b, cells)| {
                    for place in places_of(&places, g..g + 1) {
                        let (genes, values) = of(place, b);
                        add_all(cells, genes, values);
                    }
                });
                Ok(())
            })?;
        } else {
            let share = self.share(session);
            let lists = &mut self.lists;
            session.install(|| {
                lists.par_chunks_mut(share).enumerate().try_for_each(|(k, lists)| {
                    let (first, mut room) = (k * share, Room::default());
                    for place in places_of(&places, first..first + lists.len()) {
                        let list = &mut lists[place.0 as usize - first];
                        for b in 0..bands.len() {
                            list.add(n_vars, bands.genes(b).start, of(place, b), &mut room)?;
                        }
                    }
                    Ok(())
                })
            })?;
        }
        Ok(held)
    }

    /// Returns the number of groups that a thread takes at a time.
    fn share(&self, session: &Session) -> usize {
        self.n_groups.div_ceil(8 * session.threads).max(1)
    }

    /// Returns the places of the held rows, sorted by group.
    fn places(&self) -> Result<Places> {
        let mut places = memory::room(self.held.iter().map(|rows| rows.labels.len()).sum(), SUMS)?;
        for (block, rows) in self.held.iter().enumerate() {
            places.extend(rows.labels.iter().enumerate().map(|(k, &label)| (label, block as u32, k as u32)));
        }
        places.sort_unstable();
        Ok(places)
    }

    /// Adds the sums of the rows that follow.
    pub(in crate::ops) fn merge(&mut self, mut next: Self, session: &Session) -> Result<()> {
        self.settle(session)?;
        next.settle(session)?;
        let mut room = Room::default();
        self.lists.iter_mut().zip(next.lists).try_for_each(|(to, list)| to.merge(list, self.bands.n_vars, &mut room))
    }

    /// Returns the numbers of groups and genes.
    pub(in crate::ops) fn shape(&self) -> (usize, usize) {
        (self.n_groups, self.bands.n_vars)
    }

    /// Returns the sum of one gene in one group, without rows that are not [settled](Self::settle)
    /// yet.
    pub(in crate::ops) fn get(&self, group: usize, gene: usize) -> C {
        self.lists.get(group).map_or_else(C::default, |list| list.get(gene))
    }

    /// Splits the groups into shares, each for one thread.
    pub(in crate::ops) fn shares(&self, session: &Session) -> Vec<Range<usize>> {
        let (n, share) = (self.n_groups, self.share(session));
        (0..n.div_ceil(share)).map(|k| k * share..((k + 1) * share).min(n)).collect()
    }

    /// Returns the number of genes with a sum, for each band and each group in it.
    pub(in crate::ops) fn counts(&self, session: &Session) -> Result<Vec<Vec<u32>>> {
        let (places, shares) = (self.places()?, self.shares(session));
        let of_band = |b: usize| {
            let held = memory::collected(self.held.iter().map(|rows| &rows.bands[b]), SUMS)?;
            let mut out = memory::zeros::<u32>(self.n_groups, SUMS)?;
            let parts = shares.iter().cloned().zip(out.chunks_mut(self.share(session)));
            let parts = memory::exactly(shares.len(), parts, SUMS)?;
            session.install(|| {
                parts.into_par_iter().try_for_each(|(groups, to)| {
                    let mut added = Added::new(self.bands.genes(b))?;
                    for (g, to) in groups.zip(to) {
                        *to = added.count(self.lists.get(g), places_of(&places, g..g + 1), &held)?;
                    }
                    Ok(())
                })
            })?;
            Ok(out)
        };
        memory::tried((0..self.bands.len()).map(of_band), SUMS)
    }

    /// Hands out the sums of a band and frees its rows. `of` gets, for each group of the
    /// [shares](Self::shares), a part of the result, the group, and its non-empty sums, whose genes
    /// ascend and are counted from the first of the band.
    pub(in crate::ops) fn take_band<P: Send>(
        &mut self,
        b: usize,
        parts: Vec<(Range<usize>, P)>,
        of: impl Fn(&mut P, usize, &[(u32, C)]) + Sync,
        session: &Session,
    ) -> Result<()> {
        let places = self.places()?;
        let held = memory::exactly(self.held.len(), self.held.iter_mut().map(|rows| take(&mut rows.bands[b])), SUMS)?;
        let held = memory::collected(held.iter(), SUMS)?;
        session.install(|| {
            parts.into_par_iter().try_for_each(|(groups, mut part)| {
                let mut added = Added::new(self.bands.genes(b))?;
                for g in groups {
                    session.monitor.check()?;
                    of(&mut part, g, added.sums(self.lists.get(g), places_of(&places, g..g + 1), &held)?);
                }
                Ok(())
            })
        })
    }
}

/// Returns the places of some groups.
fn places_of(places: &Places, groups: Range<usize>) -> &[(u32, u32, u32)] {
    let at = |g: usize| places.partition_point(|&(label, ..)| (label as usize) < g);
    &places[at(groups.start)..at(groups.end)]
}

/// The buffers in which the sums of one group after the other are made, in a band.
struct Added<C: Accumulator> {
    band: Range<usize>,
    seen: Vec<bool>,
    all: Vec<C>,
    entries: Vec<(u32, C)>,
    room: Room<C>,
}

impl<C: Accumulator> Added<C> {
    fn new(band: Range<usize>) -> Result<Self> {
        let seen = memory::zeros(band.len(), SUMS)?;
        Ok(Added { band, seen, all: Vec::new(), entries: Vec::new(), room: Room::default() })
    }

    /// Returns the number of non-empty sums of a group.
    fn count(&mut self, list: Option<&List<C>>, places: &[(u32, u32, u32)], held: &[&Part<C::Value>]) -> Result<u32> {
        if !C::STAYS {
            return Ok(self.sums(list, places, held)?.len() as u32);
        }
        if places.is_empty() {
            return Ok(list.map_or(0, |list| list.entries(self.band.clone()).count()) as u32);
        }
        let seen = &mut self.seen;
        list.into_iter().flat_map(|list| list.entries(self.band.clone())).for_each(|(j, _)| seen[j] = true);
        for &(_, block, k) in places {
            held[block as usize].of_group(k as usize).0.iter().for_each(|&j| seen[j as usize] = true);
        }
        let n = seen.iter().map(|&there| u32::from(there)).sum();
        seen.fill(false);
        Ok(n)
    }

    /// Returns the non-empty sums of a group: the sums in its list, with the held rows added.
    fn sums(
        &mut self,
        list: Option<&List<C>>,
        places: &[(u32, u32, u32)],
        held: &[&Part<C::Value>],
    ) -> Result<&[(u32, C)]> {
        let width = self.band.len();
        let rows = || places.iter().map(|&(_, block, k)| held[block as usize].of_group(k as usize));
        let own = || list.into_iter().flat_map(|list| list.entries(self.band.clone()));
        let entries = &mut self.entries;
        entries.clear();
        let n = own().count() + rows().map(|(genes, _)| genes.len()).sum::<usize>();
        memory::reserve(entries, n.min(width), SUMS)?;
        if places.is_empty() {
            entries.extend(own().map(|(j, cell)| (j as u32, *cell)));
        } else if few(n, width) {
            let (genes, cells) = (own().map(|(j, _)| j as u32), own().map(|(_, cell)| *cell));
            let mut sums = List::Some(memory::exactly(n, genes, SUMS)?, memory::exactly(n, cells, SUMS)?);
            rows().try_for_each(|of| sums.add(width, 0, of, &mut self.room))?;
            entries.extend(sums.entries(0..width).map(|(j, cell)| (j as u32, *cell)));
        } else {
            self.all.clear();
            memory::lengthen(&mut self.all, width, C::default(), SUMS)?;
            own().for_each(|(j, cell)| self.all[j] = *cell);
            rows().for_each(|(genes, values)| add_all(&mut self.all, genes, values));
            let there = self.all.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
            entries.extend(there.map(|(j, cell)| (j as u32, *cell)));
        }
        Ok(entries)
    }
}

/// Converts a block to values of `T`, i64 for integers, else the float type of
/// [`Block::into_float`].
pub(in crate::ops) fn typed<T: Number>(block: Block) -> Result<Block> {
    if T::DTYPE != DType::I64 {
        return block.into_float();
    }
    let mut block = block;
    let (Storage::Csr { data, .. } | Storage::Dense(data)) = &mut block.storage;
    macro_rules! of {
        ($($variant:ident),*) => {
            match &*data {
                Data::I64(_) => return Ok(block),
                $(Data::$variant(v) => memory::collected(v.iter().map(|&x| x as i64), SUMS)?,)*
                other => return Err(Error::Internal(format!("a block of integers holds {}", other.dtype()))),
            }
        };
    }
    *data = Data::I64(of!(Bool, I8, I16, I32, U8, U16, U32, U64));
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Positions;
    use crate::ops::group_sums::{Both, Spread, Total};
    use crate::stream::NO_LABEL;
    use std::sync::Mutex;

    /// Makes blocks of a matrix in which 1 of 9 values is not 0, some of them stored zeros, and the
    /// groups of its rows.
    fn blocks(n_vars: usize, n_groups: usize) -> (Vec<Block>, Vec<u32>) {
        let mut state = 3u64;
        let mut below = move |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let blocks = (0..7).map(|b| {
            let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
            for _ in 0..40 {
                for c in 0..n_vars as u32 {
                    if below(9) == 0 {
                        indices.push(c);
                        data.push(below(7) as f32 * 0.3 - 0.6);
                    }
                }
                indptr.push(indices.len());
            }
            let storage = Storage::Csr { indptr, indices, data: Data::F32(data) };
            Block { positions: Positions::Range(b * 40..b * 40 + 40), n_cols: n_vars, storage }
        });
        let blocks: Vec<Block> = blocks.collect();
        let labels = (0..280).map(|i| if i % 11 == 0 { NO_LABEL } else { (i * i / 7 + i) as u32 % n_groups as u32 });
        (blocks, labels.collect())
    }

    /// Returns all sums, gene by gene, and the results of `counts` and `take_band`.
    fn sums<C: Accumulator<Value = f32>>(n_vars: usize, n_groups: usize, most: usize, threads: usize) -> Vec<u64> {
        let (blocks, labels) = blocks(n_vars, n_groups);
        let session = Session::with_threads(threads);
        let bands = Bands::new(n_groups, n_vars, threads);
        let all = |split: usize| {
            let mut of = GroupSums::<C>::new(n_groups, bands, most);
            let mut next = GroupSums::<C>::new(n_groups, bands, most);
            for (b, block) in blocks.iter().enumerate() {
                let rows = Rows::new(block, &labels, bands, None).unwrap();
                (if b < split { &mut of } else { &mut next }).add(rows, &session).unwrap();
            }
            if split < 7 {
                of.merge(next, &session).unwrap();
            }
            of
        };
        let bits = |cell: &C| [cell.sum().to_f64(), cell.n() as f64, cell.moments(100).m2].map(f64::to_bits);
        let mut out = Vec::new();
        for split in [7, 3] {
            let mut of = all(split);
            let (counts, shares) = (of.counts(&session).unwrap(), of.shares(&session));
            let found = Mutex::new(vec![C::default(); n_groups * n_vars]);
            for (b, counts) in counts.iter().enumerate() {
                let first = of.bands().genes(b).start;
                let put = |(): &mut (), g: usize, sums: &[(u32, C)]| {
                    assert_eq!(counts[g] as usize, sums.len());
                    assert!(sums.windows(2).all(|w| w[0].0 < w[1].0));
                    let mut found = found.lock().unwrap();
                    sums.iter().for_each(|(j, cell)| found[g * n_vars + first + *j as usize] = *cell);
                };
                of.take_band(b, shares.iter().map(|s| (s.clone(), ())).collect(), put, &session).unwrap();
            }
            let found = found.into_inner().unwrap();
            let mut settled = all(split);
            settled.settle(&session).unwrap();
            let get = |k: usize| settled.get(k / n_vars, k % n_vars);
            assert!(found.iter().enumerate().all(|(k, cell)| bits(cell) == bits(&get(k))));
            out.extend(found.iter().flat_map(bits));
        }
        out
    }

    #[test]
    fn sums_are_the_same_bits_whenever_rows_are_added() {
        fn check<C: Accumulator<Value = f32>>() {
            // Few groups, some of many groups, and a group for each row.
            for (n_vars, n_groups) in [(90, 3), (90, 70), (200, 300), (1, 1)] {
                let first = sums::<C>(n_vars, n_groups, usize::MAX, 1);
                for (most, threads) in [(0, 1), (20_000, 2), (usize::MAX, 3), (9000, 3)] {
                    assert!(sums::<C>(n_vars, n_groups, most, threads) == first, "{n_groups} groups, {most} bytes");
                }
            }
        }
        check::<Spread<f32>>();
        check::<Both<f32>>();
        check::<Total<f32>>();
    }

    #[test]
    fn sums_are_those_of_a_loop() {
        let (n_vars, n_groups) = (90, 70);
        let (blocks, labels) = blocks(n_vars, n_groups);
        let mut expected = vec![(0.0, 0.0); n_groups * n_vars];
        for block in &blocks {
            let Storage::Csr { indptr, indices, data: Data::F32(data) } = &block.storage else { panic!() };
            for (i, w) in indptr.windows(2).enumerate() {
                let label = labels[block.positions.row(i)];
                for k in w[0]..w[1] {
                    if label != NO_LABEL && data[k] != 0.0 {
                        let of = &mut expected[label as usize * n_vars + indices[k] as usize];
                        *of = (of.0 + f64::from(data[k]), of.1 + 1.0);
                    }
                }
            }
        }
        let found = sums::<Both<f32>>(n_vars, n_groups, 5000, 2);
        for (cell, (sum, n)) in found.chunks_exact(3).zip(expected) {
            assert!((f64::from_bits(cell[0]) - sum).abs() < 1e-12 && f64::from_bits(cell[1]) == n);
        }
    }
}
