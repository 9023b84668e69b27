// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Time: reading it, letting it pass. */
#include <linux/delay.h>
#include <linux/timekeeping.h>

#include "lima_locks.h"

/* The clock that BPF programs read (bpf_ktime_get_ns). */
u64 lima_now(void)
{
	return ktime_get_mono_fast_ns();
}

void lima_spin_us(unsigned int us)
{
	u64 end = lima_now() + us * NSEC_PER_USEC;

	while (lima_now() < end)
		cpu_relax();
}

void lima_sleep_us(unsigned int us)
{
	usleep_range(us, us + us / 16 + 1);
}
