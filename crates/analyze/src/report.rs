//! Waits summed up by one thing or another, or one by one.

use crate::analysis::Analysis;
use crate::filter::{Filter, Source};
use crate::statement;
use crate::table::{self, Kind, Rows};
use anyhow::{Result, bail};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Schema, UInt64Type};
use datafusion::prelude::{DataFrame, col};

/// What a row of a report stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// An object, as far as the trace knows it, with lock type and mode.
    #[default]
    Object,
    /// One object: this inode, that socket; with lock and type.
    Instance,
    /// A lock: one address.
    Lock,
    /// A place in the kernel that waits.
    Site,
    /// A stack.
    Stack,
    /// A task that waited.
    Task,
    /// A tenant that waited.
    Tenant,
    /// A lock type and mode.
    Type,
    /// A bucket of time.
    Time,
    /// A phase of the recording.
    Phase,
    /// A single wait.
    Event,
}

/// A question.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// What a row stands for.
    pub by: By,
    /// The column to sort by; the largest numbers, or the first words, come first.
    pub sort: Option<String>,
    /// How many rows to return; all of them without.
    pub top: Option<usize>,
    /// Which waits to look at.
    pub filters: Vec<Filter>,
    /// Sums up acquisitions and holds instead of waits.
    pub acquisitions: bool,
}

/// Sums over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many rows.
    pub rows: u64,
    /// Their waits.
    pub waits: u64,
    /// The time of these, nanoseconds.
    pub wait_ns_total: u64,
    /// Their acquisitions, in a report on these.
    pub acquisitions: u64,
    /// The time of their holds, in a report on these.
    pub hold_ns_total: u64,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Report {
    /// What a row stands for.
    pub by: By,
    /// Whether acquisitions and holds are summed up, and not waits.
    pub acquisitions: bool,
    /// The column that the rows are sorted by.
    pub sort: String,
    /// The filters that were asked for.
    pub filters: Vec<Filter>,
    /// The rows.
    pub rows: Rows,
    /// All rows that there are, returned or not.
    pub whole: Sums,
    /// Those that were not returned.
    pub cut: Sums,
}

/// Stacks with weights: frames from the outermost to the innermost, the lock type as the last, and nanoseconds waited.
pub type Flame = Vec<(Vec<String>, u64)>;

/// A report's key columns, and further ones that are sums over its group.
struct Shape {
    keys: &'static str,
    also: &'static str,
}

/// Columns that say which object most of a group is about.
pub(crate) const OBJECT: &str = "main_object AS object, main_method AS method, objects";
/// The same, and how many locks it has.
pub(crate) const OBJECT_AND_LOCKS: &str = "main_object AS object, main_method AS method, objects, locks";

/// Columns that say which object it is one of, the last path it was seen to have, and who shares it.
pub(crate) const INSTANCE: &str = "main_object AS object, main_method AS method, objects, path, sharing, tenants";

impl By {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Object,
        Self::Instance,
        Self::Lock,
        Self::Site,
        Self::Stack,
        Self::Task,
        Self::Tenant,
        Self::Type,
        Self::Time,
        Self::Phase,
        Self::Event,
    ];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Instance => "instance",
            Self::Lock => "lock",
            Self::Site => "site",
            Self::Stack => "stack",
            Self::Task => "task",
            Self::Tenant => "tenant",
            Self::Type => "type",
            Self::Time => "time",
            Self::Phase => "phase",
            Self::Event => "event",
        }
    }

    /// What the statement in `report.sql` groups by; tasks and single waits have tables and statements of their own.
    const fn shape(self) -> Option<Shape> {
        let (keys, also) = match self {
            Self::Object => ("object, method, lock_type, mode", "locks, shared_locks"),
            Self::Instance => ("instance, lock, lock_type", INSTANCE),
            Self::Lock => ("lock, lock_type", OBJECT),
            Self::Site => ("site, lock_type, mode", OBJECT_AND_LOCKS),
            Self::Stack => ("stack_id, user_stack_id, lock_type, mode", OBJECT_AND_LOCKS),
            Self::Task | Self::Event => return None,
            Self::Tenant => ("waiter_tenant", "objects, locks"),
            Self::Type => ("lock_type, mode", "objects, locks"),
            Self::Time => ("time_ns", "objects, locks"),
            Self::Phase => ("phase", "objects, locks"),
        };
        Some(Shape { keys, also })
    }

    fn keys(self) -> &'static str {
        let of_its_own = if self == Self::Event { "begin_ns, tid, lock" } else { "tid, tgid, tenant" };
        self.shape().map_or(of_its_own, |shape| shape.keys)
    }

    fn source(self) -> Source {
        match self {
            Self::Task => Source::Tasks,
            Self::Event => Source::Events,
            _ => Source::Waits,
        }
    }

    /// What rows are sorted by when nothing else is asked for.
    const fn order(self) -> &'static str {
        match self {
            Self::Time => "time_ns",
            Self::Event => "wait_ns",
            _ => "wait_ns_total",
        }
    }

    fn statement(self) -> String {
        match self.shape() {
            None => include_str!("../sql/tasks.sql").to_owned(),
            Some(shape) => {
                let statement = statement::with(include_str!("../sql/report.sql"), "/*keys*/", shape.keys);
                statement::with(&statement, "/*also*/", shape.also)
            }
        }
    }
}

impl Analysis {
    /// Sums waits up, or lists them.
    pub fn report(&self, query: &Query) -> Result<Report> {
        if query.acquisitions {
            return self.holds(query);
        }
        let sort = query.sort.clone().unwrap_or_else(|| query.by.order().to_owned());
        if query.by == By::Event {
            return self.events(query, sort);
        }
        self.narrow(query.by.source(), &query.filters)?;
        let statement = self.with_sharing(query.by, query.by.source(), &query.by.statement())?;
        let frame = self.engine.prepare(&statement)?;
        let frame = sorted(frame, &sort, query.by)?;
        let schema = frame.schema().as_arrow().clone();
        let batches = self.engine.collect(frame)?;
        let mut report = cut(query, sort, &schema, &batches)?;
        if query.by == By::Stack {
            report.rows = self.with_frames(report.rows);
        }
        Ok(report)
    }

    /// Weighs stacks by the time waited on them, user frames outside kernel frames.
    pub fn flame(&self, filters: &[Filter]) -> Result<Flame> {
        self.narrow(Source::Waits, filters)?;
        let statement = "SELECT stack_id, user_stack_id, lock_type, sum(wait_ns_total) AS wait_ns_total FROM waits \
            GROUP BY stack_id, user_stack_id, lock_type ORDER BY stack_id, user_stack_id, lock_type";
        let mut stacks = std::collections::BTreeMap::new();
        for batch in self.engine.rows(statement)? {
            let number = |column: usize, row| batch.column(column).as_primitive::<UInt64Type>().value(row);
            for row in 0..batch.num_rows() {
                let mut frames = self.stacks.kernel_frames(number(0, row), false);
                frames.extend(self.stacks.user_frames(number(1, row), false));
                frames.reverse();
                let lock_type =
                    table::rows(&batch.schema(), &[batch.slice(row, 1)], 1)?.text(0, "lock_type").to_owned();
                frames.push(format!("[{lock_type}]"));
                *stacks.entry(frames).or_default() += number(3, row);
            }
        }
        Ok(stacks.into_iter().filter(|&(_, weight)| weight > 0).collect())
    }
}

/// The first rows of a report, and sums over all.
pub(crate) fn cut(query: &Query, sort: String, schema: &Schema, batches: &[RecordBatch]) -> Result<Report> {
    let whole = sums(batches);
    let rows = table::rows(schema, batches, query.top.unwrap_or(usize::MAX))?;
    let cut = Sums {
        rows: whole.rows - rows.rows.len() as u64,
        waits: whole.waits - total(&rows, "waits"),
        wait_ns_total: whole.wait_ns_total - total(&rows, "wait_ns_total"),
        acquisitions: whole.acquisitions - total(&rows, "acquisitions"),
        hold_ns_total: whole.hold_ns_total - total(&rows, "hold_ns_total"),
    };
    let (by, acquisitions, filters) = (query.by, query.acquisitions, query.filters.clone());
    Ok(Report { by, acquisitions, sort, filters, rows, whole, cut })
}

/// Sorts by a column and, among equals, by the keys, so that the same trace always gives the same report.
pub(crate) fn sorted(frame: DataFrame, column: &str, by: By) -> Result<DataFrame> {
    sorted_by(frame, column, by.keys(), by)
}

pub(crate) fn sorted_by(frame: DataFrame, column: &str, keys: &str, by: By) -> Result<DataFrame> {
    let Ok(field) = frame.schema().field_with_unqualified_name(column) else {
        let names: Vec<_> = frame.schema().fields().iter().map(|field| &**field.name()).collect();
        bail!("cannot sort by `{column}`: the columns of `--by {}` are {}", by.name(), names.join(", "));
    };
    let ascending =
        table::column(column, field.data_type()).kind == Kind::Text || ["time_ns", "begin_ns"].contains(&column);
    let keys = keys.split(", ").filter(|&key| key != column).map(|key| col(key).sort(true, false));
    let order: Vec<_> = std::iter::once(col(column).sort(ascending, false)).chain(keys).collect();
    Ok(frame.sort(order)?)
}

fn sums(batches: &[RecordBatch]) -> Sums {
    let sum = |name: &str| {
        let column = |batch: &RecordBatch| {
            let array = batch.column_by_name(name)?.as_primitive_opt::<UInt64Type>()?.clone();
            Some(array.iter().flatten().fold(0, u64::saturating_add))
        };
        batches.iter().filter_map(column).fold(0, u64::saturating_add)
    };
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    Sums {
        rows,
        waits: sum("waits"),
        wait_ns_total: sum("wait_ns_total"),
        acquisitions: sum("acquisitions"),
        hold_ns_total: sum("hold_ns_total"),
    }
}

fn total(rows: &Rows, column: &str) -> u64 {
    if rows.position(column).is_none() {
        return 0;
    }
    (0..rows.rows.len()).map(|row| rows.number(row, column)).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_of_the_statement_are_where_the_code_looks_for_them() {
        let statement = By::Time.statement();
        assert_eq!(statement.matches("time_ns,").count(), 2);
        assert!(statement.contains("GROUP BY time_ns"), "{statement}");
        assert!(!statement.contains("/*keys") && !statement.contains("/*also"), "{statement}");
        assert_eq!((statement.matches("/*rows*/").count(), statement.matches("/*sharing*/").count()), (1, 1));
    }
}
