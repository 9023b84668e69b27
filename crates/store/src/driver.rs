//! The thread that does the work of the network, whoever waits for it.
//!
//! A connection is served by the runtime that made it, and must not wait for the thread that happened to use it first. So
//! there is one runtime for all requests, on a thread of its own, which sleeps while there is nothing to do.

use std::future::pending;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;
use tokio::runtime::{Builder, Handle};

static DRIVER: Mutex<Option<Handle>> = Mutex::new(None);

/// The handle of the thread's runtime; the first to ask starts it.
pub(crate) fn driver() -> io::Result<Handle> {
    let mut driver = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*driver {
        return Ok(handle.clone());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name("object-store".into()).spawn(move || runtime.block_on(pending::<()>()))?;
    *driver = Some(handle.clone());
    Ok(handle)
}
