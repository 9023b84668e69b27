//! Tenants by name: names that no two tenants share.

use lima_model::words::{TENANT_FIRST, TENANT_KERNEL, TENANT_NONE, TENANT_UNKNOWN};
use std::collections::{BTreeMap, HashMap};

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
