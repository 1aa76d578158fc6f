//! Checks remote stores with a server in this process: values equal those of the file, requests are
//! counted, faults are reported.
#![cfg(feature = "remote")]

use anndataoom_core::session::Session;
use anndataoom_core::store::Store;
use anndataoom_core::{matrix, ops, Error, LazyMatrix};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The fault of the server's answers: none, a status for every nth request, a body cut off in the
/// middle for every nth request, ranges ignored, or the tag of another file.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Status(u16, usize),
    Cut(usize),
    NoRanges,
    Other,
}

struct Server {
    folder: PathBuf,
    fault: Mutex<Fault>,
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

impl Server {
    /// Serves a folder for as long as the process lives. Returns the server and its URL.
    fn start(folder: &Path) -> (Arc<Server>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (fault, requests, bytes) = (Mutex::new(Fault::None), AtomicUsize::new(0), AtomicUsize::new(0));
        let server = Arc::new(Server { folder: folder.to_owned(), fault, requests, bytes });
        let served = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = served.clone();
                std::thread::spawn(move || drop(server.connection(stream)));
            }
        });
        (server, url)
    }

    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn connection(&self, stream: TcpStream) -> std::io::Result<()> {
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
            let n = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
            let mut words = first.split(' ');
            let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
            let file = std::fs::read(self.folder.join(path.trim_start_matches('/')));
            let fault = *self.fault.lock().unwrap();
            let (status, body) = match (fault, file) {
                (Fault::Status(status, every), _) if n.is_multiple_of(every) => (status, Vec::new()),
                (_, Err(_)) => (404, Vec::new()),
                (_, Ok(body)) => (200, body),
            };
            let whole = body.len();
            let (status, from, body) = match range.filter(|_| status == 200 && fault != Fault::NoRanges) {
                None => (status, 0, body),
                Some((first, last)) => {
                    let from = if first.is_empty() {
                        whole - last.parse::<usize>().unwrap().min(whole)
                    } else {
                        first.parse().unwrap()
                    };
                    let to = last.parse::<usize>().ok().filter(|_| !first.is_empty());
                    let to = to.map_or(whole, |last| (last + 1).min(whole));
                    (206, from, body[from..to].to_vec())
                }
            };
            let etag = if fault == Fault::Other { "b" } else { "a" };
            write!(out, "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nETag: \"{etag}\"\r\n", body.len())?;
            if status == 206 {
                write!(out, "Content-Range: bytes {from}-{}/{whole}\r\n", from + body.len() - 1)?;
            }
            write!(out, "\r\n")?;
            if method != "HEAD" {
                let cut = matches!(fault, Fault::Cut(every) if n.is_multiple_of(every));
                out.write_all(if cut { &body[..body.len() / 2] } else { &body })?;
                self.bytes.fetch_add(body.len(), Ordering::Relaxed);
                if cut {
                    return Ok(());
                }
            }
        }
    }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../inst/extdata")
}

/// Returns the sum, extremes and counts of all values of `X`, computed in blocks.
fn totals(place: &str) -> anndataoom_core::Result<ops::Totals> {
    let store = Store::open(place)?;
    let x = LazyMatrix::new(matrix::open(&store, "X")?);
    ops::totals(&x, &Session { threads: 3, ..Session::default() })
}

const FILE: &str = "pbmc_like.h5ad";

#[test]
fn values_are_those_of_the_file() {
    let (server, url) = Server::start(&example());
    let near = totals(example().join(FILE).to_str().unwrap()).unwrap();
    assert_eq!(totals(&format!("{url}/{FILE}")).unwrap(), near);
    // Each byte is transferred about once.
    let size = std::fs::metadata(example().join(FILE)).unwrap().len() as usize;
    let (requests, bytes) = (server.requests.load(Ordering::Relaxed), server.bytes.load(Ordering::Relaxed));
    assert!(requests < 40 && bytes < 2 * size, "{requests} requests, {bytes} bytes of {size}");
    let store = Store::open(format!("{url}/{FILE}")).unwrap();
    let traffic = store.traffic().unwrap();
    assert!(traffic.requests > 0 && traffic.bytes > 0 && traffic.retries == 0, "{traffic:?}");
    assert_eq!(store.location().to_string(), format!("{url}/{FILE}"));
    assert!(Store::open_to_save(format!("{url}/{FILE}")).unwrap_err().to_string().contains("is remote"));
}

#[test]
fn what_passes_is_asked_for_again() {
    let (server, url) = Server::start(&example());
    let near = totals(example().join(FILE).to_str().unwrap()).unwrap();
    for fault in [Fault::Status(503, 2), Fault::Status(429, 3), Fault::Cut(2)] {
        server.set(fault);
        assert_eq!(totals(&format!("{url}/{FILE}")).unwrap(), near);
    }
}

#[test]
fn what_does_not_pass_is_an_error() {
    let (server, url) = Server::start(&example());
    let place = format!("{url}/{FILE}#retries=1");
    let told = |fault: Fault, words: &str| {
        server.set(fault);
        let error = totals(&place).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(matches!(error.class(), "io" | "file"), "{error:?}");
    };
    told(Fault::Status(500, 1), "500 (Internal Server Error), 2 times in a row");
    told(Fault::Status(403, 1), "permission denied (HTTP 403)");
    told(Fault::Status(404, 1), "not found");
    told(Fault::Cut(1), "after 2 requests");
    told(Fault::NoRanges, "range requests");
    server.set(Fault::None);
    assert!(totals(&place).is_ok());
}

#[test]
fn a_file_that_changed_is_an_error() {
    let (server, url) = Server::start(&example());
    let store = Store::open(format!("{url}/{FILE}")).unwrap();
    let x = LazyMatrix::new(matrix::open(&store, "X").unwrap());
    server.set(Fault::Other);
    let error = ops::totals(&x, &Session::default()).unwrap_err();
    assert!(matches!(&error, Error::File { .. }) && error.to_string().contains("changed while it was open"), "{error}");
}

#[test]
fn a_cancelled_call_does_not_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://{}/x.h5ad", listener.local_addr().unwrap());
    let session = Session::default();
    let stop = session.monitor.clone();
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        stop.cancel();
    });
    let began = std::time::Instant::now();
    let quiet = |_: Option<f64>| Ok::<(), ()>(());
    let work = |_: &Session| Store::open(&place).map(drop);
    let ended = anndataoom_core::session::watched(&session, work, |pause| pause(), quiet).unwrap();
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    assert!(began.elapsed().as_secs() < 5);
}
