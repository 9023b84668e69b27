// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sites that take the mutexes with priority inheritance. */
#include "sites.h"

#define BOX struct lima_box *box

LIMA_TAKES(rt_mutex_lock, BOX, rt_mutex_lock(&box->rt_mutex))
LIMA_ATTEMPTS(rt_mutex_lock_interruptible, BOX, rt_mutex_lock_interruptible(&box->rt_mutex))
LIMA_ATTEMPTS(rt_mutex_lock_killable, BOX, rt_mutex_lock_killable(&box->rt_mutex))
LIMA_TRIES(rt_mutex_trylock, BOX, rt_mutex_trylock(&box->rt_mutex))
LIMA_DROPS(rt_mutex_unlock, BOX, rt_mutex_unlock(&box->rt_mutex))

#define WAY(function, flags) \
	LIMA_WAY("box", , LIMA_RT_MUTEX, LIMA_EXCLUSIVE, function, rt_mutex_unlock, LIMA_SLEEPS | (flags))

static const struct lima_way ways[] = {
	WAY(rt_mutex_lock, 0),
	WAY(rt_mutex_lock_interruptible, LIMA_INTERRUPTIBLE | LIMA_KILLABLE),
	WAY(rt_mutex_lock_killable, LIMA_KILLABLE),
	WAY(rt_mutex_trylock, LIMA_TRY),
};

const struct lima_family lima_rtmutex_family = { ways, ARRAY_SIZE(ways) };
