//! Where the files of a table are read: `file://` on every machine itself, `s3://` as the environment says.

use datafusion::common::exec_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreRegistry;
use lima_store::Remote;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

/// The stores that were asked for, opened once each.
#[derive(Debug, Default)]
pub(crate) struct Stores(Mutex<BTreeMap<String, Arc<dyn ObjectStore>>>);

impl ObjectStoreRegistry for Stores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place(url), store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = known.get(&place(url)) {
            return Ok(Arc::clone(store));
        }
        let store: Arc<dyn ObjectStore> = match url.scheme() {
            "file" => Arc::new(LocalFileSystem::new()),
            "s3" => Remote::open(&place(url)).map_err(|error| DataFusionError::External(error.into()))?.store(),
            other => return exec_err!("tables are read from folders and from s3://, not from {other}://"),
        };
        known.insert(place(url), Arc::clone(&store));
        Ok(store)
    }
}

/// The part of an address that tells stores apart.
fn place(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}
