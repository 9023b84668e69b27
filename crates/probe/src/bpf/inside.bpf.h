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

/* The context by the counter that the programs on lock functions have found: where these can be attached it has a symbol,
 * and elsewhere a program that refers to it is not loaded. */
static __always_inline __u8 context_of(const struct cpu_part *part)
{
	__u32 preempt_count = 0;

	bpf_probe_read_kernel(&preempt_count, sizeof(preempt_count), (void *)part->counter);
	return context_by(preempt_count);
}

/* While programs take locks of their own, those on lock functions pass over what happens at the same level. */
struct visit {
	struct cpu_part *part;
	__u64 before;
};

static __always_inline void step_in(struct visit *visit)
{
	visit->part = settings.acquisitions ? this_cpu_part() : NULL;
	if (!visit->part)
		return;
	visit->before = visit->part->inside;
	visit->part->inside = context_of(visit->part) + 1;
}

/* Whether a program of ours was at work at this level already: the lock is one of its own, and what it has taken so far
 * must not be taken again. */
static __always_inline bool is_nested(const struct visit *visit)
{
	return visit->part && visit->before == visit->part->inside;
}

static __always_inline void step_out(struct visit *visit)
{
	if (visit->part)
		visit->part->inside = visit->before;
}

/* Leaves the length of a wait for the program on the return of the lock function. */
static __always_inline void leave_wait(struct visit *visit, __u64 lock, __u64 ns, __u64 end_ns)
{
	struct waited *waited;

	if (!visit->part)
		return;
	waited = &visit->part->waited[bounded(visit->part->inside - 1, LEVELS - 1)];
	waited->lock = lock;
	waited->ns = ns;
	waited->end_ns = end_ns;
}

#endif
