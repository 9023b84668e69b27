//! How the `lima` command is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Three quarters of the debug information belong to the generic code of the SQL engine. Compressed all of it is a
    // quarter as large, and backtraces still read it (zlib they do, zstd they do not).
    println!("cargo:rustc-link-arg-bins=-Wl,--compress-debug-sections=zlib");
}
