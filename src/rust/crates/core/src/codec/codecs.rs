//! Decompressors in HDF5's framings. Each decodes one chunk into `out` and returns the number of
//! bytes written. Every one of them checks its input: damaged data give an error, never an access
//! out of bounds.

use super::checksum::crc32c;
use std::cell::RefCell;
use std::mem::MaybeUninit;

/// The number of bytes written, or a description of the damage.
pub(crate) type Decoded = Result<usize, String>;

/// Decompresses LZF (h5py's filter 32000). A control byte `c` below 32 announces `c + 1` literals.
/// Otherwise its top three bits are a match length and the others, with the next byte, a distance
/// back.
pub(crate) fn lzf(stored: &[u8], out: &mut [u8]) -> Decoded {
    let short = || "lzf data ends too early".to_owned();
    let (mut i, mut o) = (0, 0);
    while let Some(&control) = stored.get(i) {
        let control = control as usize;
        i += 1;
        if control < 32 {
            let n = control + 1;
            let from = stored.get(i..i + n).ok_or_else(short)?;
            out.get_mut(o..o + n).ok_or("more lzf data than the chunk holds")?.copy_from_slice(from);
            i += n;
            o += n;
        } else {
            let mut n = control >> 5;
            if n == 7 {
                n += *stored.get(i).ok_or_else(short)? as usize;
                i += 1;
            }
            n += 2;
            let back = ((control & 31) << 8 | *stored.get(i).ok_or_else(short)? as usize) + 1;
            i += 1;
            if back > o {
                return Err("an lzf match before the start of the chunk".to_owned());
            }
            if o + n > out.len() {
                return Err("more lzf data than the chunk holds".to_owned());
            }
            if back >= n {
                out.copy_within(o - back..o - back + n, o);
            } else {
                for k in o..o + n {
                    out[k] = out[k - back];
                }
            }
            o += n;
        }
    }
    Ok(o)
}

/// Decompresses LZ4 (filter 32004). Its frame holds the decoded size (8 bytes), the block size (4),
/// then each block after its stored size (4), all big-endian. A block whose stored size equals its
/// decoded size is not compressed.
pub(crate) fn lz4(stored: &[u8], out: &mut [u8]) -> Decoded {
    let short = || "lz4 data ends too early".to_owned();
    let (total, rest) = stored.split_first_chunk::<8>().ok_or_else(short)?;
    let (block, mut rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let (total, block) = (u64::from_be_bytes(*total), u32::from_be_bytes(*block) as usize);
    if total != out.len() as u64 || block == 0 {
        return Err(format!("lz4 data of {total} bytes in blocks of {block} where the chunk holds {}", out.len()));
    }
    let mut o = 0;
    while o < out.len() {
        let (size, after) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let size = u32::from_be_bytes(*size) as usize;
        let from = after.get(..size).ok_or_else(short)?;
        let n = block.min(out.len() - o);
        let to = &mut out[o..o + n];
        if size == n {
            to.copy_from_slice(from);
        } else if lz4_flex::block::decompress_into(from, to).ok() != Some(n) {
            return Err("damaged lz4 data".to_owned());
        }
        o += n;
        rest = &after[size..];
    }
    Ok(o)
}

/// Decompresses LZ4 in the frame of numcodecs: the decoded size (4 bytes, little-endian), then one
/// block.
pub(crate) fn lz4_block(stored: &[u8], out: &mut [u8]) -> Decoded {
    let (total, block) = stored.split_first_chunk::<4>().ok_or("lz4 data ends too early")?;
    let total = u32::from_le_bytes(*total);
    if u64::from(total) != out.len() as u64 {
        return Err(format!("lz4 data of {total} bytes where the chunk holds {}", out.len()));
    }
    lz4_flex::block::decompress_into(block, out).map_err(|_| "damaged lz4 data".to_owned())
}

/// Returns the number of decoded bytes that data for [`lz4_block`] claim, not checked; `None` for
/// data that end within their header.
pub(crate) fn lz4_block_claim(stored: &[u8]) -> Option<u64> {
    stored.first_chunk::<4>().map(|n| u32::from_le_bytes(*n).into())
}

/// Returns the number of decoded bytes that data for [`lz4`] claim, not checked; `None` for data
/// that end within their header.
pub(crate) fn lz4_claim(stored: &[u8]) -> Option<u64> {
    stored.first_chunk::<8>().map(|n| u64::from_be_bytes(*n))
}

/// Compresses `bytes` into the frame that [`lz4`] reads, as one block.
pub(crate) fn lz4_frame(bytes: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(bytes);
    let packed = if packed.len() < bytes.len() { &packed } else { bytes };
    let mut out = (bytes.len() as u64).to_be_bytes().to_vec();
    out.extend((bytes.len() as u32).to_be_bytes());
    out.extend((packed.len() as u32).to_be_bytes());
    out.extend_from_slice(packed);
    out
}

/// Returns the number of decoded bytes that a Zstandard frame claims; `None` when its header lacks
/// it.
pub(crate) fn zstd_claim(stored: &[u8]) -> Option<u64> {
    zstd::zstd_safe::get_frame_content_size(stored).ok().flatten()
}

/// Returns the number of decoded bytes that Blosc data claim, not checked; `None` for data that end
/// within their header.
pub(crate) fn blosc_claim(stored: &[u8]) -> Option<u64> {
    stored.get(4..).and_then(|b| b.first_chunk::<4>()).map(|n| u32::from_le_bytes(*n).into())
}

/// Returns the same memory as a target of decoders that only write.
pub(super) fn as_new(out: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the layout is the same, and decoders only write initialised bytes.
    unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().cast(), out.len()) }
}

/// Decompresses Zstandard (filter 32015): one frame per chunk.
pub(crate) fn zstd(stored: &[u8], out: &mut [u8]) -> Decoded {
    zstd_new(stored, as_new(out))
}

/// Decompresses Blosc (filter 32001).
pub(crate) fn blosc(stored: &[u8], out: &mut [u8]) -> Decoded {
    blosc_new(stored, as_new(out))
}

/// Decompresses like [`zstd`] into uninitialised memory; as many bytes as it returns are
/// initialised.
pub(super) fn zstd_new(stored: &[u8], out: &mut [MaybeUninit<u8>]) -> Decoded {
    thread_local! {
        static CONTEXT: RefCell<Option<zstd::zstd_safe::DCtx<'static>>> = const { RefCell::new(None) };
    }
    CONTEXT.with_borrow_mut(|context| {
        let context = match context {
            Some(c) => c,
            None => context.insert(zstd::zstd_safe::DCtx::try_create().ok_or("no memory for zstd")?),
        };
        let damaged = |code| format!("damaged zstd data ({})", zstd::zstd_safe::get_error_name(code));
        context.decompress(&mut Room(out), stored).map_err(damaged)
    })
}

/// Uninitialised memory in the form that the library takes.
struct Room<'o>(&'o mut [MaybeUninit<u8>]);

// SAFETY: pointer and capacity are the slice's; it reports no byte as initialised and shows none.
unsafe impl zstd::zstd_safe::WriteBuf for Room<'_> {
    fn as_slice(&self) -> &[u8] {
        &[]
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }

    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }

    unsafe fn filled_until(&mut self, _: usize) {}
}

/// Decompresses like [`blosc`] into uninitialised memory; as many bytes as it returns are
/// initialised.
pub(super) fn blosc_new(stored: &[u8], out: &mut [MaybeUninit<u8>]) -> Decoded {
    let mut size = 0;
    // SAFETY: pointer and length are the slice's.
    let valid = unsafe { blosc_src::blosc_cbuffer_validate(stored.as_ptr().cast(), stored.len(), &raw mut size) };
    if valid != 0 || size != out.len() {
        return Err(format!("damaged blosc data ({size} bytes where the chunk holds {})", out.len()));
    }
    // SAFETY: the input was validated above; at most `out.len()` bytes are written. The context
    // interface shares no state.
    let n = unsafe { blosc_src::blosc_decompress_ctx(stored.as_ptr().cast(), out.as_mut_ptr().cast(), out.len(), 1) };
    usize::try_from(n).ok().filter(|&n| n > 0).ok_or_else(|| "damaged blosc data".to_owned())
}

/// Compresses `bytes` with Blosc; `None` without memory. The third, fifth, sixth and seventh of the
/// filter's `parameters` are the size of a value, level, shuffle and compressor; values out of
/// range are clamped.
pub(crate) fn blosc_frame(parameters: &[u32], bytes: &[u8]) -> Option<Vec<u8>> {
    const OVERHEAD: usize = 16;
    let at = |i: usize, default: u32, most: u32| parameters.get(i).copied().unwrap_or(default).min(most);
    let (size, level, shuffle) = (at(2, 1, 255).max(1) as usize, at(4, 5, 9) as i32, at(5, 1, 2) as i32);
    let compressor = [c"blosclz", c"lz4", c"lz4hc", c"lz4", c"zlib", c"zstd"].get(at(6, 0, 5) as usize)?;
    let mut out = Vec::new();
    out.try_reserve_exact(bytes.len().checked_add(OVERHEAD)?).ok()?;
    out.resize(bytes.len() + OVERHEAD, 0);
    // SAFETY: pointers and lengths are the slices', the name is a constant. The context interface
    // shares no state.
    let n = unsafe {
        let (from, to) = (bytes.as_ptr().cast(), out.as_mut_ptr().cast());
        let (length, room) = (bytes.len(), out.len());
        blosc_src::blosc_compress_ctx(level, shuffle, size, length, from, to, room, compressor.as_ptr(), 0, 1)
    };
    out.truncate(usize::try_from(n).ok().filter(|&n| n > 0)?);
    Some(out)
}

/// Undoes the shuffle filter, which groups bytes by their position within a value of `size` bytes.
/// Bytes past the last whole value are not moved. `stored` and `out` have the same length.
pub(crate) fn unshuffle(size: usize, stored: &[u8], out: &mut [u8]) {
    fn fixed<const S: usize>(stored: &[u8], out: &mut [u8]) {
        let n = out.len() / S;
        let planes: [&[u8]; S] = std::array::from_fn(|k| &stored[k * n..(k + 1) * n]);
        let (values, _) = out.as_chunks_mut::<S>();
        for (i, value) in values.iter_mut().enumerate() {
            *value = std::array::from_fn(|k| planes[k][i]);
        }
    }
    let whole = match size {
        0 | 1 => return out.copy_from_slice(stored),
        _ => out.len() / size * size,
    };
    match size {
        2 => fixed::<2>(stored, out),
        4 => fixed::<4>(stored, out),
        8 => fixed::<8>(stored, out),
        _ => {
            let n = out.len() / size;
            for (i, value) in out.chunks_exact_mut(size).enumerate() {
                for (k, byte) in value.iter_mut().enumerate() {
                    *byte = stored[k * n + i];
                }
            }
        }
    }
    out[whole..].copy_from_slice(&stored[whole..]);
}

/// Splits off HDF5's Fletcher-32 checksum, verifies it and returns the bytes before it.
pub(crate) fn verify_fletcher32(stored: &[u8]) -> Result<&[u8], String> {
    let (bytes, sum) = stored.split_last_chunk::<4>().ok_or("a chunk too short for its checksum")?;
    let expected = fletcher32(bytes);
    // HDF5 before 1.6.3 swapped the bytes of each half on little-endian machines; the library
    // accepts both.
    let swapped = (expected & 0x00ff_00ff) << 8 | (expected >> 8 & 0x00ff_00ff);
    let found = u32::from_le_bytes(*sum);
    if found == expected || found == swapped {
        Ok(bytes)
    } else {
        Err(format!("a wrong checksum (fletcher32 {found:#010x}, computed {expected:#010x})"))
    }
}

/// Splits off Zarr's CRC-32C, verifies it and returns the bytes before it.
pub(crate) fn verify_crc32c(stored: &[u8]) -> Result<&[u8], String> {
    let (bytes, sum) = stored.split_last_chunk::<4>().ok_or("a chunk too short for its checksum")?;
    let (found, expected) = (u32::from_le_bytes(*sum), crc32c(bytes));
    if found == expected {
        Ok(bytes)
    } else {
        Err(format!("a wrong checksum (crc32c {found:#010x}, computed {expected:#010x})"))
    }
}

/// Returns Fletcher's checksum over 16-bit big-endian words; an odd last byte is the high half of a
/// word.
fn fletcher32(bytes: &[u8]) -> u32 {
    let fold = |x: u32| (x & 0xffff) + (x >> 16);
    let (mut a, mut b) = (0u32, 0u32);
    let (words, odd) = bytes.as_chunks::<2>();
    // More than 360 words could overflow 32 bits.
    for run in words.chunks(360) {
        for w in run {
            a += u32::from(u16::from_be_bytes(*w));
            b += a;
        }
        (a, b) = (fold(a), fold(b));
    }
    if let [last] = odd {
        a += u32::from(*last) << 8;
        b += a;
        (a, b) = (fold(a), fold(b));
    }
    (a, b) = (fold(a), fold(b));
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blosc_comes_back_whatever_the_parameters() {
        let bytes: Vec<u8> = (0..5000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        for parameters in
            [&[][..], &[2, 2, 4, 0, 5, 1, 1], &[2, 2, 0, 0, 77, 9, 99], &[2, 2, 8, 0, 9, 2, 5], &[u32::MAX; 7]]
        {
            let stored = blosc_frame(parameters, &bytes).unwrap();
            let mut out = vec![0; bytes.len()];
            assert_eq!(blosc(&stored, &mut out), Ok(bytes.len()));
            assert_eq!(out, bytes);
            assert!(blosc(&stored[..stored.len() / 2], &mut out).is_err());
        }
    }

    #[test]
    fn lzf_literals_matches_and_damage() {
        // "abc", then 6 bytes from 3 back, then a run of 20 'x' as an overlapping match.
        let stored = [2, b'a', b'b', b'c', 4 << 5, 2, 0, b'x', 7 << 5, 10, 0];
        let mut out = [0; 29];
        assert_eq!(lzf(&stored, &mut out), Ok(29));
        assert_eq!(&out[..9], b"abcabcabc");
        assert!(out[9..].iter().all(|&b| b == b'x'));
        assert!(lzf(&stored, &mut [0; 28]).is_err());
        assert!(lzf(&stored[..10], &mut out).is_err());
        assert!(lzf(&[32, 5], &mut out).is_err());
    }

    #[test]
    fn unshuffle_any_size() {
        for size in [1, 2, 3, 4, 8, 16] {
            let values: Vec<u8> = (0..67u8).collect();
            let n = values.len() / size;
            let mut shuffled = values.clone();
            for i in 0..n * size {
                shuffled[(i % size) * n + i / size] = values[i];
            }
            let mut out = vec![0; 67];
            unshuffle(size, &shuffled, &mut out);
            assert_eq!(out, values, "size {size}");
        }
    }

    #[test]
    fn lz4_frames() {
        let values: Vec<u8> = (0..1000u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        let mut stored = (values.len() as u64).to_be_bytes().to_vec();
        stored.extend(1500u32.to_be_bytes());
        for (i, block) in values.chunks(1500).enumerate() {
            let packed = if i == 1 { block.to_vec() } else { lz4_flex::block::compress(block) };
            stored.extend((packed.len() as u32).to_be_bytes());
            stored.extend(packed);
        }
        let mut out = vec![0; values.len()];
        assert_eq!(lz4(&stored, &mut out), Ok(values.len()));
        assert_eq!(out, values);
        assert!(lz4(&stored[..stored.len() - 3], &mut out).is_err());
        assert!(lz4(&stored, &mut out[..3999]).is_err());
    }
}
