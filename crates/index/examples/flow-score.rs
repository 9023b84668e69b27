//! How many of the acquire and try sites of a kernel are resolved, by method and by cause. For engineers of the flow
//! room: `flow-score bare|debug [VMLINUX|-] [CAUSE]`; with a cause, the sites of it are listed.

use lima_index::code::{Functions, Landmarks, Lift, Transfer};
use lima_index::debug::{Debug, TypeMap};
use lima_index::flow::{Object, Question, Sources, answer_sites};
use lima_index::image::Image;
use lima_model::LockType;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

fn primitive(name: &str) -> Option<(u8, LockType)> {
    let lock = if name.starts_with("_raw_spin_lock") || name.starts_with("_raw_spin_trylock") {
        LockType::Spinlock
    } else if name.starts_with("_raw_read_lock")
        || name.starts_with("_raw_write_lock")
        || name.starts_with("_raw_read_try")
        || name.starts_with("_raw_write_try")
    {
        LockType::Rwlock
    } else if name.starts_with("mutex_lock") || name == "mutex_trylock" {
        LockType::Mutex
    } else if name.starts_with("ww_mutex_lock") || name == "ww_mutex_trylock" {
        LockType::WwMutex
    } else if name.starts_with("down_read") || name.starts_with("down_write") {
        LockType::Rwsem
    } else if name == "down"
        || name.starts_with("down_interr")
        || name.starts_with("down_killable")
        || name.starts_with("down_timeout")
        || name == "down_trylock"
    {
        LockType::Semaphore
    } else if name.starts_with("percpu_down_write") || name.starts_with("__percpu_down_read") {
        LockType::PercpuRwsem
    } else if name.starts_with("rt_mutex_lock") || name.starts_with("rt_mutex_trylock") {
        LockType::Rtmutex
    } else {
        return None;
    };
    Some((0, lock))
}

fn main() {
    let home = std::env::var("HOME").unwrap_or_default();
    let mut arguments = std::env::args().skip(1);
    let bare = arguments.next().is_none_or(|mode| mode == "bare");
    let path = arguments.next().filter(|path| path != "-").map_or_else(
        || PathBuf::from(home).join(".cache/lima/kernels/d61/usr/lib/debug/boot/vmlinux-6.1.0-50-cloud-amd64"),
        PathBuf::from,
    );
    let wanted = arguments.next();
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
    let functions = Functions::of(&image);
    let landmarks = Landmarks::of(&image, None);
    step("functions", now);
    let now = Instant::now();
    let primitives: BTreeMap<u64, (u8, LockType)> = functions
        .iter()
        .filter_map(|(_, function)| Some((function.range.start, function.names().find_map(|name| primitive(name))?)))
        .collect();
    let mut lift = lima_index::code::x86::X86::default();
    let mut questions = Vec::new();
    for (_, function) in functions.iter() {
        if primitives.contains_key(&function.range.start) {
            continue;
        }
        for part in function.parts() {
            let Some(bytes) = image.bytes(part.start, (part.end - part.start) as usize) else { continue };
            lift.scan(bytes, part.start, &mut |address, _, transfer| {
                if let Transfer::Call(Some(to)) | Transfer::Jump(Some(to)) = transfer
                    && let Some(&(argument, lock_type)) = primitives.get(&to)
                {
                    questions.push(Question { address, argument, lock_type });
                }
            });
        }
    }
    step("sites", now);
    let now = Instant::now();
    let debug = if bare { None } else { Debug::open(&image).expect("debug") };
    let map = TypeMap::new(Arc::clone(&types));
    step("debug", now);
    let now = Instant::now();
    let debug = debug.as_ref().map(|debug| (debug, &map));
    let sources = Sources { image: &image, types: &types, functions: &functions, landmarks: &landmarks, debug };
    let answers = answer_sites(sources, &questions);
    step("flow", now);
    let mut methods: BTreeMap<String, usize> = BTreeMap::new();
    for (question, answer) in questions.iter().zip(&answers) {
        let key = match answer.object {
            Object::Unknown(cause) => format!("unknown: {cause}"),
            _ => answer.method.name().to_owned(),
        };
        if wanted.as_ref().is_some_and(|wanted| key.contains(wanted)) {
            let function = functions.containing(question.address).map(|id| &functions[id]);
            let name = function.map_or("?", |function| &function.name);
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
        }
        *methods.entry(key).or_default() += 1;
    }
    let unknown = answers.iter().filter(|answer| matches!(answer.object, Object::Unknown(_))).count();
    println!("{} sites, {:.2} % resolved", answers.len(), 100.0 - 100.0 * unknown as f64 / answers.len() as f64);
    for (method, count) in &methods {
        println!("{count:7}  {:5.2} %  {method}", 100.0 * *count as f64 / answers.len() as f64);
    }
}
