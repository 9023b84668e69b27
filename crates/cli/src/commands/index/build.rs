//! `lima index build`.

use super::cache;
use crate::commands::output::Form;
use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use lima_index::build::{Progress, Sources};
use lima_index::image::Wanted;
use lima_index::store::{self, Index};
use lima_report::index::{Source, source_json, summary};
use serde_json::json;
use std::io::{IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The arguments.
#[derive(Args, Debug)]
#[command(
    about = "Make the index of a kernel",
    long_about = "Make the index of a kernel.\n\nWithout --vmlinux or --vmlinuz it is the running kernel, from the best that \
        is found: an image with debug information in the usual places, the bootable image and its modules, or only the types \
        and symbols that the kernel shows of itself. An index of the same kernel that was made before is taken from the cache \
        (~/.cache/lima/index)."
)]
pub struct Arguments {
    /// The kernel as an ELF file, with debug information or without
    #[arg(long, value_name = "FILE")]
    vmlinux: Option<PathBuf>,
    /// The kernel as it is booted; with --vmlinux, the code for a file of debug information alone
    #[arg(long, value_name = "FILE")]
    vmlinuz: Option<PathBuf>,
    /// Symbols for an image that has none: a System.map, or a copy of /proc/kallsyms
    #[arg(long, value_name = "FILE")]
    kallsyms: Option<PathBuf>,
    /// Index the modules in this folder too [default: those of the running kernel, when that is indexed]
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// Look for debug information here, as in /usr/lib/debug
    #[arg(long, value_name = "DIR")]
    debug_dir: Option<PathBuf>,
    /// Do without debug information, even where there is some
    #[arg(long)]
    bare: bool,
    /// Write the index to this folder too, by convention NAME.limaindex
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Make the index anew, even when the cache has it
    #[arg(long)]
    rebuild: bool,
    /// Form of the summary
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let wanted = Wanted {
        vmlinux: arguments.vmlinux.clone(),
        vmlinuz: arguments.vmlinuz.clone(),
        symbols: arguments.kallsyms.clone(),
        modules: arguments.modules.clone(),
        debug: arguments.debug_dir.clone(),
        ..Wanted::default()
    };
    let sources = Sources::open(&wanted, arguments.bare)?;
    eprintln!("{}", lima_model::escape::terminal(&sources.described()));
    let place = cache::place(&sources)?;
    let cached = if arguments.rebuild { None } else { cache::hit(&place, &sources) };
    let hit = cached.is_some();
    let index = match cached {
        Some(index) => index,
        None => make(sources, &place)?,
    };
    if hit {
        eprintln!("already in the cache: {} (--rebuild makes it anew)", shown(&place));
    }
    let mut path = place.as_path();
    if let Some(output) = &arguments.output {
        cache::copy(&place, output)?;
        path = output;
    }
    show(path, &index, hit, arguments.format)
}

/// Makes an index.
fn make(sources: Sources, place: &Path) -> Result<Index> {
    let bar = progress();
    let report = |progress: Progress<'_>| {
        bar.set_message(progress.stage.to_owned());
        if progress.total > 0 {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        }
    };
    let mut built = sources.build(&report)?;
    bar.set_message("writing");
    cache::prepare(place)?;
    store::write(place, &mut built.manifest, &built.parts)?;
    bar.finish_and_clear();
    Ok(Index::open(place)?)
}

fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len} {elapsed}");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn show(path: &Path, index: &Index, hit: bool, format: Form) -> Result<()> {
    let source = Source { path, manifest: index.manifest() };
    let text = match format {
        Form::Json => {
            let answer =
                json!({"schema": "lima-index-build/1", "index": source_json(&source), "cached": hit, "rows": []});
            format!("{answer:#}\n")
        }
        _ => summary(&source),
    };
    stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}

fn shown(path: &Path) -> String {
    lima_model::escape::terminal(&path.display().to_string())
}
