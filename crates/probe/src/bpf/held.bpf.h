/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The locks that are held at this moment, and by whom.
 *
 * Few locks are held at a time, so the table is nearly empty, and a lock nearly
 * always lies in the first slot that it may lie in. No locks: a slot is claimed
 * by compare-and-exchange, and belongs to the holder until it lets go.
 */
#ifndef LIMA_HELD_H
#define LIMA_HELD_H

#define HELD_WINDOW 8

/* Written by the programs on lock functions. The contention programs read it, too, to name the holder. Full: the hold
 * is not measured, which is counted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct held);
} helds SEC(".maps");

static __always_inline __u32 held_home(__u64 lock, __u64 who)
{
	return ((lock ^ who) * RULE_HASH) >> (64 - acquiring.held_bits);
}

static __always_inline struct held *held_slot(__u32 home, __u32 i)
{
	__u32 at = (home + i) & ((1U << acquiring.held_bits) - 1);

	return bpf_map_lookup_elem(&helds, &at);
}

/* A hold that has begun and not ended; NULL when it was not seen. */
static __always_inline struct held *find_held(__u64 lock, __u64 who)
{
	__u32 home = held_home(lock, who);

	for (__u32 i = 0; i < HELD_WINDOW; i++) {
		struct held *held = held_slot(home, i);

		if (!held)
			return NULL;
		if (held->lock == lock && held->who == who)
			return held;
	}
	return NULL;
}

/* A slot for a hold that begins. */
static __always_inline struct held *claim_held(__u64 lock, __u64 who)
{
	__u32 home = held_home(lock, who);

	for (__u32 i = 0; i < HELD_WINDOW; i++) {
		struct held *held = held_slot(home, i);

		if (!held)
			return NULL;
		if (held->lock == lock && held->who == who) {
			/* Its release was missed. */
			count_acq(ACQ_HELD_TWICE);
			return held;
		}
		if (!held->lock && !__sync_val_compare_and_swap(&held->lock, 0, lock))
			return held;
	}
	count_acq(ACQ_HELD_FULL);
	return NULL;
}

static __always_inline void free_held(struct held *held)
{
	held->since_ns = 0;
	barrier();
	held->who = 0;
	barrier();
	held->lock = 0;
}

#endif
