//! How many of the acquire and try sites of a kernel are resolved, by method and by cause. For engineers of the flow
//! room: `flow-score bare|debug [VMLINUX|-] [CAUSE|-] [JSON]`; with a cause or the name of a function, its sites are
//! listed (and explained when EXPLAIN is set); with a file, all sites are written there for `cargo xtask accuracy`.

use lima_index::code::Program;
use lima_index::code::sites::Site;
use lima_index::debug::{Debug, TypeMap};
use lima_index::flow::{Answer, Engine, Object, Question, Sources};
use lima_index::image::Image;
use lima_model::LockType;
use lima_model::words::Operation;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let home = std::env::var("HOME").unwrap_or_default();
    let mut arguments = std::env::args().skip(1);
    let bare = arguments.next().is_none_or(|mode| mode == "bare");
    let path = arguments.next().filter(|path| path != "-").map_or_else(
        || PathBuf::from(home).join(".cache/lima/kernels/d61/usr/lib/debug/boot/vmlinux-6.1.0-50-cloud-amd64"),
        PathBuf::from,
    );
    let wanted = arguments.next().filter(|wanted| wanted != "-");
    let json = arguments.next();
    let start = Instant::now();
    let step = |what: &str, since: Instant| eprintln!("{what}: {:.3} s", since.elapsed().as_secs_f64());
    let image = Image::open(&path).expect("open");
    step("image", start);
    let now = Instant::now();
    let btf = image.btf().expect("btf").expect("btf");
    let types = lima_index::types::btf::read(&btf).expect("btf").build().expect("types");
    let types = Arc::new(types);
    step("types", now);
    let now = Instant::now();
    let program = Program::of(&image, None);
    let (functions, landmarks) = (&program.functions, &program.landmarks);
    step("functions", now);
    let now = Instant::now();
    let takes = |site: &&Site| matches!(site.operation, Operation::Acquire | Operation::Try);
    let sites: Vec<&Site> = program.sites.iter().filter(takes).collect();
    let questions: Vec<Question> = sites
        .iter()
        .map(|site| Question {
            address: site.address,
            argument: site.primitive.lock,
            lock_type: site.primitive.lock_type,
        })
        .collect();
    step("sites", now);
    let now = Instant::now();
    let debug = if bare { None } else { Debug::open(&image).expect("debug") };
    let map = TypeMap::new(Arc::clone(&types));
    step("debug", now);
    let now = Instant::now();
    let debug = debug.as_ref().map(|debug| (debug, &map));
    let sources = Sources { image: &image, types: &types, functions, landmarks, debug };
    let engine = Engine::new(sources);
    let answers = engine.answer(&questions);
    step("flow", now);
    if let Some(path) = json {
        write(&path, &image, &map, &program, &sites, &questions, &answers);
    }
    let explain = std::env::var_os("EXPLAIN").is_some();
    let mut methods: BTreeMap<String, usize> = BTreeMap::new();
    for (question, answer) in questions.iter().zip(&answers) {
        let key = match answer.object {
            Object::Unknown(cause) => format!("unknown: {cause}"),
            _ => answer.method.name().to_owned(),
        };
        let function = functions.containing(question.address).map(|id| &functions[id]);
        let name = function.map_or("?", |function| &function.name);
        if wanted.as_ref().is_some_and(|wanted| key.contains(wanted) || name == wanted) {
            let offset = function.map_or(0, |function| question.address.wrapping_sub(function.range.start));
            let spell = |object: &Object| match object {
                Object::Member { declaring, path } => format!("{}.{path}", types.name(*declaring)),
                Object::Pointer { declaring, path } => format!("*{}.{path}", types.name(*declaring)),
                Object::Global { address } => image
                    .symbol_at(*address)
                    .map_or_else(|| format!("{address:#x}"), |(symbol, more)| format!("{}+{more:#x}", symbol.name)),
                other => format!("{other:?}"),
            };
            let others: Vec<String> = answer.alternatives.iter().map(spell).collect();
            println!(
                "{:#x} {name}+{offset:#x} {:?} {key}: {} {}",
                question.address,
                question.lock_type,
                spell(&answer.object),
                others.join(" | ")
            );
            if explain {
                println!("{}", engine.explain(question));
            }
        }
        *methods.entry(key).or_default() += 1;
    }
    let unknown = answers.iter().filter(|answer| matches!(answer.object, Object::Unknown(_))).count();
    println!("{} sites, {:.2} % resolved", answers.len(), 100.0 - 100.0 * unknown as f64 / answers.len() as f64);
    for (method, count) in &methods {
        println!("{count:7}  {:5.2} %  {method}", 100.0 * *count as f64 / answers.len() as f64);
    }
}

/// Writes the sites as `lima index sites --format json` does, with places in the source in both modes.
fn write(
    path: &str,
    image: &Image,
    map: &TypeMap,
    program: &Program,
    sites: &[&Site],
    questions: &[Question],
    answers: &[Answer],
) {
    let types = map.types();
    let debug = Debug::open(image).expect("debug").expect("debug");
    let variables = debug.variables(map);
    let mut order: Vec<usize> = (0..questions.len()).collect();
    order.sort_by_key(|&number| questions[number].address);
    let addresses: Vec<u64> = order.iter().map(|&number| questions[number].address).collect();
    let frames = debug.frames(&addresses);
    let functions = &program.functions;
    let name = |address: u64| functions.containing(address).map_or("?", |id| &*functions[id].name);
    let spell = |object: &Object, lock_type: LockType| match object {
        Object::Member { declaring, path } | Object::Pointer { declaring, path } => {
            format!("{}.{path}", types.name(*declaring))
        }
        Object::Global { address } => {
            let at = variables.partition_point(|variable| variable.address <= *address);
            let variable = at.checked_sub(1).map(|at| &variables[at]);
            let mut found = image.symbol_at(*address).map_or("?", |(symbol, _)| &symbol.name).to_owned();
            if let Some(variable) = variable {
                let rest = (*address - variable.address) as u32;
                types.each_lock_at(variable.of, rest, &mut |lock| {
                    if lock.taken_by(lock_type) {
                        let path = types.path_from(variable.of, rest, &lock.spot);
                        let dot = if path.is_empty() { "" } else { "." };
                        found = format!("{}{dot}{path}", variable.name);
                    }
                });
            }
            found
        }
        Object::Local => "local".to_owned(),
        Object::Unknown(_) => "unknown".to_owned(),
    };
    let rows: Vec<serde_json::Value> = order
        .iter()
        .zip(&frames)
        .map(|(&number, frames)| {
            let (question, answer) = (&questions[number], &answers[number]);
            let global = match answer.object {
                Object::Global { address } => Some(format!("{address:#x}")),
                _ => None,
            };
            serde_json::json!({
                "address": format!("{:#x}", question.address),
                "function": name(question.address),
                "frame_files": frames.iter().map(|frame| &*frame.file).collect::<Vec<_>>(),
                "frame_lines": frames.iter().map(|frame| frame.line).collect::<Vec<_>>(),
                "operation": sites[number].operation.name(),
                "primitive": sites[number].primitive.name,
                "object": spell(&answer.object, question.lock_type),
                "lock_address": global,
                "alternatives": answer.alternatives.iter().map(|other| spell(other, question.lock_type)).collect::<Vec<_>>(),
                "method": answer.method.name(),
            })
        })
        .collect();
    std::fs::write(path, serde_json::json!({ "rows": rows }).to_string()).expect("write");
}
