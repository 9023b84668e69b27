// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Objects with one lock of every type. They live from loading to unloading;
 * objects that come and go are in churn.c.
 */
#include <linux/slab.h>
#include <linux/string.h>

#include "lima_locks.h"

static struct kmem_cache *box_cache;

DEFINE_WW_CLASS(lima_ww_class);

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
DEFINE_BOX_INIT(linked)

/* The slab allocator merges caches that are alike; not those with a constructor. */
static void box_construct(void *memory)
{
	memset(memory, 0, sizeof(struct lima_box));
}

/* A box that is a variable is named by its symbol, one from the slab cache by its type. */
#define MEMBER(member_, type_, place) \
	{ #member_, "lima_box." #member_, "lima_static_box." #member_, type_, &box->place }

static int add_box(const char *name, struct lima_box *box, enum lima_level level, const char *cache)
{
	const struct {
		const char *member;
		const char *by_type;
		const char *by_symbol;
		enum lima_type type;
		void *address;
	} members[] = {
		MEMBER(mutex, LIMA_MUTEX, mutex),
		MEMBER(ww_mutex, LIMA_WW_MUTEX, ww_mutex.base),
		MEMBER(rwsem, LIMA_RWSEM, rwsem),
		MEMBER(semaphore, LIMA_SEMAPHORE, semaphore),
		MEMBER(rt_mutex, LIMA_RT_MUTEX, rt_mutex),
		MEMBER(percpu_rwsem, LIMA_PERCPU_RWSEM, percpu_rwsem),
		MEMBER(sleep_bits, LIMA_BIT_LOCK, sleep_bits),
		MEMBER(spinlock, LIMA_SPINLOCK, spinlock),
		MEMBER(raw_spinlock, LIMA_RAW_SPINLOCK, raw_spinlock),
		MEMBER(rwlock, LIMA_RWLOCK, rwlock),
		MEMBER(seqlock, LIMA_SEQLOCK, seqlock.lock),
		MEMBER(spin_bits, LIMA_BIT_SPINLOCK, spin_bits),
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
		};

		error = lima_lock_add(&lock, "%s.%s", name, members[i].member);
	}
	return error;
}

static struct lima_box *box_new(int (*init)(struct lima_box *box))
{
	struct lima_box *box = kmem_cache_alloc(box_cache, GFP_KERNEL);

	if (box && init(box)) {
		kmem_cache_free(box_cache, box);
		return NULL;
	}
	return box;
}

struct lima_box *lima_linked_box_new(void)
{
	return box_new(lima_init_linked_box);
}

void lima_box_free(struct lima_box *box)
{
	if (!box)
		return;
	percpu_free_rwsem(&box->percpu_rwsem);
	kmem_cache_free(box_cache, box);
}

static int make_box(struct lima_box **place, int (*init)(struct lima_box *box), const char *name,
		    enum lima_level level)
{
	*place = box_new(init);
	return *place ? add_box(name, *place, level, "lima_box") : -ENOMEM;
}

int lima_boxes_make(void)
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
	return error;
}

void lima_boxes_free(void)
{
	percpu_free_rwsem(&lima_static_box.percpu_rwsem);
	lima_box_free(hard_box);
	lima_box_free(soft_box);
	lima_box_free(task_box);
	kmem_cache_destroy(box_cache);
}
