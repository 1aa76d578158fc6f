//! Buckets through the crate `object_store`, which signs requests and finds credentials. The
//! requests are sent by `client`.

use super::address::{Address, Scheme};
use super::client::{self, Fault, Patience};
use super::counts::Counts;
use crate::error::{Error, Result};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

thread_local! {
    /// The reason why the last request of this thread has no reply. Errors of the crate do not keep
    /// it.
    static LAST: RefCell<Option<Fault>> = const { RefCell::new(None) };
}

/// Takes the reason why the last request of this thread has no reply.
pub(super) fn last_fault() -> Option<Fault> {
    LAST.take()
}

/// Runs a future on this thread. All futures here complete when they are polled, or wait for
/// another thread whose future does.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = Box::pin(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(out) => return out,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The paths at which the machines of a cloud give credentials.
const OF_MACHINE: [&str; 4] = ["/latest/api/token", "/latest/meta-data/", "/computeMetadata/", "/metadata/identity/"];

/// Sends the requests of the crate through `client`.
#[derive(Debug, Clone)]
struct Sender {
    patience: Patience,
    counts: Arc<Counts>,
}

impl HttpConnector for Sender {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Sender {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.as_bytes().map(|bytes| bytes.to_vec()).unwrap_or_default();
        // Machines in a cloud get credentials from these addresses. Elsewhere nobody answers, so
        // the wait is short.
        let of_machine = matches!(parts.uri.host(), Some("169.254.169.254" | "169.254.170.2" | "metadata"))
            || OF_MACHINE.iter().any(|path| parts.uri.path().starts_with(path));
        let patience =
            if of_machine { Patience { timeout: Duration::from_secs(1), retries: 0 } } else { self.patience };
        let request = ureq::http::Request::from_parts(parts, body);
        LAST.set(None);
        match client::send(&request, patience, &self.counts) {
            Ok(reply) => {
                if of_machine && !reply.status.is_success() {
                    LAST.set(Some(Fault::NoCredentials));
                }
                let mut response = HttpResponse::new(Bytes::from(reply.body).into());
                *response.status_mut() = reply.status;
                *response.headers_mut() = reply.headers;
                Ok(response)
            }
            Err(fault) => {
                let words = format!("{fault:?}");
                LAST.set(Some(if of_machine { Fault::NoCredentials } else { fault }));
                Err(HttpError::new(HttpErrorKind::Unknown, std::io::Error::other(words)))
            }
        }
    }
}

/// Opens the bucket of an address.
///
/// # Errors
/// [`Error::Parameter`] for options that the service does not have; [`Error::Io`] for options it
/// cannot work with.
pub(super) fn bucket(address: &Address, patience: Patience, counts: &Arc<Counts>) -> Result<Arc<dyn ObjectStore>> {
    let sender = Sender { patience, counts: counts.clone() };
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let options = || address.options.iter().filter(|o| !matches!(o.0.as_str(), "timeout" | "retries"));
    macro_rules! built {
        ($builder:ident, $key:ty, $service:literal, $bucket:ident) => {{
            let mut builder = $builder::from_env().$bucket(&address.host).with_http_connector(sender).with_retry(retry);
            for (name, value) in options() {
                let key: $key = name.parse().map_err(|_| {
                    let expected = concat!(
                        "options of ",
                        $service,
                        " as the crate object_store names them, 'timeout' or 'retries'"
                    );
                    Error::parameter("storage_options", expected, format!("'{name}'"))
                })?;
                builder = builder.with_config(key, text_of(value));
            }
            builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
        }};
    }
    let built = match address.scheme {
        Scheme::Gs => built!(GoogleCloudStorageBuilder, GoogleConfigKey, "Google Cloud Storage", with_bucket_name),
        Scheme::Azure => built!(MicrosoftAzureBuilder, AzureConfigKey, "Azure Blob Storage", with_container_name),
        _ => built!(AmazonS3Builder, AmazonS3ConfigKey, "Amazon S3", with_bucket_name),
    };
    built.map_err(|e| {
        let message = match e.to_string() {
            text if text.contains("Account must be specified") => "the account is not given: it is account_name in \
                storage_options, AZURE_STORAGE_ACCOUNT_NAME in the environment, or behind the container in the URL \
                (az://container@account/...)"
                .to_owned(),
            text => hidden(address, &text),
        };
        let path = crate::location::Location::url(address.shown());
        Error::Io { path, action: "open", kind: std::io::ErrorKind::Other, message }
    })
}

/// Returns a truth value of R or Python as the crate reads it; other values are unchanged.
fn text_of(value: &str) -> &str {
    match value {
        "True" | "TRUE" => "true",
        "False" | "FALSE" => "false",
        other => other,
    }
}

/// Returns a message with "..." in place of the secret options of an address. Options of up to 3
/// bytes are not replaced.
pub(super) fn hidden(address: &Address, message: &str) -> String {
    let secrets = address.secrets().filter(|secret| secret.len() > 3);
    secrets.fold(message.to_owned(), |message, secret| message.replace(secret, "..."))
}
