//! pahole reads the same BTF: sizes and offsets of members must agree.

use super::fixture::{d61, d61_path, of};
use super::{Type, Types};
use std::collections::BTreeMap;
use std::process::Command;

const STRUCTS: [&str; 8] =
    ["inode", "task_struct", "mm_struct", "super_block", "sk_buff", "ext4_sb_info", "net_device", "page"];

/// Offset and size of the named members of the struct itself.
fn ours(types: &Types, name: &str) -> BTreeMap<String, (u32, u32)> {
    let members = types.members(of(types, name)).iter();
    let plain = members.filter(|member| member.bit_size == 0 && !types.text(member.name).is_empty());
    // Where pahole writes members of unnamed types on many lines, its lines are not those of members.
    let named = plain.filter(|member| match types.resolved(member.of) {
        Type::Composite(_) => types.is_named(types.resolve(member.of)),
        Type::Array { .. } => false,
        _ => true,
    });
    named.map(|member| (types.text(member.name).to_owned(), (member.offset(), types.bytes(member.of)))).collect()
}

#[test]
fn index_filter_types_agree_with_pahole() {
    let (Some(types), Some(path)) = (d61(), d61_path()) else { return };
    let mut command = Command::new("pahole");
    let Ok(done) = command.args(["-F", "btf", "-C", &STRUCTS.join(",")]).arg(path).output() else {
        eprintln!("skipped: pahole is not there");
        return;
    };
    let text = String::from_utf8(done.stdout).expect("text");
    let (mut name, mut compared) = (String::new(), 0);
    let mut expected = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("struct ") {
            name = rest.trim_end_matches([' ', '{']).to_owned();
            expected = ours(&types, &name);
        } else if let Some(size) = line.trim().strip_prefix("/* size: ") {
            let size: u32 = size.split(',').next().and_then(|size| size.parse().ok()).expect("a size");
            if !line.starts_with("\t\t") {
                assert_eq!(types.bytes(of(&types, &name)), size, "{name}");
            }
        } else if let Some((before, numbers)) = line.strip_suffix("*/").and_then(|line| line.split_once("/*")) {
            // A member of the struct itself, one tab deep: `TYPE name; /* offset size */`.
            let Some(declared) = before.trim_end().strip_suffix(';') else { continue };
            if line.starts_with("\t\t") || declared.contains(['(', '[', ':', '}']) {
                continue;
            }
            let member = declared.rsplit([' ', '*', '\t']).next().unwrap_or("");
            let numbers: Vec<u32> = numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
            let Some(&(offset, bytes)) = expected.get(member) else { continue };
            assert_eq!((offset, bytes), (numbers[0], numbers[1]), "{name}.{member}");
            compared += 1;
        }
    }
    assert!(compared > 200, "only {compared} members were compared");
}
