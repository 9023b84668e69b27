/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the programs on waits and those on acquisitions tell each other. The recorder does not read it. */
#ifndef LIMA_SHARED_H
#define LIMA_SHARED_H

#include "records.h"

/*
 * A hold that has not ended. lock 0: the slot is free; it is claimed by
 * compare-and-exchange. since_ns is written last: 0 while the rest is not there yet.
 */
struct held {
	__u64 lock;
	__u64 since_ns; /* when the lock function was about to return */
	__u64 got_ns; /* when it had the lock: before that, if it had waited and the wait was counted meanwhile */
	__u64 tenant;
	__u64 site;
	__u64 beyond; /* as in struct sum */
	__u64 task; /* address of its task_struct; in an interrupt, of the task that was interrupted */
	__u64 who; /* of readers: whose hold this is; 0: the only holder */
	__u32 tid;
	__u32 cpu;
	__u32 life;
	__u32 sum; /* its slot in the sums, on that CPU and for that tag */
	__u32 tag;
	__u8 lock_type;
	__u8 mode;
	__u8 context;
	__u8 zero;
};

/* What the programs keep for each CPU. */
#define LEVELS 4 /* enum wait_context up to CONTEXT_NMI: task, soft interrupt, interrupt, non-maskable interrupt */
struct waited {
	__u64 lock;
	__u64 ns;
	__u64 end_ns;
};
struct cpu_part {
	__u64 counter; /* address of the CPU's preempt_count, 0: not known yet */
	__u64 inside; /* 1 + the level at which a program of LIMA takes locks of its own; 0: none does */
	__u64 scratch[LEVELS]; /* addresses as numbers */
	__u64 skip[LEVELS]; /* acquisitions that a sample passes over, before the next */
	__u64 learn_after_ns; /* no stack is sent to learn from before that */
	__u64 send_after_ns; /* none at all before that: the buffer was full */
	__u64 recalled; /* callers and stacks that were not walked, since the last that was */
	struct waited waited[LEVELS]; /* the wait that ended last, until the acquisition that it was for */
};

/*
 * A lock that somebody has waited for, and for how long each tenant held it
 * since then (blame.bpf.h). lock 0: free.
 */
#define RIVALS 4
struct rival {
	__u64 tenant; /* TENANT_UNKNOWN: free */
	__u64 held_ns;
};
struct contest {
	__u64 lock;
	__u64 settled_ns; /* what was held until then has been added */
	struct rival rivals[RIVALS];
	__u64 others_ns; /* of other tenants, or not known whose */
};

/* What a contest said when a wait began. */
struct reading {
	__u64 held_ns[RIVALS];
	__u64 others_ns;
	__u64 task; /* the holder of that moment, 0: none or not known */
	__u64 tenant;
	__u64 site;
	__u64 beyond;
	__u32 cpu;
	__u32 mode;
};

#endif
