//! Addresses of processes as places in the source, from debug information with the right build id.
//!
//! The recorder tells the file, its build id and the address that the file's debug information counts by. Here a file with this
//! build id is looked for: Debian's packages of debug information, or the file itself, where it stands under the same path.
//! A name without the build id is no evidence: then there are no lines.

use crate::Error;
use crate::rows::Rows;
use crate::tables::{Chains, batch};
use arrow::array::{Array, AsArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::datatypes::UInt64Type;
use blazesym::helper::read_elf_build_id;
use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer};
use lima_model::Table;
use lima_model::build_id::{DEBUG, debug_file, hex};
use lima_trace::Trace;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An address of a process.
type Address = (u32, u64);

/// Addresses by the file that they are in: its path and build id.
type Files = BTreeMap<(String, String), Vec<(Address, u64)>>;

/// The table `user_lines` of a trace.
///
/// # Errors
/// When the trace cannot be rows.
pub fn lines(trace: &Trace) -> Result<RecordBatch, Error> {
    let returns = returned_to(trace)?;
    let mut chains = BTreeMap::new();
    for ((path, build_id), addresses) in files(trace)? {
        let Some(file) = file_of(Path::new(&path), &build_id) else { continue };
        // A call is before the address that it returns to.
        let inputs: Vec<u64> = addresses
            .iter()
            .map(|(address, in_file)| in_file.wrapping_sub(u64::from(returns.contains(address))))
            .collect();
        let source = Source::Elf(Elf::new(&file));
        match Symbolizer::new().symbolize(&source, Input::VirtOffset(&inputs)) {
            Ok(found) => {
                for ((address, _), found) in addresses.into_iter().zip(found) {
                    if let Symbolized::Sym(symbol) = found
                        && let Some(chain) = chain(&symbol)
                    {
                        chains.insert(address, chain);
                    }
                }
            }
            Err(error) => tracing::warn!("the debug information of {} cannot be read: {error}", file.display()),
        }
    }
    let mut columns = Chains::default();
    for chain in chains.values() {
        columns.push(chain.iter().map(|(function, file, line)| (&**function, &**file, *line)));
    }
    let [functions, files, lines] = columns.finish();
    let tgids = chains.keys().map(|&(tgid, _)| tgid).collect::<UInt32Array>();
    let addresses = chains.keys().map(|&(_, address)| address).collect::<UInt64Array>();
    batch(Table::UserLines, vec![Arc::new(tgids), Arc::new(addresses), functions, files, lines])
}

/// Function, file and line of those that an address is in, innermost first; `None` without debug information.
fn chain(symbol: &Sym<'_>) -> Option<Vec<(String, String, u32)>> {
    let place = |info: Option<&CodeInfo<'_>>| {
        let path = info.map(|info| lima_model::escape::text(info.to_path().as_os_str().as_encoded_bytes()));
        (path.unwrap_or_default(), info.and_then(|info| info.line).unwrap_or_default())
    };
    if symbol.code_info.is_none() && symbol.inlined.is_empty() {
        return None;
    }
    let inlined = symbol.inlined.iter().rev().map(|inlined| (&*inlined.name, place(inlined.code_info.as_ref())));
    let itself = (&*symbol.name, place(symbol.code_info.as_deref()));
    let name = |name: &str| lima_model::escape::text(name.as_bytes());
    Some(inlined.chain([itself]).map(|(function, (file, line))| (name(function), file, line)).collect())
}

/// A file with this build id.
fn file_of(path: &Path, build_id: &str) -> Option<PathBuf> {
    let debug = debug_file(Path::new(DEBUG), build_id)?;
    [debug, path.to_owned()].into_iter().find(|path| {
        // A pipe would be waited for.
        path.is_file() && read_elf_build_id(path).ok().flatten().is_some_and(|id| hex(&id) == build_id)
    })
}

/// The addresses of user stacks that a call returns to: all but the innermost of each; and that one, too, where it made a
/// system call and was not interrupted by a fault.
fn returned_to(trace: &Trace) -> Result<HashSet<Address>, Error> {
    let called = from_system_calls(trace)?;
    let mut all = HashSet::new();
    for batch in trace.read(Table::Stacks) {
        let batch = batch?;
        let rows = Rows { batch: &batch, table: Table::Stacks };
        let (ids, tgids, lists) = (rows.numbers("stack_id")?, rows.small("tgid")?, rows.lists("addresses")?);
        for row in (0..batch.num_rows()).filter(|&row| tgids.is_valid(row) && tgids.value(row) != 0) {
            let list = lists.value(row);
            let addresses = list.as_primitive_opt::<UInt64Type>().ok_or_else(|| rows.wrong("addresses"))?;
            let innermost = usize::from(!called.contains(&ids.value(row)));
            all.extend(addresses.values().iter().skip(innermost).map(|&address| (tgids.value(row), address)));
        }
    }
    Ok(all)
}

/// The user stacks that were seen with kernel stacks which begin at a system call, and never with others.
fn from_system_calls(trace: &Trace) -> Result<HashSet<u64>, Error> {
    let mut pairs = HashSet::new();
    for table in [Table::Totals, Table::Events] {
        for batch in trace.read(table) {
            let batch = batch?;
            let rows = Rows { batch: &batch, table };
            let (kernel, user) = (rows.numbers("stack_id")?, rows.numbers("user_stack_id")?);
            pairs.extend(
                kernel.values().iter().zip(user.values()).filter(|&(_, &user)| user != 0).map(|(&k, &u)| (k, u)),
            );
        }
    }
    if pairs.is_empty() {
        return Ok(HashSet::new());
    }
    let mut entries = HashSet::new();
    for batch in trace.read(Table::Frames) {
        let batch = batch?;
        let rows = Rows { batch: &batch, table: Table::Frames };
        let (tgids, addresses, symbols) = (rows.small("tgid")?, rows.numbers("address")?, rows.texts("symbol")?);
        let is_entry = |&row: &usize| {
            tgids.value(row) == 0 && symbols.is_valid(row) && symbols.value(row).starts_with("entry_SYSCALL")
        };
        entries.extend((0..batch.num_rows()).filter(is_entry).map(|row| addresses.value(row)));
    }
    let mut from_calls = HashSet::new();
    for batch in trace.read(Table::Stacks) {
        let batch = batch?;
        let rows = Rows { batch: &batch, table: Table::Stacks };
        let (ids, lists) = (rows.numbers("stack_id")?, rows.lists("addresses")?);
        for row in 0..batch.num_rows() {
            let list = lists.value(row);
            let last = list.as_primitive_opt::<UInt64Type>().and_then(|addresses| addresses.values().last().copied());
            if last.is_some_and(|last| entries.contains(&last)) {
                from_calls.insert(ids.value(row));
            }
        }
    }
    let (called, others): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(kernel, _)| from_calls.contains(kernel));
    let mut called: HashSet<u64> = called.into_iter().map(|(_, user)| user).collect();
    for (_, user) in others {
        called.remove(&user);
    }
    Ok(called)
}

/// The frames of processes whose file is known.
fn files(trace: &Trace) -> Result<Files, Error> {
    let mut files = Files::new();
    for batch in trace.read(Table::Frames) {
        let batch = batch?;
        let rows = Rows { batch: &batch, table: Table::Frames };
        let (tgids, addresses, in_file) =
            (rows.small("tgid")?, rows.numbers("address")?, rows.numbers("file_address")?);
        let (modules, ids) = (rows.texts("module")?, rows.texts("build_id")?);
        for row in 0..batch.num_rows() {
            if modules.is_valid(row) && ids.is_valid(row) && in_file.is_valid(row) {
                let file = (modules.value(row).to_owned(), ids.value(row).to_owned());
                let place = ((tgids.value(row), addresses.value(row)), in_file.value(row));
                files.entry(file).or_default().push(place);
            }
        }
    }
    Ok(files)
}
