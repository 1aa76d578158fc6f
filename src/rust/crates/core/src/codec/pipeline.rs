//! The filter pipeline of a dataset, and its inversion for one chunk.

use super::bitshuffle::{Bitshuffle, Packing};
use super::{blosc2, codecs, deflate, gunzip_new, id, inflate_new, inflate_pieces, name_of, Inflater, Wrapper};
use crate::memory;
use std::cell::RefCell;
use std::io::Read;
use std::mem::MaybeUninit;

/// Identifier and parameters of a filter.
pub(crate) type Filter = (i32, Vec<u32>);

/// One filter, as applied on writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Shuffle {
        size: usize,
    },
    /// Deflate in zlib's wrapper.
    Deflate,
    /// Deflate in gzip's wrapper.
    Gzip,
    Lzf,
    /// LZ4 in the frame of HDF5's filter.
    Lz4,
    /// LZ4 in the frame of numcodecs.
    Lz4Block,
    Zstd,
    Blosc,
    Blosc2,
    Bitshuffle(Bitshuffle),
    Fletcher32,
    Crc32c,
    /// An unknown filter, by its identifier. The masks of chunks tell whether the writer applied
    /// it.
    Unknown(i32),
}

/// Upper bound of the filters of a pipeline: the number of bits of a mask.
const MOST_STEPS: usize = 32;

/// A pipeline that this module can invert: shuffles, then at most one compressor, then checksums.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pipeline {
    steps: Vec<Step>,
}

/// The way to decode the chunks of a dataset.
pub(crate) enum Plan {
    /// This module decodes them.
    Direct(Pipeline),
    /// The file's library decodes them.
    Library,
    /// Neither can, for want of the filter of this name.
    Unsupported(String),
}

impl Plan {
    /// Returns an upper bound of the number of decoded bytes per stored byte, at most 2^20. It is
    /// [`Pipeline::ratio`] for a pipeline of this module, and 2^20, as for runs of zeros, for any
    /// other plan.
    pub(crate) fn expansion(&self) -> u64 {
        const RUNS: u64 = 1 << 20;
        match self {
            Plan::Direct(pipeline) => pipeline.ratio().min(RUNS),
            _ => RUNS,
        }
    }

    /// Chooses the plan for these filters, which are in the order of writing; `known` tells whether
    /// the library of the file can undo a filter. The plan is [`Plan::Direct`] if
    /// [`Pipeline::from_steps`] takes the filters, and each can be undone here or is unknown here
    /// and to the library. The chunks to which unknown filters were not applied can then be
    /// decoded. Else the plan is [`Plan::Library`] if the library knows all filters, and
    /// [`Plan::Unsupported`] if it does not.
    pub(crate) fn from_filters(filters: &[Filter], known: &dyn Fn(i32) -> bool) -> Plan {
        let absent = |f: i32| !known(f);
        let step = |(filter, parameters): &Filter| match *filter {
            id::DEFLATE => Some(Step::Deflate),
            id::SHUFFLE => parameters.first().map(|&size| Step::Shuffle { size: size as usize }),
            id::FLETCHER32 => Some(Step::Fletcher32),
            id::LZF => Some(Step::Lzf),
            id::LZ4 => Some(Step::Lz4),
            id::ZSTD => Some(Step::Zstd),
            id::BLOSC => Some(Step::Blosc),
            id::BLOSC2 => Some(Step::Blosc2),
            id::BITSHUFFLE => Bitshuffle::from_parameters(parameters).map(Step::Bitshuffle),
            other if absent(other) => Some(Step::Unknown(other)),
            _ => None,
        };
        if let Some(steps) = filters.iter().map(step).collect::<Option<Vec<Step>>>() {
            if let Some(pipeline) = Pipeline::from_steps(steps) {
                return Plan::Direct(pipeline);
            }
        }
        match filters.iter().find(|(f, _)| absent(*f)) {
            Some((f, _)) => Plan::Unsupported(name_of(*f)),
            None => Plan::Library,
        }
    }
}

/// Largest chunk, in bytes, that is decoded as a whole when only its start is needed.
const MOST_AT_ONCE: usize = 512 << 20;

/// Buffers that a thread keeps between chunks.
#[derive(Default)]
struct Scratch {
    stages: [Vec<u8>; 2],
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Pipeline {
    /// Makes a pipeline of steps in the order of writing. Unknown filters may stand anywhere.
    /// Returns `None` when the others are not shuffles, then at most one compressor, then
    /// checksums, or when there are too many steps.
    pub(crate) fn from_steps(steps: Vec<Step>) -> Option<Pipeline> {
        let rank = |s: &Step| match s {
            Step::Shuffle { .. } => 0,
            Step::Bitshuffle(b) if b.packing == Packing::None => 0,
            Step::Fletcher32 | Step::Crc32c => 2,
            _ => 1,
        };
        let known: Vec<&Step> = steps.iter().filter(|s| !matches!(s, Step::Unknown(_))).collect();
        let ordered = known.windows(2).all(|w| rank(w[0]) <= rank(w[1]));
        let one = known.iter().filter(|s| rank(s) == 1).count() <= 1;
        (ordered && one && steps.len() <= MOST_STEPS).then_some(Pipeline { steps })
    }

    /// Returns whether there are no filters: chunks are stored as they are in memory.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns whether a chunk takes several times longer to decode than to copy.
    pub(crate) fn is_slow(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Deflate | Step::Gzip | Step::Zstd))
    }

    /// Returns the name of a filter that was applied to a chunk with this mask and that nobody can
    /// undo; `None` when the chunk can be decoded.
    pub(crate) fn missing(&self, mask: u32) -> Option<String> {
        self.steps.iter().enumerate().find_map(|(i, step)| match step {
            Step::Unknown(id) if mask >> i & 1 == 0 => Some(name_of(*id)),
            _ => None,
        })
    }

    /// Returns an upper bound of the decoded bytes of a chunk of `stored` bytes; `u64::MAX` where
    /// the compressor has none.
    pub(crate) fn largest(&self, stored: u64) -> u64 {
        stored.saturating_mul(self.ratio()).saturating_add(1 << 12)
    }

    /// Returns an upper bound of the decoded bytes per stored byte; `u64::MAX` where the compressor
    /// has none.
    pub(crate) fn ratio(&self) -> u64 {
        self.steps.iter().fold(1_u64, |ratio, step| {
            ratio.saturating_mul(match step {
                Step::Deflate | Step::Gzip => 1040,
                Step::Lzf => 264,
                Step::Lz4 | Step::Lz4Block => 256,
                Step::Shuffle { .. } | Step::Fletcher32 | Step::Crc32c | Step::Unknown(_) => 1,
                Step::Bitshuffle(b) if b.packing == Packing::None => 1,
                _ => u64::MAX,
            })
        })
    }

    /// Returns the number of decoded bytes that the compressor's header claims, not checked; `None`
    /// where it has none.
    pub(crate) fn claim(&self, stored: &[u8]) -> Option<u64> {
        match self.steps.iter().rfind(|s| !matches!(s, Step::Fletcher32 | Step::Crc32c | Step::Unknown(_)))? {
            Step::Lz4Block => codecs::lz4_block_claim(stored),
            Step::Lz4 => codecs::lz4_claim(stored),
            Step::Zstd => codecs::zstd_claim(stored),
            Step::Blosc => codecs::blosc_claim(stored),
            Step::Blosc2 => blosc2::claim(stored),
            Step::Bitshuffle(b) => b.claim(stored),
            _ => None,
        }
    }

    /// Decodes like [`Pipeline::decode`] into uninitialised memory; after `Ok` all of it is
    /// initialised.
    ///
    /// # Errors
    /// The errors of [`Pipeline::decode`].
    pub(crate) fn decode_new(&self, mask: u32, stored: &[u8], out: &mut [MaybeUninit<u8>]) -> Result<(), String> {
        if mask & 1 == 0 {
            // The usual cases write without zeroing first, which would cost a tenth of the time.
            let found = match *self.steps {
                [Step::Deflate] => return inflate_new(stored, out),
                [Step::Gzip] => return gunzip_new(stored, out),
                [Step::Zstd] => Some(codecs::zstd_new(stored, out)?),
                [Step::Blosc] => Some(codecs::blosc_new(stored, out)?),
                _ => None,
            };
            if let Some(found) = found {
                return expect_size(found, out.len());
            }
        }
        out.fill(MaybeUninit::new(0));
        // SAFETY: all bytes were just initialised; `MaybeUninit<u8>` has the layout of `u8`.
        let out = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().cast(), out.len()) };
        self.decode(mask, stored, out)
    }

    /// Decodes the first `out.len()` bytes of a chunk of `whole` bytes, without memory for the
    /// others where the filters allow it.
    ///
    /// # Errors
    /// The errors of [`Pipeline::decode`]; a chunk over 512 MiB whose filters allow no partial
    /// decoding.
    pub(crate) fn decode_start(&self, mask: u32, stored: &[u8], whole: usize, out: &mut [u8]) -> Result<(), String> {
        let (steps, n) = self.applied(mask);
        let (mut steps, all_stored, mut stored) = (&steps[..n], stored, stored);
        while let Some((step @ (Step::Fletcher32 | Step::Crc32c), before)) = steps.split_last() {
            stored = verified(*step, stored)?;
            steps = before;
        }
        let short = |found: u64| if found < whole as u64 { Err(format!("{found} bytes for {whole}")) } else { Ok(()) };
        match steps {
            [] if stored.len() == whole => {
                out.copy_from_slice(&stored[..out.len()]);
                Ok(())
            }
            [Step::Deflate] => {
                let mut filled = 0;
                inflate_pieces(stored, &mut |_, piece| {
                    let n = piece.len().min(out.len() - filled);
                    out[filled..filled + n].copy_from_slice(&piece[..n]);
                    filled += n;
                    filled < out.len()
                })?;
                if filled < out.len() {
                    return Err("less gzip data than the chunk holds".to_owned());
                }
                Ok(())
            }
            [Step::Shuffle { size }, Step::Deflate]
                if *size > 1 && whole.is_multiple_of(*size) && out.len().is_multiple_of(*size) =>
            {
                // The bytes of the first values are at the start of each plane.
                let (plane, kept) = (whole / size, out.len() / size);
                let mut planes = bytes(out.len())?;
                let mut found = 0;
                inflate_pieces(stored, &mut |at, piece| {
                    found = at + piece.len() as u64;
                    for p in 0..*size {
                        let (from, to) = ((p * plane) as u64, (p * plane + kept) as u64);
                        let (start, end) = (from.max(at), to.min(found));
                        if start < end {
                            let target = p * kept + (start - from) as usize;
                            let n = (end - start) as usize;
                            planes[target..target + n].copy_from_slice(&piece[(start - at) as usize..][..n]);
                        }
                    }
                    found < ((size - 1) * plane + kept) as u64
                })?;
                short(found + (plane - kept) as u64)?;
                codecs::unshuffle(*size, &planes, out);
                Ok(())
            }
            _ if whole <= MOST_AT_ONCE => {
                let mut all = bytes(whole)?;
                self.decode(mask, all_stored, &mut all)?;
                out.copy_from_slice(&all[..out.len()]);
                Ok(())
            }
            _ => Err(format!(
                "{whole} bytes for {} bytes of values; write the file again (h5repack) with smaller chunks",
                out.len()
            )),
        }
    }

    /// Decodes all bytes of a chunk to which every filter was applied. Its decoded length is not
    /// known before, but is at most `most` bytes.
    ///
    /// # Errors
    /// The errors of [`Pipeline::decode`]; more than `most` bytes; an unknown length with filters
    /// other than one of gzip, zlib and Zstandard.
    pub(crate) fn decode_all(&self, stored: &[u8], most: usize) -> Result<Vec<u8>, String> {
        let (mut steps, mut stored) = (self.steps.as_slice(), stored);
        while let Some((step @ (Step::Fletcher32 | Step::Crc32c), before)) = steps.split_last() {
            stored = verified(*step, stored)?;
            steps = before;
        }
        let too_much = |n: u64| format!("{n} bytes or more where at most {most} can be");
        let claim = match steps {
            [] => Some(stored.len() as u64),
            [.., Step::Deflate | Step::Gzip] => None,
            _ => self.claim(stored),
        };
        if let Some(n) = claim {
            let n = usize::try_from(n).ok().filter(|&n| n <= most).ok_or_else(|| too_much(n))?;
            let mut out = bytes(n)?;
            SCRATCH.with_borrow_mut(|scratch| run(steps, stored, &mut out, scratch))?;
            return Ok(out);
        }
        let [step] = steps else { return Err("data whose length is not known".to_owned()) };
        let mut out = Vec::new();
        match step {
            Step::Deflate | Step::Gzip => {
                let wrapper = if *step == Step::Gzip { Wrapper::Gzip } else { Wrapper::Zlib };
                let mut stream = Inflater::new(wrapper)?;
                let mut piece = bytes(1 << 18)?;
                let mut rest = stored;
                loop {
                    let step = stream.step(rest, &mut piece)?;
                    rest = &rest[step.read..];
                    grow(&mut out, &piece[..step.made], most).map_err(|()| too_much(most as u64))?;
                    match step {
                        step if step.ended => return Ok(out),
                        step if (step.read, step.made) == (0, 0) => return Err("gzip data without an end".to_owned()),
                        _ => {}
                    }
                }
            }
            Step::Zstd => {
                let mut stream = zstd::stream::read::Decoder::new(stored).map_err(|e| e.to_string())?;
                let mut piece = bytes(1 << 18)?;
                loop {
                    let n = stream.read(&mut piece).map_err(|e| format!("damaged zstd data ({e})"))?;
                    if n == 0 {
                        return Ok(out);
                    }
                    grow(&mut out, &piece[..n], most).map_err(|()| too_much(most as u64))?;
                }
            }
            _ => Err("data whose length is not known".to_owned()),
        }
    }

    /// Undoes the filters of one chunk, whose decoded bytes must fill `out` exactly. Bit `i` of
    /// `mask` says that filter `i` was not applied to it.
    ///
    /// # Errors
    /// A description of the damage.
    pub(crate) fn decode(&self, mask: u32, stored: &[u8], out: &mut [u8]) -> Result<(), String> {
        let (steps, n) = self.applied(mask);
        SCRATCH.with_borrow_mut(|scratch| run(&steps[..n], stored, out, scratch))
    }

    /// Returns the filters applied to a chunk with this mask, and their number.
    fn applied(&self, mask: u32) -> ([Step; MOST_STEPS], usize) {
        let mut steps = [Step::Deflate; MOST_STEPS];
        let mut n = 0;
        for (i, step) in self.steps.iter().enumerate() {
            if mask >> i & 1 == 0 {
                steps[n] = *step;
                n += 1;
            }
        }
        (steps, n)
    }
}

/// Undoes `steps` from the last to the first.
fn run(steps: &[Step], stored: &[u8], out: &mut [u8], scratch: &mut Scratch) -> Result<(), String> {
    let Some((step, before)) = steps.split_last() else {
        if stored.len() != out.len() {
            return Err(format!("{} bytes for {} bytes of values", stored.len(), out.len()));
        }
        out.copy_from_slice(stored);
        return Ok(());
    };
    if matches!(step, Step::Fletcher32 | Step::Crc32c) {
        return run(before, verified(*step, stored)?, out, scratch);
    }
    // The remaining filters preserve sizes: the result of this step has the size of the chunk.
    if before.is_empty() {
        return undo(*step, stored, out);
    }
    let mut stage = std::mem::take(&mut scratch.stages[0]);
    memory::lengthen(&mut stage, out.len(), 0, "a chunk").map_err(|e| e.to_string())?;
    stage.truncate(out.len());
    let done = undo(*step, stored, &mut stage).and_then(|()| {
        scratch.stages.swap(0, 1);
        let done = run(before, &stage, out, scratch);
        scratch.stages.swap(0, 1);
        done
    });
    if stage.capacity() <= 16 << 20 {
        scratch.stages[0] = stage;
    }
    done
}

/// Appends `piece`. Fails when `out` would exceed `most` bytes or memory is short.
fn grow(out: &mut Vec<u8>, piece: &[u8], most: usize) -> Result<(), ()> {
    if piece.len() > most.saturating_sub(out.len()) || memory::reserve(out, piece.len(), "a chunk").is_err() {
        return Err(());
    }
    out.extend_from_slice(piece);
    Ok(())
}

/// Verifies the checksum of `step` and returns the bytes before it.
fn verified(step: Step, stored: &[u8]) -> Result<&[u8], String> {
    match step {
        Step::Crc32c => codecs::verify_crc32c(stored),
        _ => codecs::verify_fletcher32(stored),
    }
}

/// Checks that a compressor wrote all bytes of a chunk.
fn expect_size(found: usize, expected: usize) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{found} bytes of values where the chunk holds {expected}"))
    }
}

fn undo(step: Step, stored: &[u8], out: &mut [u8]) -> Result<(), String> {
    let found = match step {
        Step::Shuffle { size } => {
            if stored.len() != out.len() {
                return Err(format!("{} shuffled bytes for {} bytes of values", stored.len(), out.len()));
            }
            codecs::unshuffle(size, stored, out);
            out.len()
        }
        Step::Deflate => return deflate(stored, out),
        Step::Lzf => codecs::lzf(stored, out)?,
        Step::Lz4 => codecs::lz4(stored, out)?,
        Step::Gzip => return gunzip_new(stored, codecs::as_new(out)),
        Step::Lz4Block => codecs::lz4_block(stored, out)?,
        Step::Zstd => codecs::zstd(stored, out)?,
        Step::Blosc => codecs::blosc(stored, out)?,
        Step::Blosc2 => blosc2::decode(stored, out)?,
        Step::Bitshuffle(b) => b.decode(stored, out)?,
        Step::Fletcher32 | Step::Crc32c => return Err("misplaced checksum".to_owned()),
        Step::Unknown(id) => return Err(format!("data of {}, which is not supported", name_of(id))),
    };
    expect_size(found, out.len())
}

/// Allocates `n` zeros to decode into.
fn bytes(n: usize) -> Result<Vec<u8>, String> {
    memory::zeros(n, "decoding a chunk").map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip(bytes: &[u8]) -> Vec<u8> {
        let mut c = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
        let mut out = vec![0; c.zlib_compress_bound(bytes.len())];
        let n = c.zlib_compress(bytes, &mut out).unwrap();
        out.truncate(n);
        out
    }

    #[test]
    fn mask_skips_filters_one_by_one() {
        let values: Vec<u8> = (0..64u8).collect();
        let mut shuffled = vec![0; 64];
        for (i, &b) in values.iter().enumerate() {
            shuffled[(i % 4) * 16 + i / 4] = b;
        }
        let pipeline = Pipeline { steps: vec![Step::Shuffle { size: 4 }, Step::Deflate] };
        for (mask, stored) in [(0, zip(&shuffled)), (1, zip(&values)), (2, shuffled.clone()), (3, values.clone())] {
            let mut out = vec![0; 64];
            pipeline.decode(mask, &stored, &mut out).unwrap();
            assert_eq!(out, values, "mask {mask}");
        }
        assert!(pipeline.decode(0, &values, &mut [0; 64]).is_err());
        assert!(pipeline.decode(3, &values, &mut [0; 60]).is_err());
    }

    /// Checks that the decoded start of a chunk is the start of the whole chunk, for several
    /// pipelines.
    #[test]
    fn starts() {
        let values: Vec<u8> = (0..400_000u32).flat_map(|i| (i / 3).to_le_bytes()).collect();
        let n = values.len() / 4;
        let shuffled: Vec<u8> = (0..values.len()).map(|i| values[i % n * 4 + i / n]).collect();
        for (steps, stored) in [
            (vec![], values.clone()),
            (vec![Step::Deflate], zip(&values)),
            (vec![Step::Shuffle { size: 4 }, Step::Deflate], zip(&shuffled)),
            (vec![Step::Shuffle { size: 4 }], shuffled.clone()),
        ] {
            let pipeline = Pipeline { steps };
            for used in [4, 1000, 399_996, values.len()] {
                let mut out = vec![0; used];
                pipeline.decode_start(0, &stored, values.len(), &mut out).unwrap();
                assert!(out == values[..used], "{pipeline:?} {used}");
            }
            assert!(pipeline
                .decode_start(0, &stored[..stored.len() / 2], values.len(), &mut vec![0; values.len()])
                .is_err());
        }
    }

    #[test]
    fn filters_shown_to_users_are_those_read() {
        let read = |filter: &i32| match Plan::from_filters(&[(*filter, vec![0, 3, 4, 0, 0])], &|_| false) {
            Plan::Direct(pipeline) => pipeline.missing(0).is_none(),
            _ => false,
        };
        // "filter 'gzip' (1)" without the rest.
        let short_name = |filter: i32| super::super::name_of(filter).split('\'').nth(1).unwrap_or_default().to_owned();
        let mut names: Vec<String> = (0..70_000).filter(read).map(short_name).collect();
        let mut shown = crate::store::FILTERS.map(str::to_owned).to_vec();
        names.sort();
        shown.sort();
        assert_eq!(names, shown);
    }

    #[test]
    fn unknown_filters_are_named() {
        for (filter, name) in [(307, "bzip2"), (4, "szip"), (32013, "zfp"), (32003, "snappy"), (777, "filter 777")] {
            match Plan::from_filters(&[(filter, vec![])], &|_| false) {
                Plan::Direct(p) => assert!(p.missing(0).unwrap().contains(name) && p.missing(1).is_none()),
                _ => panic!("filter {filter} is not known"),
            }
        }
        assert!(matches!(Plan::from_filters(&[(6, vec![])], &|id| id == 6), Plan::Library));
        assert!(matches!(Plan::from_filters(&[(2, vec![4]), (1, vec![4]), (3, vec![])], &|_| true), Plan::Direct(_)));
        assert!(matches!(Plan::from_filters(&[(1, vec![4]), (2, vec![4])], &|_| true), Plan::Library));
    }
}
