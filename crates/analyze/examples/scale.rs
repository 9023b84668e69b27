//! Makes up a study of any size, for `benches/scale`: `scale FOLDER ROWS`. A run has a million rows of acquisitions.
//!
//! Four platforms, groups of two workloads, three repetitions as far as the rows go. Of a run's 40,000 locks a fifth is taken by both
//! tenants, at 1,500 places, in 60 time buckets.

use anyhow::{Context, Result, bail};
use lima_analyze::synthetic::{Acquired, Synthetic};
use lima_model::study::{Phases, Run, Status, Tenant};
use std::fs;
use std::path::Path;

const ROWS: u64 = 1_000_000;
const LOCKS: u64 = 40_000;
const STACKS: u64 = 1_500;
const BUCKETS: u64 = 60;
const SECOND: u64 = 1_000_000_000;
const TYPES: [&str; 4] = ["spinlock", "mutex", "rwsem", "rwlock"];

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, rows] = arguments.as_slice() else { bail!("usage: scale FOLDER ROWS") };
    let rows: u64 = rows.parse().context("ROWS is a number")?;
    // Names are borrowed for as long as the program runs.
    let objects: Vec<&'static str> = (0..600).map(|at| &*format!("struct_{at}.lock").leak()).collect();
    let runs = rows.div_ceil(ROWS);
    for run in 0..runs {
        write(Path::new(folder), run, ROWS.min(rows - run * ROWS), &objects)?;
    }
    println!("{runs} runs, {rows} rows");
    Ok(())
}

fn write(folder: &Path, run: u64, rows: u64, objects: &[&'static str]) -> Result<()> {
    let (platform, repetition, group) = (run % 4, run / 4 % 3 + 1, run / 12);
    let workloads = [format!("w{}", group * 2), format!("w{}", group * 2 + 1)];
    let platform = ["host", "runc", "gvisor", "microvm"][platform as usize];
    let tenant = |at: usize| Tenant { name: format!("/t{at}"), workload: workloads[at].clone(), ..Tenant::default() };
    let front = Run {
        id: format!("{platform}.{}.r{repetition}", workloads.join("+")),
        platform: platform.to_owned(),
        repetition: repetition as u32,
        status: Status::Done,
        level: "acquisitions".to_owned(),
        tenants: vec![tenant(0), tenant(1)],
        phases: Phases { cold_ns: 20 * SECOND, warm_ns: 40 * SECOND },
        kernel_build_id: "aa".to_owned(),
        ..Run::default()
    };
    let acquired: Vec<_> = (0..rows).map(|row| acquired(run, row, rows)).collect();
    let mut places: Vec<_> = acquired.iter().map(|row| (row.lock, row.stack_id)).collect();
    places.sort_unstable();
    places.dedup();
    let object = |&(lock, stack): &(u64, u64)| (lock, 0, stack, objects[(lock / 64 % LOCKS % 600) as usize], "site");
    let trace = Synthetic {
        objects: places.iter().map(object).collect(),
        acquired,
        phases: vec![(0, "cold".to_owned()), (20 * SECOND, "warm".to_owned())],
        stacks: (1..=STACKS).map(|id| (id, None, vec![0x1_0000 + id])).collect(),
        tenants: vec![(3, "/t0".to_owned()), (4, "/t1".to_owned())],
        build_id: "aa".to_owned(),
        ..Synthetic::default()
    };
    let place = folder.join("runs").join(&front.id);
    fs::create_dir_all(&place)?;
    trace.write(&place.join("trace.lima"))?;
    fs::write(place.join("run.json"), serde_json::to_vec(&front)?)?;
    Ok(())
}

fn acquired(run: u64, row: u64, rows: u64) -> Acquired {
    let scatter = (row ^ run << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let lock = scatter % LOCKS;
    let own = scatter / LOCKS % 2;
    // A fifth is of both, the rest of one of the two.
    let tenant = if lock.is_multiple_of(5) { own } else { lock / 5 % 2 };
    let count = 1 + scatter % 50;
    Acquired {
        time_ns: row * BUCKETS / rows * SECOND,
        lock: 0xffff_8880_0000_0000 + lock * 64,
        lock_type: TYPES[(lock % 4) as usize],
        mode: "exclusive",
        // Two places a lock.
        stack_id: 1 + (lock * 2 + scatter / 7 % 2) % STACKS,
        tenant: 3 + tenant as u32,
        counts: [count, 0, count],
        hold_ns: [count * (100 + scatter % 900), 100, 900],
        ..Acquired::default()
    }
}
