//! How many of the acquire and try sites of a kernel are resolved, by method and by cause. For engineers of the flow
//! room: `flow-score bare|debug [CAUSE|FUNCTION|-] [JSON]`; with a cause or the name of a function, its sites are
//! listed (and explained when EXPLAIN is set); with a file, all sites are written there for `cargo xtask accuracy`. The
//! kernel is VMLINUX, or Debian's 6.1.0-50-cloud-amd64 in the cache; with MODULES set, its modules follow.

use lima_index::code::Program;
use lima_index::code::sites::Site;
use lima_index::debug::{Debug, TypeMap, Variable};
use lima_index::flow::{Answer, Engine, Object, Question, Sources};
use lima_index::image::{Image, MODULES_START, ModuleFile};
use lima_index::types::{Types, TypesBuilder, btf};
use lima_model::LockType;
use lima_model::words::Operation;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What was counted and is to be shown.
struct Score {
    wanted: Option<String>,
    explain: bool,
    rows: Option<Vec<serde_json::Value>>,
    methods: BTreeMap<String, usize>,
    unknown: usize,
    all: usize,
}

impl Score {
    fn new(wanted: Option<String>, json: bool) -> Self {
        let explain = std::env::var_os("EXPLAIN").is_some();
        let rows = json.then(Vec::new);
        Self { wanted, explain, rows, methods: BTreeMap::new(), unknown: 0, all: 0 }
    }

    fn print(&self, what: &str) {
        let percent = |part: usize| 100.0 * part as f64 / self.all as f64;
        println!("{what}: {} sites, {:.2} % resolved", self.all, percent(self.all - self.unknown));
        for (method, count) in &self.methods {
            println!("{count:7}  {:5.2} %  {method}", percent(*count));
        }
    }
}

/// An image and what was made of it.
struct Part<'a> {
    module: Option<&'a str>,
    image: &'a Image,
    types: &'a Types,
    program: &'a Program,
    debug: Option<(&'a Debug<'a>, &'a TypeMap)>,
    /// The same also in bare mode: for places in the source.
    witness: Option<(&'a Debug<'a>, &'a TypeMap)>,
    variables: OnceCell<Vec<Variable>>,
}

impl Part<'_> {
    fn sources(&self) -> Sources<'_> {
        let Self { image, types, program, debug, .. } = self;
        Sources {
            image,
            types,
            functions: &program.functions,
            landmarks: &program.landmarks,
            calls: &program.calls,
            debug: *debug,
        }
    }

    fn score(&self, engine: &Engine<'_>, score: &mut Score) {
        let takes = |site: &&Site| matches!(site.operation, Operation::Acquire | Operation::Try);
        let sites: Vec<&Site> = self.program.sites.iter().filter(takes).collect();
        let questions: Vec<Question> = sites.iter().map(|site| Question::of(site)).collect();
        let answers = engine.answer(&questions);
        self.rows(&sites, &answers, score);
        for (question, answer) in questions.iter().zip(&answers) {
            let key = match answer.object {
                Object::Unknown(cause) => format!("unknown: {cause}"),
                _ => answer.method.name().to_owned(),
            };
            let name = self.name(question.address);
            if score.wanted.as_ref().is_some_and(|wanted| key.contains(wanted) || name == wanted) {
                let others: Vec<String> =
                    answer.alternatives.iter().map(|other| self.spell(other, question.lock_type)).collect();
                println!(
                    "{:#x} {} {name} {:?} {key}: {} < {}",
                    question.address,
                    self.module.unwrap_or("vmlinux"),
                    question.lock_type,
                    self.spell(&answer.object, question.lock_type),
                    others.join(" | ")
                );
                if score.explain {
                    println!("{}", engine.explain(question));
                }
            }
            score.all += 1;
            score.unknown += usize::from(matches!(answer.object, Object::Unknown(_)));
            *score.methods.entry(key).or_default() += 1;
        }
    }

    fn name(&self, address: u64) -> &str {
        let functions = &self.program.functions;
        functions.containing(address).map_or("?", |id| &*functions[id].name)
    }

    fn spell(&self, object: &Object, lock_type: LockType) -> String {
        match object {
            Object::Member { declaring, path } | Object::Pointer { declaring, path } => {
                format!("{}.{path}", self.types.name(*declaring))
            }
            Object::Global { address } => self.global(*address, lock_type),
            Object::Local => "local".to_owned(),
            Object::Unknown(_) => "unknown".to_owned(),
        }
    }

    fn global(&self, address: u64, lock_type: LockType) -> String {
        let mut found = self.image.symbol_at(address).map_or("?", |(symbol, _)| &symbol.name).to_owned();
        if let Some((debug, map)) = self.witness
            && let variables = self.variables.get_or_init(|| debug.variables(map))
            && let at = variables.partition_point(|variable| variable.address <= address)
            && let Some(variable) = at.checked_sub(1).map(|at| &variables[at])
        {
            let rest = (address - variable.address) as u32;
            self.types.each_lock_at(variable.of, rest, &mut |lock| {
                if lock.taken_by(lock_type) {
                    let path = self.types.path_from(variable.of, rest, &lock.spot);
                    let dot = if path.is_empty() { "" } else { "." };
                    found = format!("{}{dot}{path}", variable.name);
                }
            });
        }
        found
    }

    /// The sites as `lima index sites --format json` has them, with places in the source in both modes.
    fn rows(&self, sites: &[&Site], answers: &[Answer], score: &mut Score) {
        let (Some(rows), Some((debug, _))) = (&mut score.rows, self.witness) else { return };
        let mut order: Vec<usize> = (0..sites.len()).collect();
        order.sort_by_key(|&number| sites[number].address);
        let addresses: Vec<u64> = order.iter().map(|&number| sites[number].address).collect();
        for (&number, frames) in order.iter().zip(debug.frames(&addresses)) {
            let (site, answer) = (sites[number], &answers[number]);
            let global = match answer.object {
                Object::Global { address } => Some(format!("{address:#x}")),
                _ => None,
            };
            let lock_type = site.primitive.lock_type;
            // Naming variables is slow here, and not what is looked at.
            let object = match (self.module, &answer.object) {
                (Some(_), Object::Global { address }) => {
                    self.image.symbol_at(*address).map_or("?", |(symbol, _)| &symbol.name).to_owned()
                }
                (_, object) => self.spell(object, lock_type),
            };
            rows.push(serde_json::json!({
                "address": format!("{:#x}", site.address),
                "module": self.module,
                "function": self.name(site.address),
                "frame_files": frames.iter().map(|frame| &*frame.file).collect::<Vec<_>>(),
                "frame_lines": frames.iter().map(|frame| frame.line).collect::<Vec<_>>(),
                "operation": site.operation.name(),
                "primitive": site.primitive.name,
                "object": object,
                "lock_address": global,
                "alternatives": Vec::<String>::new(),
                "method": answer.method.name(),
            }));
        }
    }
}

fn modules(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            modules(&path, into);
        } else if path.to_string_lossy().contains(".ko") {
            into.push(path);
        }
    }
}

fn main() {
    let home = PathBuf::from(std::env::var("HOME").unwrap_or_default()).join(".cache/lima/kernels/d61");
    let mut arguments = std::env::args().skip(1);
    let bare = arguments.next().is_none_or(|mode| mode == "bare");
    let wanted = arguments.next().filter(|wanted| wanted != "-");
    let json = arguments.next();
    let path = std::env::var_os("VMLINUX")
        .map_or_else(|| home.join("usr/lib/debug/boot/vmlinux-6.1.0-50-cloud-amd64"), PathBuf::from);
    let step = |what: &str, since: Instant| eprintln!("{what}: {:.3} s", since.elapsed().as_secs_f64());
    let now = Instant::now();
    let image = Image::open(&path).expect("open");
    let bytes = image.btf().expect("btf").expect("btf");
    let types = Arc::new(btf::read(&bytes).expect("btf").build().expect("types"));
    let program = Program::of(&image, None);
    let witness = if bare && json.is_none() { None } else { Debug::open(&image).expect("debug") };
    let map = Arc::new(TypeMap::new(Arc::clone(&types)));
    step("image, types, program", now);
    let now = Instant::now();
    let witness = witness.as_ref().map(|debug| (debug, &*map));
    let debug = witness.filter(|_| !bare);
    let part = Part {
        module: None,
        image: &image,
        types: &types,
        program: &program,
        debug,
        witness,
        variables: OnceCell::new(),
    };
    let engine = Engine::new(part.sources());
    let mut score = Score::new(wanted.clone(), json.is_some());
    part.score(&engine, &mut score);
    step("flow", now);
    score.print("kernel");
    let mut rows = score.rows.unwrap_or_default();
    if std::env::var_os("MODULES").is_some() {
        let root = home.join("lib/modules");
        let mut paths = Vec::new();
        modules(&root, &mut paths);
        paths.sort();
        let mut score = Score::new(wanted, json.is_some());
        let mut start = MODULES_START;
        for path in paths {
            let rest = path.strip_prefix(&root).unwrap_or(&path);
            let debug = home.join("usr/lib/debug/lib/modules").join(rest);
            let file = match ModuleFile::read(&path, Some(&debug).filter(|debug| debug.exists()).map(|path| &**path)) {
                Ok(file) => file,
                Err(error) => {
                    eprintln!("{error}");
                    continue;
                }
            };
            let (name, size) = (file.name().to_owned(), file.size());
            let own = file.at(start, &image).expect("module");
            start += size;
            let builder = match own.btf().expect("btf") {
                Some(bytes) => btf::read_module(&bytes, Arc::clone(&types)).expect("btf"),
                None => TypesBuilder::on(Arc::clone(&types)),
            };
            let types = Arc::new(builder.build().expect("types"));
            let program = Program::of(&own, Some(&program));
            let witness = if bare && json.is_none() { None } else { Debug::open(&own).expect("debug") };
            let map = TypeMap::on(Arc::clone(&map), Arc::clone(&types));
            let witness = witness.as_ref().map(|debug| (debug, &map));
            let debug = witness.filter(|_| !bare);
            let part = Part {
                module: Some(&name),
                image: &own,
                types: &types,
                program: &program,
                debug,
                witness,
                variables: OnceCell::new(),
            };
            let engine = Engine::on(part.sources(), Some(Arc::clone(engine.known())));
            part.score(&engine, &mut score);
        }
        score.print("modules");
        rows.extend(score.rows.unwrap_or_default());
    }
    if let Some(path) = json {
        std::fs::write(path, serde_json::json!({ "rows": rows }).to_string()).expect("write");
    }
}
