/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What finds no slot in the sums goes through the ring buffer; without room there, it is counted as lost. */
#ifndef LIMA_SPILL_H
#define LIMA_SPILL_H

/* Working space for each CPU and context. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEVELS);
	__type(key, __u32);
	__type(value, struct spill);
} spills SEC(".maps");

/* Sends what lies in the working space. Verified once. */
__noinline int send_spill(__u32 context)
{
	struct spill *spill = bpf_map_lookup_elem(&spills, &context);
	struct cpu_part *part = this_cpu_part();
	__u64 before;

	if (!spill || !part)
		return 0;
	/* The ring buffer's lock is traced as well. */
	before = part->inside;
	part->inside = context + 1;
	if (bpf_ringbuf_output(&births, spill, sizeof(*spill), BPF_RB_NO_WAKEUP))
		count_acq(spill->what & SPILL_HOLD ? ACQ_HOLD_LOST : ACQ_SUMS_FULL);
	else
		count_acq(ACQ_SPILLED);
	part->inside = before;
	return 0;
}

/* The key's numbers in the working space; context: of the program, which may not be that of the acquisition. */
static __always_inline struct spill *fill_spill(const struct held *key, __u32 context)
{
	struct spill *spill = bpf_map_lookup_elem(&spills, &context);

	if (!spill)
		return NULL;
	spill->kind = RECORD_SPILL;
	spill->tag = SUM_TAG(generation) | SUM_READY;
	spill->lock = key->lock;
	spill->site = key->site;
	spill->beyond = key->beyond;
	spill->tenant = key->tenant;
	spill->life = key->life;
	spill->lock_type = key->lock_type;
	spill->mode = key->mode;
	spill->context = key->context;
	return spill;
}

static __always_inline void spill_acquisition(struct held *key, bool got, __u32 cpu, __u64 wait_ns, __u32 tid,
					      __u64 end_ns)
{
	struct spill *spill = fill_spill(key, key->context);
	struct move move = {};

	if (!spill)
		return;
	if ((acquiring.stats & STATS_OF_LASTS) && got)
		move = move_of(key, cpu);
	spill->what = got ? SPILL_GOT : SPILL_FAILED;
	if (move.cross_cpu)
		spill->what |= SPILL_CROSS_CPU;
	if (move.cross_node)
		spill->what |= SPILL_CROSS_NODE;
	if (move.mode_change)
		spill->what |= SPILL_MODE_CHANGE;
	spill->run = move.run;
	spill->ns = wait_ns;
	spill->end_ns = end_ns;
	spill->tid = tid;
	send_spill(key->context);
	/* Its hold is counted as well, and looks for a slot again. */
	key->tag = SUM_TAG(generation);
}

static __always_inline void spill_hold(const struct held *key, __u32 context, __u64 ns, __u64 end_ns)
{
	struct spill *spill = fill_spill(key, context);

	if (!spill)
		return;
	spill->what = SPILL_HOLD;
	spill->run = 0;
	spill->ns = ns;
	spill->end_ns = end_ns;
	spill->tid = key->tid;
	send_spill(context);
}

#endif
