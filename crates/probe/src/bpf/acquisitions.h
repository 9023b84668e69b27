/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the kernel side of the acquisitions level and the recorder both read.
 * The same rules as in records.h.
 */
#ifndef LIMA_ACQUISITIONS_RECORDS_H
#define LIMA_ACQUISITIONS_RECORDS_H

#include "shared.h"

/* How long locks were held or waited for: bucket 0 is up to 63 ns, bucket b is 2^(b+5) to 2^(b+6) - 1 ns, the last one
 * all above. */
#define OCTAVES 32

/* What is measured, beside acquisitions and failed attempts. */
#define STAT_WAIT 1U
#define STAT_WAIT_HIST 2U
#define STAT_HOLD 4U
#define STAT_HOLD_HIST 8U
#define STAT_CROSS_CPU 16U
#define STAT_CROSS_NODE 32U
#define STAT_READER_WRITER 64U
#define STAT_BATCH 128U
#define STAT_STACK 256U
#define STAT_FAST_SLOW 512U

/*
 * Sums over the acquisitions of one lock at one site, by one tenant in one
 * context, on one CPU in one time bucket. tag says whether a slot is in use,
 * and for which time bucket: 0 never; else SUM_TAG(generation), with the lowest
 * bit set when the key is whole.
 */
#define SUM_READY 1U
#define SUM_TAG(generation) ((generation) << 1)
struct sum {
	__u64 lock;
	__u64 site;
	__u64 beyond; /* where a site in a wrapper was called; with STAT_STACK the number of the stack; else 0 */
	__u64 tenant;
	__u32 life; /* which lock at that address, counted by its initialisations; 0: the one that was there already */
	__u8 lock_type;
	__u8 mode;
	__u8 context;
	__u8 zero;
	__u32 tag;
	__u32 longest_run; /* acquisitions in a row by one CPU */
	__u64 acquisitions;
	__u64 failed; /* attempts that did not get the lock */
	__u64 holds; /* that ended */
	__u64 hold_ns;
	__u64 hold_min_ns;
	__u64 hold_max_ns;
	__u64 waits;
	__u64 wait_ns;
	__u64 wait_min_ns;
	__u64 wait_max_ns;
	__u64 cross_cpu; /* acquisitions after one by another CPU */
	__u64 cross_cpu_waits; /* such that waited */
	__u64 cross_node; /* acquisitions after one on another NUMA node */
	__u64 mode_changes; /* reading after writing, or writing after reading */
	__u64 hold_max_end_ns; /* of the longest hold and the longest wait: when it ended, and whose it was */
	__u64 wait_max_end_ns;
	__u32 hold_max_tid;
	__u32 wait_max_tid;
	__u32 hold_octaves[OCTAVES];
	__u32 wait_octaves[OCTAVES];
};

/* An acquisition or the end of a hold for which the sums had no slot: the recorder adds it up. */
#define SPILL_GOT 1U
#define SPILL_FAILED 2U
#define SPILL_HOLD 4U
#define SPILL_CROSS_CPU 8U
#define SPILL_CROSS_NODE 16U
#define SPILL_MODE_CHANGE 32U
struct spill {
	__u32 kind;
	__u32 tag; /* as in struct sum: of which time bucket */
	__u64 lock;
	__u64 site;
	__u64 beyond;
	__u64 tenant;
	__u32 life;
	__u8 lock_type;
	__u8 mode;
	__u8 context;
	__u8 what; /* SPILL_* */
	__u64 ns; /* of the hold, or of the wait */
	__u64 end_ns;
	__u32 tid;
	__u32 run; /* acquisitions in a row by this CPU */
};
#define RECORD_SPILL 17

/* The last acquisition of a lock. lock 0: free. */
struct last {
	__u64 lock;
	__u32 run; /* acquisitions by this CPU without another in between */
	__u16 cpu; /* 1 + its number, 0: none yet */
	__u8 node;
	__u8 mode;
};

/* What is known of a place in the code, by the address that a call there returns to. address 0: free. */
#define PLACE_READY 1U
#define PLACE_WRAPPER 2U /* in a function that takes locks for its caller */
#define PLACE_CHOSEN 4U /* acquisitions from here are wanted */
#define PLACE_OF_LOCK 8U /* takes a lock that is wanted */
#define PLACE_MACHINERY 16U /* of what the kernel runs around BPF programs */
struct place {
	__u64 address;
	__u32 flags;
	__u32 zero;
};

/* Code from which a place gets its flags. */
#define RANGES 128
struct range {
	__u64 start;
	__u32 size;
	__u32 flags;
};

/* A stack that was sent to the recorder. hash 0: free. */
struct known_stack {
	__u64 hash;
	__u32 sent;
	__u32 zero;
};

/* A lock whose initialisation was seen. lock 0: free. */
struct life {
	__u64 lock;
	__u32 number; /* of initialisations at this address */
	__u32 zero;
};

/* A wait that no tracepoint reports: a task in the slow path of a lock function. task 0: free. */
struct slow_path {
	__u64 task; /* address of its task_struct */
	__u64 lock;
	__u64 begin_ns;
	__u64 end_ns; /* 0: under way */
};

/* A lock was initialised. */
#define LOCK_NAME_LEN 40
struct birth {
	__u32 kind;
	__u32 life;
	__u64 ns;
	__u64 lock;
	__u64 site;
	__u64 tenant;
	__u32 tid;
	__u8 lock_type;
	__u8 context;
	__u8 zero[2];
	__u8 name[LOCK_NAME_LEN];
};
#define RECORD_BIRTH 16

/* What the recorder decides before the programs are loaded, beside struct settings. */
struct acquiring {
	__u32 cpus; /* that there may be: the parts of the sums */
	__u32 sum_bits; /* slots for each CPU and time bucket: 2^sum_bits */
	__u32 life_bits;
	__u32 stats; /* STAT_* */
	__u32 place_bits;
	__u32 range_count; /* of the ranges that are used */
	__u8 births; /* whether initialisations are sent */
	__u8 atomic; /* a program may be interrupted by another task on its CPU */
	__u8 by_lock; /* only locks that are chosen */
	__u8 by_place; /* a lock is also chosen by the places that take it */
	__u8 by_site; /* only acquisitions from places that are chosen */
	__u8 zero[3];
	__u32 own_tgid; /* the recorder */
	__u32 born_types; /* bit per enum lock_type: initialisations are seen */
	__u32 zero2;
	__u32 sample[16]; /* one in so many, by enum lock_type; 0 and 1: all */
	struct range ranges[RANGES];
};

/* Counters of their own. */
enum acquisition_counter {
	ACQ_SUMS_FULL = 0, /* acquisitions that found no slot, and no room in the ring buffer */
	ACQ_HELD_FULL = 1, /* acquisitions whose hold found no slot */
	ACQ_NOT_HELD = 2, /* releases of locks whose acquisition was not seen */
	ACQ_HELD_TWICE = 3, /* acquisitions of locks whose release was not seen */
	ACQ_NO_SITE = 4, /* acquisitions whose site could not be read */
	ACQ_LIVES_FULL = 5, /* initialisations that found no slot */
	ACQ_BIRTH_LOST = 6, /* initialisations that found no room in the ring buffer */
	ACQ_HOLD_LOST = 7, /* holds that ended without either */
	ACQ_LASTS_FULL = 8, /* acquisitions whose lock found no slot for its last acquisition */
	ACQ_PLACES_FULL = 9, /* acquisitions at a place that found no slot */
	ACQ_STACK_LOST = 10, /* acquisitions whose stack or caller could not be read */
	ACQ_STACK_MISMATCH = 11, /* stacks that were put together wrongly */
	ACQ_OWN = 12, /* acquisitions by the recorder: no loss */
	ACQ_CHOSEN_FULL = 13, /* acquisitions of locks that are wanted and found no slot among those that are chosen */
	ACQ_STACKS_FULL = 14, /* acquisitions whose stack found no slot */
	ACQ_SLOW_FULL = 15, /* slow paths that found no slot */
	ACQ_SPILLED = 16, /* acquisitions and holds that went through the ring buffer: no loss */
	ACQ_COUNTERS = 17,
};

_Static_assert(sizeof(struct sum) == 440, "");
_Static_assert(sizeof(struct spill) == 72, "");
_Static_assert(sizeof(struct last) == 16, "");
_Static_assert(sizeof(struct place) == 16, "");
_Static_assert(sizeof(struct known_stack) == 16, "");
_Static_assert(sizeof(struct slow_path) == 32, "");
_Static_assert(sizeof(struct life) == 16, "");
_Static_assert(sizeof(struct birth) == 88, "");
_Static_assert(sizeof(struct acquiring) == 2160, "");
_Static_assert(__builtin_offsetof(struct sum, lock_type) == 36, "");
_Static_assert(__builtin_offsetof(struct sum, acquisitions) == 48, "");
_Static_assert(__builtin_offsetof(struct sum, hold_octaves) == 184, "");
_Static_assert(__builtin_offsetof(struct acquiring, ranges) == 112, "");
_Static_assert(__builtin_offsetof(struct birth, name) == 48, "");

#endif
