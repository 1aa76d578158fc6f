//! Bitshuffle (filter 32008): within each block, the bits of the values are grouped by their
//! position, then packed by LZ4, by Zstandard or not at all. Format:
//! <https://github.com/kiyo-masui/bitshuffle>.

use super::codecs::Decoded;

/// The compressor of a block after its bits were grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// No compressor.
    None,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// The parameters of the filter: bytes of a value, values in a block (0 for the default), packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bitshuffle {
    size: usize,
    block: usize,
    /// The compressor of a block.
    pub(crate) packing: Packing,
}

impl Bitshuffle {
    /// Parses the filter's parameters in the file: two version numbers, size of a value, values in
    /// a block, packing. `None` for values that cannot be valid.
    pub(crate) fn from_parameters(parameters: &[u32]) -> Option<Self> {
        let at = |i: usize| parameters.get(i).copied().unwrap_or(0);
        let packing = match at(4) {
            0 => Packing::None,
            2 => Packing::Lz4,
            3 => Packing::Zstd,
            _ => return None,
        };
        let (size, block) = (at(2) as usize, at(3) as usize);
        (size > 0 && size <= 1 << 16 && block % 8 == 0 && block <= 1 << 24).then_some(Bitshuffle {
            size,
            block,
            packing,
        })
    }

    /// Returns the default number of values in a block: those of 8 KiB, rounded down to a multiple
    /// of eight, at least 128.
    fn default_block(self) -> usize {
        (8192 / self.size / 8 * 8).max(128)
    }

    /// Returns the number of decoded bytes that `stored` claims, not checked; `None` for data that
    /// end within their header.
    pub(crate) fn claim(self, stored: &[u8]) -> Option<u64> {
        match self.packing {
            Packing::None => Some(stored.len() as u64),
            _ => stored.first_chunk::<8>().map(|n| u64::from_be_bytes(*n)),
        }
    }

    /// Decodes one chunk into `out`.
    pub(crate) fn decode(self, stored: &[u8], out: &mut [u8]) -> Decoded {
        let short = || "bitshuffled data end too early".to_owned();
        let (mut rest, block) = match self.packing {
            Packing::None => (stored, if self.block == 0 { self.default_block() } else { self.block }),
            _ => {
                let (total, rest) = stored.split_first_chunk::<8>().ok_or_else(short)?;
                let (block, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
                let total = u64::from_be_bytes(*total);
                if total != out.len() as u64 {
                    return Err(format!("bitshuffled data of {total} bytes where the chunk holds {}", out.len()));
                }
                let block = u32::from_be_bytes(*block) as usize / self.size;
                (rest, if block == 0 { self.default_block() } else { block })
            }
        };
        if block % 8 != 0 {
            return Err(format!("bitshuffled blocks of {block} values, which is no multiple of 8"));
        }
        // The last block may be shorter, a multiple of eight values; values past it are stored
        // unchanged.
        let whole = out.len() / self.size / 8 * 8 * self.size;
        let (blocks, left) = out.split_at_mut(whole);
        let mut packed = Vec::new();
        for to in blocks.chunks_mut(block * self.size) {
            let bits = match self.packing {
                Packing::None => {
                    let (bits, after) = rest.split_at_checked(to.len()).ok_or_else(short)?;
                    rest = after;
                    bits
                }
                packing => {
                    let (n, after) = rest.split_first_chunk::<4>().ok_or_else(short)?;
                    let (from, after) = after.split_at_checked(u32::from_be_bytes(*n) as usize).ok_or_else(short)?;
                    rest = after;
                    packed.try_reserve(to.len()).map_err(|_| "more bytes than memory".to_owned())?;
                    packed.resize(to.len(), 0);
                    let n = match packing {
                        Packing::Zstd => super::codecs::zstd(from, &mut packed)?,
                        _ => lz4_flex::block::decompress_into(from, &mut packed)
                            .map_err(|_| "damaged lz4 data".to_owned())?,
                    };
                    if n != to.len() {
                        return Err(format!("{n} bytes in a bitshuffled block of {}", to.len()));
                    }
                    &packed
                }
            };
            regroup(self.size, bits, to);
        }
        let end = rest.get(..left.len()).ok_or_else(short)?;
        left.copy_from_slice(end);
        Ok(out.len())
    }
}

/// Undoes the grouping of bits in one block: row `8 b + k` of `bits` holds bit `k` of byte `b` of
/// every value. Both slices have the same length, a multiple of eight values of `size` bytes.
pub(super) fn regroup(size: usize, bits: &[u8], to: &mut [u8]) {
    let row = to.len() / size / 8;
    for (b, rows) in bits.chunks_exact((row * 8).max(1)).enumerate() {
        for i in 0..row {
            // Eight bytes, one for each bit of byte `b` of the same eight values, are transposed as
            // an 8 x 8 matrix of bits.
            let mut x = 0u64;
            for k in 0..8 {
                x |= u64::from(rows[k * row + i]) << (8 * k);
            }
            for (j, byte) in transpose(x).to_le_bytes().into_iter().enumerate() {
                to[(8 * i + j) * size + b] = byte;
            }
        }
    }
}

/// Transposes an 8 x 8 matrix of bits: bit `j` of byte `k` becomes bit `k` of byte `j` (Hacker's
/// Delight, 7-3).
fn transpose(mut x: u64) -> u64 {
    let mut swap = |mask: u64, by: u32| {
        let t = (x ^ (x >> by)) & mask;
        x ^= t ^ (t << by);
    };
    swap(0x00aa_00aa_00aa_00aa, 7);
    swap(0x0000_cccc_0000_cccc, 14);
    swap(0x0000_0000_f0f0_f0f0, 28);
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_changes_nothing() {
        let x = 0x0123_4567_89ab_cdef;
        assert_eq!(transpose(transpose(x)), x);
        assert_eq!(transpose(1 << 3), 1 << 24);
    }

    /// Compares with bits moved one by one.
    #[test]
    fn bits_find_their_place() {
        for size in [1, 2, 4, 8, 3] {
            let values: Vec<u8> = (0..24 * size).map(|i| (i * 37 + 11) as u8).collect();
            let row = 3;
            let mut bits = vec![0u8; values.len()];
            for (at, byte) in values.iter().enumerate() {
                let (value, b) = (at / size, at % size);
                for k in 0..8 {
                    bits[(8 * b + k) * row + value / 8] |= (byte >> k & 1) << (value % 8);
                }
            }
            let mut out = vec![0; values.len()];
            regroup(size, &bits, &mut out);
            assert_eq!(out, values, "size {size}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        let plain = Bitshuffle::from_parameters(&[0, 4, 4, 0, 0]).unwrap();
        assert!(plain.decode(&[0; 63], &mut [0; 64]).is_err());
        let packed = Bitshuffle::from_parameters(&[0, 4, 4, 0, 2]).unwrap();
        for n in 0..20 {
            assert!(packed.decode(&vec![0xff; n], &mut [0; 64]).is_err());
        }
        assert!(
            Bitshuffle::from_parameters(&[0, 4, 0, 0, 2]).is_none()
                && Bitshuffle::from_parameters(&[0, 4, 4, 0, 1]).is_none()
        );
    }
}
