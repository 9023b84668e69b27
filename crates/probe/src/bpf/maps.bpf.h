/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The maps of the contention collector: who writes, who reads, what happens when one is full. */
#ifndef LIMA_MAPS_H
#define LIMA_MAPS_H

#include "basics.bpf.h"

/* Which of the two pairs of totals the programs write; the recorder flips it at the end of each time bucket, waits
 * until no program can still be in the old pair, and empties that one. So nothing is read while it is written. */
volatile __u32 generation = 0;

/* How many tasks sleep in a wait, by the low bits of their tids: almost all that sched_waking sees are not among them. */
#define SLEEPER_BITS 10
__u32 sleepers[1 << SLEEPER_BITS] = {};

/* Sums over waits. Written at contention_end, read and emptied by the recorder, which sets the size. Full, or no memory
 * at that moment: the wait is sent through the ring buffer instead and added up by the recorder. Per CPU, and a program
 * never interrupts itself: no atomics. */
struct totals_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct totals_key);
	__type(value, struct totals);
};
struct totals_map totals_0 SEC(".maps");
struct totals_map totals_1 SEC(".maps");

/* Sums by task, as the totals. */
struct task_totals_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct task_key);
	__type(value, struct task_totals);
};
struct task_totals_map tasks_0 SEC(".maps");
struct task_totals_map tasks_1 SEC(".maps");

/* The same sums ahead of the maps, for what comes first in a time bucket: 2 * SLOTS, one half for each generation.
 * Written at contention_end, read by the recorder. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * SLOTS);
	__type(key, __u32);
	__type(value, struct totals_slot);
} totals_slots SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * SLOTS);
	__type(key, __u32);
	__type(value, struct task_slot);
} task_slots SEC(".maps");

/* Single waits, new stacks, notices. Read by the recorder, which sets the size. Full: counted by kind. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} records SEC(".maps");

/* Stacks whose addresses were sent, and how often for learning. Full: the oldest is forgotten and sent again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u32);
} stacks_sent SEC(".maps");

/* Names of slab caches by address. Written here, read by the recorder. Full: the cache stays without a name. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, __u64);
	__type(value, struct slab_cache);
} slab_caches SEC(".maps");

/*
 * Submits a record. The recorder looks into the buffer by itself some twenty times a second, as waking it for each
 * record would cost more than the record; it is woken when the buffer fills up before that.
 */
static __always_inline void submit(void *record)
{
	__u64 waiting = bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA);

	bpf_ringbuf_submit(record, waiting > settings.wakeup_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

#endif
