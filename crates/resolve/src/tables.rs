//! The tables `objects` and `lines` from all that is known, and what tables consist of.

use crate::Error;
use crate::lines::{Line, Lines, subsystem};
use crate::resolve::Resolver;
use crate::rules::Answer;
use crate::seen::Use;
use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringBuilder, UInt32Array, UInt32Builder, UInt64Array};
use arrow::datatypes::{DataType, Field};
use lima_index::store::Index;
use lima_model::Table;
use lima_model::manifest::Resolved;
use lima_model::words::Evidence;
use lima_trace::Trace;
use std::sync::Arc;

/// How much of a trace's acquisitions and waiting is resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// All combinations of lock, life and stack.
    pub uses: u64,
    /// Those whose object is known.
    pub uses_resolved: u64,
    /// Those whose evidence contradicts itself.
    pub uses_in_conflict: u64,
    /// All acquisitions.
    pub acquisitions: u64,
    /// Those of locks whose object is known.
    pub acquisitions_resolved: u64,
    /// All time waited, nanoseconds.
    pub wait_ns: u64,
    /// That for locks whose object is known.
    pub wait_ns_resolved: u64,
}

impl Share {
    fn count(&mut self, used: &Use, answer: &Answer) {
        let is_known = u64::from(answer.claim.is_some());
        self.uses += 1;
        self.uses_resolved += is_known;
        self.uses_in_conflict += u64::from(answer.evidence == Evidence::Conflict);
        // A trace that was made up may say anything.
        let add = |sum: &mut u64, of_all: &mut u64, number: u64| {
            *of_all = of_all.saturating_add(number);
            *sum = sum.saturating_add(number * is_known);
        };
        add(&mut self.acquisitions_resolved, &mut self.acquisitions, used.acquisitions);
        add(&mut self.wait_ns_resolved, &mut self.wait_ns, used.wait_ns);
    }
}

/// A trace's locks and stacks, resolved.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// The table `objects`.
    pub objects: RecordBatch,
    /// The table `lines`.
    pub lines: RecordBatch,
    /// With what it was done.
    pub with: Resolved,
    /// How much of it is known.
    pub share: Share,
}

/// Resolves a trace with an index of its kernel.
///
/// # Errors
/// When either cannot be read, or they are of different kernels.
pub fn resolve(trace: &Trace, index: &Index) -> Result<Resolution, Error> {
    let resolver = Resolver::of(trace, index)?;
    let (objects, share) = objects(&resolver)?;
    let lines = lines(&resolver, &Lines::of(index)?)?;
    let manifest = index.manifest();
    let with = Resolved {
        lima_version: env!("CARGO_PKG_VERSION").to_owned(),
        build_id: manifest.build_id.clone(),
        index: manifest.mode.name().to_owned(),
        analysis: manifest.analysis.clone(),
    };
    Ok(Resolution { objects, lines, with, share })
}

fn objects(resolver: &Resolver) -> Result<(RecordBatch, Share), Error> {
    let uses = &resolver.seen.uses;
    let mut share = Share::default();
    let [mut object, mut declared, mut container] = [(); 3].map(|()| StringBuilder::new());
    let [mut instance, mut method, mut confidence, mut subsystems] = [(); 4].map(|()| StringBuilder::new());
    let mut candidates = texts();
    for used in uses {
        let pieces = resolver.pieces(used);
        let answer = pieces.answer();
        share.count(used, &answer);
        let text = |name| &**resolver.names.text(name);
        match &answer.claim {
            Some(claim) => {
                object.append_value(text(resolver.shown(claim)));
                declared.append_value(text(claim.object));
                container.append_option(claim.containers.first().map(|&name| text(name)));
                instance.append_option(claim.instance.map(|name| match pieces.cpu {
                    Some(cpu) => format!("{} on CPU {cpu}", text(name)),
                    None => text(name).to_owned(),
                }));
                subsystems.append_option(resolver.subsystem(claim));
            }
            None => {
                object.append_value(answer.evidence.name());
                declared.append_null();
                container.append_null();
                instance.append_null();
                subsystems.append_null();
            }
        }
        method.append_value(answer.evidence.name());
        confidence.append_value(answer.confidence);
        for &name in &answer.candidates {
            candidates.values().append_value(text(name));
        }
        candidates.append(true);
    }
    let numbers = |number: fn(&Use) -> u64| -> ArrayRef { Arc::new(uses.iter().map(number).collect::<UInt64Array>()) };
    let columns: Vec<ArrayRef> = vec![
        numbers(|used| used.lock),
        Arc::new(uses.iter().map(|used| used.life).collect::<UInt32Array>()),
        numbers(|used| used.stack),
        Arc::new(object.finish()),
        Arc::new(declared.finish()),
        Arc::new(container.finish()),
        Arc::new(instance.finish()),
        Arc::new(method.finish()),
        Arc::new(confidence.finish()),
        Arc::new(candidates.finish()),
        Arc::new(subsystems.finish()),
    ];
    Ok((batch(Table::Objects, columns)?, share))
}

fn lines(resolver: &Resolver, known: &Lines) -> Result<RecordBatch, Error> {
    let mut all: Vec<u64> = resolver.seen.stacks.values().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    let mut addresses = Vec::new();
    let mut chains = Chains::default();
    let mut subsystems = StringBuilder::new();
    for address in all {
        let Some(code) = resolver.running.code(address) else { continue };
        let chain: Vec<Line<'_>> = known.returning_to(code)?.collect();
        if chain.is_empty() {
            continue;
        }
        addresses.push(address);
        chains.push(chain.iter().map(|line| (line.function, line.file, line.line)));
        subsystems.append_option(subsystem(&chain));
    }
    let [functions, files, numbers] = chains.finish();
    let addresses = Arc::new(UInt64Array::from(addresses));
    batch(Table::Lines, vec![addresses, functions, files, numbers, Arc::new(subsystems.finish())])
}

/// Chains of inlined functions, each with file and line, as three columns.
#[derive(Debug)]
pub(crate) struct Chains {
    functions: ListBuilder<StringBuilder>,
    files: ListBuilder<StringBuilder>,
    lines: ListBuilder<UInt32Builder>,
}

impl Default for Chains {
    fn default() -> Self {
        let lines = ListBuilder::new(UInt32Builder::new()).with_field(Field::new("item", DataType::UInt32, false));
        Self { functions: texts(), files: texts(), lines }
    }
}

impl Chains {
    /// Adds a row: function, file and line of each, innermost first.
    pub fn push<'a>(&mut self, chain: impl Iterator<Item = (&'a str, &'a str, u32)>) {
        for (function, file, line) in chain {
            self.functions.values().append_value(function);
            self.files.values().append_value(file);
            self.lines.values().append_value(line);
        }
        self.functions.append(true);
        self.files.append(true);
        self.lines.append(true);
    }

    /// Functions, files and lines.
    pub fn finish(mut self) -> [ArrayRef; 3] {
        [Arc::new(self.functions.finish()), Arc::new(self.files.finish()), Arc::new(self.lines.finish())]
    }
}

fn texts() -> ListBuilder<StringBuilder> {
    ListBuilder::new(StringBuilder::new()).with_field(Field::new("item", DataType::Utf8, false))
}

pub(crate) fn batch(table: Table, columns: Vec<ArrayRef>) -> Result<RecordBatch, Error> {
    RecordBatch::try_new(table.schema(), columns)
        .map_err(|error| Error::Table { table: table.name(), why: error.to_string() })
}
