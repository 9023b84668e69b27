//! The locks in variables, by address: in variables whose type is known, and where a site locks an address.

use super::variables::{Found, each_lock_of};
use crate::debug;
use crate::image::{Image, Place, Symbol, SymbolKind};
use crate::rows::GlobalLock;
use crate::types::{TypeId, Types};
use lima_model::LockType;
use rustc_hash::FxHashSet;

/// All locks of an image that are in variables. Of an array of locks every element has a row, and an address.
#[derive(Debug)]
pub struct Globals<'a> {
    image: &'a Image,
    /// Ascending by address; of one address those with a size first.
    rows: Vec<GlobalLock>,
    /// What was found at sites, and is not among the rows yet.
    sites: Vec<GlobalLock>,
    left_out: u64,
}

impl<'a> Globals<'a> {
    /// The locks in the variables that DWARF (`variables`) and BTF (`types`) know of. `types` has the types of both.
    pub fn new(image: &'a Image, types: &Types, variables: &[debug::Variable]) -> Self {
        let mut all = Self { image, rows: Vec::new(), sites: Vec::new(), left_out: 0 };
        let mut seen = FxHashSet::default();
        for variable in variables {
            if seen.insert(variable.address) {
                let symbol = all.symbol_of(variable.address, &variable.name);
                let function = variable.function.clone();
                let from = From { symbol, function, ..all.from(variable.address) };
                all.add(types, variable.of, from, "debug");
            }
        }
        for variable in types.variables() {
            let name = types.text(variable.name);
            let address = match image.section(types.text(variable.section)) {
                Some(section) => section.address.wrapping_add(u64::from(variable.offset)),
                // A kernel that shows its types and symbols, and not its sections. Names are not always unique.
                None => {
                    let mut named = image.symbols_named(name);
                    match (named.next(), named.next()) {
                        (Some(symbol), None) => symbol.address,
                        _ => continue,
                    }
                }
            };
            if seen.insert(address) {
                let symbol = all.symbol_of(address, name);
                let mut from = From { symbol, ..all.from(address) };
                if from.section.is_empty() {
                    from.section = types.text(variable.section).to_owned();
                    from.per_cpu = variable.per_cpu;
                }
                all.add(types, variable.of, from, "btf");
            }
        }
        all.rows.sort_by_key(|row| (row.address, row.bytes == 0));
        all
    }

    /// The lock at an address that a function takes that takes this type: where it begins, and of a seqlock also where
    /// its spinlock is.
    pub fn at(&self, address: u64, taken: LockType) -> Option<&GlobalLock> {
        let first = self.rows.partition_point(|row| row.address < address);
        let mut rows = self.rows[first..].iter().take_while(|row| row.address == address);
        let here = rows.find(|row| around(row.lock_type) == around(taken));
        let seqlock = || {
            let before = self.rows.get(first.checked_sub(1)?)?;
            let inside = before.lock_type == LockType::Seqlock && address - before.address < u64::from(before.bytes);
            inside.then_some(before)
        };
        here.or_else(seqlock)
    }

    /// Says that a site takes the lock at this address. When no variable is known to have one there, it gets a row of
    /// its own, whose path is the distance from the symbol.
    pub fn site(&mut self, address: u64, lock_type: LockType) {
        if self.at(address, lock_type).is_some() {
            return;
        }
        let (symbol, path) = match self.symbol_here(address) {
            Some(symbol) => (symbol.name.clone(), String::new()),
            None => match self.image.symbol_at(address) {
                Some((symbol, offset)) => (symbol.name.clone(), format!("+{offset:#x}")),
                None => (format!("{address:#x}"), String::new()),
            },
        };
        let from = From { symbol, ..self.from(address) };
        let found = Found { offset: 0, path, bytes: 0, lock_type };
        let row = self.row(&from, found, String::new(), "site");
        self.sites.push(row);
    }

    /// The rows, ascending by address, and how many locks were left out because an array of an absurd size has them.
    pub fn into_rows(mut self) -> (Vec<GlobalLock>, u64) {
        self.sites.sort_by_key(|row| (row.address, row.lock_type));
        self.sites.dedup_by_key(|row| (row.address, around(row.lock_type)));
        self.rows.append(&mut self.sites);
        self.rows.sort_by_key(|row| (row.address, row.bytes == 0));
        (self.rows, self.left_out)
    }

    fn add(&mut self, types: &Types, of: TypeId, from: From, method: &'static str) {
        if !types.holds_lock(of) {
            return;
        }
        let spelled = types.spelled(of);
        let mut found = Vec::new();
        self.left_out += each_lock_of(types, of, &mut |lock| found.push(lock));
        for lock in found {
            let row = self.row(&from, lock, spelled.clone(), method);
            self.rows.push(row);
        }
    }

    /// A variable at this address that has no name yet.
    fn from(&self, address: u64) -> From {
        let section = self.image.section_of(address);
        From {
            symbol: String::new(),
            function: None,
            address,
            section: section.map(|section| section.name.clone()).unwrap_or_default(),
            per_cpu: section.is_some_and(|section| section.per_cpu),
        }
    }

    fn row(&self, from: &From, lock: Found, variable_type: String, method: &'static str) -> GlobalLock {
        let address = from.address.wrapping_add(u64::from(lock.offset));
        GlobalLock {
            symbol: from.symbol.clone(),
            function: from.function.clone(),
            address,
            section: from.section.clone(),
            per_cpu: from.per_cpu,
            path: lock.path,
            lock_type: lock.lock_type,
            bytes: lock.bytes,
            variable_type,
            method,
        }
    }

    /// The variable that begins at an address. Where several do, all but one are empty: class keys, most of the time,
    /// and the tables inside the image do not tell sizes.
    fn symbol_here(&self, address: u64) -> Option<&Symbol> {
        let symbols = &self.image.symbols;
        let first = symbols.partition_point(|symbol| symbol.address < address);
        symbols[first..]
            .iter()
            .take_while(|symbol| symbol.address == address)
            .filter(|symbol| symbol.place != Place::Absolute && symbol.kind != SymbolKind::Function)
            .max_by_key(|symbol| {
                let key = symbol.name.starts_with("__key");
                (symbol.size > 0, !key, symbol.kind == SymbolKind::Object, symbol.global)
            })
    }

    /// The symbol of a variable: the compiler gives static ones a number (`lock.12`).
    fn symbol_of(&self, address: u64, name: &str) -> String {
        let symbols = &self.image.symbols;
        let first = symbols.partition_point(|symbol| symbol.address < address);
        let fits = |symbol: &&Symbol| {
            symbol.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let here = symbols[first..].iter().take_while(|symbol| symbol.address == address);
        here.into_iter().find(fits).map_or(name, |symbol| &symbol.name).to_owned()
    }
}

/// What tells locks apart that begin at one address: a compound lock may begin with one of its locks.
pub fn around(lock_type: LockType) -> Option<LockType> {
    lock_type.is_compound().then_some(lock_type)
}

/// The addresses that functions are given to take this lock: its own, and of a seqlock also that of its spinlock.
pub fn addresses_of(row: &GlobalLock) -> impl Iterator<Item = u64> + use<> {
    let bytes = if row.lock_type == LockType::Seqlock { row.bytes } else { 0 };
    let start = row.address;
    (0..bytes.max(1)).step_by(4).map(move |offset| start.wrapping_add(u64::from(offset)))
}

/// The object that a lock in a variable is, `symbol[.path]`, the same for all elements of an array.
pub fn object_of(row: &GlobalLock) -> String {
    let mut object = row.symbol.clone();
    if !row.path.is_empty() && !row.path.starts_with(['[', '+']) {
        object.push('.');
    }
    let mut index = false;
    for letter in row.path.chars() {
        index &= letter != ']';
        if !index {
            object.push(letter);
        }
        index |= letter == '[';
    }
    object
}

/// A variable.
struct From {
    symbol: String,
    function: Option<String>,
    address: u64,
    section: String,
    per_cpu: bool,
}
