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

/* Written by the programs on lock functions; the programs on waits read it to name the holder. Full: the hold is not
 * measured, which is counted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct held);
} helds SEC(".maps");

/* Who holds a lock that only one can hold. A semaphore, an rt_mutex and a socket's lock begin with the spinlock that
 * guards them, at the same address: that one is held by 0. */
static __always_inline __u64 only_holder(__u8 lock_type)
{
	return lock_type == LOCK_SEMAPHORE || lock_type == LOCK_RTMUTEX || lock_type == LOCK_SOCKET_LOCK;
}

/* The lock, kept apart from the spinlock at its address. */
static __always_inline __u64 contest_key(__u64 lock, __u8 lock_type)
{
	return lock + only_holder(lock_type);
}

static __always_inline __u32 held_home(__u64 lock, __u64 who)
{
	return ((lock ^ who) * RULE_HASH) >> (64 - settings.held_bits);
}

static __always_inline struct held *held_slot(__u32 home, __u32 i)
{
	__u32 at = (home + i) & ((1U << settings.held_bits) - 1);

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

#endif
