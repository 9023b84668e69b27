/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Waits of locks that may sleep: they belong to the task. */
#ifndef LIMA_SLEEPS_H
#define LIMA_SLEEPS_H

static __always_inline __u32 *sleepers_like(struct task_struct *task)
{
	return &sleepers[task->pid & ((1 << SLEEPER_BITS) - 1)];
}

static __always_inline void set_spinning(struct wait *wait, struct task_struct *task, __u32 flags)
{
	__u8 spinning = !!(flags & (LCB_F_SPIN | SPINS_FOR_RWSEM));

	if (wait->spinning && !spinning)
		__sync_fetch_and_add(sleepers_like(task), 1);
	else if (!wait->spinning && spinning)
		__sync_fetch_and_add(sleepers_like(task), -1);
	wait->spinning = spinning;
}

/* Sets what is read before it is written again. */
static __always_inline void start_wait(struct wait *wait, struct task_struct *task, __u64 lock, __u32 flags,
				       __u64 now)
{
	wait->lock = lock;
	wait->begin_ns = wait->phase_ns = wait->look_ns = now;
	wait->spin_ns = wait->free_ns = wait->unknown_ns = wait->woken_ns = 0;
	wait->holder_stack = wait->release_stack = 0;
	wait->main.held_ns = wait->other.held_ns = 0;
	wait->main.task = wait->seen.task = wait->hand.task = 0;
	wait->hand_acquired_ns = 0;
	wait->lock_type = lock_type_of(flags);
	wait->mode = mode_of(flags);
	wait->spinning = 1;
	set_spinning(wait, task, flags);
}

/* A mutex that changes between spinning and sleeping reports another begin. */
static __always_inline void change_phase(struct wait *wait, struct task_struct *task, __u32 flags, __u64 now)
{
	if (wait->spinning)
		wait->spin_ns += now - wait->phase_ns;
	wait->phase_ns = now;
	if (!settings.exact)
		settle(wait, now);
	set_spinning(wait, task, flags);
}

/* The stack of a holder that sleeps itself: why it holds the lock for so long. One that runs cannot be walked. */
static __always_inline void walk_holder(struct wait *wait, __u64 now)
{
	struct task_struct *holder, *seen = (struct task_struct *)wait->seen.task;
	struct walk *walk = walk_of(WALK_HOLDER);
	long size;

	if (!bpf_ksym_exists(bpf_task_from_pid) || !bpf_ksym_exists(bpf_task_release))
		return;
	if (!walk)
		return;
	holder = bpf_task_from_pid(BPF_CORE_READ(seen, pid));
	if (!holder)
		return;
	size = bpf_get_task_stack(holder, walk->addresses, MAX_FRAMES * sizeof(__u64), 0);
	bpf_task_release(holder);
	if (size <= 0)
		return;
	wait->holder_stack = number_stack(WALK_HOLDER, size / sizeof(__u64), 0, false, now);
}

/* With settings.exact the holder is known without a look at the lock; of a wait that goes on, too. */
static __always_inline __u8 first_look(struct wait *wait, __u64 now)
{
	struct held *held;

	if (wait->begin_ns == now)
		held = begin_blame(&wait->reading, wait->lock, wait->lock_type, now);
	else
		held = find_held(wait->lock, only_holder(wait->lock_type));
	if (!held || !held->task)
		return STATE_UNKNOWN;
	remember_owner(wait, held->task);
	return STATE_HELD;
}

static __always_inline void begin_sleep(struct task_struct *task, __u64 lock, __u32 flags)
{
	struct task_state *state;
	struct wait *wait;
	__u32 top;
	__u64 now;

	state = bpf_task_storage_get(&task_states, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state) {
		count(LOST_TASK_STATE, 1);
		return;
	}
	now = bpf_ktime_get_ns();
	top = state->depth - 1;
	wait = &state->waits[bounded(top, TASK_WAITS - 1)];
	if (state->depth && top < TASK_WAITS && wait->lock == lock) {
		change_phase(wait, task, flags, now);
	} else {
		if (state->depth >= TASK_WAITS) {
			count(LOST_NESTING, 1);
			return;
		}
		wait = &state->waits[bounded(state->depth, TASK_WAITS - 1)];
		start_wait(wait, task, lock, flags, now);
		state->depth++;
		count(COUNT_BEGUN, 1);
	}
	wait->state = settings.exact ? first_look(wait, now) : look(wait, (__u64)task);
	if (wait->state == STATE_HELD && !wait->spinning && !wait->owner_runs && !wait->holder_stack)
		walk_holder(wait, now);
}

static __always_inline struct wait *take_wait(struct task_state *state, __u64 lock)
{
	struct wait *wait;

	for (__u32 i = 0; i < TASK_WAITS; i++) {
		__u32 at = state->depth - 1 - i;

		if (at >= TASK_WAITS)
			return NULL;
		wait = &state->waits[bounded(at, TASK_WAITS - 1)];
		if (wait->lock != lock)
			continue;
		if (i)
			count(LOST_END, i);
		state->depth = at;
		return wait;
	}
	return NULL;
}

#endif
