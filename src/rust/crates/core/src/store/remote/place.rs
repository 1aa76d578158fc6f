//! A remote place: a path on a host, or a key in a bucket, with the objects below it.

use super::address::{Address, Scheme};
use super::client::{self, range_of, Fault, Patience, Reply};
use super::counts::Counts;
use super::stores::{block_on, bucket, hidden, last_fault};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::store::backend::FileState;
use crate::store::traffic::Traffic;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};
use std::fmt;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, ETAG, LAST_MODIFIED, RANGE};
use ureq::http::{HeaderMap, Request};

/// Seconds to wait for a reply, and the number of repeated requests. A server that never answers is
/// given up after a minute.
const TIMEOUT: u32 = 20;
const RETRIES: u32 = 5;

/// A remote object, or the folder of objects that a store is.
pub(in crate::store) struct Place {
    address: Address,
    location: Location,
    patience: Patience,
    counts: Arc<Counts>,
    bucket: Option<Arc<dyn ObjectStore>>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.address).finish()
    }
}

/// The state of an object: as long as it is the same, so are the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::store) struct Mark {
    pub(in crate::store) bytes: u64,
    pub(super) etag: Option<String>,
    pub(super) modified: Option<String>,
}

/// Returns a hash of a text that is the same on every machine (FNV-1a). Two values of `start` give
/// two independent hashes.
pub(super) fn hash(text: &str, start: u64) -> u64 {
    let start = start ^ 0xcbf2_9ce4_8422_2325;
    text.bytes().fold(start, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl Mark {
    /// Returns this state in the form of a file's, with a hash of ETag and time in place of the
    /// time.
    pub(in crate::store) fn state(&self) -> FileState {
        FileState {
            bytes: self.bytes,
            modified: (hash(&format!("{:?} {:?}", self.etag, self.modified), 0), 0),
            inode: 0,
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.etag.as_ref().or(self.modified.as_ref());
        write!(f, "{} bytes, {}", self.bytes, name.map_or("no ETag", String::as_str))
    }
}

/// The part of an object that is requested.
#[derive(Debug, Clone)]
pub(in crate::store) enum Part {
    /// A range of bytes; the object may end before.
    Range(Range<u64>),
    /// The last bytes, this many.
    End(u64),
    All,
}

/// A part of an object, as received.
pub(in crate::store) struct Got {
    pub(in crate::store) bytes: Vec<u8>,
    /// Offset of its first byte in the object.
    pub(in crate::store) at: u64,
    pub(in crate::store) mark: Mark,
}

impl Place {
    /// Opens the place of a URL.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a URL or option that does not exist; [`Error::Io`] for a bucket
    /// that cannot be set up with the options.
    pub(in crate::store) fn open(url: &str) -> Result<Place> {
        let address = Address::new(url, &[])?;
        let timeout = Duration::from_secs(u64::from(address.number("timeout", TIMEOUT)?.max(1)));
        let patience = Patience { timeout, retries: address.number("retries", RETRIES)? };
        let counts = Arc::default();
        let bucket = match address.scheme {
            Scheme::Http | Scheme::Https => {
                let known = ["bearer_token", "username", "password", "timeout", "retries"];
                if let Some((name, _)) = address.options.iter().find(|o| !known.contains(&o.0.as_str())) {
                    let expected = "'bearer_token', 'username', 'password', 'timeout' or 'retries' for https://";
                    return Err(Error::parameter("storage_options", expected, format!("'{name}'")));
                }
                None
            }
            _ => Some(bucket(&address, patience, &counts)?),
        };
        let location = Location::url(address.shown());
        Ok(Place { address, location, patience, counts, bucket })
    }

    /// Returns the location, which shows no secrets.
    pub(in crate::store) fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the requests and bytes so far.
    pub(in crate::store) fn traffic(&self) -> Traffic {
        self.counts.so_far()
    }

    /// Returns the counts of requests.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Returns the key of the object `below` the place; "" is the place itself.
    fn key(&self, below: &str) -> String {
        match below {
            "" => self.address.key.clone(),
            below => format!("{}/{below}", self.address.key),
        }
    }

    /// Returns the name of an object in errors.
    pub(super) fn name(&self, below: &str) -> Location {
        if below.is_empty() {
            self.location.clone()
        } else {
            self.location.join(below)
        }
    }

    /// Requests a part of an object; `None` when it does not exist.
    ///
    /// # Errors
    /// [`Error::Io`] when it may not be read or there is no reply; [`Error::File`] when the server
    /// sends no parts.
    pub(in crate::store) fn get(&self, below: &str, part: &Part) -> Result<Option<Got>> {
        match &self.bucket {
            Some(bucket) => self.get_of_bucket(&**bucket, below, part),
            None => self.get_of_host(below, part),
        }
    }

    /// Requests the state of an object; `None` when it does not exist.
    ///
    /// # Errors
    /// The errors of [`Place::get`].
    pub(in crate::store) fn mark(&self, below: &str) -> Result<Option<Mark>> {
        if let Some(bucket) = &self.bucket {
            let options = GetOptions { head: true, ..GetOptions::default() };
            let path = self.path(below)?;
            return match block_on(bucket.get_opts(&path, options)) {
                Ok(found) => Ok(Some(mark_of_meta(&found.meta))),
                Err(e) => self.refused_by_bucket(below, &e).map(|()| None),
            };
        }
        let reply = self.send(below, "HEAD", None)?;
        if self.is_missing(below, &reply)? {
            return Ok(None);
        }
        match reply.headers.get(CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse().ok()) {
            Some(bytes) => Ok(Some(mark_of(&reply.headers, bytes))),
            // A server that sends replies in pieces does not know their length before. Only small
            // objects are marked by themselves.
            None => Ok(self.get(below, &Part::All)?.map(|got| got.mark)),
        }
    }

    fn path(&self, below: &str) -> Result<Path> {
        Path::parse(self.key(below)).map_err(|e| {
            let found = hidden(&self.address, &e.to_string());
            Error::parameter("path", "a key that object stores have", found)
        })
    }

    fn get_of_bucket(&self, bucket: &dyn ObjectStore, below: &str, part: &Part) -> Result<Option<Got>> {
        // Azure has no ranges that count from the end.
        if let (Part::End(n), Scheme::Azure) = (part, self.address.scheme) {
            let Some(Mark { bytes, .. }) = self.mark(below)? else { return Ok(None) };
            let part = if bytes == 0 { Part::All } else { Part::Range(bytes.saturating_sub(*n)..bytes) };
            return self.get_of_bucket(bucket, below, &part);
        }
        let range = match part {
            Part::Range(range) => Some(GetRange::Bounded(range.clone())),
            Part::End(n) => Some(GetRange::Suffix(*n)),
            Part::All => None,
        };
        let path = self.path(below)?;
        let options = GetOptions { range, ..GetOptions::default() };
        let got = block_on(async {
            let found = bucket.get_opts(&path, options).await?;
            let (mark, at) = (mark_of_meta(&found.meta), found.range.start);
            Ok((mark, at, found.bytes().await?))
        });
        match got {
            Ok((mark, at, bytes)) => Ok(Some(Got { bytes: bytes.into(), at, mark })),
            Err(e) => self.refused_by_bucket(below, &e).map(|()| None),
        }
    }

    /// Turns an error of a bucket into one of this crate; `Ok` when the object does not exist.
    fn refused_by_bucket(&self, below: &str, error: &object_store::Error) -> Result<()> {
        if let Some(fault) = last_fault() {
            return Err(self.failed(below, &fault));
        }
        let (kind, message) = match error {
            object_store::Error::NotFound { .. } => return Ok(()),
            object_store::Error::PermissionDenied { .. } => (ErrorKind::PermissionDenied, self.denied(403)),
            object_store::Error::Unauthenticated { .. } => (ErrorKind::PermissionDenied, self.denied(401)),
            other => (ErrorKind::Other, words(&hidden(&self.address, &with_sources(other)))),
        };
        Err(Error::Io { path: self.name(below), action: "read", kind, message })
    }

    fn get_of_host(&self, below: &str, part: &Part) -> Result<Option<Got>> {
        let range = match part {
            Part::Range(range) => Some(format!("bytes={}-{}", range.start, range.end.saturating_sub(1))),
            Part::End(n) => Some(format!("bytes=-{n}")),
            Part::All => None,
        };
        let reply = self.send(below, "GET", range.as_deref())?;
        if self.is_missing(below, &reply)? {
            return Ok(None);
        }
        let (range, bytes) = match range_of(&reply.headers).filter(|_| reply.status == 206) {
            Some(found) => found,
            None => (0..reply.body.len() as u64, reply.body.len() as u64),
        };
        Ok(Some(Got { mark: mark_of(&reply.headers, bytes), bytes: reply.body, at: range.start }))
    }

    fn send(&self, below: &str, method: &str, range: Option<&str>) -> Result<Reply> {
        let Address { scheme, host, query, .. } = &self.address;
        let scheme = if *scheme == Scheme::Http { "http" } else { "https" };
        let mut uri = format!("{scheme}://{host}/{}", sent(&self.key(below)));
        if let Some(query) = query {
            uri = format!("{uri}?{query}");
        }
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        if let Some(token) = self.address.option("bearer_token") {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        } else if let Some(name) = self.address.option("username") {
            let password = self.address.option("password").unwrap_or_default();
            request = request.header(AUTHORIZATION, format!("Basic {}", base64(&format!("{name}:{password}"))));
        }
        let refused = |e: ureq::http::Error| {
            Error::parameter("storage_options", "options and a URL that fit into an HTTP request", e)
        };
        let request = request.body(Vec::new()).map_err(refused)?;
        client::send(&request, self.patience, &self.counts).map_err(|fault| self.failed(below, &fault))
    }

    /// Returns whether a reply says that the object does not exist; an error for any other failure.
    fn is_missing(&self, below: &str, reply: &Reply) -> Result<bool> {
        let status = reply.status.as_u16();
        let message = match status {
            200 | 206 => return Ok(false),
            404 | 410 => return Ok(true),
            401 | 403 => self.denied(status),
            416 => {
                "it ends before the bytes that are asked for: it is empty, or has changed while it was open".to_owned()
            }
            _ => {
                let reason = reply.status.canonical_reason().unwrap_or("an unknown status");
                let times = if status >= 500 {
                    format!(", {} times in a row", self.patience.retries + 1)
                } else {
                    String::new()
                };
                format!("the server answers {status} ({reason}){times}")
            }
        };
        let kind = if matches!(status, 401 | 403) { ErrorKind::PermissionDenied } else { ErrorKind::Other };
        Err(Error::Io { path: self.name(below), action: "read", kind, message })
    }

    fn denied(&self, status: u16) -> String {
        let how = self.credentials();
        format!("permission denied (HTTP {status}): {how}. None of them is kept in saved objects")
    }

    /// Returns how credentials are given.
    fn credentials(&self) -> &'static str {
        match self.address.scheme {
            Scheme::S3 => {
                "credentials are those of the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION, ...) or \
                 in storage_options; skip_signature = true reads what is public"
            }
            Scheme::Gs => {
                "credentials are those of the environment (GOOGLE_APPLICATION_CREDENTIALS, ...) or in storage_options"
            }
            Scheme::Azure => {
                "credentials are those of the environment (AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, ...) \
                 or in storage_options"
            }
            Scheme::Http | Scheme::Https => {
                "a password or token goes into storage_options (username and password, or bearer_token), a signature into \
                 the URL; a signature may have expired"
            }
        }
    }

    /// Makes the error for a request without a reply.
    pub(super) fn failed(&self, below: &str, fault: &Fault) -> Error {
        let io =
            |message: String| Error::Io { path: self.name(below), action: "read", kind: ErrorKind::Other, message };
        match fault {
            Fault::Cancelled => Error::Cancelled,
            Fault::Broken(what, n) => {
                let times = if *n > 1 { format!(", after {n} requests") } else { String::new() };
                io(format!("{}{times}; look at the connection, and try again", hidden(&self.address, what)))
            }
            Fault::NoCredentials => Error::Io {
                path: self.name(below),
                action: "read",
                kind: ErrorKind::PermissionDenied,
                message: format!("no credentials are given: {}", self.credentials()),
            },
            Fault::NoTls => {
                io("the server answers without encryption at this port: try http:// in place of https://, or \
                                the port at which it encrypts"
                    .to_owned())
            }
            Fault::NoParts => Error::File {
                path: self.name(below),
                message: "cannot be read in parts: the server gives all of it where a range of bytes is asked for; \
                          download it, or have a server with range requests give it"
                    .to_owned(),
            },
            Fault::Memory(n) => Error::OutOfMemory { what: format!("a part of '{}'", self.name(below)), needed: *n },
        }
    }

    /// Makes the error for an object whose state has changed.
    pub(super) fn changed(&self, below: &str, before: &Mark, now: &Mark) -> Error {
        Error::File {
            path: self.name(below),
            message: format!("has changed while it was open (it was {before}, and is {now}): open it again"),
        }
    }

    /// Returns the names of the folders in a folder of a store.
    ///
    /// # Errors
    /// The errors of [`Place::get`]; [`Error::File`] where objects cannot be listed.
    pub(in crate::store) fn folders(&self, below: &str) -> Result<Vec<String>> {
        let Some(bucket) = &self.bucket else {
            return Err(Error::File {
                path: self.location.clone(),
                message:
                    "is a Zarr store without consolidated metadata on a server that does not say which objects there \
                          are: consolidate them (zarr.consolidate_metadata()), or read it as s3://, gs:// or az://"
                        .to_owned(),
            });
        };
        let prefix = self.path(below)?;
        match block_on(bucket.list_with_delimiter(Some(&prefix))) {
            Ok(found) => Ok(found.common_prefixes.iter().filter_map(|p| p.filename().map(str::to_owned)).collect()),
            Err(e) => self.refused_by_bucket(below, &e).map(|()| Vec::new()),
        }
    }
}

/// Returns a path with percent signs for the bytes that a URL cannot hold.
fn sent(path: &str) -> String {
    let fits = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}#?".contains(&b);
    path.bytes().map(|b| if fits(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn mark_of(headers: &HeaderMap, bytes: u64) -> Mark {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Mark { bytes, etag: text(ETAG), modified: text(LAST_MODIFIED) }
}

fn mark_of_meta(meta: &object_store::ObjectMeta) -> Mark {
    Mark { bytes: meta.size, etag: meta.e_tag.clone(), modified: Some(meta.last_modified.to_rfc3339()) }
}

fn with_sources(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

/// Returns the code and message that an error quotes from a reply in XML, else its first line.
fn words(text: &str) -> String {
    let inside = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once(&format!("</{tag}>"))?.0.to_owned())
    };
    match (inside("Code"), inside("Message")) {
        (Some(code), Some(message)) => format!("the service says {code}: {message}"),
        _ => {
            let line = text.lines().next().unwrap_or_default();
            line.chars().take(400).collect()
        }
    }
}

fn base64(text: &str) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let number = three.iter().fold(0_u32, |n, &b| n << 8 | u32::from(b)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let sign = char::from(SIGNS[(number >> (18 - 6 * i)) as usize & 63]);
            out.push(if i <= three.len() { sign } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_sent_as_they_are_to_be() {
        let known = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("user:pass", "dXNlcjpwYXNz")];
        for (text, expected) in known {
            assert_eq!(base64(text), expected);
        }
        assert_eq!(sent("a b/ü%20.h5ad"), "a%20b/%C3%BC%20.h5ad");
    }

    #[test]
    fn an_answer_in_xml_is_told_by_its_message() {
        let text = "Generic S3 error: 400: <Error><Code>Bad</Code><Message>No.</Message><Key>k</Key></Error>";
        assert_eq!(words(text), "the service says Bad: No.");
    }
}
