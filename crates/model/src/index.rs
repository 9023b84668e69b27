//! `index.json`, the front page of an index: of which kernel it is, what it was made from, what it knows and what not.

use crate::words::{Operation, SiteMethod};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The schema that this version writes: `lima-index/MAJOR`. A reader refuses a larger number.
pub const SCHEMA: &str = "lima-index/1";

/// The number in a schema name `lima-index/N`; `None` when the text is something else.
pub fn schema_number(schema: &str) -> Option<u32> {
    schema.strip_prefix("lima-index/")?.parse().ok()
}

/// What an index was made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// DWARF, BTF and machine code.
    Dwarf,
    /// BTF and machine code alone.
    #[default]
    Bare,
}

impl Basis {
    /// The word in the manifest and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dwarf => "dwarf",
            Self::Bare => "bare",
        }
    }
}

/// A file that the index was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Input {
    /// `kernel`, `module`, `debug` (debug information in a file of its own), `btf` or `kallsyms`.
    pub kind: String,
    /// The module's name; empty for the kernel.
    pub name: String,
    /// Where the file was.
    pub path: String,
    /// Its build id in hex; empty when it has none.
    pub build_id: String,
    /// Its size, bytes.
    pub bytes: u64,
    /// When it was last changed, nanoseconds since 1970.
    pub modified_unix_ns: i64,
}

/// A table's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableFile {
    /// How many rows it has.
    pub rows: u64,
    /// Its size, bytes.
    pub bytes: u64,
    /// The XXH64 hash (seed 0) of the file, in 16 hex digits.
    pub xxh64: String,
}

/// How many sites there are, and what is known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// All of them.
    pub sites: u64,
    /// Those whose object is known.
    pub resolved: u64,
    /// Those, by method.
    pub by_method: BTreeMap<String, u64>,
    /// The others, by cause.
    pub by_cause: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts a site.
    pub fn count(&mut self, method: SiteMethod, cause: &str) {
        self.sites += 1;
        if method == SiteMethod::Unknown {
            let cause = if cause.is_empty() { "not looked for" } else { cause };
            *self.by_cause.entry(cause.to_owned()).or_default() += 1;
        } else {
            self.resolved += 1;
            *self.by_method.entry(method.name().to_owned()).or_default() += 1;
        }
    }
}

/// Sites by what they do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sites {
    /// Those that acquire or try.
    pub taking: Tally,
    /// Those that release.
    pub release: Tally,
    /// Those that initialise.
    pub init: Tally,
}

impl Sites {
    /// Counts a site.
    pub fn count(&mut self, operation: Operation, method: SiteMethod, cause: &str) {
        let tally = match operation {
            Operation::Acquire | Operation::Try => &mut self.taking,
            Operation::Release => &mut self.release,
            Operation::Init => &mut self.init,
        };
        tally.count(method, cause);
    }
}

/// One stage of making the index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub wall_ns: u64,
    /// CPU time of all threads meanwhile.
    pub cpu_ns: u64,
}

/// What making the index cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// How long it took.
    pub wall_ns: u64,
    /// CPU time of all threads.
    pub cpu_ns: u64,
    /// The most memory that the process had, bytes.
    pub peak_bytes: u64,
    /// The same by stage, without the memory.
    pub stages: Vec<Stage>,
}

/// The manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexManifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of LIMA that made the index.
    pub lima_version: String,
    /// A fingerprint of the code that made it: another one may know more.
    #[serde(default)]
    pub analysis: String,
    /// The kernel's build id in hex.
    pub build_id: String,
    /// The kernel, as `uname -r` has it; empty when the image does not say.
    #[serde(default)]
    pub release: String,
    /// The architecture: `x86_64`.
    #[serde(default)]
    pub arch: String,
    /// What it was made from.
    pub mode: Basis,
    /// The files that it was made from.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// The tables, by name.
    pub tables: BTreeMap<String, TableFile>,
    /// Sites, by what is known of them.
    #[serde(default)]
    pub sites: Sites,
    /// What making it cost.
    #[serde(default)]
    pub cost: Cost,
    /// What a reader should know: modules that could not be read, functions that were left out, features that are missing.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl IndexManifest {
    /// How many rows a table has.
    pub fn rows(&self, table: crate::IndexTable) -> u64 {
        self.tables.get(table.name()).map_or(0, |file| file.rows)
    }
}
