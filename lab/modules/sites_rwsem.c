// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sites that take the reader-writer semaphores. */
#include "sites.h"

#define BOX struct lima_box *box

LIMA_TAKES(down_read, BOX, down_read(&box->rwsem))
LIMA_ATTEMPTS(down_read_interruptible, BOX, down_read_interruptible(&box->rwsem))
LIMA_ATTEMPTS(down_read_killable, BOX, down_read_killable(&box->rwsem))
LIMA_TRIES(down_read_trylock, BOX, down_read_trylock(&box->rwsem))
LIMA_DROPS(up_read, BOX, up_read(&box->rwsem))

/* A reader that another task lets go. Without lockdep these are down_read and up_read. */
LIMA_TAKES(down_read_non_owner, BOX, down_read_non_owner(&box->rwsem))
LIMA_DROPS(up_read_non_owner, BOX, up_read_non_owner(&box->rwsem))

LIMA_TAKES(down_write, BOX, down_write(&box->rwsem))
LIMA_ATTEMPTS(down_write_killable, BOX, down_write_killable(&box->rwsem))
LIMA_TRIES(down_write_trylock, BOX, down_write_trylock(&box->rwsem))
LIMA_DROPS(up_write, BOX, up_write(&box->rwsem))

/* A writer that becomes a reader half-way. */
LIMA_TAKES(down_write_to_downgrade, BOX, down_write(&box->rwsem))
LIMA_DROPS(downgrade_write, BOX, downgrade_write(&box->rwsem))
LIMA_DROPS(up_read_after_downgrade, BOX, up_read(&box->rwsem))

#define WAY(mode, function, unlock, flags) \
	LIMA_WAY("box", , LIMA_RWSEM, mode, function, unlock, LIMA_SLEEPS | (flags))

static const struct lima_way ways[] = {
	WAY(LIMA_READ, down_read, up_read, 0),
	WAY(LIMA_READ, down_read_interruptible, up_read, LIMA_INTERRUPTIBLE | LIMA_KILLABLE),
	WAY(LIMA_READ, down_read_killable, up_read, LIMA_KILLABLE),
	WAY(LIMA_READ, down_read_trylock, up_read, LIMA_TRY),
	WAY(LIMA_READ, down_read_non_owner, up_read_non_owner, LIMA_OTHER_RELEASES),
	WAY(LIMA_WRITE, down_write, up_write, 0),
	WAY(LIMA_WRITE, down_write_killable, up_write, LIMA_KILLABLE),
	WAY(LIMA_WRITE, down_write_trylock, up_write, LIMA_TRY),
	{
		.name = "downgrade_write",
		.function = "down_write",
		.shape = "box",
		.type = LIMA_RWSEM,
		.mode = LIMA_WRITE,
		.flags = LIMA_SLEEPS | LIMA_DOWNGRADES,
		.site = "lima_site_down_write_to_downgrade",
		.release = "up_read",
		.release_site = "lima_site_up_read_after_downgrade",
		.take = take_down_write_to_downgrade,
		.drop = drop_up_read_after_downgrade,
		.downgrade_site = "lima_site_downgrade_write",
		.downgrade = drop_downgrade_write,
	},
};

const struct lima_family lima_rwsem_family = { ways, ARRAY_SIZE(ways) };
