//! What one function is known by from others: clones, callbacks, fields without a type.

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
