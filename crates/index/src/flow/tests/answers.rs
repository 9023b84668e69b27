//! Each clue and each answer, in functions of a few lines.

use super::each_way;

/// A function; what it locks with debug information, and what without.
type Case = (&'static str, &'static str, &'static str);

const CODE: &str = r#"
static struct mutex global;
static struct mutex row[4];
void address(void) { mutex_lock(&global); seen(0); }
void address_in_row(long n) { mutex_lock(&row[n]); seen(0); }
void parameter(struct inode *i) { mutex_lock(&i->i_lock); seen(0); }
void result(long n) { mutex_lock(&find_inode(n)->i_lock); seen(0); }
void field(struct file *f) { mutex_lock(&f->inode->i_lock); seen(0); }
void stored(struct file *f, void *p) { f->inode = p; mutex_lock(p + offsetof(struct inode, i_lock)); seen(f); }
void argument(void *p) { use_inode(p); mutex_lock(p + offsetof(struct inode, i_lock)); seen(0); }
void *returned_untyped(void *p) { seen(p); mutex_lock(p + offsetof(struct inode, i_lock)); return p; }
struct inode *returned(void *p) { mutex_lock(p + offsetof(struct inode, i_lock)); return p; }
void variable(void *p) { struct inode *i = p; seen(0); mutex_lock(&i->i_lock); seen(i); }
void container(struct list *l) { mutex_lock(&container_of(l, struct inode, link)->i_lock); seen(0); }
void wider(struct disk *d) { mutex_lock(&d->root.i_lock); seen(0); }
void pointer(struct file *f) { _raw_spin_lock((raw_spinlock_t *)f->lock_pointer); seen(0); }
void local(void) { struct mutex m; seen(&m); mutex_lock(&m); seen(&m); }
void callers(struct mutex *m) { mutex_lock(m); seen(0); }
void conflict(void *p) { use_inode(p); use_other(p); mutex_lock(p + offsetof(struct inode, i_lock)); seen(0); }
void element(struct table *t, long n) { mutex_lock(&t->slots[n].lock); seen(0); }
void joined(struct file *f, long n) { struct inode *i = f->inode; if (n) i = find_inode(n); mutex_lock(&i->i_lock); seen(0); }
void walked(struct file *f) { for (; f; f = f->next) mutex_lock(&f->inode->i_lock); seen(0); }
void masked(struct file *f) { mutex_lock(&((struct inode *)((long)f->inode & ~7L))->i_lock); seen(0); }
void one_of_a_union(struct mixed *m) { mutex_lock(&m->u.inode->i_lock); seen(0); }
void spin_kind(struct inode *i) { _raw_spin_lock((raw_spinlock_t *)&i->guard); seen(0); }
void wrong_kind(struct inode *i) { mutex_lock((struct mutex *)&i->guard); seen(0); }
void beyond_any(void *p) { mutex_lock(p + 4096); seen(0); }
void written_by_others(void) { struct inode *i = 0; seen(&i); mutex_lock(&i->i_lock); seen(0); }
"#;

const WAYS: &[(&str, &str)] = &[("gcc", "-O2"), ("gcc", "-Os"), ("clang-19", "-O2"), ("clang-19", "-Os")];

const CASES: &[Case] = &[
    ("address", "global address", "global address"),
    ("address_in_row", "row address", "row address"),
    ("parameter", "inode.i_lock variable", "inode.i_lock flow"),
    ("result", "inode.i_lock flow", "inode.i_lock flow"),
    ("field", "inode.i_lock flow", "inode.i_lock flow"),
    ("stored", "inode.i_lock flow", "inode.i_lock flow"),
    ("argument", "inode.i_lock flow", "inode.i_lock flow"),
    ("returned", "inode.i_lock flow", "inode.i_lock flow"),
    ("returned_untyped", "unknown: container is not certain", "unknown: container is not certain"),
    // Only debug information knows of the variable.
    ("variable", "inode.i_lock variable", "unknown: container is not certain"),
    ("container", "inode.i_lock container", "inode.i_lock container"),
    ("wider", "inode.i_lock variable", "inode.i_lock flow"),
    ("pointer", "file.lock_pointer pointer", "file.lock_pointer pointer"),
    ("local", "local local", "local local"),
    ("callers", "unknown: lock of the caller", "unknown: lock of the caller"),
    ("conflict", "unknown: evidence conflicts", "unknown: evidence conflicts"),
    ("element", "slot.lock flow", "slot.lock flow"),
    ("joined", "inode.i_lock variable", "inode.i_lock flow"),
    ("walked", "inode.i_lock flow", "inode.i_lock flow"),
    ("masked", "inode.i_lock flow", "inode.i_lock flow"),
    ("one_of_a_union", "unknown: evidence conflicts", "unknown: evidence conflicts"),
    ("spin_kind", "inode.guard variable", "inode.guard flow"),
    ("wrong_kind", "unknown: no lock there", "unknown: no lock there"),
    ("beyond_any", "unknown: untyped parameter", "unknown: untyped parameter"),
    // The compiler sees a null pointer, but somebody else may have written to the variable.
    ("written_by_others", "unknown: container is not certain", "unknown: container is not certain"),
];

#[test]
fn each_clue_and_each_answer() {
    each_way(CODE, WAYS, |answers| {
        for &(function, dwarf, bare) in CASES {
            answers.expect(function, if answers.is_bare() { bare } else { dwarf });
        }
    });
}

#[test]
fn what_it_could_be_too() {
    each_way(CODE, WAYS, |answers| {
        let others = |function| {
            let mut others = answers.of(function).1;
            others.sort();
            others
        };
        // A wider name of the same lock, and what the evidence allows.
        assert_eq!(others("wider"), ["disk.root.i_lock"], "{}", answers.way);
        assert_eq!(others("element"), ["table.slots[].lock"], "{}", answers.way);
        assert_eq!(others("conflict"), ["inode.i_lock", "other.o_lock"], "{}", answers.way);
        assert_eq!(others("one_of_a_union"), ["inode.i_lock", "other.o_lock"], "{}", answers.way);
        assert_eq!(others("parameter"), [""; 0], "{}", answers.way);
    });
}
