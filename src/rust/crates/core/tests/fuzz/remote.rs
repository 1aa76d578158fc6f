//! Serves a file or store with damaged answers. What is read through them is what the file holds, or
//! an error.

use super::mutate::{ELEMENTS, MATRICES, TENX};
use super::random::Random;
use super::{exercise, zarr};
use anndataoom_core::store::Store;
use anndataoom_core::{element, matrix, ops, Error, LazyMatrix, Session};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// The name under which the file or store is served.
const NAME: &str = "case.h5ad";

/// The objects that are served, by their paths.
#[derive(Default)]
struct Served {
    objects: HashMap<String, Arc<Vec<u8>>>,
    /// The random numbers of the answers; no answer is damaged without them.
    random: Option<Random>,
    /// Whether an answer held other bytes than the file, which a reader cannot notice.
    falsified: bool,
}

static SERVED: Mutex<Option<Served>> = Mutex::new(None);

fn served<T>(work: impl FnOnce(&mut Served) -> T) -> T {
    let mut served = SERVED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    work(served.get_or_insert_default())
}

/// The content of a case, and whether it is valid.
struct Content {
    objects: HashMap<String, Arc<Vec<u8>>>,
    /// The same as a file of this machine.
    file: Vec<u8>,
    valid: bool,
}

/// Makes the content of a case: an HDF5 file, or a Zarr store in a folder or archive.
fn content(number: u64, golden: &Path, place: &Path) -> Option<(Content, Random)> {
    let mut r = Random(number.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x7265_6d6f_7465);
    let one = |bytes: &[u8]| HashMap::from([(NAME.to_owned(), Arc::new(bytes.to_vec()))]);
    let kind = r.below(5);
    if kind < 2 {
        let seeds = [ELEMENTS, MATRICES, TENX][r.below(3)];
        let seed = r.pick(seeds)?;
        let file = std::fs::read(golden.join(seed)).ok()?;
        return Some((Content { objects: one(&file), file, valid: true }, r));
    }
    let mut store = zarr::valid(golden, place, &mut r)?;
    let valid = r.below(2) == 0;
    if !valid && !zarr::damage(&mut store, &mut r) {
        return None;
    }
    let file = zarr::zip(&store);
    let objects = match kind {
        2 => one(&file),
        _ => store.into_iter().map(|(key, bytes)| (format!("{NAME}/{key}"), Arc::new(bytes))).collect(),
    };
    Some((Content { objects, file, valid }, r))
}

/// Writes the content of a case to `path`, as the file to be kept.
pub fn make(number: u64, golden: &Path, path: &Path) -> bool {
    let made = path.parent().and_then(|place| content(number, golden, place));
    made.is_some_and(|(content, _)| std::fs::write(path, content.file).is_ok())
}

/// Reads the content of a case through the server.
pub fn run(number: u64, golden: &Path, path: &Path) -> Result<(), String> {
    let place = path.parent().ok_or("no folder")?;
    let (content, random) = content(number, golden, place).ok_or("it cannot be made again")?;
    let expected = if content.valid { values(path).map_err(|e| e.to_string())? } else { Vec::new() };
    served(|s| *s = Served { objects: content.objects, random: Some(random), falsified: false });
    let url = format!("{}/{NAME}#timeout=1&retries=1", url());
    let url = PathBuf::from(url);
    let found = values(&url);
    let checked = match &found {
        Err(e) => exercise::judge(e),
        Ok(found) if content.valid && !served(|s| s.falsified) => compare(&expected, found),
        Ok(found) => found.iter().filter_map(|(_, value)| value.as_ref().err()).try_for_each(exercise::judge),
    };
    checked?;
    match Store::open(&url) {
        Ok(store) => exercise::all_of(&store, &place.join("copy.h5ad")),
        Err(e) => exercise::judge(&e),
    }
}

/// The name of an element, and its value as a text.
type Entry = (String, Result<String, Error>);

/// Reads the elements at the root of a store, and the sums of its matrix, as texts.
fn values(place: &Path) -> Result<Vec<Entry>, Error> {
    let store = Store::open(place)?;
    let session = Session { threads: 2, memory: 1 << 20, ..Session::default() };
    let total = |key: &str| ops::totals(&LazyMatrix::new(matrix::open(&store, key)?), &session);
    let mut out = Vec::new();
    for key in store.keys("")?.into_iter().take(20) {
        out.push((format!("sums of {key}"), total(&key).map(|total| format!("{total:?}"))));
        let value = element::read(&store, &key).map(|value| format!("{value:?}"));
        out.push((key, value));
    }
    Ok(out)
}

/// Compares values with those of the file. Errors of both are the same kind of thing: what cannot be
/// read here cannot be read there.
fn compare(expected: &[Entry], found: &[Entry]) -> Result<(), String> {
    for (key, value) in found {
        let known = expected.iter().find(|known| known.0 == *key);
        match (known, value) {
            (_, Err(e)) => exercise::judge(e)?,
            (Some((_, Ok(known))), Ok(value)) if known == value => {}
            _ => return Err(format!("other values of '{key}' than in the file")),
        }
    }
    Ok(())
}

/// Starts the server of this process, once, and returns its URL.
fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || drop(answer(stream)));
            }
        });
        url
    })
}

/// The part of an answer that is damaged.
#[derive(Clone, Copy, PartialEq)]
enum Damage {
    None,
    Status,
    Place,
    Length,
    Short,
    Long,
    Tag,
    Garbage,
    Silence,
    Headers,
    Pieces,
    Bytes,
}

const DAMAGES: [Damage; 11] = [
    Damage::Status,
    Damage::Place,
    Damage::Length,
    Damage::Short,
    Damage::Long,
    Damage::Tag,
    Damage::Garbage,
    Damage::Silence,
    Damage::Headers,
    Damage::Pieces,
    Damage::Bytes,
];
const STATUSES: [u16; 20] =
    [0, 100, 101, 199, 201, 204, 205, 226, 301, 302, 304, 307, 401, 404, 410, 416, 418, 500, 599, 999];

/// Answers the requests of a connection.
fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    loop {
        let (mut first, mut range) = (String::new(), None);
        if lines.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            lines.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((_, bytes)) = line.to_lowercase().split_once("range: bytes=") {
                range = bytes.trim().split_once('-').map(|(a, b)| (a.to_owned(), b.to_owned()));
            }
        }
        let path = first.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
        let is_head = first.starts_with("HEAD");
        let object = served(|s| s.objects.get(&path).cloned());
        // Some damage now and then, so that most cases come to their end.
        let mut r = Random(served(|s| s.random.as_mut().map_or(0, Random::next)));
        let damage = if r.below(6) == 0 { *r.pick(&DAMAGES).unwrap_or(&Damage::None) } else { Damage::None };
        let Some(object) = object else {
            write!(out, "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let text = reply(&object, range.as_ref(), damage, is_head, &mut r);
        out.write_all(&text)?;
        if damage != Damage::None {
            return Ok(());
        }
    }
}

/// Returns the bytes of a range, where it lies in an object.
fn part(len: usize, range: Option<&(String, String)>) -> Option<Range<usize>> {
    let (first, last) = range?;
    let to = last.parse::<usize>().map_or(len, |last| last.saturating_add(1).min(len));
    match first.parse::<usize>() {
        Ok(from) if from < to => Some(from..to),
        Ok(_) => None,
        Err(_) => Some(len - last.parse::<usize>().unwrap_or(0).min(len)..len),
    }
}

/// Makes a reply, damaged as asked for.
fn reply(object: &[u8], range: Option<&(String, String)>, damage: Damage, is_head: bool, r: &mut Random) -> Vec<u8> {
    if damage == Damage::Garbage {
        return (0..r.below(300)).map(|_| r.next() as u8).collect();
    }
    if damage == Damage::Silence {
        return Vec::new();
    }
    let place = part(object.len(), range);
    let mut status = if place.is_some() { 206 } else { 200 };
    if damage == Damage::Status {
        status = *r.pick(&STATUSES).unwrap_or(&500);
    }
    // These say that there is no such object, which is a chunk that was never written, or lead to
    // another; and a whole object is as long as its answer says.
    let misleads = matches!(status, 301 | 302 | 307 | 404 | 410) || (damage == Damage::Length && place.is_none());
    if misleads {
        served(|s| s.falsified = true);
    }
    let mut body = object[place.clone().unwrap_or(0..object.len())].to_vec();
    let odd = r.odd();
    let mut length = body.len().to_string();
    match damage {
        Damage::Length => length = odd.to_string(),
        Damage::Short => body.truncate(r.below(body.len())),
        Damage::Long => body.extend([7; 50]),
        Damage::Bytes => {
            served(|s| s.falsified = true);
            for _ in 0..1 + r.below(5) {
                let i = r.below(body.len());
                if let Some(byte) = body.get_mut(i) {
                    *byte = r.next() as u8;
                }
            }
        }
        _ => {}
    }
    let mut text = format!("HTTP/1.1 {status:03} x\r\n");
    if damage == Damage::Status && status / 100 == 3 {
        let to = [format!("/{NAME}"), "/".to_owned(), "http://127.0.0.1:1/x".to_owned(), "\u{1}".to_owned()];
        let _ = write!(text, "Location: {}\r\n", to[r.below(to.len())]);
    }
    match (damage, r.below(3)) {
        (Damage::Tag, 0) => {}
        (Damage::Tag, _) => text.push_str("ETag: \"other\"\r\n"),
        _ => text.push_str("ETag: \"one\"\r\n"),
    }
    if let Some(place) = &place {
        let (first, last, all) = (place.start.to_string(), (place.end - 1).to_string(), object.len().to_string());
        let odd = odd.to_string();
        let numbers = match (damage, r.below(5)) {
            (Damage::Place, 0) => None,
            (Damage::Place, 1) => Some([&odd, &last, &all]),
            (Damage::Place, 2) => Some([&first, &odd, &all]),
            (Damage::Place, 3) => Some([&first, &last, &odd]),
            (Damage::Place, _) => Some([&odd, &odd, &odd]),
            _ => Some([&first, &last, &all]),
        };
        if let Some([first, last, all]) = numbers {
            let _ = write!(text, "Content-Range: bytes {first}-{last}/{all}\r\n");
        }
    }
    if damage == Damage::Headers {
        let line = ["x".repeat(r.below(200_000)), "\u{0}: \u{7f}".to_owned(), ": :".to_owned(), "é: é".to_owned()];
        let _ = write!(text, "{}\r\n", line[r.below(line.len())]);
    }
    if damage == Damage::Pieces {
        let sizes = [format!("{:x}", body.len()), "ffffffffffffffff".to_owned(), "-1".to_owned(), String::new()];
        let _ = write!(text, "Transfer-Encoding: chunked\r\n\r\n{}\r\n", sizes[r.below(sizes.len())]);
    } else {
        let _ = write!(text, "Content-Length: {length}\r\n\r\n");
    }
    let mut reply = text.into_bytes();
    if !is_head {
        reply.extend(body);
    }
    if damage == Damage::Pieces {
        reply.extend(b"\r\n0\r\n\r\n");
    }
    reply
}
