//! How long reports take on a trace with a million rows of totals: `cargo run --release -p lima-analyze --example million`.

use anyhow::Result;
use lima_analyze::synthetic::{Synthetic, Total};
use lima_analyze::{By, Query, Who};
use std::time::Instant;

const ROWS: u64 = 1_000_000;

fn main() -> Result<()> {
    let mut trace = Synthetic::sample();
    trace.totals = (0..ROWS).map(total).collect();
    trace.stacks = (1..=2_000).map(|id| (id, None, vec![0x1010, 0x1_0000 + id, 0x9000])).collect();
    trace.frames.extend((1..=2_000).map(|id| (0, 0x1_0000 + id, Some(format!("function_{id}")), 0, None)));
    let folder = std::env::temp_dir().join(format!("lima-million-{}.lima", std::process::id()));
    trace.write(&folder)?;
    let start = Instant::now();
    let analysis = lima_analyze::Analysis::of(&lima_trace::Trace::open(&folder)?)?;
    println!("open            {:6.2} s", start.elapsed().as_secs_f64());
    for &by in By::ALL {
        let start = Instant::now();
        let rows = analysis.report(&Query { by, ..Query::default() })?.whole.rows;
        println!("by {:12} {:6.2} s  {rows} rows", by.name(), start.elapsed().as_secs_f64());
    }
    let start = Instant::now();
    let rows = analysis.interference(&Who::default())?.rows.rows.len();
    println!("interference    {:6.2} s  {rows} rows", start.elapsed().as_secs_f64());
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// 100,000 locks, 2,000 stacks, a quarter of the locks in slabs, ten waiters and ten holders.
fn total(row: u64) -> Total {
    let scatter = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let waits = vec![1_000 + scatter % 100_000, 500 + scatter % 7_000];
    let lock = scatter % 100_000;
    Total {
        time_ns: row / 10_000 * 1_000_000_000,
        lock: 0xffff_8880_0000_0000 + lock * 64,
        slab: lock.is_multiple_of(4).then(|| (format!("cache_{}", lock % 500), 64)),
        stack_id: 1 + scatter % 2_000,
        waiter: 3 + (scatter % 10) as u32,
        holder: (scatter % 13) as u32,
        parts: [waits.iter().sum(), 0, 0],
        waits,
        ..Total::mutex(0, 0, &[])
    }
}
