//! Chains of waiters: what the holder of a lock was waiting for itself, meanwhile.

use crate::analysis::Analysis;
use crate::filter::Source;
use crate::table::{self, Column, Kind, Rows, Value};
use anyhow::Result;
use std::collections::HashMap;

/// The columns that single waits get by it: for how long of the wait its holder waited for another lock, and which lock,
/// object and holder that was. Of several such waits the one that takes the most of it.
const COLUMNS: [&str; 5] =
    ["holder_wait_ns", "holder_wait_lock", "holder_wait_object", "holder_wait_holder_tid", "holder_wait_holder_comm"];

/// A wait of a thread.
#[derive(Debug)]
struct Wait {
    begin_ns: u64,
    end_ns: u64,
    row: usize,
}

impl Analysis {
    /// Adds what the holders were waiting for, by all single waits that the trace keeps, whatever filters let pass.
    pub(crate) fn with_chains(&self, mut rows: Rows) -> Result<Rows> {
        let mut holders: Vec<u64> = (0..rows.rows.len()).map(|row| rows.number(row, "holder_tid")).collect();
        holders.sort_unstable();
        holders.dedup();
        holders.retain(|&tid| tid != 0);
        let (waits, by_thread) = if holders.is_empty() { Default::default() } else { self.waits_of(&holders)? };
        for row in 0..rows.rows.len() {
            let (begin, lock) = (rows.number(row, "begin_ns"), rows.number(row, "lock"));
            let end = begin.saturating_add(rows.number(row, "wait_ns"));
            let of_holder = by_thread.get(&rows.number(row, "holder_tid")).map_or(&[][..], Vec::as_slice);
            let first = of_holder.partition_point(|wait| wait.end_ns <= begin);
            let both = |wait: &Wait| wait.end_ns.min(end).saturating_sub(wait.begin_ns.max(begin));
            let next = of_holder[first..]
                .iter()
                .take_while(|wait| wait.begin_ns < end)
                .filter(|wait| both(wait) > 0 && waits.number(wait.row, "lock") != lock)
                .max_by_key(|wait| both(wait));
            rows.rows[row].extend(match next {
                None => COLUMNS.map(|_| Value::Missing),
                Some(wait) => {
                    let value =
                        |name| waits.position(name).map_or(Value::Missing, |at| waits.rows[wait.row][at].clone());
                    let [lock, object, tid, comm] = ["lock", "object", "holder_tid", "holder_comm"].map(value);
                    [Value::Number(both(wait)), lock, object, tid, comm]
                }
            });
        }
        let kinds = [Kind::Ns, Kind::Address, Kind::Text, Kind::Id, Kind::Text];
        rows.columns.extend(COLUMNS.into_iter().zip(kinds).map(|(name, kind)| Column { name: name.to_owned(), kind }));
        Ok(rows)
    }

    /// The waits of threads, and each thread's in order: a task waits for one lock at a time. Those in interrupts carry the thread that was
    /// interrupted, which waited for nothing.
    fn waits_of(&self, threads: &[u64]) -> Result<(Rows, HashMap<u64, Vec<Wait>>)> {
        let list: Vec<String> = threads.iter().map(u64::to_string).collect();
        let statement = format!(
            "SELECT tid, begin_ns, wait_ns, lock, object, holder_tid, holder_comm FROM single_waits \
             WHERE context = 'task' AND tid IN ({})",
            list.join(", ")
        );
        self.narrow(Source::Events, &[])?;
        let frame = self.engine.prepare(&statement)?;
        let schema = frame.schema().as_arrow().clone();
        let waits = table::rows(&schema, &self.engine.collect(frame)?, usize::MAX)?;
        let mut by_thread: HashMap<u64, Vec<Wait>> = HashMap::new();
        for row in 0..waits.rows.len() {
            let begin_ns = waits.number(row, "begin_ns");
            let wait = Wait { begin_ns, end_ns: begin_ns.saturating_add(waits.number(row, "wait_ns")), row };
            by_thread.entry(waits.number(row, "tid")).or_default().push(wait);
        }
        by_thread.values_mut().for_each(|waits| waits.sort_by_key(|wait| (wait.end_ns, wait.begin_ns)));
        Ok((waits, by_thread))
    }
}
