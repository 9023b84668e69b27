/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Which waits are counted at all. */
#ifndef LIMA_FILTER_H
#define LIMA_FILTER_H

static __always_inline bool passes(struct task_struct *task, const __u8 *comm, __u64 tenant, __u8 lock_type)
{
	__u32 id;
	__u64 ancestor = 0;
	struct cgroup *cgroup;

	if (!(settings.type_mask & (1 << lock_type)))
		return false;
	if (settings.filter_tgid) {
		id = task->tgid;
		if (!bpf_map_lookup_elem(&filter_tgids, &id))
			return false;
	}
	if (settings.filter_tid) {
		id = task->pid;
		if (!bpf_map_lookup_elem(&filter_tids, &id))
			return false;
	}
	if (settings.filter_cpu) {
		id = bpf_get_smp_processor_id();
		if (!bpf_map_lookup_elem(&filter_cpus, &id))
			return false;
	}
	if (settings.filter_comm && !bpf_map_lookup_elem(&filter_comms, comm))
		return false;
	if (settings.filter_tenant && !bpf_map_lookup_elem(&filter_tenants, &tenant))
		return false;
	if (settings.filter_cgroup) {
		cgroup = cgroup_of(task, true);
		if (BPF_CORE_READ(cgroup, level) < (int)settings.cgroup_level)
			return false;
		bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
				      (void *)cgroup + bpf_core_field_offset(struct cgroup, ancestors) +
					      settings.cgroup_level * sizeof(void *));
		if (BPF_CORE_READ((struct cgroup *)ancestor, kn, id) != settings.cgroup_id)
			return false;
	}
	return true;
}

#endif
