// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sites that take the mutexes. */
#include "sites.h"

#define BOX struct lima_box *box

LIMA_TAKES(mutex_lock, BOX, mutex_lock(&box->mutex))
LIMA_TAKES(mutex_lock_io, BOX, mutex_lock_io(&box->mutex))
LIMA_ATTEMPTS(mutex_lock_interruptible, BOX, mutex_lock_interruptible(&box->mutex))
LIMA_ATTEMPTS(mutex_lock_killable, BOX, mutex_lock_killable(&box->mutex))
LIMA_TRIES(mutex_trylock, BOX, mutex_trylock(&box->mutex))
LIMA_DROPS(mutex_unlock, BOX, mutex_unlock(&box->mutex))

#define WAY(function, flags) \
	LIMA_WAY("box", , LIMA_MUTEX, LIMA_EXCLUSIVE, function, mutex_unlock, LIMA_SLEEPS | (flags))

static const struct lima_way ways[] = {
	WAY(mutex_lock, 0),
	WAY(mutex_lock_io, 0),
	WAY(mutex_lock_interruptible, LIMA_INTERRUPTIBLE | LIMA_KILLABLE),
	WAY(mutex_lock_killable, LIMA_KILLABLE),
	WAY(mutex_trylock, LIMA_TRY),
};

const struct lima_family lima_mutex_family = { ways, ARRAY_SIZE(ways) };
