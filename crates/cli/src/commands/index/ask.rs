//! Questions to an index.

use super::cache;
use crate::commands::output::{Form, Output, top};
use anyhow::{Context, Result};
use clap::Args;
use lima_index::layout::LINE_BYTES;
use lima_index::query;
use lima_index::store::Index;
use lima_model::LockType;
use lima_model::table::Rows;
use lima_report::index::{Answer, Source, Subject, answer};
use lima_report::units;
use std::path::PathBuf;

/// How many rows a table shows when nothing else is asked for.
const ROWS: usize = 50;

/// Which index is asked, and in which form it answers.
#[derive(Args, Debug)]
struct How {
    /// The index, a folder NAME.limaindex [default: that of the running kernel in ~/.cache/lima/index]
    #[arg(long, value_name = "DIR")]
    index: Option<PathBuf>,
    #[command(flatten)]
    form: FormArguments,
}

#[derive(Args, Debug)]
struct FormArguments {
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Show the first N rows, 0 for all [default: 50 in a table, all in other formats]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    #[command(flatten)]
    output: Output,
}

impl How {
    fn index(&self) -> Result<Index> {
        cache::asked(self.index.as_deref())
    }

    fn show(&self, subject: Subject, index: &Index, rows: Rows, notes: &[String]) -> Result<()> {
        self.form.show(subject, index, None, rows, notes)
    }
}

impl FormArguments {
    fn show(
        &self,
        subject: Subject,
        index: &Index,
        before: Option<&Index>,
        mut rows: Rows,
        notes: &[String],
    ) -> Result<()> {
        let all = matches!(subject, Subject::Path | Subject::Layout);
        let top = top(self.top, (self.format == Form::Table && !all).then_some(ROWS)).unwrap_or(usize::MAX);
        let cut = rows.rows.len().saturating_sub(top) as u64;
        rows.rows.truncate(top);
        let source = |index: &'_ Index| (index.folder().to_owned(), index.manifest().clone());
        let (after, before) = (source(index), before.map(source));
        let said = Answer {
            subject,
            index: Source { path: &after.0, manifest: &after.1 },
            before: before.as_ref().map(|(path, manifest)| Source { path, manifest }),
            rows: &rows,
            cut,
            notes,
        };
        self.output.write(&answer(&said, self.format.into(), self.output.width())?)?;
        if self.format == Form::Csv {
            if cut > 0 {
                eprintln!("{}", units::of(cut, "more row", "more rows"));
            }
            notes.iter().for_each(|note| eprintln!("note: {}", lima_model::escape::terminal(note)));
        }
        Ok(())
    }
}

fn lock_types() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(LockType::ALL.iter().map(|lock_type| lock_type.name()))
}

/// `lima index locks`.
#[derive(Args, Debug)]
#[command(after_help = "`*` stands for any text: `lima index locks --struct 'ext4_*' --type rwsem`.")]
pub struct Locks {
    /// Only locks of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = lock_types())]
    lock_type: Option<String>,
    /// Only members of this struct, with the structs that it embeds
    #[arg(long = "struct", value_name = "PATTERN")]
    composite: Option<String>,
    /// Only this object: inode.i_rwsem, tasklist_lock
    #[arg(long, value_name = "PATTERN")]
    object: Option<String>,
    /// Only locks in variables
    #[arg(long, conflicts_with = "composite")]
    globals: bool,
    /// Only of this module; vmlinux is the kernel image
    #[arg(long, value_name = "PATTERN")]
    module: Option<String>,
    #[command(flatten)]
    how: How,
}

impl Locks {
    pub(super) fn answer(&self) -> Result<()> {
        let index = self.how.index()?;
        let wanted = query::Locks {
            lock_type: self.lock_type.clone(),
            composite: self.composite.clone(),
            object: self.object.clone(),
            globals: self.globals,
            module: self.module.clone(),
        };
        self.how.show(Subject::Locks, &index, query::locks(&index, &wanted)?, &[])
    }
}

/// `lima index sites`.
#[derive(Args, Debug)]
#[command(after_help = "`*` stands for any text: `lima index sites --object 'inode.*' --operation acquire`.\n\
    `--method unknown` lists the sites whose object is not known, and why.")]
pub struct Sites {
    /// Only sites of this object: inode.i_rwsem, tasklist_lock
    #[arg(long, value_name = "PATTERN")]
    object: Option<String>,
    /// With --object: also sites that may be of it, where the evidence allows several objects
    #[arg(long, requires = "object")]
    alternatives: bool,
    /// Only sites in this function, also where it was inlined into others
    #[arg(long, value_name = "PATTERN")]
    function: Option<String>,
    /// Only sites that do this; may be given several times
    #[arg(long, value_name = "WORD", value_parser = ["acquire", "try", "release", "init"])]
    operation: Vec<String>,
    /// Only locks of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = lock_types())]
    lock_type: Option<String>,
    /// Only objects that were found this way
    #[arg(long, value_name = "WORD", value_parser = methods())]
    method: Option<String>,
    /// Only of this module; vmlinux is the kernel image
    #[arg(long, value_name = "PATTERN")]
    module: Option<String>,
    #[command(flatten)]
    how: How,
}

fn methods() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(lima_model::words::SiteMethod::ALL.iter().map(|method| method.name()))
}

impl Sites {
    pub(super) fn answer(&self) -> Result<()> {
        let index = self.how.index()?;
        let wanted = query::Sites {
            object: self.object.clone(),
            alternatives: self.alternatives,
            function: self.function.clone(),
            operations: self.operation.clone(),
            lock_type: self.lock_type.clone(),
            method: self.method.clone(),
            module: self.module.clone(),
        };
        self.how.show(Subject::Sites, &index, query::sites(&index, &wanted)?, &[])
    }
}

/// `lima index calls`.
#[derive(Args, Debug)]
#[command(
    group(clap::ArgGroup::new("which").required(true).args(["from", "to"])),
    after_help = "A function is a symbol, a pattern (`ext4_*`), a system call (`write` for __x64_sys_write) or an address."
)]
pub struct Calls {
    /// The calls that this function does
    #[arg(long, value_name = "FUNCTION")]
    from: Option<String>,
    /// The calls of this function
    #[arg(long, value_name = "FUNCTION")]
    to: Option<String>,
    /// How many calls deep
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    depth: u32,
    #[command(flatten)]
    how: How,
}

impl Calls {
    pub(super) fn answer(&self) -> Result<()> {
        let index = self.how.index()?;
        let (function, direction) = match (&self.from, &self.to) {
            (Some(from), _) => (from, query::Direction::From),
            (None, to) => (to.as_ref().context("which function? --from or --to")?, query::Direction::To),
        };
        let wanted = query::Calls { function: function.clone(), direction, depth: self.depth };
        self.how.show(Subject::Calls, &index, query::calls(&index, &wanted)?, &[])
    }
}

/// `lima index path`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: `lima index path write inode.i_rwsem`. A call through a pointer (`through` names the member) may \
        lead to every function that some variable or code is known to put there: whether it does with this object, the \
        index does not say."
)]
pub struct Path {
    /// Where to start: a function, or a system call (`write` for __x64_sys_write)
    #[arg(value_name = "FUNCTION")]
    from: String,
    /// The lock, as `lima index locks` calls it; `*` stands for any text
    #[arg(value_name = "LOCK")]
    lock: String,
    #[command(flatten)]
    how: How,
}

impl Path {
    pub(super) fn answer(&self) -> Result<()> {
        let index = self.how.index()?;
        let found = query::path(&index, &self.from, &self.lock)?;
        let mut notes = Vec::new();
        if found.rows.rows.is_empty() {
            let functions = units::of(found.functions as u64, "function was", "functions were");
            let calls = units::of(found.indirect as u64, "call goes through a pointer", "calls go through pointers");
            notes.push(format!("{functions} looked at; {calls}, nobody knows where"));
        }
        self.how.show(Subject::Path, &index, found.rows, &notes)
    }
}

/// `lima index show`.
#[derive(Args, Debug)]
#[command(
    after_help = "Layouts are read from the kernel's image again, which must still be where the index was made from."
)]
pub struct Show {
    /// The struct or union, or a typedef of one: inode
    #[arg(value_name = "STRUCT")]
    name: String,
    /// Also the members of the structs inside that have locks
    #[arg(long)]
    expand: bool,
    #[command(flatten)]
    how: How,
}

impl Show {
    pub(super) fn answer(&self) -> Result<()> {
        let index = self.how.index()?;
        let rows = query::show(&index, &self.name, self.expand)?;
        let bytes = rows.number(0, "struct_size");
        let lines = bytes.div_ceil(u64::from(LINE_BYTES));
        let notes = [format!("{bytes} bytes, {}", units::of(lines, "cache line", "cache lines"))];
        self.how.show(Subject::Layout, &index, rows, &notes)
    }
}

/// `lima index at`.
#[derive(Args, Debug)]
pub struct At {
    /// The address, in hex, as the image has it (System.map, `nm vmlinux`)
    #[arg(value_name = "ADDRESS", value_parser = address)]
    address: u64,
    /// The address is one of the running kernel (/proc/kallsyms, a stack in the log), which has moved since (KASLR)
    #[arg(long)]
    running: bool,
    #[command(flatten)]
    how: How,
}

fn address(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).map_err(|_| "not an address such as 0xffffffff81000000".to_owned())
}

impl At {
    pub(super) fn answer(&self) -> Result<()> {
        let index = self.how.index()?;
        let address = if self.running { query::of_running(&index, self.address)? } else { self.address };
        self.how.show(Subject::At, &index, query::at(&index, address)?, &[])
    }
}

/// `lima index diff`.
#[derive(Args, Debug)]
#[command(after_help = "Sites are matched by function and order, not by address.")]
pub struct Diff {
    /// The older index, a folder NAME.limaindex
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The newer index
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    #[command(flatten)]
    form: FormArguments,
}

impl Diff {
    pub(super) fn answer(&self) -> Result<()> {
        let (before, after) = (Index::open(&self.before)?, Index::open(&self.after)?);
        let mut notes = Vec::new();
        let mode = |index: &Index| index.manifest().mode.name();
        if mode(&before) != mode(&after) {
            notes.push(
                "one index was made with debug information and the other without: objects differ for that alone"
                    .to_owned(),
            );
        }
        let rows = query::diff(&before, &after)?;
        self.form.show(Subject::Diff, &after, Some(&before), rows, &notes)
    }
}
