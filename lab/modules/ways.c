// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* The ways to take a lock, by name. */
#include <linux/string.h>

#include "lima_locks.h"

static const struct lima_family *const families[] = {
	&lima_mutex_family,
	&lima_ww_mutex_family,
	&lima_rwsem_family,
	&lima_semaphore_family,
	&lima_rtmutex_family,
	&lima_percpu_rwsem_family,
	&lima_spinlock_family,
	&lima_raw_spinlock_family,
	&lima_rwlock_family,
	&lima_seqlock_family,
	&lima_bits_family,
	&lima_shapes_family,
};

const struct lima_way *lima_way_at(unsigned int number)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(families); i++) {
		if (number < families[i]->count)
			return &families[i]->ways[number];
		number -= families[i]->count;
	}
	return NULL;
}

bool lima_way_fits(const struct lima_way *way, const struct lima_lock *lock)
{
	return way->type == lock->type && !strcmp(way->shape, lock->shape);
}

const struct lima_way *lima_way_find(const struct lima_lock *lock, const char *name)
{
	const struct lima_way *way;
	unsigned int i;

	for (i = 0; (way = lima_way_at(i)); i++)
		if (lima_way_fits(way, lock) && !strcmp(way->name, name))
			return way;
	return NULL;
}

const char *lima_mode_name(enum lima_mode mode)
{
	static const char *const names[] = {
		[LIMA_EXCLUSIVE] = "exclusive",
		[LIMA_READ] = "read",
		[LIMA_WRITE] = "write",
	};

	return names[mode];
}
