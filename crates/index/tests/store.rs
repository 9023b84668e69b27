//! An index on disk: what is written is read, and what was damaged is refused.

mod common;

use lima_index::store::{self, Index, MANIFEST};
use lima_model::IndexTable;
use proptest::prelude::{ProptestConfig, any, proptest};
use std::fs;
use std::hash::Hasher;
use std::path::Path;

#[test]
fn what_is_written_is_read() {
    let (_home, _, index) = common::index();
    let manifest = index.manifest();
    assert_eq!(manifest.schema, "lima-index/1");
    assert_eq!((manifest.sites.taking.sites, manifest.sites.taking.resolved), (3, 2));
    assert_eq!(manifest.sites.taking.by_cause["computed address"], 1);
    for (table, rows) in [
        (IndexTable::Locks, 1),
        (IndexTable::Globals, 1),
        (IndexTable::Functions, 5),
        (IndexTable::Calls, 9),
        (IndexTable::Pointers, 1),
        (IndexTable::Sites, 4),
        (IndexTable::Nesting, 1),
        (IndexTable::Sections, 3),
    ] {
        let read = index.read_all(table).unwrap();
        assert_eq!((read.len() as u64, manifest.rows(table)), (rows, rows), "{table:?}");
        assert_eq!(read.batch().schema(), table.schema());
    }
    let sites = index.read_all(IndexTable::Sites).unwrap();
    // The lines of the file system, not of the header that the lock function is defined in.
    assert_eq!((sites.texts("file").unwrap().get(0), sites.small("line").unwrap().get(0)), ("include/linux/fs.h", 758));
    assert_eq!(sites.texts("function").unwrap().get(0), "taker.isra.0");
    assert_eq!(sites.text_lists("frame_functions").unwrap().get(0).collect::<Vec<_>>(), ["inode_lock", "taker.isra.0"]);
    assert_eq!(sites.small_lists("frame_lines").unwrap().get(1), [758, 12]);
    assert_eq!(sites.texts("cause").unwrap().maybe(1), Some("computed address"));
    assert_eq!(sites.texts("module").unwrap().maybe(3), Some("demo"));
    let nesting = index.read_all(IndexTable::Nesting).unwrap();
    assert_eq!(nesting.texts("outer_object").unwrap().get(0), "inode.i_mutex");
    let functions = index.read(IndexTable::Functions, &["cold", "aliases"]).unwrap();
    assert_eq!(functions.number_lists("cold").unwrap().get(2), [common::COLD, 0x10]);
    assert!(functions.texts("name").is_err(), "a column that was not read");
}

#[test]
fn an_index_takes_the_place_of_an_older_one_and_of_nothing_else() {
    let (home, folder, _) = common::index();
    let index = common::write(&folder, &[common::kernel()]);
    assert_eq!(index.manifest().rows(IndexTable::Sites), 3);
    let copy = home.path().join("copy.limaindex");
    store::copy(&folder, &copy).unwrap();
    assert_eq!(Index::open(&copy).unwrap().manifest(), index.manifest());
    // Nothing temporary is left.
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2);

    let other = home.path().join("photos");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("me.jpg"), "").unwrap();
    let error = store::write(&other, &mut common::manifest(&[]), &[]).unwrap_err().to_string();
    assert!(error.contains("exists and is not an index"), "{error}");
    assert!(other.join("me.jpg").exists());
}

#[test]
fn an_index_from_before_there_were_pointers_has_none() {
    let (_home, folder, index) = common::index();
    assert_eq!(index.read_all(IndexTable::Pointers).unwrap().len(), 1);
    let manifest = fs::read_to_string(folder.join(MANIFEST)).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert!(manifest["tables"].as_object_mut().unwrap().remove("pointers").is_some());
    fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
    fs::remove_file(folder.join("pointers.parquet")).unwrap();
    let index = Index::open(&folder).unwrap();
    let pointers = index.read_all(IndexTable::Pointers).unwrap();
    assert_eq!((pointers.len(), pointers.batch().schema()), (0, IndexTable::Pointers.schema()));
    assert!(lima_index::query::path(&index, "taker*", "inode.*").is_ok());
}

fn refused(folder: &Path) -> String {
    Index::open(folder).unwrap_err().to_string()
}

#[test]
fn what_is_no_index_is_refused_with_the_reason() {
    let (home, folder, _) = common::index();
    assert!(refused(Path::new("/nonexistent")).contains("/nonexistent"));
    assert!(refused(home.path()).contains("no `index.json`"));
    assert!(refused(&folder.join(MANIFEST)).contains("this is a file"));
    let original = fs::read_to_string(folder.join(MANIFEST)).unwrap();
    for (text, says) in [
        ("", "not JSON"),
        ("[]", "does not name its schema"),
        ("{\"schema\": \"lima-trace/1\"}", "does not name its schema"),
        ("{\"schema\": \"lima-index/99\", \"tables\": 7}", "later version"),
        ("{\"schema\": \"lima-index/1\"}", "not what a manifest should be"),
        (&original.replace("\"sites\": {\n      \"rows\"", "\"cites\": {\n      \"rows\""), "does not name it"),
    ] {
        fs::write(folder.join(MANIFEST), text).unwrap();
        assert!(refused(&folder).contains(says), "{text}: {}", refused(&folder));
    }
    let wrong = original.replacen("\"rows\": 9", "\"rows\": 10", 1);
    fs::write(folder.join(MANIFEST), wrong).unwrap();
    let error = Index::open(&folder).unwrap().read_all(IndexTable::Calls).unwrap_err().to_string();
    assert!(error.contains("calls.parquet") && error.contains("9 rows instead of 10"), "{error}");
}

#[test]
fn a_damaged_table_is_refused() {
    let (_home, folder, _) = common::index();
    for &table in IndexTable::ALL {
        let path = folder.join(format!("{}.parquet", table.name()));
        let whole = fs::read(&path).unwrap();
        for at in [0, whole.len() / 3, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            let error = refused(&folder);
            assert!(error.contains("damaged or changed") && error.contains(table.name()), "{error}");
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(refused(&folder).contains("bytes long instead of"));
        fs::remove_file(&path).unwrap();
        assert!(refused(&folder).contains("cannot be opened"));
        fs::write(&path, &whole).unwrap();
    }
    assert!(Index::open(&folder).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_malformed_table_with_a_right_hash_never_panics(
        table in 0..IndexTable::ALL.len(), at in any::<u32>(), size in 1usize..12, noise in any::<u64>()
    ) {
        let table = IndexTable::ALL[table];
        let (_home, folder, index) = common::index();
        let path = folder.join(format!("{}.parquet", table.name()));
        let mut bytes = fs::read(&path).unwrap();
        let at = at as usize % bytes.len();
        for (byte, noise) in bytes[at..].iter_mut().zip(noise.to_le_bytes().into_iter().cycle()).take(size) {
            *byte ^= noise;
        }
        fs::write(&path, &bytes).unwrap();
        let old = &index.manifest().tables[table.name()].xxh64;
        let mut hash = twox_hash::XxHash64::with_seed(0);
        hash.write(&bytes);
        let manifest = fs::read_to_string(folder.join(MANIFEST)).unwrap();
        let manifest = manifest.replace(old.as_str(), &format!("{:016x}", hash.finish()));
        fs::write(folder.join(MANIFEST), manifest).unwrap();
        let index = Index::open(&folder).unwrap();
        let _ = index.read_all(table);
        let _ = lima_index::query::sites(&index, &Default::default());
        let _ = lima_index::query::path(&index, "demo", "inode.*");
        let _ = lima_index::query::at(&index, common::TAKER + 0x10);
    }
}
