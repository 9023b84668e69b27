/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The few kernel types that are used, by hand, with the few fields that are
 * read; CO-RE moves each to where the running kernel has it.
 */
#ifndef LIMA_KERNEL_H
#define LIMA_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

/* include/linux/sched.h: TASK_COMM_LEN */
#define COMM_LEN 16

/* include/uapi/linux/bpf.h */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_NO_PREALLOC = 1 << 0,
	BPF_F_MMAPABLE = 1 << 10,
	BPF_F_USER_STACK = 1 << 8,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1 << 0,
	BPF_RB_NO_WAKEUP = 1 << 0,
	BPF_RB_FORCE_WAKEUP = 1 << 1,
};
enum bpf_rb_query { BPF_RB_AVAIL_DATA = 0 };

/* include/trace/events/lock.h, since Linux 5.19 */
#define LCB_F_SPIN (1U << 0)
#define LCB_F_READ (1U << 1)
#define LCB_F_WRITE (1U << 2)
#define LCB_F_RT (1U << 3)
#define LCB_F_PERCPU (1U << 4)
#define LCB_F_MUTEX (1U << 5)

/* include/linux/sched.h */
#define PF_KTHREAD 0x00200000

/* kernel/locking/mutex.h: the low bits of mutex.owner */
#define MUTEX_FLAGS 0x07ULL
/* kernel/locking/rwsem.c: the low bits of rw_semaphore.owner and .count */
#define RWSEM_OWNER_FLAGS 0x03ULL
#define RWSEM_WRITER_LOCKED (1ULL << 0)
#define RWSEM_READER_SHIFT 8
/* The top bit guards against overflow of the reader count. */
#define RWSEM_READER_MASK (~(1ULL << 63))

/* 16 KiB kernel stacks: x86-64 without KASAN, THREAD_SIZE_ORDER 2 */
#define THREAD_SIZE 16384ULL
#define PAGE_SIZE 4096ULL

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__s64 counter;
} atomic64_t;

typedef atomic64_t atomic_long_t;

struct kernfs_node {
	__u64 id;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup_root *root;
	struct cgroup *ancestors[];
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[16];
	struct cgroup *dfl_cgrp;
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

typedef struct {
	unsigned int val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct task_struct {
	void *stack;
	unsigned int flags;
	int pid;
	int tgid;
	int on_cpu;
	char comm[COMM_LEN];
	struct css_set *cgroups;
	struct pid *thread_pid;
	const struct cred *cred;
	void *bpf_storage;
	__u64 start_time;
	int rcu_read_lock_nesting;
} __attribute__((preserve_access_index));

struct mutex {
	atomic_long_t owner;
};

typedef struct {
	int owned;
} socket_lock_t;

struct sock {
	socket_lock_t sk_lock;
};

struct pt_regs {
	unsigned long sp;
};

struct rw_semaphore {
	atomic_long_t count;
	atomic_long_t owner;
};

struct kmem_cache_order_objects {
	unsigned int x;
};

struct kmem_cache {
	unsigned int size;
	struct kmem_cache_order_objects oo;
	struct kmem_cache_order_objects min;
	int red_left_pad;
	const char *name;
};

/* Any type with a number of 64 bits at its start serves to read 8 bytes anywhere. */
struct timespec64 {
	__s64 tv_sec;
};

struct linux_binprm;

#pragma clang attribute pop

/* Since Linux 6.2 */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __attribute__((weak)) __attribute__((section(".ksyms")));
/* Since Linux 6.13 */
extern struct kmem_cache *bpf_get_kmem_cache(__u64 addr) __attribute__((weak)) __attribute__((section(".ksyms")));
/* Since Linux 6.2 */
extern struct task_struct *bpf_task_from_pid(__s32 pid) __attribute__((weak)) __attribute__((section(".ksyms")));
extern void bpf_task_release(struct task_struct *task) __attribute__((weak)) __attribute__((section(".ksyms")));

#endif
