/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Which tenant a task belongs to. */
#ifndef LIMA_TENANT_H
#define LIMA_TENANT_H

/*
 * A chain of fields of a task. A task that the verifier knows to be one, the
 * current one for example, takes plain loads; one that is only an address takes
 * reads that can fail.
 */
#define FIELD(typed, task, ...) ((typed) ? ___arrow(task, __VA_ARGS__) : BPF_CORE_READ(task, __VA_ARGS__))

static __always_inline void copy_comm(__u8 *to, struct task_struct *task)
{
	*(__u64 *)to = *(__u64 *)&task->comm[0];
	*(__u64 *)(to + 8) = *(__u64 *)&task->comm[8];
}

static __always_inline struct cgroup *cgroup_of(struct task_struct *task, bool typed)
{
	struct css_set *css;
	struct cgroup_subsys_state *state = NULL;

	if (settings.tenant_by != TENANT_BY_CGROUP_V1)
		return FIELD(typed, task, cgroups, dfl_cgrp);
	css = BPF_CORE_READ(task, cgroups);
	bpf_probe_read_kernel(&state, sizeof(state), &css->subsys[settings.controller & 15]);
	return state ? BPF_CORE_READ(state, cgroup) : NULL;
}

static __always_inline __u64 cgroup_tenant(struct task_struct *task, bool typed)
{
	if (settings.tenant_by == TENANT_BY_CGROUP_V2)
		return FIELD(typed, task, cgroups, dfl_cgrp, kn, id);
	if (typed)
		return task->cgroups->subsys[settings.controller & 15]->cgroup->kn->id;
	return BPF_CORE_READ(cgroup_of(task, typed), kn, id);
}

static __always_inline __u64 pidns_tenant(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	struct pid_namespace *ns = NULL;
	__u32 level;

	if (!pid)
		return TENANT_UNKNOWN;
	level = BPF_CORE_READ(pid, level);
	bpf_probe_read_kernel(&ns, sizeof(ns),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      level * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, ns));
	return ns ? BPF_CORE_READ(ns, ns.inum) : TENANT_UNKNOWN;
}

/* FNV-1a of the name; the recorder computes the same for filters. */
static __always_inline __u64 comm_tenant(const __u8 *comm)
{
	__u64 hash = 0xcbf29ce484222325ULL;

	for (int i = 0; i < COMM_LEN; i++) {
		if (!comm[i])
			break;
		hash = (hash ^ comm[i]) * 0x100000001b3ULL;
	}
#ifndef ON_LOCK_FUNCTIONS /* a hash map has locks */
	if (!bpf_map_lookup_elem(&comm_names, &hash))
		bpf_map_update_elem(&comm_names, &hash, comm, BPF_NOEXIST);
#endif
	return hash;
}

static __always_inline __u64 tenant_of(struct task_struct *task, bool typed, const __u8 *comm)
{
	__u32 tgid;
	__u64 *sandbox;

	if (FIELD(typed, task, flags) & PF_KTHREAD)
		return TENANT_KERNEL;
	if (have_sandboxes) {
		tgid = FIELD(typed, task, tgid);
		sandbox = bpf_map_lookup_elem(&sandboxes, &tgid);
		if (sandbox)
			return *sandbox;
	}
	switch (settings.tenant_by) {
	case TENANT_BY_PIDNS:
		return pidns_tenant(task);
	case TENANT_BY_COMM:
		return comm_tenant(comm);
	case TENANT_BY_UID:
		return TENANT_USER | BPF_CORE_READ(task, cred, uid.val);
	default:
		return cgroup_tenant(task, typed);
	}
}

#endif
