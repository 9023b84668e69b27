//! Stacks by name: the frames of each, the site where it waits, and the object that its functions hint at.

use crate::pattern;
use anyhow::{Context, Result};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{UInt32Type, UInt64Type};
use lima_model::machinery::{Part, is_border, part};
use lima_model::source::is_of_lock;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Where a kernel stack waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The innermost function outside the lock primitives, with the offset: `do_renameat2+0x1a`.
    pub site: String,
    /// What that function, or one that is the customary way to take one certain lock, says about the object:
    /// `do_renameat2()`. `None` when it is not known which function it is.
    pub object: Option<String>,
    /// Whether a sleeping lock is being taken: a spinlock waited for on this stack is that lock's own.
    pub wait_lock: bool,
}

/// What the trace knows of an address.
#[derive(Clone, Debug)]
struct Frame {
    symbol: Option<String>,
    offset: u64,
    module: Option<String>,
}

/// A function of the source, inlined or not, and the line in it.
#[derive(Clone, Debug)]
struct Line {
    function: String,
    file: String,
    line: u32,
}

impl Line {
    /// ` file:line`, as far as it is known.
    fn place(&self) -> String {
        match (&*self.file, self.line) {
            ("", _) => String::new(),
            (file, 0) => format!(" {file}"),
            (file, line) => format!(" {file}:{line}"),
        }
    }
}

/// All stacks and all names of addresses of a trace.
#[derive(Debug, Default)]
pub struct Stacks {
    kernel: BTreeMap<u64, Vec<u64>>,
    user: HashMap<u64, (u32, Vec<u64>)>,
    frames: HashMap<(u32, u64), Frame>,
    /// Addresses as places in the source, innermost function first.
    lines: HashMap<(u32, u64), Vec<Line>>,
    /// Names in the kernel that several functions (or several variables) share.
    shared: HashSet<String>,
}

/// How a stack shows that is not in the trace.
pub const MISSING: &str = "[stack missing]";
/// How the site of a stack shows that has nothing but lock primitives.
const NO_USER: &str = "[only lock functions]";
/// The process number of kernel frames.
const KERNEL: u32 = 0;

impl Stacks {
    /// Adds rows of the table `stacks`: stack_id, kind, tgid, addresses.
    pub(crate) fn add_stacks(&mut self, batch: &RecordBatch) -> Result<()> {
        let ids = batch.column(0).as_primitive_opt::<UInt64Type>().context("`stack_id` is not a number")?;
        let kinds = batch.column(1).as_string_opt::<i32>().context("`kind` is not text")?;
        let tgids = batch.column(2).as_primitive_opt::<UInt32Type>().context("`tgid` is not a number")?;
        let lists = batch.column(3).as_list_opt::<i32>().context("`addresses` is not a list")?;
        for row in 0..batch.num_rows() {
            let list = lists.value(row);
            let list = list.as_primitive_opt::<UInt64Type>().context("`addresses` holds no numbers")?;
            let addresses = list.values().to_vec();
            if kinds.value(row) == "user" {
                let tgid = if tgids.is_valid(row) { tgids.value(row) } else { KERNEL };
                self.user.insert(ids.value(row), (tgid, addresses));
            } else {
                self.kernel.insert(ids.value(row), addresses);
            }
        }
        Ok(())
    }

    /// Adds rows of the table `frames`: tgid, address, symbol, offset, module.
    pub(crate) fn add_frames(&mut self, batch: &RecordBatch) -> Result<()> {
        let tgids = batch.column(0).as_primitive_opt::<UInt32Type>().context("`tgid` is not a number")?;
        let addresses = batch.column(1).as_primitive_opt::<UInt64Type>().context("`address` is not a number")?;
        let symbols = batch.column(2).as_string_opt::<i32>().context("`symbol` is not text")?;
        let offsets = batch.column(3).as_primitive_opt::<UInt64Type>().context("`offset` is not a number")?;
        let modules = batch.column(4).as_string_opt::<i32>().context("`module` is not text")?;
        let text = |array: &arrow::array::StringArray, row| array.is_valid(row).then(|| array.value(row).to_owned());
        for row in 0..batch.num_rows() {
            let frame = Frame { symbol: text(symbols, row), offset: offsets.value(row), module: text(modules, row) };
            self.frames.insert((tgids.value(row), addresses.value(row)), frame);
        }
        Ok(())
    }

    /// Adds rows of the tables `lines` and `user_lines`: tgid, address, functions, files, lines.
    pub(crate) fn add_lines(&mut self, batch: &RecordBatch) -> Result<()> {
        let tgids = batch.column(0).as_primitive_opt::<UInt32Type>().context("`tgid` is not a number")?;
        let addresses = batch.column(1).as_primitive_opt::<UInt64Type>().context("`address` is not a number")?;
        let lists = |column: usize| batch.column(column).as_list_opt::<i32>().context("a column of `lines` is no list");
        let (functions, files, lines) = (lists(2)?, lists(3)?, lists(4)?);
        for row in 0..batch.num_rows() {
            let (functions, files, lines) = (functions.value(row), files.value(row), lines.value(row));
            let functions = functions.as_string_opt::<i32>().context("`functions` holds no texts")?;
            let files = files.as_string_opt::<i32>().context("`files` holds no texts")?;
            let lines = lines.as_primitive_opt::<UInt32Type>().context("`lines` holds no numbers")?;
            let chain = functions.iter().zip(files.iter()).zip(lines.iter()).map(|((function, file), line)| Line {
                function: function.unwrap_or_default().to_owned(),
                file: file.unwrap_or_default().to_owned(),
                line: line.unwrap_or_default(),
            });
            self.lines.insert((tgids.value(row), addresses.value(row)), chain.collect());
        }
        Ok(())
    }

    /// Call when everything has been added: finds the names that are not unique.
    pub(crate) fn finish(&mut self) {
        let mut starts: HashMap<String, u64> = HashMap::new();
        for (&(tgid, address), frame) in &self.frames {
            let Some(symbol) = frame.symbol.as_deref().filter(|_| tgid == KERNEL) else { continue };
            let name = in_module(symbol, frame.module.as_deref());
            let start = address.wrapping_sub(frame.offset);
            if *starts.entry(name.clone()).or_insert(start) != start {
                self.shared.insert(name);
            }
        }
    }

    /// Every kernel stack's site, by stack id.
    pub fn sites(&self) -> impl Iterator<Item = (u64, Site)> + '_ {
        self.kernel.iter().map(|(&id, addresses)| (id, self.site(addresses)))
    }

    /// Kernel addresses by name, `symbol` or `symbol+0x18`: a lock that is among them is a variable of the kernel.
    pub fn symbols(&self) -> impl Iterator<Item = (u64, String)> + '_ {
        self.frames
            .iter()
            .filter(|&(&(tgid, _), frame)| tgid == KERNEL && !frame.symbol.as_deref().is_some_and(is_border))
            .filter_map(|(&(_, address), _)| Some((address, self.named(address, "", |offset| offset > 0)?)))
    }

    /// The kernel stacks with a function that fits a pattern.
    pub fn with_function(&self, wanted: &str) -> Vec<u64> {
        let fits = |address: &u64| {
            self.frames
                .get(&(KERNEL, *address))
                .and_then(|frame| frame.symbol.as_deref())
                .is_some_and(|symbol| pattern::fits(wanted, symbol))
        };
        self.kernel.iter().filter(|(_, addresses)| addresses.iter().any(fits)).map(|(&id, _)| id).collect()
    }

    /// The frames of a kernel stack, innermost first, with offsets or as bare functions.
    pub fn kernel_frames(&self, id: u64, offsets: bool) -> Vec<String> {
        match self.kernel.get(&id) {
            Some(addresses) if !addresses.is_empty() => {
                let mut frames = Vec::with_capacity(addresses.len());
                for &address in addresses {
                    self.push_frames(&mut frames, KERNEL, address, offsets);
                }
                frames
            }
            _ => vec![MISSING.to_owned()],
        }
    }

    /// The functions that an address is in: those inlined there, then the function itself.
    fn push_frames(&self, frames: &mut Vec<String>, tgid: u32, address: u64, offsets: bool) {
        let itself = match tgid {
            KERNEL => self.named(address, "", |_| offsets),
            _ => self.user_named(tgid, address, offsets),
        };
        let itself = itself.unwrap_or_else(|| format!("{address:#x}"));
        let Some((last, inlined)) = self.lines.get(&(tgid, address)).and_then(|chain| chain.split_last()) else {
            frames.push(itself);
            return;
        };
        for line @ Line { function, .. } in inlined {
            frames.push(if offsets { format!("{function} (inlined){}", line.place()) } else { function.clone() });
        }
        frames.push(if offsets { format!("{itself}{}", last.place()) } else { itself });
    }

    /// Where in the source an address is, outside of the functions that are part of a lock.
    fn source(&self, address: u64) -> Option<String> {
        let chain = self.lines.get(&(KERNEL, address))?;
        let place = chain.iter().find(|line| !is_of_lock(&line.function, &line.file)).or(chain.last())?;
        Some(format!("{}:{}", place.file, place.line))
    }

    /// The frames of a user stack, innermost first, with offsets or as bare functions; none when the trace has no such stack.
    pub fn user_frames(&self, id: u64, offsets: bool) -> Vec<String> {
        let mut frames = Vec::new();
        if let Some((tgid, addresses)) = self.user.get(&id) {
            for &address in addresses {
                self.push_frames(&mut frames, *tgid, address, offsets);
            }
        }
        frames
    }

    /// An address of a process as `function+offset [file]`, or as `file+offset` where the function is not known.
    fn user_named(&self, tgid: u32, address: u64, offsets: bool) -> Option<String> {
        let frame = self.frames.get(&(tgid, address))?;
        let file = frame.module.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path));
        match (&frame.symbol, file) {
            (Some(symbol), _) if offsets => Some(in_module(&format!("{symbol}+{:#x}", frame.offset), file)),
            (Some(symbol), _) => Some(in_module(symbol, file)),
            (None, Some(file)) => Some(format!("{file}+{:#x}", frame.offset)),
            (None, None) => None,
        }
    }

    fn site(&self, addresses: &[u64]) -> Site {
        let mut object = None;
        let mut wait_lock = false;
        for &address in addresses {
            let symbol = self.frames.get(&(KERNEL, address)).and_then(|frame| frame.symbol.as_deref());
            // A function without a name may be a primitive or may not; what lies beyond it is not looked at.
            let Some(symbol) = symbol else { return Site { site: format!("{address:#x}"), object, wait_lock } };
            match part(symbol) {
                Part::Tracing | Part::Spinning | Part::Wrapper => {}
                Part::Sleeping => wait_lock = true,
                Part::Named => object = object.or_else(|| self.named(address, "()", |_| false)),
                Part::User => {
                    let mut site = self.named(address, "", |_| true).unwrap_or_default();
                    if let Some(source) = self.source(address) {
                        site = format!("{site} {source}");
                    }
                    let object = object.or_else(|| self.named(address, "()", |_| false));
                    return Site { site, object, wait_lock };
                }
            }
        }
        let site = if addresses.is_empty() { MISSING } else { NO_USER };
        Site { site: site.to_owned(), object, wait_lock }
    }

    /// An address of the kernel as `function`, `suffix`, `+offset` where asked for, and ` [module]`.
    fn named(&self, address: u64, suffix: &str, with_offset: impl Fn(u64) -> bool) -> Option<String> {
        let frame = self.frames.get(&(KERNEL, address))?;
        let symbol = frame.symbol.as_deref()?;
        let mut name = symbol.to_owned();
        if self.shared.contains(&in_module(symbol, frame.module.as_deref())) {
            // Hundreds of functions share their names: keep them apart by where they begin.
            name.push_str(&format!("@{:x}", address.wrapping_sub(frame.offset)));
        }
        name.push_str(suffix);
        if with_offset(frame.offset) {
            name.push_str(&format!("+{:#x}", frame.offset));
        }
        Some(in_module(&name, frame.module.as_deref()))
    }
}

fn in_module(name: &str, module: Option<&str>) -> String {
    match module {
        Some(module) if !module.is_empty() => format!("{name} [{module}]"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks(frames: &[(u64, &str, u64, Option<&str>)]) -> Stacks {
        let mut stacks = Stacks::default();
        for &(address, symbol, offset, module) in frames {
            let symbol = (!symbol.is_empty()).then(|| symbol.to_owned());
            stacks.frames.insert((KERNEL, address), Frame { symbol, offset, module: module.map(str::to_owned) });
        }
        stacks.finish();
        stacks
    }

    fn site(stacks: &Stacks, addresses: &[u64]) -> (String, Option<String>, bool) {
        let Site { site, object, wait_lock } = stacks.site(addresses);
        (site, object, wait_lock)
    }

    #[test]
    fn the_site_is_the_first_function_outside_the_primitives() {
        let stacks = stacks(&[(1, "__mutex_lock.constprop.0", 9, None), (2, "do_renameat2", 0x1a, None)]);
        assert_eq!(site(&stacks, &[1, 2]), ("do_renameat2+0x1a".into(), Some("do_renameat2()".into()), true));
        assert_eq!(site(&stacks, &[1]), (NO_USER.into(), None, true));
        assert_eq!(site(&stacks, &[]), (MISSING.into(), None, false));
    }

    #[test]
    fn nothing_is_guessed_beyond_a_function_without_a_name() {
        let stacks = stacks(&[(1, "_raw_spin_lock", 9, None), (2, "", 0, None), (3, "do_renameat2", 0x1a, None)]);
        assert_eq!(site(&stacks, &[1, 2, 3]), ("0x2".into(), None, false));
        assert_eq!(site(&stacks, &[1, 77, 3]), ("0x4d".into(), None, false));
    }

    #[test]
    fn a_customary_function_names_the_object_and_its_caller_the_site() {
        let stacks = stacks(&[(1, "__mutex_lock", 9, None), (2, "rtnl_lock", 5, None), (3, "dev_ioctl", 7, None)]);
        assert_eq!(site(&stacks, &[1, 2, 3]), ("dev_ioctl+0x7".into(), Some("rtnl_lock()".into()), true));
    }

    #[test]
    fn functions_of_one_name_are_kept_apart() {
        let stacks = stacks(&[(0x110, "show", 0x10, None), (0x205, "show", 5, None), (0x305, "show", 5, Some("m"))]);
        assert_eq!(site(&stacks, &[0x110]).1.unwrap(), "show@100()");
        assert_eq!(site(&stacks, &[0x205]).1.unwrap(), "show@200()");
        assert_eq!(site(&stacks, &[0x305]), ("show+0x5 [m]".into(), Some("show() [m]".into()), false));
    }

    #[test]
    fn a_variable_shows_its_offset_only_when_there_is_one() {
        let stacks = stacks(&[
            (0x100, "tasklist_lock", 0, None),
            (0x218, "init_fs", 0x18, None),
            (0x318, "__start_once", 0x18, None),
        ]);
        let symbols: BTreeMap<_, _> = stacks.symbols().collect();
        assert_eq!(symbols[&0x100], "tasklist_lock");
        assert_eq!(symbols[&0x218], "init_fs+0x18");
        assert!(!symbols.contains_key(&0x318));
    }
}
