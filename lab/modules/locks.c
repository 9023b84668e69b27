// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* The table of all locks, by which commands name them. */
#include <linux/slab.h>
#include <linux/string.h>

#include "lima_locks.h"

static LIST_HEAD(locks);

const char *lima_type_name(enum lima_type type)
{
	static const char *const names[] = {
		[LIMA_MUTEX] = "mutex",
		[LIMA_WW_MUTEX] = "ww_mutex",
		[LIMA_RWSEM] = "rwsem",
		[LIMA_SEMAPHORE] = "semaphore",
		[LIMA_RT_MUTEX] = "rtmutex",
		[LIMA_PERCPU_RWSEM] = "percpu_rwsem",
		[LIMA_BIT_LOCK] = "bit_lock",
		[LIMA_SPINLOCK] = "spinlock",
		[LIMA_RAW_SPINLOCK] = "raw_spinlock",
		[LIMA_RWLOCK] = "rwlock",
		[LIMA_SEQLOCK] = "seqlock",
		[LIMA_LOCAL_LOCK] = "local_lock",
		[LIMA_BIT_SPINLOCK] = "bit_spinlock",
	};

	return names[type];
}

const char *lima_level_name(enum lima_level level)
{
	static const char *const names[] = {
		[LIMA_LEVEL_TASK] = "task",
		[LIMA_LEVEL_SOFTIRQ] = "softirq",
		[LIMA_LEVEL_HARDIRQ] = "hardirq",
	};

	return names[level];
}

static bool type_sleeps(enum lima_type type)
{
	return type < LIMA_SPINLOCK;
}

/* Sleeping locks outside, then spinning ones, those for interrupts innermost. */
static unsigned int order_of(enum lima_type type, enum lima_level level)
{
	return type_sleeps(type) ? type : 100 * (level + 1) + type;
}

int lima_lock_add(const struct lima_lock *like, const char *name, ...)
{
	struct lima_lock *lock = kmemdup(like, sizeof(*like), GFP_KERNEL);
	va_list arguments;

	if (!lock)
		return -ENOMEM;
	va_start(arguments, name);
	vscnprintf(lock->name, sizeof(lock->name), name, arguments);
	va_end(arguments);
	lock->order = order_of(lock->type, lock->level);
	list_add_tail(&lock->node, &locks);
	return 0;
}

void lima_locks_forget(void)
{
	struct lima_lock *lock, *next;

	list_for_each_entry_safe(lock, next, &locks, node) {
		list_del(&lock->node);
		kfree(lock);
	}
}

const struct lima_lock *lima_lock_next(const struct lima_lock *lock)
{
	const struct list_head *node = lock ? lock->node.next : locks.next;

	return node == &locks ? NULL : list_entry(node, struct lima_lock, node);
}

static const struct lima_lock *find(const char *name)
{
	const struct lima_lock *lock;

	for (lock = lima_lock_next(NULL); lock; lock = lima_lock_next(lock))
		if (!strcmp(lock->name, name))
			return lock;
	return NULL;
}

const struct lima_lock *lima_lock_find(const char *name, unsigned int turn, int cpu)
{
	const char *star = strstr(name, "[*]");
	char one[sizeof(((struct lima_lock *)0)->name)];

	if (!star)
		return find(name);
	scnprintf(one, sizeof(one), "%.*s[%u]%s", (int)(star - name), name,
		  strstarts(name, "cpu[") && cpu >= 0 ? cpu : turn % LIMA_ARRAY_LOCKS, star + strlen("[*]"));
	return find(one);
}
