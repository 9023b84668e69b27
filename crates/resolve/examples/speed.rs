//! How long resolving takes: a made-up trace of 200,000 locks and 100,000 stacks, resolved with an index, and all return addresses of
//! the index as places in the source, beside `llvm-symbolizer` on the same addresses.
//!
//! ```text
//! cargo build --release --workspace --example speed
//! ~/.cache/lima/target/release/examples/speed NAME.limaindex [VMLINUX]
//! ```

use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, UInt64Builder, new_null_array};
use arrow::array::{UInt16Array, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field};
use lima_index::store::Index;
use lima_model::manifest::Ended;
use lima_model::{IndexTable, Manifest, Table};
use lima_resolve::lines::Lines;
use lima_resolve::resolve;
use lima_trace::{Trace, Writer};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

type Failed = Box<dyn std::error::Error>;

const LOCKS: u64 = 200_000;
const STACKS: u64 = 100_000;
/// Frames of a stack.
const DEPTH: usize = 20;
const SLIDE: u64 = 0x1_2340_0000;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let index = Index::open(Path::new(&arguments.next().ok_or("name an index")?))?;
    let folder = std::env::temp_dir().join(format!("lima-speed-{}.lima", std::process::id()));
    let places = places(&index)?;
    write(&folder, &index, &places)?;
    let begin = Instant::now();
    let trace = Trace::open(&folder)?;
    let resolution = resolve(&trace, &index)?;
    let seconds = begin.elapsed().as_secs_f64();
    let (share, rows) = (resolution.share, resolution.lines.num_rows());
    println!("{LOCKS} locks, {STACKS} stacks of {DEPTH}: {seconds:.2} s, {rows} addresses with lines, {share:?}");
    println!("most memory: {}", memory());
    std::fs::remove_dir_all(&folder)?;

    let begin = Instant::now();
    let lines = Lines::of(&index)?;
    let mut frames = 0;
    for place in &places {
        frames += lines.returning_to(place.address)?.len();
    }
    let own = begin.elapsed().as_secs_f64();
    println!("{} return addresses, {frames} frames with the inlined ones: {own:.2} s", places.len());
    if let Some(image) = arguments.next() {
        let begin = Instant::now();
        symbolize(&image, places.iter().filter(|place| place.module.is_empty()).map(|place| place.address))?;
        let other = begin.elapsed().as_secs_f64();
        println!("llvm-symbolizer, those of the image alone: {other:.2} s, {:.0} times as long", other / own);
    }
    Ok(())
}

/// Where a call returns to, as the index has it.
struct Place {
    address: u64,
    symbol: String,
    offset: u64,
    module: String,
}

fn places(index: &Index) -> Result<Vec<Place>, Failed> {
    let functions = index.read(IndexTable::Functions, &["address", "name"])?;
    let names = functions.texts("name")?;
    let by_address: std::collections::HashMap<u64, &str> =
        functions.numbers("address")?.all().iter().zip(0..).map(|(&address, row)| (address, names.get(row))).collect();
    let calls = index.read(IndexTable::Calls, &["address", "caller"])?;
    let (addresses, callers) = (calls.numbers("address")?, calls.numbers("caller")?);
    let sections = index.read(IndexTable::Sections, &["module", "address", "size"])?;
    let (starts, sizes, modules) = (sections.numbers("address")?, sections.numbers("size")?, sections.texts("module")?);
    let mut ranges: Vec<_> =
        (0..sections.len()).map(|row| (starts.get(row), sizes.get(row), modules.get(row))).collect();
    ranges.sort_unstable();
    let module = |address: u64| {
        let at = ranges.partition_point(|&(start, _, _)| start <= address).checked_sub(1)?;
        let (start, size, module) = ranges[at];
        (address - start < size).then_some(module)
    };
    let place = |row: usize| {
        let (address, caller) = (addresses.get(row) + 5, callers.get(row));
        let module = module(address).unwrap_or_default().to_owned();
        Some(Place {
            address,
            symbol: (*by_address.get(&caller)?).to_owned(),
            offset: address.wrapping_sub(caller),
            module,
        })
    };
    Ok((0..calls.len()).filter_map(place).collect())
}

/// Numbers that look random (SplitMix64).
fn numbers(mut state: u64) -> impl Iterator<Item = u64> {
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

fn write(folder: &Path, index: &Index, places: &[Place]) -> Result<(), Failed> {
    let mut manifest = Manifest { ended: Ended::Duration, ..Manifest::begin("speed") };
    manifest.kernel.build_id.clone_from(&index.manifest().build_id);
    let mut writer = Writer::create(folder, &manifest)?;
    // Where modules lay is another question: stacks are of the image.
    let image: Vec<&Place> = places.iter().filter(|place| place.module.is_empty()).collect();
    let mut random = numbers(1);
    let mut any = |most: usize| (random.next().unwrap_or_default() % most as u64) as usize;
    let mut lists = ListBuilder::new(UInt64Builder::new()).with_field(Field::new("item", DataType::UInt64, false));
    for _ in 0..STACKS {
        (0..DEPTH).for_each(|_| lists.values().append_value(image[any(image.len())].address.wrapping_add(SLIDE)));
        lists.append(true);
    }
    let count = STACKS as usize;
    let ids = || -> ArrayRef { Arc::new(UInt64Array::from_iter_values(1..=STACKS)) };
    let stacks: Vec<ArrayRef> = vec![
        ids(),
        Arc::new(StringArray::from_iter_values((0..count).map(|_| "kernel"))),
        new_null_array(&DataType::UInt32, count),
        Arc::new(lists.finish()),
        Arc::new(UInt16Array::from_iter_values((0..count).map(|_| 0))),
    ];
    writer.append(Table::Stacks, &RecordBatch::try_new(Table::Stacks.schema(), stacks)?)?;
    let frames: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(image.iter().map(|_| 0))),
        Arc::new(UInt64Array::from_iter_values(image.iter().map(|place| place.address.wrapping_add(SLIDE)))),
        Arc::new(StringArray::from_iter_values(image.iter().map(|place| &place.symbol))),
        Arc::new(UInt64Array::from_iter_values(image.iter().map(|place| place.offset))),
        new_null_array(&DataType::Utf8, image.len()),
        new_null_array(&DataType::Utf8, image.len()),
        new_null_array(&DataType::UInt64, image.len()),
    ];
    writer.append(Table::Frames, &RecordBatch::try_new(Table::Frames.schema(), frames)?)?;
    let rows = LOCKS as usize;
    let columns = Table::Totals.columns().iter().map(|column| -> ArrayRef {
        let number = |value: fn(u64) -> u64| Arc::new(UInt64Array::from_iter_values((0..LOCKS).map(value)));
        match column.name {
            "lock" => number(|row| 0xffff_8880_0000_0000 + row * 64),
            "stack_id" => number(|row| row % STACKS + 1),
            "lock_type" => Arc::new(StringArray::from_iter_values((0..rows).map(|_| "spinlock"))),
            _ => plain(column, rows),
        }
    });
    let columns = columns.collect();
    writer.append(Table::Totals, &RecordBatch::try_new(Table::Totals.schema(), columns)?)?;
    writer.finish(&manifest)?;
    Ok(())
}

/// A column that does not matter here.
fn plain(column: &lima_model::schema::Column, rows: usize) -> ArrayRef {
    use lima_model::schema::Kind;
    if column.nullable {
        let kind = if column.kind == Kind::Text { DataType::Utf8 } else { DataType::UInt32 };
        return new_null_array(&kind, rows);
    }
    let empty = |item: DataType| {
        let field = Arc::new(Field::new("item", item.clone(), false));
        let offsets = arrow::buffer::OffsetBuffer::from_lengths((0..rows).map(|_| 0));
        Arc::new(arrow::array::ListArray::new(field, offsets, arrow::array::new_empty_array(&item), None))
    };
    match column.kind {
        Kind::U64 => Arc::new(UInt64Array::from_iter_values((0..rows).map(|_| 1))),
        Kind::U32 => Arc::new(UInt32Array::from_iter_values((0..rows).map(|_| 1))),
        Kind::ListU16 => empty(DataType::UInt16),
        Kind::ListU64 => empty(DataType::UInt64),
        _ => Arc::new(StringArray::from_iter_values((0..rows).map(|_| ""))),
    }
}

/// The most memory that this process has had.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// Has `llvm-symbolizer` name addresses of an image.
fn symbolize(image: &str, addresses: impl Iterator<Item = u64>) -> Result<(), Failed> {
    let program = ["llvm-symbolizer", "llvm-symbolizer-19", "llvm-symbolizer-14"]
        .into_iter()
        .find(|program| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok())
        .ok_or("llvm-symbolizer is not installed")?;
    let mut child = Command::new(program)
        .args(["--inlines", "--obj", image])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let mut input = std::io::BufWriter::new(child.stdin.take().ok_or("no input")?);
    for address in addresses {
        // A symbolizer is asked about the call, and not about what comes after it.
        writeln!(input, "{:#x}", address - 1)?;
    }
    drop(input);
    child.wait()?;
    Ok(())
}
