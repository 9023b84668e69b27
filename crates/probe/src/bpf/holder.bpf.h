/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Who held the lock, and for which part of a wait.
 *
 * The tracepoints do not say it, so the lock is looked at: when the wait
 * begins, when spinning turns into sleeping, when the waiter is woken, and when
 * it has the lock. Each look settles the time since the last one: what the lock
 * said then, checked against what is known now. Where the two do not fit
 * together the time is *unknown*.
 */
#ifndef LIMA_HOLDER_H
#define LIMA_HOLDER_H

/* Whoever finds a lock free while spinning takes it at once. A longer spin means that somebody else was faster. */
#define FREE_SPIN_NS 2000

enum lock_state {
	STATE_UNKNOWN = 0,
	STATE_FREE = 1,
	STATE_HELD = 2, /* by the task in wait->seen */
	STATE_READERS = 3, /* by nobody knows which readers */
};

/* A task that has, or had, the lock. Its name is read only for events: a task_struct lies in many cache lines, and most
 * of them are cold here. */
struct hand {
	__u64 tenant;
	__u64 task; /* address of its task_struct, 0: none */
};

/* What a tenant held of a wait. */
struct part {
	__u64 tenant;
	__u64 held_ns;
	__u64 longest_ns;
	__u64 task; /* the one that held it longest at a stretch ... */
	__u64 alive_ns; /* ... and a time at which it was still alive */
	__u64 method;
};

struct wait {
	__u64 lock;
	__u64 begin_ns;
	__u64 phase_ns; /* begin of spinning or sleeping */
	__u64 spin_ns;
	__u64 look_ns; /* the last look */
	__u64 woken_ns; /* the last time it was woken, 0: never */
	__u64 free_ns;
	__u64 unknown_ns;
	__u64 holder_stack;
	__u64 release_stack;
	struct hand seen; /* the owner at the last look */
	struct part main; /* the tenant that held the lock longest */
	struct part other;
	struct hand hand; /* the waker, when it woke this task */
	__u64 hand_acquired_ns; /* when it had got the lock, 0: not known */
	__u8 lock_type;
	__u8 mode;
	__u8 state;
	__u8 spinning;
	__u8 owner_runs; /* on a CPU at this moment */
	__u8 zero[3];
	struct reading reading; /* with settings.exact */
};

#define TASK_WAITS 4
struct task_state {
	__u32 depth;
	__u32 zero;
	/* The last lock that the task got after waiting: when it was woken for it, when it got it, whom it got it from,
	 * and when that one had got it. */
	__u64 acquired;
	__u64 acquired_ns;
	__u64 woken_ns;
	__u64 before_ns;
	struct hand before;
	struct wait waits[TASK_WAITS];
};

/* Waits of sleeping locks of each task. Written by the task's own programs and by its waker, which runs while the
 * task does not. Freed with the task. No memory: counted in LOST_TASK_STATE. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} task_states SEC(".maps");

static __always_inline void remember_owner(struct wait *wait, __u64 owner)
{
	struct task_struct *task = (struct task_struct *)owner;
	__u8 comm[COMM_LEN] = {};

	wait->seen.task = owner;
	if (bpf_ksym_exists(bpf_rdonly_cast)) {
		task = bpf_rdonly_cast(task, bpf_core_type_id_kernel(struct task_struct));
		wait->owner_runs = task->on_cpu;
		if (settings.tenant_by == TENANT_BY_COMM)
			copy_comm(comm, task);
		wait->seen.tenant = tenant_of(task, true, comm);
		return;
	}
	wait->owner_runs = BPF_CORE_READ(task, on_cpu);
	if (settings.tenant_by == TENANT_BY_COMM)
		BPF_CORE_READ_INTO(&comm, task, comm);
	wait->seen.tenant = tenant_of(task, false, comm);
}

/*
 * Fills in which task it was. It may have ended since it was seen, and its
 * task_struct be another task's by now: one that started later.
 */
static __always_inline void name_task(struct holder *holder, const struct part *part)
{
	struct task_struct *task = (struct task_struct *)part->task;

	if (!task || BPF_CORE_READ(task, start_time) > part->alive_ns)
		return;
	holder->tid = BPF_CORE_READ(task, pid);
	holder->tgid = BPF_CORE_READ(task, tgid);
	BPF_CORE_READ_INTO(&holder->comm, task, comm);
}

/* What the lock says now. waiter: the address of the waiting task. */
static __always_inline __u8 look(struct wait *wait, __u64 waiter)
{
	__u64 owner, held, readers;

	if (!settings.peek)
		return STATE_UNKNOWN;
	if (wait->lock_type == LOCK_MUTEX) {
		owner = peek(wait->lock + bpf_core_field_offset(struct mutex, owner)) & ~MUTEX_FLAGS;
	} else if (wait->lock_type == LOCK_RWSEM) {
		held = peek(wait->lock + bpf_core_field_offset(struct rw_semaphore, count));
		readers = (held & RWSEM_READER_MASK) >> RWSEM_READER_SHIFT;
		if (readers)
			return STATE_READERS;
		if (!(held & RWSEM_WRITER_LOCKED))
			return STATE_FREE;
		owner = peek(wait->lock + bpf_core_field_offset(struct rw_semaphore, owner)) & ~RWSEM_OWNER_FLAGS;
		/* The writer sets the count first, the owner then. */
		if (!owner)
			return STATE_UNKNOWN;
	} else {
		return STATE_UNKNOWN;
	}
	/* Handed over to the waiter, which does not know it yet. */
	if (!owner || owner == waiter)
		return STATE_FREE;
	remember_owner(wait, owner);
	return STATE_HELD;
}

/* Says that a tenant, by one of its tasks, held the lock for a part of the wait. */
static __always_inline void credit(struct wait *wait, const struct hand *who, __u64 alive_ns, __u64 ns, __u8 method)
{
	struct part *to;

	if (!wait->main.held_ns || wait->main.tenant == who->tenant)
		to = &wait->main;
	else if (!wait->other.held_ns || wait->other.tenant == who->tenant)
		to = &wait->other;
	else {
		wait->unknown_ns += ns;
		return;
	}
	if (!to->held_ns)
		to->longest_ns = 0;
	to->tenant = who->tenant;
	to->held_ns += ns;
	if (ns <= to->longest_ns)
		return;
	to->longest_ns = ns;
	to->task = who->task;
	to->alive_ns = alive_ns;
	to->method = method;
}

/* Time since the last look. A waker on another CPU may have looked after this program read the clock. */
static __always_inline __u64 since_look(struct wait *wait, __u64 now)
{
	__u64 ns = now > wait->look_ns ? now - wait->look_ns : 0;

	wait->look_ns = now;
	return ns;
}

/* Settles the time since the last look without help from a waker. */
static __always_inline void settle(struct wait *wait, __u64 now)
{
	__u64 looked = wait->look_ns, ns = since_look(wait, now);

	if (wait->state == STATE_HELD)
		credit(wait, &wait->seen, looked, ns, METHOD_OWNER_WORD);
	else if (wait->state == STATE_FREE && (!wait->spinning || ns <= FREE_SPIN_NS))
		wait->free_ns += ns;
	else
		wait->unknown_ns += ns;
}

/*
 * The lock went from hand to hand since the last look: the waker, too, waited
 * for it, and what it knows of its own wait says who had it before. What lies
 * before that is settled by what was seen, when this is the same task.
 */
static __always_inline void settle_hands(struct wait *wait, const struct hand *seen, const struct hand *waker,
					 const struct task_state *its, __u64 since, __u64 now)
{
	__u64 woken = its->woken_ns >= since ? its->woken_ns : its->acquired_ns;
	__u64 before = its->before_ns >= since && its->before_ns <= woken ? its->before_ns : 0;

	credit(wait, waker, now, now - its->acquired_ns, METHOD_ACQUIRER);
	wait->free_ns += its->acquired_ns - woken;
	if (wait->state == STATE_FREE) {
		wait->free_ns += woken - since;
	} else if (wait->state == STATE_HELD && woken == its->woken_ns && its->before.task == seen->task) {
		credit(wait, seen, since, woken - since, METHOD_OWNER_AND_WAKER);
	} else if (before && woken == its->woken_ns) {
		credit(wait, &its->before, before, woken - before, METHOD_ACQUIRER);
		wait->unknown_ns += before - since;
	} else {
		wait->unknown_ns += woken - since;
	}
}

/*
 * Settles the time since the last look, now that the waker is known. A task
 * that lets a lock go wakes the first waiter itself: so the waker held the lock
 * until now, unless it only interrupts the wait (a signal).
 */
static __always_inline void settle_woken(struct wait *wait, const struct hand *seen, const struct hand *waker,
					 const struct task_state *its, __u8 state, __u64 now)
{
	__u64 since = wait->look_ns, ns = since_look(wait, now);

	if (wait->state == STATE_HELD && seen->task == waker->task)
		credit(wait, waker, now, ns, METHOD_OWNER_AND_WAKER);
	else if (wait->state == STATE_READERS && state != STATE_READERS)
		/* No reader gets in past a waiting writer: the last to leave held the lock all the time. */
		credit(wait, waker, now, ns, METHOD_LAST_READER);
	else if (its && its->acquired == wait->lock && its->acquired_ns >= since && its->acquired_ns <= now)
		settle_hands(wait, seen, waker, its, since, now);
	else
		wait->unknown_ns += ns;
}

/* Of a wait that is over, makes the parts add up: what the two sides of a race have both counted is taken back. */
static __always_inline void add_up(struct wait *wait, __u64 ns)
{
	__u64 rest = ns;

	wait->main.held_ns = wait->main.held_ns < rest ? wait->main.held_ns : rest;
	rest -= wait->main.held_ns;
	wait->other.held_ns = wait->other.held_ns < rest ? wait->other.held_ns : rest;
	rest -= wait->other.held_ns;
	wait->free_ns = wait->free_ns < rest ? wait->free_ns : rest;
	wait->unknown_ns = rest - wait->free_ns;
}

#endif
