// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * The contention level: every wait that lock:contention_begin and _end report.
 *
 * A wait begins in contention_begin, is looked at again in sched_waking, and is
 * counted in contention_end: into the totals, the totals by task, and, from the
 * threshold on, as an event. Spinning locks keep the CPU, so their waits lie in
 * a stack for each CPU; sleeping locks belong to the task.
 */
#include "kernel.h"
#include "records.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "maps.bpf.h"
#include "stack.bpf.h"
#include "tenant.bpf.h"
#include "holder.bpf.h"
#include "filter.bpf.h"
#include "totals.bpf.h"
#include "flags.bpf.h"
#include "spins.bpf.h"
#include "sleeps.bpf.h"
#include "count.bpf.h"
#include "notices.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Named here so that BTF, and with it the Rust side, knows the records. */
const struct event *event_record __attribute__((unused));
const struct stack_record *stack_record __attribute__((unused));
const struct cgroup_notice *cgroup_record __attribute__((unused));
const struct exec_notice *exec_record __attribute__((unused));
const struct share_record *share_record __attribute__((unused));

/* ---- begin ---- */

SEC("tp_btf/contention_begin")
int BPF_PROG(contention_begin, void *lock, unsigned int flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cpu_state *cpu = this_cpu_state();
	bool same_stack;

	if (!recording || !cpu)
		return 0;
	if (cpu->busy) {
		/* On the same stack it is a lock of our own maps; else an interrupt, whose end the kernel will skip. */
		same_stack = !((address_of(ctx, &cpu->base) ^ cpu->busy) & ~(THREAD_SIZE - 1));
		count(same_stack ? COUNT_OWN : LOST_INSIDE_PROBE, 1);
		return 0;
	}
	if (keeps_cpu(flags)) {
		address_of(ctx, &cpu->base);
		begin_spin(cpu, task, (__u64)lock, flags);
	} else {
		begin_sleep(task, (__u64)lock, flags);
	}
	return 0;
}

/* ---- woken ---- */

SEC("tp_btf/sched_waking")
int BPF_PROG(sched_waking, struct task_struct *woken)
{
	struct task_struct *waker;
	struct task_state *state, *its;
	struct hand seen, who = {};
	__u8 comm[COMM_LEN] = {};
	struct cpu_state *cpu;
	struct walk *walk;
	struct wait *wait;
	__u32 top;
	__u64 now;
	__u8 found;

	/* A waiter that still runs, or runs again, settles for itself. */
	if (!*sleepers_like(woken) || woken->on_cpu)
		return 0;
	state = bpf_task_storage_get(&task_states, woken, NULL, 0);
	if (!state)
		return 0;
	top = state->depth - 1;
	if (!state->depth || top >= TASK_WAITS)
		return 0;
	wait = &state->waits[bounded(top, TASK_WAITS - 1)];
	cpu = this_cpu_state();
	if (!cpu)
		return 0;

	now = bpf_ktime_get_ns();
	seen = wait->seen;
	found = look(wait, (__u64)woken);
	if (wait->state == STATE_HELD && found == STATE_HELD && wait->seen.task == seen.task)
		return 0; /* a signal: the holder has not let go */
	if (found == STATE_READERS && wait->mode == MODE_READ)
		found = STATE_FREE; /* the readers are admitted, this one among them */

	waker = bpf_get_current_task_btf();
	if (on_task_stack(address_of(ctx, &cpu->base), waker)) {
		who.task = address_of(waker, &cpu->waker);
		if (settings.tenant_by == TENANT_BY_COMM)
			copy_comm(comm, waker);
		who.tenant = tenant_of(waker, true, comm);
		its = bpf_task_storage_get(&task_states, waker, NULL, 0);
		settle_woken(wait, &seen, &who, its, found, now);
		wait->hand = who;
		wait->hand_acquired_ns = its && its->acquired == wait->lock ? its->acquired_ns : 0;
	} else {
		/* From an interrupt: the task that it interrupted has nothing to do with it. */
		settle(wait, now);
	}
	wait->state = found;
	wait->woken_ns = now;

	if (now - wait->begin_ns < settings.threshold_ns || wait->main.task != who.task)
		return 0;
	walk = walk_of(WALK_WAKING);
	if (!walk)
		return 0;
	cpu->busy = cpu->base;
	wait->release_stack = walk_stack(ctx, walk, WALK_WAKING, false, now);
	cpu->busy = 0;
	return 0;
}

/* ---- end ---- */

static __always_inline void describe(struct ended *ended, __u64 begin_ns, __u64 spin_ns, __u8 lock_type, __u8 mode)
{
	ended->wait_ns = ended->end_ns - begin_ns;
	ended->spin_ns = spin_ns;
	ended->key.lock_type = lock_type;
	ended->key.mode = mode;
}

static __always_inline bool end_spin(struct cpu_state *cpu, struct ended *ended)
{
	struct spin *spin = take_spin(cpu, ended->key.lock);

	if (!spin)
		return false;
	describe(ended, spin->begin_ns, ended->end_ns - spin->begin_ns, lock_type_of(spin->flags), mode_of(spin->flags));
	return true;
}

static __always_inline struct wait *end_sleep(struct task_struct *task, struct ended *ended)
{
	struct task_state *state = bpf_task_storage_get(&task_states, task, NULL, 0);
	struct wait *wait = state ? take_wait(state, ended->key.lock) : NULL;

	if (!wait)
		return NULL;
	settle(wait, ended->end_ns);
	if (wait->spinning)
		wait->spin_ns += ended->end_ns - wait->phase_ns;
	else
		__sync_fetch_and_add(sleepers_like(task), -1);
	describe(ended, wait->begin_ns, wait->spin_ns, wait->lock_type, wait->mode);
	if (!ended->result) {
		state->acquired = ended->key.lock;
		state->acquired_ns = ended->end_ns;
		state->woken_ns = wait->woken_ns;
		state->before = wait->hand;
		state->before_ns = wait->hand_acquired_ns;
	}
	return wait;
}

SEC("tp_btf/contention_end")
int BPF_PROG(contention_end, void *lock, int result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ended ended = { .key.lock = (__u64)lock, .end_ns = bpf_ktime_get_ns(), .result = result };
	struct cpu_state *cpu = this_cpu_state();
	struct wait *wait = NULL;

	if (!recording || !cpu || cpu->busy)
		return 0; /* busy: counted at its begin */
	if (!end_spin(cpu, &ended)) {
		wait = end_sleep(task, &ended);
		if (!wait) {
			count(COUNT_NO_BEGIN, 1);
			return 0;
		}
	}
	count(COUNT_ENDED, 1);
	address_of(ctx, &cpu->busy);
	count_wait(ctx, task, &ended, wait);
	cpu->busy = 0;
	return 0;
}
