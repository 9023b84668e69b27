//! All sites of an image, function by function.

use super::answer::{Judge, LOCK_OF_THE_CALLER, Question, part_of};
use super::evidence::{Evidence, Own};
use super::follow::Follower;
use super::gather::know;
use super::known::Known;
use super::learn::{Fact, Learned, Observer};
use super::pointers::PointerNotes;
use super::values::Value;
use super::{Answer, Object};
use crate::code::graph::Surroundings;
use crate::code::x86::X86;
use crate::code::{Calls, FunctionId, Functions, Graph, Landmarks};
use crate::debug::{Binding, Debug, TypeMap, Variables};
use crate::image::Image;
use crate::types::{TypeId, Types};
use lima_model::LockType;
use lima_model::words::SiteMethod;
use rayon::prelude::*;
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// What is needed to answer: an image and what the other rooms made of it.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The image.
    pub image: &'a Image,
    /// Its types.
    pub types: &'a Types,
    /// Its functions.
    pub functions: &'a Functions,
    /// Its tables about code.
    pub landmarks: &'a Landmarks,
    /// Its calls.
    pub calls: &'a Calls,
    /// Its debug information, and how that names the types.
    pub debug: Option<(&'a Debug<'a>, &'a TypeMap)>,
}

/// Answers questions about sites.
#[derive(Debug)]
pub struct Engine<'a> {
    pub(super) sources: Sources<'a>,
    pub(super) known: Arc<Known>,
    pub(super) pointers: PointerNotes,
}

/// What a function itself says of a site.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub answer: Answer,
    /// The lock is this argument of the function, as it was handed over.
    pub handed: Option<u8>,
    /// The argument is a null pointer.
    pub nothing: bool,
}

impl Said {
    fn unknown(cause: &'static str) -> Self {
        let answer = Answer { object: Object::Unknown(cause), alternatives: Vec::new(), method: SiteMethod::Unknown };
        Self { answer, handed: None, nothing: false }
    }
}

/// Buffers of one thread.
#[derive(Default)]
struct Workspace {
    lift: X86,
    follower: Follower,
    evidence: Evidence,
    seen: FxHashSet<TypeId>,
}

/// What is locked at each site, in the order of the questions.
pub fn answer_sites(sources: Sources<'_>, questions: &[Question]) -> Vec<Answer> {
    Engine::new(sources).answer(questions)
}

impl<'a> Engine<'a> {
    /// Prepares what is known of the whole image.
    pub fn new(sources: Sources<'a>) -> Self {
        Self::on(sources, None)
    }

    /// The same of a module, with what is known of its kernel.
    pub fn on(sources: Sources<'a>, kernel: Option<Arc<Known>>) -> Self {
        let mut known = know(&sources, kernel);
        let (learned, pointers) = learn(&sources, &known);
        known.learned = learned;
        Self { sources, known: Arc::new(known), pointers }
    }

    /// What is known of the whole image.
    pub fn known(&self) -> &Arc<Known> {
        &self.known
    }

    /// What is locked at each site, in the order of the questions.
    pub fn answer(&self, questions: &[Question]) -> Vec<Answer> {
        let mut said = self.say(questions);
        self.ask_callers(questions, &mut said);
        said.into_iter().map(|said| said.answer).collect()
    }

    /// The same, by what the functions themselves say.
    pub(super) fn say(&self, questions: &[Question]) -> Vec<Said> {
        let functions = self.sources.functions;
        let mut order: Vec<(FunctionId, usize)> = Vec::with_capacity(questions.len());
        let mut answers = vec![Said::unknown("in no function"); questions.len()];
        for (number, question) in questions.iter().enumerate() {
            if let Some(function) = functions.containing(question.address) {
                order.push((function, number));
            }
        }
        order.sort_unstable();
        let groups: Vec<&[(FunctionId, usize)]> = order.chunk_by(|a, b| a.0 == b.0).collect();
        let variables = self.variables(groups.iter().map(|group| group[0].0));
        let found: Vec<(usize, Said)> = groups
            .par_iter()
            .zip(variables)
            .map_init(Workspace::default, |workspace, (group, variables)| {
                self.function(workspace, group, &variables, questions)
            })
            .flatten_iter()
            .collect();
        for (number, answer) in found {
            answers[number] = answer;
        }
        answers
    }

    /// What debug information says of the variables of functions.
    fn variables(&self, functions: impl ExactSizeIterator<Item = FunctionId>) -> Vec<Variables> {
        match self.sources.debug {
            Some((debug, map)) => {
                let addresses: Vec<u64> = functions.map(|id| self.sources.functions[id].range.start).collect();
                debug.variables_of(map, &addresses)
            }
            None => vec![Variables::default(); functions.len()],
        }
    }

    /// Why a site has its answer: for engineers.
    pub fn explain(&self, question: &Question) -> String {
        let functions = self.sources.functions;
        let Some(id) = functions.containing(question.address) else { return String::new() };
        let mut workspace = Workspace::default();
        let variables = self.variables(std::iter::once(id)).pop().unwrap_or_default();
        let (graph, _) = follow(&self.sources, &self.known, &mut workspace, id, &variables.bindings);
        let Workspace { follower, evidence, seen, .. } = &workspace;
        let complete = self.sources.debug.is_some();
        let judge =
            Judge { function: id, follower, evidence, known: &self.known, types: self.sources.types, seen, complete };
        let address = |number: u32| graph.instructions.get(number as usize).map_or(0, |found| found.address);
        judge.value(question, address).map_or_else(String::new, |value| judge.explain(value, question.lock_type))
    }

    fn function(
        &self,
        workspace: &mut Workspace,
        group: &[(FunctionId, usize)],
        variables: &Variables,
        questions: &[Question],
    ) -> Vec<(usize, Said)> {
        let Some(&(id, _)) = group.first() else { return Vec::new() };
        let types = self.sources.types;
        let (graph, _) = follow(&self.sources, &self.known, workspace, id, &variables.bindings);
        let Workspace { follower, evidence, seen, .. } = workspace;
        seen.clear();
        match self.sources.debug {
            Some(_) => {
                seen.extend(variables.seen.iter().flat_map(|&of| [types.resolve(of), types.pointee(of).unwrap_or(of)]))
            }
            None => seen.extend(evidence.all().map(|clue| clue.of)),
        }
        let complete = self.sources.debug.is_some();
        let judge = Judge { function: id, follower, evidence, known: &self.known, types, seen, complete };
        let address = |number: u32| graph.instructions.get(number as usize).map_or(0, |found| found.address);
        group
            .iter()
            .map(|&(_, number)| {
                let question = &questions[number];
                if let Some(part) = &question.part {
                    return (number, Said { answer: part_of(types, part), handed: None, nothing: false });
                }
                let said = match judge.value(question, address) {
                    Some(value) => {
                        let answer = judge.asked(value, question);
                        // The number of a bit is not handed over with its word.
                        let is_asked = answer.object == Object::Unknown(LOCK_OF_THE_CALLER)
                            && question.lock_type != LockType::BitLock;
                        let handed = judge.handed_over(value).filter(|_| is_asked);
                        Said { answer, handed, nothing: value == Value::constant(0) }
                    }
                    None => Said::unknown("no call there"),
                };
                (number, said)
            })
            .collect()
    }
}

/// What is noted of some functions.
#[derive(Default)]
struct Noted {
    facts: Vec<Fact>,
    /// The types that they use.
    used: Vec<(TypeId, FunctionId)>,
    /// Functions that they hand on.
    taken: Vec<u64>,
    pointers: PointerNotes,
}

/// What the whole code says beyond declarations.
fn learn(sources: &Sources<'_>, known: &Known) -> (Learned, PointerNotes) {
    let functions: Vec<FunctionId> = sources.functions.iter().map(|(id, _)| id).collect();
    let noted: Vec<Noted> = functions
        .par_chunks(64)
        .map_init(Workspace::default, |workspace, chunk| {
            let mut noted = Noted::default();
            for &function in chunk {
                let (graph, own) = follow(sources, known, workspace, function, &[]);
                let Workspace { follower, evidence, .. } = workspace;
                let (types, functions) = (sources.types, sources.functions);
                let Noted { facts, used, taken, pointers } = &mut noted;
                let (address, graph) = (own.address, &graph);
                let observer = Observer {
                    function,
                    address,
                    follower,
                    evidence,
                    known,
                    types,
                    functions,
                    graph,
                    facts,
                    used,
                    taken,
                    pointers,
                };
                observer.observe();
            }
            noted
        })
        .collect();
    let mut facts = Vec::with_capacity(noted.iter().map(|noted| noted.facts.len()).sum());
    let mut used = Vec::with_capacity(noted.iter().map(|noted| noted.used.len()).sum());
    let mut taken = FxHashSet::default();
    let mut pointers = PointerNotes::default();
    for noted in noted {
        facts.extend(noted.facts);
        used.extend(noted.used);
        taken.extend(noted.taken);
        pointers.add(noted.pointers);
    }
    (Learned::new(facts, used, taken), pointers)
}

/// Follows the values of a function and gathers their evidence.
fn follow<'s>(
    sources: &Sources<'_>,
    known: &'s Known,
    workspace: &mut Workspace,
    id: FunctionId,
    bindings: &'s [Binding],
) -> (Graph, Own<'s>) {
    let Sources { image, types, functions, landmarks, .. } = *sources;
    let Workspace { lift, follower, evidence, .. } = workspace;
    let function = &functions[id];
    let graph = Graph::build(function, Surroundings { memory: image, landmarks }, lift);
    let address = function.range.start;
    let prototype = known.prototype(address);
    let own = Own { function: id, address, prototype, bindings };
    follower.follow(&graph, own.bindings, known.special);
    evidence.gather(follower, own, known, types);
    (graph, own)
}
