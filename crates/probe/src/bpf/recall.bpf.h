/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Reading stacks by what the recorder has learned of the distances between return addresses (stack.bpf.h says why). */
#ifndef LIMA_RECALL_H
#define LIMA_RECALL_H

/* Whether more than a few frames are wanted; known before loading, so that the verifier need not follow long loops. */
#ifndef WHOLE_STACKS
#define WHOLE_STACKS true
#endif

/* Where return addresses lie on stacks; written by the recorder. Full: stacks with other addresses are walked. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rules);
} rules SEC(".maps");

/* Reads 8 bytes of kernel memory; 0 where there is none. */
static __always_inline __u64 peek(__u64 address)
{
	__u64 value = 0;

	if (bpf_ksym_exists(bpf_rdonly_cast)) {
		const struct timespec64 *p =
			bpf_rdonly_cast((void *)address, bpf_core_type_id_kernel(struct timespec64));
		return p->tv_sec;
	}
	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

/* The verifier does no sums on a pointer to a context or a task; having been in a map, it is a number. */
static __always_inline __u64 address_of(void *pointer, volatile __u64 *through)
{
	*through = (__u64)pointer;
	return *through;
}

static __always_inline __u64 mix(__u64 hash, __u64 address)
{
	hash = (hash ^ address) * RULE_HASH;
	return hash ^ (hash >> 29);
}

static __always_inline const struct rule *rule_for(const struct rules *rules, __u64 address)
{
	__u32 slot = (address * RULE_HASH) >> (64 - RULE_BITS);
	const struct rule *rule = &rules->rules[slot & (RULES - 1)];

	if (rule->address == address)
		return rule;
	rule = &rules->rules[(slot ^ 1) & (RULES - 1)];
	return rule->address == address ? rule : NULL;
}

static __always_inline const struct rules *rules_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&rules, &zero);
}

/*
 * A function that wants its frame at a multiple of 16 bytes leaves a gap of 8
 * where its caller's is not. What lies at the wrong one of the two places is a
 * saved register or a local of the caller; should it look like a return address
 * as well, nothing is decided. Verified once, for any argument.
 */
__noinline __u64 either(__u64 lower)
{
	const struct rules *rules = rules_now();
	bool at_lower, at_upper;

	if (!rules)
		return 0;
	at_lower = rule_for(rules, peek(lower));
	at_upper = rule_for(rules, peek(lower + 8));
	if (at_lower == at_upper)
		return 0;
	return at_lower ? lower : lower + 8;
}

/* Where the address after this one lies, and 0 where that is not known or there is none. */
static __always_inline __u64 step(const struct rule *rule, __u64 at)
{
	if (rule->kind == RULE_STEP)
		return at + rule->delta;
	if (rule->kind == RULE_EITHER)
		return either(at + rule->delta);
	return 0;
}

/* The number of the stack from the return address that lies here, or 0; hash: of the addresses before it. Verified once,
 * for any arguments. */
__noinline __u64 recall(__u64 at, __u64 hash)
{
	const struct rules *rules = rules_now();
	const struct rule *rule;
	__u64 address;

	if (!rules || !WHOLE_STACKS)
		return 0;
	for (int i = 0; i < MAX_FRAMES; i++) {
		address = peek(at);
		rule = rule_for(rules, address);
		if (!rule)
			return 0;
		hash = mix(hash, address);
		if (rule->kind == RULE_END)
			return hash;
		if (rule->kind == RULE_LAST)
			return mix(hash, rule->next);
		at = step(rule, at);
		if (!at)
			return 0;
	}
	return 0;
}

#endif
