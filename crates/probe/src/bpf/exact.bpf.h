/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Who held the lock during a wait, by two readings of its contest (blame.bpf.h). */
#ifndef LIMA_EXACT_H
#define LIMA_EXACT_H

static __always_inline struct contest *claim_contest(__u64 lock, __u64 now)
{
	for (__u32 i = 0; i < CONTEST_WINDOW; i++) {
		struct contest *contest = contest_slot(lock, i);

		if (!contest)
			return NULL;
		if (!contest->lock && !__sync_val_compare_and_swap(&contest->lock, 0, lock))
			contest->settled_ns = now;
		if (contest->lock == lock)
			return contest;
	}
	count(LOST_CONTESTS, 1);
	return NULL;
}

/* Adds what is held at this moment, and gives the holder when there is only one. */
static __always_inline struct held *settle_held(struct contest *contest, __u64 lock, __u8 lock_type, __u64 now)
{
	struct held *held = find_held(lock, only_holder(lock_type));

	if (held && held->since_ns) {
		blame_until(contest, held->tenant, held->got_ns, now);
		return held;
	}
	/* Held by readers: which of them, only those say that leave. */
	if (lock_type == LOCK_RWSEM || lock_type == LOCK_RWLOCK || lock_type == LOCK_PERCPU_RWSEM)
		blame_until(contest, TENANT_UNKNOWN, 0, now);
	return NULL;
}

static __always_inline void read_contest(struct reading *reading, const struct contest *contest)
{
	for (__u32 i = 0; i < RIVALS; i++)
		reading->held_ns[i] = contest->rivals[i].held_ns;
	reading->others_ns = contest->others_ns;
}

/* A wait begins. */
static __always_inline struct held *begin_blame(struct reading *reading, __u64 lock, __u8 lock_type, __u64 now)
{
	struct contest *contest = claim_contest(contest_key(lock, lock_type), now);
	struct held *held;

	reading->task = 0;
	if (!contest)
		return NULL;
	held = settle_held(contest, lock, lock_type, now);
	read_contest(reading, contest);
	if (held) {
		reading->task = held->task;
		reading->tenant = held->tenant;
		reading->site = held->site;
		reading->beyond = held->beyond;
		reading->cpu = held->cpu;
		reading->mode = held->mode;
	}
	return held;
}

static __always_inline void take_part(struct part *part, const struct reading *first, __u64 tenant, __u64 ns, __u64 now)
{
	part->tenant = tenant;
	part->held_ns = ns;
	part->longest_ns = ns;
	/* The name of one that is known to have held the lock; whether it was for longest is not. */
	part->task = first->task && first->tenant == tenant ? first->task : 0;
	part->alive_ns = now;
	part->method = METHOD_EXACT;
}

/* A wait ends. begin_ns: when the first reading was made. */
static __always_inline void end_blame(struct wait *wait, const struct reading *first, int result, __u64 now)
{
	struct contest *contest = find_contest(contest_key(wait->lock, wait->lock_type));
	__u64 sum = 0, ns;

	wait->main.held_ns = wait->other.held_ns = 0;
	wait->free_ns = wait->unknown_ns = 0;
	if (!contest) {
		wait->unknown_ns = now - wait->begin_ns;
		return;
	}
	if (result)
		settle_held(contest, wait->lock, wait->lock_type, now);
	for (__u32 i = 0; i < RIVALS; i++) {
		ns = contest->rivals[i].held_ns - first->held_ns[i];
		if (!ns)
			continue;
		sum += ns;
		if (ns > wait->main.held_ns) {
			wait->unknown_ns += wait->other.held_ns;
			wait->other = wait->main;
			take_part(&wait->main, first, contest->rivals[i].tenant, ns, wait->begin_ns);
		} else if (ns > wait->other.held_ns) {
			wait->unknown_ns += wait->other.held_ns;
			take_part(&wait->other, first, contest->rivals[i].tenant, ns, wait->begin_ns);
		} else {
			wait->unknown_ns += ns;
		}
	}
	ns = contest->others_ns - first->others_ns;
	wait->unknown_ns += ns;
	sum += ns;
	if (now - wait->begin_ns > sum)
		wait->free_ns = now - wait->begin_ns - sum;
}

#endif
