/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What this CPU is doing: a task's work, or which kind of interrupt. */
#ifndef LIMA_CONTEXT_H
#define LIMA_CONTEXT_H

/* include/linux/preempt.h */
#define SOFTIRQ_OFFSET 0x100
#define HARDIRQ_MASK 0xf0000
#define NMI_MASK 0xf00000

static __always_inline __u8 context_by(__u32 preempt_count)
{
	if (!(preempt_count & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET)))
		return CONTEXT_TASK;
	if (preempt_count & NMI_MASK)
		return CONTEXT_NMI;
	return preempt_count & HARDIRQ_MASK ? CONTEXT_HARDIRQ : CONTEXT_SOFTIRQ;
}

#endif
