//! Single waits as text: a paragraph each, for their stacks do not fit into a table.

use crate::frame;
use crate::text::{frames, lock_type};
use crate::units::{duration, moment, of};
use lima_analyze::{About, Rows, Sums};
use lima_model::escape;
use std::fmt::Write;

/// The lines above single waits.
pub fn head(about: &About, whole: &Sums) -> String {
    let mut out = frame::trace(about);
    let from = match about.manifest.options.threshold_ns {
        0 => String::new(),
        threshold => format!(" of {} and more", duration(threshold)),
    };
    let waits = of(whole.waits, "single wait", "single waits");
    let _ = writeln!(out, "{waits}{from}, {} waited in all", duration(whole.wait_ns_total));
    out
}

/// A paragraph for each wait.
pub fn blocks(about: &About, rows: &Rows) -> String {
    let blocks: Vec<_> = (0..rows.rows.len()).map(|row| block(about, rows, row)).collect();
    blocks.join("\n")
}

fn block(about: &About, rows: &Rows, row: usize) -> String {
    let text = |column| escape::terminal(rows.text(row, column));
    let number = |column| rows.number(row, column);
    let begin = number("begin_ns");
    let start = about.manifest.clock.start_unix_ns;
    let mut out = format!(
        "{} for {} {} (found by {}), at {}\n",
        duration(number("wait_ns")),
        lock_type(rows, row),
        text("object"),
        text("method"),
        text("site"),
    );
    let mut line = |label: &str, text: &str| {
        let _ = writeln!(out, "    {label:8}  {text}");
    };
    line("from", &format!("{}, {:.6} s into the trace", moment(start, begin), begin as f64 / 1e9));
    line(
        "waiter",
        &format!("{}: {}, on CPU {}", task(rows, row, "", "waiter_tenant"), waited(rows, row), number("cpu")),
    );
    line("holder", &holder(rows, row));
    line("held", &held(rows, row));
    if let Some(text) = chain(rows, row) {
        line("besides", &text);
    }
    for (label, column) in [
        ("waiting in", "stack"),
        ("called from", "user_stack"),
        ("the holder acquired it in", "holder_site"),
        ("the holder slept in", "holder_stack"),
        ("the lock was let go in", "release_stack"),
    ] {
        let frames = frames(rows, row, column);
        if !frames.is_empty() {
            let _ = writeln!(out, "    {label}");
        }
        for frame in frames {
            let _ = writeln!(out, "        {}", escape::terminal(frame));
        }
    }
    out
}

/// `fio, thread 101 of process 100, tenant b`.
fn task(rows: &Rows, row: usize, of: &str, tenant: &str) -> String {
    let (comm, tid, tgid) = (format!("{of}comm"), format!("{of}tid"), format!("{of}tgid"));
    format!(
        "{}, thread {} of process {}, tenant {}",
        escape::terminal(rows.text(row, &comm)),
        rows.number(row, &tid),
        rows.number(row, &tgid),
        escape::terminal(rows.text(row, tenant)),
    )
}

/// How the time was spent, and how it ended.
fn waited(rows: &Rows, row: usize) -> String {
    let mut parts = Vec::new();
    for (column, what) in [("spin_ns", "spinning"), ("sleep_ns", "asleep")] {
        let ns = rows.number(row, column);
        if ns > 0 {
            parts.push(format!("{} {what}", duration(ns)));
        }
    }
    match rows.number(row, "errno") {
        0 => parts.join(", "),
        errno => format!("{}, ended without the lock (errno {errno})", parts.join(", ")),
    }
}

fn holder(rows: &Rows, row: usize) -> String {
    let method = escape::terminal(rows.text(row, "holder_method"));
    match (rows.text(row, "holder_comm").is_empty(), rows.text(row, "holder_tenant")) {
        (false, _) => format!("{} (found by {method})", task(rows, row, "holder_", "holder_tenant")),
        (true, "none") => "nobody: the lock was free, the waiter had to be woken or to get a CPU".to_owned(),
        (true, "unknown") => "unknown".to_owned(),
        (true, tenant) => format!("of tenant {} (found by {method})", escape::terminal(tenant)),
    }
}

/// What the holder was waiting for itself.
fn chain(rows: &Rows, row: usize) -> Option<String> {
    let text = |column| escape::terminal(rows.text(row, column));
    let ns = rows.number(row, "holder_wait_ns");
    let holder = match rows.number(row, "holder_wait_holder_tid") {
        0 => "nobody that is known".to_owned(),
        tid => format!("{}, thread {tid}", text("holder_wait_holder_comm")),
    };
    let what = format!("the holder itself waited {} for {}", duration(ns), text("holder_wait_object"));
    (ns > 0).then(|| format!("{what} at {:#x}, held by {holder}", rows.number(row, "holder_wait_lock")))
}

/// How long who held the lock.
fn held(rows: &Rows, row: usize) -> String {
    let parts = [
        ("held_ns", "by tenant ", rows.text(row, "holder_tenant")),
        ("other_held_ns", "by other tenants", ""),
        ("free_ns", "by nobody", ""),
        ("unknown_ns", "unknown", ""),
    ];
    let parts = parts.map(|(column, whom, name)| (rows.number(row, column), whom, escape::terminal(name)));
    let parts = parts.into_iter().filter(|&(ns, ..)| ns > 0);
    parts.map(|(ns, whom, name)| format!("{} {whom}{name}", duration(ns))).collect::<Vec<_>>().join(", ")
}
