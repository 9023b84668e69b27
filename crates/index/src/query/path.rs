//! How a function comes to take a lock.

use super::graph::Graph;
use crate::Error;
use crate::store::Index;
use lima_model::IndexTable;
use lima_model::pattern::fits;
use lima_model::table::{Kind, Rows, Value};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The answer.
#[derive(Clone, Debug)]
pub struct Found {
    /// The steps of a shortest path: calls, and the site at last. Without rows when no path is known.
    pub rows: Rows,
    /// How many functions were looked at.
    pub functions: usize,
    /// How many calls in them are indirect and lead nobody knows where.
    pub indirect: usize,
}

const COLUMNS: &[(&str, Kind)] = &[
    ("step", Kind::Id),
    ("function", Kind::Text),
    ("kind", Kind::Text),
    ("member", Kind::Text),
    ("to", Kind::Text),
    ("address", Kind::Address),
    ("file", Kind::Text),
    ("line", Kind::Id),
    ("lock_type", Kind::Text),
    ("mode", Kind::Text),
    ("object", Kind::Text),
];

/// What a step costs: a way that is certain is preferred to one that is a little shorter.
const DIRECT: u32 = 2;
const INDIRECT: u32 = 5;

/// A shortest path of calls from a function (or system call) to a site that acquires or tries a lock that fits the pattern.
/// Calls through pointers are followed to every function that their member is known to point to.
pub fn path(index: &Index, from: &str, lock: &str) -> Result<Found, Error> {
    let columns =
        ["address", "function_address", "file", "line", "operation", "primitive", "lock_type", "mode", "object"];
    let sites = index.read(IndexTable::Sites, &columns)?;
    let (operations, objects, functions) =
        (sites.texts("operation")?, sites.texts("object")?, sites.numbers("function_address")?);
    let takes = |site: &usize| matches!(operations.get(*site), "acquire" | "try") && fits(lock, objects.get(*site));
    let mut goals: FxHashMap<u64, usize> = FxHashMap::default();
    for site in (0..sites.len()).filter(takes) {
        goals.entry(functions.get(site)).or_insert(site);
    }
    if goals.is_empty() {
        return Err(Error::Missing(format!(
            "no site of this index takes a lock that is called `{lock}`: `lima index locks` lists them, and `*` stands for any text"
        )));
    }
    let graph = Graph::of(index)?;
    let kinds = graph.calls().texts("kind")?;
    // By which call each function was reached, and how far away it is.
    let mut reached: FxHashMap<u64, (u32, Option<usize>)> = FxHashMap::default();
    let mut queue = BinaryHeap::new();
    for function in graph.meant(from)? {
        reached.insert(function, (0, None));
        queue.push(Reverse((0, function)));
    }
    let mut indirect = 0;
    let mut goal = None;
    while let Some(Reverse((cost, function))) = queue.pop() {
        if reached.get(&function).is_some_and(|&(best, _)| best < cost) {
            continue;
        }
        if let Some(&site) = goals.get(&function) {
            goal = Some((function, site));
            break;
        }
        for call in graph.calls_from(function) {
            let by_pointer = kinds.get(call) == "indirect";
            let callees = graph.callees(call)?;
            indirect += usize::from(by_pointer && callees.is_empty());
            let cost = cost.saturating_add(if by_pointer { INDIRECT } else { DIRECT });
            for &callee in callees {
                if reached.get(&callee).is_none_or(|&(best, _)| cost < best) {
                    reached.insert(callee, (cost, Some(call)));
                    queue.push(Reverse((cost, callee)));
                }
            }
        }
    }
    let mut rows = Rows::new(COLUMNS.iter().copied());
    if let Some((function, site)) = goal {
        let callers = graph.calls().numbers("caller")?;
        let (mut steps, mut at) = (Vec::new(), function);
        while let Some(&(_, Some(call))) = reached.get(&at) {
            steps.push((call, at));
            at = callers.get(call);
        }
        for (call, callee) in steps.into_iter().rev() {
            let number = rows.rows.len() as u64 + 1;
            rows.rows.push(step(&graph, number, call, callee)?);
        }
        rows.rows.push(vec![
            (rows.rows.len() as u64 + 1).into(),
            graph.name(function)?.into(),
            operations.get(site).into(),
            Value::Missing,
            sites.texts("primitive")?.get(site).into(),
            sites.numbers("address")?.get(site).into(),
            sites.texts("file")?.maybe(site).into(),
            sites.small("line")?.maybe(site).into(),
            sites.texts("lock_type")?.get(site).into(),
            sites.texts("mode")?.get(site).into(),
            objects.get(site).into(),
        ]);
    }
    Ok(Found { rows, functions: reached.len(), indirect })
}

fn step(graph: &Graph, number: u64, call: usize, callee: u64) -> Result<Vec<Value>, Error> {
    let calls = graph.calls();
    Ok(vec![
        number.into(),
        graph.name(calls.numbers("caller")?.get(call))?.into(),
        calls.texts("kind")?.get(call).into(),
        calls.texts("member")?.maybe(call).into(),
        graph.name(callee)?.into(),
        calls.numbers("address")?.get(call).into(),
        calls.texts("file")?.maybe(call).into(),
        calls.small("line")?.maybe(call).into(),
        Value::Missing,
        Value::Missing,
        Value::Missing,
    ])
}
