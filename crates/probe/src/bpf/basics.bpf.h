/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What every collector has: what the recorder decides, the filters, and the counters. */
#ifndef LIMA_BASICS_H
#define LIMA_BASICS_H

/* Set before loading. */
const volatile struct settings settings = {};

/* Set by the recorder when all programs are attached, cleared before they are detached. */
volatile __u32 recording = 0;

/* Set by the recorder when there is any entry in sandboxes. */
volatile __u32 have_sandboxes = 0;

/* Processes of sandboxes and virtual machines, to their tenant. Written by the recorder and at fork, cleared at exit.
 * Full: the process belongs to its cgroup. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} sandboxes SEC(".maps");

/* The values that pass a filter, written by the recorder before loading (tenants also later). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} filter_tgids SEC(".maps"), filter_tids SEC(".maps"), filter_cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u8);
} filter_tenants SEC(".maps");

struct comm {
	__u8 name[COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct comm);
	__type(value, __u8);
} filter_comms SEC(".maps");

/* The locks that were chosen, by their addresses; written by the recorder before loading, and by the programs on
 * acquisitions at places that take a lock that is wanted. Full: the waits for further locks are left out, which is
 * counted. No locks. */
#define CHOSEN_BITS 14
#define CHOSEN_WINDOW 8
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} chosen_locks SEC(".maps");

/* Where a lock lies first among them. */
static __always_inline __u32 chosen_home(__u64 lock)
{
	return (lock * RULE_HASH) >> (64 - CHOSEN_BITS);
}

/* Verified once, for any arguments. */
__noinline int is_chosen(__u64 lock, bool choose)
{
	__u32 home = chosen_home(lock);

	for (__u32 i = 0; i < CHOSEN_WINDOW; i++) {
		__u32 at = (home + i) & ((1U << CHOSEN_BITS) - 1);
		__u64 *chosen = bpf_map_lookup_elem(&chosen_locks, &at);

		if (!chosen)
			return 0;
		if (choose && !*chosen)
			__sync_val_compare_and_swap(chosen, 0, lock);
		if (*chosen == lock)
			return 1;
		if (!*chosen)
			return 0;
	}
	return 0;
}

/* Names by their hash, for TENANT_BY_COMM. Written here, read by the recorder. Full: the name stays a number. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct comm);
} comm_names SEC(".maps");

/* Counts by enum counter; read by the recorder. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(enum counter which, __u64 n)
{
	__u32 key = which;
	__u64 *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		*value += n;
}

/* An index that the verifier can follow: older ones lose sight of a comparison, and the compiler of a mask after it. */
static __always_inline __u64 bounded(__u64 index, __u64 mask)
{
	asm volatile("%0 &= %1" : "+r"(index) : "r"(mask));
	return index;
}

#endif
