/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Places in the code where locks are taken: which are wanted, and which stand in a function that serves its caller. */
#ifndef LIMA_PLACES_H
#define LIMA_PLACES_H

#define PLACE_WINDOW 8

/* Places by their address. The recorder writes those that it knows before loading; the others the programs add. Full:
 * counted, and the place is as any other. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct place);
} places SEC(".maps");

/* The low half of the addresses of places without any flag, each at its own slot: so are most, and this is quicker. */
#define PLAIN_PLACES 4096
volatile __u32 plain_places[PLAIN_PLACES] = {};

static __always_inline volatile __u32 *plain_place(__u64 address)
{
	return &plain_places[bounded(address ^ address >> 12, PLAIN_PLACES - 1)];
}

/* The flags of an address by the ranges. */
static __always_inline __u32 classify(__u64 address)
{
	__u32 flags = PLACE_READY;

	for (__u32 i = 0; i < RANGES; i++) {
		if (i >= acquiring.range_count)
			break;
		if (address - acquiring.ranges[i].start < acquiring.ranges[i].size)
			flags |= acquiring.ranges[i].flags;
	}
	return flags;
}

/* What is known of a place. Verified once, for any argument. */
__noinline __u32 flags_of(__u64 address)
{
	__u32 home = (address * RULE_HASH) >> (64 - acquiring.place_bits);

	for (__u32 i = 0; i < PLACE_WINDOW; i++) {
		__u32 at = (home + i) & ((1U << acquiring.place_bits) - 1);
		struct place *place = bpf_map_lookup_elem(&places, &at);

		if (!place)
			break;
		if (place->address == address && place->flags)
			return place->flags;
		if (!place->address && !__sync_val_compare_and_swap(&place->address, 0, address))
			return place->flags = classify(address);
	}
	count_acq(ACQ_PLACES_FULL);
	return classify(address);
}

/* Where the traced function was called: the word above the return address into it, which lies above its arguments and,
 * when there are programs on its return, its result (arch_prepare_bpf_trampoline in arch/x86/net/bpf_jit_comp.c). */
static __always_inline __u64 site_of(void *ctx, __u32 arguments, __u32 *word)
{
	__u64 words[3] = {}, entry = bpf_get_func_ip(ctx);

	bpf_probe_read_kernel(words, sizeof(words), ctx + 8 * arguments + 8);
	if (words[0] - entry < 16) {
		*word = arguments + 2;
		return words[1];
	}
	if (words[1] - entry < 16) {
		*word = arguments + 3;
		return words[2];
	}
	count_acq(ACQ_NO_SITE);
	return 0;
}

#endif
