// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sites that take single bits as locks: one that waiters spin for, one that they sleep for. */
#include "sites.h"

#include <linux/bit_spinlock.h>
#include <linux/wait_bit.h>

#define BOX struct lima_box *box

LIMA_TAKES(bit_spin_lock, BOX, bit_spin_lock(LIMA_SPIN_BIT, &box->spin_bits))
LIMA_TRIES(bit_spin_trylock, BOX, bit_spin_trylock(LIMA_SPIN_BIT, &box->spin_bits))
LIMA_DROPS(bit_spin_unlock, BOX, bit_spin_unlock(LIMA_SPIN_BIT, &box->spin_bits))

/* As in lock_buffer: what is inlined takes a free bit, out_of_line_wait_on_bit_lock waits. */
LIMA_ATTEMPTS(wait_on_bit_lock, BOX, wait_on_bit_lock(&box->sleep_bits, LIMA_SLEEP_BIT, TASK_UNINTERRUPTIBLE))
LIMA_ATTEMPTS(wait_on_bit_lock_killable, BOX, wait_on_bit_lock(&box->sleep_bits, LIMA_SLEEP_BIT, TASK_KILLABLE))
LIMA_DROPS(clear_and_wake_up_bit, BOX, clear_and_wake_up_bit(LIMA_SLEEP_BIT, &box->sleep_bits))

#define WAY(type, function, unlock, flags) LIMA_WAY("box", , type, LIMA_EXCLUSIVE, function, unlock, flags)

static const struct lima_way ways[] = {
	WAY(LIMA_BIT_SPINLOCK, bit_spin_lock, bit_spin_unlock, 0),
	WAY(LIMA_BIT_SPINLOCK, bit_spin_trylock, bit_spin_unlock, LIMA_TRY),
	WAY(LIMA_BIT_LOCK, wait_on_bit_lock, clear_and_wake_up_bit, LIMA_SLEEPS | LIMA_OTHER_RELEASES),
	WAY(LIMA_BIT_LOCK, wait_on_bit_lock_killable, clear_and_wake_up_bit,
	    LIMA_SLEEPS | LIMA_KILLABLE | LIMA_OTHER_RELEASES),
};

const struct lima_family lima_bits_family = { ways, ARRAY_SIZE(ways) };
