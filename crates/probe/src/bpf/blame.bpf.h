/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Who held a lock while others waited for it, when every acquisition is traced.
 *
 * From its first wait on, a lock keeps for how long each tenant has held it.
 * Whoever lets it go adds the time since the last addition, or since it got the
 * lock; a wait that begins has the holder of that moment added as well. So what a tenant has
 * held of a wait is the difference between two readings. Of readers that hold a
 * lock together, time counts for the one that leaves at the end of it.
 */
#ifndef LIMA_BLAME_H
#define LIMA_BLAME_H

#define CONTEST_BITS 12
#define CONTEST_WINDOW 4

/* Locks that somebody has waited for. Claimed by the programs on waits, added to by those on releases as well. Full: the
 * holders of further locks are not known, which is counted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << CONTEST_BITS);
	__type(key, __u32);
	__type(value, struct contest);
} contests SEC(".maps");

static __always_inline struct contest *contest_slot(__u64 lock, __u32 i)
{
	__u32 at = (((lock * RULE_HASH) >> (64 - CONTEST_BITS)) + i) & ((1U << CONTEST_BITS) - 1);

	return bpf_map_lookup_elem(&contests, &at);
}

static __always_inline struct contest *find_contest(__u64 lock)
{
	for (__u32 i = 0; i < CONTEST_WINDOW; i++) {
		struct contest *contest = contest_slot(lock, i);

		if (!contest || !contest->lock)
			return NULL;
		if (contest->lock == lock)
			return contest;
	}
	return NULL;
}

static __always_inline __u64 *held_by(struct contest *contest, __u64 tenant)
{
	for (__u32 i = 0; i < RIVALS; i++) {
		struct rival *rival = &contest->rivals[i];

		if (!rival->tenant)
			__sync_val_compare_and_swap(&rival->tenant, 0, tenant);
		if (rival->tenant == tenant)
			return &rival->held_ns;
	}
	return &contest->others_ns;
}

/* A tenant has held the lock since some time, and does or did until now. */
static __always_inline void blame_until(struct contest *contest, __u64 tenant, __u64 since, __u64 now)
{
	__u64 settled, from;

	if (!contest)
		return;
	settled = contest->settled_ns;
	from = settled > since ? settled : since;
	/* Of two that add the same time one is too late. */
	if (now <= from || __sync_val_compare_and_swap(&contest->settled_ns, settled, now) != settled)
		return;
	__sync_fetch_and_add(tenant ? held_by(contest, tenant) : &contest->others_ns, now - from);
}

#endif
