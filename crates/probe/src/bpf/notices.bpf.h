/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Tenants that come and go while it is recorded: programs that tell the recorder of them. */
#ifndef LIMA_NOTICES_H
#define LIMA_NOTICES_H

/* Cgroups may be gone before the recorder looks for their names. */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgroup, const char *path)
{
	struct cgroup_notice *notice = bpf_ringbuf_reserve(&records, sizeof(*notice), 0);

	if (!notice) {
		count(LOST_NOTICE, 1);
		return 0;
	}
	__builtin_memset(notice, 0, sizeof(*notice));
	notice->kind = RECORD_CGROUP;
	notice->hierarchy = cgroup->root->hierarchy_id;
	notice->id = cgroup->kn->id;
	bpf_probe_read_kernel_str(notice->path, sizeof(notice->path), path);
	submit(notice);
	return 0;
}

static __always_inline bool may_be_sandbox(const char *comm)
{
	return !__builtin_memcmp(comm, "runsc", 5) || !__builtin_memcmp(comm, "exe", 4) ||
	       !__builtin_memcmp(comm, "firecracker", 11) || !__builtin_memcmp(comm, "qemu-system", 11) ||
	       !__builtin_memcmp(comm, "cloud-hyper", 11);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct exec_notice *notice;
	char comm[COMM_LEN];

	bpf_get_current_comm(comm, sizeof(comm));
	if (!may_be_sandbox(comm))
		return 0;
	notice = bpf_ringbuf_reserve(&records, sizeof(*notice), 0);
	if (!notice) {
		count(LOST_NOTICE, 1);
		return 0;
	}
	notice->kind = RECORD_EXEC;
	notice->tgid = task->tgid;
	__builtin_memcpy(notice->comm, comm, COMM_LEN);
	submit(notice);
	return 0;
}

/* The processes that a sandbox starts belong to it. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 of = parent->tgid, tgid = child->tgid;
	__u64 *tenant;

	if (!have_sandboxes || of == tgid)
		return 0;
	tenant = bpf_map_lookup_elem(&sandboxes, &of);
	if (tenant)
		bpf_map_update_elem(&sandboxes, &tgid, tenant, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	if (have_sandboxes && task->pid == task->tgid)
		bpf_map_delete_elem(&sandboxes, &tgid);
	return 0;
}

#endif
