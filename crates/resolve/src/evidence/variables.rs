//! The variable that a lock lies in.

use super::layouts::Layouts;
use super::{Claim, family_named};
use crate::Error;
use crate::names::Names;
use lima_index::store::Index;
use lima_model::{IndexTable, LockType};
use rustc_hash::FxHashMap;

/// A lock in a variable.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its address in the index.
    address: u64,
    /// Its type, as the tracing side tells types apart.
    lock_type: LockType,
    /// What it is.
    pub claim: Claim,
    /// Whether every CPU has one of its own.
    pub is_per_cpu: bool,
    /// Whether the variable's type is known, and so which lock in it this is. Without debug information it is known that
    /// some code takes a lock at this place, and no more.
    pub is_typed: bool,
}

#[cfg(test)]
impl Variable {
    /// A variable of the kernel.
    pub fn new(lock_type: LockType, claim: Claim) -> Self {
        Self { address: 0, lock_type, claim, is_per_cpu: false, is_typed: true }
    }
}

/// A lock in a variable of a module.
#[derive(Clone, Debug)]
struct InModule {
    /// How far behind the variable's start it lies, where the index tells.
    offset: Option<u64>,
    variable: Variable,
}

/// All locks in variables.
#[derive(Debug, Default)]
pub struct Variables {
    /// Those of the image, by address.
    image: Vec<Variable>,
    /// Those of modules, by module, variable and type: their sections lie somewhere else each time, but they have symbols.
    modules: FxHashMap<(String, String, LockType), Vec<InModule>>,
}

impl Variables {
    /// Reads them.
    pub fn of(index: &Index, layouts: &Layouts, names: &mut Names) -> Result<Self, Error> {
        let columns =
            ["object", "lock_type", "symbol", "path", "address", "per_cpu", "variable_type", "method", "module"];
        let table = index.read(IndexTable::Globals, &columns)?;
        let (objects, types, symbols) = (table.texts("object")?, table.texts("lock_type")?, table.texts("symbol")?);
        let (paths, addresses) = (table.texts("path")?, table.numbers("address")?);
        let per_cpu = table.flags("per_cpu")?;
        let (variable_types, methods) = (table.texts("variable_type")?, table.texts("method")?);
        let modules = table.texts("module")?;
        let mut variables = Self { image: Vec::with_capacity(table.len()), ..Self::default() };
        for row in 0..table.len() {
            let Some(lock_type) = family_named(types.get(row)) else { continue };
            let (element, path) = split(paths.get(row));
            let whole = names.keep(objects.get(row));
            let declared = (!path.is_empty())
                .then(|| layouts.member(composite(variable_types.get(row)), &any_element(path), names))
                .flatten()
                .map(|member| (member.object, member.path));
            let instance = match (path.is_empty(), element) {
                (true, "") => None,
                _ => Some(names.keep(&format!("{}{element}", symbols.get(row)))),
            };
            let is_typed = methods.get(row) != "site";
            // A lock that is all of its variable needs no type; of another it is known where it lies.
            let instance = if is_typed { instance } else { Some(names.keep(symbols.get(row))) };
            let variable = Variable {
                address: addresses.get(row),
                lock_type,
                claim: Claim {
                    object: declared.map_or(whole, |(object, _)| object),
                    containers: declared.map_or(Vec::new(), |(_, path)| vec![whole, path]),
                    instance,
                },
                is_per_cpu: per_cpu.value(row),
                is_typed,
            };
            match modules.get(row) {
                "" => variables.image.push(variable),
                module => {
                    let (symbol, behind) = symbols.get(row).split_once("+0x").unwrap_or((symbols.get(row), ""));
                    let offset = match (behind, paths.get(row)) {
                        ("", "") => Some(0),
                        ("", _) => None,
                        (behind, _) => u64::from_str_radix(behind, 16).ok(),
                    };
                    let key = (module.to_owned(), symbol.to_owned(), lock_type);
                    variables.modules.entry(key).or_default().push(InModule { offset, variable });
                }
            }
        }
        variables.image.sort_by_key(|variable| variable.address);
        Ok(variables)
    }

    /// The lock of this type in a module's variable, `offset` bytes behind its start; of a variable with several such locks only
    /// where the index tells where they lie.
    pub fn of_module(&self, module: &str, symbol: &str, offset: u64, lock_type: LockType) -> Option<&Variable> {
        let key = (module.to_owned(), symbol.to_owned(), lock_type);
        let found = match &**self.modules.get(&key)? {
            [only] if only.offset.is_none_or(|there| there == offset) => only,
            several => {
                let mut there = several.iter().filter(|lock| lock.offset == Some(offset));
                there.next().filter(|_| there.next().is_none())?
            }
        };
        (!found.variable.is_per_cpu).then_some(&found.variable)
    }

    /// The lock of this type at this address of the index.
    pub fn at(&self, address: u64, lock_type: LockType) -> Option<&Variable> {
        let end = self.image.partition_point(|variable| variable.address <= address);
        let mut found = self.image[..end].iter().rev().take_while(|variable| variable.address == address);
        found.find(|variable| variable.lock_type == lock_type)
    }

    /// What all variables are.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        let modules = self.modules.values().flatten().map(|lock| &lock.variable);
        self.image.iter().chain(modules).map(|variable| &variable.claim)
    }
}

/// A path inside a variable as the element of the array that the variable may be, and the path in that.
fn split(path: &str) -> (&str, &str) {
    let end = if path.starts_with('[') { path.find(']').map_or(0, |end| end + 1) } else { 0 };
    let (element, rest) = path.split_at(end);
    (element, rest.strip_prefix('.').unwrap_or(rest))
}

/// The struct of a variable's type: of `struct rq`, `struct hstate[2]` and `wait_queue_head_t[256]`.
fn composite(variable_type: &str) -> &str {
    let name = variable_type.split('[').next().unwrap_or_default().trim();
    let name = name.strip_prefix("struct ").or_else(|| name.strip_prefix("union ")).unwrap_or(name);
    name.strip_suffix("_t").unwrap_or(name)
}

/// A path with `[]` for each element.
fn any_element(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for character in path.chars() {
        if character == ']' {
            inside = false;
        }
        if !inside {
            out.push(character);
        }
        if character == '[' {
            inside = true;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_paths_are_taken_apart() {
        assert_eq!(composite("struct rq"), "rq");
        assert_eq!(composite("struct hstate[2]"), "hstate");
        assert_eq!(composite("wait_queue_head_t[256]"), "wait_queue_head");
        assert_eq!(split("[60].lock"), ("[60]", "lock"));
        assert_eq!(split("[60]"), ("[60]", ""));
        assert_eq!(split("node[1].lock"), ("", "node[1].lock"));
        assert_eq!(any_element("node[1].nocb_gp_wq[0].lock"), "node[].nocb_gp_wq[].lock");
    }
}
