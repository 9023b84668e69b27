//! The figures as people read them, beside the goals.

use crate::Run;
use crate::load::{self, Done};
use crate::recorder::{Cost, Under};
use serde_json::{Value, json};
use std::fmt::Write;

const MIB: f64 = 1024.0 * 1024.0;
/// The rate of waits for which the goal on the whole cost is set.
const GOAL_RATE_PER_S: f64 = 20_000.0;

/// What was measured on.
pub fn machine() -> Value {
    let name = rustix::system::uname();
    json!({
        "kernel": name.release().to_string_lossy(),
        "cpus": cpus(),
        "load": load::command_line(),
    })
}

/// The figures with their goals, then round by round.
pub fn table(runs: &[Run]) -> String {
    let lima = figures(runs, Under::Lima);
    let with_statistics = figures(runs, Under::LimaWithStatistics);
    let perf = figures(runs, Under::Perf);

    let rate = median(with_statistics.iter().map(|cost| cost.waits as f64 / cost.load_s));
    let each = |ns: u64, cost: &Cost| ns as f64 / cost.waits.max(1) as f64;
    let bpf_ns = median(with_statistics.iter().map(|cost| each(cost.bpf_ns.values().sum(), cost)));
    let machine = |cost: &Cost| cost.cpu_s / cost.load_s / cpus() as f64 * 100.0;
    let own = median(lima.iter().map(machine));
    let bpf_at = |rate: f64| bpf_ns / 1e9 * rate / cpus() as f64 * 100.0;
    let resident = |costs: &[Cost]| costs.iter().map(|cost| cost.resident_bytes as f64 / MIB).fold(0.0, f64::max);
    let written = |costs: &[Cost]| median(costs.iter().map(|cost| cost.written_bytes as f64 / MIB / cost.load_s));
    let slow = slowdowns(runs, Under::Lima);
    let slow_perf = slowdowns(runs, Under::Perf);
    let better = slow.iter().zip(&slow_perf).filter(|(lima, perf)| lima < perf).count();

    let mut out = String::new();
    let mut row = |what: &str, lima: String, perf: String, goal: String| {
        let _ = writeln!(out, "{what:<44} {lima:>16} {perf:>16}   {goal}");
    };
    row("", "lima record".into(), "perf lock record".into(), "goal for lima".into());
    let perf_rate = median(perf.iter().map(|cost| cost.waits as f64 / cost.load_s));
    row("waits a second", format!("{rate:.0}"), format!("{perf_rate:.0}"), "at least 20000".into());
    row("BPF time a wait, ns", format!("{bpf_ns:.0}"), String::new(), "at most 650".into());
    for name in with_statistics.first().into_iter().flat_map(|cost| cost.bpf_ns.keys()) {
        let part = median(with_statistics.iter().map(|cost| each(cost.bpf_ns[name], cost)));
        if part >= 1.0 {
            row(&format!("  in {name}"), format!("{part:.0}"), String::new(), String::new());
        }
    }
    row(
        "own CPU, % of the machine",
        format!("{own:.2}"),
        format!("{:.2}", median(perf.iter().map(machine))),
        String::new(),
    );
    row("BPF and own CPU, % of the machine", format!("{:.2}", bpf_at(rate) + own), String::new(), String::new());
    // The recorder's own time does not grow in step with the waits; taken as it is, it is rather too much.
    let scaled = format!("{:.2}", bpf_at(GOAL_RATE_PER_S) + own);
    row("the same at 20,000 waits a second, %", scaled, String::new(), "under 1".into());
    let percent = |slow: &[f64]| format!("{:.1}", median(slow.iter().copied()) * 100.0);
    row("slowdown of the load, %", percent(&slow), percent(&slow_perf), String::new());
    row("rounds with less slowdown than perf", format!("{better} of {}", slow_perf.len()), String::new(), "all".into());
    row(
        "resident memory at most, MiB",
        format!("{:.1}", resident(&lima)),
        format!("{:.1}", resident(&perf)),
        "under 64".into(),
    );
    let maps = median(lima.iter().map(|cost| cost.maps_bytes as f64 / MIB));
    row("BPF maps, MiB", format!("{maps:.1}"), String::new(), String::new());
    row("written a second, MiB", format!("{:.2}", written(&lima)), format!("{:.2}", written(&perf)), "under 1".into());
    let start = |costs: &[Cost]| format!("{:.2}", median(costs.iter().map(|cost| cost.cpu_whole_s - cost.cpu_s)));
    row("CPU to start and to finish, s", start(&lima), start(&perf), String::new());
    let complete = lima.iter().chain(&with_statistics).filter(|cost| cost.complete).count();
    let all = lima.len() + with_statistics.len();
    row("traces without any loss", format!("{complete} of {all}"), String::new(), String::new());

    let _ = writeln!(out, "\nslowdown by round, %: lima {}, perf {}", list(&slow), list(&slow_perf));
    let by_round = with_statistics.iter().map(|cost| {
        format!("{:.0} at {:.0}/s", each(cost.bpf_ns.values().sum(), cost), cost.waits as f64 / cost.load_s)
    });
    let _ = writeln!(out, "BPF time a wait by round, ns: {}", by_round.collect::<Vec<_>>().join(", "));
    let _ = writeln!(
        out,
        "load: {}; {} CPUs; medians over the rounds where not said otherwise",
        load::command_line(),
        cpus()
    );
    out
}

fn figures(runs: &[Run], under: Under) -> Vec<Cost> {
    runs.iter().filter(|run| run.under == under).filter_map(|run| run.cost.clone()).collect()
}

/// How much slower the load was than without tracing in the same round.
fn slowdowns(runs: &[Run], under: Under) -> Vec<f64> {
    let mean = |kind: Under, round: usize| {
        Done::mean(runs.iter().filter(|run| run.under == kind && run.round == round).map(|run| &run.load))
    };
    let rounds = runs.iter().map(|run| run.round + 1).max().unwrap_or_default();
    (0..rounds).filter_map(|round| Some(mean(under, round)?.slowdown(&mean(Under::Nothing, round)?))).collect()
}

fn list(parts: &[f64]) -> String {
    parts.iter().map(|part| format!("{:.1}", part * 100.0)).collect::<Vec<_>>().join(" ")
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[length / 2],
        length => (values[length / 2 - 1] + values[length / 2]) / 2.0,
    }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}
