//! Inflation piece by piece, in memory independent of the length of the data.

use libz_sys as z;

/// The wrapper around deflated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapper {
    /// zlib's, as in chunks of arrays.
    Zlib,
    /// gzip's, as in files.
    Gzip,
}

/// The outcome of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Bytes consumed from the input.
    pub(crate) read: usize,
    /// Bytes written to the output.
    pub(crate) made: usize,
    /// Whether the data ended, with the right checksum.
    pub(crate) ended: bool,
}

/// A stream that is being inflated; it is released when dropped.
pub(crate) struct Inflater(Box<z::z_stream>);

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: the stream was initialised, and is ended once.
        unsafe { z::inflateEnd(&raw mut *self.0) };
    }
}

unsafe extern "C" fn alloc(_: *mut std::ffi::c_void, n: u32, size: u32) -> *mut std::ffi::c_void {
    // SAFETY: a plain allocation; null when there is no memory.
    unsafe { calloc(n as usize, size as usize) }
}

unsafe extern "C" fn release(_: *mut std::ffi::c_void, p: *mut std::ffi::c_void) {
    // SAFETY: it came from `alloc`.
    unsafe { free(p) };
}

extern "C" {
    fn calloc(n: usize, size: usize) -> *mut std::ffi::c_void;
    fn free(p: *mut std::ffi::c_void);
}

/// Upper bound of the bytes passed to the library at once.
const MOST: usize = 1 << 30;

impl Inflater {
    /// Creates a stream at its start.
    ///
    /// # Errors
    /// The library has no memory for it.
    pub(crate) fn new(wrapper: Wrapper) -> Result<Self, String> {
        let mut stream = Box::new(z::z_stream {
            next_in: std::ptr::null_mut(),
            avail_in: 0,
            total_in: 0,
            next_out: std::ptr::null_mut(),
            avail_out: 0,
            total_out: 0,
            msg: std::ptr::null_mut(),
            state: std::ptr::null_mut(),
            zalloc: alloc,
            zfree: release,
            opaque: std::ptr::null_mut(),
            data_type: 0,
            adler: 0,
            reserved: 0,
        });
        let window = match wrapper {
            Wrapper::Zlib => 15,
            Wrapper::Gzip => 15 + 16,
        };
        let size = std::mem::size_of::<z::z_stream>() as i32;
        // SAFETY: the function returns a constant of the library.
        let version = unsafe { z::zlibVersion() };
        // SAFETY: all fields of the stream are set, and the box keeps its address.
        let status = unsafe { z::inflateInit2_(&raw mut *stream, window, version, size) };
        match status {
            z::Z_OK => Ok(Inflater(stream)),
            _ => Err("no memory for gzip".to_owned()),
        }
    }

    /// Inflates from `input` into `out`, from where the previous step ended. After a step that
    /// consumed and wrote nothing, only more input helps.
    ///
    /// # Errors
    /// The data are damaged.
    pub(crate) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String> {
        let (given, room) = (input.len().min(MOST), out.len().min(MOST));
        self.0.next_in = input.as_ptr().cast_mut();
        self.0.avail_in = given as u32;
        self.0.next_out = out.as_mut_ptr();
        self.0.avail_out = room as u32;
        // SAFETY: both buffers are live and of the lengths given; the library only reads from the
        // first.
        let status = unsafe { z::inflate(&raw mut *self.0, z::Z_NO_FLUSH) };
        match status {
            z::Z_OK | z::Z_STREAM_END | z::Z_BUF_ERROR => Ok(Step {
                read: given - self.0.avail_in as usize,
                made: room - self.0.avail_out as usize,
                ended: status == z::Z_STREAM_END,
            }),
            _ => Err("damaged gzip data".to_owned()),
        }
    }

    /// Resets the stream for data that follow the end of the previous ones (the next gzip member).
    ///
    /// # Errors
    /// The library refuses to reset the stream.
    pub(crate) fn restart(&mut self) -> Result<(), String> {
        // SAFETY: the stream was initialised.
        match unsafe { z::inflateReset(&raw mut *self.0) } {
            z::Z_OK => Ok(()),
            _ => Err("damaged gzip data".to_owned()),
        }
    }
}

/// Inflates zlib data piece by piece. `take` gets the offset of each piece in the decoded data and
/// its bytes, and returns whether it wants more. Data that end early are no error here: the caller
/// counts the bytes.
pub(crate) fn inflate_pieces(stored: &[u8], take: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<(), String> {
    let mut stream = Inflater::new(Wrapper::Zlib)?;
    let mut piece = vec![0_u8; 1 << 18];
    let (mut rest, mut at) = (stored, 0_u64);
    loop {
        let Step { read, made, ended } = stream.step(rest, &mut piece)?;
        rest = &rest[read..];
        let more = made == 0 || take(at, &piece[..made]);
        at += made as u64;
        if ended || !more || (made == 0 && rest.is_empty()) || (read, made) == (0, 0) {
            return Ok(());
        }
    }
}
