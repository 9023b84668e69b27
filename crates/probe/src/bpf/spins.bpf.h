/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Waits of locks that keep the CPU while they spin: a stack of them for each CPU. */
#ifndef LIMA_SPINS_H
#define LIMA_SPINS_H

struct spin {
	__u64 lock;
	__u64 begin_ns;
	__u32 flags;
	__u32 zero;
	struct reading reading; /* with settings.exact */
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
	struct wait blamed; /* the spin that is being counted, with settings.exact */
};

/* Waits of spinning locks on each CPU. Read and written by the programs of that CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_state);
} cpu_states SEC(".maps");

static __always_inline struct cpu_state *this_cpu_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_states, &zero);
}

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
	if (settings.exact)
		begin_blame(&spin->reading, lock, lock_type_of(flags), spin->begin_ns);
	cpu->depth++;
	count(COUNT_BEGUN, 1);
}

/* Whether the wait that was begun last is one for this lock, a spinlock. */
static __always_inline bool spins_for(const struct cpu_state *cpu, __u64 lock)
{
	__u32 top;

	if (!cpu || !cpu->depth)
		return false;
	top = cpu->depth - 1;
	if (top >= CPU_SPINS)
		return false;
	top = bounded(top, CPU_SPINS - 1);
	return cpu->spins[top].lock == lock && cpu->spins[top].flags == LCB_F_SPIN;
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

#endif
