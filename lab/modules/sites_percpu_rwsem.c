// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sites that take the per-CPU reader-writer semaphores. Readers that meet no writer call nothing: that is inlined. */
#include "sites.h"

#define BOX struct lima_box *box

LIMA_TAKES(percpu_down_read, BOX, percpu_down_read(&box->percpu_rwsem))
LIMA_TRIES(percpu_down_read_trylock, BOX, percpu_down_read_trylock(&box->percpu_rwsem))
LIMA_DROPS(percpu_up_read, BOX, percpu_up_read(&box->percpu_rwsem))

LIMA_TAKES(percpu_down_write, BOX, percpu_down_write(&box->percpu_rwsem))
LIMA_DROPS(percpu_up_write, BOX, percpu_up_write(&box->percpu_rwsem))

#define WAY(mode, function, unlock, flags) \
	LIMA_WAY("box", , LIMA_PERCPU_RWSEM, mode, function, unlock, LIMA_SLEEPS | (flags))

static const struct lima_way ways[] = {
	WAY(LIMA_READ, percpu_down_read, percpu_up_read, 0),
	WAY(LIMA_READ, percpu_down_read_trylock, percpu_up_read, LIMA_TRY),
	WAY(LIMA_WRITE, percpu_down_write, percpu_up_write, 0),
};

const struct lima_family lima_percpu_rwsem_family = { ways, ARRAY_SIZE(ways) };
