// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * The acquisitions level: every lock that is taken and let go, and for how long
 * it was held.
 *
 * A program on the return of each function that takes locks, and one on the
 * entry of each that lets them go (lock_functions.h). They must not touch maps
 * that have locks of their own, hash maps above all: these would be taken while
 * the lock function that is traced is under way.
 */
#define ON_LOCK_FUNCTIONS
#include "kernel.h"
#include "acquisitions.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "basics.bpf.h"
#include "tenant.bpf.h"
#include "filter.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Named here so that BTF, and with it the Rust side, knows the record. */
const struct birth *birth_record __attribute__((unused));

/* Set before loading, beside the settings. */
const volatile struct acquiring acquiring = {};

/* Which of the two halves of the sums the programs write, as in maps.bpf.h; not 0 while it is recorded. */
volatile __u32 generation = 0;

/* Initialisations. Read by the recorder. Full: counted. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} births SEC(".maps");

/* Counts by enum acquisition_counter; read by the recorder. */
volatile __u64 acquisition_counters[ACQ_COUNTERS] = {};

static __always_inline void count_acq(enum acquisition_counter which)
{
	__sync_fetch_and_add(&acquisition_counters[which], 1);
}

#include "inside.bpf.h"
#include "held.bpf.h"
#include "blame.bpf.h"
#include "sums.bpf.h"
#include "lives.bpf.h"

/* In 6.2 to 6.13 the count lies in struct pcpu_hot; before and after it is a variable. */
struct pcpu_hot {
	int preempt_count;
} __attribute__((preserve_access_index));
extern const struct pcpu_hot pcpu_hot __ksym __weak;
extern const int __preempt_count __ksym __weak;

static __always_inline __u8 context_now(struct cpu_part *part)
{
	const int *counter = NULL;

	if (bpf_ksym_exists(&__preempt_count))
		counter = bpf_this_cpu_ptr(&__preempt_count);
	else if (bpf_ksym_exists(&pcpu_hot))
		counter = &((const struct pcpu_hot *)bpf_this_cpu_ptr(&pcpu_hot))->preempt_count;
	if (!counter)
		return CONTEXT_TASK;
	part->counter = (__u64)counter;
	return context_by(*counter);
}

/* A lock function at work. */
struct call {
	struct held key;
	struct cpu_part *part;
	struct task_struct *task;
	__u32 cpu;
};

/* Where the traced function was called: the word above the return address into it, which lies above its arguments and,
 * when there are programs on its return, its result (arch_prepare_bpf_trampoline in arch/x86/net/bpf_jit_comp.c). */
static __always_inline __u64 site_of(void *ctx, __u32 arguments)
{
	__u64 words[3] = {}, entry = bpf_get_func_ip(ctx);

	bpf_probe_read_kernel(words, sizeof(words), ctx + 8 * arguments + 8);
	if (words[0] - entry < 16)
		return words[1];
	if (words[1] - entry < 16)
		return words[2];
	count_acq(ACQ_NO_SITE);
	return 0;
}

/* Fills in what is the same for all; false: not to be counted. */
static __always_inline bool enter(void *ctx, struct call *call)
{
	call->cpu = bpf_get_smp_processor_id();
	call->part = bpf_map_lookup_elem(&cpu_parts, &call->cpu);
	if (!recording || !call->part)
		return false;
	call->key.context = context_now(call->part);
	if (call->part->inside == call->key.context + 1)
		return false;
	bpf_get_func_arg(ctx, 0, &call->key.lock);
	call->task = bpf_get_current_task_btf();
	return true;
}

static __always_inline bool attribute(struct call *call)
{
	__u8 comm[COMM_LEN] = {};

	if (settings.tenant_by == TENANT_BY_COMM || settings.filter_comm)
		copy_comm(comm, call->task);
	call->key.tenant = call->key.context == CONTEXT_TASK ? tenant_of(call->task, true, comm) : TENANT_KERNEL;
	return passes(call->task, comm, call->key.tenant, call->key.lock_type);
}

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

static __always_inline int acquired(void *ctx, __u32 arguments, __u8 lock_type, __u8 mode, bool got)
{
	struct call call = { .key.lock_type = lock_type, .key.mode = mode };
	struct waited *waited;
	struct held *held;
	struct sum *sum;
	__u64 wait_ns = 0, got_ns = 0, now;

	if (!enter(ctx, &call))
		return 0;
	waited = &call.part->waited[bounded(call.key.context, LEVELS - 1)];
	if (waited->lock == call.key.lock) {
		wait_ns = waited->ns;
		got_ns = waited->end_ns;
		waited->lock = 0;
	}
	call.key.site = site_of(ctx, arguments);
	call.key.life = life_of(call.key.lock);
	if (attribute(&call)) {
		sum = sum_of(&call.key, call.cpu);
		if (sum) {
			if (got)
				add(&sum->acquisitions, 1);
			else
				add(&sum->failed, 1);
			if (wait_ns)
				add_wait(sum, wait_ns);
		} else {
			count_acq(ACQ_SUMS_FULL);
		}
	}
	/* Readers' holds of a percpu_rwsem end in inlined code. */
	if (!got || (lock_type == LOCK_PERCPU_RWSEM && mode == MODE_READ))
		return 0;
	call.key.who = holder_of(call.task, lock_type, mode, call.key.context, call.part);
	held = claim_held(call.key.lock, call.key.who);
	if (!held)
		return 0;
	held->tenant = call.key.tenant;
	held->site = call.key.site;
	held->who = call.key.who;
	held->task = (__u64)call.task;
	held->tid = call.task->pid;
	held->cpu = call.cpu;
	held->life = call.key.life;
	held->sum = call.key.sum;
	held->tag = call.key.tag;
	held->lock_type = lock_type;
	held->mode = mode;
	held->context = call.key.context;
	now = bpf_ktime_get_ns();
	held->got_ns = got_ns ? got_ns : now;
	barrier();
	held->since_ns = now;
	return 0;
}

/* Adds a hold to the sums that its acquisition was added to. */
static __always_inline void end_hold(struct held *held, __u32 cpu, __u64 now)
{
	struct sum *sum = NULL;
	struct held key;

	if (!held->tag)
		return; /* it did not pass the filters */
	if (held->cpu == cpu && held->tag == (SUM_TAG(generation) | SUM_READY)) {
		sum = sum_slot(cpu, held->tag, held->sum);
	} else {
		key = *held;
		sum = sum_of(&key, cpu);
	}
	if (sum)
		add_hold(sum, now > held->since_ns ? now - held->since_ns : 0);
	else
		count_acq(ACQ_HOLD_LOST);
}

static __always_inline int released(void *ctx, __u8 lock_type, __u8 mode)
{
	struct call call = { .key.lock_type = lock_type, .key.mode = mode };
	struct held *held;
	__u64 now;

	if (!enter(ctx, &call))
		return 0;
	held = find_held(call.key.lock, holder_of(call.task, lock_type, mode, call.key.context, call.part));
	if (!held) {
		/* A semaphore may be let go by whoever likes. */
		if (lock_type != LOCK_SEMAPHORE)
			count_acq(ACQ_NOT_HELD);
		return 0;
	}
	now = bpf_ktime_get_ns();
	end_hold(held, call.cpu, now);
	blame_until(find_contest(contest_key(call.key.lock, call.key.lock_type)), held->tenant, held->got_ns, now);
	free_held(held);
	return 0;
}

static __always_inline int initialised(void *ctx, __u32 arguments, __u8 lock_type)
{
	struct call call = { .key.lock_type = lock_type };
	struct birth *birth;
	__u64 name = 0;

	if (!enter(ctx, &call))
		return 0;
	call.key.life = new_life(call.key.lock);
	if (!acquiring.births || !attribute(&call))
		return 0;
	bpf_get_func_arg(ctx, 1, &name);
	call.key.site = site_of(ctx, arguments);
	/* The ring buffer's lock is traced as well. */
	call.part->inside = call.key.context + 1;
	birth = bpf_ringbuf_reserve(&births, sizeof(*birth), 0);
	if (birth) {
		birth->kind = RECORD_BIRTH;
		birth->life = call.key.life;
		birth->ns = bpf_ktime_get_ns();
		birth->lock = call.key.lock;
		birth->site = call.key.site;
		birth->tenant = call.key.tenant;
		birth->tid = call.task->pid;
		birth->lock_type = lock_type;
		birth->context = call.key.context;
		birth->zero[0] = birth->zero[1] = 0;
		birth->name[0] = 0;
		bpf_probe_read_kernel_str(birth->name, sizeof(birth->name), (void *)name);
		bpf_ringbuf_submit(birth, BPF_RB_NO_WAKEUP);
	} else {
		count_acq(ACQ_BIRTH_LOST);
	}
	call.part->inside = 0;
	return 0;
}

static __always_inline long result_of(void *ctx)
{
	__u64 result = 0;

	bpf_get_func_ret(ctx, &result);
	return (int)result;
}

/* bool and int: what is above the lowest byte of a bool says nothing. */
static __always_inline bool true_result(void *ctx)
{
	return result_of(ctx) & 0xff;
}

#define ON_RETURN(name, type, how, arguments, got)                                    \
	SEC("fexit/" #name)                                                           \
	int on_##name(void *ctx)                                                      \
	{                                                                             \
		return acquired(ctx, arguments, LOCK_##type, MODE_##how, got);        \
	}
#define ACQUIRE(name, type, how, arguments) ON_RETURN(name, type, how, arguments, true)
#define ZERO(name, type, how, arguments) ON_RETURN(name, type, how, arguments, !result_of(ctx))
#define OTHER(name, type, how, arguments) ON_RETURN(name, type, how, arguments, true_result(ctx))
#define RELEASE(name, type, how, arguments)                                           \
	SEC("fentry/" #name)                                                          \
	int on_##name(void *ctx)                                                      \
	{                                                                             \
		return released(ctx, LOCK_##type, MODE_##how);                        \
	}
#define INIT(name, type, arguments)                                                   \
	SEC("fentry/" #name)                                                          \
	int on_##name(void *ctx)                                                      \
	{                                                                             \
		return initialised(ctx, arguments, LOCK_##type);                      \
	}
#include "lock_functions.h"

/* A writer becomes a reader: one hold ends, another begins. */
SEC("fentry/downgrade_write")
int on_downgrade_write(void *ctx)
{
	struct call call = { .key.lock_type = LOCK_RWSEM, .key.mode = MODE_READ };
	struct held *held, *read;
	__u64 who, now;

	if (!enter(ctx, &call))
		return 0;
	held = find_held(call.key.lock, 0);
	if (!held) {
		count_acq(ACQ_NOT_HELD);
		return 0;
	}
	now = bpf_ktime_get_ns();
	end_hold(held, call.cpu, now);
	blame_until(find_contest(contest_key(call.key.lock, call.key.lock_type)), held->tenant, held->got_ns, now);
	who = holder_of(call.task, LOCK_RWSEM, MODE_READ, call.key.context, call.part);
	read = claim_held(call.key.lock, who);
	if (read) {
		read->tenant = held->tenant;
		read->site = held->site;
		read->who = who;
		read->task = held->task;
		read->tid = held->tid;
		read->cpu = call.cpu;
		read->life = held->life;
		read->tag = held->tag & ~SUM_READY; /* the sums of its mode are yet to be found */
		read->lock_type = held->lock_type;
		read->mode = MODE_READ;
		read->context = held->context;
		read->got_ns = now;
		barrier();
		read->since_ns = now;
	}
	free_held(held);
	return 0;
}
