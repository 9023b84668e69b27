//! A manifest of any bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lima_trace::Trace;
use std::fs;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("trace.json"), bytes).expect("a manifest");
    if let Ok(trace) = Trace::open(folder.path()) {
        let _ = (trace.losses(), trace.complete());
    }
});
