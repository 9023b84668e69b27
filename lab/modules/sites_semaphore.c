// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sites that take the semaphores. */
#include "sites.h"

#define BOX struct lima_box *box

LIMA_TAKES(down, BOX, down(&box->semaphore))
LIMA_ATTEMPTS(down_interruptible, BOX, down_interruptible(&box->semaphore))
LIMA_ATTEMPTS(down_killable, BOX, down_killable(&box->semaphore))
LIMA_ATTEMPTS(down_timeout, BOX, down_timeout(&box->semaphore, usecs_to_jiffies(grip->timeout_us)))
LIMA_TRIES(down_trylock, BOX, !down_trylock(&box->semaphore))
LIMA_DROPS(up, BOX, up(&box->semaphore))

#define WAY(function, flags) \
	LIMA_WAY("box", , LIMA_SEMAPHORE, LIMA_EXCLUSIVE, function, up, LIMA_SLEEPS | LIMA_OTHER_RELEASES | (flags))

static const struct lima_way ways[] = {
	WAY(down, 0),
	WAY(down_interruptible, LIMA_INTERRUPTIBLE | LIMA_KILLABLE),
	WAY(down_killable, LIMA_KILLABLE),
	WAY(down_timeout, LIMA_TIMED),
	WAY(down_trylock, LIMA_TRY | LIMA_ANYWHERE),
};

const struct lima_family lima_semaphore_family = { ways, ARRAY_SIZE(ways) };
