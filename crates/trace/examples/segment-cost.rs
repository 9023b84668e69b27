//! What writing costs the recorder: CPU time and bytes of one segment of each table, and of merging an hour of them.
//!
//! `TMPDIR=/dev/shm cargo run --release -p lima-trace --example segment-cost [ROWS]`
//!
//! On ext4, add some 0.1 ms a segment for the file; more when many files have been deleted within the last seconds,
//! because ext4 then passes over their inodes one by one (`recently_deleted`).
//!
//! The rows look like a busy second: a few hundred locks, stacks and tasks, a handful of words, durations of all
//! lengths.

use arrow::array::{ArrayRef, Int32Array, ListBuilder, RecordBatch, StringArray, UInt16Array, UInt16Builder};
use arrow::array::{UInt32Array, UInt64Array, UInt64Builder};
use arrow::datatypes::{DataType, Field};
use lima_model::schema::{Column, Kind};
use lima_model::{Manifest, Table};
use lima_trace::{Trace, Writer};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// Segments of an hour.
const HOUR: u64 = 3600;

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(1000), |argument| argument.parse())?;
    let parent = std::env::temp_dir().join(format!("lima-segment-cost-{}", std::process::id()));
    std::fs::create_dir(&parent)?;
    let result = measure(&parent, count);
    std::fs::remove_dir_all(&parent)?;
    result
}

fn measure(parent: &Path, count: u64) -> Result<(), Box<dyn Error>> {
    println!("{:8} {:>6} {:>14} {:>14}", "table", "rows", "CPU us/segment", "bytes/segment");
    for rows in [10, 100, count] {
        for &table in Table::ALL {
            let folder = parent.join(format!("{}-{rows}.lima", table.name()));
            let mut writer = Writer::create(&folder, &Manifest::begin("test"))?;
            writer.append(table, &batch(table, 0, rows))?;
            let batches: Vec<_> = (1..=100).map(|second| batch(table, second, rows)).collect();
            let begin = cpu_us()?;
            for batch in &batches {
                writer.append(table, batch)?;
            }
            let cost = (cpu_us()? - begin) / 100;
            let bytes = size(&folder.join(table.name()))? / 101;
            println!("{:8} {rows:>6} {cost:>14} {bytes:>14}", table.name());
        }
    }

    let folder = parent.join("hour.lima");
    let mut writer = Writer::create(&folder, &Manifest::begin("test"))?;
    for second in 0..HOUR {
        writer.append(Table::Totals, &batch(Table::Totals, second, count))?;
    }
    let small = size(&folder.join("totals"))?;
    let begin = cpu_us()?;
    Trace::open(&folder)?;
    let open = cpu_us()? - begin;
    let before = peak_kib()?;
    let begin = cpu_us()?;
    let unmerged = writer.finish(&Manifest::begin("test"))?;
    let merge = cpu_us()? - begin;
    let after = peak_kib()?;
    let large = size(&folder.join("totals"))?;
    let begin = cpu_us()?;
    let trace = Trace::open(&folder)?;
    let open_merged = cpu_us()? - begin;
    let begin = cpu_us()?;
    let rows: usize = trace.read(Table::Totals).map(|rows| rows.map_or(0, |rows| rows.num_rows())).sum();
    let read = cpu_us()? - begin;
    println!("\nan hour of totals, {rows} rows (CPU ms)");
    println!("open {HOUR} segments: {} ms, {small} bytes", open / 1000);
    println!("merge: {} ms, peak memory {before} -> {after} KiB, {} errors", merge / 1000, unmerged.len());
    println!(
        "open {} merged: {} ms, {large} bytes; read all: {} ms",
        trace.segments(Table::Totals).len(),
        open_merged / 1000,
        read / 1000
    );
    Ok(())
}

/// CPU time of this thread so far.
fn cpu_us() -> Result<u64, Box<dyn Error>> {
    // Otherwise the kernel counts it only at the next tick.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns: u64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(ns / 1000)
}

/// The most memory that this process had.
fn peak_kib() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn size(folder: &Path) -> Result<u64, Box<dyn Error>> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

fn batch(table: Table, second: u64, rows: u64) -> RecordBatch {
    let mut state = second.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let columns = table.columns().iter().map(|column| array(column, second, rows, &mut random)).collect();
    RecordBatch::try_new(table.schema(), columns).expect("columns of the table")
}

/// A column as it may look after a busy second.
fn array(column: &Column, second: u64, rows: u64, random: &mut dyn FnMut() -> u64) -> ArrayRef {
    let mut value = || match column.name {
        "time_ns" => second * 1_000_000_000,
        "lock" => 0xffff_9000_0000_0000 + random() % 300 * 192,
        "address" | "id" => 0xffff_ffff_8100_0000 + random() % 0xff_ffff,
        "user_stack_id" | "release_stack_id" | "unknown_ns" | "result" | "failed_waits" => 0,
        name if name.ends_with("stack_id") => 1 + random() % 400,
        name if name.ends_with("tenant") => random() % 6,
        "waits" => 1 + ((random() % 4000) >> (random() % 12)),
        "begin_ns" => second * 1_000_000_000 + random() % 1_000_000_000,
        name if name.contains("_ns") => random() >> (34 + random() % 20),
        _ => random() % 500,
    };
    match column.kind {
        Kind::U16 => Arc::new((0..rows).map(|_| value() as u16).collect::<UInt16Array>()),
        Kind::U32 => Arc::new((0..rows).map(|_| Some(value() as u32)).collect::<UInt32Array>()),
        Kind::U64 => Arc::new((0..rows).map(|_| value()).collect::<UInt64Array>()),
        Kind::I32 => Arc::new((0..rows).map(|_| value() as i32).collect::<Int32Array>()),
        Kind::Text => {
            let words = if column.name.contains("comm") { 100 } else { 5 };
            let word = |number: u64| Some(format!("{}-{}", column.name, number % words));
            Arc::new((0..rows).map(|_| word(value())).collect::<StringArray>())
        }
        Kind::ListU16 => {
            let field = Field::new("item", DataType::UInt16, false);
            let mut list = ListBuilder::new(UInt16Builder::new()).with_field(Arc::new(field));
            (0..rows).for_each(|_| list.append_value((0..5).map(|i| Some((value() % 60) as u16 + i))));
            Arc::new(list.finish())
        }
        Kind::ListU64 => {
            let length = if column.name == "addresses" { 15 } else { 5 };
            let field = Field::new("item", DataType::UInt64, false);
            let mut list = ListBuilder::new(UInt64Builder::new()).with_field(Arc::new(field));
            (0..rows).for_each(|_| list.append_value((0..length).map(|_| Some(value()))));
            Arc::new(list.finish())
        }
        kind => unreachable!("no table of a trace has a column of the kind {kind:?}"),
    }
}
