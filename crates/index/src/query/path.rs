//! How a function comes to take a lock.

use super::graph::Graph;
use crate::Error;
use crate::store::Index;
use lima_model::IndexTable;
use lima_model::pattern::fits;
use lima_model::table::{Kind, Rows, Value};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// The answer.
#[derive(Clone, Debug)]
pub struct Found {
    /// The steps of a shortest path: calls, and the site at last. Without rows when no path is known.
    pub rows: Rows,
    /// How many functions were looked at.
    pub functions: usize,
    /// How many calls in them are indirect, and were not followed.
    pub indirect: usize,
}

const COLUMNS: &[(&str, Kind)] = &[
    ("step", Kind::Id),
    ("function", Kind::Text),
    ("kind", Kind::Text),
    ("to", Kind::Text),
    ("address", Kind::Address),
    ("file", Kind::Text),
    ("line", Kind::Id),
    ("lock_type", Kind::Text),
    ("mode", Kind::Text),
    ("object", Kind::Text),
];

/// A shortest path of calls from a function (or system call) to a site that acquires or tries a lock that fits the pattern.
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
    let (callees, kinds) = (graph.calls().numbers("callee")?, graph.calls().texts("kind")?);
    // By which call each function was reached.
    let mut reached: FxHashMap<u64, Option<usize>> = FxHashMap::default();
    let mut queue: VecDeque<u64> = graph.meant(from)?.into();
    reached.extend(queue.iter().map(|&function| (function, None)));
    let mut indirect = 0;
    let mut goal = None;
    while let Some(function) = queue.pop_front() {
        if let Some(&site) = goals.get(&function) {
            goal = Some((function, site));
            break;
        }
        for call in graph.calls_from(function) {
            match callees.maybe(call) {
                None => indirect += usize::from(kinds.get(call) == "indirect"),
                Some(callee) => {
                    reached.entry(callee).or_insert_with(|| {
                        queue.push_back(callee);
                        Some(call)
                    });
                }
            }
        }
    }
    let mut rows = Rows::new(COLUMNS.iter().copied());
    if let Some((function, site)) = goal {
        let callers = graph.calls().numbers("caller")?;
        let (mut steps, mut at) = (Vec::new(), function);
        while let Some(&Some(call)) = reached.get(&at) {
            steps.push(call);
            at = callers.get(call);
        }
        for call in steps.into_iter().rev() {
            let number = rows.rows.len() as u64 + 1;
            rows.rows.push(step(&graph, number, call)?);
        }
        rows.rows.push(vec![
            (rows.rows.len() as u64 + 1).into(),
            graph.name(function)?.into(),
            operations.get(site).into(),
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

fn step(graph: &Graph, number: u64, call: usize) -> Result<Vec<Value>, Error> {
    let calls = graph.calls();
    Ok(vec![
        number.into(),
        graph.name(calls.numbers("caller")?.get(call))?.into(),
        calls.texts("kind")?.get(call).into(),
        calls.numbers("callee")?.maybe(call).map(|callee| graph.name(callee)).transpose()?.into(),
        calls.numbers("address")?.get(call).into(),
        calls.texts("file")?.maybe(call).into(),
        calls.small("line")?.maybe(call).into(),
        Value::Missing,
        Value::Missing,
        Value::Missing,
    ])
}
