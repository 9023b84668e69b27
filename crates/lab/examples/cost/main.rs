//! What recording costs: the program behind `make bench`. It needs nothing of LIMA but the command itself.
//!
//! One load with more than 20,000 contentions a second runs again and again: alone, under `lima record`, under
//! `lima record` with the kernel's own BPF statistics, and under `perf lock record`. A round is made of short turns of
//! all four, over and over, each time beginning with another one, so that a machine that changes its speed changes it
//! for all. The figures stand beside the goals they are meant to reach.

mod load;
mod recorder;
mod summary;

use anyhow::{Context, Result, bail};
use load::Done;
use recorder::{Cost, Under};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What is asked for on the command line.
#[derive(Debug)]
pub struct Wanted {
    /// The program to measure.
    lima: PathBuf,
    /// How many rounds.
    rounds: usize,
    /// How many turns each has in a round.
    turns: usize,
    /// How long the load runs each time.
    seconds: u32,
    /// Where the figures go as JSON.
    json: Option<PathBuf>,
}

/// One run of the load.
#[derive(Debug, Serialize)]
pub struct Run {
    round: usize,
    under: Under,
    load: Done,
    cost: Option<Cost>,
}

fn main() -> Result<()> {
    let wanted = arguments()?;
    load::check()?;
    // In memory, where no disk makes the load or the recorders wait.
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = parent.join(format!("lima-bench-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let runs = measure(&wanted, &folder);
    std::fs::remove_dir_all(&folder)?;
    let runs = runs?;
    print!("{}", summary::table(&runs));
    if let Some(path) = &wanted.json {
        let figures = serde_json::json!({ "schema": "lima-bench/1", "machine": summary::machine(), "runs": runs });
        std::fs::write(path, serde_json::to_vec_pretty(&figures)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("\nall figures: {}", path.display());
    }
    Ok(())
}

fn measure(wanted: &Wanted, folder: &Path) -> Result<Vec<Run>> {
    let mut kinds = vec![Under::Nothing, Under::Lima, Under::LimaWithStatistics];
    if recorder::perf_works() {
        kinds.push(Under::Perf);
    } else {
        eprintln!("perf is not installed: measuring without it");
    }
    let _settings = recorder::StatisticsOff::set()?;
    let mut runs = Vec::new();
    for round in 0..wanted.rounds {
        for turn in 0..wanted.turns {
            for &under in &kinds {
                // For the time of BPF programs, which is steady, one turn a round is enough.
                if under == Under::LimaWithStatistics && turn > 0 {
                    continue;
                }
                eprintln!(
                    "round {} of {}, turn {} of {}: {}",
                    round + 1,
                    wanted.rounds,
                    turn + 1,
                    wanted.turns,
                    under.name()
                );
                let (load, cost) = recorder::run(under, wanted, folder)?;
                runs.push(Run { round, under, load, cost });
            }
            kinds.rotate_left(1);
        }
    }
    Ok(runs)
}

fn arguments() -> Result<Wanted> {
    let mut wanted = Wanted { lima: PathBuf::new(), rounds: 5, turns: 10, seconds: 2, json: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--help" {
            println!("benches/run [--rounds N] [--turns N] [--seconds S] [--json FILE]");
            std::process::exit(0);
        }
        let value = arguments.next().with_context(|| format!("{name} wants a value"))?;
        match &*name {
            "--lima" => wanted.lima = value.into(),
            "--rounds" => wanted.rounds = value.parse().context("--rounds wants a number")?,
            "--turns" => wanted.turns = value.parse().context("--turns wants a number")?,
            "--seconds" => wanted.seconds = value.parse().context("--seconds wants a number")?,
            "--json" => wanted.json = Some(value.into()),
            _ => bail!("unknown option {name}; there are --rounds, --turns, --seconds and --json"),
        }
    }
    if !wanted.lima.is_file() {
        bail!("there is no lima at {}; `make build` makes it", wanted.lima.display());
    }
    if wanted.rounds == 0 || wanted.turns == 0 || wanted.seconds == 0 {
        bail!("at least one round of one turn of one second is needed");
    }
    Ok(wanted)
}
