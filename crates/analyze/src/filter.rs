//! Filters of reports: `KEY=VALUE` and `KEY!=VALUE`.
//!
//! Of several `=` with the same key one must fit; different keys must all fit, and no `!=` may.

use crate::pattern;
use crate::stacks::Stacks;
use crate::tenants::Tenants;
use anyhow::{Result, bail};
use datafusion::prelude::{Expr, col, concat, lit, to_hex};
use std::collections::BTreeMap;

/// A condition on the rows of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    key: String,
    /// Text in which `*` stands for anything.
    pattern: String,
    negated: bool,
}

/// What a report reads from, which decides what can be filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Waits,
    Tasks,
    Events,
    Acquisitions,
}

/// How a key is compared.
#[derive(Clone, Copy)]
enum Compare {
    Text(&'static str),
    Tenant(&'static str),
    Number(&'static str),
    Address(&'static str),
    Function,
}

const WAITS: &[(&str, Compare)] = &[
    ("object", Compare::Text("object")),
    ("method", Compare::Text("method")),
    ("instance", Compare::Text("instance")),
    ("path", Compare::Text("path")),
    ("lock", Compare::Address("lock")),
    ("type", Compare::Text("lock_type")),
    ("mode", Compare::Text("mode")),
    ("context", Compare::Text("context")),
    ("phase", Compare::Text("phase")),
    ("site", Compare::Text("site")),
    ("function", Compare::Function),
    ("tenant", Compare::Tenant("waiter_tenant")),
    ("holder", Compare::Tenant("holder_tenant")),
    ("holder_method", Compare::Text("holder_method")),
];

const TASKS: &[(&str, Compare)] = &[
    ("type", Compare::Text("lock_type")),
    ("phase", Compare::Text("phase")),
    ("tenant", Compare::Tenant("tenant")),
    ("comm", Compare::Text("comm")),
    ("pid", Compare::Number("tgid")),
    ("tid", Compare::Number("tid")),
];

const ACQUISITIONS: &[(&str, Compare)] = &[
    ("object", Compare::Text("object")),
    ("method", Compare::Text("method")),
    ("instance", Compare::Text("instance")),
    ("path", Compare::Text("path")),
    ("lock", Compare::Address("lock")),
    ("type", Compare::Text("lock_type")),
    ("mode", Compare::Text("mode")),
    ("context", Compare::Text("context")),
    ("phase", Compare::Text("phase")),
    ("site", Compare::Text("site")),
    ("function", Compare::Function),
    ("tenant", Compare::Tenant("tenant")),
];

/// What single waits have besides the keys of all waits.
const EVENTS: &[(&str, Compare)] = &[
    ("comm", Compare::Text("comm")),
    ("pid", Compare::Number("tgid")),
    ("tid", Compare::Number("tid")),
    ("cpu", Compare::Number("cpu")),
    ("holder_comm", Compare::Text("holder_comm")),
    ("holder_pid", Compare::Number("holder_tgid")),
    ("holder_tid", Compare::Number("holder_tid")),
];

impl Source {
    const ALL: [Self; 4] = [Self::Waits, Self::Tasks, Self::Events, Self::Acquisitions];

    fn keys(self) -> impl Iterator<Item = &'static (&'static str, Compare)> {
        let (keys, more): (_, &[_]) = match self {
            Self::Waits => (WAITS, &[]),
            Self::Tasks => (TASKS, &[]),
            Self::Events => (WAITS, EVENTS),
            Self::Acquisitions => (ACQUISITIONS, &[]),
        };
        keys.iter().chain(more)
    }

    fn compare(self, key: &str) -> Option<Compare> {
        self.keys().find(|&&(known, _)| known == key).map(|&(_, compare)| compare)
    }
}

fn names(keys: &[(&str, Compare)]) -> String {
    keys.iter().map(|&(key, _)| key).collect::<Vec<_>>().join(", ")
}

/// All keys, for people.
fn all_names() -> String {
    let (waits, tasks, events) = (names(WAITS), names(TASKS), names(EVENTS));
    format!("keys are {waits}; with `--by event` also {events}; with `--by task` {tasks}")
}

impl std::str::FromStr for Filter {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((key, pattern)) = text.split_once('=') else {
            bail!("`{text}` is not a filter: write KEY=VALUE or KEY!=VALUE; {}", all_names());
        };
        let (key, negated) = key.strip_suffix('!').map_or((key, false), |key| (key, true));
        let key = key.trim();
        if Source::ALL.iter().all(|source| source.compare(key).is_none()) {
            bail!("there is no filter `{key}`: {}", all_names());
        }
        Ok(Self { key: key.to_owned(), pattern: pattern.trim().to_owned(), negated })
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}={}", self.key, if self.negated { "!" } else { "" }, self.pattern)
    }
}

impl Filter {
    /// Rows whose `key` fits a pattern.
    pub fn new(key: &str, pattern: &str) -> Result<Self> {
        format!("{key}={pattern}").parse()
    }

    fn condition(&self, source: Source, stacks: &Stacks, tenants: &Tenants) -> Result<Expr> {
        let Some(compare) = source.compare(&self.key) else {
            let key = &self.key;
            match source {
                Source::Tasks => {
                    bail!("`--by task` cannot be filtered by `{key}`: the table of tasks has {}", names(TASKS))
                }
                Source::Acquisitions => {
                    bail!("acquisitions cannot be filtered by `{key}`: their keys are {}", names(ACQUISITIONS))
                }
                Source::Waits | Source::Events => bail!(
                    "`{key}` is a filter of `--by event` or `--by task`: the totals do not have it; here keys are {}",
                    names(WAITS)
                ),
            }
        };
        Ok(match compare {
            Compare::Text(column) => pattern::condition(col(column), &self.pattern),
            Compare::Tenant(column) => tenants.condition(column, &self.pattern),
            Compare::Number(column) => match self.pattern.parse::<u32>() {
                Ok(number) => col(column).eq(lit(number)),
                Err(_) => bail!("`{}` in the filter `{self}` is not a number", self.pattern),
            },
            Compare::Address(column) if self.pattern.contains('*') => {
                pattern::condition(concat(vec![lit("0x"), to_hex(col(column))]), &self.pattern)
            }
            Compare::Address(column) => match u64::from_str_radix(self.pattern.trim_start_matches("0x"), 16) {
                Ok(address) => col(column).eq(lit(address)),
                Err(_) => {
                    bail!("`{}` in the filter `{self}` is not an address such as 0xffff888100123498", self.pattern)
                }
            },
            Compare::Function => {
                let ids = stacks.with_function(&self.pattern).into_iter().map(lit).collect();
                col("stack_id").in_list(ids, false)
            }
        })
    }
}

/// All filters as one condition; `None` without any.
pub(crate) fn condition(
    filters: &[Filter],
    source: Source,
    stacks: &Stacks,
    tenants: &Tenants,
) -> Result<Option<Expr>> {
    let mut one_of: BTreeMap<&str, Expr> = BTreeMap::new();
    let mut all = Vec::new();
    for filter in filters {
        let condition = filter.condition(source, stacks, tenants)?;
        if filter.negated {
            // What has no such name at all (no holder, for example) does not fit either.
            all.push(condition.is_not_true());
        } else {
            let either = one_of.remove(&*filter.key).map_or(condition.clone(), |other| other.or(condition));
            one_of.insert(&filter.key, either);
        }
    }
    Ok(one_of.into_values().chain(all).reduce(Expr::and))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_is_answered_with_the_right_ones() {
        let error = "lcok=1".parse::<Filter>().unwrap_err().to_string();
        insta::assert_snapshot!(error, @r#"there is no filter `lcok`: keys are object, method, instance, path, lock, type, mode, context, phase, site, function, tenant, holder, holder_method; with `--by event` also comm, pid, tid, cpu, holder_comm, holder_pid, holder_tid; with `--by task` type, phase, tenant, comm, pid, tid"#);
    }

    #[test]
    fn what_the_table_of_tasks_lacks_is_said() {
        let filter = [Filter::new("object", "*").unwrap()];
        let refused = |filter: &[Filter], source| {
            condition(filter, source, &Stacks::default(), &Tenants::default()).unwrap_err().to_string()
        };
        let error = refused(&filter, Source::Tasks);
        insta::assert_snapshot!(error, @r#"`--by task` cannot be filtered by `object`: the table of tasks has type, phase, tenant, comm, pid, tid"#);
        let filter = [Filter::new("comm", "sh").unwrap()];
        let error = refused(&filter, Source::Waits);
        insta::assert_snapshot!(error, @r#"`comm` is a filter of `--by event` or `--by task`: the totals do not have it; here keys are object, method, instance, path, lock, type, mode, context, phase, site, function, tenant, holder, holder_method"#);
    }

    #[test]
    fn values_may_contain_anything() {
        let filter: Filter = "tenant!=a='b'; DROP".parse().unwrap();
        assert_eq!((&*filter.key, &*filter.pattern, filter.negated), ("tenant", "a='b'; DROP", true));
        assert_eq!(filter.to_string(), "tenant!=a='b'; DROP");
    }
}
