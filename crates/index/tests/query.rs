//! Questions to a made-up index.

mod common;

use common::{COLD, GLOBAL, MIDDLE, MODULE, SYSCALL, TAKER};
use lima_index::query::{self, Calls, Direction, Locks, Sites};
use lima_model::table::{Rows, Value};
use lima_model::words::Operation;

fn texts<'a>(rows: &'a Rows, column: &str) -> Vec<&'a str> {
    (0..rows.rows.len()).map(|row| rows.text(row, column)).collect()
}

#[test]
fn locks_by_struct_type_and_object() {
    let (_home, _, index) = common::index();
    let ask = |wanted: Locks| query::locks(&index, &wanted).unwrap();
    let all = ask(Locks::default());
    assert_eq!(texts(&all, "object"), ["inode.i_mutex", "big_lock"]);
    assert_eq!((all.number(0, "offset"), all.number(0, "size"), all.number(1, "address")), (152, 32, GLOBAL));
    assert_eq!(all.rows[1][all.position("struct").unwrap()], Value::Missing);
    assert_eq!(texts(&ask(Locks { composite: Some("ino*".into()), ..Locks::default() }), "object"), ["inode.i_mutex"]);
    assert_eq!(texts(&ask(Locks { globals: true, ..Locks::default() }), "object"), ["big_lock"]);
    assert!(ask(Locks { lock_type: Some("rwsem".into()), ..Locks::default() }).rows.is_empty());
    assert!(ask(Locks { module: Some("demo".into()), ..Locks::default() }).rows.is_empty());
}

#[test]
fn sites_by_object_function_and_method() {
    let (_home, _, index) = common::index();
    let ask = |wanted: Sites| query::sites(&index, &wanted).unwrap();
    assert_eq!(ask(Sites::default()).rows.len(), 4);
    let found = ask(Sites { object: Some("inode.i_mutex".into()), ..Sites::default() });
    assert_eq!(texts(&found, "operation"), ["acquire", "release"]);
    assert_eq!(found.number(0, "offset"), 0x10);
    // By the function in the source, by the symbol, and by what was inlined.
    for function in ["taker", "taker.isra.0", "inode_l*"] {
        let found = ask(Sites { function: Some(function.into()), module: Some("vmlinux".into()), ..Sites::default() });
        assert_eq!(found.rows.len(), 3, "{function}");
    }
    let unknown = ask(Sites { method: Some("unknown".into()), ..Sites::default() });
    assert_eq!((texts(&unknown, "object"), texts(&unknown, "cause")), (vec!["unknown"], vec!["computed address"]));
    let operations = vec!["try".to_owned(), "release".to_owned()];
    assert_eq!(texts(&ask(Sites { operations, ..Sites::default() }), "operation"), ["release", "try"]);
    let wider = Sites { object: Some("ext4_*".into()), ..Sites::default() };
    assert!(ask(wider.clone()).rows.is_empty());
    assert_eq!(ask(Sites { alternatives: true, ..wider }).rows.len(), 3);
}

#[test]
fn calls_in_both_directions() {
    let (_home, _, index) = common::index();
    let ask = |function: &str, direction, depth| {
        query::calls(&index, &Calls { function: function.into(), direction, depth }).unwrap()
    };
    // A system call by its short name; circles end.
    assert_eq!(texts(&ask("demo", Direction::From, 1), "callee"), ["middle", "", "demo_open"]);
    assert_eq!(ask("demo", Direction::From, 100).rows.len(), 9);
    // Through a pointer.
    let opened = ask("demo_open", Direction::To, 1);
    assert_eq!((texts(&opened, "caller"), texts(&opened, "kind")), (vec!["__x64_sys_demo"], vec!["indirect"]));
    assert_eq!(texts(&opened, "member"), ["demo_operations.open"]);
    assert_eq!(texts(&ask("other_name", Direction::To, 2), "caller"), ["middle", "__x64_sys_demo"]);
    assert_eq!(texts(&ask(&format!("{MIDDLE:#x}"), Direction::To, 1), "caller"), ["__x64_sys_demo"]);
    let missing = Calls { function: "iddl".into(), direction: Direction::To, depth: 1 };
    let error = query::calls(&index, &missing).unwrap_err().to_string();
    assert!(error.contains("`iddl`") && error.contains("middle"), "{error}");
}

#[test]
fn a_path_from_a_system_call_to_a_lock() {
    let (_home, _, index) = common::index();
    let found = query::path(&index, "demo", "inode.i_mutex").unwrap();
    assert_eq!(texts(&found.rows, "function"), ["__x64_sys_demo", "middle", "taker.isra.0"]);
    assert_eq!(texts(&found.rows, "kind"), ["direct", "direct", "acquire"]);
    assert_eq!(found.rows.number(2, "address"), TAKER + 0x10);
    // Through a pointer that some module sets.
    let found = query::path(&index, "demo", "big_lock").unwrap();
    assert_eq!(texts(&found.rows, "function"), ["__x64_sys_demo", "demo_open"]);
    assert_eq!(
        (texts(&found.rows, "kind"), texts(&found.rows, "to")),
        (vec!["indirect", "try"], vec!["demo_open", "mutex_lock"])
    );
    assert_eq!(texts(&found.rows, "member"), ["demo_operations.open", ""]);
    let none = query::path(&index, "mutex_lock", "big_lock").unwrap();
    assert!(none.rows.rows.is_empty());
    let none = query::path(&index, "middle", "no*such*lock").unwrap_err().to_string();
    assert!(none.contains("no site"), "{none}");
    assert!(query::path(&index, "demo", "no_lock").unwrap_err().to_string().contains("`no_lock`"));
}

#[test]
fn what_is_at_an_address() {
    let (_home, _, index) = common::index();
    let ask = |address| {
        let rows = query::at(&index, address).unwrap();
        let text = |column| rows.text(0, column).to_owned();
        (text("what"), text("symbol"), rows.number(0, "offset"), text("object"))
    };
    let said = |what: &str, symbol: &str, offset, object: &str| (what.into(), symbol.into(), offset, object.into());
    assert_eq!(ask(TAKER + 0x10), said("site", "taker.isra.0", 0x10, "inode.i_mutex"));
    // The address behind the call, as stacks have it.
    assert_eq!(ask(TAKER + 0x15), said("site", "taker.isra.0", 0x15, "inode.i_mutex"));
    assert_eq!(ask(MIDDLE + 0x10), said("call", "middle", 0x10, ""));
    assert_eq!(ask(SYSCALL + 1), said("code", "__x64_sys_demo", 1, ""));
    assert_eq!(ask(COLD + 4).1, "taker.isra.0");
    assert_eq!(ask(TAKER + 0x90), said("code", "", 0, ""));
    assert_eq!(ask(GLOBAL + 4), said("lock", "big_lock", 4, "big_lock"));
    assert_eq!(ask(GLOBAL + 0x40), said("data", "", 0, ""));
    assert_eq!(ask(MODULE + 8), said("site", "demo_open", 8, "big_lock"));
    assert_eq!(ask(7), said("nothing", "", 0, ""));
}

#[test]
fn what_changed_between_two_kernels() {
    let (home, _, before) = common::index();
    let mut kernel = common::kernel();
    kernel.locks[0].offset = 160;
    kernel.globals.clear();
    // Everything moved, and there is one site more, in front.
    let mut sites: Vec<_> =
        kernel.sites.drain(..).map(|site| lima_index::rows::SiteRow { address: site.address + 0x40, ..site }).collect();
    sites.insert(0, common::site(TAKER + 8, TAKER, Operation::Init, "file.f_lock"));
    sites[2].object = "file.f_pos_lock".into();
    kernel.sites = sites;
    let after = common::write(&home.path().join("after.limaindex"), &[kernel, common::module()]);
    let rows = query::diff(&before, &after).unwrap();
    let said: Vec<_> = (0..rows.rows.len())
        .map(|row| format!("{} {} {}", rows.text(row, "change"), rows.text(row, "what"), rows.text(row, "object")))
        .collect();
    assert_eq!(
        said,
        [
            "changed lock inode.i_mutex",
            "gone global big_lock",
            "added site file.f_lock",
            "changed site file.f_pos_lock"
        ]
    );
    assert_eq!(rows.text(0, "before"), "mutex, offset 152, 32 bytes");
    assert!(query::diff(&before, &before).unwrap().rows.is_empty());
}
