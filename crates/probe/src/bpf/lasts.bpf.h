/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* How a lock moves: from CPU to CPU, from node to node, between readers and writers. */
#ifndef LIMA_LASTS_H
#define LIMA_LASTS_H

#define LAST_BITS 15
#define LAST_WINDOW 4
#define STATS_OF_LASTS (STAT_CROSS_CPU | STAT_CROSS_NODE | STAT_READER_WRITER | STAT_BATCH)

/* The last acquisition of each lock. Full: the move is not counted, which is. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << LAST_BITS);
	__type(key, __u32);
	__type(value, struct last);
} lasts SEC(".maps");

static __always_inline struct last *last_of(__u64 lock)
{
	for (__u32 i = 0; i < LAST_WINDOW; i++) {
		__u32 at = (((lock * RULE_HASH) >> (64 - LAST_BITS)) + i) & ((1U << LAST_BITS) - 1);
		struct last *last = bpf_map_lookup_elem(&lasts, &at);

		if (!last)
			return NULL;
		if (!last->lock)
			__sync_val_compare_and_swap(&last->lock, 0, lock);
		if (last->lock == lock)
			return last;
	}
	count_acq(ACQ_LASTS_FULL);
	return NULL;
}

/* What an acquisition is against the last one of the lock. */
struct move {
	__u32 run; /* acquisitions in a row by this CPU, 0: not known */
	bool cross_cpu;
	bool cross_node;
	bool mode_change;
};

/* The lock is held: but for readers, nobody else is here. */
static __always_inline struct move move_of(const struct held *key, __u32 cpu)
{
	struct last *last = last_of(key->lock);
	bool reads = key->mode == MODE_READ;
	struct move move = {};
	__u8 node = 0;

	if (!last)
		return move;
	if (acquiring.stats & STAT_CROSS_NODE)
		node = bpf_get_numa_node_id();
	if (last->cpu == (__u16)(cpu + 1)) {
		last->run++;
	} else {
		move.cross_cpu = last->cpu;
		move.cross_node = (acquiring.stats & STAT_CROSS_NODE) && last->cpu && last->node != node;
		last->run = 1;
		last->cpu = cpu + 1;
		last->node = node;
	}
	move.run = last->run;
	if ((acquiring.stats & STAT_READER_WRITER) && last->mode != reads + 1) {
		move.mode_change = last->mode;
		last->mode = reads + 1;
	}
	return move;
}

static __always_inline void add_move(struct sum *sum, const struct held *key, __u32 cpu, bool waited)
{
	struct move move = move_of(key, cpu);

	if (move.cross_cpu)
		add(&sum->cross_cpu, 1);
	if (move.cross_cpu && waited)
		add(&sum->cross_cpu_waits, 1);
	if (move.cross_node)
		add(&sum->cross_node, 1);
	if (move.mode_change)
		add(&sum->mode_changes, 1);
	if ((acquiring.stats & STAT_BATCH) && move.run > sum->longest_run)
		sum->longest_run = move.run;
}

#endif
