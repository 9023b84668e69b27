// SPDX-License-Identifier: GPL-2.0-only
/*
 * The objects with locks, and the table by which commands name the locks.
 * All of them live from loading to unloading; those that come and go are in
 * churn.c.
 */
#include <linux/ctype.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "lima_locks.h"

static LIST_HEAD(locks);
static struct kmem_cache *box_cache;
static DEFINE_WW_CLASS(lima_ww_class);

/* Boxes from a slab cache, by the context that their locks are for, and one that is a variable. */
static struct lima_box *task_box;
static struct lima_box *soft_box;
static struct lima_box *hard_box;
struct lima_box lima_static_box;

/*
 * A function for each box: lockdep makes one class of all locks that are
 * initialised at one place, and the boxes follow different rules.
 */
#define DEFINE_BOX_INIT(kind)							\
	int lima_init_##kind##_box(struct lima_box *box);			\
	noinline int lima_init_##kind##_box(struct lima_box *box)		\
	{									\
		mutex_init(&box->mutex);					\
		ww_mutex_init(&box->ww_mutex, &lima_ww_class);			\
		init_rwsem(&box->rwsem);					\
		sema_init(&box->semaphore, 1);					\
		rt_mutex_init(&box->rt_mutex);					\
		spin_lock_init(&box->spinlock);					\
		raw_spin_lock_init(&box->raw_spinlock);				\
		rwlock_init(&box->rwlock);					\
		seqlock_init(&box->seqlock);					\
		return percpu_init_rwsem(&box->percpu_rwsem);			\
	}

DEFINE_BOX_INIT(task)
DEFINE_BOX_INIT(soft)
DEFINE_BOX_INIT(hard)
DEFINE_BOX_INIT(static)

/* The slab allocator merges caches that are alike; not those with a constructor. */
static void box_construct(void *memory)
{
	memset(memory, 0, sizeof(struct lima_box));
}

const char *lima_type_name(enum lima_type type)
{
	static const char *const names[] = {
		[LIMA_MUTEX] = "mutex",
		[LIMA_WW_MUTEX] = "ww_mutex",
		[LIMA_RWSEM] = "rwsem",
		[LIMA_SEMAPHORE] = "semaphore",
		[LIMA_RT_MUTEX] = "rtmutex",
		[LIMA_PERCPU_RWSEM] = "percpu_rwsem",
		[LIMA_SPINLOCK] = "spinlock",
		[LIMA_RAW_SPINLOCK] = "raw_spinlock",
		[LIMA_RWLOCK] = "rwlock",
		[LIMA_SEQLOCK] = "seqlock",
		[LIMA_LOCAL_LOCK] = "local_lock",
		[LIMA_BIT_LOCK] = "bit_lock",
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

static __printf(2, 3) int add(const struct lima_lock *like, const char *name, ...)
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

/* A box that is a variable is named by its symbol, one from the slab cache by its type. */
#define MEMBER(member_, type_) \
	{ #member_, "lima_box." #member_, "lima_static_box." #member_, type_, &box->member_ }

static int add_box(const char *name, struct lima_box *box, enum lima_level level, const char *cache)
{
	const struct {
		const char *member;
		const char *by_type;
		const char *by_symbol;
		enum lima_type type;
		void *address;
	} members[] = {
		MEMBER(mutex, LIMA_MUTEX),
		MEMBER(rwsem, LIMA_RWSEM),
		MEMBER(spinlock, LIMA_SPINLOCK),
	};
	int error = 0;
	int i;

	for (i = 0; !error && i < ARRAY_SIZE(members); i++) {
		const struct lima_lock lock = {
			.object = cache ? members[i].by_type : members[i].by_symbol,
			.cache = cache,
			.type = members[i].type,
			.level = level,
			.subject = box,
			.address = members[i].address,
			.shape = "box",
			.cpu = -1,
		};

		error = add(&lock, "%s.%s", name, members[i].member);
	}
	return error;
}

static int make_box(struct lima_box **place, int (*init)(struct lima_box *box), const char *name,
		    enum lima_level level)
{
	struct lima_box *box = kmem_cache_alloc(box_cache, GFP_KERNEL);
	int error;

	if (!box)
		return -ENOMEM;
	error = init(box);
	if (error) {
		kmem_cache_free(box_cache, box);
		return error;
	}
	*place = box;
	return add_box(name, box, level, "lima_box");
}

static void free_box(struct lima_box *box)
{
	if (!box)
		return;
	percpu_free_rwsem(&box->percpu_rwsem);
	kmem_cache_free(box_cache, box);
}

int lima_objects_make(void)
{
	int error;

	box_cache = kmem_cache_create("lima_box", sizeof(struct lima_box), 0, 0, box_construct);
	if (!box_cache)
		return -ENOMEM;
	error = make_box(&task_box, lima_init_task_box, "box", LIMA_LEVEL_TASK);
	if (!error)
		error = make_box(&soft_box, lima_init_soft_box, "soft", LIMA_LEVEL_SOFTIRQ);
	if (!error)
		error = make_box(&hard_box, lima_init_hard_box, "hard", LIMA_LEVEL_HARDIRQ);
	if (!error)
		error = lima_init_static_box(&lima_static_box);
	if (!error)
		error = add_box("static", &lima_static_box, LIMA_LEVEL_TASK, NULL);
	if (error)
		lima_objects_free();
	return error;
}

void lima_objects_free(void)
{
	struct lima_lock *lock, *next;

	list_for_each_entry_safe(lock, next, &locks, node) {
		list_del(&lock->node);
		kfree(lock);
	}
	percpu_free_rwsem(&lima_static_box.percpu_rwsem);
	free_box(hard_box);
	free_box(soft_box);
	free_box(task_box);
	kmem_cache_destroy(box_cache);
}

const struct lima_lock *lima_lock_next(const struct lima_lock *lock)
{
	const struct list_head *node = lock ? lock->node.next : locks.next;

	return node == &locks ? NULL : list_entry(node, struct lima_lock, node);
}

const struct lima_lock *lima_lock_find(const char *name, unsigned int turn)
{
	const struct lima_lock *lock;

	for (lock = lima_lock_next(NULL); lock; lock = lima_lock_next(lock))
		if (!strcmp(lock->name, name))
			return lock;
	return NULL;
}
