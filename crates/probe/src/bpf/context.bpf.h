/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What this CPU is doing: a task's work, or which kind of interrupt. */
#ifndef LIMA_CONTEXT_H
#define LIMA_CONTEXT_H

/* include/linux/preempt.h */
#define SOFTIRQ_OFFSET 0x100
#define HARDIRQ_MASK 0xf0000
#define NMI_MASK 0xf00000

/* In 6.2 to 6.13 the count lies in struct pcpu_hot; before and after it is a variable. */
struct pcpu_hot {
	int preempt_count;
} __attribute__((preserve_access_index));
extern const struct pcpu_hot pcpu_hot __ksym __weak;
extern const int __preempt_count __ksym __weak;

static __always_inline __u8 context_now(void)
{
	__u32 preempt_count = 0;

	if (bpf_ksym_exists(&__preempt_count))
		preempt_count = *(int *)bpf_this_cpu_ptr(&__preempt_count);
	else if (bpf_ksym_exists(&pcpu_hot))
		preempt_count = ((struct pcpu_hot *)bpf_this_cpu_ptr(&pcpu_hot))->preempt_count;
	if (!(preempt_count & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET)))
		return CONTEXT_TASK;
	if (preempt_count & NMI_MASK)
		return CONTEXT_NMI;
	return preempt_count & HARDIRQ_MASK ? CONTEXT_HARDIRQ : CONTEXT_SOFTIRQ;
}

#endif
