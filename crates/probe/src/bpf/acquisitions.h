/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the kernel side of the acquisitions level and the recorder both read.
 * The same rules as in records.h.
 */
#ifndef LIMA_ACQUISITIONS_RECORDS_H
#define LIMA_ACQUISITIONS_RECORDS_H

#include "shared.h"

/* How long locks were held: bucket 0 is up to 63 ns, bucket b is 2^(b+5) to 2^(b+6) - 1 ns, the last one all above. */
#define OCTAVES 32

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
	__u64 tenant;
	__u32 life; /* which lock at that address, counted by its initialisations; 0: the one that was there already */
	__u8 lock_type;
	__u8 mode;
	__u8 context;
	__u8 zero;
	__u32 tag;
	__u32 zero2;
	__u64 acquisitions;
	__u64 failed; /* attempts that did not get the lock */
	__u64 holds; /* that ended */
	__u64 hold_ns;
	__u64 hold_max_ns;
	__u64 waits;
	__u64 wait_ns;
	__u64 wait_max_ns;
	__u32 octaves[OCTAVES];
};

/* A lock whose initialisation was seen. lock 0: free. */
struct life {
	__u64 lock;
	__u32 number; /* of initialisations at this address */
	__u32 zero;
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
	__u32 zero2;
	__u8 births; /* whether initialisations are sent */
	__u8 atomic; /* a program may be interrupted by another task on its CPU */
	__u8 zero[6];
};

/* Counters of their own. */
enum acquisition_counter {
	ACQ_SUMS_FULL = 0, /* acquisitions that found no slot */
	ACQ_HELD_FULL = 1, /* acquisitions whose hold found no slot */
	ACQ_NOT_HELD = 2, /* releases of locks whose acquisition was not seen */
	ACQ_HELD_TWICE = 3, /* acquisitions of locks whose release was not seen */
	ACQ_NO_SITE = 4, /* acquisitions whose site could not be read */
	ACQ_LIVES_FULL = 5, /* initialisations that found no slot */
	ACQ_BIRTH_LOST = 6, /* initialisations that found no room in the ring buffer */
	ACQ_HOLD_LOST = 7, /* holds that ended without a slot in the sums */
	ACQ_COUNTERS = 8,
};

_Static_assert(sizeof(struct sum) == 232, "");
_Static_assert(sizeof(struct life) == 16, "");
_Static_assert(sizeof(struct birth) == 88, "");
_Static_assert(sizeof(struct acquiring) == 24, "");
_Static_assert(__builtin_offsetof(struct sum, lock_type) == 28, "");
_Static_assert(__builtin_offsetof(struct sum, acquisitions) == 40, "");
_Static_assert(__builtin_offsetof(struct sum, octaves) == 104, "");
_Static_assert(__builtin_offsetof(struct birth, name) == 48, "");

#endif
