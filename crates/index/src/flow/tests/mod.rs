//! The room on code whose right answers are known: hand-made instructions, and small kernels from C.

mod answers;
mod parts;
mod script;
mod wholes;

use super::{Answer, Engine, Object, Question, Sources};
use crate::code::Program;
use crate::debug::{Debug, TypeMap};
use crate::image::Image;
use crate::types::{Types, fixture};
use lima_model::words::Operation;
use std::process::Command;
use std::sync::Arc;

/// What the fixtures lock, and what locks it.
const HEADER: &str = r#"
#define offsetof(type, member) __builtin_offsetof(type, member)
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
typedef struct raw_spinlock raw_spinlock_t;
struct list { struct list *next, *prev; };
struct inode { long number; struct mutex i_lock; struct list link; spinlock_t guard; long more; };
struct other { char name[8]; struct mutex o_lock; long flags; };
struct file { struct inode *inode; void *private; struct file *next; spinlock_t *lock_pointer; int flags; };
struct slot { long key; struct mutex lock; };
struct table { long size; struct slot slots[8]; };
struct disk { long size; struct inode root; };
struct work { void (*function)(struct work *); };
struct device { long id; struct mutex busy; struct work work; };
union either { struct inode *inode; struct other *other; };
struct mixed { long n; union either u; };
void mutex_lock(struct mutex *), mutex_unlock(struct mutex *);
void _raw_spin_lock(raw_spinlock_t *);
void seen(void *);
long number(void);
struct inode *find_inode(long);
void use_inode(struct inode *), use_other(struct other *);
"#;

/// Functions of which the compiler sees only the declarations when it compiles the fixture.
const REST: &str = r#"
void seen(void *p) { __asm__ volatile("" :: "r"(p) : "memory"); }
long number(void) { long n; __asm__ volatile("" : "=r"(n)); return n; }
void _start(void) { }
void mutex_lock(struct mutex *m) { seen(m); }
void mutex_unlock(struct mutex *m) { seen(m); seen(m); }
void _raw_spin_lock(raw_spinlock_t *l) { seen(l); seen(l); seen(l); }
void use_inode(struct inode *i) { seen(i); seen(0); }
void use_other(struct other *o) { seen(o); seen(0); seen(0); }
void register_driver(void *d) { seen(d); seen(d); seen(d); seen(d); seen(d); seen(d); }
struct inode *find_inode(long n) { return (struct inode *)number() + n; }
"#;

/// A kernel with debug information from C; none when there is no such compiler.
fn kernel(compiler: &str, level: &str, code: &str) -> Option<Image> {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, code: &str| std::fs::write(folder.path().join(name), code).expect("a source file");
    write("rest.c", &format!("{}\n{HEADER}\n{REST}", fixture::LOCKS));
    write("kernel.c", &format!("{}\n{HEADER}\n{code}", fixture::LOCKS));
    let compile = |arguments: &[&str]| {
        let done = Command::new(compiler).current_dir(folder.path()).args(arguments).output();
        let Ok(done) = done else {
            println!("skipped: no {compiler}");
            return false;
        };
        assert!(done.status.success(), "{compiler} {level}: {}", String::from_utf8_lossy(&done.stderr));
        true
    };
    let common = ["-g", "-w", "-ffreestanding", "-fno-pic", "-mcmodel=kernel", "-fno-stack-protector", "-c"];
    let with = |more: [&'static str; 2]| common.into_iter().chain(more).collect::<Vec<_>>();
    let own = [&with(["-fno-asynchronous-unwind-tables", "kernel.c"])[..], &[level]].concat();
    if !compile(&own) || !compile(&with(["-O1", "rest.c"])) {
        return None;
    }
    compile(&[
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,-Ttext=0xffffffff81000000",
        "-o",
        "vmlinux",
        "kernel.o",
        "rest.o",
    ]);
    Some(Image::open(&folder.path().join("vmlinux")).expect("a kernel"))
}

/// Calls a test with the answers for each fixture, by debug information and without.
fn each_way(code: &str, ways: &[(&str, &str)], test: impl Fn(&Answers<'_>)) {
    let Some(bare) = fixture::types(&format!("{HEADER}\n{code}")).map(Arc::new) else { return };
    for &(compiler, level) in ways {
        let Some(image) = kernel(compiler, level, code) else { continue };
        let program = Program::of(&image, None);
        let debug = Debug::open(&image).expect("debug information").expect("some of it");
        let own = Arc::new(debug.types(&image.path, None).expect("types"));
        let map = TypeMap::new(Arc::clone(&own));
        for (types, debug) in [(&own, Some((&debug, &map))), (&bare, None)] {
            let mode = if debug.is_some() { "dwarf" } else { "bare" };
            let sources = Sources {
                image: &image,
                types,
                functions: &program.functions,
                landmarks: &program.landmarks,
                calls: &program.calls,
                debug,
            };
            let sites: Vec<_> = program.sites.iter().filter(|site| site.operation == Operation::Acquire).collect();
            let questions: Vec<Question> = sites.iter().map(|site| Question::of(site)).collect();
            let engine = Engine::new(sources);
            let answers = engine.answer(&questions);
            let way = format!("{compiler} {level} {mode}");
            test(&Answers { image: &image, program: &program, types, engine, questions, answers, way });
        }
    }
}

/// The answers for a fixture.
struct Answers<'a> {
    image: &'a Image,
    program: &'a Program,
    types: &'a Types,
    engine: Engine<'a>,
    questions: Vec<Question>,
    answers: Vec<Answer>,
    way: String,
}

impl Answers<'_> {
    /// What a function's first site locks, and the alternatives, in words. Clones count as the function.
    fn of(&self, function: &str) -> (String, Vec<String>) {
        let site = self.questions.iter().position(|question| {
            let id = self.program.functions.containing(question.address).expect("a function");
            self.program.functions[id].name.split('.').next() == Some(function)
        });
        let answer = &self.answers[site.unwrap_or_else(|| panic!("{}: no site in {function}", self.way))];
        let text = match answer.object {
            Object::Unknown(cause) => format!("unknown: {cause}"),
            _ => format!("{} {}", self.spell(&answer.object), answer.method.name()),
        };
        (text, answer.alternatives.iter().map(|other| self.spell(other)).collect())
    }

    fn spell(&self, object: &Object) -> String {
        match object {
            Object::Member { declaring, path } | Object::Pointer { declaring, path } => {
                format!("{}.{path}", self.types.name(*declaring))
            }
            Object::Global { address } => match self.image.symbol_at(*address) {
                Some((symbol, 0)) => symbol.name.clone(),
                Some((symbol, offset)) => format!("{}+{offset}", symbol.name),
                None => format!("{address:#x}"),
            },
            Object::Local => "local".to_owned(),
            Object::Unknown(_) => "unknown".to_owned(),
        }
    }

    /// Compares; what is different is explained.
    fn expect(&self, function: &str, expected: &str) {
        let (found, alternatives) = self.of(function);
        let explained = || {
            let of = |question: &&Question| {
                let id = self.program.functions.containing(question.address);
                id.is_some_and(|id| self.program.functions[id].name.split('.').next() == Some(function))
            };
            self.questions.iter().find(of).map(|question| self.engine.explain(question)).unwrap_or_default()
        };
        assert_eq!(found, expected, "{}: {function}, else {alternatives:?}\n{}", self.way, explained());
    }

    fn is_bare(&self) -> bool {
        self.way.ends_with("bare")
    }
}
