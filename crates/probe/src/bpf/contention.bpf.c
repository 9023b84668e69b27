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
#include "inside.bpf.h"
#include "held.bpf.h"
#include "blame.bpf.h"
#include "holder.bpf.h"
#include "filter.bpf.h"
#include "totals.bpf.h"
#include "flags.bpf.h"
#include "exact.bpf.h"
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

static __always_inline void begin(void *ctx, const struct visit *visit, __u64 lock, __u32 flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cpu_state *cpu = this_cpu_state();
	bool same_stack;

	if (!recording || !cpu || (settings.filter_lock && !is_chosen(lock, false)))
		return;
	if (cpu->busy) {
		/* On the same stack it is a lock of our own maps; else an interrupt, whose end the kernel will skip. */
		same_stack = !((address_of(ctx, &cpu->base) ^ cpu->busy) & ~(THREAD_SIZE - 1));
		count(same_stack ? COUNT_OWN : LOST_INSIDE_PROBE, 1);
		return;
	}
	if (is_nested(visit)) {
		count(COUNT_OWN, 1);
		return;
	}
	if (keeps_cpu(flags)) {
		address_of(ctx, &cpu->base);
		begin_spin(cpu, task, lock, flags);
	} else {
		begin_sleep(task, lock, flags);
	}
}

SEC("tp_btf/contention_begin")
int BPF_PROG(contention_begin, void *lock, unsigned int flags)
{
	struct visit visit;

	if (settings.spin_functions && flags == LCB_F_SPIN)
		return 0;
	step_in(&visit);
	begin(ctx, &visit, (__u64)lock, flags);
	step_out(&visit);
	return 0;
}

/* ---- woken ---- */

/* Where the waker lets the lock go. */
static __always_inline void walk_release(void *ctx, struct cpu_state *cpu, struct wait *wait, __u64 now)
{
	struct walk *walk = walk_of(WALK_WAKING);

	if (!walk)
		return;
	cpu->busy = address_of(ctx, &cpu->base);
	wait->release_stack = walk_stack(ctx, walk, WALK_WAKING, false, now);
	cpu->busy = 0;
}

/* A task is woken that sleeps in a wait. */
static __always_inline void wake(void *ctx, struct task_struct *woken)
{
	struct task_struct *waker;
	struct task_state *state, *its;
	struct hand seen, who = {};
	__u8 comm[COMM_LEN] = {};
	struct cpu_state *cpu;
	struct wait *wait;
	__u32 top;
	__u64 now;
	__u8 found;

	state = bpf_task_storage_get(&task_states, woken, NULL, 0);
	if (!state)
		return;
	top = state->depth - 1;
	if (!state->depth || top >= TASK_WAITS)
		return;
	wait = &state->waits[bounded(top, TASK_WAITS - 1)];
	cpu = this_cpu_state();
	if (!cpu)
		return;

	now = bpf_ktime_get_ns();
	if (settings.exact) {
		if (now - wait->begin_ns >= settings.threshold_ns)
			walk_release(ctx, cpu, wait, now);
		return;
	}
	seen = wait->seen;
	found = look(wait, (__u64)woken);
	if (wait->state == STATE_HELD && found == STATE_HELD && wait->seen.task == seen.task)
		return; /* a signal: the holder has not let go */
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

	if (now - wait->begin_ns >= settings.threshold_ns && wait->main.task == who.task)
		walk_release(ctx, cpu, wait, now);
}

SEC("tp_btf/sched_waking")
int BPF_PROG(sched_waking, struct task_struct *woken)
{
	struct visit visit;

	/* A waiter that still runs, or runs again, settles for itself. */
	if (!*sleepers_like(woken) || woken->on_cpu)
		return 0;
	step_in(&visit);
	wake(ctx, woken);
	step_out(&visit);
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

static __always_inline struct spin *end_spin(struct cpu_state *cpu, struct ended *ended)
{
	struct spin *spin = take_spin(cpu, ended->key.lock);

	if (spin)
		describe(ended, spin->begin_ns, ended->end_ns - spin->begin_ns, lock_type_of(spin->flags),
			 mode_of(spin->flags));
	return spin;
}

/* With settings.exact: who held the lock, as for waits that sleep. */
static __always_inline struct wait *blame_spin(struct cpu_state *cpu, const struct spin *spin, const struct ended *ended)
{
	struct wait *wait = &cpu->blamed;

	wait->lock = spin->lock;
	wait->lock_type = ended->key.lock_type;
	wait->begin_ns = spin->begin_ns;
	wait->holder_stack = wait->release_stack = 0;
	wait->reading = spin->reading;
	end_blame(wait, &wait->reading, 0, ended->end_ns);
	return wait;
}

static __always_inline struct wait *end_sleep(struct task_struct *task, struct ended *ended)
{
	struct task_state *state = bpf_task_storage_get(&task_states, task, NULL, 0);
	struct wait *wait = state ? take_wait(state, ended->key.lock) : NULL;

	if (!wait)
		return NULL;
	if (settings.exact)
		end_blame(wait, &wait->reading, ended->result, ended->end_ns);
	else
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

static __always_inline void end(void *ctx, struct visit *visit, __u64 lock, int result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ended ended = { .key.lock = lock, .end_ns = bpf_ktime_get_ns(), .result = result };
	struct cpu_state *cpu = this_cpu_state();
	struct wait *wait = NULL;
	struct spin *spin;

	if (!recording || !cpu || cpu->busy || is_nested(visit) || (settings.filter_lock && !is_chosen(lock, false)))
		return; /* busy and nested: counted at its begin */
	spin = end_spin(cpu, &ended);
	if (!spin) {
		wait = end_sleep(task, &ended);
		if (!wait) {
			count(COUNT_NO_BEGIN, 1);
			return;
		}
	}
	count(COUNT_ENDED, 1);
	address_of(ctx, &cpu->busy);
	if (spin && settings.exact)
		wait = blame_spin(cpu, spin, &ended);
	leave_wait(visit, lock, ended.wait_ns, ended.end_ns);
	count_wait(ctx, task, &ended, wait);
	cpu->busy = 0;
}

SEC("tp_btf/contention_end")
int BPF_PROG(contention_end, void *lock, int result)
{
	struct visit visit;

	if (settings.spin_functions && spins_for(this_cpu_state(), (__u64)lock))
		return 0;
	step_in(&visit);
	end(ctx, &visit, (__u64)lock, result);
	step_out(&visit);
	return 0;
}

/* ---- the slow path of spinlocks, where fentry is permitted: the tracepoints leave out short spins ---- */

/* The verifier does no sums on an argument with a type; asked for in this way it is a number. */
static __always_inline __u64 first_argument(void *ctx)
{
	__u64 argument = 0;

	bpf_get_func_arg(ctx, 0, &argument);
	return argument;
}

#define SPIN_FUNCTION(name)                                        \
	SEC("fentry/" #name)                                       \
	int begin_##name(void *ctx)                                \
	{                                                          \
		struct visit visit;                                \
		step_in(&visit);                                   \
		begin(ctx, &visit, first_argument(ctx), LCB_F_SPIN); \
		step_out(&visit);                                  \
		return 0;                                          \
	}                                                          \
	SEC("fexit/" #name)                                        \
	int end_##name(void *ctx)                                  \
	{                                                          \
		struct visit visit;                                \
		step_in(&visit);                                   \
		end(ctx, &visit, first_argument(ctx), 0);          \
		step_out(&visit);                                  \
		return 0;                                          \
	}
SPIN_FUNCTION(native_queued_spin_lock_slowpath)
SPIN_FUNCTION(__pv_queued_spin_lock_slowpath)

/* ---- the slow path of a rwsem's writers: before they queue, and the tracepoints tell of it, they spin ---- */

/* Whether this task's wait that was begun last is one for this lock. Verified once, for any argument. */
__noinline int sleeps_for(__u64 lock)
{
	struct task_state *state = bpf_task_storage_get(&task_states, bpf_get_current_task_btf(), NULL, 0);
	__u32 top;

	if (!state || !state->depth)
		return 0;
	top = state->depth - 1;
	return top < TASK_WAITS && state->waits[bounded(top, TASK_WAITS - 1)].lock == lock;
}

SEC("fentry/rwsem_down_write_slowpath")
int begin_rwsem_down_write_slowpath(void *ctx)
{
	struct visit visit;

	step_in(&visit);
	begin(ctx, &visit, first_argument(ctx), LCB_F_WRITE | SPINS_FOR_RWSEM);
	step_out(&visit);
	return 0;
}

/* Who has queued was counted at contention_end. */
SEC("fexit/rwsem_down_write_slowpath")
int end_rwsem_down_write_slowpath(void *ctx)
{
	__u64 lock = first_argument(ctx);
	struct visit visit;

	step_in(&visit);
	if (sleeps_for(lock))
		end(ctx, &visit, lock, 0);
	step_out(&visit);
	return 0;
}
