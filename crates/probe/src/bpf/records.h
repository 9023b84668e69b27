/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the kernel side and the recorder both read: keys and values of maps,
 * records of the ring buffer, codes. The Rust types are generated from this
 * file's BTF; both compilers check the sizes and offsets at the end.
 *
 * All fields lie at their natural alignment and every gap has a name, so that
 * keys can be compared byte by byte.
 */
#ifndef LIMA_RECORDS_H
#define LIMA_RECORDS_H

#define MAX_FRAMES 127
#define PATH_LEN 256
#define CACHE_NAME_LEN 32

/* Tenants. Everything else is what the kernel calls it: a cgroup id, the inode
 * of a pid namespace, a user id, a hash of comm. */
#define TENANT_UNKNOWN 0ULL
#define TENANT_NONE (~0ULL)
#define TENANT_KERNEL (~0ULL - 1)
#define TENANT_SANDBOX (1ULL << 63) /* | tgid */
#define TENANT_USER (1ULL << 62) /* | uid: user 0 must not look like TENANT_UNKNOWN */

/* lima_model::words::LockType */
enum lock_type {
	LOCK_SEMAPHORE = 0,
	LOCK_SPINLOCK = 1,
	LOCK_RWLOCK = 2,
	LOCK_RWSEM = 3,
	LOCK_MUTEX = 4,
	LOCK_RTMUTEX = 5,
	LOCK_PERCPU_RWSEM = 6,
	LOCK_RWLOCK_RT = 7,
	LOCK_WW_MUTEX = 10, /* the tracepoints take it for a mutex */
	LOCK_SOCKET_LOCK = 12, /* from here on only acquisitions */
	LOCK_SRCU = 13,
	LOCK_BIT_LOCK = 14,
	LOCK_RCU = 15,
};

/* lima_model::words::Mode */
enum lock_mode {
	MODE_EXCLUSIVE = 0,
	MODE_READ = 1,
	MODE_WRITE = 2,
};

/* lima_model::words::Context; which interrupt a wait was in, the recorder reads from the stack. */
enum wait_context {
	CONTEXT_TASK = 0,
	CONTEXT_SOFTIRQ = 1,
	CONTEXT_HARDIRQ = 2,
	CONTEXT_NMI = 3,
	CONTEXT_INTERRUPT = 4,
};

/* lima_model::words::Method */
enum holder_method {
	METHOD_UNKNOWN = 0,
	METHOD_OWNER_WORD = 1,
	METHOD_OWNER_AND_WAKER = 2,
	METHOD_LAST_READER = 3,
	METHOD_ACQUIRER = 4,
	METHOD_FREE = 5,
	METHOD_EXACT = 6,
};

/* Below 16: lima_model::loss::Loss. From 16: what the recorder needs to know besides. */
enum counter {
	LOST_TOTALS_FULL = 0,
	LOST_TOTALS_FULL_NS = 1,
	LOST_TASKS_FULL = 2,
	LOST_EVENT = 3,
	LOST_STACK = 4,
	LOST_STACK_MISSING = 5,
	LOST_NESTING = 6,
	LOST_END = 8,
	LOST_INSIDE_PROBE = 9,
	LOST_TASK_STATE = 10,
	LOST_STACK_MISMATCH = 11,
	LOST_USER_STACK = 12,
	LOST_NOTICE = 13,
	LOST_SHARE_NS = 14,
	COUNT_NO_BEGIN = 16, /* ends without a begin: missed, or begun before the recording */
	COUNT_BEGUN = 17,
	COUNT_ENDED = 18,
	COUNT_RECALLED = 19,
	COUNT_WALKED = 20,
	COUNT_OWN = 21, /* waits for locks of the programs' own maps, not recorded */
	COUNT_SPILLED = 22, /* waits that found no room in a map and were sent instead */
	LOST_CONTESTS = 23, /* waits whose holders were not followed */
	COUNTERS = 24,
};

/* lima_model::histogram: 4 buckets to an octave, from 2^6 to 2^37 ns. */
#define FIRST_OCTAVE 6
#define LAST_OCTAVE 37
#define BUCKETS (1 + 4 * (LAST_OCTAVE - FIRST_OCTAVE + 1))

struct totals_key {
	__u64 lock;
	__u64 stack;
	__u64 user_stack;
	__u64 waiter_tenant;
	__u64 holder_tenant;
	__u8 lock_type;
	__u8 mode;
	__u8 context;
	__u8 method;
	__u32 zero;
};

struct totals {
	__u64 waits;
	__u64 failed;
	__u64 wait_ns;
	__u64 min_ns;
	__u64 max_ns;
	__u64 spin_ns;
	__u64 held_ns;
	__u64 free_ns;
	__u64 unknown_ns;
	__u64 slab; /* address of the kmem_cache, a key of slab_caches; 0: none */
	__u32 slab_offset;
	__u32 zero;
	__u32 histogram[BUCKETS];
	__u32 zero2;
};

struct task_key {
	__u32 tid;
	__u8 lock_type;
	__u8 context;
	__u16 zero;
};

struct task_totals {
	__u64 waits;
	__u64 wait_ns;
	__u64 max_ns;
	__u64 spin_ns;
	__u64 tenant;
	__u32 tgid;
	__u32 zero;
	__u8 comm[COMM_LEN];
};

/* What each CPU keeps for itself, ahead of the hash maps; valid while its generation is the current one. */
#define SLOT_BITS 8
#define SLOTS (1 << SLOT_BITS)
#define NO_GENERATION 0xffffffffU
struct totals_slot {
	__u32 generation;
	__u32 zero;
	struct totals_key key;
	struct totals totals;
};
struct task_slot {
	__u32 generation;
	__u32 zero;
	struct task_key key;
	struct task_totals totals;
};

struct slab_cache {
	__u8 name[CACHE_NAME_LEN];
};

/* Records of the ring buffer begin with their kind. */
enum record_kind {
	RECORD_EVENT = 1,
	RECORD_STACK = 2,
	RECORD_CGROUP = 3,
	RECORD_EXEC = 4,
	RECORD_SHARE = 5,
};

/* A tenant that held the lock during a wait, and that task of it which held it longest at a stretch. */
struct holder {
	__u64 tenant;
	__u64 held_ns;
	__u64 longest_ns;
	__u64 site; /* with settings.exact: where it acquired the lock, as in struct sum; 0: not known */
	__u64 beyond;
	__u32 tid;
	__u32 tgid;
	__u8 comm[COMM_LEN];
	__u8 method;
	__u8 mode;
	__u8 zero[2];
	__u32 cpu; /* on which it acquired it */
};

/* Why a wait is sent: to be kept, or because a map had no room for it and the recorder must add it up. */
enum event_purpose {
	PURPOSE_KEEP = 1 << 0,
	PURPOSE_TOTALS = 1 << 1,
	PURPOSE_TASKS = 1 << 2,
};

struct event {
	__u32 kind;
	__u32 cpu;
	__u64 end_ns;
	__u64 wait_ns;
	__u64 spin_ns;
	__u64 free_ns;
	__u64 other_held_ns;
	__u64 unknown_ns;
	__u64 lock;
	__u64 stack;
	__u64 user_stack;
	__u64 waiter_tenant;
	__u64 slab;
	__u32 slab_offset;
	__s32 result;
	__u32 tid;
	__u32 tgid;
	__u8 comm[COMM_LEN];
	struct holder holder;
	__u64 holder_stack;
	__u64 release_stack;
	__u8 lock_type;
	__u8 mode;
	__u8 context;
	__u8 purpose;
	__u8 zero[4];
};

/*
 * A stack that the recorder may not know yet. words is a copy of the stack's memory from the program's context
 * upward, from which the recorder learns where return addresses lie
 * (stack.bpf.h); word_count 0: nothing to learn from.
 */
#define LEARN_WORDS 512
struct stack_record {
	__u32 kind;
	__u32 count;
	__u64 stack;
	__u32 tgid; /* 0: kernel addresses */
	__u32 word_count;
	__u64 addresses[MAX_FRAMES + 1];
	__u64 words[LEARN_WORDS];
};

struct cgroup_notice {
	__u32 kind;
	__u32 hierarchy; /* id of the hierarchy as in /proc/cgroups; 0: v2 */
	__u64 id;
	__u8 path[PATH_LEN];
};

/* The time that a second tenant held the lock during a wait, when the totals had no room for it. */
struct share_record {
	__u32 kind;
	__u32 zero;
	__u64 held_ns;
	struct totals_key key;
};

struct exec_notice {
	__u32 kind;
	__u32 tgid;
	__u8 comm[COMM_LEN];
};

/*
 * What the recorder has learned of a return address: how far above it the next
 * one lies. A rule lies in slot rule_slot(address) or the one beside it. Once
 * written it changes only to RULE_NONE.
 */
enum rule_kind {
	RULE_NONE = 0, /* nothing known: walk */
	RULE_STEP = 1, /* the next address lies delta bytes above */
	RULE_END = 2, /* the stack ends here */
	RULE_LAST = 3, /* next, wherever it lies, is always the last address */
	RULE_EITHER = 4, /* the next address lies delta or delta + 8 bytes above, whichever has a rule */
};
struct rule {
	__u64 address;
	__u64 next;
	__u32 delta;
	__u32 kind;
};
#define RULE_BITS 14
#define RULES (1 << RULE_BITS)
#define RULE_HASH 0x9e3779b97f4a7c15ULL
struct rules {
	__u64 first; /* distance of the traced function's address from the program's context; 0: not known yet */
	__u64 machinery; /* hash of the addresses before it: the program itself and what the kernel calls it through */
	struct rule rules[RULES];
};

/* What the recorder decides before the programs are loaded. */
enum tenant_by {
	TENANT_BY_CGROUP_V2 = 0,
	TENANT_BY_CGROUP_V1 = 1,
	TENANT_BY_PIDNS = 2,
	TENANT_BY_COMM = 3,
	TENANT_BY_UID = 4,
};

struct settings {
	__u64 threshold_ns;
	__u64 wakeup_bytes; /* the recorder is woken when so much waits in the ring buffer */
	__u64 cgroup_id; /* filter: this cgroup and all below */
	__u32 tenant_by;
	__u32 controller; /* enum cgroup_subsys_id of this kernel, for TENANT_BY_CGROUP_V1 */
	__u32 cgroup_level;
	__u32 type_mask; /* bit per enum lock_type */
	__u32 slot_mask; /* how many slots are used, less one */
	__u32 held_bits; /* with exact: locks that can be held at once, 2^held_bits */
	__u8 filter_cgroup;
	__u8 filter_tgid;
	__u8 filter_tid;
	__u8 filter_comm;
	__u8 filter_tenant;
	__u8 filter_cpu;
	__u8 user_stacks;
	__u8 peek; /* kernel memory may be read */
	__u8 exact; /* every acquisition and release is traced as well, so holders are known */
	__u8 acquisitions; /* there are programs on acquisitions */
	__u8 spin_functions; /* spinlocks' waits are traced by their slow path, not by the tracepoints */
	__u8 filter_lock; /* only locks that are chosen */
	__u8 zero[4];
};

/* contention/layout.rs reads these lines and checks the Rust side against them. */
_Static_assert(sizeof(struct totals_key) == 48, "");
_Static_assert(sizeof(struct totals) == 608, "");
_Static_assert(sizeof(struct task_key) == 8, "");
_Static_assert(sizeof(struct task_totals) == 64, "");
_Static_assert(sizeof(struct totals_slot) == 664, "");
_Static_assert(sizeof(struct task_slot) == 80, "");
_Static_assert(sizeof(struct holder) == 72, "");
_Static_assert(sizeof(struct event) == 224, "");
_Static_assert(sizeof(struct stack_record) == 5144, "");
_Static_assert(sizeof(struct cgroup_notice) == 272, "");
_Static_assert(sizeof(struct exec_notice) == 24, "");
_Static_assert(sizeof(struct share_record) == 64, "");
_Static_assert(sizeof(struct rule) == 24, "");
_Static_assert(sizeof(struct rules) == 393232, "");
_Static_assert(sizeof(struct settings) == 64, "");
_Static_assert(__builtin_offsetof(struct totals_key, lock_type) == 40, "");
_Static_assert(__builtin_offsetof(struct totals, slab) == 72, "");
_Static_assert(__builtin_offsetof(struct totals, histogram) == 88, "");
_Static_assert(__builtin_offsetof(struct task_totals, comm) == 48, "");
_Static_assert(__builtin_offsetof(struct holder, method) == 64, "");
_Static_assert(__builtin_offsetof(struct event, holder) == 128, "");
_Static_assert(__builtin_offsetof(struct event, comm) == 112, "");
_Static_assert(__builtin_offsetof(struct event, lock_type) == 216, "");
_Static_assert(__builtin_offsetof(struct stack_record, addresses) == 24, "");
_Static_assert(__builtin_offsetof(struct stack_record, words) == 1048, "");
_Static_assert(__builtin_offsetof(struct cgroup_notice, path) == 16, "");
_Static_assert(__builtin_offsetof(struct rules, rules) == 16, "");
_Static_assert(__builtin_offsetof(struct settings, peek) == 55, "");

#endif
