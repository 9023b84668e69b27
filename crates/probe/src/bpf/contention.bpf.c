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

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Named here so that BTF, and with it the Rust side, knows the records. */
const struct event *event_record __attribute__((unused));
const struct stack_record *stack_record __attribute__((unused));
const struct cgroup_notice *cgroup_record __attribute__((unused));
const struct exec_notice *exec_record __attribute__((unused));
const struct share_record *share_record __attribute__((unused));

struct spin {
	__u64 lock;
	__u64 begin_ns;
	__u32 flags;
	__u32 zero;
};

/* A spinning wait can be interrupted, and the interrupt can wait as well: task, soft interrupt, interrupt, and
 * exceptions between them. */
#define CPU_SPINS 8
struct cpu_state {
	__u32 depth;
	__u32 zero;
	__u64 busy; /* address of the context of the program that is updating maps, whose own locks are traced, too */
	__u64 base; /* addresses as numbers: of the context, of the waker */
	__u64 waker;
	struct spin spins[CPU_SPINS];
};

/* Waits of spinning locks on each CPU. Read and written by the programs of that CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_state);
} cpu_states SEC(".maps");

/* An index that the verifier can follow: older ones lose sight of a comparison, and the compiler of a mask after it. */
static __always_inline __u64 bounded(__u64 index, __u64 mask)
{
	asm volatile("%0 &= %1" : "+r"(index) : "r"(mask));
	return index;
}

static __always_inline struct cpu_state *this_cpu_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_states, &zero);
}

static __always_inline __u8 lock_type_of(__u32 flags)
{
	if (flags & LCB_F_MUTEX)
		return LOCK_MUTEX;
	if (flags & LCB_F_PERCPU)
		return LOCK_PERCPU_RWSEM;
	if (flags & LCB_F_RT)
		return flags & (LCB_F_READ | LCB_F_WRITE) ? LOCK_RWLOCK_RT : LOCK_RTMUTEX;
	if (flags & LCB_F_SPIN)
		return flags & (LCB_F_READ | LCB_F_WRITE) ? LOCK_RWLOCK : LOCK_SPINLOCK;
	return flags & (LCB_F_READ | LCB_F_WRITE) ? LOCK_RWSEM : LOCK_SEMAPHORE;
}

static __always_inline __u8 mode_of(__u32 flags)
{
	return flags & LCB_F_READ ? MODE_READ : flags & LCB_F_WRITE ? MODE_WRITE : MODE_EXCLUSIVE;
}

/* Spinning with the CPU kept: spinlock_t and rwlock_t. A mutex spins as well, but may be preempted. */
static __always_inline bool keeps_cpu(__u32 flags)
{
	return (flags & (LCB_F_SPIN | LCB_F_MUTEX)) == LCB_F_SPIN;
}

/* ---- begin ---- */

static __always_inline void begin_spin(struct cpu_state *cpu, struct task_struct *task, __u64 lock, __u32 flags)
{
	struct spin *spin;

	/* In task context no other spin can be under way on this CPU: what is there has missed its end. */
	if (cpu->depth && on_task_stack(cpu->base, task)) {
		count(LOST_END, cpu->depth);
		cpu->depth = 0;
	}
	if (cpu->depth >= CPU_SPINS) {
		count(LOST_NESTING, 1);
		return;
	}
	spin = &cpu->spins[bounded(cpu->depth, CPU_SPINS - 1)];
	spin->lock = lock;
	spin->flags = flags;
	spin->begin_ns = bpf_ktime_get_ns();
	cpu->depth++;
	count(COUNT_BEGUN, 1);
}

static __always_inline __u32 *sleepers_like(struct task_struct *task)
{
	return &sleepers[task->pid & ((1 << SLEEPER_BITS) - 1)];
}

static __always_inline void set_spinning(struct wait *wait, struct task_struct *task, __u32 flags)
{
	__u8 spinning = !!(flags & LCB_F_SPIN);

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
	wait->state = look(wait, (__u64)task);
	if (wait->state == STATE_HELD && !wait->spinning && !wait->owner_runs && !wait->holder_stack)
		walk_holder(wait, now);
}

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

/* Adds the wait to its totals, and says whether there was room. The stack of a new key is made sure of. */
static __always_inline bool add_up_totals(void *ctx, struct walk *walk, struct ended *ended)
{
	int added = add_to_totals(ended);
	__u64 stack;

	if (added != ADDED_NEW)
		return added;
	stack = confirm(ctx, walk, ended->key.stack, ended->end_ns);
	if (stack == ended->key.stack)
		return true;
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

static __always_inline struct spin *take_spin(struct cpu_state *cpu, __u64 lock)
{
	struct spin *spin;

	for (__u32 i = 0; i < CPU_SPINS; i++) {
		__u32 at = cpu->depth - 1 - i;

		if (at >= CPU_SPINS)
			return NULL;
		spin = &cpu->spins[bounded(at, CPU_SPINS - 1)];
		if (spin->lock != lock)
			continue;
		if (i)
			count(LOST_END, i);
		cpu->depth = at;
		return spin;
	}
	return NULL;
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

#include "notices.bpf.h"
