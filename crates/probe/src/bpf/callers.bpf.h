/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What lies beyond the site of an acquisition: the caller of a function that takes
 * locks for others, or the whole stack. Both are read by the learned distances
 * (recall.bpf.h); what is not known yet is walked, and sent to be learned from.
 */
#ifndef LIMA_CALLERS_H
#define LIMA_CALLERS_H

#define KNOWN_STACK_BITS 15
#define KNOWN_STACK_WINDOW 4
#define CHECK_EVERY 512
#define LEARN_ATTEMPTS 24
#define LEARN_PAUSE_NS 1000000
#define SEND_PAUSE_NS 20000000
#define KERNEL_TEXT 0xffffffff80000000ULL
#define WRAPPERS 4 /* frames of functions that take locks for their callers, one in the other, at most */
#define MACHINERY 8 /* frames between a program and the function that it is attached to, at most */

/* Stacks whose addresses were sent. Full: the stack has a number and may have no frames, which is counted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << KNOWN_STACK_BITS);
	__type(key, __u32);
	__type(value, struct known_stack);
} known_stacks SEC(".maps");

/* Working space for each CPU and context. */
struct walked {
	__u64 addresses[MAX_FRAMES + 1 + 16];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEVELS);
	__type(key, __u32);
	__type(value, struct walked);
} walked SEC(".maps");

static __always_inline struct walked *walked_of(__u32 context)
{
	return bpf_map_lookup_elem(&walked, &context);
}

static __always_inline struct known_stack *known_stack_of(__u64 hash)
{
	for (__u32 i = 0; i < KNOWN_STACK_WINDOW; i++) {
		__u32 at = ((hash >> (64 - KNOWN_STACK_BITS)) + i) & ((1U << KNOWN_STACK_BITS) - 1);
		struct known_stack *known = bpf_map_lookup_elem(&known_stacks, &at);

		if (!known)
			return NULL;
		if (!known->hash)
			__sync_val_compare_and_swap(&known->hash, 0, hash);
		if (known->hash == hash)
			return known;
	}
	return NULL;
}

static __always_inline void fill_record(struct stack_record *record, const __u64 *addresses, __u64 hash, __u32 n)
{
	record->kind = RECORD_STACK;
	record->count = n;
	record->stack = hash;
	record->tgid = 0;
	record->word_count = 0;
	bpf_probe_read_kernel(record->addresses, sizeof(record->addresses), addresses);
}

/* Sends the n addresses that were walked, from the site on. at: where the site lies on the stack, 0: nothing to learn, and
 * the memory is left off. */
static __always_inline bool send_walked(const __u64 *addresses, __u64 hash, __u32 n, __u64 at)
{
	__u64 size = THREAD_SIZE - (at & (THREAD_SIZE - 1));
	struct stack_record *record;

	if (!at) {
		record = bpf_ringbuf_reserve(&births, __builtin_offsetof(struct stack_record, words), 0);
		if (!record)
			return false;
		fill_record(record, addresses, hash, n);
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
		return true;
	}
	record = bpf_ringbuf_reserve(&births, sizeof(*record), 0);
	if (!record)
		return false;
	fill_record(record, addresses, hash, n);
	if (size > sizeof(record->words))
		size = sizeof(record->words);
	if (!bpf_probe_read_kernel(record->words, size, (void *)at))
		record->word_count = size / 8;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return true;
}

/*
 * Takes n addresses that were walked: gives the number of the stack from the site
 * on, or with caller the first address that is in no wrapper. 0: the site is not
 * among them. Sends the stack when it is new, or there is something to learn.
 */
__noinline __u64 take_walked(__u32 context, __u32 n, __u64 site, __u64 at, bool caller)
{
	struct walked *walked = walked_of(context);
	struct cpu_part *part = this_cpu_part();
	struct known_stack *known;
	__u64 hash = 0, found = 0, now;
	__u32 first = MACHINERY;
	bool learn;

	if (!walked || !part)
		return 0;
	for (__u32 i = 0; i < MACHINERY; i++) {
		if (walked->addresses[i] == site) {
			first = i;
			break;
		}
	}
	if (first >= MACHINERY || first >= n)
		return 0;
	n -= first;
	for (__u32 i = 0; i < (WHOLE_STACKS ? MAX_FRAMES : WRAPPERS); i++) {
		__u64 address = walked->addresses[bounded(first + i, 127)];

		if (i >= n)
			break;
		if (!found && i && !(flags_of(address) & PLACE_WRAPPER))
			found = address;
		if (caller && found)
			break;
		hash = mix(hash, address);
	}
	now = bpf_ktime_get_ns();
	if (now < part->send_after_ns)
		return caller ? found : hash;
	learn = now > part->learn_after_ns;
	if (caller)
		hash = 0;
	known = hash ? known_stack_of(hash) : NULL;
	if (hash && !known)
		count_acq(ACQ_STACKS_FULL);
	if (known ? !known->sent || (learn && known->sent < LEARN_ATTEMPTS) : learn) {
		if (send_walked(&walked->addresses[bounded(first, MACHINERY - 1)], hash, n, learn ? at : 0)) {
			if (learn)
				part->learn_after_ns = now + LEARN_PAUSE_NS;
			if (known)
				known->sent++;
		} else {
			/* Full: the recorder needs time. */
			part->send_after_ns = now + SEND_PAUSE_NS;
		}
	}
	return caller ? found : hash;
}

/* The caller of a wrapper whose own address lies here, or 0. Verified once, for any arguments. */
__noinline __u64 recall_caller(__u64 at, __u64 site)
{
	const struct rules *rules = rules_now();
	const struct rule *rule;

	if (!rules)
		return 0;
	for (int i = 0; i < WRAPPERS; i++) {
		rule = rule_for(rules, site);
		if (!rule)
			return 0;
		at = step(rule, at);
		if (!at)
			return 0;
		site = peek(at);
		if (site < KERNEL_TEXT)
			return 0;
		if (!(flags_of(site) & PLACE_WRAPPER))
			return site;
	}
	return site;
}

/* Sets what lies beyond the site of a call; word: which of those from the program's context on is the site. */
static __always_inline __u64 beyond_of(void *ctx, struct cpu_part *part, __u8 context, __u64 site, __u32 word)
{
	__u64 at, recalled, found = 0, before;
	bool caller = !(acquiring.stats & STAT_STACK);
	struct walked *walked;
	struct known_stack *known;
	long size;

	/* The stacks of interrupts go over into those of what they interrupted. */
	if (!caller && context != CONTEXT_TASK)
		return 0;
	if (!site || (caller && *plain_place(site) == (__u32)site))
		return 0;
	if (caller && !(flags_of(site) & PLACE_WRAPPER)) {
		*plain_place(site) = site;
		return 0;
	}
	at = address_of(ctx, &part->scratch[bounded(context, LEVELS - 1)]) + 8 * word;
	recalled = caller ? recall_caller(at, site) : recall(at, 0);
	known = recalled && !caller ? known_stack_of(recalled) : NULL;
	if (recalled && (caller || (known && known->sent)) && ++part->recalled < CHECK_EVERY)
		return recalled;
	part->recalled = 0;
	walked = walked_of(context);
	if (!walked)
		return 0;
	/* The ring buffer's lock is traced as well. */
	before = part->inside;
	part->inside = context + 1;
	size = bpf_get_stack(ctx, walked->addresses, MAX_FRAMES * sizeof(__u64), 0);
	if (size > 0)
		found = take_walked(context, size / sizeof(__u64), site, at, caller);
	part->inside = before;
	if (!found)
		count_acq(ACQ_STACK_LOST);
	else if (recalled && recalled != found)
		count_acq(ACQ_STACK_MISMATCH);
	return found;
}

#endif
