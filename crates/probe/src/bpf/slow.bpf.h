/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Waits for sockets and for bits: the tracepoints know neither. Whoever waits for one is in a function of its own until it
 * has the lock, or may look again; a task is in one of them at a time.
 */
#ifndef LIMA_SLOW_H
#define LIMA_SLOW_H

#define SLOW_BITS 10
#define SLOW_WINDOW 4

/* Slow paths that are under way, or whose end the program on the lock function has yet to see. Full: the wait is not
 * measured, which is counted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << SLOW_BITS);
	__type(key, __u32);
	__type(value, struct slow_path);
} slow_paths SEC(".maps");

static __always_inline bool has_slow_path(__u8 lock_type)
{
	return lock_type == LOCK_SOCKET_LOCK || lock_type == LOCK_BIT_LOCK;
}

static __always_inline struct slow_path *slow_path_slot(__u64 task, __u32 i)
{
	__u32 at = (((task * RULE_HASH) >> (64 - SLOW_BITS)) + i) & ((1U << SLOW_BITS) - 1);

	return bpf_map_lookup_elem(&slow_paths, &at);
}

static __always_inline struct slow_path *find_slow_path(__u64 task, __u64 lock)
{
	for (__u32 i = 0; i < SLOW_WINDOW; i++) {
		struct slow_path *path = slow_path_slot(task, i);

		if (path && path->task == task && path->lock == lock)
			return path;
	}
	return NULL;
}

static __always_inline __u64 task_of(struct call *call)
{
	return address_of(call->task, &call->part->scratch[bounded(call->key.context, LEVELS - 1)]);
}

static __always_inline int begin_slow_path(void *ctx, __u8 lock_type)
{
	struct call call = { .key.lock_type = lock_type };
	__u64 task;

	if (!enter(ctx, &call))
		return 0;
	task = task_of(&call);
	for (__u32 i = 0; i < SLOW_WINDOW; i++) {
		struct slow_path *path = slow_path_slot(task, i);

		if (!path)
			return 0;
		if (path->task != task && (path->task || __sync_val_compare_and_swap(&path->task, 0, task)))
			continue;
		path->lock = call.key.lock;
		path->end_ns = 0;
		path->begin_ns = bpf_ktime_get_ns();
		return 0;
	}
	count_acq(ACQ_SLOW_FULL);
	return 0;
}

/* Of a slow path that is a part of the lock function. */
static __always_inline int end_slow_path(void *ctx, __u8 lock_type)
{
	struct call call = { .key.lock_type = lock_type };
	struct slow_path *path;

	if (!enter(ctx, &call))
		return 0;
	path = find_slow_path(task_of(&call), call.key.lock);
	if (path)
		path->end_ns = bpf_ktime_get_ns();
	return 0;
}

/* How long the task has waited in the slow path; 0: it was not in one. */
static __always_inline __u64 take_slow_path(struct call *call, __u64 *end_ns)
{
	struct slow_path *path = find_slow_path(task_of(call), call->key.lock);
	__u64 ns;

	if (!path)
		return 0;
	*end_ns = path->end_ns ? path->end_ns : bpf_ktime_get_ns();
	ns = *end_ns > path->begin_ns ? *end_ns - path->begin_ns : 1;
	path->lock = 0;
	barrier();
	path->task = 0;
	return ns;
}

#endif
