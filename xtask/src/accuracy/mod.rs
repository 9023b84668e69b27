//! `cargo xtask accuracy`: how often an index is right about what its sites lock.
//!
//! The truth comes from the text of the kernel's source alone: see `crate::source`.

mod rows;
mod scoreboard;
mod verdict;

use crate::source::locks;
use crate::source::scope::Source;
use crate::source::tree::join;
use crate::source::truth::{Form, Frame, Oracle, Silence, Truth};
use anyhow::{Context, Result, bail};
use rows::{Site, Sites};
use rustc_hash::FxHashMap;
use scoreboard::Scoreboard;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use verdict::{Verdict, verdict, written};

/// How the command is used.
pub const USAGE: &str = "\
cargo xtask accuracy [--source DIR] [--config FILE] --dwarf SITES [--bare SITES] [--limits FILE] [--list FILE]

Compares the sites of an index with what the kernel's source says, and prints a scoreboard. SITES is what
`lima index sites --format json` prints; `--bare` sites have no file and line: they take them from `--dwarf`.
  --source DIR    the kernel's source (default: that of Debian's 6.1.0-50-cloud-amd64 in ~/.cache/lima)
  --config FILE   the configuration that it was built with (default: of the same kernel)
  --limits FILE   what the scores must keep; the command fails where they do not
  --list FILE     write every site: address, function, place, statement, source, answer, method, verdict
  --operations X  which sites: acquire, try, release, init, with commas (default: acquire,try)
  --wrong N       print at most N answers that the source contradicts, per mode (default: all)
";

struct Options {
    source: PathBuf,
    config: PathBuf,
    dwarf: Option<PathBuf>,
    bare: Option<PathBuf>,
    limits: Option<PathBuf>,
    list: Option<PathBuf>,
    operations: Vec<String>,
    wrong: usize,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self> {
        let cache = PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache/lima/kernels");
        let mut options = Self {
            source: cache.join("src61/linux-source-6.1"),
            config: cache.join("d61/boot/config-6.1.0-50-cloud-amd64"),
            dwarf: None,
            bare: None,
            limits: None,
            list: None,
            operations: vec!["acquire".to_owned(), "try".to_owned()],
            wrong: usize::MAX,
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest.next().with_context(|| format!("{name} needs a value\n\n{USAGE}"))?;
            match name.as_str() {
                "--source" => options.source = value.into(),
                "--config" => options.config = value.into(),
                "--dwarf" => options.dwarf = Some(value.into()),
                "--bare" => options.bare = Some(value.into()),
                "--limits" => options.limits = Some(value.into()),
                "--list" => options.list = Some(value.into()),
                "--operations" => options.operations = value.split(',').map(str::to_owned).collect(),
                "--wrong" => options.wrong = value.parse().context("--wrong needs a number")?,
                _ => bail!("no option {name}\n\n{USAGE}"),
            }
        }
        Ok(options)
    }

    /// Not judged is what lock functions take by what they are: there an index cannot be wrong.
    fn judges(&self, site: &Site) -> bool {
        self.operations.contains(&site.operation) && site.method != "function"
    }
}

/// What the source says of one site.
struct Known {
    frames: Vec<Frame>,
    truth: Result<Truth, Silence>,
}

/// Runs the command; whether all limits are kept.
pub fn run(arguments: &[String]) -> Result<bool> {
    let options = Options::read(arguments)?;
    let Some(dwarf) = &options.dwarf else { bail!("--dwarf is missing\n\n{USAGE}") };
    let config = fs::read_to_string(&options.config)
        .with_context(|| format!("cannot read the configuration {}", options.config.display()))?;
    if !options.source.join("include/linux").is_dir() {
        bail!("{} is no kernel source: it has no include/linux", options.source.display());
    }
    let dwarf = Sites::read(dwarf)?;
    let bare = options.bare.as_deref().map(Sites::read).transpose()?;
    let mut oracle = Oracle::new(Source::new(&options.source, &config));
    let mut paths = Paths { root: &options.source, known: FxHashMap::default() };
    let mut known = FxHashMap::default();
    for site in dwarf.rows.iter().filter(|site| options.judges(site)) {
        let frames: Vec<Frame> = site.frames().iter().map(|frame| paths.in_tree(frame)).collect();
        let truth = oracle.truth(&site.primitive, &frames);
        known.insert(site.key(), Known { frames, truth });
    }
    forms(known.values());
    let mut list = options.list.as_deref().map(File::create).transpose()?.map(BufWriter::new);
    let limits = options.limits.as_deref().map(fs::read_to_string).transpose()?.unwrap_or_default();
    let mut broken = Vec::new();
    for (mode, sites) in [("dwarf", Some(&dwarf)), ("bare", bare.as_ref())] {
        let Some(sites) = sites else { continue };
        let mut board = Scoreboard::default();
        let mut modules = Scoreboard::default();
        let mut wrong = 0usize;
        let mut unmatched = 0usize;
        for site in sites.rows.iter().filter(|site| options.judges(site)) {
            let known = known.get(&site.key());
            unmatched += usize::from(known.is_none());
            let truth = known.and_then(|known| known.truth.as_ref().ok());
            let file = known.and_then(|known| known.frames.last()).map_or("", |frame| &frame.file);
            let verdict = truth.map(|truth| verdict(site, truth, &mut oracle, file));
            let family = locks::call(&site.primitive).map_or("other", |call| call.family);
            let board = if site.module.is_some() { &mut modules } else { &mut board };
            board.add(family, site.resolved(), verdict);
            if let (Some(list), Some(known)) = (&mut list, known) {
                writeln!(list, "{mode}\t{}", line(site, known, verdict, &mut oracle))?;
            }
            if let (Some(Verdict::Wrong), Some(known)) = (verdict, known) {
                wrong += 1;
                if wrong <= options.wrong {
                    println!("{mode}: {}", line(site, known, verdict, &mut oracle).replace('\t', "  "));
                }
            }
        }
        for (mode, board) in [(mode.to_owned(), board), (format!("{mode}-modules"), modules)] {
            if board.total().sites > 0 {
                println!("\n{}", board.table(&mode));
                broken.extend(board.broken(&mode, &limits)?);
            }
        }
        if unmatched > 0 {
            println!("{mode}: {unmatched} sites that the index with DWARF does not have\n");
        }
    }
    for broken in &broken {
        println!("limit not kept: {broken}");
    }
    Ok(broken.is_empty())
}

/// One site with all that a person needs to judge who is right.
fn line(site: &Site, known: &Known, verdict: Option<Verdict>, oracle: &mut Oracle) -> String {
    let places: Vec<String> = known.frames.iter().map(|frame| format!("{}:{}", frame.file, frame.line)).collect();
    let place = known.frames.iter().find(|frame| !locks::is_lock_header(&frame.file));
    let text = place.map_or("", |frame| oracle.line(&frame.file, frame.line).trim());
    let (truth, how) = match &known.truth {
        Ok(truth) => (format!("{} [{:?}: {}]", written(truth), truth.form, truth.statement), String::new()),
        Err(why) => (String::new(), format!("{why:?}")),
    };
    let verdict = verdict.map_or(how, |verdict| format!("{verdict:?}"));
    let module = site.module.as_deref().map(|module| format!("{module}:")).unwrap_or_default();
    let cause = site.cause.as_deref().unwrap_or("");
    let others = site.alternatives.join(" | ");
    [
        &verdict,
        &format!("{module}{}", site.address),
        &site.function,
        &site.primitive,
        &places.join(" < "),
        text,
        &truth,
        &site.object,
        &site.method,
        cause,
        &others,
    ]
    .join("\t")
}

/// How many sites the source speaks of, by the form of what it says.
fn forms<'a>(known: impl Iterator<Item = &'a Known>) {
    let mut counts: BTreeMap<Result<Form, Silence>, usize> = BTreeMap::new();
    for known in known {
        *counts.entry(known.truth.as_ref().map(|truth| truth.form).map_err(|why| *why)).or_default() += 1;
    }
    let all: usize = counts.values().sum();
    let says: usize = counts.iter().filter(|(form, _)| form.is_ok()).map(|(_, count)| count).sum();
    println!("The source says what {says} of {all} sites lock:");
    for (form, count) in counts {
        match form {
            Ok(form) => println!("{count:>8} {form:?}"),
            Err(why) => println!("{count:>8} not: {why:?}"),
        }
    }
    println!();
}

/// Paths as the compiler had them, and what they are in the tree.
struct Paths<'a> {
    root: &'a Path,
    known: FxHashMap<String, String>,
}

impl Paths<'_> {
    fn in_tree(&mut self, frame: &Frame) -> Frame {
        if !self.known.contains_key(&frame.file) {
            let found = find(self.root, &frame.file);
            self.known.insert(frame.file.clone(), found);
        }
        Frame { file: self.known[&frame.file].clone(), line: frame.line }
    }
}

/// The longest end of a path that is a file of the tree.
fn find(root: &Path, path: &str) -> String {
    let whole = join("", path);
    let mut rest = whole.as_str();
    while !root.join(rest).is_file() {
        match rest.split_once('/') {
            Some((_, shorter)) => rest = shorter,
            None => return whole,
        }
    }
    rest.to_owned()
}
