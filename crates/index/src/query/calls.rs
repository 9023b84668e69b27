//! Whom a function calls, and who calls it.

use super::graph::Graph;
use crate::Error;
use crate::store::Index;
use lima_model::table::{Kind, Rows, Value};
use rustc_hash::FxHashSet;
use std::collections::VecDeque;

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a function to those that it calls.
    From,
    /// From a function to those that call it.
    To,
}

/// Which calls are meant.
#[derive(Clone, Debug)]
pub struct Calls {
    /// The function: a name, a pattern, a system call or an address.
    pub function: String,
    /// Which way.
    pub direction: Direction,
    /// How many calls deep.
    pub depth: u32,
}

const COLUMNS: &[(&str, Kind)] = &[
    ("depth", Kind::Id),
    ("caller", Kind::Text),
    ("callee", Kind::Text),
    ("kind", Kind::Text),
    ("member", Kind::Text),
    ("address", Kind::Address),
    ("file", Kind::Text),
    ("line", Kind::Id),
    ("caller_address", Kind::Address),
    ("callee_address", Kind::Address),
    ("callee_role", Kind::Text),
];

/// Calls, those nearest to the function first. A function is entered once, however many ways lead to it. An indirect call
/// has a row for each function that it may call, and one without a callee when none is known.
pub fn calls(index: &Index, wanted: &Calls) -> Result<Rows, Error> {
    let graph = Graph::of(index)?;
    let mut rows = Rows::new(COLUMNS.iter().copied());
    let mut queue: VecDeque<(u64, u32)> =
        graph.meant(&wanted.function)?.into_iter().map(|function| (function, 1)).collect();
    let mut seen: FxHashSet<u64> = queue.iter().map(|&(function, _)| function).collect();
    while let Some((function, depth)) = queue.pop_front() {
        let next: Vec<usize> = match wanted.direction {
            Direction::From => graph.calls_from(function).collect(),
            Direction::To => graph.calls_to(function).collect(),
        };
        for call in next {
            let caller = graph.calls().numbers("caller")?.get(call);
            let callees = match wanted.direction {
                Direction::From => graph.callees(call)?,
                Direction::To => &[function],
            };
            if callees.is_empty() {
                rows.rows.push(row(&graph, call, None, depth)?);
            }
            for &callee in callees {
                rows.rows.push(row(&graph, call, Some(callee), depth)?);
                let further = match wanted.direction {
                    Direction::From => callee,
                    Direction::To => caller,
                };
                if depth < wanted.depth && seen.insert(further) {
                    queue.push_back((further, depth + 1));
                }
            }
        }
    }
    Ok(rows)
}

fn row(graph: &Graph, call: usize, callee: Option<u64>, depth: u32) -> Result<Vec<Value>, Error> {
    let calls = graph.calls();
    let caller = calls.numbers("caller")?.get(call);
    let roles = graph.functions().texts("role")?;
    Ok(vec![
        depth.into(),
        graph.name(caller)?.into(),
        callee.map(|callee| graph.name(callee)).transpose()?.into(),
        calls.texts("kind")?.get(call).into(),
        calls.texts("member")?.maybe(call).into(),
        calls.numbers("address")?.get(call).into(),
        calls.texts("file")?.maybe(call).into(),
        calls.small("line")?.maybe(call).into(),
        caller.into(),
        callee.into(),
        callee.and_then(|callee| graph.function(callee)).map(|row| roles.get(row)).into(),
    ])
}
