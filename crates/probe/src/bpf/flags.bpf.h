/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the flags of a wait say. */
#ifndef LIMA_FLAGS_H
#define LIMA_FLAGS_H

/* None of the kernel's: a writer of a rwsem spins, which its tracepoints leave out. */
#define SPINS_FOR_RWSEM (1U << 31)

static __always_inline __u8 lock_type_of(__u32 flags)
{
	if (flags & LCB_F_MUTEX)
		return LOCK_MUTEX;
	if (flags & LCB_F_PERCPU)
		return LOCK_PERCPU_RWSEM;
	if (flags & LCB_F_RT)
		return flags & (LCB_F_READ | LCB_F_WRITE) ? LOCK_RWLOCK_RT : LOCK_RTMUTEX;
	if (flags & LCB_F_SPIN)
		return flags & (LCB_F_READ | LCB_F_WRITE) ? LOCK_RWLOCK : LOCK_SPINLOCK;
	return flags & (LCB_F_READ | LCB_F_WRITE) ? LOCK_RWSEM : LOCK_SEMAPHORE;
}

static __always_inline __u8 mode_of(__u32 flags)
{
	return flags & LCB_F_READ ? MODE_READ : flags & LCB_F_WRITE ? MODE_WRITE : MODE_EXCLUSIVE;
}

/* Spinning with the CPU kept: spinlock_t and rwlock_t. A mutex spins as well, but may be preempted. */
static __always_inline bool keeps_cpu(__u32 flags)
{
	return (flags & (LCB_F_SPIN | LCB_F_MUTEX)) == LCB_F_SPIN;
}

#endif
