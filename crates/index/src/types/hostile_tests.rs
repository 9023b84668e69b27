//! BTF that is broken, on purpose or not: an error in words, in bounded time and memory, and no panic.

use super::fixture::{Writer, compile};
use super::{Types, VOID, btf};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

fn error_of(bytes: &[u8]) -> String {
    match btf::read(bytes).and_then(|builder| builder.build()) {
        Ok(_) => panic!("read as if nothing was wrong"),
        Err(what) => what,
    }
}

/// Asks everything that can be asked.
fn ask(types: &Types) {
    for id in types.own() {
        let bytes = types.bytes(id);
        for offset in [0, 1, 4, 8, bytes / 2, bytes.saturating_sub(1), bytes, u32::MAX] {
            for lock in types.locks_at(id, offset) {
                types.path(&lock.spot);
                types.path_from(id, lock.start, &lock.spot);
            }
            types.pointers_at(id, offset);
            types.member_path(id, offset);
        }
        types.embedders(id);
        types.spelled(id);
        types.prototype_of(id);
        types.composite_named(types.name(id), bytes);
        types.prototype(types.name(id));
        types.variable(types.name(id));
    }
    crate::layout::lock_members(types);
    for id in types.own() {
        crate::layout::layout(types, id, true);
    }
    assert_eq!(types.resolve(super::TypeId(u32::MAX)), VOID);
}

#[test]
fn index_filter_hostile_btf_headers() {
    assert!(error_of(b"\x7fELF").contains("no BTF"));
    assert!(error_of(&[0; 24]).contains("0xeb9f"));
    let good = Writer::default().finish();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    assert!(error_of(&with(2, 9)).contains("version 9"));
    assert!(error_of(&with(4, 3)).contains("3 bytes"));
    assert!(error_of(&with(14, 1)).contains("beyond its end"));
    let mut turned = good.clone();
    turned.swap(0, 1);
    assert!(error_of(&turned).contains("byte order"));
}

#[test]
fn index_filter_hostile_btf_types() {
    let of = |kind: u32, count: u32, word: u32, more: &[u32]| {
        let mut writer = Writer::default();
        writer.add("name", kind, count, word, more);
        error_of(&writer.finish())
    };
    // A typedef of itself, an array of itself, a struct with itself as a member.
    assert!(of(8, 0, 1, &[]).contains("part of itself"));
    assert!(of(3, 0, 0, &[1, 1, 2]).contains("part of itself"));
    assert!(of(4, 1, 8, &[1, 1, 0]).contains("part of itself"));
    assert!(of(2, 0, 7, &[]).contains("type 7 is referred to"));
    assert!(of(25, 0, 0, &[]).contains("kind 25"));
    assert!(of(4, 9, 8, &[1, 0, 0]).contains("beyond the end"));
    assert!(of(4, 1, 8, &[1, 0, 65]).contains("at bit 65"));
    assert!(of(4, 1, 8, &[99, 0, 0]).contains("beyond the names"));
    let mut writer = Writer::default();
    writer.add("int", 1, 0, 4, &[32]);
    for below in 1..40 {
        writer.add("", 3, 0, 0, &[below, 1, 1 << 16]);
    }
    assert!(error_of(&writer.finish()).contains("larger than 4 GiB"));
    // Types in types in types: typedefs and structs, of the type before and of the type after.
    for (kind, count) in [(8, 0), (4, 1)] {
        for step in [-1, 1] {
            let mut writer = Writer::default();
            writer.add("end", 4, 0, 4, &[]);
            for number in 2..1000_i32 {
                let of = number.saturating_add(step) as u32;
                writer.add("deep", kind, count, of, &[0, of, 0][..3 * count as usize]);
            }
            writer.add("end", 4, 0, 4, &[]);
            assert!(error_of(&writer.finish()).contains("nested too deeply"));
        }
    }
}

/// Each union has the one before twice: flattened, the last has 2^60 members.
#[test]
fn index_filter_hostile_btf_doubling() {
    let mut writer = Writer::default();
    writer.add("raw_spinlock", 4, 0, 4, &[]);
    for below in 1..60 {
        writer.add("twice", 5, 2, 4, &[0, below, 0, 0, below, 0]);
    }
    assert!(error_of(&writer.finish()).contains("of all structs"));
}

#[test]
fn index_filter_hostile_btf_cut_anywhere() {
    let Some(bytes) =
        compile("struct a { spinlock_t l; struct a *next; }; struct a a; int f(struct a *a) { return 0; }")
    else {
        return;
    };
    for end in 0..bytes.len() {
        if let Ok(types) = btf::read(&bytes[..end]).and_then(|builder| builder.build()) {
            ask(&types);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn index_filter_hostile_btf_any_types(words in prop::collection::vec(
        (0_u32..20, 0_u32..4, 0_u32..12, prop::array::uniform12(0_u32..24)), 1..12))
    {
        let mut writer = Writer::default();
        for (kind, count, word, more) in words {
            let length = match kind { 1 | 14 | 17 => 1, 3 => 3, 4 | 5 | 15 | 19 => 3 * count, 6 | 13 => 2 * count, _ => 0 };
            let name = ["raw_spinlock", "seqlock_t", "mutex", ""][word as usize % 4];
            writer.add(name, kind, count, word, &more[..length as usize]);
        }
        if let Ok(types) = btf::read(&writer.finish()).and_then(|builder| builder.build()) {
            ask(&types);
        }
    }

    #[test]
    fn index_filter_hostile_btf_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut all = Writer::default().finish();
        all.truncate(4);
        all.extend(bytes);
        if let Ok(types) = btf::read(&all).and_then(|builder| builder.build()) {
            ask(&types);
        }
    }
}
