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

/* Named here so that BTF, and with it the Rust side, knows the records. */
const struct birth *birth_record __attribute__((unused));
const struct spill *spill_record __attribute__((unused));

/* Set before loading, beside the settings. */
const volatile struct acquiring acquiring = {};

/* Which of the two halves of the sums the programs write, as in maps.bpf.h; not 0 while it is recorded. */
volatile __u32 generation = 0;

/* Initialisations, stacks that may be new, and what the sums had no room for. Read by the recorder. Full: counted. */
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
#include "lasts.bpf.h"
#include "spill.bpf.h"
#include "lives.bpf.h"
#include "places.bpf.h"
#define WHOLE_STACKS (acquiring.stats & STAT_STACK)
#include "recall.bpf.h"
#include "callers.bpf.h"

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

/* The same number, of which the verifier knows nothing: else it follows what comes after once for each way to it. */
static __always_inline __u64 unknown_number(struct call *call, __u64 number)
{
	volatile __u64 *scratch = &call->part->scratch[bounded(call->key.context, LEVELS - 1)];

	*scratch = number;
	return *scratch;
}

/* Fills in what is the same for all, when the lock is known; false: not to be counted. */
static __always_inline bool enter_by(struct call *call)
{
	if (!recording)
		return false;
	if (acquiring.by_lock && !acquiring.by_place && !is_chosen(call->key.lock, false))
		return false;
	call->cpu = bpf_get_smp_processor_id();
	call->part = bpf_map_lookup_elem(&cpu_parts, &call->cpu);
	if (!call->part)
		return false;
	call->key.context = context_now(call->part);
	if (call->part->inside == call->key.context + 1)
		return false;
	call->task = bpf_get_current_task_btf();
	return true;
}

static __always_inline __u64 lock_of(void *ctx, __u8 lock_type)
{
	__u64 lock = 0;

	bpf_get_func_arg(ctx, 0, &lock);
	/* What the other functions are handed begins with the lock. */
	if (lock_type == LOCK_SOCKET_LOCK)
		lock += bpf_core_field_offset(struct sock, sk_lock);
	return lock;
}

/* Where locks were chosen, most of the others are told by this alone: where such a one would lie, none does. */
static __always_inline bool passes_by(void *ctx, __u8 lock_type)
{
	__u64 *chosen;
	__u32 home;

	if (!acquiring.by_lock || acquiring.by_place)
		return false;
	home = chosen_home(lock_of(ctx, lock_type));
	chosen = bpf_map_lookup_elem(&chosen_locks, &home);
	return chosen && !*chosen;
}

static __always_inline bool enter(void *ctx, struct call *call)
{
	call->key.lock = lock_of(ctx, call->key.lock_type);
	return enter_by(call);
}

/* Whether a sample passes this one over. The gaps are drawn evenly around their mean, so that no rhythm of the load is
 * met or missed. */
static __always_inline bool passed_over(struct call *call)
{
	__u32 every = acquiring.sample[call->key.lock_type & 15];
	__u64 *skip = &call->part->skip[bounded(call->key.context, LEVELS - 1)];

	if (every <= 1)
		return false;
	if (*skip) {
		--*skip;
		return true;
	}
	*skip = bpf_get_prandom_u32() % (2 * every - 1);
	return false;
}

/* Whether the site takes a lock that is wanted, in which case the programs on waits are to know it. */
static __always_inline bool choose_by_place(struct call *call)
{
	if (is_chosen(call->key.lock, false))
		return true;
	if (!(flags_of(call->key.site) & PLACE_OF_LOCK))
		return false;
	if (!is_chosen(call->key.lock, true))
		count_acq(ACQ_CHOSEN_FULL);
	return true;
}

/* Finds the site and what lies beyond it; false: it is no place that takes a lock that is wanted. */
static __always_inline bool locate(void *ctx, __u32 arguments, struct call *call)
{
	__u32 word = 0;

	call->key.site = site_of(ctx, arguments, &word);
	if (acquiring.by_place && !choose_by_place(call))
		return false;
	call->key.beyond = unknown_number(call, beyond_of(ctx, call->part, call->key.context, call->key.site, word));
	return true;
}

/* Whose it is, whether or not it is counted: a hold that is not may be what others wait for. */
static __always_inline bool attribute(struct call *call)
{
	__u8 comm[COMM_LEN] = {};

	if (settings.tenant_by == TENANT_BY_COMM || settings.filter_comm)
		copy_comm(comm, call->task);
	call->key.tenant = call->key.context == CONTEXT_TASK ? tenant_of(call->task, true, comm) : TENANT_KERNEL;
	if (call->task->tgid == acquiring.own_tgid && call->key.context == CONTEXT_TASK) {
		count_acq(ACQ_OWN);
		return false;
	}
	if (acquiring.by_site && !(flags_of(call->key.site) & PLACE_CHOSEN) &&
	    !(call->key.beyond && !(acquiring.stats & STAT_STACK) && flags_of(call->key.beyond) & PLACE_CHOSEN))
		return false;
	return passes(call->task, comm, call->key.tenant, call->key.lock_type);
}

#include "holds.bpf.h"

/* Adds an acquisition, or an attempt, to its sums. */
static __always_inline void add_acquisition(struct call *call, bool got, __u64 wait_ns, __u64 end_ns)
{
	struct sum *sum = sum_of(&call->key, call->cpu);

	if (!sum) {
		spill_acquisition(&call->key, got, call->cpu, wait_ns, call->task->pid, end_ns);
		return;
	}
	if (got)
		add(&sum->acquisitions, 1);
	else
		add(&sum->failed, 1);
	if ((acquiring.stats & (STAT_WAIT | STAT_WAIT_HIST | STAT_FAST_SLOW)) && wait_ns)
		add_wait(sum, wait_ns, call->task->pid, end_ns);
	if ((acquiring.stats & STATS_OF_LASTS) && got)
		add_move(sum, &call->key, call->cpu, wait_ns);
}

#include "slow.bpf.h"

/* kept: got, and let go by one of the functions that are traced. */
static __always_inline int acquired(void *ctx, __u32 arguments, __u8 lock_type, __u8 mode, bool got, bool kept)
{
	struct waited *waited;
	__u64 wait_ns = 0, got_ns = 0;
	struct call call;

	if (passes_by(ctx, lock_type))
		return 0;
	call = (struct call){ .key.lock_type = lock_type, .key.mode = mode };
	if (!enter(ctx, &call))
		return 0;
	waited = &call.part->waited[bounded(call.key.context, LEVELS - 1)];
	if (waited->lock == call.key.lock) {
		wait_ns = waited->ns;
		got_ns = waited->end_ns;
		waited->lock = 0;
	}
	if (has_slow_path(lock_type))
		wait_ns = take_slow_path(&call, &got_ns);
	wait_ns = unknown_number(&call, wait_ns);
	got_ns = unknown_number(&call, got_ns);
	if (passed_over(&call) || !locate(ctx, arguments, &call))
		return 0;
	if (acquiring.born_types & (1 << lock_type))
		call.key.life = unknown_number(&call, life_of(call.key.lock));
	if (attribute(&call))
		add_acquisition(&call, got, wait_ns, got_ns);
	if (kept && (acquiring.stats & (STAT_HOLD | STAT_HOLD_HIST)))
		begin_hold(&call, got_ns);
	return 0;
}

static __always_inline int released(void *ctx, __u8 lock_type, __u8 mode)
{
	struct held *held;
	struct call call;
	__u64 now;

	if (passes_by(ctx, lock_type))
		return 0;
	call = (struct call){ .key.lock_type = lock_type, .key.mode = mode };
	if (!enter(ctx, &call))
		return 0;
	held = find_held(call.key.lock, holder_of(call.task, lock_type, mode, call.key.context, call.part));
	if (!held && lock_type == LOCK_RWSEM && mode == MODE_READ)
		held = find_read_by_other(call.key.lock);
	if (!held) {
		/* A semaphore may be let go by whoever likes; a bit that was free, and a socket in net/core/sock.c, were
		 * taken in inlined code; and not every acquisition was wanted. */
		if (lock_type != LOCK_SEMAPHORE && !has_slow_path(lock_type) && !acquiring.by_place &&
		    acquiring.sample[lock_type & 15] <= 1)
			count_acq(ACQ_NOT_HELD);
		return 0;
	}
	now = bpf_ktime_get_ns();
	end_hold(held, &call, now);
	blame_until(find_contest(contest_key(call.key.lock, call.key.lock_type)), held->tenant, held->got_ns, now);
	free_held(held);
	return 0;
}

#include "births.bpf.h"

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

#define ON_RETURN(name, type, how, arguments, got, kept)                              \
	SEC("fexit/" #name)                                                           \
	int on_##name(void *ctx)                                                      \
	{                                                                             \
		bool has = got;                                                       \
		return acquired(ctx, arguments, LOCK_##type, MODE_##how, has, kept);  \
	}
#define ACQUIRE(name, type, how, arguments) ON_RETURN(name, type, how, arguments, true, true)
#define ZERO(name, type, how, arguments) ON_RETURN(name, type, how, arguments, !result_of(ctx), has)
#define OTHER(name, type, how, arguments) ON_RETURN(name, type, how, arguments, true_result(ctx), has)
#define FAST(name, type, how, arguments) ON_RETURN(name, type, how, arguments, true, true_result(ctx))
#define UNSEEN(name, type, how, arguments, got) ON_RETURN(name, type, how, arguments, got, false)
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

/* The slow paths; begin_: on their entry, end_: on the return of those that are a part of the lock function. */
#define SLOW_PATH(name, type)                                                         \
	SEC("fentry/" #name)                                                          \
	int begin_##name(void *ctx)                                                   \
	{                                                                             \
		return begin_slow_path(ctx, LOCK_##type);                             \
	}
SLOW_PATH(__folio_lock, BIT_LOCK)
SLOW_PATH(__folio_lock_killable, BIT_LOCK)
SLOW_PATH(out_of_line_wait_on_bit_lock, BIT_LOCK)
SLOW_PATH(__lock_sock, SOCKET_LOCK)

SEC("fexit/__lock_sock")
int end___lock_sock(void *ctx)
{
	return end_slow_path(ctx, LOCK_SOCKET_LOCK);
}

#include "rcu.bpf.h"

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
	end_hold(held, &call, now);
	blame_until(find_contest(contest_key(call.key.lock, call.key.lock_type)), held->tenant, held->got_ns, now);
	who = holder_of(call.task, LOCK_RWSEM, MODE_READ, call.key.context, call.part);
	read = claim_held(call.key.lock, who);
	if (read) {
		read->tenant = held->tenant;
		read->site = held->site;
		read->beyond = held->beyond;
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
