/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Holds, from the acquisition of a lock to its release. */
#ifndef LIMA_HOLDS_H
#define LIMA_HOLDS_H

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

/* Whose hold it is: readers can be many. */
static __always_inline __u64 holder_of(struct task_struct *task, __u8 lock_type, __u8 mode, __u8 context,
				       struct cpu_part *part)
{
	volatile __u64 *scratch;

	if (mode != MODE_READ)
		return only_holder(lock_type);
	scratch = &part->scratch[bounded(context, LEVELS - 1)];
	*scratch = (__u64)task;
	return *scratch + context;
}

/* A hold begins. */
static __always_inline void begin_hold(struct call *call, __u64 got_ns)
{
	struct held *held;
	__u64 now;

	call->key.who = holder_of(call->task, call->key.lock_type, call->key.mode, call->key.context, call->part);
	held = claim_held(call->key.lock, call->key.who);
	if (!held)
		return;
	held->tenant = call->key.tenant;
	held->site = call->key.site;
	held->beyond = call->key.beyond;
	held->who = call->key.who;
	held->task = (__u64)call->task;
	held->tid = call->task->pid;
	held->cpu = call->cpu;
	held->life = call->key.life;
	held->sum = call->key.sum;
	held->tag = call->key.tag;
	held->lock_type = call->key.lock_type;
	held->mode = call->key.mode;
	held->context = call->key.context;
	now = bpf_ktime_get_ns();
	held->got_ns = got_ns ? got_ns : now;
	barrier();
	held->since_ns = now;
}

/* Adds a hold to the sums that its acquisition was added to. */
static __always_inline void end_hold(struct held *held, const struct call *call, __u64 now)
{
	__u64 ns = now > held->since_ns ? now - held->since_ns : 0;
	struct sum *sum = NULL;
	struct held key;

	if (!held->tag)
		return; /* it did not pass the filters */
	if (held->cpu == call->cpu && held->tag == (SUM_TAG(generation) | SUM_READY)) {
		sum = sum_slot(call->cpu, held->tag, held->sum);
	} else {
		key = *held;
		sum = sum_of(&key, call->cpu);
	}
	if (sum)
		add_hold(sum, ns, held->tid, now);
	else
		spill_hold(held, call->key.context, ns, now);
}

/* A reader's hold that another task ends. The lock names the last one that came to read: when it is the only one, it is
 * the one that leaves. */
static __always_inline struct held *find_read_by_other(__u64 lock)
{
	__u64 owner = peek(lock + bpf_core_field_offset(struct rw_semaphore, owner)) & ~RWSEM_OWNER_FLAGS;

	return owner ? find_held(lock, owner + CONTEXT_TASK) : NULL;
}

#endif
