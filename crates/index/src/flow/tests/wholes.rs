//! What one function is known by from others: clones, callbacks, fields without a type, tables of functions.

use super::each_way;

const CODE: &str = r#"
void keep(struct file *f, struct device *d) { f->private = d; seen(f); }
void kept(struct file *f) { mutex_lock(f->private + offsetof(struct device, busy)); seen(f); }
static __attribute__((noinline)) void clone(long unused, struct inode *i) { mutex_lock(&i->i_lock); seen(i); }
void calls_clone(struct inode *i) { clone(1, i); seen(i); clone(1, find_inode(2)); seen(0); }
void works(struct work *w) { mutex_lock(&container_of(w, struct device, work)->busy); seen(w); }
void start(struct device *d) { d->work.function = works; seen(d); }
__attribute__((noinline)) void *make(long n) { struct inode *i = find_inode(n); use_inode(i); return i; }
static __attribute__((noinline)) void handed_on(struct mutex *m) { mutex_lock(m); seen(m); seen(m); }
static __attribute__((noinline)) void handed(struct mutex *m) { mutex_lock(m); handed_on(m); seen(m); }
void hands(struct inode *i) { handed(&i->i_lock); seen(i); }
void hands_too(struct file *f) { handed(&f->inode->i_lock); seen(f); handed(0); seen(0); }
static __attribute__((noinline)) void different(struct mutex *m) { seen(m); mutex_lock(m); seen(m); }
void hands_one(struct inode *i) { different(&i->i_lock); seen(i); }
void hands_another(struct other *o) { seen(o); different(&o->o_lock); seen(0); }
static __attribute__((noinline)) void pointed_to(struct mutex *m) { mutex_lock(m); seen(m); seen(0); seen(m); }
void calls_it(struct inode *i) { pointed_to(&i->i_lock); seen(i); seen(0); }
void (*table[])(struct mutex *) = { pointed_to };
static __attribute__((noinline)) void given_away(struct mutex *m) { mutex_lock(m); seen(0); seen(m); }
void gives_away(struct inode *i) { given_away(&i->i_lock); seen(given_away); }
void made(long n) { mutex_lock(make(n) + offsetof(struct inode, i_lock)); seen(0); }
"#;

const WAYS: &[(&str, &str)] = &[("gcc", "-O2"), ("gcc", "-Os"), ("clang-19", "-O2"), ("clang-19", "-Os")];

#[test]
fn other_functions_say_it() {
    each_way(CODE, WAYS, |answers| {
        answers.expect("kept", "device.busy flow");
        answers.expect("works", "device.busy flow");
        answers.expect("made", "inode.i_lock flow");
        answers.expect("clone", if answers.is_bare() { "inode.i_lock flow" } else { "inode.i_lock variable" });
        let functions = answers.program.functions.iter();
        let cloned = functions.filter(|(_, function)| function.name.starts_with("clone.")).count();
        assert_eq!(cloned, usize::from(answers.way.starts_with("gcc")), "{}: the clone", answers.way);
    });
}

#[test]
fn callers_say_it_when_all_are_known_and_agree() {
    each_way(CODE, WAYS, |answers| {
        answers.expect("handed", "inode.i_lock callers");
        answers.expect("handed_on", "inode.i_lock callers");
        let unknown = "unknown: lock of the caller";
        for (function, others) in [
            ("different", &["inode.i_lock", "other.o_lock"][..]),
            // Somebody else may call them with something else.
            ("pointed_to", &["inode.i_lock"]),
            ("given_away", &["inode.i_lock"]),
        ] {
            answers.expect(function, unknown);
            let mut found = answers.of(function).1;
            found.sort();
            assert_eq!(found, others, "{}: {function}", answers.way);
        }
    });
}

const TABLES: &str = r#"
struct operations { void (*open)(struct inode *); void (*close)(struct inode *); };
union choice { void (*one)(void); void (*other)(void); };
struct driver { const struct operations *ops; union choice choice; long id; };
static void opens(struct inode *i) { mutex_lock(&i->i_lock); seen(i); }
static void closes(struct inode *i) { seen(i); seen(i); }
static void chosen(void) { seen(0); seen(0); seen(0); seen(0); seen(0); }
static const struct operations operations = { .open = opens, .close = closes };
static struct driver driver = { .ops = &operations, .choice = { .one = chosen } };
void register_driver(struct driver *);
void starts(void) { register_driver(&driver); seen(0); }
void open_it(struct driver *d, struct inode *i) { d->ops->open(i); seen(d); }
void choose(struct driver *d) { d->choice.one(); seen(d); }
void sets(struct work *w) { w->function = 0; seen(w); w->function = (void *)chosen; seen(w); }
void runs(struct work *w) { w->function(w); seen(w); }
void nowhere(void (*f)(void)) { f(); seen(0); }
"#;

#[test]
fn calls_through_tables_of_functions() {
    each_way(TABLES, WAYS, |answers| {
        let pointers = answers.engine.pointers();
        let types = answers.types;
        let name = |member: &crate::types::Spot| format!("{}.{}", types.name(member.declaring), types.path(member));
        let function = |address| answers.program.functions.containing(address).map(|id| &answers.program.functions[id]);
        let called = |caller: &str| {
            let inside = |&&(address, _): &&(u64, _)| function(address).is_some_and(|found| &*found.name == caller);
            pointers.calls.iter().filter(inside).map(|(_, member)| name(member)).collect::<Vec<_>>()
        };
        assert_eq!(called("open_it"), ["operations.open"], "{}", answers.way);
        assert_eq!(called("runs"), ["work.function"], "{}", answers.way);
        // Of a union nobody knows which member is meant; of an argument not where it is from.
        assert_eq!(called("choose"), [""; 0], "{}", answers.way);
        assert_eq!(called("nowhere"), [""; 0], "{}", answers.way);
        let mut held: Vec<_> = pointers
            .held
            .iter()
            .map(|held| {
                let at = held.at.and_then(|at| answers.image.symbol_at(at)).map_or("code", |(symbol, _)| &symbol.name);
                format!("{} {} {at}", name(&held.member), function(held.function).expect("a function").name)
            })
            .collect();
        held.sort();
        let expected =
            ["operations.close closes operations", "operations.open opens operations", "work.function chosen code"];
        assert_eq!(held, expected, "{}", answers.way);
    });
}
