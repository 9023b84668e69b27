/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Read sections of RCU. What the kernel runs around a program on a function begins such a section itself, so that one on
 * __rcu_read_lock would call itself without end: Linux 6.1 permits it and hangs, later ones refuse. A kprobe keeps out of its
 * own way. There is no lock that tells one section from another: all are of rcu_state.
 */
#ifndef LIMA_RCU_H
#define LIMA_RCU_H

extern const void rcu_state __ksym __weak;

/* How many read sections the task is in, beside the one around this program (trace_call_bpf in kernel/trace/bpf_trace.c). */
static __always_inline int sections_of(struct task_struct *task)
{
	return task->rcu_read_lock_nesting - 1;
}

/* Fills in what is the same for both; false: not to be counted. */
static __always_inline bool enter_section(struct pt_regs *regs, struct call *call)
{
	call->key.lock = (__u64)&rcu_state;
	if (!call->key.lock || !enter_by(call))
		return false;
	call->key.site = peek(regs->sp);
	return !(flags_of(call->key.site) & PLACE_MACHINERY);
}

SEC("kprobe/__rcu_read_lock")
int on___rcu_read_lock(struct pt_regs *regs)
{
	struct call call = { .key.lock_type = LOCK_RCU, .key.mode = MODE_READ };

	if (!enter_section(regs, &call) || passed_over(&call))
		return 0;
	if (attribute(&call))
		add_acquisition(&call, true, 0, 0);
	/* Of sections inside one another the outermost is held. */
	if ((acquiring.stats & (STAT_HOLD | STAT_HOLD_HIST)) && !sections_of(call.task))
		begin_hold(&call, 0);
	return 0;
}

SEC("kprobe/__rcu_read_unlock")
int on___rcu_read_unlock(struct pt_regs *regs)
{
	struct call call = { .key.lock_type = LOCK_RCU, .key.mode = MODE_READ };
	struct held *held;

	if (!enter_section(regs, &call) || sections_of(call.task) != 1)
		return 0;
	held = find_held(call.key.lock, holder_of(call.task, LOCK_RCU, MODE_READ, call.key.context, call.part));
	if (!held) {
		if (acquiring.sample[LOCK_RCU] <= 1)
			count_acq(ACQ_NOT_HELD);
		return 0;
	}
	end_hold(held, &call, bpf_ktime_get_ns());
	free_held(held);
	return 0;
}

#endif
