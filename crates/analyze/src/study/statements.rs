//! The statements of `sql/study/`, in their order.

/// What a statement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// One trace; its rows are put after those of the other traces.
    Trace,
    /// The tables made so far.
    Study,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement {
    /// What its table is called.
    pub(super) name: &'static str,
    /// Its group, as in the file's name: 1 combined, 2 rates, and so on.
    pub(super) group: u8,
    pub(super) sql: &'static str,
    pub(super) scope: Scope,
    /// Whether the table is a result, or only a step to others.
    pub(super) kept: bool,
}

macro_rules! statements {
    ($($scope:ident $number:literal $name:ident $($step:ident)?,)*) => {
        &[$(Statement {
            name: stringify!($name),
            group: group_of($number),
            sql: include_str!(concat!("../../sql/study/", $number, "_", stringify!($name), ".sql")),
            scope: Scope::$scope,
            kept: !statements!(@ $($step)?),
        }),*]
    };
    (@) => { false };
    (@ step) => { true };
}

/// The group in the number of a file: 1 of `011`.
const fn group_of(number: &str) -> u8 {
    let digits = number.as_bytes();
    (digits[0] - b'0') * 10 + (digits[1] - b'0')
}

/// All, each after those that it reads from.
pub(super) const ALL: &[Statement] = statements![
    Study "010" run_phases,
    Trace "011" uses step,
    Trace "012" by_lock step,
    Trace "013" combined,
    Trace "014" births,
    Trace "015" waits,
    Trace "016" shared_locks,
    Trace "017" tenant_shares,
    Study "018" draws step,
    Study "020" object_rates,
    Study "021" rates,
    Study "022" type_rates,
    Study "030" matrix,
    Study "031" cumulative,
    Study "040" hot,
    Study "041" common_platforms,
    Study "042" common_workloads,
    Study "043" exclusive,
    Study "044" overlap,
    Study "050" birth_rates,
    Study "051" cold_warm,
    Study "060" stressors,
    Study "070" subsystems,
    Study "080" sensitivity,
    Study "081" magnitude,
    Study "090" potential,
    Study "091" observed,
    Study "092" pairs,
    Study "093" scores,
    Study "094" objects_ranked,
    Study "095" sources,
    Study "100" all_runs,
    Study "101" elapsed,
    Study "102" losses,
    Study "103" repetitions,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_statement_and_says_what_it_is() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/study");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .filter(|name| name.ends_with(".sql"))
            .collect();
        files.sort();
        assert_eq!(files.len(), ALL.len());
        for (file, statement) in files.iter().zip(ALL) {
            assert_eq!(file[4..], format!("{}.sql", statement.name));
            assert!(statement.sql.starts_with("-- "), "{file}");
        }
        assert_eq!(ALL.last().map(|statement| statement.group), Some(10));
    }
}
