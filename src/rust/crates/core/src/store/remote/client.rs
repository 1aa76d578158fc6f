//! Requests and their replies. Requests that may succeed later are sent again, others are not.

use super::counts::Counts;
use super::watch::{is_cancelled, pause, Watch};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use ureq::tls::{parse_pem, PemItem, RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, RustlsConnector, TcpConnector};
use ureq::{Agent, Body};

/// Upper bound of the bytes of a reply that is not a part of an object.
const MOST: u64 = 256 << 20;
/// Upper bound of the bytes of a message in a reply that refuses.
const MESSAGE: u64 = 64 << 10;
/// Upper bound of the pause that a server may ask for.
const LONGEST: Duration = Duration::from_secs(20);

/// The time to wait for a reply, and the number of repeated requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) timeout: Duration,
    pub(super) retries: u32,
}

/// Upper bound of the time in which requests are repeated, in timeouts: a server that never answers
/// is asked this often.
const TIMEOUTS: u32 = 3;

/// A complete reply.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The reason why there is no reply.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The call was cancelled.
    Cancelled,
    /// A description of the failure, and the number of requests sent.
    Broken(String, u32),
    /// The server sent a whole object where a part was requested.
    NoParts,
    /// The server does not encrypt.
    NoTls,
    /// No credentials were given, and the machine has none.
    NoCredentials,
    /// The reply needs more memory than there is, in bytes.
    Memory(u64),
}

/// The connections of a process, by their timeout.
static AGENTS: Mutex<(u32, Vec<(Duration, Agent)>)> = Mutex::new((0, Vec::new()));

/// Returns the connections of this process with a timeout.
fn agent(timeout: Duration) -> Result<Agent, String> {
    let process = std::process::id();
    let mut agents = AGENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if agents.0 != process {
        // The connections that were inherited by a fork belong to the parent process.
        std::mem::forget(std::mem::replace(&mut *agents, (process, Vec::new())));
    }
    if let Some((_, agent)) = agents.1.iter().find(|known| known.0 == timeout) {
        return Ok(agent.clone());
    }
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(Watch)
            .chain(RustlsConnector::default());
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(timeout.min(Duration::from_secs(10))))
        .timeout_recv_response(Some(timeout))
        .timeout_per_read(Some(timeout))
        .timeout_per_write(Some(timeout))
        .max_idle_connections(128)
        .max_idle_connections_per_host(64)
        .max_redirects(5)
        .user_agent(concat!("anndataoom/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots()?).build())
        .build();
    let agent = Agent::with_parts(config, connector, DefaultResolver::default());
    agents.1.push((timeout, agent.clone()));
    Ok(agent)
}

/// Returns the trusted certificates: those in the file that `SSL_CERT_FILE` names, else Mozilla's.
fn roots() -> Result<RootCerts, String> {
    let Some(path) = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) else {
        return Ok(RootCerts::WebPki);
    };
    let named = |what: String| format!("the file '{}' that SSL_CERT_FILE names {what}", path.to_string_lossy());
    let text = std::fs::read(&path).map_err(|e| named(format!("cannot be read: {e}")))?;
    let items: Vec<_> = parse_pem(&text).filter_map(Result::ok).collect();
    let certificates: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(named("holds no certificates".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// Sends a request, again if needed as often as `patience` allows, and returns the reply whatever
/// its status.
pub(super) fn send(request: &Request<Vec<u8>>, patience: Patience, counts: &Counts) -> Result<Reply, Fault> {
    let wanted = request.headers().get("range").and_then(|range| range.to_str().ok()).map(str::to_owned);
    let (mut tried, began) = (0, Instant::now());
    loop {
        if is_cancelled() {
            return Err(Fault::Cancelled);
        }
        counts.request();
        tried += 1;
        let answer = once(request, wanted.as_deref(), patience, counts);
        let last = tried > patience.retries || began.elapsed() >= patience.timeout * TIMEOUTS;
        let (what, after) = match answer {
            Ok(reply) if last || !passes(reply.status) => return Ok(reply),
            Ok(reply) => {
                let seconds = reply.headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
                (String::new(), seconds.map(Duration::from_secs))
            }
            Err(Trouble::Final(fault)) => return Err(fault),
            Err(Trouble::Passing(what)) => (what, None),
        };
        if last {
            return Err(Fault::Broken(what, tried));
        }
        counts.retry();
        if !pause(after.unwrap_or_else(|| back_off(tried)).min(LONGEST)) {
            return Err(Fault::Cancelled);
        }
    }
}

/// Returns the pause before the next request. It doubles each time, and varies so that clients do
/// not all return at once.
fn back_off(tried: u32) -> Duration {
    let whole = Duration::from_millis(100) * 2_u32.saturating_pow(tried.saturating_sub(1).min(7));
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    whole.mul_f64(0.75 + 0.5 * f64::from(since.subsec_micros() % 1000) / 1000.0)
}

/// Returns whether a status is temporary.
fn passes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

enum Trouble {
    Passing(String),
    Final(Fault),
}

fn once(
    request: &Request<Vec<u8>>,
    wanted: Option<&str>,
    patience: Patience,
    counts: &Counts,
) -> Result<Reply, Trouble> {
    let agent = agent(patience.timeout).map_err(|what| Trouble::Final(Fault::Broken(what, 1)))?;
    let broken = |e: ureq::Error| {
        if is_cancelled() {
            return Trouble::Final(Fault::Cancelled);
        }
        match e {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl => {
                Trouble::Final(Fault::Broken(e.to_string(), 1))
            }
            ureq::Error::Timeout(_) => Trouble::Passing(format!("no answer in {} s", patience.timeout.as_secs())),
            // A reply in plain text to a greeting of TLS.
            e if e.to_string().contains("InvalidContentType") => Trouble::Final(Fault::NoTls),
            // The second is the system's own name for the first.
            e if matches!(e, ureq::Error::HostNotFound) || e.to_string().contains("failed to lookup address") => {
                let host = request.uri().host().unwrap_or_default();
                Trouble::Passing(format!("no machine of the name '{host}' is known here"))
            }
            ureq::Error::Io(e) => Trouble::Passing(e.to_string()),
            other => Trouble::Passing(other.to_string()),
        }
    };
    let mut builder = Request::builder().method(request.method()).uri(request.uri());
    if let Some(headers) = builder.headers_mut() {
        headers.clone_from(request.headers());
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    let response = if request.body().is_empty() && !matches!(request.method().as_str(), "POST" | "PUT") {
        agent.run(builder.body(()).map_err(|e| broken(e.into()))?)
    } else {
        agent.run(builder.body(request.body().as_slice()).map_err(|e| broken(e.into()))?)
    };
    let mut response = response.map_err(broken)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let is_head = request.method() == "HEAD";
    let most = match (status.as_u16(), wanted) {
        (206, Some(range)) => return part(response, range, counts, broken).map(|body| Reply { status, headers, body }),
        // The whole object, which may be long.
        (200, Some(range)) if !is_head => match fits(&headers, range) {
            Some(most) => most,
            None => return Err(Trouble::Final(Fault::NoParts)),
        },
        (200..300, _) => MOST,
        _ => MESSAGE,
    };
    if is_head {
        return Ok(Reply { status, headers, body: Vec::new() });
    }
    let body = response.body_mut().with_config().limit(most).read_to_vec();
    match body {
        Ok(body) => {
            counts.bytes(body.len());
            Ok(Reply { status, headers, body })
        }
        Err(ureq::Error::BodyExceedsLimit(_)) if wanted.is_some() && status == 200 => {
            Err(Trouble::Final(Fault::NoParts))
        }
        // The status says enough.
        Err(_) if !status.is_success() && !is_cancelled() => Ok(Reply { status, headers, body: Vec::new() }),
        Err(e) => Err(broken(e)),
    }
}

/// Returns an upper bound of the bytes of a reply with a whole object, if it may be no longer than
/// the range that was requested; `None` if it is longer. A reply in pieces does not tell its length
/// before.
fn fits(headers: &HeaderMap, range: &str) -> Option<u64> {
    let last: u64 = range.strip_prefix("bytes=0-")?.parse().ok()?;
    let most = last.checked_add(1).filter(|&most| most < u64::MAX)?;
    match headers.get(CONTENT_LENGTH) {
        None => Some(most),
        Some(length) => length.to_str().ok()?.parse::<u64>().ok().filter(|&length| length <= most).map(|_| most + 1),
    }
}

/// Returns the range that a reply contains, and the bytes of the whole object.
pub(super) fn range_of(headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, whole) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    Some((first..last.checked_add(1)?, whole.trim().parse().ok()?)).filter(|(range, _)| !range.is_empty())
}

/// Returns the most bytes that a requested range has.
fn longest(range: &str) -> Option<u64> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let last: u64 = last.parse().ok()?;
    // A range without a first byte is the last bytes of the object.
    if first.is_empty() {
        return Some(last);
    }
    last.checked_sub(first.parse().ok()?)?.checked_add(1)
}

/// Reads the part of an object that was requested as `range`, as many bytes as the reply announces.
fn part(
    mut response: Response<Body>,
    range: &str,
    counts: &Counts,
    broken: impl Fn(ureq::Error) -> Trouble,
) -> Result<Vec<u8>, Trouble> {
    use std::io::Read;
    let Some((found, _)) = range_of(response.headers()) else {
        return Err(Trouble::Passing("a part of the object without its place (Content-Range)".to_owned()));
    };
    let size = found.end - found.start;
    // No memory is taken for more than was requested, whatever a server announces.
    if longest(range).is_some_and(|most| size > most) {
        let text = format!("a part of {size} bytes (Content-Range), which is more than was requested ({range})");
        return Err(Trouble::Passing(text));
    }
    let memory = || Trouble::Final(Fault::Memory(size));
    let mut body: Vec<u8> = Vec::new();
    let room = usize::try_from(size).ok().filter(|&room| body.try_reserve_exact(room).is_ok()).ok_or_else(memory)?;
    let mut reader = response.body_mut().as_reader().take(size + 1);
    // One byte more than announced is read, to notice a longer reply.
    let done = reader.read_to_end(&mut body);
    counts.bytes(body.len());
    done.map_err(|e| broken(e.into()))?;
    if body.len() == room {
        Ok(body)
    } else {
        Err(Trouble::Passing(format!("an answer of {} bytes where it said {room}", body.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_parts_are_read() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, HeaderValue::from_static(text));
            range_of(&headers)
        };
        assert_eq!(of("bytes 0-9/100"), Some((0..10, 100)));
        assert_eq!(of("bytes 5-5/6"), Some((5..6, 6)));
        for wrong in ["bytes */100", "bytes 9-0/100", "bytes 0-9/*", "items 0-9/10", "bytes a-b/c"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        assert!(back_off(1) < back_off(3) && back_off(60) < Duration::from_secs(20));
    }

    #[test]
    fn a_range_bounds_what_is_taken() {
        let expected = [("bytes=0-9", Some(10)), ("bytes=7-7", Some(1)), ("bytes=-5", Some(5)), ("bytes=5-", None)];
        for (range, most) in expected {
            assert_eq!(longest(range), most, "{range}");
        }
        assert_eq!(longest("bytes=9-0"), None);
        assert_eq!(longest("bytes=0-18446744073709551615"), None);
    }
}
