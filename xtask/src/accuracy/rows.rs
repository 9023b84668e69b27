//! Rows of `lima index sites --format json`.

use crate::source::truth::Frame;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// An answer: the rows of one kernel's sites.
#[derive(Debug, Deserialize)]
pub struct Sites {
    /// The sites.
    pub rows: Vec<Site>,
}

/// A site. What the tool does not need is left out.
#[derive(Clone, Debug, Deserialize)]
pub struct Site {
    /// Address of the call instruction.
    pub address: String,
    /// The module that it is in; none for the kernel image.
    #[serde(default)]
    pub module: Option<String>,
    /// The function that it is in.
    pub function: String,
    /// How far into that function.
    #[serde(default)]
    pub offset: Option<String>,
    /// The files of the functions that were inlined, the innermost first.
    #[serde(default)]
    pub frame_files: Vec<String>,
    /// The lines in them.
    #[serde(default)]
    pub frame_lines: Vec<u32>,
    /// `acquire`, `try`, `release`, `init`.
    pub operation: String,
    /// The lock function.
    pub primitive: String,
    /// The answer.
    pub object: String,
    /// The address of the lock, of a variable.
    #[serde(default)]
    pub lock_address: Option<serde_json::Value>,
    /// Other possible objects.
    #[serde(default)]
    pub alternatives: Vec<String>,
    /// How the answer was found.
    pub method: String,
    /// Why it was not.
    #[serde(default)]
    pub cause: Option<String>,
}

impl Sites {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let sites: Self = serde_json::from_reader(BufReader::new(file))
            .with_context(|| format!("{} is no answer of `lima index sites --format json`", path.display()))?;
        if sites.rows.is_empty() {
            bail!("{} has no rows", path.display());
        }
        Ok(sites)
    }
}

impl Site {
    /// What says that a site of another index of the same kernel is the same: its address, or for modules, which two
    /// indexes may lay out differently, its place in the function.
    pub fn key(&self) -> (Option<&str>, &str, &str) {
        match (&self.module, &self.offset) {
            (Some(module), Some(offset)) => (Some(module), &self.function, offset),
            (module, _) => (module.as_deref(), "", &self.address),
        }
    }

    /// Whether it has an answer.
    pub fn resolved(&self) -> bool {
        !matches!(self.method.as_str(), "unknown" | "")
    }

    /// Where it is in the source.
    pub fn frames(&self) -> Vec<Frame> {
        let pairs = self.frame_files.iter().zip(&self.frame_lines);
        pairs.map(|(file, line)| Frame { file: file.clone(), line: *line }).collect()
    }
}
