/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Which lock lies at an address: memory is used again, and each initialisation makes a new lock. */
#ifndef LIMA_LIVES_H
#define LIMA_LIVES_H

#define LIFE_WINDOW 8

/* Locks whose initialisation was seen. Full: the lock is taken for the one that was there before, which is counted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct life);
} lives SEC(".maps");

static __always_inline struct life *life_slot(__u64 lock, __u32 i)
{
	__u32 at = (((lock * RULE_HASH) >> (64 - acquiring.life_bits)) + i) & ((1U << acquiring.life_bits) - 1);

	return bpf_map_lookup_elem(&lives, &at);
}

/* The number of the lock at an address; 0: the one that was there when the recording began. */
static __always_inline __u32 life_of(__u64 lock)
{
	for (__u32 i = 0; i < LIFE_WINDOW; i++) {
		struct life *life = life_slot(lock, i);

		if (!life || !life->lock)
			return 0;
		if (life->lock == lock)
			return life->number;
	}
	return 0;
}

static __always_inline __u32 new_life(__u64 lock)
{
	for (__u32 i = 0; i < LIFE_WINDOW; i++) {
		struct life *life = life_slot(lock, i);

		if (!life)
			return 0;
		if (!life->lock)
			__sync_val_compare_and_swap(&life->lock, 0, lock);
		if (life->lock == lock)
			return ++life->number;
	}
	count_acq(ACQ_LIVES_FULL);
	return 0;
}

#endif
