/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The stack of a wait as a number.
 *
 * The kernel's own walk costs 1.4-1.7 us, several times as much as everything
 * else that is done for a wait: it looks up each frame's layout in tables that
 * are made for all code there is. But waits go through few places, and how far
 * one return address lies above the other is fixed by the code that it returns
 * to. So a stack is walked when it is new; the recorder learns these distances
 * from it (contention/recall.rs), and from then on a stack is read by stepping
 * from address to address. A distance that turns out not to be fixed is not used.
 * Every 512th stack is walked as well, and a difference is counted as a loss
 * (LOST_STACK_MISMATCH).
 */
#ifndef LIMA_STACK_H
#define LIMA_STACK_H

#include "recall.bpf.h"

#define CHECK_EVERY 512
#define LEARN_ATTEMPTS 24
#define LEARN_PAUSE_NS 1000000

struct walk {
	__u64 base; /* address of the program's context, as a number */
	__u64 learn_after_ns;
	__u32 recalled; /* since the last check */
	__u32 zero;
	__u64 addresses[MAX_FRAMES + 1];
};

/* Working space of one program on one CPU; the programs can nest: one slot each. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, struct walk);
} walks SEC(".maps");

enum walk_slot { WALK_END = 0, WALK_WAKING = 1, WALK_HOLDER = 2 };

static __always_inline bool on_task_stack(__u64 address, struct task_struct *task)
{
	return address - (__u64)task->stack < THREAD_SIZE;
}

static __always_inline struct walk *walk_of(__u32 slot)
{
	return bpf_map_lookup_elem(&walks, &slot);
}

static __always_inline void send_stack(struct walk *walk, __u64 hash, __u32 n, __u32 tgid, bool learn, __u64 now)
{
	struct stack_record *record;
	__u32 *sent = bpf_map_lookup_elem(&stacks_sent, &hash);
	__u32 attempts = learn;
	__u64 size;

	learn = learn && now > walk->learn_after_ns;
	if (sent && (!learn || *sent > LEARN_ATTEMPTS))
		return;
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		if (!sent)
			count(LOST_STACK, 1);
		return;
	}
	record->kind = RECORD_STACK;
	record->count = n;
	record->stack = hash;
	record->tgid = tgid;
	record->word_count = 0;
	bpf_probe_read_kernel(record->addresses, sizeof(walk->addresses), walk->addresses);
	if (learn) {
		size = THREAD_SIZE - (walk->base & (THREAD_SIZE - 1));
		if (size > sizeof(record->words))
			size = sizeof(record->words);
		if (!bpf_probe_read_kernel(record->words, size, (void *)walk->base))
			record->word_count = size / 8;
		walk->learn_after_ns = now + LEARN_PAUSE_NS;
	}
	submit(record);
	if (sent)
		*sent += 1;
	else
		bpf_map_update_elem(&stacks_sent, &hash, &attempts, BPF_ANY);
}

/*
 * The functions below that are not static are verified once, for any arguments,
 * and not anew on each path that leads to them.
 */

/* The number of the stack whose n addresses were walked into a slot; the stack is sent when it may be new. */
__noinline __u64 number_stack(__u32 slot, __u32 n, __u32 tgid, bool learn, __u64 now)
{
	struct walk *walk = walk_of(slot);
	__u64 hash = 0;

	if (!walk)
		return 0;
	for (__u32 i = 0; i < MAX_FRAMES; i++) {
		if (i >= n)
			break;
		hash = mix(hash, walk->addresses[i]);
	}
	/* The same addresses mean other code in another process. */
	hash ^= tgid * RULE_HASH;
	send_stack(walk, hash, n, tgid, learn, now);
	return hash;
}

/* The kernel's own walk; 0 when it fails. */
static __always_inline __u64 walk_stack(void *ctx, struct walk *walk, __u32 slot, bool learn, __u64 now)
{
	long size = bpf_get_stack(ctx, walk->addresses, MAX_FRAMES * sizeof(__u64), 0);

	if (size <= 0) {
		count(LOST_STACK_MISSING, 1);
		return 0;
	}
	count(COUNT_WALKED, 1);
	return number_stack(slot, size / sizeof(__u64), 0, learn, now);
}

/* The kernel stack of the wait that ends here. */
static __always_inline __u64 stack_of(void *ctx, struct walk *walk, bool on_task, __u64 now)
{
	const struct rules *rules = on_task && settings.peek ? rules_now() : NULL;
	__u64 hash, walked;

	hash = rules && rules->first ? recall(walk->base + rules->first, rules->machinery) : 0;
	if (hash) {
		count(COUNT_RECALLED, 1);
		if (++walk->recalled < CHECK_EVERY)
			return hash;
		walk->recalled = 0;
	}
	walked = walk_stack(ctx, walk, WALK_END, on_task && settings.peek, now);
	/* A stack that was never sent would have been found out by confirm(). */
	if (hash && walked && walked != hash && bpf_map_lookup_elem(&stacks_sent, &hash))
		count(LOST_STACK_MISMATCH, 1);
	return walked;
}

/*
 * A stack put together from known distances may itself be new, or not exist at
 * all, when a distance was believed too early: a stack that was never sent is
 * walked. Gives the right stack.
 */
static __always_inline __u64 confirm(void *ctx, struct walk *walk, __u64 hash, __u64 now)
{
	__u64 walked;

	if (!hash || bpf_map_lookup_elem(&stacks_sent, &hash))
		return hash;
	walk->learn_after_ns = 0;
	walked = walk_stack(ctx, walk, WALK_END, true, now);
	return walked ? walked : hash;
}

static __always_inline __u64 user_stack_of(void *ctx, struct walk *walk, struct task_struct *task, __u64 now)
{
	long size;

	if (!settings.user_stacks || task->flags & PF_KTHREAD)
		return 0;
	size = bpf_get_stack(ctx, walk->addresses, MAX_FRAMES * sizeof(__u64), BPF_F_USER_STACK);
	if (size <= 0) {
		count(LOST_USER_STACK, 1);
		return 0;
	}
	return number_stack(WALK_END, size / sizeof(__u64), task->tgid, false, now);
}

#endif
