// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * One program for each thing that a kernel may permit or refuse. They are
 * loaded one by one, so that a refusal names its cause; those that `try_it` in
 * programs.rs says so are attached for a moment. None does anything of use.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Each map belongs to the program of its name and is made for that one only. Nobody reads them. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring_buffer_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} task_storage_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[127]);
} stack_walk_map SEC(".maps");

SEC("tp_btf/contention_begin")
int contention_begin(void *ctx)
{
	return 0;
}

SEC("tp_btf/contention_end")
int contention_end(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_waking")
int sched_waking(void *ctx)
{
	return 0;
}

SEC("fentry/mutex_lock")
int fentry(void *ctx)
{
	return 0;
}

SEC("fexit/mutex_lock")
int fexit(void *ctx)
{
	return 0;
}

SEC("kprobe/mutex_lock")
int kprobe(void *ctx)
{
	return 0;
}

SEC("kprobe.multi/mutex_lock")
int kprobe_multi(void *ctx)
{
	return 0;
}

SEC("tp_btf/contention_begin")
int ring_buffer(void *ctx)
{
	__u64 *record = bpf_ringbuf_reserve(&ring_buffer_map, sizeof(*record), 0);

	if (record)
		bpf_ringbuf_discard(record, 0);
	return 0;
}

SEC("tp_btf/contention_begin")
int task_storage(void *ctx)
{
	bpf_task_storage_get(&task_storage_map, bpf_get_current_task_btf(), 0, 0);
	return 0;
}

SEC("tp_btf/contention_begin")
int stack_walk(void *ctx)
{
	__u32 zero = 0;
	void *stack = bpf_map_lookup_elem(&stack_walk_map, &zero);

	return stack ? bpf_get_stack(ctx, stack, sizeof(__u64[127]), 0) : 0;
}

SEC("tp_btf/contention_begin")
int kernel_read(__u64 *ctx)
{
	__u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), (void *)ctx[0]);
	return (int)word;
}

SEC("tp_btf/contention_begin")
int task_fields(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return task->cgroups->dfl_cgrp->kn->id ? task->pid : 0;
}

SEC("tp_btf/contention_begin")
int rdonly_cast(__u64 *ctx)
{
	struct mutex *mutex = bpf_rdonly_cast((void *)ctx[0], bpf_core_type_id_kernel(struct mutex));

	return (int)mutex->owner.counter;
}

SEC("tp_btf/contention_begin")
int kmem_cache(__u64 *ctx)
{
	struct kmem_cache *cache = bpf_get_kmem_cache(ctx[0]);

	return cache ? (int)cache->size : 0;
}
