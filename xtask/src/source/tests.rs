//! A kernel of a few lines, and what its text says that its sites lock.

use super::scope::Source;
use super::truth::{Form, Frame, Lock, Oracle, Silence, Truth};
use std::fs;
use std::path::PathBuf;

const HEADER: &str = r#"#ifndef _LINUX_THING_H
#define _LINUX_THING_H
typedef struct spinlock { int raw; } spinlock_t;
struct mutex { long owner; };
void mutex_lock(struct mutex *lock);
#define __init __attribute__((__section__(".init.text")))
#define DEFINE_MUTEX(name) struct mutex name = { 0 }
struct list { struct list *next; };
struct part {
	int number;
	spinlock_t lock;
};
struct thing {
#ifdef CONFIG_BIG
	struct part part;
#else
	struct part *part;
#endif
	union {
		struct { struct mutex inner; };
		long other;
	};
	spinlock_t locks[4];
	spinlock_t *elsewhere;
	struct list list;
};
typedef struct thing thing_t;
static inline void thing_lock(struct thing *t)
{
	mutex_lock(&t->inner);
}
static inline spinlock_t *thing_ptr(struct thing *t, int n)
{
	return &t->locks[n];
}
static inline struct thing *of(struct list *l)
{
	return container_of(l, struct thing, list);
}
#endif
"#;

const CODE: &str = r#"#include <linux/thing.h>
static DEFINE_MUTEX(big);
static struct thing the_thing;
#define locked(t) spin_lock(&(t)->part.lock)
static void helper(spinlock_t *l)
{
	spin_lock(l);
}
int __init plain(struct thing *t, thing_t *u, struct list *l)
{
	spin_lock(&t->part.lock);
	mutex_lock(&u->inner);
	mutex_lock(&big);
	spin_lock(&the_thing.part.lock);
	spin_lock(t->elsewhere);
	spin_lock_irqsave(&of(l)->locks[3],
			  flags);
	spin_lock(thing_ptr(t, 2));
	locked(t);
	helper(&u->part.lock);
	{
		struct part *t = 0;
		spinlock_t *which = &t->lock;
		spin_lock(which);
	}
	thing_lock(u);
	return 0;
}
"#;

/// What is said of a line of the code, or of places in both files, the innermost first.
fn said(name: &str, config: &str, primitive: &str, frames: &[(&str, u32)]) -> Result<Truth, Silence> {
    let root: PathBuf = std::env::temp_dir().join(format!("lima-xtask-{}-{name}", std::process::id()));
    fs::create_dir_all(root.join("include/linux")).unwrap();
    fs::create_dir_all(root.join("fs")).unwrap();
    fs::write(root.join("include/linux/thing.h"), HEADER).unwrap();
    fs::write(root.join("fs/thing.c"), CODE).unwrap();
    let frames: Vec<Frame> =
        frames.iter().map(|(file, line)| Frame { file: (*file).to_owned(), line: *line }).collect();
    let truth = Oracle::new(Source::new(&root, config)).truth(primitive, &frames);
    fs::remove_dir_all(&root).unwrap();
    truth
}

/// The same, in short: the form, the declaring struct or the variable, the path.
fn short(name: &str, primitive: &str, line: u32) -> (Form, String) {
    let truth = said(name, "CONFIG_BIG=y", primitive, &[("fs/thing.c", line)]).unwrap();
    let [lock] = &truth.locks[..] else { panic!("{truth:?}") };
    let (Lock::At(place) | Lock::Pointer(place)) = lock;
    let name = match &place.root {
        super::places::Root::Global { name, .. } => format!("{name}:{}", place.full),
        _ => format!("{}:{}", place.declaring.unwrap_or("?"), place.path),
    };
    (truth.form, name)
}

#[test]
fn forms_that_the_text_has() {
    let expect = |line, primitive, form, place: &str| {
        let name = format!("forms-{line}");
        assert_eq!(short(&name, primitive, line), (form, place.to_owned()), "line {line}");
    };
    expect(11, "_raw_spin_lock", Form::Plain, "part:lock");
    expect(12, "mutex_lock", Form::Plain, "thing:inner");
    expect(13, "mutex_lock", Form::Global, "big:");
    expect(14, "_raw_spin_lock", Form::Global, "the_thing:part.lock");
    expect(15, "_raw_spin_lock", Form::Pointer, "thing:elsewhere");
    expect(16, "_raw_spin_lock_irqsave", Form::Plain, "thing:locks[]");
    expect(17, "_raw_spin_lock_irqsave", Form::Plain, "thing:locks[]");
    expect(18, "_raw_spin_lock", Form::Returned, "thing:locks[]");
    expect(19, "_raw_spin_lock", Form::Plain, "part:lock");
    expect(24, "_raw_spin_lock", Form::Assigned, "part:lock");
}

#[test]
fn an_inlined_function_says_it_with_its_callers_argument() {
    let frames = [("fs/thing.c", 7), ("fs/thing.c", 20)];
    let truth = said("inlined", "CONFIG_BIG=y", "_raw_spin_lock", &frames).unwrap();
    assert_eq!(truth.form, Form::Inlined);
    let frames = [("include/linux/thing.h", 30), ("fs/thing.c", 26)];
    assert_eq!(said("header", "", "mutex_lock", &frames).unwrap().form, Form::Plain);
}

#[test]
fn what_the_text_leaves_open_is_not_said() {
    let alone = said("alone", "CONFIG_BIG=y", "_raw_spin_lock", &[("fs/thing.c", 7)]);
    assert_eq!(alone.unwrap_err(), Silence::Callers);
    let other = said("other", "CONFIG_BIG=y", "mutex_lock", &[("fs/thing.c", 11)]);
    assert_eq!(other.unwrap_err(), Silence::NoCall);
    // Without the option the member is a pointer, and `.` after it no C.
    let small = said("small", "", "_raw_spin_lock", &[("fs/thing.c", 11)]);
    assert_eq!(small.unwrap_err(), Silence::NotUnderstood);
    let missing = said("missing", "", "_raw_spin_lock", &[("fs/none.c", 11)]);
    assert_eq!(missing.unwrap_err(), Silence::NoFile);
}
