//! Tenants by name: names that no two tenants share, and whom people mean who spell them otherwise.

use crate::pattern;
use anyhow::{Context, Result};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use datafusion::prelude::{Expr, col, lit};
use lima_model::spelling::{Fit, Known, fit};
use lima_model::words::{TENANT_FIRST, TENANT_KERNEL, TENANT_NONE, TENANT_UNKNOWN};
use std::collections::{BTreeMap, HashMap};

/// All tenants of a trace.
#[derive(Debug, Default)]
pub(crate) struct Tenants(Vec<Tenant>);

#[derive(Debug)]
struct Tenant {
    number: u32,
    /// As in reports.
    name: String,
    path: Option<String>,
    runtime: Option<String>,
    container_id: Option<String>,
}

impl Tenants {
    /// What `add` reads.
    pub(crate) const COLUMNS: &'static str = "tenant, name, path, runtime, container_id";

    /// Adds rows of the table `tenants` with the columns of [`Self::COLUMNS`].
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let numbers = batch.column(0).as_primitive_opt::<UInt32Type>().context("`tenant` is not a number")?;
        let texts =
            |column: usize| batch.column(column).as_string_opt::<i32>().context("a name of a tenant is not text");
        let (names, paths, runtimes, ids) = (texts(1)?, texts(2)?, texts(3)?, texts(4)?);
        let text = |array: &arrow::array::StringArray, row| array.is_valid(row).then(|| array.value(row).to_owned());
        self.0.extend((0..batch.num_rows()).map(|row| Tenant {
            number: numbers.value(row),
            name: names.value(row).to_owned(),
            path: text(paths, row),
            runtime: text(runtimes, row),
            container_id: text(ids, row),
        }));
        Ok(())
    }

    /// Call when all have been added: gives them the names that reports show.
    pub(crate) fn finish(&mut self) -> BTreeMap<u32, String> {
        let names = distinct(self.0.iter().map(|tenant| (tenant.number, tenant.name.clone())));
        for tenant in &mut self.0 {
            tenant.name.clone_from(&names[&tenant.number]);
        }
        names
    }

    /// Rows whose tenant, by its name in `column`, fits a pattern. A tenant that nobody's name fits may be spelled as
    /// [`lima_model::spelling`] says.
    pub(crate) fn condition(&self, column: &str, called: &str) -> Expr {
        let by_name = pattern::condition(col(column), called);
        if self.0.iter().any(|tenant| pattern::fits(called, &tenant.name)) {
            return by_name;
        }
        let Some(best) = self.0.iter().filter_map(|tenant| tenant.fit(called)).max() else { return by_name };
        let meant = self.0.iter().filter(|tenant| tenant.fit(called) == Some(best));
        col(column).in_list(meant.map(|tenant| lit(&*tenant.name)).collect(), false)
    }
}

impl Tenant {
    fn fit(&self, called: &str) -> Option<Fit> {
        if called.contains('*') {
            let path = self.path.as_deref()?;
            return pattern::fits(called, path.trim_start_matches('/')).then_some(Fit::Short);
        }
        let known = Known {
            name: &self.name,
            path: self.path.as_deref(),
            runtime: self.runtime.as_deref(),
            container_id: self.container_id.as_deref(),
        };
        fit(called, &known)
    }
}

/// Names for tenants, from (number, name) as they stand in the trace. Tenants of the same name, and those that call
/// themselves `none`, `unknown` or `kernel`, get their number appended; of a tenant named twice the last name counts.
pub fn distinct(tenants: impl IntoIterator<Item = (u32, String)>) -> BTreeMap<u32, String> {
    let mut names: BTreeMap<u32, String> = tenants.into_iter().collect();
    names.insert(TENANT_UNKNOWN, "unknown".to_owned());
    names.insert(TENANT_NONE, "none".to_owned());
    names.insert(TENANT_KERNEL, "kernel".to_owned());
    // A tenant may be named like what comes out of this (`a#4`), hence the repetition. It ends: names with different
    // numbers appended differ, so each round after the first appends to a name that had been left alone.
    loop {
        let mut count: HashMap<String, usize> = HashMap::new();
        names.values().for_each(|name| *count.entry(name.clone()).or_default() += 1);
        let mut changed = false;
        for (&tenant, name) in names.range_mut(TENANT_FIRST..) {
            if count[name] > 1 {
                *name = format!("{name}#{tenant}");
                changed = true;
            }
        }
        if !changed {
            return names;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<String> {
        let names = names.iter().enumerate().map(|(i, name)| (TENANT_FIRST + i as u32, (*name).to_owned()));
        distinct(names).into_values().skip(TENANT_FIRST as usize).collect()
    }

    #[test]
    fn equal_names_are_told_apart_by_number() {
        assert_eq!(named(&["a", "b", "a"]), ["a#3", "b", "a#5"]);
    }

    #[test]
    fn no_tenant_passes_for_nobody() {
        assert_eq!(named(&["none", "unknown", "kernel"]), ["none#3", "unknown#4", "kernel#5"]);
    }

    #[test]
    fn a_name_that_looks_like_a_numbered_one_stays_apart() {
        assert_eq!(named(&["a", "a", "a#3"]), ["a#3#3", "a#4", "a#3#5"]);
    }
}
