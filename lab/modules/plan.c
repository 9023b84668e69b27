// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* What is to be done, from text, and whether that is safe to do. */
#include <linux/cpumask.h>
#include <linux/string.h>

#include "lima_locks.h"

static const char *const verbs[] = {
	[LIMA_TAKE] = "take",
	[LIMA_FAIL] = "fail",
	[LIMA_BLOCK] = "block",
	[LIMA_HANDOVER] = "handover",
	[LIMA_CHURN] = "churn",
	[LIMA_LIST] = "list",
};

static const char *const contexts[] = {
	[LIMA_TASK] = "task",
	[LIMA_IRQS_OFF] = "irqs_off",
	[LIMA_BH_OFF_CONTEXT] = "bh_off",
	[LIMA_SOFTIRQ] = "softirq",
	[LIMA_HARDIRQ] = "hardirq",
};

static const char *const holds[] = {
	[LIMA_HOLD_BEST] = "best",
	[LIMA_HOLD_BUSY] = "busy",
	[LIMA_HOLD_SLEEP] = "sleep",
};

const char *lima_context_name(enum lima_context context)
{
	return contexts[context];
}

static int word(const char *const *words, size_t count, const char *text)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (words[i] && !strcmp(words[i], text))
			return i;
	return -EINVAL;
}

static int number(unsigned int *place, const char *text, unsigned int least, unsigned int most)
{
	unsigned int value;

	if (kstrtouint(text, 10, &value) || value < least || value > most)
		return -EINVAL;
	*place = value;
	return 0;
}

static int set_text(char *place, size_t size, const char *text)
{
	return strscpy(place, text, size) < 0 ? -EINVAL : 0;
}

static int set_name(struct lima_plan *plan, const char *key, const char *value)
{
	if (!strcmp(key, "lock"))
		return set_text(plan->lock_name, sizeof(plan->lock_name), value);
	if (!strcmp(key, "by"))
		return set_text(plan->way_name, sizeof(plan->way_name), value);
	if (!strcmp(key, "inner"))
		return set_text(plan->inner_lock_name, sizeof(plan->inner_lock_name), value);
	if (!strcmp(key, "inner_by"))
		return set_text(plan->inner_way_name, sizeof(plan->inner_way_name), value);
	if (!strcmp(key, "holder_by"))
		return set_text(plan->holder_way_name, sizeof(plan->holder_way_name), value);
	return -ENOENT;
}

static int set_number(struct lima_plan *plan, const char *key, const char *value)
{
	const struct {
		const char *key;
		unsigned int *place;
		unsigned int least, most;
	} numbers[] = {
		{ "threads", &plan->threads, 1, LIMA_MAX_THREADS },
		{ "count", &plan->count, 1, LIMA_MAX_COUNT },
		{ "takes", &plan->takes, 0, LIMA_MAX_TAKES },
		{ "hold_us", &plan->hold_us, 0, LIMA_MAX_HOLD_US },
		{ "inner_hold_us", &plan->inner_hold_us, 0, LIMA_MAX_BUSY_US },
		{ "then_hold_us", &plan->then_hold_us, 0, LIMA_MAX_BUSY_US },
		{ "gap_us", &plan->gap_us, 0, LIMA_MAX_HOLD_US },
		{ "delay_us", &plan->delay_us, 0, LIMA_MAX_HOLD_US },
		{ "timeout_us", &plan->timeout_us, 0, LIMA_MAX_HOLD_US },
		{ "signal_after_us", &plan->signal_after_us, 0, LIMA_MAX_HOLD_US },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(numbers[i].key, key))
			return number(numbers[i].place, value, numbers[i].least, numbers[i].most);
	return -ENOENT;
}

static int set_choice(struct lima_plan *plan, const char *key, const char *value)
{
	int code = -ENOENT;

	if (!strcmp(key, "hold")) {
		code = word(holds, ARRAY_SIZE(holds), value);
		plan->hold = max(code, 0);
	} else if (!strcmp(key, "context")) {
		code = word(contexts, ARRAY_SIZE(contexts), value);
		plan->context = max(code, 0);
	} else if (!strcmp(key, "inner_context")) {
		code = word(contexts, ARRAY_SIZE(contexts), value);
		plan->inner_context = max(code, 0);
	} else if (!strcmp(key, "as")) {
		plan->as_caller = !strcmp(value, "caller");
		code = plan->as_caller || !strcmp(value, "thread") ? 0 : -EINVAL;
	} else if (!strcmp(key, "cpus")) {
		plan->bound = !strcmp(value, "each");
		code = plan->bound || !strcmp(value, "any") ? 0 : -EINVAL;
	}
	return min(code, 0);
}

static int set(struct lima_plan *plan, const char *key, const char *value)
{
	int error = set_name(plan, key, value);

	if (error == -ENOENT)
		error = set_number(plan, key, value);
	if (error == -ENOENT)
		error = set_choice(plan, key, value);
	return error;
}

int lima_plan_parse(struct lima_plan *plan, char *text, char *why, size_t size)
{
	char *verb = strsep(&text, " \t\n");
	char *value, *key;
	int code;

	*plan = (struct lima_plan){ .threads = 1, .count = 1, .takes = 1, .bound = true };
	code = word(verbs, ARRAY_SIZE(verbs), verb);
	if (code < 0) {
		scnprintf(why, size, "there is no command '%s'", verb);
		return -EINVAL;
	}
	plan->verb = code;
	while ((value = strsep(&text, " \t\n"))) {
		if (!*value)
			continue;
		key = strsep(&value, "=");
		if (!value) {
			scnprintf(why, size, "'%s' has no value: KEY=VALUE is wanted", key);
			return -EINVAL;
		}
		code = set(plan, key, value);
		if (code == -ENOENT) {
			scnprintf(why, size, "there is no key '%s'", key);
			return -EINVAL;
		}
		if (code) {
			scnprintf(why, size, "'%s' cannot be '%s'", key, value);
			return -EINVAL;
		}
	}
	return 0;
}

/* What holds where a lock is taken. */
struct surroundings {
	bool hardirq;
	bool softirq;
	bool irqs_off;
	bool bh_off;
	bool atomic;
};

static struct surroundings surroundings_of(enum lima_context context)
{
	return (struct surroundings){
		.hardirq = context == LIMA_HARDIRQ,
		.softirq = context == LIMA_SOFTIRQ,
		.irqs_off = context == LIMA_HARDIRQ || context == LIMA_IRQS_OFF,
		.bh_off = context == LIMA_SOFTIRQ || context == LIMA_BH_OFF_CONTEXT,
		.atomic = context != LIMA_TASK,
	};
}

/* NULL if the lock may be taken in this way, or why not. */
static const char *objection(const struct lima_lock *lock, const struct lima_way *way, struct surroundings here)
{
	bool irqs_off = here.irqs_off || way->flags & LIMA_IRQ_OFF;
	bool bh_off = irqs_off || here.bh_off || way->flags & LIMA_BH_OFF;

	if (way->flags & LIMA_SLEEPS)
		return here.atomic && !(way->flags & LIMA_ANYWHERE) ? "it may sleep, and this is no place to sleep" : NULL;
	if (here.irqs_off && way->flags & (LIMA_IRQ_ON_AFTER | LIMA_BH_OFF))
		return "it would let interrupts in where they are off";
	if (lock->level == LIMA_LEVEL_TASK && (here.hardirq || here.softirq))
		return "the lock is not for interrupts: take one of 'soft' or 'hard'";
	if (lock->level == LIMA_LEVEL_SOFTIRQ && here.hardirq)
		return "the lock is not for hard interrupts: take one of 'hard'";
	if (lock->level == LIMA_LEVEL_SOFTIRQ && !bh_off)
		return "the lock is for softirqs too: keep them out while it is held";
	if (lock->level == LIMA_LEVEL_HARDIRQ && !irqs_off)
		return "the lock is for hard interrupts too: keep them out while it is held";
	return NULL;
}

static struct surroundings inside(const struct lima_way *way, struct surroundings here)
{
	if (!(way->flags & LIMA_SLEEPS))
		here.atomic = true;
	if (way->flags & LIMA_IRQ_OFF)
		here.irqs_off = true;
	if (way->flags & LIMA_BH_OFF)
		here.bh_off = true;
	return here;
}

static int find(const char *lock_name, const char *way_name, const struct lima_lock **lock,
		const struct lima_way **way, char *why, size_t size)
{
	*lock = lima_lock_find(lock_name, 0, 0);
	if (!*lock) {
		scnprintf(why, size, "there is no lock '%s': `list` tells them", lock_name);
		return -EINVAL;
	}
	*way = lima_way_find(*lock, way_name);
	if (!*way) {
		scnprintf(why, size, "'%s' is no way to take '%s': `list` tells them", way_name, lock_name);
		return -EINVAL;
	}
	return 0;
}

static int check_inner(const struct lima_plan *plan, const struct lima_lock *outer, const struct lima_way *outer_way,
		       char *why, size_t size)
{
	struct surroundings here = inside(outer_way, surroundings_of(plan->context));
	bool interrupts = plan->inner_context == LIMA_HARDIRQ || plan->inner_context == LIMA_SOFTIRQ;
	const struct lima_lock *lock;
	const struct lima_way *way;
	const char *objects;

	if (find(plan->inner_lock_name, plan->inner_way_name, &lock, &way, why, size))
		return -EINVAL;
	if (interrupts) {
		if (plan->context != LIMA_TASK || here.irqs_off || here.bh_off) {
			scnprintf(why, size, "an interrupt cannot come: interrupts are off where '%s' is held", outer->name);
			return -EINVAL;
		}
		here = surroundings_of(plan->inner_context);
	} else if (plan->inner_context != LIMA_TASK) {
		scnprintf(why, size, "inner_context is task, softirq or hardirq");
		return -EINVAL;
	} else if (lock->order <= outer->order) {
		scnprintf(why, size, "'%s' does not nest in '%s': locks nest in the order of `list`", lock->name,
			  outer->name);
		return -EINVAL;
	}
	objects = objection(lock, way, here);
	if (objects) {
		scnprintf(why, size, "'%s' on '%s' inside '%s': %s", way->name, lock->name, outer->name, objects);
		return -EINVAL;
	}
	return 0;
}

/* The first way that waits and keeps others out. */
static const struct lima_way *holder_way(const struct lima_lock *lock)
{
	const struct lima_way *way;
	unsigned int i;

	for (i = 0; (way = lima_way_at(i)); i++)
		if (lima_way_fits(way, lock) && way->mode != LIMA_READ && !(way->flags & LIMA_TRY) &&
		    !objection(lock, way, surroundings_of(LIMA_TASK)))
			return way;
	return NULL;
}

static int check_holder(struct lima_plan *plan, const struct lima_lock *lock, char *why, size_t size)
{
	const struct lima_way *way = holder_way(lock);
	const char *objects;

	if (plan->as_caller || plan->inner_lock_name[0]) {
		scnprintf(why, size, "'as' and 'inner' are for take");
		return -EINVAL;
	}
	if (plan->holder_way_name[0])
		way = lima_way_find(lock, plan->holder_way_name);
	if (!way) {
		scnprintf(why, size, "there is no holder_by='%s' for '%s'", plan->holder_way_name, lock->name);
		return -EINVAL;
	}
	objects = objection(lock, way, surroundings_of(LIMA_TASK));
	if (objects) {
		scnprintf(why, size, "holder_by='%s': %s", way->name, objects);
		return -EINVAL;
	}
	if (!(way->flags & LIMA_SLEEPS) && (num_online_cpus() < 2 || !plan->bound)) {
		scnprintf(why, size, "a holder that spins needs a CPU of its own: two CPUs, cpus=each");
		return -EINVAL;
	}
	strscpy(plan->holder_way_name, way->name, sizeof(plan->holder_way_name));
	return 0;
}

static int check_scene(struct lima_plan *plan, const struct lima_lock *lock, const struct lima_way *way, char *why,
		       size_t size)
{
	unsigned int ends = LIMA_TRY | LIMA_INTERRUPTIBLE | LIMA_KILLABLE | LIMA_TIMED;

	if (plan->verb == LIMA_HANDOVER) {
		if (way->flags & LIMA_OTHER_RELEASES && plan->context == LIMA_TASK)
			return 0;
		scnprintf(why, size, "only who takes a lock by '%s' may let it go", way->name);
		return -EINVAL;
	}
	if (plan->verb == LIMA_FAIL && !(way->flags & ends)) {
		scnprintf(why, size, "'%s' cannot fail: it would wait for ever", way->name);
		return -EINVAL;
	}
	if (plan->verb == LIMA_BLOCK && (plan->context != LIMA_TASK || plan->delay_us >= plan->hold_us)) {
		scnprintf(why, size, "block is for tasks, and delay_us is less than hold_us");
		return -EINVAL;
	}
	return check_holder(plan, lock, why, size);
}

/* How long it takes at most if everybody waits for everybody. */
static u64 planned_us(const struct lima_plan *plan)
{
	u64 turn = (u64)plan->hold_us + plan->inner_hold_us + plan->then_hold_us + plan->gap_us + plan->delay_us +
		   plan->timeout_us + plan->signal_after_us;

	return turn * plan->count * plan->threads;
}

int lima_plan_check(struct lima_plan *plan, char *why, size_t size)
{
	struct surroundings here = surroundings_of(plan->context);
	const struct lima_lock *lock;
	const struct lima_way *way;
	const char *objects;

	if (planned_us(plan) > LIMA_MAX_PLANNED_US) {
		scnprintf(why, size, "that takes longer than %lu s: threads x count x all times",
			  LIMA_MAX_PLANNED_US / USEC_PER_SEC);
		return -EINVAL;
	}
	if (plan->verb == LIMA_LIST || plan->verb == LIMA_CHURN)
		return 0;
	if (find(plan->lock_name, plan->way_name, &lock, &way, why, size))
		return -EINVAL;
	objects = objection(lock, way, here);
	if (objects) {
		scnprintf(why, size, "'%s' on '%s' in context %s: %s", way->name, lock->name,
			  contexts[plan->context], objects);
		return -EINVAL;
	}
	if (plan->inner_lock_name[0] && check_inner(plan, lock, way, why, size))
		return -EINVAL;
	here = inside(way, here);
	if (here.atomic && plan->hold == LIMA_HOLD_SLEEP) {
		scnprintf(why, size, "who holds '%s' there cannot sleep", lock->name);
		return -EINVAL;
	}
	if (here.atomic && plan->hold_us > LIMA_MAX_BUSY_US) {
		scnprintf(why, size, "hold_us is at most %u where nothing else can run", LIMA_MAX_BUSY_US);
		return -EINVAL;
	}
	if (lock->type == LIMA_LOCAL_LOCK && (plan->as_caller || !plan->bound)) {
		scnprintf(why, size, "a local lock is for one CPU: cpus=each and no caller");
		return -EINVAL;
	}
	if (plan->as_caller && plan->threads > 1) {
		scnprintf(why, size, "as=caller has one thread: the caller");
		return -EINVAL;
	}
	return plan->verb == LIMA_TAKE ? 0 : check_scene(plan, lock, way, why, size);
}
