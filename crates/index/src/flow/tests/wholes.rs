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
void made(long n) { mutex_lock(make(n) + offsetof(struct inode, i_lock)); seen(0); }
"#;

const WAYS: &[(&str, &str)] = &[("gcc", "-O2"), ("gcc", "-Os"), ("clang-19", "-O2"), ("clang-19", "-Os")];

#[test]
fn other_functions_say_it() {
    each_way(CODE, WAYS, |answers| {
        answers.expect("kept", "device.busy flow");
        answers.expect("works", "device.busy flow");
        answers.expect("made", "inode.i_lock flow");
        answers.expect("clone", "inode.i_lock flow");
        let functions = answers.program.functions.iter();
        let cloned = functions.filter(|(_, function)| function.name.starts_with("clone.")).count();
        assert_eq!(cloned, usize::from(answers.way.starts_with("gcc")), "{}: the clone", answers.way);
    });
}
