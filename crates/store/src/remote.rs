//! A folder of an object store.

use crate::driver::driver;
use crate::failure::io_error;
use crate::place::in_url;
use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::SpawnedReqwestConnector;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, Result, RetryConfig};
use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// What the addresses of folders in object stores begin with.
const SCHEME: &str = "s3://";
/// How long a request is tried again, and how often: a store that is not there should not take minutes to say so.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: usize = 4;

/// A folder of an object store.
#[derive(Clone)]
pub struct Remote {
    bucket: Arc<Bucket>,
    path: Path,
}

/// A file in a [`Remote`] folder or below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name, with the folders between.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

struct Bucket {
    name: String,
    /// Where requests go to, for messages.
    endpoint: String,
    store: Arc<dyn ObjectStore>,
    driver: Handle,
}

impl Remote {
    /// Whether this is the address of a store, rather than a path of this machine.
    pub fn is_address(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// The folder with this address, `s3://BUCKET/FOLDER`; no request is made yet. How to get there is read from the
    /// environment.
    pub fn open(address: &str) -> io::Result<Self> {
        let wrong = |why: &str| {
            io::Error::new(
                ErrorKind::InvalidInput,
                format!("{why}: an object store's folder is `{SCHEME}BUCKET/FOLDER`"),
            )
        };
        let rest = address.strip_prefix(SCHEME).ok_or_else(|| wrong("it does not begin so"))?;
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong("it names no bucket"));
        }
        let path = Path::parse(folder.trim_matches('/')).map_err(|error| wrong(&error.to_string()))?;
        Ok(Self { bucket: Arc::new(Bucket::open(bucket)?), path })
    }

    /// A folder in this one.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        // As it is, if it can be: a `Path` made of parts would write some letters in another way.
        let path = self.path_of(name).unwrap_or_else(|_| self.path.clone().join(name));
        Self { bucket: Arc::clone(&self.bucket), path }
    }

    /// The last part of its address.
    pub fn name(&self) -> &str {
        self.path.filename().unwrap_or(&self.bucket.name)
    }

    /// The names of the folders in it, in order. A folder that is not there has none.
    pub fn folders(&self) -> io::Result<Vec<String>> {
        let listed = self.wait(self.bucket.store.list_with_delimiter(Some(&self.path)))?;
        let names = listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned));
        let mut names: Vec<_> = names.collect();
        names.sort();
        Ok(names)
    }

    /// The files in it and below, in the order of their names.
    pub fn files(&self) -> io::Result<Vec<Found>> {
        let objects: Vec<_> = self.wait(self.bucket.store.list(Some(&self.path)).try_collect())?;
        let found = objects.into_iter().filter_map(|object| {
            let below = object.location.prefix_match(&self.path)?;
            let name = below.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            Some(Found { name, bytes: object.size })
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// A whole file.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let path = self.path_of(name)?;
        let read = async { self.bucket.store.get(&path).await?.bytes().await };
        Ok(self.wait(read)?.into())
    }

    /// A part of a file.
    pub fn read_range(&self, name: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
        let path = self.path_of(name)?;
        let length = range.end.saturating_sub(range.start);
        let read = self.wait(self.bucket.store.get_range(&path, range))?;
        if read.len() as u64 != length {
            let why = format!("{} of {length} bytes came (asked {})", read.len(), self.bucket.endpoint);
            return Err(io::Error::new(ErrorKind::UnexpectedEof, why));
        }
        Ok(read.into())
    }

    /// The store of its bucket, for an engine that reads from stores. It may be used on any runtime that has a clock.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.bucket.store)
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("{SCHEME}{}/{}", self.bucket.name, in_url(self.path.as_ref().as_bytes()))
    }

    fn path_of(&self, name: &str) -> io::Result<Path> {
        Path::parse(format!("{}/{name}", self.path).trim_start_matches('/')).map_err(io::Error::other)
    }

    fn wait<T>(&self, request: impl Future<Output = Result<T>>) -> io::Result<T> {
        self.bucket.driver.block_on(request).map_err(|error| io_error(&error, &self.bucket.endpoint))
    }
}

impl Bucket {
    fn open(name: &str) -> io::Result<Self> {
        let driver = driver()?;
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(name);
        let named = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
        let endpoint = named.iter().find_map(|key| builder.get_config_value(key));
        // Who names a server without encryption wants it.
        if endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
        let endpoint = endpoint.unwrap_or_else(|| {
            let region = region.unwrap_or_else(|| "us-east-1".into());
            format!("s3.{region}.amazonaws.com; AWS_ENDPOINT_URL names another server, AWS_REGION another region")
        });
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let store = builder
            .with_retry(retry)
            .with_http_connector(SpawnedReqwestConnector::new(driver.clone()))
            .build()
            .map_err(|error| io_error(&error, &endpoint))?;
        Ok(Self { name: name.to_owned(), endpoint, store: Arc::new(store), driver })
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.bucket.name)?;
        if self.path.as_ref().is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_folder() {
        let remote = Remote::open("s3://traces/one day/").unwrap();
        assert_eq!((remote.to_string().as_str(), remote.name()), ("s3://traces/one day", "one day"));
        assert_eq!(remote.join("runs").to_string(), "s3://traces/one day/runs");
        assert_eq!(remote.join("runc.a+b?").url(), "s3://traces/one%20day/runc.a%2Bb%3F");
        assert_eq!(Remote::open("s3://traces").unwrap().to_string(), "s3://traces");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in ["s3:///folder", "/tmp", "s3://bucket/../other", "gs://bucket/folder"] {
            let error = Remote::open(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wrong}");
            assert!(error.to_string().contains("s3://BUCKET/FOLDER"), "{error}");
        }
    }
}
