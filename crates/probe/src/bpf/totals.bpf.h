/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Adding waits up: the totals, and the totals by task.
 *
 * What happens often must be cheap, so each CPU has a few slots of its own, found without a helper call; whatever comes
 * first in a time bucket gets the slot, the rest goes to the hash maps.
 */
#ifndef LIMA_TOTALS_H
#define LIMA_TOTALS_H

/* A wait that is over, with all that is to be counted of it. */
struct ended {
	struct totals_key key;
	__u64 end_ns;
	__u64 wait_ns;
	__u64 spin_ns;
	__u64 held_ns;
	__u64 free_ns;
	__u64 unknown_ns;
	__u64 slab; /* answered by add_to_totals */
	__u32 slab_offset; /* as well */
	__u32 generation;
	__u32 tid;
	__u32 tgid;
	__u8 comm[COMM_LEN];
	__s32 result;
	__u32 is_share; /* not a wait: only held_ns counts */
};

static const struct totals no_totals = {};
static const struct task_totals no_task_totals = {};

/*
 * The slab cache that a lock lies in, and its offset in the object. A slab lies
 * at a multiple of its size, and has the size that its cache prefers, unless
 * memory was short: then the first or last page of that range most likely
 * belongs to something else, and the offset is not known.
 */
static __always_inline void find_slab(struct totals *totals, __u64 lock)
{
	struct kmem_cache *cache;
	struct slab_cache name = {};
	__u64 key, bytes, start;
	__u32 size, pad = 0;

	totals->slab_offset = ~0U;
	if (!bpf_ksym_exists(bpf_get_kmem_cache))
		return;
	cache = bpf_get_kmem_cache(lock);
	if (!cache)
		return;
	key = (__u64)cache;
	totals->slab = key;
	size = BPF_CORE_READ(cache, size);
	bytes = PAGE_SIZE << (BPF_CORE_READ(cache, oo.x) >> 16 & 15);
	start = lock & ~(bytes - 1);
	if (size && (__u64)bpf_get_kmem_cache(start) == key &&
	    (__u64)bpf_get_kmem_cache(start + bytes - PAGE_SIZE) == key) {
		if (bpf_core_field_exists(cache->red_left_pad))
			pad = BPF_CORE_READ(cache, red_left_pad);
		totals->slab_offset = (__u32)(lock - start) % size - pad;
	}
	if (!bpf_map_lookup_elem(&slab_caches, &key)) {
		bpf_probe_read_kernel_str(name.name, sizeof(name.name), BPF_CORE_READ(cache, name));
		bpf_map_update_elem(&slab_caches, &key, &name, BPF_NOEXIST);
	}
}

static __always_inline __u32 bucket_of(__u64 ns)
{
	__u32 octave = FIRST_OCTAVE;
	__u64 rest = ns >> FIRST_OCTAVE;

	if (!rest)
		return 0;
	if (rest >> 16) {
		octave += 16;
		rest >>= 16;
	}
	if (rest >> 16)
		return BUCKETS - 1;
	if (rest >> 8) {
		octave += 8;
		rest >>= 8;
	}
	if (rest >> 4) {
		octave += 4;
		rest >>= 4;
	}
	if (rest >> 2) {
		octave += 2;
		rest >>= 2;
	}
	octave += rest >> 1;
	return 1 + 4 * (octave - FIRST_OCTAVE) + ((ns >> (octave - 2)) & 3);
}

static __always_inline struct totals_slot *totals_slot_of(const struct ended *ended)
{
	const struct totals_key *key = &ended->key;
	__u64 hash = (key->stack ^ key->lock ^ (key->holder_tenant << 32)) * RULE_HASH ^ key->waiter_tenant;
	__u32 slot = ((hash * RULE_HASH) >> (64 - SLOT_BITS)) & settings.slot_mask;

	slot += (ended->generation & 1) << SLOT_BITS;
	return bpf_map_lookup_elem(&totals_slots, &slot);
}

static __always_inline bool same_key(const struct totals_key *one, const struct totals_key *other)
{
	const __u64 *a = (const __u64 *)one, *b = (const __u64 *)other;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4] && a[5] == b[5];
}

static __always_inline struct totals *totals_in_map(const struct ended *ended, bool *is_new)
{
	void *map = ended->generation & 1 ? (void *)&totals_1 : (void *)&totals_0;
	struct totals_key key = ended->key; /* on the stack, where kernels before 6.2 want it */
	struct totals *totals = bpf_map_lookup_elem(map, &key);

	if (totals)
		return totals;
	*is_new = true;
	bpf_map_update_elem(map, &key, &no_totals, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, &key);
}

static __always_inline void add_wait(struct totals *totals, const struct ended *ended)
{
	__u64 ns = ended->wait_ns;
	__u32 bucket = bucket_of(ns);

	if (!totals->waits || ns < totals->min_ns)
		totals->min_ns = ns;
	if (ns > totals->max_ns)
		totals->max_ns = ns;
	totals->waits++;
	totals->failed += ended->result != 0;
	totals->wait_ns += ns;
	totals->spin_ns += ended->spin_ns;
	totals->free_ns += ended->free_ns;
	totals->unknown_ns += ended->unknown_ns;
	if (bucket < BUCKETS)
		totals->histogram[bucket]++;
}

enum added { NO_ROOM = 0, ADDED = 1, ADDED_NEW = 2 };

/*
 * The functions below that are not static are verified once, for any arguments,
 * and not anew on each path that leads to them.
 */

/* Adds a wait to the totals of its key. ADDED_NEW: the first of this key on this CPU in this time bucket. */
__noinline int add_to_totals(struct ended *ended)
{
	struct totals_slot *slot;
	struct totals *totals;
	bool is_new = false;

	if (!ended)
		return NO_ROOM;
	slot = totals_slot_of(ended);
	if (!slot)
		return NO_ROOM;
	if (slot->generation != ended->generation) {
		slot->generation = ended->generation;
		slot->key = ended->key;
		slot->totals = no_totals;
		totals = &slot->totals;
		is_new = true;
	} else if (same_key(&slot->key, &ended->key)) {
		totals = &slot->totals;
	} else {
		totals = totals_in_map(ended, &is_new);
		if (!totals)
			return NO_ROOM;
	}
	if (is_new)
		find_slab(totals, ended->key.lock);
	totals->held_ns += ended->held_ns;
	if (!ended->is_share)
		add_wait(totals, ended);
	ended->slab = totals->slab;
	ended->slab_offset = totals->slab_offset;
	return is_new ? ADDED_NEW : ADDED;
}

/* Forgets the totals of a key that turned out to be wrong right after its first wait. */
__noinline int drop_totals(struct ended *ended)
{
	struct totals_slot *slot;
	struct totals_key key;

	if (!ended)
		return 0;
	key = ended->key;
	slot = totals_slot_of(ended);
	if (slot && slot->generation == ended->generation && same_key(&slot->key, &ended->key))
		slot->generation = NO_GENERATION;
	else if (ended->generation & 1)
		bpf_map_delete_elem(&totals_1, &key);
	else
		bpf_map_delete_elem(&totals_0, &key);
	return 0;
}

static __always_inline struct task_totals *task_totals_for(const struct task_key *key, __u32 generation)
{
	__u64 hash = (((__u64)key->lock_type << 40) ^ ((__u64)key->context << 32) ^ key->tid) * RULE_HASH;
	__u32 at = ((hash >> (64 - SLOT_BITS)) & settings.slot_mask) + ((generation & 1) << SLOT_BITS);
	struct task_slot *slot = bpf_map_lookup_elem(&task_slots, &at);
	void *map = generation & 1 ? (void *)&tasks_1 : (void *)&tasks_0;
	struct task_totals *totals;

	if (!slot)
		return NULL;
	if (slot->generation != generation) {
		slot->generation = generation;
		slot->key = *key;
		slot->totals = no_task_totals;
		return &slot->totals;
	}
	if (*(__u64 *)&slot->key == *(__u64 *)key)
		return &slot->totals;
	totals = bpf_map_lookup_elem(map, key);
	if (totals)
		return totals;
	bpf_map_update_elem(map, key, &no_task_totals, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, key);
}

/* Adds a wait to the totals of its task. */
__noinline int add_to_task(struct ended *ended)
{
	struct task_key key = {};
	struct task_totals *totals;

	if (!ended)
		return NO_ROOM;
	key.tid = ended->tid;
	key.lock_type = ended->key.lock_type;
	key.context = ended->key.context;
	totals = task_totals_for(&key, ended->generation);
	if (!totals)
		return NO_ROOM;
	totals->waits++;
	totals->wait_ns += ended->wait_ns;
	totals->spin_ns += ended->spin_ns;
	if (ended->wait_ns > totals->max_ns)
		totals->max_ns = ended->wait_ns;
	totals->tenant = ended->key.waiter_tenant;
	totals->tgid = ended->tgid;
	__builtin_memcpy(totals->comm, ended->comm, COMM_LEN);
	return ADDED;
}

#endif
