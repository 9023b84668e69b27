/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Adding acquisitions and holds up. Each CPU has a table of its own for each of
 * two time buckets, so that nothing is shared. A program may be interrupted in
 * the middle of taking a slot by one that wants the same: a slot is claimed by
 * compare-and-exchange, and passed over while its key is not whole. So a key may
 * lie in two slots; the recorder adds them up. What finds no slot is sent to the
 * recorder, one by one.
 */
#ifndef LIMA_SUMS_H
#define LIMA_SUMS_H

#define SUM_WINDOW 8

/* Written by the programs on lock functions, read by the recorder, which sets the size: 2 * cpus << sum_bits. Full: the
 * acquisition is sent (spill.bpf.h). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sum);
} sums SEC(".maps");

static const struct sum no_sum = {};

static __always_inline void add(__u64 *to, __u64 n)
{
	if (acquiring.atomic)
		__sync_fetch_and_add(to, n);
	else
		*to += n;
}

static __always_inline struct sum *sum_slot(__u32 cpu, __u32 tag, __u32 slot)
{
	__u32 at = ((((tag >> 1) & 1) * acquiring.cpus + cpu) << acquiring.sum_bits) + slot;

	return bpf_map_lookup_elem(&sums, &at);
}

static __always_inline bool is_sum_of(const struct sum *sum, const struct held *key)
{
	return sum->lock == key->lock && sum->site == key->site && sum->beyond == key->beyond &&
	       sum->tenant == key->tenant && sum->life == key->life && sum->mode == key->mode && sum->context == key->context;
}

/* The sums for a key on this CPU; sets the key's slot. */
static __always_inline struct sum *sum_of(struct held *key, __u32 cpu)
{
	__u64 which = key->tenant << 24 ^ (__u64)key->life << 40 ^ (__u64)key->context << 60;
	__u32 home = ((key->lock ^ key->site << 7 ^ key->beyond << 13 ^ which) * RULE_HASH) >> (64 - acquiring.sum_bits);
	__u32 tag = SUM_TAG(generation) | SUM_READY;

	for (__u32 i = 0; i < SUM_WINDOW; i++) {
		__u32 slot = (home + i) & ((1U << acquiring.sum_bits) - 1);
		struct sum *sum = sum_slot(cpu, tag, slot);
		__u32 old;

		if (!sum)
			return NULL;
		old = sum->tag;
		if (old == tag) {
			if (!is_sum_of(sum, key))
				continue;
		} else {
			if (old == (tag & ~SUM_READY) ||
			    __sync_val_compare_and_swap(&sum->tag, old, tag & ~SUM_READY) != old)
				continue;
			__builtin_memset((void *)sum + __builtin_offsetof(struct sum, acquisitions), 0,
					 sizeof(*sum) - __builtin_offsetof(struct sum, acquisitions));
			sum->lock = key->lock;
			sum->site = key->site;
			sum->beyond = key->beyond;
			sum->longest_run = 0;
			sum->tenant = key->tenant;
			sum->life = key->life;
			sum->lock_type = key->lock_type;
			sum->mode = key->mode;
			sum->context = key->context;
			barrier();
			sum->tag = tag;
		}
		key->sum = slot;
		key->tag = tag;
		return sum;
	}
	return NULL;
}

static __always_inline __u32 octave_of(__u64 ns)
{
	__u32 octave = 0;

	if (ns >> 37)
		return OCTAVES - 1;
	ns >>= 6;
	if (!ns)
		return 0;
	if (ns >> 16) {
		octave += 16;
		ns >>= 16;
	}
	if (ns >> 8) {
		octave += 8;
		ns >>= 8;
	}
	if (ns >> 4) {
		octave += 4;
		ns >>= 4;
	}
	if (ns >> 2) {
		octave += 2;
		ns >>= 2;
	}
	return (octave + (ns >> 1) + 1) & (OCTAVES - 1);
}

/* tid: of the task whose hold it was. */
static __always_inline void add_hold(struct sum *sum, __u64 ns, __u32 tid, __u64 end_ns)
{
	if (acquiring.stats & STAT_HOLD) {
		if (!sum->holds || ns < sum->hold_min_ns)
			sum->hold_min_ns = ns;
		add(&sum->holds, 1);
		add(&sum->hold_ns, ns);
		if (ns >= sum->hold_max_ns) {
			sum->hold_max_ns = ns;
			sum->hold_max_tid = tid;
			sum->hold_max_end_ns = end_ns;
		}
	}
	if (acquiring.stats & STAT_HOLD_HIST)
		sum->hold_octaves[octave_of(ns)]++;
}

static __always_inline void add_wait(struct sum *sum, __u64 ns, __u32 tid, __u64 end_ns)
{
	if (acquiring.stats & STAT_WAIT) {
		if (!sum->waits || ns < sum->wait_min_ns)
			sum->wait_min_ns = ns;
		add(&sum->wait_ns, ns);
		if (ns > sum->wait_max_ns) {
			sum->wait_max_ns = ns;
			sum->wait_max_tid = tid;
			sum->wait_max_end_ns = end_ns;
		}
	}
	add(&sum->waits, 1);
	if (acquiring.stats & STAT_WAIT_HIST)
		sum->wait_octaves[octave_of(ns)]++;
}

#endif
