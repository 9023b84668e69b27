//! Variables, their places and types.

use super::{btf_types, d61, programs};
use crate::code::Register;
use crate::debug::{Binding, Debug, Location, TypeMap, Variables};
use crate::image::{Place, SymbolKind};
use crate::types::VOID;
use std::sync::Arc;

const RDI: Register = Register(5);

#[test]
fn variables_at_addresses() {
    for program in programs() {
        let debug = program.debug();
        let map = program.types(&debug);
        let variables = debug.variables(&map);
        let mut found: Vec<(String, String, Option<String>)> = variables
            .iter()
            .map(|variable| {
                let mut symbols = program.image.symbols.iter().filter(|symbol| symbol.address == variable.address);
                assert!(symbols.any(|symbol| symbol.name.contains(&variable.name)), "{variable:?}");
                (variable.name.clone(), map.types().spelled(variable.of), variable.function.clone())
            })
            .collect();
        found.sort();
        let global = |name: &str, of: &str| (name.to_owned(), of.to_owned(), None);
        let local = |name: &str, of: &str| (name.to_owned(), of.to_owned(), Some("part".to_owned()));
        let expected = [
            global("callback", "void *"),
            global("global_lock", "lock_t"),
            global("hidden", "struct opaque *"),
            global("items", "struct item[4]"),
            local("once", "lock_t"),
        ];
        for expected in expected {
            // What nobody reads may be gone.
            if !program.image.symbols.iter().any(|symbol| symbol.name.contains(&expected.0)) {
                continue;
            }
            assert!(found.contains(&expected), "{}: {expected:?} in {found:?}", program.with);
        }
    }
}

/// The bindings of a function at an address whose type is spelled so.
fn at<'v>(variables: &'v Variables, map: &TypeMap, address: u64, of: &str) -> Vec<&'v Binding> {
    let covers = |binding: &&Binding| binding.start <= address && address < binding.end;
    variables.bindings.iter().filter(covers).filter(|binding| map.types().spelled(binding.of) == of).collect()
}

#[test]
fn parameters_are_in_registers_at_first() {
    for program in programs() {
        let debug = program.debug();
        let map = program.types(&debug);
        let starts = ["walk", "take", "use"].map(|name| program.function(name).0);
        let variables = debug.variables_of(&map, &starts);
        for (index, of) in [(0, "struct list *"), (1, "lock_t *"), (2, "void *")] {
            let found = at(&variables[index], &map, starts[index], of);
            let right = |binding: &&&Binding| binding.location == Location::Register(RDI) && binding.parameter;
            assert!(found.iter().any(|binding| right(&binding)), "{}: {of}: {found:?}", program.with);
        }
        assert_eq!(debug.losses().types, 0, "{}", program.with);
    }
}

#[test]
fn what_container_of_leaves() {
    for program in programs() {
        let debug = program.debug();
        let map = program.types(&debug);
        let (start, end) = program.function("walk");
        let variables = debug.variables_of(&map, &[start]).remove(0);
        let items: Vec<&Binding> = variables
            .bindings
            .iter()
            .filter(|binding| map.types().spelled(binding.of) == "struct item *" && !binding.parameter)
            .collect();
        assert!(!items.is_empty(), "{}: {variables:?}", program.with);
        assert!(items.iter().all(|binding| start <= binding.start && binding.end <= end));
        // The variable is its member's address minus the member's offset.
        let link = i64::from(map.types().composites_named("item").next().map_or(0, |id| {
            map.types().members(id).iter().find(|member| map.types().text(member.name) == "link").unwrap().offset()
        }));
        let minus = |binding: &&Binding| matches!(binding.location, Location::RegisterPlus(_, add) if add == -link);
        let plain = |binding: &&Binding| matches!(binding.location, Location::Register(_));
        assert!(items.iter().any(|binding| minus(binding) || plain(binding)), "{}: {items:?}", program.with);
        let seen: Vec<String> = variables.seen.iter().map(|id| map.types().spelled(*id)).collect();
        for of in ["struct item *", "struct list *"] {
            assert!(seen.iter().any(|seen| seen == of), "{}: {of} in {seen:?}", program.with);
        }
    }
}

#[test]
fn types_of_debug_information() {
    for program in programs() {
        let debug = program.debug();
        let map = program.types(&debug);
        let types = map.types();
        let item = types.composite_named("item", 40).unwrap();
        let members: Vec<(String, u32, u32, String)> = types
            .members(item)
            .iter()
            .map(|member| {
                let name = types.text(member.name).to_owned();
                (name, member.bit_offset, member.bit_size, types.spelled(member.of).replace("long int", "long"))
            })
            .collect();
        let member = |name: &str, offset, bits, of: &str| (name.to_owned(), offset, bits, of.to_owned());
        assert_eq!(
            members[..5],
            [
                member("key", 0, 0, "long"),
                member("low", 64, 3, "unsigned int"),
                member("high", 67, 7, "unsigned int"),
                member("lock", 96, 0, "lock_t"),
                member("link", 128, 0, "struct list"),
            ],
            "{}",
            program.with
        );
        assert_eq!((members[5].0.as_str(), members[5].1), ("u", 256));
        assert_eq!(types.composites_named("pair_t").count(), 1);
        assert_eq!(types.composites_named("list").count(), 1);
    }
}

#[test]
fn types_of_both_sources_agree() {
    let Some(image) = d61() else { return };
    let debug = Debug::open(&image).unwrap().unwrap();
    let btf = TypeMap::new(btf_types(&image));
    let dwarf = TypeMap::new(Arc::new(debug.types(&image.path, None).unwrap()));
    let (with_btf, with_dwarf) = (debug.variables(&btf), debug.variables(&dwarf));
    assert_eq!(with_btf.len(), with_dwarf.len());
    let (mut known, mut different) = (0, Vec::new());
    for (a, b) in with_btf.iter().zip(&with_dwarf) {
        assert_eq!((a.address, &a.name), (b.address, &b.name));
        if a.of == VOID || b.of == VOID {
            continue;
        }
        known += 1;
        let (ta, tb) = (btf.types(), dwarf.types());
        let (ca, cb) = (ta.composite(a.of).is_some(), tb.composite(b.of).is_some());
        if ca != cb || ta.bytes(a.of) != tb.bytes(b.of) || ta.holds_lock(a.of) != tb.holds_lock(b.of) {
            different.push(format!("{}: {} {}", a.name, ta.spelled(a.of), tb.spelled(b.of)));
        }
    }
    assert!(known > 28_000 && with_btf.len() - known < 500, "{known} of {}", with_btf.len());
    assert!(different.is_empty(), "{different:#?}");
}

#[test]
fn variables_of_a_real_kernel() {
    let Some(image) = d61() else { return };
    let debug = Debug::open(&image).unwrap().unwrap();
    let map = TypeMap::new(btf_types(&image));
    let variables = debug.variables(&map);
    let types = map.types();
    let find = |name: &str| {
        let symbol = image.symbols_named(name).next().unwrap();
        let variable = variables.iter().find(|variable| variable.address == symbol.address).unwrap();
        (variable.name.as_str(), types.spelled(variable.of), variable.function.as_deref())
    };
    assert_eq!(find("tasklist_lock"), ("tasklist_lock", "rwlock_t".to_owned(), None));
    assert_eq!(find("runqueues"), ("runqueues", "struct rq".to_owned(), None));
    assert!(variables.iter().any(|variable| variable.function.is_some() && types.lock_type(variable.of).is_some()));
    // A variable for nearly every symbol of data that the source names.
    let data = image.symbols.iter().filter(|s| s.kind == SymbolKind::Object && s.place != Place::Absolute);
    let (mut all, mut known) = (0, 0);
    for symbol in data {
        all += 1;
        known += usize::from(variables.binary_search_by_key(&symbol.address, |variable| variable.address).is_ok());
    }
    println!("{known} of {all} symbols of data");
    assert!(known * 10 > all * 5, "{known} of {all}");
    // ext4_iget's inode is found in a register or on the stack all the way.
    let start = image.symbols_named("__ext4_iget").next().unwrap().address;
    let of = debug.variables_of(&map, &[start]).remove(0);
    assert!(of.bindings.iter().any(|binding| types.spelled(binding.of) == "struct ext4_inode_info *"));
    assert!(of.seen.iter().any(|id| types.spelled(*id) == "struct inode *"));
}
