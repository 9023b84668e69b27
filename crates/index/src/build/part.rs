//! One image, of the kernel or of a module, and what is said of it in an index.

use crate::code::{FunctionId, Program};
use crate::debug::{self, Debug, Frame, TypeMap};
use crate::flow::{self, Answer, Engine, Known, Object, Pointers, Question};
use crate::image::Image;
use crate::layout::{Globals, addresses_of, around, lock_members, object_of};
use crate::nesting::{Nesting, Role, roles};
use crate::rows::{CallRow, FunctionRow, GlobalLock, LockMember, PointerRow, SectionRow, SiteRow};
use crate::store::Part;
use crate::types::{Spot, TypeId, Types};
use lima_model::LockType;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// An image and what the rooms made of it.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub module: Option<&'a Arc<str>>,
    pub image: &'a Image,
    pub types: &'a Types,
    pub debug: Option<(&'a Debug<'a>, &'a TypeMap)>,
    pub program: &'a Program,
    /// Of a module: what the kernel has.
    pub kernel: Option<&'a Base>,
}

/// What was made of an image.
pub(super) struct Made {
    pub part: Part,
    /// What was known of the image beside what each function says.
    pub known: Arc<Known>,
    pub notes: Vec<String>,
}

/// What a module needs of its kernel to be understood.
#[derive(Debug)]
pub(super) struct Base {
    pub locks: Locks,
    pub known: Arc<Known>,
}

/// The locks of an image by what they are called, to look up what sites lock.
#[derive(Debug, Default)]
pub(super) struct Locks {
    /// The type of each member, by object.
    members: FxHashMap<String, LockType>,
    /// Object and type of each lock in a variable, by address and by [`around`].
    globals: FxHashMap<(u64, Option<LockType>), (String, LockType)>,
}

impl Locks {
    pub(super) fn of(members: &[LockMember], globals: &[GlobalLock]) -> Self {
        let member = |row: &LockMember| (format!("{}.{}", row.declaring, row.declared_path), row.lock_type);
        let global = |row| {
            addresses_of(row).map(move |address| ((address, around(row.lock_type)), (object_of(row), row.lock_type)))
        };
        // Of several at one address the first is the best known, so that it has to come last here.
        Self { members: members.iter().map(member).collect(), globals: globals.iter().rev().flat_map(global).collect() }
    }
}

/// Makes the rows of an image. `stage` runs each stage of the work under its name.
pub(super) fn make(source: Source<'_>, mut stage: impl FnMut(&str, &mut dyn FnMut())) -> Made {
    let Source { image, types, program, debug, .. } = source;
    let mut part = Part { module: source.module.cloned(), sections: sections(image), ..Part::default() };
    let mut notes = Vec::new();
    stage("locks in structs", &mut || part.locks = lock_members(types));
    let mut globals = None;
    stage("locks in variables", &mut || {
        let variables = debug.map(|(debug, map)| debug.variables(map));
        globals = Some(Globals::new(image, types, variables.as_deref().unwrap_or_default()));
    });
    let mut answers = Vec::new();
    let mut known = Arc::default();
    let mut pointers = Pointers::default();
    stage("what sites lock", &mut || {
        let sources = flow::Sources {
            image,
            types,
            functions: &program.functions,
            landmarks: &program.landmarks,
            calls: &program.calls,
            debug,
        };
        let questions: Vec<_> = program.sites.iter().map(Question::of).collect();
        let engine = Engine::on(sources, source.kernel.map(|kernel| Arc::clone(&kernel.known)));
        answers = engine.answer(&questions);
        pointers = engine.pointers();
        known = Arc::clone(engine.known());
    });
    let mut known_roles = Vec::new();
    stage("nesting", &mut || {
        let nesting = Nesting::new(image, program, &answers);
        part.nesting = nesting.rows();
        known_roles = roles(&nesting);
    });
    let mut declared = Vec::new();
    stage("lines", &mut || {
        part.calls = calls(program, debug.map(|(debug, _)| debug));
        part.pointers = pointed_to(source, &pointers, &mut part.calls);
        declared = declarations(program, debug);
    });
    stage("rows", &mut || {
        if let Some(mut globals) = globals.take() {
            note_sites(&mut globals, source, &answers);
            let (rows, left_out) = globals.into_rows();
            part.globals = rows;
            if left_out > 0 {
                notes.push(format!("{}: {left_out} locks in absurdly long arrays were left out", name(source)));
            }
        }
        let locks = Locks::of(&part.locks, &part.globals);
        part.sites = sites(source, &answers, &locks, &part.calls);
        part.functions = functions(program, &known_roles, &declared);
    });
    if let Some(losses) = debug.map(|(debug, _)| debug.losses()).filter(|losses| losses.units > 0) {
        notes.push(format!("{}: {} damaged units of debug information were left out", name(source), losses.units));
    }
    Made { part, known, notes }
}

fn name(source: Source<'_>) -> &str {
    source.module.map_or("vmlinux", |module| module)
}

/// Addresses that are locked are locks, whatever the types say.
fn note_sites(globals: &mut Globals<'_>, source: Source<'_>, answers: &[Answer]) {
    for (site, answer) in source.program.sites.iter().zip(answers) {
        if let Object::Global { address } = answer.object
            && source.image.section_of(address).is_some()
        {
            globals.site(address, site.primitive.lock_type);
        }
    }
}

/// Where the source has each function.
fn declarations(program: &Program, debug: Option<(&Debug<'_>, &TypeMap)>) -> Vec<Option<(Arc<str>, u32)>> {
    let addresses: Vec<u64> = program.functions.iter().map(|(_, function)| function.range.start).collect();
    let Some((debug, map)) = debug else { return vec![None; addresses.len()] };
    let place = |function: Option<debug::Function>| function.map(|function| (function.file, function.line));
    debug.functions(map, &addresses).into_iter().map(place).collect()
}

fn functions(program: &Program, roles: &[Role], places: &[Option<(Arc<str>, u32)>]) -> Vec<FunctionRow> {
    let row = |function: &crate::code::Function, role: &Role, place: Option<&(Arc<str>, u32)>| FunctionRow {
        address: function.range.start,
        bytes: function.range.end - function.range.start,
        name: Arc::clone(&function.name),
        aliases: function.aliases.clone(),
        cold: function.cold.clone(),
        role: role.name(),
        file: place.map(|(file, _)| Arc::clone(file)),
        line: place.map(|&(_, line)| line),
    };
    let described = program.functions.iter().zip(roles).zip(places);
    described.map(|(((_, function), role), place)| row(function, role, place.as_ref())).collect()
}

/// The calls with their places in the source, ascending by address.
fn calls(program: &Program, debug: Option<&Debug<'_>>) -> Vec<CallRow> {
    let start = |id: FunctionId| program.functions[id].range.start;
    let mut rows: Vec<CallRow> = program
        .calls
        .all()
        .iter()
        .map(|call| CallRow {
            address: call.address,
            caller: start(call.caller),
            callee: call.callee,
            kind: call.kind.name(),
            member: None,
            frames: Vec::new(),
        })
        .collect();
    rows.sort_by_key(|row| row.address);
    if let Some(debug) = debug {
        let addresses: Vec<u64> = rows.iter().map(|row| row.address).collect();
        for (row, frames) in rows.iter_mut().zip(debug.frames(&addresses)) {
            row.frames = frames;
        }
    }
    rows
}

/// Names the members that indirect calls load, and those that point to functions.
fn pointed_to(source: Source<'_>, pointers: &Pointers, calls: &mut [CallRow]) -> Vec<PointerRow> {
    let types = source.types;
    let mut names: FxHashMap<Spot, Option<Arc<str>>> = FxHashMap::default();
    let mut name = |member: Spot| {
        let spell = || {
            let (declaring, path) = (types.name(member.declaring), types.path(&member));
            (!declaring.is_empty() && !path.is_empty()).then(|| format!("{declaring}.{path}").into())
        };
        names.entry(member).or_insert_with(spell).clone()
    };
    for &(address, member) in &pointers.calls {
        if let Ok(at) = calls.binary_search_by_key(&address, |call| call.address)
            && calls[at].callee.is_none()
        {
            calls[at].member = name(member);
        }
    }
    let variable = |at: u64| source.image.symbol_at(at).map(|(symbol, _)| symbol.name.clone());
    let held = pointers.held.iter();
    held.filter_map(|held| {
        Some(PointerRow { member: name(held.member)?, function: held.function, variable: held.at.and_then(variable) })
    })
    .collect()
}

fn sites(source: Source<'_>, answers: &[Answer], locks: &Locks, calls: &[CallRow]) -> Vec<SiteRow> {
    let Source { program, image, .. } = source;
    let frames = |address: u64| -> Vec<Frame> {
        let found = calls.binary_search_by_key(&address, |call| call.address);
        found.map(|at| calls[at].frames.clone()).unwrap_or_default()
    };
    let row = |(site, answer): (&crate::code::sites::Site, &Answer)| {
        let taken = site.primitive.lock_type;
        let (object, lock_type) = named(source, locks, &answer.object, taken);
        let alternatives = answer.alternatives.iter().map(|other| named(source, locks, other, taken).0).collect();
        SiteRow {
            address: site.address,
            function: program.functions[site.function].range.start,
            frames: frames(site.address),
            operation: site.operation,
            primitive: site.primitive.name.into(),
            lock_type: lock_type.unwrap_or(taken),
            mode: site.primitive.mode,
            object,
            lock_address: match answer.object {
                Object::Global { address } => Some(address),
                _ => None,
            },
            alternatives,
            method: answer.method,
            cause: match answer.object {
                Object::Unknown(cause) => cause,
                _ => "",
            },
            lock_name: site.lock_name.and_then(|address| image.c_string_at(address)).map(str::to_owned),
            class_key: site.class_key,
        }
    };
    program.sites.iter().zip(answers).map(row).collect()
}

/// What an object is called of which this type of lock is taken, and its lock's type where a declaration says it.
fn named(source: Source<'_>, locks: &Locks, object: &Object, taken: LockType) -> (String, Option<LockType>) {
    let member = |declaring: TypeId, path: &str| format!("{}.{path}", source.types.name(declaring));
    match object {
        Object::Member { declaring, path } => {
            let object = member(*declaring, path);
            let known = locks.members.get(&object).or_else(|| source.kernel?.locks.members.get(&object)).copied();
            (object, known)
        }
        Object::Global { address } => {
            let key = (*address, around(taken));
            let known = locks.globals.get(&key).or_else(|| source.kernel?.locks.globals.get(&key)).cloned();
            known.map_or_else(|| (symbol(source.image, *address), None), |(object, known)| (object, Some(known)))
        }
        Object::Pointer { declaring, path } => (member(*declaring, path), None),
        // Nobody else can have it.
        Object::Local => ("local".to_owned(), None),
        Object::Unknown(_) => ("unknown".to_owned(), None),
    }
}

/// An address of which no lock is known: in another module, or in a kernel's variable.
fn symbol(image: &Image, address: u64) -> String {
    match image.symbol_at(address) {
        Some((symbol, 0)) => symbol.name.clone(),
        Some((symbol, offset)) => format!("{}+{offset:#x}", symbol.name),
        None => format!("{address:#x}"),
    }
}

fn sections(image: &Image) -> Vec<SectionRow> {
    let loaded = image.sections.iter().filter(|section| section.loaded && section.size > 0);
    let row = |section: &crate::image::Section| SectionRow {
        name: section.name.clone(),
        address: section.address,
        bytes: section.size,
        executable: section.executable,
        per_cpu: section.per_cpu,
    };
    loaded.map(row).collect()
}
