//! Makes `data/kin.csv` and `data/owners.csv` from indexes with debug information, given from the oldest kernel to the newest:
//!
//! ```text
//! cargo build --release --workspace --example learn
//! ~/.cache/lima/target/release/examples/learn D61.limaindex D612.limaindex
//! ```
//!
//! `kin.csv`: functions that all of these kernels have and that take one lock of a type and no other, and which.
//! `owners.csv`: the part of the kernel that takes most locks of a struct, or of a variable.

use lima_index::store::Index;
use lima_model::machinery::base;
use lima_model::words::SiteMethod;
use lima_model::{IndexTable, LockType};
use lima_resolve::evidence::family_named;
use lima_resolve::evidence::layouts::Layouts;
use lima_resolve::evidence::variables::Variables;
use lima_resolve::{Names, words};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Modules that other kernels have built in. Drivers of devices that few machines have would make up half of the list.
const MODULES: &[&str] = &[
    "arch/x86/kvm/",
    "drivers/block/virtio",
    "drivers/net/virtio",
    "drivers/nvme/",
    "drivers/vhost/",
    "drivers/virtio/",
    "fs/btrfs/",
    "fs/ext4/",
    "fs/fuse/",
    "fs/jbd2/",
    "fs/overlayfs/",
    "fs/xfs/",
    "net/",
    "virt/",
];

type Failed = Box<dyn std::error::Error>;
/// A function and the type of the locks that it takes.
type Taker = (String, LockType);

#[derive(Default)]
struct Learned {
    /// What functions take, in each kernel that has them; nothing where that is not known of all of their sites.
    takes: BTreeMap<Taker, Vec<Option<String>>>,
    kernels: usize,
    /// By struct or variable, how many places in which part of the kernel take its locks.
    owners: BTreeMap<String, BTreeMap<String, u32>>,
}

fn main() -> Result<(), Failed> {
    let mut learned = Learned::default();
    for folder in std::env::args().skip(1) {
        learned.add(&Index::open(Path::new(&folder))?)?;
    }
    learned.write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data"))
}

impl Learned {
    fn add(&mut self, index: &Index) -> Result<(), Failed> {
        let mut names = Names::default();
        let layouts = Layouts::of(index, &mut names)?;
        let variables = Variables::of(index, &layouts, &mut names)?;
        let alone = alone(index)?;
        let table = index.read_all(IndexTable::Sites)?;
        let (functions, operations) = (table.texts("function")?, table.texts("operation")?);
        let (types, objects) = (table.texts("lock_type")?, table.texts("object")?);
        let (methods, locks) = (table.texts("method")?, table.numbers("lock_address")?);
        let (files, modules) = (table.text_lists("frame_files")?, table.texts("module")?);
        let mut here: BTreeMap<Taker, Option<BTreeSet<String>>> = BTreeMap::new();
        for row in 0..table.len() {
            let Some(lock_type) = family_named(types.get(row)) else { continue };
            let method = SiteMethod::from_name(methods.get(row)).unwrap_or(SiteMethod::Unknown);
            let variable = locks.maybe(row).and_then(|address| variables.at(address, lock_type));
            let object = variable.map_or(objects.get(row), |variable| names.text(variable.claim.object));
            if method != SiteMethod::Unknown
                && let Some(part) = files.get(row).last().and_then(words::subsystem)
            {
                let owner = object.split(['.', '[']).next().unwrap_or(object);
                *self.owners.entry(owner.to_owned()).or_default().entry(part.to_owned()).or_default() += 1;
            }
            let file = files.get(row).last().unwrap_or_default();
            let is_wanted = modules.maybe(row).is_none() || MODULES.iter().any(|folder| file.starts_with(folder));
            if !is_wanted || !["acquire", "try"].contains(&operations.get(row)) {
                continue;
            }
            let function = base(functions.get(row));
            let is_said = !matches!(method, SiteMethod::Unknown | SiteMethod::Pointer | SiteMethod::Local);
            let known = here.entry((function.to_owned(), lock_type)).or_insert_with(|| Some(BTreeSet::new()));
            match known {
                Some(known) if is_said && alone.contains(function) => drop(known.insert(object.to_owned())),
                _ => *known = None,
            }
        }
        for (taker, objects) in here {
            let one = objects.filter(|objects| objects.len() == 1).and_then(|objects| objects.into_iter().next());
            self.takes.entry(taker).or_default().push(one);
        }
        self.kernels += 1;
        Ok(())
    }

    fn write(&self, folder: &Path) -> Result<(), Failed> {
        let mut kin = "function,lock_type,objects\n".to_owned();
        for ((function, lock_type), objects) in &self.takes {
            let everywhere = objects.len() == self.kernels;
            // What did not change over years of development has hardly changed in the kernel that is asked about.
            let objects: Option<BTreeSet<&str>> = objects.iter().map(Option::as_deref).collect();
            let Some(objects) = objects.filter(|_| everywhere) else { continue };
            let objects = objects.into_iter().collect::<Vec<_>>().join("|");
            kin.push_str(&format!("{function},{},{objects}\n", lock_type.name()));
        }
        fs::write(folder.join("kin.csv"), kin)?;
        let mut owners = "owner,subsystem\n".to_owned();
        for (owner, parts) in &self.owners {
            if let Some((part, _)) = parts.iter().max_by_key(|&(_, count)| count) {
                owners.push_str(&format!("{owner},{part}\n"));
            }
        }
        Ok(fs::write(folder.join("owners.csv"), owners)?)
    }
}

/// The names that one function has and no other, parts that the compiler has split off counted with it.
fn alone(index: &Index) -> Result<BTreeSet<String>, Failed> {
    let table = index.read(IndexTable::Functions, &["name"])?;
    let names = table.texts("name")?;
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for row in 0..table.len() {
        if !all.entry(base(names.get(row))).or_default().insert(names.get(row)) {
            twice.insert(base(names.get(row)));
        }
    }
    Ok(all.into_keys().filter(|name| !twice.contains(name)).map(str::to_owned).collect())
}
