//! What people see of an index.

use lima_model::IndexManifest;
use lima_model::index::{Basis, TableFile};
use lima_model::table::{Kind, Rows, Value};
use lima_model::words::{Operation, SiteMethod};
use lima_report::Format;
use lima_report::index::{Answer, Source, Subject, answer, summary};
use std::path::Path;

fn manifest() -> IndexManifest {
    let mut manifest = IndexManifest {
        build_id: "bb603a9147d3efe4744bf83c83eee397c591cc20".into(),
        release: "6.1.0-made-up".into(),
        arch: "x86_64".into(),
        mode: Basis::Dwarf,
        ..IndexManifest::default()
    };
    for (name, rows) in [("locks", 1_917), ("globals", 700), ("functions", 43_968), ("calls", 209_839)] {
        manifest.tables.insert(name.into(), TableFile { rows, bytes: 1 << 20, xxh64: String::new() });
    }
    for (method, cause) in [
        (SiteMethod::Flow, ""),
        (SiteMethod::Flow, ""),
        (SiteMethod::Address, ""),
        (SiteMethod::Unknown, "computed address"),
    ] {
        manifest.sites.count(Operation::Acquire, method, cause);
    }
    manifest.cost.wall_ns = 2_300_000_000;
    manifest.cost.cpu_ns = 4_100_000_000;
    manifest.cost.peak_bytes = 300 << 20;
    manifest
}

fn sites(name: &str) -> Rows {
    let mut rows = Rows::new([
        ("address", Kind::Address),
        ("function", Kind::Text),
        ("offset", Kind::Address),
        ("file", Kind::Text),
        ("line", Kind::Id),
        ("operation", Kind::Text),
        ("primitive", Kind::Text),
        ("lock_type", Kind::Text),
        ("mode", Kind::Text),
        ("object", Kind::Text),
        ("alternatives", Kind::Texts),
        ("method", Kind::Text),
        ("cause", Kind::Text),
        ("frame_functions", Kind::Frames),
        ("frame_files", Kind::Texts),
        ("frame_lines", Kind::Numbers),
    ]);
    let texts = |texts: &[&str]| Value::Texts(texts.iter().map(|&text| text.to_owned()).collect());
    rows.rows.push(vec![
        Value::Number(0xffff_ffff_8145_1234),
        name.into(),
        Value::Number(0xf8),
        "include/linux/fs.h".into(),
        Value::Number(758),
        "acquire".into(),
        "down_write".into(),
        "rwsem".into(),
        "write".into(),
        "inode.i_rwsem".into(),
        texts(&["ext4_inode_info.vfs_inode.i_rwsem"]),
        "flow".into(),
        Value::Missing,
        texts(&["inode_lock", "ext4_buffered_write_iter", name]),
        texts(&["include/linux/fs.h", "fs/ext4/file.c", "fs/ext4/file.c"]),
        Value::Numbers(vec![758, 267, 700]),
    ]);
    rows.rows.push(vec![
        Value::Number(0xffff_ffff_8145_5678),
        "iput".into(),
        Value::Missing,
        Value::Missing,
        Value::Missing,
        "release".into(),
        "_raw_spin_unlock".into(),
        "spinlock".into(),
        "exclusive".into(),
        "unknown".into(),
        texts(&[]),
        "unknown".into(),
        "computed address".into(),
        texts(&[]),
        texts(&[]),
        Value::Numbers(Vec::new()),
    ]);
    rows
}

fn shown(subject: Subject, rows: &Rows, cut: u64, format: Format) -> String {
    let manifest = manifest();
    let index = Source { path: Path::new("d61.limaindex"), manifest: &manifest };
    let notes = ["a note".to_owned()];
    let said = Answer { subject, index, before: None, rows, cut, notes: &notes };
    String::from_utf8(answer(&said, format, None).unwrap()).unwrap()
}

#[test]
fn sites_as_a_table() {
    insta::assert_snapshot!(shown(Subject::Sites, &sites("ext4_file_write_iter"), 3, Format::Table), @r#"
    d61.limaindex: Linux 6.1.0-made-up x86_64, build bb603a9147d3, with debug information

    site                        source              inlined                                does     by                type         object         found by  why not           or
    ext4_file_write_iter+0xf8   fs/ext4/file.c:700  ext4_buffered_write_iter > inode_lock  acquire  down_write        rwsem write  inode.i_rwsem  flow      -                 ext4_inode_info.vfs_inode.i_rwsem
    iput at 0xffffffff81455678  -                   -                                      release  _raw_spin_unlock  spinlock     unknown        unknown   computed address  -
    3 more rows (--top 0 shows all)
    note: a note
    "#);
}

#[test]
fn a_layout_as_a_table() {
    let mut rows = Rows::new([
        ("struct", Kind::Text),
        ("cache_line", Kind::Id),
        ("offset", Kind::Id),
        ("size", Kind::Id),
        ("bit_size", Kind::Id),
        ("depth", Kind::Id),
        ("path", Kind::Text),
        ("type", Kind::Text),
        ("lock_type", Kind::Text),
        ("locks_inside", Kind::Id),
    ]);
    for (offset, bits, depth, path, lock) in [
        (0_u64, None, 0_u64, "i_mode", None),
        (56, Some(3_u64), 1, "a.flag", None),
        (160, None, 0, "i_rwsem", Some("rwsem")),
    ] {
        rows.rows.push(vec![
            "inode".into(),
            (offset / 64).into(),
            offset.into(),
            4_u64.into(),
            bits.into(),
            depth.into(),
            path.into(),
            "int".into(),
            lock.into(),
            Value::Missing,
        ]);
    }
    insta::assert_snapshot!(shown(Subject::Layout, &rows, 0, Format::Table), @r#"
    d61.limaindex: Linux 6.1.0-made-up x86_64, build bb603a9147d3, with debug information

    line  offset  size  member        type  lock
       0       0     4  i_mode        int   -
       0      56     4    a.flag : 3  int   -
       2     160     4  i_rwsem       int   rwsem
    note: a note
    "#);
}

#[test]
fn an_address_as_facts() {
    let mut rows = Rows::new([
        ("address", Kind::Address),
        ("what", Kind::Text),
        ("line", Kind::Id),
        ("inlined", Kind::Frames),
        ("lock_type", Kind::Text),
    ]);
    let inlined = Value::Texts(vec!["inode_lock include/linux/fs.h:758".into(), "f fs/f.c:7".into()]);
    rows.rows.push(vec![Value::Number(0xffff_ffff_8145_1234), "call".into(), 1758_u64.into(), inlined, Value::Missing]);
    insta::assert_snapshot!(shown(Subject::At, &rows, 0, Format::Table), @r#"
    d61.limaindex: Linux 6.1.0-made-up x86_64, build bb603a9147d3, with debug information

    address    0xffffffff81451234
    what       call
    line       1758
    inlined    inode_lock include/linux/fs.h:758
               f fs/f.c:7
    note: a note
    "#);
}

#[test]
fn what_was_made() {
    let manifest = manifest();
    let source = Source { path: Path::new("d61.limaindex"), manifest: &manifest };
    insta::assert_snapshot!(summary(&source), @r#"
    d61.limaindex: Linux 6.1.0-made-up x86_64, build bb603a9147d3, with debug information
    locks: 1,917 in structs, 700 in variables; 43,968 functions, 209,839 calls
    sites that acquire or try: 4, 3 (75.0 %) resolved
      resolved by: flow 2, address 1
      unknown because: computed address 1
    sites that release: 0, 0 resolved
    sites that initialise: 0, 0 resolved
    made in 2.30 s (4.10 s of CPU time), at most 300 MiB of memory; 4.0 MiB on disk
    "#);
}

#[test]
fn without_rows_there_is_a_sentence() {
    let rows = Rows::new([("object", Kind::Text)]);
    assert!(shown(Subject::Locks, &rows, 0, Format::Table).contains("No lock of this index fits."));
    assert!(shown(Subject::Path, &rows, 0, Format::Table).contains("No path is known."));
}

#[test]
fn json_has_schema_index_and_rows() {
    let text = shown(Subject::Sites, &sites("f"), 3, Format::Json);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((json["schema"].as_str(), json["cut"]["rows"].as_u64()), (Some("lima-index-sites/1"), Some(3)));
    assert_eq!(
        (json["index"]["mode"].as_str(), json["index"]["rows"]["calls"].as_u64()),
        (Some("dwarf"), Some(209_839))
    );
    assert_eq!(json["rows"][0]["address"], "0xffffffff81451234");
    assert_eq!(json["rows"][0]["frame_lines"][1], 267);
    assert_eq!(json["rows"][1]["file"], serde_json::Value::Null);
}

#[test]
fn names_from_images_do_no_harm() {
    for name in ["\x1b[2Jx", "=cmd|' /C calc'!A0", "two\nlines", "\u{202e}txt"] {
        let rows = sites(name);
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        let table = shown(Subject::Sites, &rows, 0, Format::Table);
        assert!(!table.contains(bad) && !table.contains("two\nlines"), "{table}");
        let csv = shown(Subject::Sites, &rows, 0, Format::Csv);
        assert!(!csv.contains(bad), "{csv}");
        for record in csv::Reader::from_reader(csv.as_bytes()).records() {
            assert!(record.unwrap().iter().all(|cell| !cell.trim_start().starts_with(['=', '+', '-', '@'])));
        }
    }
}
