/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Counting a wait that is over: into the totals, the totals by task, and, from the threshold on, as an event. */
#ifndef LIMA_COUNT_H
#define LIMA_COUNT_H

static __always_inline void send_event(const struct ended *ended, const struct wait *wait, __u8 purpose)
{
	struct event *event = bpf_ringbuf_reserve(&records, sizeof(*event), 0);

	if (!event) {
		if (purpose & PURPOSE_KEEP)
			count(LOST_EVENT, 1);
		if (purpose & PURPOSE_TOTALS) {
			count(LOST_TOTALS_FULL, 1);
			count(LOST_TOTALS_FULL_NS, ended->wait_ns);
		}
		if (purpose & PURPOSE_TASKS)
			count(LOST_TASKS_FULL, 1);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = RECORD_EVENT;
	event->cpu = bpf_get_smp_processor_id();
	event->end_ns = ended->end_ns;
	event->wait_ns = ended->wait_ns;
	event->spin_ns = ended->spin_ns;
	event->unknown_ns = ended->unknown_ns;
	event->lock = ended->key.lock;
	event->stack = ended->key.stack;
	event->user_stack = ended->key.user_stack;
	event->waiter_tenant = ended->key.waiter_tenant;
	event->slab = ended->slab;
	event->slab_offset = ended->slab_offset;
	event->result = ended->result;
	event->tid = ended->tid;
	event->tgid = ended->tgid;
	__builtin_memcpy(event->comm, ended->comm, COMM_LEN);
	event->lock_type = ended->key.lock_type;
	event->mode = ended->key.mode;
	event->context = ended->key.context;
	event->purpose = purpose;
	if (wait) {
		event->holder.tenant = wait->main.tenant;
		event->holder.held_ns = wait->main.held_ns;
		event->holder.longest_ns = wait->main.longest_ns;
		event->holder.method = wait->main.method;
		if (wait->main.held_ns)
			name_task(&event->holder, &wait->main);
		if (settings.exact && wait->main.task) {
			event->holder.site = wait->reading.site;
			event->holder.beyond = wait->reading.beyond;
			event->holder.cpu = wait->reading.cpu;
			event->holder.mode = wait->reading.mode;
		}
		event->free_ns = wait->free_ns;
		event->other_held_ns = wait->other.held_ns;
		event->holder_stack = wait->holder_stack;
		event->release_stack = wait->release_stack;
	}
	submit(event);
}

/* The time that a second tenant held the lock, in a row of its own. */
static __always_inline void add_share(struct ended *ended, const struct part *part)
{
	struct share_record *share;

	ended->key.holder_tenant = part->tenant;
	ended->key.method = part->method;
	ended->held_ns = part->held_ns;
	ended->is_share = true;
	if (add_to_totals(ended))
		return;
	share = bpf_ringbuf_reserve(&records, sizeof(*share), 0);
	if (!share) {
		count(LOST_SHARE_NS, part->held_ns);
		return;
	}
	share->kind = RECORD_SHARE;
	share->zero = 0;
	share->held_ns = part->held_ns;
	share->key = ended->key;
	submit(share);
}

/* Decides who is named as the holder: the tenant that held the lock longest, or nobody, or it is not known. */
static __always_inline void name_holder(struct ended *ended, struct wait *wait)
{
	struct part swap;

	if (wait->other.held_ns > wait->main.held_ns) {
		swap = wait->main;
		wait->main = wait->other;
		wait->other = swap;
	}
	if (wait->main.held_ns) {
		ended->key.holder_tenant = wait->main.tenant;
		ended->key.method = wait->main.method;
	} else if (wait->free_ns > wait->unknown_ns) {
		ended->key.holder_tenant = TENANT_NONE;
		ended->key.method = METHOD_FREE;
	}
	ended->held_ns = wait->main.held_ns;
	ended->free_ns = wait->free_ns;
	ended->unknown_ns = wait->unknown_ns;
}

/* Adds the wait to its totals, and says whether there was room. The stack of a key that is not known yet is made sure of. */
static __always_inline bool add_up_totals(void *ctx, struct walk *walk, struct ended *ended)
{
	int added = add_to_totals(ended);
	__u64 stack;

	if (added == ADDED)
		return true;
	stack = confirm(ctx, walk, ended->key.stack, ended->end_ns);
	if (stack == ended->key.stack)
		return added;
	if (added)
		drop_totals(ended);
	ended->key.stack = stack;
	return add_to_totals(ended);
}

/* wait: NULL for spinning locks. */
static __always_inline void count_wait(void *ctx, struct task_struct *task, struct ended *ended, struct wait *wait)
{
	struct walk *walk = walk_of(WALK_END);
	__u8 purpose;
	bool on_task;

	if (!walk)
		return;
	on_task = on_task_stack(address_of(ctx, &walk->base), task);
	ended->key.context = on_task ? CONTEXT_TASK : CONTEXT_INTERRUPT;
	copy_comm(ended->comm, task);
	ended->tid = task->pid;
	ended->tgid = task->tgid;
	ended->key.waiter_tenant = on_task ? tenant_of(task, true, ended->comm) : TENANT_KERNEL;
	if (!passes(task, ended->comm, ended->key.waiter_tenant, ended->key.lock_type))
		return;

	ended->key.stack = stack_of(ctx, walk, on_task, ended->end_ns);
	ended->key.user_stack = on_task ? user_stack_of(ctx, walk, task, ended->end_ns) : 0;
	ended->unknown_ns = ended->wait_ns;
	if (wait) {
		add_up(wait, ended->wait_ns);
		name_holder(ended, wait);
	}
	ended->generation = generation;
	purpose = ended->wait_ns >= settings.threshold_ns ? PURPOSE_KEEP : 0;
	if (!add_up_totals(ctx, walk, ended))
		purpose |= PURPOSE_TOTALS;
	if (!add_to_task(ended))
		purpose |= PURPOSE_TASKS;
	if (purpose & ~PURPOSE_KEEP)
		count(COUNT_SPILLED, 1);
	if (purpose)
		send_event(ended, wait, purpose);
	if (wait && wait->other.held_ns)
		add_share(ended, &wait->other);
}

#endif
