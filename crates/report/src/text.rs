//! A report as text: a head, a table or stacks, a foot.

use crate::events;
use crate::frame;
use crate::grid::{Align, Grid};
use crate::units::{count, duration, of, percent};
use lima_analyze::{About, By, Kind, Report, Rows, Value};
use lima_model::{Stat, escape};
use std::fmt::Write;

/// A column as it is shown: made of one or two columns of the report.
#[derive(Clone, Copy)]
enum Shown {
    /// A column, under a shorter heading.
    As(&'static str, &'static str),
    /// Which object it is, and its path.
    Instance,
    /// Lock type and mode.
    Type,
    /// The row's share of all time waited.
    Share,
    /// A part of the row's time waited, in per cent.
    Part(&'static str, &'static str),
    /// Acquisitions in each second of the recording.
    Each,
    /// A moment, in seconds since the start of the trace.
    Time,
    /// The object, and how many others the group has.
    MainObject,
    /// How many of an object's locks tenants share.
    SharedLocks,
    /// Which tenants share it.
    Sharing,
}

/// Of a path so many characters are shown.
const LONGEST_PATH: usize = 40;

/// Of many tenants that share a lock so many are named.
const SHARERS: usize = 3;

const MEASURES: &[Shown] = &[
    Shown::As("waits", "waits"),
    Shown::As("wait_ns_total", "total"),
    Shown::Share,
    Shown::As("wait_ns_avg", "avg"),
    Shown::As("wait_ns_p50", "p50"),
    Shown::As("wait_ns_p99", "p99"),
    Shown::As("wait_ns_max", "max"),
    Shown::Part("held_ns_total", "held"),
    Shown::Part("free_ns_total", "nobody"),
    Shown::Part("unknown_ns_total", "unknown"),
];

const TASK_MEASURES: &[Shown] = &[
    Shown::As("waits", "waits"),
    Shown::As("wait_ns_total", "total"),
    Shown::Share,
    Shown::As("wait_ns_avg", "avg"),
    Shown::As("wait_ns_max", "max"),
    Shown::Part("spin_ns_total", "spinning"),
    Shown::Part("sleep_ns_total", "asleep"),
];

const ACQUISITION_MEASURES: &[Shown] = &[
    Shown::As("acquisitions", "acquired"),
    Shown::Each,
    Shown::As("failed", "failed"),
    Shown::As("hold_ns_total", "held"),
    Shown::As("hold_ns_avg", "avg"),
    Shown::As("hold_ns_p50", "p50"),
    Shown::As("hold_ns_p99", "p99"),
    Shown::As("hold_ns_max", "longest"),
    Shown::As("waits", "waits"),
    Shown::As("wait_ns_total", "waited"),
    Shown::As("wait_ns_max", "max"),
];

/// What is shown by instance: who it is takes the room.
const INSTANCE_MEASURES: &[Shown] = &[
    Shown::As("waits", "waits"),
    Shown::As("wait_ns_total", "total"),
    Shown::Share,
    Shown::As("wait_ns_avg", "avg"),
    Shown::As("wait_ns_max", "max"),
];

/// The same of acquisitions.
const INSTANCE_ACQUISITION_MEASURES: &[&str] =
    &["acquisitions", "acquisitions_error", "hold_ns_total", "waits", "wait_ns_total"];

/// What is shown of acquisitions beyond that, when it was measured.
const ASKED: &[(Stat, &[Shown])] = &[
    (Stat::CrossCpu, &[Shown::As("cross_cpu", "other CPU"), Shown::As("cross_cpu_waits", "and waited")]),
    (Stat::CrossNode, &[Shown::As("cross_node", "other node")]),
    (Stat::WaitHist, &[Shown::As("wait_ns_p50", "p50 wait"), Shown::As("wait_ns_p99", "p99 wait")]),
    (Stat::ReaderWriter, &[Shown::As("mode_changes", "r/w changes")]),
    (Stat::Batch, &[Shown::As("longest_run", "in a row")]),
];

/// The measures of acquisitions that a trace has.
fn acquisition_measures(about: &About, by: By) -> Vec<Shown> {
    let options = &about.manifest.options;
    let has = |stat: Stat| options.stats.is_empty() || options.stats.iter().any(|name| *name == *stat.name());
    let of_waits = [Stat::Wait, Stat::WaitHist, Stat::FastSlow].into_iter().any(has);
    let mut measures = ACQUISITION_MEASURES.to_vec();
    measures.retain(|measure| match measure {
        Shown::As("waits", _) => of_waits,
        Shown::As("wait_ns_total" | "wait_ns_max", _) => has(Stat::Wait),
        Shown::As("hold_ns_total" | "hold_ns_avg" | "hold_ns_max", _) => has(Stat::Hold),
        Shown::As("hold_ns_p50" | "hold_ns_p99", _) => has(Stat::HoldHist),
        _ => true,
    });
    if !options.sample.is_empty() {
        measures.insert(1, Shown::As("acquisitions_error", "+-"));
    }
    let asked = |stat: Stat| options.stats.iter().any(|name| *name == *stat.name());
    // How long a phase or a bucket lasted is not in the row.
    if matches!(by, By::Phase | By::Time) {
        measures.retain(|measure| !matches!(measure, Shown::Each));
    }
    if by == By::Instance {
        measures
            .retain(|measure| matches!(measure, Shown::As(name, _) if INSTANCE_ACQUISITION_MEASURES.contains(name)));
    }
    measures.extend(ASKED.iter().filter(|(stat, _)| asked(*stat)).flat_map(|(_, shown)| *shown));
    measures
}

/// A report as text. Lines are broken at `width` columns when it is given.
pub fn report(about: &About, report: &Report, width: Option<usize>) -> String {
    let mut out = match report.by {
        By::Event => events::head(about, &report.whole),
        _ if report.acquisitions => frame::acquired(about, &report.whole),
        _ => frame::head(about, &report.whole),
    };
    if !report.filters.is_empty() {
        let filters: Vec<_> = report.filters.iter().map(|filter| escape::terminal(&filter.to_string())).collect();
        let _ = writeln!(out, "only: {}", filters.join(", "));
    }
    out.push('\n');
    if report.rows.rows.is_empty() {
        out.push_str(nothing(report));
    } else {
        out.push_str(&match report.by {
            By::Stack => stacks(report),
            By::Event => events::blocks(about, &report.rows),
            _ => table(about, report, width),
        });
    }
    if report.cut.rows > 0 {
        if matches!(report.by, By::Stack | By::Event) {
            out.push('\n');
        }
        let rows = of(report.cut.rows, "more row", "more rows");
        let rest = match report.acquisitions {
            true => of(report.cut.acquisitions, "acquisition", "acquisitions"),
            false => duration(report.cut.wait_ns_total),
        };
        let _ = writeln!(out, "{rows}, {rest} (--top 0 shows all)");
    }
    if report.acquisitions {
        let longest = longest(&report.rows);
        if !longest.is_empty() {
            out.push('\n');
        }
        out.push_str(&longest);
    }
    out.push('\n');
    out.push_str(&frame::foot(about));
    out
}

/// Of the rows that are shown, the longest hold and the longest wait: whose, where and when.
fn longest(rows: &Rows) -> String {
    let mut out = String::new();
    for (what, of, ended) in [("hold", "hold", "let go"), ("wait", "wait", "over")] {
        let ns = |row: &usize| rows.number(*row, &format!("{of}_ns_max"));
        let has = |row: &usize| ns(row) > 0 && !rows.text(*row, &format!("{of}_max_site")).is_empty();
        // Of rows that are equal the first.
        let Some(row) = (0..rows.rows.len()).rev().filter(has).max_by_key(ns) else { continue };
        let text = |name: &str| escape::terminal(rows.text(row, name));
        let object = if rows.position("object").is_some() { format!(", {}", text("object")) } else { String::new() };
        let _ = writeln!(
            out,
            "the longest {what} above: {}{object}, thread {}, at {}, {ended} {:.3} s after the start",
            duration(ns(&row)),
            rows.number(row, &format!("{of}_max_tid")),
            text(&format!("{of}_max_site")),
            rows.number(row, &format!("{of}_max_end_ns")) as f64 / 1e9,
        );
    }
    out
}

fn nothing(report: &Report) -> &'static str {
    match (report.whole.rows, report.filters.is_empty()) {
        (0, true) if report.acquisitions => {
            "No acquisition was counted: `lima record --level acquisitions` does that.\n"
        }
        (0, false) if report.acquisitions => "No acquisition fits the filters.\n",
        (0, true) if report.by == By::Event => "No single wait was kept.\n",
        (0, true) => "No lock was waited for while this trace was recorded.\n",
        (0, false) => "No wait fits the filters.\n",
        _ => "",
    }
}

fn table(about: &About, report: &Report, width: Option<usize>) -> String {
    let columns = columns(about, report);
    let sort = columns.iter().find(|column| matches!(column, Shown::As(name, _) if *name == report.sort));
    let sort = sort.map(|column| heading(*column, &report.rows).0);
    let mut grid = Grid::new(columns.iter().map(|column| heading(*column, &report.rows))).spare(
        ["p50", "avg", "max", "p99", "share", "a second", "shared"]
            .into_iter()
            .filter(|&spare| sort.as_deref() != Some(spare)),
    );
    for row in 0..report.rows.rows.len() {
        grid.row(columns.iter().map(|column| cell(*column, about, report, row)));
    }
    grid.render(width)
}

/// What is shown of a report: who or what a row is, how much, and the column that it is sorted by.
fn columns(about: &About, report: &Report) -> Vec<Shown> {
    let keys: &[Shown] = match report.by {
        By::Object => &[Shown::As("object", "object"), Shown::Type],
        By::Instance => &[Shown::Instance, Shown::MainObject, Shown::Type, Shown::Sharing],
        By::Lock => &[Shown::As("lock", "lock"), Shown::Type, Shown::MainObject],
        By::Site => &[Shown::As("site", "site"), Shown::Type, Shown::MainObject],
        By::Stack | By::Event | By::Type => &[Shown::Type],
        By::Task => &[
            Shown::As("comm", "task"),
            Shown::As("tid", "tid"),
            Shown::As("tgid", "pid"),
            Shown::As("tenant", "tenant"),
        ],
        By::Tenant if report.acquisitions => &[Shown::As("tenant", "tenant")],
        By::Tenant => &[Shown::As("waiter_tenant", "tenant")],
        By::Time => &[Shown::Time],
        By::Phase => &[Shown::As("phase", "phase")],
    };
    let measures = match report.by {
        _ if report.acquisitions => acquisition_measures(about, report.by),
        By::Task => TASK_MEASURES.to_vec(),
        By::Instance => INSTANCE_MEASURES.to_vec(),
        _ => MEASURES.to_vec(),
    };
    let found: &[Shown] = match report.by {
        By::Object => &[Shown::SharedLocks, Shown::As("method", "found by")],
        By::Lock => &[Shown::As("method", "found by")],
        _ => &[],
    };
    let mut columns: Vec<_> = [keys, &measures].concat();
    let shown = columns.iter().chain(found).any(|column| match column {
        Shown::As(name, _) | Shown::Part(name, _) => *name == report.sort,
        Shown::Type => ["lock_type", "mode"].contains(&&*report.sort),
        Shown::MainObject => report.sort == "object",
        Shown::Instance => ["instance", "path"].contains(&&*report.sort),
        Shown::Time => report.sort == "time_ns",
        Shown::SharedLocks => report.sort == "shared_locks",
        Shown::Sharing => report.sort == "sharing",
        Shown::Share | Shown::Each => false,
    });
    if let Some(position) = report.rows.position(&report.sort).filter(|_| !shown && report.sort != "method") {
        let name = SORTABLE.iter().find(|&&(name, _)| name == report.rows.columns[position].name);
        columns.extend(name.map(|&(name, heading)| Shown::As(name, heading)));
    }
    columns.extend(found);
    columns
}

/// Columns that are shown only when they are sorted by.
const SORTABLE: &[(&str, &str)] = &[
    ("failed_waits", "failed"),
    ("wait_ns_min", "min"),
    ("wait_ns_p90", "p90"),
    ("wait_ns_p999", "p99.9"),
    ("spin_ns_total", "spinning"),
    ("sleep_ns_total", "asleep"),
    ("holds", "holds"),
    ("hold_ns_min", "shortest"),
    ("hold_ns_p90", "p90"),
    ("hold_ns_p999", "p99.9"),
    ("locks", "locks"),
    ("objects", "objects"),
];

fn heading(column: Shown, rows: &Rows) -> (String, Align) {
    let text = |name: &str| {
        let kind = rows.position(name).map(|position| rows.columns[position].kind);
        if matches!(kind, Some(Kind::Text | Kind::Address)) { Align::Left } else { Align::Right }
    };
    match column {
        Shown::As(name, heading) => (heading.to_owned(), text(name)),
        Shown::Type => ("type".to_owned(), Align::Left),
        Shown::MainObject => ("object".to_owned(), Align::Left),
        Shown::Instance => ("instance".to_owned(), Align::Left),
        Shown::SharedLocks => ("shared".to_owned(), Align::Right),
        Shown::Sharing => ("who".to_owned(), Align::Left),
        Shown::Share => ("share".to_owned(), Align::Right),
        Shown::Part(_, heading) => (heading.to_owned(), Align::Right),
        Shown::Each => ("a second".to_owned(), Align::Right),
        Shown::Time => ("from".to_owned(), Align::Right),
    }
}

fn cell(column: Shown, about: &About, report: &Report, row: usize) -> String {
    let rows = &report.rows;
    match column {
        Shown::As(name, _) => rows
            .position(name)
            .map_or_else(String::new, |position| value(&rows.rows[row][position], rows.columns[position].kind)),
        Shown::Type => lock_type(rows, row),
        Shown::MainObject => main_object(rows, row),
        Shown::Instance => instance(rows, row),
        Shown::SharedLocks => {
            format!("{} of {}", count(rows.number(row, "shared_locks")), count(rows.number(row, "locks")))
        }
        Shown::Sharing => sharing(rows, row),
        Shown::Share => percent(rows.number(row, "wait_ns_total"), report.whole.wait_ns_total),
        Shown::Part(name, _) => percent(rows.number(row, name), rows.number(row, "wait_ns_total")),
        Shown::Each => match about.manifest.clock.duration_ns {
            0 => "-".to_owned(),
            ns => count((rows.number(row, "acquisitions") as f64 * 1e9 / ns as f64).round() as u64),
        },
        Shown::Time => format!("{:.1} s", rows.number(row, "time_ns") as f64 / 1e9),
    }
}

/// A value for people.
pub(crate) fn value(value: &Value, kind: Kind) -> String {
    match value {
        Value::Missing => "-".to_owned(),
        Value::Text(text) => escape::terminal(text),
        &Value::Number(number) => match kind {
            Kind::Ns => duration(number),
            Kind::Address => format!("{number:#x}"),
            Kind::Id => number.to_string(),
            _ => count(number),
        },
        Value::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Texts(texts) => escape::terminal(&texts.join(" ")),
        Value::Numbers(numbers) => numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" "),
    }
}

/// `rwsem read`; of locks that have but one mode, the type alone.
pub(crate) fn lock_type(rows: &Rows, row: usize) -> String {
    let (lock_type, mode) = (rows.text(row, "lock_type"), rows.text(row, "mode"));
    let text =
        if mode.is_empty() || mode == "exclusive" { lock_type.to_owned() } else { format!("{lock_type} {mode}") };
    escape::terminal(&text)
}

fn main_object(rows: &Rows, row: usize) -> String {
    let object = escape::terminal(rows.text(row, "object"));
    match rows.number(row, "objects") {
        0 | 1 => object,
        objects => format!("{object} and {} more", count(objects - 1)),
    }
}

/// `inode 12 of ext4 8:1 (data/ham)`.
fn instance(rows: &Rows, row: usize) -> String {
    let (name, path) = (escape::terminal(rows.text(row, "instance")), escape::terminal(rows.text(row, "path")));
    let skipped = path.chars().count().saturating_sub(LONGEST_PATH);
    match (path.is_empty(), skipped) {
        (true, _) => name,
        (_, 0) => format!("{name} ({path})"),
        // The end tells more than the beginning.
        _ => format!("{name} (...{})", path.chars().skip(skipped).collect::<String>()),
    }
}

/// `private to a`, or `shared by a, b`.
fn sharing(rows: &Rows, row: usize) -> String {
    let tenants = frames(rows, row, "tenants");
    let mut names: Vec<_> = tenants.iter().take(SHARERS).map(|name| escape::terminal(name)).collect();
    if tenants.len() > SHARERS {
        names.push(format!("{} more", count((tenants.len() - SHARERS) as u64)));
    }
    let names = names.join(", ");
    match rows.text(row, "sharing") {
        "shared" => format!("shared by {names}"),
        "private" => format!("private to {names}"),
        "seen" => format!("only {names} seen"),
        "kernel" => "the kernel alone".to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// Stacks do not fit into a table: a line each for the numbers, and the frames below.
fn stacks(report: &Report) -> String {
    let rows = &report.rows;
    let mut out = String::new();
    for row in 0..rows.rows.len() {
        if row > 0 {
            out.push('\n');
        }
        let ns = |name| duration(rows.number(row, name));
        if report.acquisitions {
            let _ = writeln!(
                out,
                "{}, held for {}, avg {}, longest {}; waited {} in {}: {} {}",
                of(rows.number(row, "acquisitions"), "acquisition", "acquisitions"),
                ns("hold_ns_total"),
                ns("hold_ns_avg"),
                ns("hold_ns_max"),
                ns("wait_ns_total"),
                of(rows.number(row, "waits"), "wait", "waits"),
                lock_type(rows, row),
                main_object(rows, row),
            );
            frames(rows, row, "stack").iter().for_each(|frame| {
                let _ = writeln!(out, "    {}", escape::terminal(frame));
            });
            continue;
        }
        let _ = writeln!(
            out,
            "{} ({}) in {}, avg {}, p99 {}, max {}: {} {}",
            ns("wait_ns_total"),
            percent(rows.number(row, "wait_ns_total"), report.whole.wait_ns_total),
            of(rows.number(row, "waits"), "wait", "waits"),
            ns("wait_ns_avg"),
            ns("wait_ns_p99"),
            ns("wait_ns_max"),
            lock_type(rows, row),
            main_object(rows, row),
        );
        for (name, mark) in [("stack", ""), ("user_stack", "user: ")] {
            for frame in frames(rows, row, name) {
                let _ = writeln!(out, "    {mark}{}", escape::terminal(frame));
            }
        }
    }
    out
}

/// The frames of a stack; none when there is none.
pub(crate) fn frames<'a>(rows: &'a Rows, row: usize, column: &str) -> &'a [String] {
    match rows.position(column).map(|position| &rows.rows[row][position]) {
        Some(Value::Texts(frames)) => frames,
        _ => &[],
    }
}
