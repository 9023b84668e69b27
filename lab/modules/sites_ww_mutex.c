// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sites that take the mutexes with deadlock avoidance, each in a context of its own; `alone` in none. */
#include "sites.h"

#define BOX struct lima_box *box

LIMA_TAKES(ww_mutex_lock, BOX, ww_mutex_lock(&box->ww_mutex, &grip->ww))
LIMA_ATTEMPTS(ww_mutex_lock_interruptible, BOX, ww_mutex_lock_interruptible(&box->ww_mutex, &grip->ww))
LIMA_TRIES(ww_mutex_trylock, BOX, ww_mutex_trylock(&box->ww_mutex, &grip->ww))
LIMA_TAKES(ww_mutex_lock_alone, BOX, ww_mutex_lock(&box->ww_mutex, NULL))
LIMA_DROPS(ww_mutex_unlock, BOX, ww_mutex_unlock(&box->ww_mutex))

static int in_context(int (*take)(void *subject, struct lima_grip *grip), void *subject, struct lima_grip *grip)
{
	int error;

	ww_acquire_init(&grip->ww, &lima_ww_class);
	error = take(subject, grip);
	if (error)
		ww_acquire_fini(&grip->ww);
	else
		ww_acquire_done(&grip->ww);
	return error;
}

static int lock_in_context(void *subject, struct lima_grip *grip)
{
	/* It does not fail: the context holds no other lock. */
	return in_context(take_ww_mutex_lock, subject, grip);
}

static int lock_interruptible_in_context(void *subject, struct lima_grip *grip)
{
	return in_context(take_ww_mutex_lock_interruptible, subject, grip);
}

static int trylock_in_context(void *subject, struct lima_grip *grip)
{
	return in_context(take_ww_mutex_trylock, subject, grip);
}

static void unlock_in_context(void *subject, struct lima_grip *grip)
{
	drop_ww_mutex_unlock(subject, grip);
	ww_acquire_fini(&grip->ww);
}

#define WAY(name_, function_, flags_, take_, drop_)	\
	{						\
		.name = #name_,				\
		.function = #function_,			\
		.shape = "box",				\
		.type = LIMA_WW_MUTEX,			\
		.mode = LIMA_EXCLUSIVE,			\
		.flags = LIMA_SLEEPS | (flags_),	\
		.site = "lima_site_" #name_,		\
		.release = "ww_mutex_unlock",		\
		.release_site = "lima_site_ww_mutex_unlock", \
		.take = take_,				\
		.drop = drop_,				\
	}

static const struct lima_way ways[] = {
	WAY(ww_mutex_lock, ww_mutex_lock, 0, lock_in_context, unlock_in_context),
	WAY(ww_mutex_lock_interruptible, ww_mutex_lock_interruptible, LIMA_INTERRUPTIBLE | LIMA_KILLABLE,
	    lock_interruptible_in_context, unlock_in_context),
	WAY(ww_mutex_trylock, ww_mutex_trylock, LIMA_TRY, trylock_in_context, unlock_in_context),
	WAY(ww_mutex_lock_alone, ww_mutex_lock, 0, take_ww_mutex_lock_alone, drop_ww_mutex_unlock),
};

const struct lima_family lima_ww_mutex_family = { ways, ARRAY_SIZE(ways) };
