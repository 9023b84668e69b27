//! Names that tenants choose to do harm: in threads, cgroups and commands, through every kind of output.

mod common;

use common::{LIMA, Loaded, manifest, run, shown, table, unique};
use lima_lab::tenant::Tenant;
use std::ffi::{CString, OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// At most 15 bytes each, the length of a thread's name.
const THREADS: [&[u8]; 6] = [
    b"\x1b]0;owned\x07\x1b[2J",
    b"</t><script>x()",
    b"=cmd|'/C x'!A0",
    b"a\nb\r\"c\",\t;d",
    b"\xff\xfe\x80\xc3(",
    b"@SUM(1)${x}%x\\",
];

/// Names of cgroups; the kernel refuses newlines itself.
const CGROUPS: [&[u8]; 3] = [b"\x1b[31m\x9b<img src=x>", b"=HYPERLINK(\"x\"),+1", b"\xff\xc3( `$(x)`\\'"];

/// Threads of these names contend for a pipe until told to end.
fn contend(stop: &AtomicBool) {
    let (reader, writer) = std::io::pipe().unwrap();
    thread::scope(|scope| {
        for name in THREADS {
            let (mut reader, mut writer) = (&reader, &writer);
            scope.spawn(move || {
                rustix::thread::set_name(&CString::new(name).unwrap()).unwrap();
                let mut byte = [0; 64];
                // Each writes before it reads, so nobody ever waits for data that will not come.
                while !stop.load(Ordering::Relaxed) {
                    writer.write_all(&byte).unwrap();
                    reader.read_exact(&mut byte).unwrap();
                }
            });
        }
    });
}

/// Records threads, cgroups and a command with hostile names.
fn record(folder: &Path) -> PathBuf {
    let trace = folder.join("hostile.lima");
    let command = folder.join(OsStr::from_bytes(b"\x1b[7m<i>=1+1\n\xff"));
    std::os::unix::fs::symlink(LIMA, &command).unwrap();
    let tenants: Vec<OsString> =
        CGROUPS.iter().map(|name| OsString::from_vec([unique("hostile").as_bytes(), *name].concat())).collect();
    let _tenants: Vec<Tenant> = tenants.iter().map(|name| Tenant::create(name).unwrap()).collect();

    let mut arguments: Vec<OsString> = ["record", "--threshold", "0", "-o"].map(OsString::from).into();
    arguments.extend([trace.clone().into(), "--".into(), command.into()]);
    arguments.extend(["lab", "load", "hammer", "--seconds", "1", "--dir"].map(OsString::from));
    arguments.push(folder.into());
    arguments.extend(tenants.into_iter().flat_map(|name| ["--tenant".into(), name]));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| contend(&stop));
        let output = run(arguments);
        stop.store(true, Ordering::Relaxed);
        assert!(output.status.success(), "{}", shown(&output.stderr));
        clean("record", &output.stderr);
    });
    trace
}

/// Nothing that a terminal obeys.
fn clean(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let bad = text.chars().find(|&letter| letter.is_control() && letter != '\n');
    assert_eq!(bad, None, "{what} has a control character: {text:?}");
}

/// No cell that a spreadsheet takes for a formula.
fn no_formula(what: &str, bytes: &[u8]) {
    for record in csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes).records() {
        for cell in &record.unwrap() {
            assert!(!cell.trim_start().starts_with(['=', '+', '@', '-']), "{what} has a formula: {cell:?}");
        }
    }
}

#[test]
fn every_output_is_safe_to_show() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    let trace = record(folder.path());

    // The names have arrived; what is safe to show is no less than what happened.
    let comms = table(&trace, "events").texts("comm");
    for word in ["owned", "script", "cmd|", "SUM"] {
        assert!(comms.iter().any(|comm| comm.contains(word)), "no thread with {word:?} waited: {comms:?}");
    }
    let paths = table(&trace, "tenants").texts("path");
    for word in ["<img src=x>", "=HYPERLINK", "`$(x)`"] {
        assert!(paths.iter().any(|path| path.contains(word)), "no tenant with {word:?}: {paths:?}");
    }
    assert!(manifest(&trace)["command"][0].as_str().unwrap().contains("<i>=1+1"));

    let bys = ["object", "lock", "site", "stack", "task", "tenant", "type", "time", "event"];
    let formats = ["table", "json", "csv"];
    let mut outputs = Vec::new();
    for format in formats {
        outputs.extend(bys.map(|by| vec!["report", "--by", by, "--format", format]));
        outputs.push(vec!["interference", "--format", format]);
    }
    outputs.extend([vec!["report", "--format", "folded"], vec!["report", "--format", "svg"], vec!["info"]]);
    for arguments in outputs {
        let output = run(arguments.iter().map(OsStr::new).chain([trace.as_os_str()]));
        let what = arguments.join(" ");
        assert!(output.status.success(), "{what}: {}", shown(&output.stderr));
        assert!(!output.stdout.is_empty(), "{what} says nothing");
        clean(&what, &output.stdout);
        clean(&what, &output.stderr);
        match *arguments.last().unwrap() {
            "csv" => no_formula(&what, &output.stdout),
            "json" => drop(serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()),
            "svg" => {
                let text = shown(&output.stdout);
                assert!(!text.contains("<script>x()") && !text.contains("<img src=x>"), "{what} has foreign tags");
            }
            _ => {}
        }
    }
}

#[test]
fn a_hostile_name_of_a_trace_is_safe_in_messages() {
    let name = OsStr::from_bytes(b"/nowhere/\x1b[2J\x07\xff\n.lima");
    for command in ["report", "interference", "info"] {
        let output = run([OsStr::new(command), name]);
        assert_eq!(output.status.code(), Some(2), "{command}: {output:?}");
        clean(command, &output.stderr);
    }
}
