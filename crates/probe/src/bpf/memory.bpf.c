// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Reads a few bytes of the kernel's memory for user space, which runs it on
 * demand: for kernels without /proc/kcore. It is attached to nothing.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* As `Request` in kernel_memory.rs. */
struct request {
	__u64 address;
	/* Bytes wanted, 64 at the most. */
	__u64 size;
	__u64 bytes[8];
};

SEC("syscall")
int read_memory(struct request *request)
{
	__u64 bytes[8] = {};
	__u64 size = request->size;
	int error;

	if (size > sizeof(bytes))
		return -7; /* E2BIG */
	error = bpf_probe_read_kernel(bytes, size, (void *)request->address);
	if (error)
		return error;
	for (int i = 0; i < 8; i++)
		request->bytes[i] = bytes[i];
	return 0;
}
