//! The parts of a recording, and what a count in it stands for, as expressions in SQL.

use crate::engine::Engine;
use anyhow::Result;
use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use lima_model::Manifest;
use std::fmt::Write;

/// The phases by their begin.
#[derive(Debug, Default)]
pub(crate) struct Phases(Vec<(u64, String)>);

impl Phases {
    /// Reads them.
    pub(crate) fn read(engine: &Engine) -> Result<Self> {
        let mut phases = Vec::new();
        for batch in engine.rows("SELECT begin_ns, phase FROM phases")? {
            let (begins, names) = (batch.column(0).as_primitive::<UInt64Type>(), batch.column(1).as_string::<i32>());
            phases.extend(begins.values().iter().copied().zip(names.iter().flatten().map(str::to_owned)));
        }
        phases.sort();
        Ok(Self(phases))
    }

    /// The name of the phase that a time lies in.
    pub(crate) fn of(&self, time: &str) -> String {
        let Some((_, first)) = self.0.first() else { return "'start'".to_owned() };
        let mut case = String::from("CASE");
        for (begin, name) in self.0.iter().skip(1).rev() {
            let _ = write!(case, " WHEN {time} >= {begin} THEN {}", quoted(name));
        }
        if self.0.len() < 2 { quoted(first) } else { format!("{case} ELSE {} END", quoted(first)) }
    }
}

/// How many acquisitions each that was recorded stands for, by its lock type.
pub(crate) fn weight(manifest: &Manifest) -> String {
    let sample = &manifest.options.sample;
    if sample.is_empty() {
        return "1".to_owned();
    }
    let cases = sample.iter().map(|(kind, every)| format!("WHEN {} THEN {every}", quoted(kind)));
    format!("CASE t.lock_type {} ELSE 1 END", cases.collect::<Vec<_>>().join(" "))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_began_counts() {
        assert_eq!(Phases::default().of("t"), "'start'");
        let phases = Phases(vec![(0, "start".into()), (5, "it's".into()), (9, "warm".into())]);
        assert_eq!(phases.of("t"), "CASE WHEN t >= 9 THEN 'warm' WHEN t >= 5 THEN 'it''s' ELSE 'start' END");
    }

    #[test]
    fn types_without_a_sample_count_once() {
        let mut manifest = Manifest::begin("0");
        assert_eq!(weight(&manifest), "1");
        manifest.options.sample.insert("spinlock".into(), 16);
        assert_eq!(weight(&manifest), "CASE t.lock_type WHEN 'spinlock' THEN 16 ELSE 1 END");
    }
}
