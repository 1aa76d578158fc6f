//! URLs and the options that come with them, public and secret.
//!
//! The location of a remote store is a text that anybody may see: the URL without password and
//! signature and, after `#`, the options that are not secret. Another process can open the store
//! again from it. Secrets stay in the memory of the process they were given to, under that text.

use crate::error::{Error, Result};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The protocols and services that are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    S3,
    Gs,
    Azure,
}

/// The names of services at the beginning of URLs.
const SCHEMES: [(&str, Scheme); 10] = [
    ("https", Scheme::Https),
    ("http", Scheme::Http),
    ("s3", Scheme::S3),
    ("s3a", Scheme::S3),
    ("gs", Scheme::Gs),
    ("gcs", Scheme::Gs),
    ("az", Scheme::Azure),
    ("azure", Scheme::Azure),
    ("abfs", Scheme::Azure),
    ("abfss", Scheme::Azure),
];

/// Options that anybody may see; all others are secret.
const PUBLIC: [&str; 14] = [
    "region",
    "endpoint",
    "allow_http",
    "virtual_hosted_style_request",
    "skip_signature",
    "request_payer",
    "unsigned_payload",
    "account_name",
    "use_emulator",
    "s3_express",
    "metadata_endpoint",
    "imdsv1_fallback",
    "timeout",
    "retries",
];

/// Query parameters that anybody may see. All others are hidden, since signatures have many names.
const PLAIN: [&str; 16] = [
    "download",
    "raw",
    "version",
    "versionid",
    "version_id",
    "generation",
    "alt",
    "v",
    "dl",
    "ref",
    "file",
    "filename",
    "id",
    "format",
    "path",
    "inline",
];

/// The text shown in place of a hidden value.
const HIDDEN: &str = "...";

/// A URL with everything needed to open it. It is never shown itself; [`Address::shown`] is.
pub(super) struct Address {
    pub(super) scheme: Scheme,
    /// The host with its port, or the bucket.
    pub(super) host: String,
    /// The path on the host, or the key in the bucket, without a slash at either end.
    pub(super) key: String,
    /// The query of an `http` or `https` URL.
    pub(super) query: Option<String>,
    /// Options by their plain names: without `aws_`, `azure_storage_` and the like.
    pub(super) options: Vec<(String, String)>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// The secrets of the stores that this process was given, by the text shown for the store.
static SECRETS: Mutex<Option<HashMap<String, Secrets>>> = Mutex::new(None);

/// The secrets of an address: its query, if that has a signature, and its secret options.
#[derive(Clone)]
pub(super) struct Secrets {
    query: Option<String>,
    options: Vec<(String, String)>,
}

/// Returns the plain name of an option.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let prefixes = ["aws_", "azure_storage_", "azure_", "google_"];
    let name = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
    match name {
        "endpoint_url" => "endpoint",
        "default_region" => "region",
        "anon" => "skip_signature",
        other => other,
    }
    .to_owned()
}

/// Returns whether an option is secret: it is not in the public list, or its value may hold a
/// password before a host.
fn is_secret((name, value): &(String, String)) -> bool {
    !PUBLIC.contains(&name.as_str()) || value.contains('@')
}

impl Address {
    /// Reads a URL, as a user gives it or as it is shown, and the options that a user gives beside
    /// it.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a text that is no URL of a known service; [`Error::State`] for the
    /// shown text of a signed URL whose signature this process does not have.
    pub(super) fn new(text: &str, options: &[(String, String)]) -> Result<Address> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        let Some(&(_, scheme)) = SCHEMES.iter().find(|known| known.0 == scheme) else {
            let expected = "a path, or a URL that begins with https://, http://, s3://, gs:// or az://";
            return Err(Error::parameter("path", expected, format!("'{scheme}://...'")));
        };
        let (rest, mut found) = fragment(rest);
        let is_http = matches!(scheme, Scheme::Http | Scheme::Https);
        let rest = if is_http { rest.split('#').next().unwrap_or_default() } else { rest };
        let (rest, query) = match rest.split_once('?').filter(|_| is_http) {
            Some((rest, query)) => (rest, Some(query.to_owned()).filter(|query| !query.is_empty())),
            None => (rest, None),
        };
        let (host, key) = rest.split_once('/').unwrap_or((rest, ""));
        let host = match host.rsplit_once('@') {
            Some((user, host)) if is_http => {
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                found.push(("username".to_owned(), decoded(name)));
                found.push(("password".to_owned(), decoded(password)));
                host
            }
            // The account of a container.
            Some((container, account)) => {
                let account = account.split('.').next().unwrap_or_default();
                found.push(("account_name".to_owned(), account.to_owned()));
                container
            }
            None => host,
        };
        if host.is_empty() || key.trim_matches('/').is_empty() {
            let what = if is_http { "a host and a path" } else { "a bucket and a key in it" };
            return Err(Error::parameter("path", format!("a URL with {what}"), format!("'{rest}'")));
        }
        for (name, value) in options {
            let name = plain(name);
            found.retain(|known| known.0 != name);
            found.push((name, value.clone()));
        }
        let mut address =
            Address { scheme, host: host.to_owned(), key: key.trim_matches('/').to_owned(), query, options: found };
        address.recall()?;
        Ok(address)
    }

    /// Returns the text that anybody may see, from which the store can be opened again.
    pub(super) fn shown(&self) -> String {
        let scheme = SCHEMES.iter().find(|known| known.1 == self.scheme).map_or("", |known| known.0);
        let mut text = format!("{scheme}://{}/{}", self.host, self.key);
        if let Some(query) = &self.query {
            let parts = query.split('&').map(|part| match part.split_once('=') {
                Some((name, _)) if !PLAIN.contains(&name.to_ascii_lowercase().as_str()) => format!("{name}={HIDDEN}"),
                None if !PLAIN.contains(&part.to_ascii_lowercase().as_str()) => HIDDEN.to_owned(),
                _ => part.to_owned(),
            });
            text.push('?');
            text.push_str(&parts.collect::<Vec<_>>().join("&"));
        }
        let mut shown: Vec<_> = self.options.iter().filter(|option| !is_secret(option)).collect();
        shown.sort();
        for (i, (name, value)) in shown.into_iter().enumerate() {
            text.push(if i == 0 { '#' } else { '&' });
            text.push_str(&format!("{name}={}", encoded(value)));
        }
        text
    }

    /// Keeps the secrets of this address in the process, under the address's public text. Later
    /// calls that open the store by that text use them. Returns the secrets that were kept for the
    /// text before.
    pub(super) fn remember(&self) -> Option<Secrets> {
        let options: Vec<_> = self.options.iter().filter(|option| is_secret(option)).cloned().collect();
        let text = self.shown();
        let query = self.query.clone().filter(|_| text.contains(HIDDEN));
        let mut all = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        if query.is_none() && options.is_empty() {
            all.remove(&text)
        } else {
            all.insert(text, Secrets { query, options })
        }
    }

    /// Undoes [`Address::remember`]: `before` is what it returned. `None` removes the secrets of
    /// this address.
    pub(super) fn restore(&self, before: Option<Secrets>) {
        let mut all = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        all.remove(&self.shown());
        all.extend(before.map(|secrets| (self.shown(), secrets)));
    }

    /// Adds the secrets that this process was given before for the same text.
    fn recall(&mut self) -> Result<()> {
        let text = self.shown();
        let known = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().and_then(|all| all.get(&text)).cloned();
        let hidden = self.query.as_ref().is_some_and(|query| {
            query.split('&').any(|part| part.rsplit_once('=').map_or(part, |(_, value)| value) == HIDDEN)
        });
        match known {
            Some(Secrets { query, options }) => {
                if hidden {
                    self.query = query;
                }
                for (name, value) in options {
                    if self.options.iter().all(|known| known.0 != name) {
                        self.options.push((name, value));
                    }
                }
            }
            None if hidden => {
                return Err(Error::State(format!(
                    "'{text}' was opened by a URL with a signature in it, which is not kept in saved objects: open it \
                     again with read() and a new URL"
                )));
            }
            None => {}
        }
        Ok(())
    }

    /// Returns the value of an option.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|option| option.0 == name).map(|option| option.1.as_str())
    }

    /// Returns the value of an option that is a whole number, or `default`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for any other value.
    pub(super) fn number(&self, name: &'static str, default: u32) -> Result<u32> {
        let Some(value) = self.option(name) else { return Ok(default) };
        let expected = || Error::parameter("storage_options", format!("a whole number for '{name}'"), value);
        value.trim_end_matches(".0").parse().map_err(|_| expected())
    }

    /// Returns the values of all secret options.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.options.iter().filter(|option| is_secret(option)).map(|option| option.1.as_str())
    }
}

/// Splits a text into the part before its last `#` and the public options after it. If anything
/// else follows the `#`, it belongs to the text.
fn fragment(text: &str) -> (&str, Vec<(String, String)>) {
    let Some((before, options)) = text.rsplit_once('#') else { return (text, Vec::new()) };
    let found: Option<Vec<_>> = options
        .split('&')
        .map(|option| {
            let (name, value) = option.split_once('=')?;
            let name = plain(name);
            PUBLIC.contains(&name.as_str()).then(|| (name, decoded(value)))
        })
        .collect();
    match found {
        Some(found) => (before, found),
        None => (text, Vec::new()),
    }
}

fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Decodes the percent signs of a URL. A text that is not UTF-8 then is returned unchanged.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&b) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).filter(|_| b == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(hex.unwrap_or(b));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(given: &[(&str, &str)]) -> Vec<(String, String)> {
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_text_shows_no_secret_and_opens_again() {
        let given = options(&[
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("aws_secret_access_key", "s3cr3t"),
            ("endpoint_url", "http://127.0.0.1:5000"),
            ("AWS_REGION", "eu-west-1"),
        ]);
        let address = Address::new("s3://bucket/a folder/x.h5ad", &given).unwrap();
        let text = address.shown();
        assert_eq!(text, "s3://bucket/a folder/x.h5ad#endpoint=http://127.0.0.1:5000&region=eu-west-1");
        assert_eq!(format!("{address:?}"), text);
        let again = Address::new(&text, &[]).unwrap();
        assert_eq!((again.option("region"), again.option("secret_access_key")), (Some("eu-west-1"), None));
        address.remember();
        let again = Address::new(&text, &[]).unwrap();
        assert_eq!(again.option("secret_access_key"), Some("s3cr3t"));
        assert_eq!((again.key.as_str(), again.shown()), ("a folder/x.h5ad", text));
    }

    #[test]
    fn signatures_and_passwords_are_hidden() {
        let url = "https://me:pass%40word@host:8000/x.h5ad?download=1&X-Amz-Signature=abc&sv=2";
        let address = Address::new(url, &[]).unwrap();
        assert_eq!(address.shown(), "https://host:8000/x.h5ad?download=1&X-Amz-Signature=...&sv=...");
        assert_eq!((address.option("username"), address.option("password")), (Some("me"), Some("pass@word")));
        let error = Address::new(&address.shown(), &[]).unwrap_err();
        assert!(matches!(error, Error::State(message) if message.contains("signature") && !message.contains("abc")));
        address.remember();
        let again = Address::new(&address.shown(), &[]).unwrap();
        assert_eq!(again.query.as_deref(), Some("download=1&X-Amz-Signature=abc&sv=2"));
        assert_eq!(again.option("password"), Some("pass@word"));
    }

    #[test]
    fn what_is_no_url_is_an_error() {
        for url in ["ftp://host/x", "https://", "s3://bucket", "s3://bucket/", "https:///x"] {
            assert!(Address::new(url, &[]).is_err(), "{url}");
        }
        // A key may have a '#' in it.
        assert_eq!(Address::new("s3://bucket/a#b.h5ad", &[]).unwrap().key, "a#b.h5ad");
        assert_eq!(
            Address::new("az://container@account/x.zarr/", &[]).unwrap().shown(),
            "az://container/x.zarr#account_name=account"
        );
    }
}
