/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Initialisations: from then on there is another lock at the address, and the recorder is told its name. */
#ifndef LIMA_BIRTHS_H
#define LIMA_BIRTHS_H

static __always_inline int initialised(void *ctx, __u32 arguments, __u8 lock_type)
{
	struct call call = { .key.lock_type = lock_type };
	struct birth *birth;
	__u64 name = 0;
	__u32 word;

	if (!enter(ctx, &call))
		return 0;
	call.key.life = new_life(call.key.lock);
	call.key.site = site_of(ctx, arguments, &word);
	if (!acquiring.births || !attribute(&call))
		return 0;
	if (acquiring.by_place && !choose_by_place(&call))
		return 0;
	bpf_get_func_arg(ctx, 1, &name);
	/* The ring buffer's lock is traced as well. */
	call.part->inside = call.key.context + 1;
	birth = bpf_ringbuf_reserve(&births, sizeof(*birth), 0);
	if (birth) {
		birth->kind = RECORD_BIRTH;
		birth->life = call.key.life;
		birth->ns = bpf_ktime_get_ns();
		birth->lock = call.key.lock;
		birth->site = call.key.site;
		birth->tenant = call.key.tenant;
		birth->tid = call.task->pid;
		birth->lock_type = lock_type;
		birth->context = call.key.context;
		birth->zero[0] = birth->zero[1] = 0;
		birth->name[0] = 0;
		bpf_probe_read_kernel_str(birth->name, sizeof(birth->name), (void *)name);
		bpf_ringbuf_submit(birth, BPF_RB_NO_WAKEUP);
	} else {
		count_acq(ACQ_BIRTH_LOST);
	}
	call.part->inside = 0;
	return 0;
}

#endif
