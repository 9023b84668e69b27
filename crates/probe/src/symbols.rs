//! The symbols of the running kernel, from `/proc/kallsyms`.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

/// A symbol that an address lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Its name.
    pub name: &'a str,
    /// The module; `None` for the kernel image.
    pub module: Option<&'a str>,
    /// How far the address lies behind the symbol's.
    pub offset: u64,
}

/// A function, and the code up to the next symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it begins.
    pub address: u64,
    /// Its length, bytes.
    pub size: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    address: u64,
    /// Where name and module begin in `text`; the module ends where the next entry's name begins.
    name: u32,
    module: u32,
    end: u32,
    is_code: bool,
}

/// The kernel's symbols, by address.
#[derive(Debug, Default)]
pub struct KernelSymbols {
    entries: Vec<Entry>,
    text: String,
    variables: usize,
    /// Variables of which each CPU has one, by their offsets in each CPU's memory; other small numbers stand there too.
    per_cpu: HashMap<String, u64>,
}

impl KernelSymbols {
    /// Reads a file like `/proc/kallsyms`.
    ///
    /// # Errors
    /// When the file cannot be read. A kernel that hides its addresses (`kptr_restrict`) gives no symbols at all.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(Self::parse(&String::from_utf8_lossy(&fs::read(path)?)))
    }

    /// Symbols from the text of such a file: lines of address, type, name and, in brackets, module.
    pub fn parse(lines: &str) -> Self {
        let mut symbols = Self::default();
        for line in lines.lines() {
            symbols.add(line);
        }
        symbols.entries.sort_by_key(|entry| entry.address);
        symbols
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        let kind = words.next()?.chars().next()?;
        let name = words.next()?;
        // Absolute symbols and the offsets of per-CPU variables are no addresses.
        if matches!(kind, 'a' | 'A') || address < 1 << 32 {
            if address > 0 && address < 1 << 32 {
                self.per_cpu.insert(name.to_owned(), address);
            }
            return None;
        }
        let module = words.next().and_then(|word| word.strip_prefix('[')?.strip_suffix(']')).unwrap_or_default();
        let (start, middle) = (self.text.len(), self.text.len() + name.len());
        self.text.push_str(name);
        self.text.push_str(module);
        let at = |position: usize| u32::try_from(position).ok();
        let is_code = matches!(kind, 't' | 'T' | 'w' | 'W');
        self.variables += usize::from(!is_code);
        let entry = Entry { address, name: at(start)?, module: at(middle)?, end: at(self.text.len())?, is_code };
        self.entries.push(entry);
        Some(())
    }

    /// The function that an address of code lies in.
    pub fn function(&self, address: u64) -> Option<Symbol<'_>> {
        self.last_before(address, true)
    }

    /// Every function; the same code may have several names.
    pub fn functions(&self) -> impl Iterator<Item = Function<'_>> {
        let code = self.entries.iter().enumerate().filter(|(_, entry)| entry.is_code);
        code.filter_map(|(index, entry)| {
            let next = self.entries[index..].iter().find(|next| next.address > entry.address)?;
            let size = u32::try_from(next.address - entry.address).ok()?;
            Some(Function {
                name: &self.text[entry.name as usize..entry.module as usize],
                address: entry.address,
                size,
            })
        })
    }

    /// The addresses of the variables with this name.
    pub fn variables(&self, name: &str) -> Vec<u64> {
        let named = |entry: &&Entry| !entry.is_code && self.text[entry.name as usize..entry.module as usize] == *name;
        self.entries.iter().filter(named).map(|entry| entry.address).collect()
    }

    /// Where a variable of which each CPU has one lies in a CPU's memory.
    pub fn per_cpu(&self, name: &str) -> Option<u64> {
        self.per_cpu.get(name).copied()
    }

    /// The variable that an address of data lies in. Kernels without CONFIG_KALLSYMS_ALL name too few of them to tell.
    pub fn variable(&self, address: u64) -> Option<Symbol<'_>> {
        if !self.has_variables() {
            return None;
        }
        let symbol = self.last_before(address, false)?;
        // Sizes are not known; what lies far behind a symbol belongs to something that has none.
        (symbol.offset < MAX_VARIABLE).then_some(symbol)
    }

    /// Whether any function has a symbol: not on kernels that hide their addresses.
    pub fn has_functions(&self) -> bool {
        self.entries.iter().any(|entry| entry.is_code)
    }

    /// Whether variables have symbols. Without CONFIG_KALLSYMS_ALL a few marks of the linker are all, and whatever
    /// lies behind one of these would get its name.
    pub fn has_variables(&self) -> bool {
        self.variables >= 1000
    }

    /// The last symbol at or below an address, if it is of the wanted kind.
    fn last_before(&self, address: u64, is_code: bool) -> Option<Symbol<'_>> {
        let after = self.entries.partition_point(|entry| entry.address <= address);
        // Several names may share an address: the first one in the file is the usual one.
        let address_found = self.entries[..after].last()?.address;
        let first = self.entries[..after].partition_point(|entry| entry.address < address_found);
        let entry = self.entries[first..after].iter().find(|entry| entry.is_code == is_code)?;
        // The last symbol has no end: nothing is said about addresses far behind it.
        if after == self.entries.len() && address - entry.address > MAX_VARIABLE {
            return None;
        }
        let text = |from: u32, to: u32| &self.text[from as usize..to as usize];
        let module = Some(text(entry.module, entry.end)).filter(|module| !module.is_empty());
        Some(Symbol { name: text(entry.name, entry.module), module, offset: address - entry.address })
    }
}

/// No variable or last function is taken to be larger than this (`init_task`'s stack, hash tables, are symbols of
/// their own).
const MAX_VARIABLE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "\
ffffffff81000000 T _stext
ffffffff81000100 T foo
ffffffff81000100 t foo_alias
ffffffff81000200 t bar.constprop.0
ffffffff82000000 D tasklist_lock
ffffffffc0000000 t mod_fn\t[ext4]
0000000000000020 A per_cpu_thing
garbage
";

    #[test]
    fn finds_the_symbol_below() {
        let mut symbols = KernelSymbols::parse(LINES);
        assert!(symbols.variable(0xffffffff82000004).is_none(), "one variable alone says nothing");
        symbols.variables = 1000;
        assert_eq!(symbols.per_cpu("per_cpu_thing"), Some(0x20));
        assert_eq!(symbols.per_cpu("tasklist_lock"), None);
        let at = |address| symbols.function(address).map(|symbol| (symbol.name, symbol.offset));
        assert_eq!(at(0xffffffff81000110), Some(("foo", 0x10)));
        assert_eq!(at(0xffffffff810001ff), Some(("foo", 0xff)));
        assert_eq!(at(0xffffffff80000000), None);
        assert_eq!(at(0xffffffff82000004), None, "a variable is no function");
        assert_eq!(symbols.function(0xffffffffc0000004).unwrap().module, Some("ext4"));
        assert_eq!(symbols.variable(0xffffffff82000004).unwrap().name, "tasklist_lock");
        assert!(symbols.variable(0xffffffff81000110).is_none());
    }

    #[test]
    fn hidden_addresses_give_no_symbols() {
        let symbols = KernelSymbols::parse("0000000000000000 T foo\n0000000000000000 T bar\n");
        assert!(symbols.function(0).is_none());
        assert!(symbols.function(u64::MAX).is_none());
    }
}
