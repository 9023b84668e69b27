//! Who calls whom, in memory.

use super::names::function_fits;
use crate::Error;
use crate::store::{Columns, Index};
use lima_model::IndexTable;
use rustc_hash::FxHashMap;

/// What the kernel calls the function of a system call.
const SYSCALL: &[&str] = &["__x64_sys_", "__ia32_sys_", "__arm64_sys_", "__se_sys_", "sys_"];

/// The functions and calls of an index. Functions and calls are spoken of by their row.
#[derive(Debug)]
pub struct Graph {
    functions: Columns,
    /// Their addresses, ascending but for the order of kernel and modules; with their rows.
    by_address: Vec<(u64, u32)>,
    calls: Columns,
    /// Parts of functions, ascending: start, end (0: where the next one begins), row.
    parts: Vec<(u64, u64, u32)>,
    /// Rows of calls, by the function that they are in.
    by_caller: Vec<(u64, u32)>,
    /// Rows of calls, by the function that they call; of indirect ones each that they may call.
    by_callee: Vec<(u64, u32)>,
    /// The functions that each member points to, ascending.
    targets: FxHashMap<String, Vec<u64>>,
}

impl Graph {
    /// Reads functions and calls.
    pub fn of(index: &Index) -> Result<Self, Error> {
        let functions = index.read(
            IndexTable::Functions,
            &["address", "size", "name", "aliases", "cold", "role", "file", "line", "module"],
        )?;
        let calls =
            index.read(IndexTable::Calls, &["address", "caller", "callee", "kind", "member", "file", "line"])?;
        let targets = targets(index)?;
        let mut by_address: Vec<_> = functions.numbers("address")?.all().iter().copied().zip(0..).collect();
        by_address.sort_unstable();
        let parts = parts(&functions)?;
        let mut by_caller: Vec<(u64, u32)> = calls.numbers("caller")?.all().iter().copied().zip(0..).collect();
        by_caller.sort_unstable();
        let (callees, members) = (calls.numbers("callee")?, calls.texts("member")?);
        let mut by_callee = Vec::with_capacity(calls.len());
        for (row, call) in (0..calls.len()).zip(0..) {
            match (callees.maybe(row), members.maybe(row)) {
                (Some(callee), _) => by_callee.push((callee, call)),
                (None, Some(member)) => {
                    by_callee.extend(targets.get(member).into_iter().flatten().map(|&callee| (callee, call)));
                }
                (None, None) => {}
            }
        }
        by_callee.sort_unstable();
        Ok(Self { functions, by_address, parts, calls, by_caller, by_callee, targets })
    }

    /// The functions' columns.
    pub fn functions(&self) -> &Columns {
        &self.functions
    }

    /// The calls' columns, without the frames.
    pub fn calls(&self) -> &Columns {
        &self.calls
    }

    /// The row of the function that begins at an address.
    pub fn function(&self, address: u64) -> Option<usize> {
        let at = self.by_address.binary_search_by_key(&address, |&(address, _)| address).ok()?;
        Some(self.by_address[at].1 as usize)
    }

    /// The row of the function that an address lies in.
    pub fn function_of(&self, address: u64) -> Option<usize> {
        let after = self.parts.partition_point(|&(start, _, _)| start <= address);
        let &(_, end, row) = self.parts.get(after.checked_sub(1)?)?;
        (end == 0 || address < end).then_some(row as usize)
    }

    /// The name of the function at an address; the address itself when there is none.
    pub fn name(&self, address: u64) -> Result<String, Error> {
        let names = self.functions.texts("name")?;
        Ok(self.function(address).map_or_else(|| format!("{address:#x}"), |row| names.get(row).to_owned()))
    }

    /// The calls in a function, by address of the call.
    pub fn calls_from(&self, function: u64) -> impl Iterator<Item = usize> + '_ {
        rows(&self.by_caller, function)
    }

    /// The functions that a call calls: one, or those that an indirect call may call as far as that is known.
    pub fn callees(&self, call: usize) -> Result<&[u64], Error> {
        let callees = self.calls.numbers("callee")?;
        if callees.maybe(call).is_some() {
            return Ok(&callees.all()[call..=call]);
        }
        let member = self.calls.texts("member")?.maybe(call);
        Ok(member.and_then(|member| self.targets.get(member)).map_or(&[], Vec::as_slice))
    }

    /// The calls that may call a function.
    pub fn calls_to(&self, function: u64) -> impl Iterator<Item = usize> + '_ {
        rows(&self.by_callee, function)
    }

    /// The addresses of the functions that a name, a pattern, the name of a system call or an address means.
    pub fn meant(&self, wanted: &str) -> Result<Vec<u64>, Error> {
        if let Some(address) = wanted.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
            return match self.function(address) {
                Some(_) => Ok(vec![address]),
                None => Err(Error::Missing(format!("no function of this index begins at {wanted}"))),
            };
        }
        let (names, addresses) = (self.functions.texts("name")?, self.functions.numbers("address")?);
        let aliases = self.functions.text_lists("aliases")?;
        let all = |fits: &dyn Fn(&str) -> bool| -> Vec<u64> {
            let rows = 0..self.functions.len();
            let named = rows.filter(|&row| fits(names.get(row)) || aliases.get(row).any(fits));
            named.map(|row| addresses.get(row)).collect()
        };
        let mut found = all(&|name| name == wanted);
        if found.is_empty() {
            found = all(&|name| function_fits(wanted, name));
        }
        for prefix in SYSCALL {
            if found.is_empty() {
                found = all(&|name| name.strip_prefix(prefix) == Some(wanted));
            }
        }
        if found.is_empty() {
            let like: Vec<_> = (0..self.functions.len())
                .map(|row| names.get(row))
                .filter(|name| name.contains(wanted))
                .take(5)
                .collect();
            let hint = if like.is_empty() { String::new() } else { format!("; there are {}", like.join(", ")) };
            return Err(Error::Missing(format!("no function or system call of this index is called `{wanted}`{hint}")));
        }
        Ok(found)
    }
}

/// The functions that each member points to.
fn targets(index: &Index) -> Result<FxHashMap<String, Vec<u64>>, Error> {
    let pointers = index.read(IndexTable::Pointers, &["member", "function"])?;
    let (members, functions) = (pointers.texts("member")?, pointers.numbers("function")?);
    let mut targets: FxHashMap<String, Vec<u64>> = FxHashMap::default();
    for row in 0..pointers.len() {
        let (member, function) = (members.get(row), functions.get(row));
        match targets.get_mut(member) {
            Some(list) => list.push(function),
            None => drop(targets.insert(member.to_owned(), vec![function])),
        }
    }
    for list in targets.values_mut() {
        list.sort_unstable();
        list.dedup();
    }
    Ok(targets)
}

fn parts(functions: &Columns) -> Result<Vec<(u64, u64, u32)>, Error> {
    let (addresses, sizes) = (functions.numbers("address")?, functions.numbers("size")?);
    let cold = functions.number_lists("cold")?;
    let mut parts = Vec::with_capacity(functions.len());
    for (row, number) in (0..functions.len()).zip(0..) {
        let size = sizes.get(row);
        let end = if size == 0 { 0 } else { addresses.get(row).saturating_add(size) };
        parts.push((addresses.get(row), end, number));
        let cold = cold.get(row).chunks_exact(2);
        parts.extend(cold.map(|part| (part[0], part[0].saturating_add(part[1]), number)));
    }
    parts.sort_unstable();
    Ok(parts)
}

fn rows(sorted: &[(u64, u32)], key: u64) -> impl Iterator<Item = usize> + '_ {
    let start = sorted.partition_point(|&(found, _)| found < key);
    sorted[start..].iter().take_while(move |&&(found, _)| found == key).map(|&(_, row)| row as usize)
}
