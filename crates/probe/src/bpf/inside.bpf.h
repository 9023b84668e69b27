/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the programs on waits and those on acquisitions share for each CPU. */
#ifndef LIMA_INSIDE_H
#define LIMA_INSIDE_H

#include "shared.h"
#include "context.bpf.h"

/* What each CPU keeps, by its number. Written and read by the programs of that CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_part);
} cpu_parts SEC(".maps");

static __always_inline struct cpu_part *this_cpu_part(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&cpu_parts, &cpu);
}

/* While programs take locks of their own, those on lock functions pass over what happens at the same level. */
struct visit {
	struct cpu_part *part;
	__u64 before;
};

static __always_inline void step_in(struct visit *visit)
{
	visit->part = settings.exact ? this_cpu_part() : NULL;
	if (!visit->part)
		return;
	visit->before = visit->part->inside;
	visit->part->inside = context_now() + 1;
}

static __always_inline void step_out(struct visit *visit)
{
	if (visit->part)
		visit->part->inside = visit->before;
}

/* Leaves the length of a wait for the program on the return of the lock function. */
static __always_inline void leave_wait(struct visit *visit, __u64 lock, __u64 ns)
{
	struct waited *waited;

	if (!visit->part)
		return;
	waited = &visit->part->waited[bounded(visit->part->inside - 1, LEVELS - 1)];
	waited->lock = lock;
	waited->ns = ns;
}

#endif
