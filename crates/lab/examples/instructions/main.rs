//! What tracing every acquisition costs, counted in kernel instructions: the program behind `make bench-acquisitions`.
//!
//! In a guest whose instructions are counted (`lima lab run --count`), the test module takes and lets go a free lock
//! again and again: alone, under programs that do nothing but count, under `lima record`, and on the kernel with lockdep
//! under what that kernel has of its own. The difference between a long and a short run is that of the turns alone, and
//! the difference to the run alone is what tracing costs. Counts do not depend on how busy the machine is.

mod bare;
mod guest;
mod storm;
mod variants;

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use variants::{KINDS, VARIANTS, Variant};

/// What is asked for on the command line.
#[derive(Debug)]
struct Wanted {
    /// The program to measure.
    lima: PathBuf,
    /// Only variants whose name has this in it.
    only: String,
    /// Only on this kernel.
    kernel: String,
    /// Where a table of instructions by function of the kernel goes.
    functions: Option<PathBuf>,
    /// The rename storm, and nothing else.
    storm: bool,
}

impl Wanted {
    /// What is compared with comes along.
    fn includes(&self, variant: &Variant) -> bool {
        variant.name.contains(&self.only) && variant.kernel.contains(&self.kernel)
            || variant.alone() && variant.kernel == self.kernel
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    // What runs in the guest.
    if arguments.next_if(|first| first == "bare").is_some() {
        return bare::run(&arguments.collect::<Vec<OsString>>());
    }
    if arguments.next_if(|first| first == "storm").is_some() {
        let count = arguments.next().and_then(|count| count.to_str()?.parse().ok()).context("storm COUNT")?;
        return storm::rename(count);
    }
    let wanted = wanted(arguments)?;
    if wanted.storm {
        print!("{}", storm::table(&wanted.lima)?);
        return Ok(());
    }
    let mut rows: Vec<(&Variant, Vec<f64>)> = Vec::new();
    for variant in VARIANTS.iter().filter(|variant| wanted.includes(variant)) {
        if !guest::has_kernel(variant.kernel)? {
            eprintln!("left out: {} (the kernel {} is not cached)", variant.name, variant.kernel);
            continue;
        }
        eprintln!("{}, Linux {}", variant.name, variant.kernel);
        let per_event = guest::measure(variant, &wanted.lima, wanted.functions.as_deref())
            .with_context(|| format!("{} on {}", variant.name, variant.kernel))?;
        rows.push((variant, per_event));
    }
    print!("{}", table(&rows));
    Ok(())
}

/// Kernel instructions per event, above those of the same kernel without tracing where that was measured.
fn table(rows: &[(&Variant, Vec<f64>)]) -> String {
    let mut text = format!("{:<44}{:<9}", "kernel instructions per event", "kernel");
    for (name, _) in KINDS {
        let _ = write!(text, "{name:>20}");
    }
    text.push('\n');
    for (variant, per_event) in rows {
        let alone = rows.iter().find(|(other, _)| other.alone() && other.kernel == variant.kernel);
        let alone = alone.filter(|_| !variant.alone()).map(|(_, alone)| alone);
        let _ = write!(text, "{:<44}{:<9}", variant.name, variant.kernel);
        for (at, each) in per_event.iter().enumerate() {
            let shown = match alone {
                Some(alone) => format!("+{:.0}", each - alone[at]),
                None => format!("{each:.0}"),
            };
            let _ = write!(text, "{shown:>20}");
        }
        text.push('\n');
    }
    text
}

fn wanted(mut arguments: impl Iterator<Item = OsString>) -> Result<Wanted> {
    let mut wanted =
        Wanted { lima: PathBuf::new(), only: String::new(), kernel: String::new(), functions: None, storm: false };
    while let Some(name) = arguments.next() {
        let name = name.to_string_lossy().into_owned();
        if name == "--help" {
            println!(
                "benches/acquisitions [--only PART_OF_A_NAME] [--kernel 6.1|lockdep] [--functions FOLDER] | --storm"
            );
            std::process::exit(0);
        }
        if name == "--storm" {
            wanted.storm = true;
            continue;
        }
        let value = arguments.next().with_context(|| format!("{name} wants a value"))?;
        match &*name {
            "--lima" => wanted.lima = value.into(),
            "--kernel" => wanted.kernel = value.to_string_lossy().into_owned(),
            "--only" => wanted.only = value.to_string_lossy().into_owned(),
            "--functions" => wanted.functions = Some(value.into()),
            _ => bail!("unknown option {name}; there are --only, --kernel, --functions and --storm"),
        }
    }
    if !wanted.lima.is_file() {
        bail!("there is no lima at {}; `make build` makes it", wanted.lima.display());
    }
    Ok(wanted)
}
