// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Objects that come and go: from a slab cache, initialised, used, freed. Addresses are used again. */
#include <linux/slab.h>

#include "sites.h"

struct lima_item {
	u64 number;
	struct mutex mutex;
	struct rw_semaphore rwsem;
	spinlock_t spinlock;
};

static struct kmem_cache *item_cache;

#define ITEM struct lima_item *item

LIMA_TAKES(item_mutex_init, ITEM, mutex_init(&item->mutex))
LIMA_TAKES(item_init_rwsem, ITEM, init_rwsem(&item->rwsem))
LIMA_TAKES(item_spin_lock_init, ITEM, spin_lock_init(&item->spinlock))
LIMA_TAKES(item_mutex_lock, ITEM, mutex_lock(&item->mutex))
LIMA_DROPS(item_mutex_unlock, ITEM, mutex_unlock(&item->mutex))
LIMA_TAKES(item_down_write, ITEM, down_write(&item->rwsem))
LIMA_DROPS(item_up_write, ITEM, up_write(&item->rwsem))
LIMA_TAKES(item_spin_lock, ITEM, spin_lock(&item->spinlock))
LIMA_DROPS(item_spin_unlock, ITEM, spin_unlock(&item->spinlock))

#define WAY(type_, mode_, init_, call, unlock, flags_)		\
	{							\
		.name = #call,					\
		.function = #call,				\
		.shape = "item",				\
		.type = type_,					\
		.mode = mode_,					\
		.flags = flags_,				\
		.site = "lima_site_item_" #call,		\
		.release = #unlock,				\
		.release_site = "lima_site_item_" #unlock,	\
		.take = take_item_##call,			\
		.drop = drop_item_##unlock,			\
		.init_site = "lima_site_item_" #init_,		\
		.init = take_item_##init_,			\
	}

static const struct lima_way ways[] = {
	WAY(LIMA_MUTEX, LIMA_EXCLUSIVE, mutex_init, mutex_lock, mutex_unlock, LIMA_SLEEPS),
	WAY(LIMA_RWSEM, LIMA_WRITE, init_rwsem, down_write, up_write, LIMA_SLEEPS),
	WAY(LIMA_SPINLOCK, LIMA_EXCLUSIVE, spin_lock_init, spin_lock, spin_unlock, 0),
};

#define LOCK(name_, type_) { .name = "item." name_, .object = "lima_item." name_, .cache = "lima_item", .type = type_ }

/* Kinds of locks, not locks: the subject is the item of the turn. */
static const struct lima_lock kinds[] = {
	LOCK("mutex", LIMA_MUTEX),
	LOCK("rwsem", LIMA_RWSEM),
	LOCK("spinlock", LIMA_SPINLOCK),
};

static void item_construct(void *memory)
{
	memset(memory, 0, sizeof(struct lima_item));
}

int lima_churn_make(void)
{
	item_cache = kmem_cache_create("lima_item", sizeof(struct lima_item), 0, 0, item_construct);
	return item_cache ? 0 : -ENOMEM;
}

void lima_churn_free(void)
{
	kmem_cache_destroy(item_cache);
}

void lima_churn_rows(struct lima_worker *worker)
{
	BUILD_BUG_ON(ARRAY_SIZE(kinds) > LIMA_MAX_ROWS);
	BUILD_BUG_ON(ARRAY_SIZE(kinds) != ARRAY_SIZE(ways));
	for (; worker->row_count < ARRAY_SIZE(kinds); worker->row_count++) {
		worker->rows[worker->row_count].lock = &kinds[worker->row_count];
		worker->rows[worker->row_count].way = &ways[worker->row_count];
	}
}

static void use(struct lima_worker *worker, struct lima_item *item)
{
	struct lima_grip grip = {};
	struct lima_row *row;
	unsigned int i, take;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct lima_lock lock = kinds[i];

		row = &worker->rows[i];
		row->way->init(item, &grip);
		row->inits++;
		lock.subject = item;
		row->lock = &lock;
		for (take = 0; take < worker->crew->plan.takes; take++) {
			lima_row_take(row, &grip);
			lima_row_drop(row, &grip);
		}
		row->lock = &kinds[i];
	}
}

void lima_play_churn(struct lima_worker *worker)
{
	const struct lima_plan *plan = &worker->crew->plan;
	struct lima_item *item;
	unsigned int i;

	for (i = 0; i < plan->count && !lima_late(worker->crew); i++) {
		item = kmem_cache_alloc(item_cache, GFP_KERNEL);
		if (!item) {
			WRITE_ONCE(worker->crew->stopped, true);
			return;
		}
		if (worker->object_count < LIMA_MAX_ROUNDS)
			worker->objects[worker->object_count++] = (unsigned long)item;
		use(worker, item);
		kmem_cache_free(item_cache, item);
		if (plan->gap_us)
			lima_sleep_us(plan->gap_us);
		cond_resched();
	}
}
