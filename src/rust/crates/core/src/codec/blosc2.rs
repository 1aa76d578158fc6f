//! Blosc2 (filter 32026). Every HDF5 chunk is a contiguous frame that holds one Blosc2 chunk. For
//! more than one dimension a `b2nd` layer in the frame gives the shape of the chunk and of its
//! blocks. Formats: <https://github.com/Blosc/c-blosc2> (README_CFRAME_FORMAT, README_CHUNK_FORMAT,
//! README_B2ND_METALAYER).

use super::codecs::{self, Decoded};
use super::{bitshuffle, deflate};

const SHORT: &str = "blosc2 data end too early";

fn bytes_at<const N: usize>(bytes: &[u8], from: usize) -> Result<[u8; N], String> {
    bytes.get(from..).and_then(|b| b.first_chunk::<N>()).copied().ok_or_else(|| SHORT.to_owned())
}

/// Converts a size that is stored as a signed number; `what` names it in the error.
fn size(x: i64, what: &str) -> Result<usize, String> {
    usize::try_from(x).map_err(|_| format!("blosc2 data with a {what} of {x}"))
}

/// Reads a little-endian 32-bit size at `from`.
fn little(bytes: &[u8], from: usize, what: &str) -> Result<usize, String> {
    size(i32::from_le_bytes(bytes_at(bytes, from)?).into(), what)
}

/// The header of a frame: big-endian numbers at fixed offsets.
struct Frame<'a> {
    bytes: &'a [u8],
    header: usize,
    /// Bytes of the decoded chunk, without the padding of blocks.
    decoded: usize,
    /// Bytes of the stored chunk; 0 when the chunk is a special value repeated.
    stored: usize,
    typesize: usize,
}

/// Shapes of a chunk and of its blocks, in values.
type Shapes = (Vec<usize>, Vec<usize>);

impl<'a> Frame<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.get(2..10) != Some(b"b2frame\0") {
            return Err("no blosc2 frame".to_owned());
        }
        let long = |from, what| size(i64::from_be_bytes(bytes_at(bytes, from)?), what);
        let short = |from, what| size(i32::from_be_bytes(bytes_at(bytes, from)?).into(), what);
        Ok(Frame {
            bytes,
            header: short(11, "header")?,
            decoded: long(30, "decoded size")?,
            stored: long(39, "stored size")?,
            typesize: short(48, "value size")?.max(1),
        })
    }

    /// Parses the shapes of the chunk and of its blocks; `None` without a `b2nd` layer.
    fn shapes(&self) -> Result<Option<Shapes>, String> {
        let header = self.bytes.get(..self.header).ok_or(SHORT)?;
        // The map of layers holds "b2nd" as a MessagePack string of four, then a 32-bit offset.
        let key = b"\xa4b2nd\xd2";
        let Some(found) = header.windows(key.len()).position(|w| w == key) else { return Ok(None) };
        let content = size(i32::from_be_bytes(bytes_at(header, found + key.len())?).into(), "layer offset")?;
        // Before the number of dimensions: a 32-bit length, the head of an array of seven, the
        // version.
        let mut rest = header.get(content.saturating_add(7)..).ok_or(SHORT)?;
        let (&rank, after) = rest.split_first().ok_or(SHORT)?;
        rest = after;
        let mut list = |width: usize| -> Result<Vec<usize>, String> {
            let (_, after) = rest.split_first().ok_or(SHORT)?;
            rest = after;
            (0..rank)
                .map(|_| {
                    let (item, after) = rest.split_at_checked(1 + width).ok_or(SHORT)?;
                    rest = after;
                    let x = item[1..].iter().fold(0_u64, |x, &b| x << 8 | u64::from(b));
                    usize::try_from(x)
                        .ok()
                        .filter(|&x| x > 0 && x < 1 << 40)
                        .ok_or_else(|| "an odd blosc2 shape".into())
                })
                .collect()
        };
        list(8)?;
        let (chunk, block) = (list(4)?, list(4)?);
        Ok(Some((chunk, block)))
    }
}

/// Returns the number of decoded bytes that `stored` claims, not checked; `None` when it is no
/// frame.
pub(crate) fn claim(stored: &[u8]) -> Option<u64> {
    let frame = Frame::parse(stored).ok()?;
    match frame.shapes().ok()? {
        None => Some(frame.decoded as u64),
        Some((chunk, _)) => {
            chunk.iter().try_fold(frame.typesize as u64, |n, &c| n.checked_mul(c as u64)).or(Some(u64::MAX))
        }
    }
}

/// Decodes the frame of one HDF5 chunk into `out`.
pub(crate) fn decode(stored: &[u8], out: &mut [u8]) -> Decoded {
    let frame = Frame::parse(stored)?;
    let shapes = frame.shapes()?.filter(|(chunk, _)| chunk.len() > 1);
    let chunk = if frame.stored == 0 { None } else { Some(stored.get(frame.header..).ok_or(SHORT)?) };
    let Some((shape, block)) = shapes else {
        return fill(&frame, chunk, out);
    };
    let product = |v: &[usize]| v.iter().try_fold(frame.typesize, |n, &x| n.checked_mul(x));
    let padded: Vec<usize> = shape.iter().zip(&block).map(|(&n, &b)| n.div_ceil(b).saturating_mul(b)).collect();
    let most = out.len().saturating_mul(256).saturating_add(1 << 20);
    let size = product(&padded).filter(|&n| n <= most && product(&shape) == Some(out.len()));
    let size = size.ok_or_else(|| format!("a blosc2 shape of {shape:?} where the chunk holds {} bytes", out.len()))?;
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(size).map_err(|_| "no memory for blosc2 data".to_owned())?;
    blocks.resize(size, 0);
    let n = fill(&frame, chunk, &mut blocks)?;
    if n != size {
        return Err(format!("{n} bytes of blosc2 blocks where {size} are due"));
    }
    place(&shape, &block, frame.typesize, &blocks, out);
    Ok(out.len())
}

/// Decodes the one chunk of a frame, or repeats the special value that replaces it.
fn fill(frame: &Frame<'_>, chunk: Option<&[u8]>, out: &mut [u8]) -> Decoded {
    match chunk {
        Some(chunk) => decode_chunk(chunk, out),
        // The index follows the header; the highest byte of its one offset holds the kind of the
        // special value.
        None => {
            let mut offset = [0_u8; 8];
            decode_chunk(frame.bytes.get(frame.header..).ok_or(SHORT)?, &mut offset)?;
            special(offset[7] & 0x7f, frame.typesize, &[], out)
        }
    }
}

/// Copies blocks in row-major order, each row-major itself, into a row-major chunk. The padding at
/// the edges is left out.
fn place(shape: &[usize], block: &[usize], typesize: usize, from: &[u8], to: &mut [u8]) {
    let rank = shape.len();
    let grid: Vec<usize> = shape.iter().zip(block).map(|(n, b)| n.div_ceil(*b)).collect();
    let (last, rows) = (block[rank - 1], block[..rank - 1].iter().product::<usize>());
    let next = |counter: &mut [usize], limits: &[usize]| {
        for (c, &limit) in counter.iter_mut().zip(limits).rev() {
            *c += 1;
            if *c < limit {
                return;
            }
            *c = 0;
        }
    };
    let mut at = vec![0; rank];
    for block_bytes in from.chunks_exact(rows * last * typesize) {
        let mut row = vec![0; rank - 1];
        for run in block_bytes.chunks_exact(last * typesize) {
            let place: Vec<usize> = (0..rank - 1).map(|d| at[d] * block[d] + row[d]).collect();
            if place.iter().zip(shape).all(|(p, n)| p < n) {
                let start =
                    place.iter().zip(shape).fold(0, |s, (p, n)| s * n + p) * shape[rank - 1] + at[rank - 1] * last;
                let n = last.min(shape[rank - 1] - at[rank - 1] * last) * typesize;
                to[start * typesize..start * typesize + n].copy_from_slice(&run[..n]);
            }
            next(&mut row, &block[..rank - 1]);
        }
        next(&mut at, &grid);
    }
}

/// Fills a chunk with one special value. Kinds: zeros (1), NaN (2), the value after the header (3),
/// unspecified (4, filled with zeros).
fn special(kind: u8, typesize: usize, value: &[u8], out: &mut [u8]) -> Decoded {
    let (single, double) = (f32::NAN.to_le_bytes(), f64::NAN.to_le_bytes());
    let value: &[u8] = match (kind, typesize) {
        (1 | 4, _) => &[0],
        (2, 4) => &single,
        (2, 8) => &double,
        (3, n) => value.get(..n).ok_or(SHORT)?,
        _ => return Err(format!("a special blosc2 chunk of kind {kind}")),
    };
    for (to, &from) in out.iter_mut().zip(value.iter().cycle()) {
        *to = from;
    }
    Ok(out.len())
}

/// Decodes one Blosc2 chunk: a header, the offsets of the blocks, the streams of each block.
fn decode_chunk(chunk: &[u8], out: &mut [u8]) -> Decoded {
    let header: [u8; 32] = bytes_at(chunk, 0)?;
    let (flags, typesize) = (header[2], usize::from(header[3]).max(1));
    let (decoded, blocksize) = (little(chunk, 4, "decoded size")?, little(chunk, 8, "block size")?);
    let stored = little(chunk, 12, "stored size")?;
    let chunk = chunk.get(..stored).ok_or(SHORT)?;
    if flags & 5 != 5 {
        return Err("a blosc2 chunk with the header of blosc1".to_owned());
    }
    if decoded != out.len() {
        return Err(format!("{decoded} bytes of blosc2 data where {} are due", out.len()));
    }
    let kind = header[31] >> 4 & 7;
    if kind != 0 {
        return special(kind, typesize, chunk.get(32..).unwrap_or(&[]), out);
    }
    if flags & 2 != 0 {
        out.copy_from_slice(chunk.get(32..).and_then(|b| b.get(..decoded)).ok_or(SHORT)?);
        return Ok(decoded);
    }
    if header[31] & 1 != 0 {
        return Err("blosc2 data with a dictionary, which is not supported".to_owned());
    }
    if blocksize == 0 || blocksize > 1 << 30 {
        return Err(format!("blosc2 blocks of {blocksize} bytes"));
    }
    let mut stages = [Vec::new(), Vec::new()];
    for (i, block) in out.chunks_mut(blocksize).enumerate() {
        let start = little(chunk, 32 + 4 * i, "block offset")?;
        // Only whole blocks are split into one stream for each byte of a value.
        let streams = if flags & 0x10 == 0 && block.len() == blocksize { typesize } else { 1 };
        if block.len() / streams == 0 {
            return Err(format!("a blosc2 block of {} bytes in {streams} streams", block.len()));
        }
        let n = block.len() / streams * streams;
        streams_of(flags >> 5, chunk.get(start..).ok_or(SHORT)?, &mut block[..n], n / streams)?;
        for (filter, meta) in header[16..22].iter().zip(&header[24..30]).rev() {
            let size = if *meta == 0 || *filter != 1 { typesize } else { usize::from(*meta) };
            let [from, to] = &mut stages;
            match filter {
                // Filter 4 truncated digits of the values, which cannot be restored.
                0 | 4 => continue,
                1 | 2 => {
                    from.clear();
                    for stage in [&mut *from, &mut *to] {
                        stage.try_reserve(block.len()).map_err(|_| "more bytes than memory".to_owned())?;
                    }
                    from.extend_from_slice(block);
                    to.resize(block.len(), 0);
                }
                3 => return Err("blosc2 data with the filter 'delta', which is not supported".to_owned()),
                other => return Err(format!("blosc2 data with the filter {other}, which is not supported")),
            }
            if *filter == 1 {
                codecs::unshuffle(size, from, to);
            } else {
                let whole = from.len() / size / 8 * 8 * size;
                to.copy_from_slice(from);
                bitshuffle::regroup(size, &from[..whole], &mut to[..whole]);
            }
            block.copy_from_slice(to);
        }
    }
    Ok(decoded)
}

/// Decodes the streams of one block, `each` bytes per stream. A size precedes each stream: 0 stands
/// for zeros, a negative one for a repeated byte.
fn streams_of(compressor: u8, mut rest: &[u8], block: &mut [u8], each: usize) -> Result<(), String> {
    for to in block.chunks_exact_mut(each) {
        let (n, after) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        let n = i32::from_le_bytes(*n);
        rest = after;
        if n == 0 {
            to.fill(0);
            continue;
        }
        if n < 0 {
            let (token, after) = rest.split_first().ok_or(SHORT)?;
            rest = after;
            let value = u8::try_from(n.unsigned_abs()).ok().filter(|_| token & 1 == 1);
            to.fill(value.ok_or_else(|| format!("a blosc2 stream of size {n}"))?);
            continue;
        }
        let (from, after) = rest.split_at_checked(n as usize).ok_or(SHORT)?;
        rest = after;
        if from.len() == to.len() {
            to.copy_from_slice(from);
            continue;
        }
        let n = match compressor {
            0 => blosclz(from, to)?,
            1 => lz4_flex::block::decompress_into(from, to).map_err(|_| "damaged lz4 data in blosc2".to_owned())?,
            3 => deflate(from, to).map(|()| to.len())?,
            4 => codecs::zstd(from, to)?,
            other => return Err(format!("blosc2 data of the compressor {other}, which is not supported")),
        };
        if n != to.len() {
            return Err(format!("{n} bytes in a blosc2 stream of {}", to.len()));
        }
    }
    Ok(())
}

/// Decompresses BloscLZ, a variant of FastLZ. A control byte `c` below 32 announces `c + 1`
/// literals. Otherwise its top three bits are a length and the others, with the next byte, a
/// distance back; both may be extended.
fn blosclz(stored: &[u8], out: &mut [u8]) -> Decoded {
    let short = || SHORT.to_owned();
    let long = || "more blosclz data than the block holds".to_owned();
    let (mut i, mut o) = (1, 0);
    let mut control = usize::from(stored.first().ok_or_else(short)? & 31);
    let next = |i: &mut usize| {
        let byte = stored.get(*i).map(|&b| usize::from(b));
        *i += 1;
        byte
    };
    loop {
        if control < 32 {
            let n = control + 1;
            out.get_mut(o..o + n).ok_or_else(long)?.copy_from_slice(stored.get(i..i + n).ok_or_else(short)?);
            (i, o) = (i + n, o + n);
        } else {
            let (mut n, high) = ((control >> 5) + 2, (control & 31) << 8);
            if n == 9 {
                loop {
                    let more = next(&mut i).ok_or_else(short)?;
                    n += more;
                    if more < 255 {
                        break;
                    }
                }
            }
            let low = next(&mut i).ok_or_else(short)?;
            let back = if low == 255 && high == 31 << 8 {
                let far = next(&mut i).ok_or_else(short)? << 8;
                far + next(&mut i).ok_or_else(short)? + 8191 + 1
            } else {
                high + low + 1
            };
            if back > o {
                return Err("a blosclz match before the start of the block".to_owned());
            }
            if o + n > out.len() {
                return Err(long());
            }
            for k in o..o + n {
                out[k] = out[k - back];
            }
            o += n;
        }
        match next(&mut i) {
            Some(c) => control = c,
            None => return Ok(o),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_find_their_place() {
        // A chunk of 3 x 5 in blocks of 2 x 2: six blocks, padded to 4 x 6.
        let mut from = vec![0u8; 24];
        for (i, j) in (0..3).flat_map(|i| (0..5).map(move |j| (i, j))) {
            from[(i / 2 * 3 + j / 2) * 4 + i % 2 * 2 + j % 2] = (i * 5 + j) as u8;
        }
        let mut to = vec![0; 15];
        place(&[3, 5], &[2, 2], 1, &from, &mut to);
        assert_eq!(to, (0..15).collect::<Vec<u8>>());
    }

    #[test]
    fn damage_is_an_error() {
        for n in 0..200 {
            let mut bytes = vec![0xff; n];
            if n > 10 {
                bytes[2..10].copy_from_slice(b"b2frame\0");
            }
            assert!(decode(&bytes, &mut [0; 64]).is_err());
            let mut chunk = vec![0; n];
            if n >= 32 {
                chunk[2] = 5;
                chunk[3] = 4;
                chunk[4] = 64;
                chunk[8] = 64;
                chunk[12] = n as u8;
            }
            let _ = decode_chunk(&chunk, &mut [0; 64]);
        }
    }
}
