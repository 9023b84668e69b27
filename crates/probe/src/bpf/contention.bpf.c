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
	__u64 base;
	struct spin spins[CPU_SPINS];
};

/* Waits of spinning locks on each CPU. Read and written by the programs of that CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_state);
} cpu_states SEC(".maps");

/* What contention_end has found out about the wait that it counts. */
struct ended {
	__u64 lock;
	__u64 begin_ns;
	__u64 end_ns;
	__u64 spin_ns;
	__u64 stack;
	__u64 user_stack;
	__u64 waiter_tenant;
	__u8 comm[COMM_LEN];
	struct wait *wait; /* NULL for spinning locks */
	__s32 result;
	__u8 lock_type;
	__u8 mode;
	__u8 context;
};

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
	spin = &cpu->spins[cpu->depth & (CPU_SPINS - 1)];
	spin->lock = lock;
	spin->flags = flags;
	spin->begin_ns = bpf_ktime_get_ns();
	cpu->depth++;
	count(COUNT_BEGUN, 1);
}

static __always_inline void set_spinning(struct wait *wait, __u32 flags)
{
	__u8 spinning = !!(flags & LCB_F_SPIN);

	if (wait->spinning && !spinning)
		__sync_fetch_and_add(&sleepers, 1);
	else if (!wait->spinning && spinning)
		__sync_fetch_and_add(&sleepers, -1);
	wait->spinning = spinning;
}

/* Sets what is read before it is written again; the names of holders are not. */
static __always_inline void start_wait(struct wait *wait, __u64 lock, __u32 flags, __u64 now)
{
	wait->lock = lock;
	wait->begin_ns = wait->phase_ns = wait->look_ns = now;
	wait->spin_ns = wait->free_ns = wait->unknown_ns = wait->woken_ns = 0;
	wait->holder_stack = wait->release_stack = 0;
	wait->main.held_ns = wait->other.held_ns = 0;
	wait->main.tid = wait->seen.tid = wait->hand.tid = 0;
	wait->hand_acquired_ns = 0;
	wait->lock_type = lock_type_of(flags);
	wait->mode = mode_of(flags);
	wait->spinning = 1;
	set_spinning(wait, flags);
}

/* A mutex that changes between spinning and sleeping reports another begin. */
static __always_inline void change_phase(struct wait *wait, __u32 flags, __u64 now)
{
	if (wait->spinning)
		wait->spin_ns += now - wait->phase_ns;
	wait->phase_ns = now;
	settle(wait, now);
	set_spinning(wait, flags);
}

/* The stack of a holder that sleeps itself: why it holds the lock for so long. One that runs cannot be walked. */
static __always_inline void walk_holder(struct wait *wait, __u64 now)
{
	struct task_struct *holder;
	struct walk *walk = walk_of(WALK_HOLDER);
	long size;

	if (!bpf_ksym_exists(bpf_task_from_pid) || !bpf_ksym_exists(bpf_task_release))
		return;
	if (!walk)
		return;
	holder = bpf_task_from_pid(wait->seen.tid);
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
	if (state->depth && top < TASK_WAITS && state->waits[top].lock == lock) {
		wait = &state->waits[top];
		change_phase(wait, flags, now);
	} else {
		if (state->depth >= TASK_WAITS) {
			count(LOST_NESTING, 1);
			return;
		}
		wait = &state->waits[state->depth & (TASK_WAITS - 1)];
		start_wait(wait, lock, flags, now);
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
	struct cpu_state *cpu;
	struct walk *walk;
	struct wait *wait;
	__u32 top;
	__u64 now;
	__u8 found;

	/* A waiter that still runs, or runs again, settles for itself. */
	if (!sleepers || !woken->bpf_storage || woken->on_cpu)
		return 0;
	state = bpf_task_storage_get(&task_states, woken, NULL, 0);
	if (!state)
		return 0;
	top = state->depth - 1;
	if (!state->depth || top >= TASK_WAITS)
		return 0;
	wait = &state->waits[top];
	cpu = this_cpu_state();
	if (!cpu)
		return 0;

	now = bpf_ktime_get_ns();
	seen = wait->seen;
	found = look(wait, (__u64)woken);
	if (wait->state == STATE_HELD && found == STATE_HELD && wait->seen.tid == seen.tid)
		return 0; /* a signal: the holder has not let go */
	if (found == STATE_READERS && wait->mode == MODE_READ)
		found = STATE_FREE; /* the readers are admitted, this one among them */

	waker = bpf_get_current_task_btf();
	if (on_task_stack(address_of(ctx, &cpu->base), waker)) {
		who.tid = waker->pid;
		who.tgid = waker->tgid;
		bpf_get_current_comm(who.comm, sizeof(who.comm));
		who.tenant = tenant_of(waker, true, who.comm);
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

	if (now - wait->begin_ns < settings.threshold_ns || wait->main.tid != who.tid)
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

__noinline __u32 bucket_of(__u64 ns)
{
	__u32 octave = FIRST_OCTAVE;
	__u64 rest = ns >> FIRST_OCTAVE;

	if (!rest)
		return 0;
	if (rest >> 16) {
		octave += 16;
		rest >>= 16;
	}
	if (rest >> 16)
		return BUCKETS - 1;
	if (rest >> 8) {
		octave += 8;
		rest >>= 8;
	}
	if (rest >> 4) {
		octave += 4;
		rest >>= 4;
	}
	if (rest >> 2) {
		octave += 2;
		rest >>= 2;
	}
	octave += rest >> 1;
	return 1 + 4 * (octave - FIRST_OCTAVE) + ((ns >> (octave - 2)) & 3);
}

static __always_inline bool passes(struct task_struct *task, const struct ended *ended)
{
	__u32 id;
	__u64 ancestor = 0;
	struct cgroup *cgroup;

	if (!(settings.type_mask & (1 << ended->lock_type)))
		return false;
	if (settings.filter_tgid) {
		id = task->tgid;
		if (!bpf_map_lookup_elem(&filter_tgids, &id))
			return false;
	}
	if (settings.filter_tid) {
		id = task->pid;
		if (!bpf_map_lookup_elem(&filter_tids, &id))
			return false;
	}
	if (settings.filter_cpu) {
		id = bpf_get_smp_processor_id();
		if (!bpf_map_lookup_elem(&filter_cpus, &id))
			return false;
	}
	if (settings.filter_comm && !bpf_map_lookup_elem(&filter_comms, ended->comm))
		return false;
	if (settings.filter_tenant && !bpf_map_lookup_elem(&filter_tenants, &ended->waiter_tenant))
		return false;
	if (settings.filter_cgroup) {
		cgroup = cgroup_of(task, true);
		if (BPF_CORE_READ(cgroup, level) < (int)settings.cgroup_level)
			return false;
		bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
				      (void *)cgroup + bpf_core_field_offset(struct cgroup, ancestors) +
					      settings.cgroup_level * sizeof(void *));
		if (BPF_CORE_READ((struct cgroup *)ancestor, kn, id) != settings.cgroup_id)
			return false;
	}
	return true;
}

/*
 * The slab cache that a lock lies in, and its offset in the object. A slab lies
 * at a multiple of its size, and has the size that its cache prefers, unless
 * memory was short: then the first or last page of that range most likely
 * belongs to something else, and the offset is not known.
 */
static __always_inline void find_slab(struct totals *totals, __u64 lock)
{
	struct kmem_cache *cache;
	struct slab_cache name = {};
	__u64 key, bytes, start;
	__u32 size, pad = 0;

	totals->slab_offset = ~0U;
	if (!bpf_ksym_exists(bpf_get_kmem_cache))
		return;
	cache = bpf_get_kmem_cache(lock);
	if (!cache)
		return;
	key = (__u64)cache;
	totals->slab = key;
	size = BPF_CORE_READ(cache, size);
	bytes = PAGE_SIZE << (BPF_CORE_READ(cache, oo.x) >> 16 & 15);
	start = lock & ~(bytes - 1);
	if (size && (__u64)bpf_get_kmem_cache(start) == key &&
	    (__u64)bpf_get_kmem_cache(start + bytes - PAGE_SIZE) == key) {
		if (bpf_core_field_exists(cache->red_left_pad))
			pad = BPF_CORE_READ(cache, red_left_pad);
		totals->slab_offset = (__u32)(lock - start) % size - pad;
	}
	if (!bpf_map_lookup_elem(&slab_caches, &key)) {
		bpf_probe_read_kernel_str(name.name, sizeof(name.name), BPF_CORE_READ(cache, name));
		bpf_map_update_elem(&slab_caches, &key, &name, BPF_NOEXIST);
	}
}

static const struct totals no_totals = {};
static const struct task_totals no_task_totals = {};

static __always_inline struct totals *totals_for(const struct totals_key *key, bool *is_new)
{
	struct totals *totals;

	/* The generation may not flip between look-up and insertion: read it once. */
	if (generation & 1) {
		totals = bpf_map_lookup_elem(&totals_1, key);
		if (totals)
			return totals;
		bpf_map_update_elem(&totals_1, key, &no_totals, BPF_NOEXIST);
		totals = bpf_map_lookup_elem(&totals_1, key);
	} else {
		totals = bpf_map_lookup_elem(&totals_0, key);
		if (totals)
			return totals;
		bpf_map_update_elem(&totals_0, key, &no_totals, BPF_NOEXIST);
		totals = bpf_map_lookup_elem(&totals_0, key);
	}
	if (totals)
		find_slab(totals, key->lock);
	*is_new = true;
	return totals;
}

static __always_inline void drop_totals(const struct totals_key *key)
{
	if (generation & 1)
		bpf_map_delete_elem(&totals_1, key);
	else
		bpf_map_delete_elem(&totals_0, key);
}

static __always_inline struct task_totals *task_totals_for(const struct task_key *key)
{
	struct task_totals *totals;

	if (generation & 1) {
		totals = bpf_map_lookup_elem(&tasks_1, key);
		if (totals)
			return totals;
		bpf_map_update_elem(&tasks_1, key, &no_task_totals, BPF_NOEXIST);
		return bpf_map_lookup_elem(&tasks_1, key);
	}
	totals = bpf_map_lookup_elem(&tasks_0, key);
	if (totals)
		return totals;
	bpf_map_update_elem(&tasks_0, key, &no_task_totals, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tasks_0, key);
}

static __always_inline bool add_to_task(struct task_struct *task, const struct ended *ended)
{
	struct task_key key = { .tid = task->pid, .lock_type = ended->lock_type, .context = ended->context };
	struct task_totals *totals = task_totals_for(&key);
	__u64 ns = ended->end_ns - ended->begin_ns;

	if (!totals)
		return false;
	totals->waits++;
	totals->wait_ns += ns;
	totals->spin_ns += ended->spin_ns;
	if (ns > totals->max_ns)
		totals->max_ns = ns;
	totals->tenant = ended->waiter_tenant;
	totals->tgid = task->tgid;
	__builtin_memcpy(totals->comm, ended->comm, COMM_LEN);
	return true;
}

static __always_inline struct totals *add_to_totals(const struct totals_key *key, const struct ended *ended,
						    __u64 held_ns, __u64 free_ns, __u64 unknown_ns,
						    bool *is_new)
{
	struct totals *totals = totals_for(key, is_new);
	__u64 ns = ended->end_ns - ended->begin_ns;
	__u32 bucket;

	if (!totals)
		return NULL;
	if (!totals->waits || ns < totals->min_ns)
		totals->min_ns = ns;
	if (ns > totals->max_ns)
		totals->max_ns = ns;
	totals->waits++;
	totals->failed += ended->result != 0;
	totals->wait_ns += ns;
	totals->spin_ns += ended->spin_ns;
	totals->held_ns += held_ns;
	totals->free_ns += free_ns;
	totals->unknown_ns += unknown_ns;
	bucket = bucket_of(ns);
	if (bucket < BUCKETS)
		totals->histogram[bucket]++;
	return totals;
}

static __always_inline void send_event(struct task_struct *task, const struct ended *ended,
				       const struct totals *totals, __u64 unknown_ns, __u8 purpose)
{
	const struct wait *wait = ended->wait;
	struct event *event = bpf_ringbuf_reserve(&records, sizeof(*event), 0);

	if (!event) {
		if (purpose & PURPOSE_KEEP)
			count(LOST_EVENT, 1);
		if (purpose & PURPOSE_TOTALS) {
			count(LOST_TOTALS_FULL, 1);
			count(LOST_TOTALS_FULL_NS, ended->end_ns - ended->begin_ns);
		}
		if (purpose & PURPOSE_TASKS)
			count(LOST_TASKS_FULL, 1);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = RECORD_EVENT;
	event->cpu = bpf_get_smp_processor_id();
	event->end_ns = ended->end_ns;
	event->wait_ns = ended->end_ns - ended->begin_ns;
	event->spin_ns = ended->spin_ns;
	event->unknown_ns = unknown_ns;
	event->lock = ended->lock;
	event->stack = ended->stack;
	event->user_stack = ended->user_stack;
	event->waiter_tenant = ended->waiter_tenant;
	event->slab = totals ? totals->slab : 0;
	event->slab_offset = totals ? totals->slab_offset : ~0U;
	event->result = ended->result;
	event->tid = task->pid;
	event->tgid = task->tgid;
	__builtin_memcpy(event->comm, ended->comm, COMM_LEN);
	event->lock_type = ended->lock_type;
	event->mode = ended->mode;
	event->context = ended->context;
	event->purpose = purpose;
	if (wait) {
		event->holder = wait->main;
		event->free_ns = wait->free_ns;
		event->other_held_ns = wait->other.held_ns;
		event->holder_stack = wait->holder_stack;
		event->release_stack = wait->release_stack;
	}
	submit(event);
}

/* The time that a second tenant held the lock, in a row of its own. */
static __always_inline void add_share(const struct totals_key *key, __u64 held_ns)
{
	struct share_record *share;
	bool is_new;
	struct totals *totals = totals_for(key, &is_new);

	if (totals) {
		totals->held_ns += held_ns;
		return;
	}
	share = bpf_ringbuf_reserve(&records, sizeof(*share), 0);
	if (!share) {
		count(LOST_SHARE_NS, held_ns);
		return;
	}
	share->kind = RECORD_SHARE;
	share->zero = 0;
	share->held_ns = held_ns;
	share->key = *key;
	submit(share);
}

/* Decides who is named as the holder: the tenant that held the lock longest, or nobody, or it is not known. */
static __always_inline void name_holder(struct totals_key *key, struct wait *wait)
{
	struct holder swap;

	if (wait->other.held_ns > wait->main.held_ns) {
		swap = wait->main;
		wait->main = wait->other;
		wait->other = swap;
	}
	if (wait->main.held_ns) {
		key->holder_tenant = wait->main.tenant;
		key->method = wait->main.method;
	} else if (wait->free_ns > wait->unknown_ns) {
		key->holder_tenant = TENANT_NONE;
		key->method = METHOD_FREE;
	}
}

static __always_inline void count_wait(void *ctx, struct task_struct *task, struct ended *ended)
{
	struct totals_key key = {};
	struct totals *totals;
	struct walk *walk = walk_of(WALK_END);
	struct wait *wait = ended->wait;
	__u64 ns = ended->end_ns - ended->begin_ns, held_ns = 0, free_ns = 0, unknown_ns = ns, stack;
	__u8 purpose;
	bool on_task, is_new = false;

	if (!walk)
		return;
	on_task = on_task_stack(address_of(ctx, &walk->base), task);
	ended->context = on_task ? CONTEXT_TASK : CONTEXT_INTERRUPT;
	bpf_get_current_comm(ended->comm, sizeof(ended->comm));
	ended->waiter_tenant = on_task ? tenant_of(task, true, ended->comm) : TENANT_KERNEL;
	if (!passes(task, ended))
		return;

	ended->stack = stack_of(ctx, walk, on_task, ended->end_ns);
	ended->user_stack = on_task ? user_stack_of(ctx, walk, task, ended->end_ns) : 0;
	key.lock = ended->lock;
	key.stack = ended->stack;
	key.user_stack = ended->user_stack;
	key.waiter_tenant = ended->waiter_tenant;
	key.lock_type = ended->lock_type;
	key.mode = ended->mode;
	key.context = ended->context;
	if (wait) {
		add_up(wait, ns);
		name_holder(&key, wait);
		held_ns = wait->main.held_ns;
		free_ns = wait->free_ns;
		unknown_ns = wait->unknown_ns;
	}
	totals = add_to_totals(&key, ended, held_ns, free_ns, unknown_ns, &is_new);
	if (is_new) {
		stack = confirm(ctx, walk, ended->stack, ended->end_ns);
		if (stack != ended->stack) {
			drop_totals(&key);
			key.stack = ended->stack = stack;
			totals = add_to_totals(&key, ended, held_ns, free_ns, unknown_ns, &is_new);
		}
	}
	purpose = ns >= settings.threshold_ns ? PURPOSE_KEEP : 0;
	if (!totals)
		purpose |= PURPOSE_TOTALS;
	if (!add_to_task(task, ended))
		purpose |= PURPOSE_TASKS;
	if (purpose & ~PURPOSE_KEEP)
		count(COUNT_SPILLED, 1);
	if (purpose)
		send_event(task, ended, totals, unknown_ns, purpose);
	if (wait && wait->other.held_ns) {
		key.holder_tenant = wait->other.tenant;
		key.method = wait->other.method;
		add_share(&key, wait->other.held_ns);
	}
}

static __always_inline struct spin *take_spin(struct cpu_state *cpu, __u64 lock)
{
	for (__u32 i = 0; i < CPU_SPINS; i++) {
		__u32 at = cpu->depth - 1 - i;

		if (at >= CPU_SPINS)
			return NULL;
		if (cpu->spins[at].lock != lock)
			continue;
		if (i)
			count(LOST_END, i);
		cpu->depth = at;
		return &cpu->spins[at];
	}
	return NULL;
}

static __always_inline struct wait *take_wait(struct task_state *state, __u64 lock)
{
	for (__u32 i = 0; i < TASK_WAITS; i++) {
		__u32 at = state->depth - 1 - i;

		if (at >= TASK_WAITS)
			return NULL;
		if (state->waits[at].lock != lock)
			continue;
		if (i)
			count(LOST_END, i);
		state->depth = at;
		return &state->waits[at];
	}
	return NULL;
}

static __always_inline bool end_spin(struct cpu_state *cpu, struct ended *ended)
{
	struct spin *spin = take_spin(cpu, ended->lock);

	if (!spin)
		return false;
	ended->begin_ns = spin->begin_ns;
	ended->spin_ns = ended->end_ns - spin->begin_ns;
	ended->lock_type = lock_type_of(spin->flags);
	ended->mode = mode_of(spin->flags);
	return true;
}

static __always_inline bool end_sleep(struct task_struct *task, struct ended *ended)
{
	struct task_state *state = bpf_task_storage_get(&task_states, task, NULL, 0);
	struct wait *wait = state ? take_wait(state, ended->lock) : NULL;

	if (!wait)
		return false;
	settle(wait, ended->end_ns);
	if (wait->spinning)
		wait->spin_ns += ended->end_ns - wait->phase_ns;
	else
		__sync_fetch_and_add(&sleepers, -1);
	ended->wait = wait;
	ended->begin_ns = wait->begin_ns;
	ended->spin_ns = wait->spin_ns;
	ended->lock_type = wait->lock_type;
	ended->mode = wait->mode;
	if (!ended->result) {
		state->acquired = ended->lock;
		state->acquired_ns = ended->end_ns;
		state->woken_ns = wait->woken_ns;
		state->before = wait->hand;
		state->before_ns = wait->hand_acquired_ns;
	}
	return true;
}

SEC("tp_btf/contention_end")
int BPF_PROG(contention_end, void *lock, int result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ended ended = { .lock = (__u64)lock, .end_ns = bpf_ktime_get_ns(), .result = result };
	struct cpu_state *cpu = this_cpu_state();

	if (!recording || !cpu || cpu->busy)
		return 0; /* busy: counted at its begin */
	if (!end_spin(cpu, &ended) && !end_sleep(task, &ended)) {
		count(COUNT_NO_BEGIN, 1);
		return 0;
	}
	count(COUNT_ENDED, 1);
	address_of(ctx, &cpu->busy);
	count_wait(ctx, task, &ended);
	cpu->busy = 0;
	return 0;
}

/* ---- new tenants ---- */

/* Cgroups may be gone before the recorder looks for their names. */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgroup, const char *path)
{
	struct cgroup_notice *notice = bpf_ringbuf_reserve(&records, sizeof(*notice), 0);

	if (!notice) {
		count(LOST_NOTICE, 1);
		return 0;
	}
	__builtin_memset(notice, 0, sizeof(*notice));
	notice->kind = RECORD_CGROUP;
	notice->hierarchy = cgroup->root->hierarchy_id;
	notice->id = cgroup->kn->id;
	bpf_probe_read_kernel_str(notice->path, sizeof(notice->path), path);
	submit(notice);
	return 0;
}

static __always_inline bool may_be_sandbox(const char *comm)
{
	return !__builtin_memcmp(comm, "runsc", 5) || !__builtin_memcmp(comm, "exe", 4) ||
	       !__builtin_memcmp(comm, "firecracker", 11) || !__builtin_memcmp(comm, "qemu-system", 11) ||
	       !__builtin_memcmp(comm, "cloud-hyper", 11);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct exec_notice *notice;
	char comm[COMM_LEN];

	bpf_get_current_comm(comm, sizeof(comm));
	if (!may_be_sandbox(comm))
		return 0;
	notice = bpf_ringbuf_reserve(&records, sizeof(*notice), 0);
	if (!notice) {
		count(LOST_NOTICE, 1);
		return 0;
	}
	notice->kind = RECORD_EXEC;
	notice->tgid = task->tgid;
	__builtin_memcpy(notice->comm, comm, COMM_LEN);
	submit(notice);
	return 0;
}

/* The processes that a sandbox starts belong to it. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 of = parent->tgid, tgid = child->tgid;
	__u64 *tenant;

	if (!have_sandboxes || of == tgid)
		return 0;
	tenant = bpf_map_lookup_elem(&sandboxes, &of);
	if (tenant)
		bpf_map_update_elem(&sandboxes, &tgid, tenant, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	if (have_sandboxes && task->pid == task->tgid)
		bpf_map_delete_elem(&sandboxes, &tgid);
	return 0;
}
