/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Who a task is: its process's start time, owner and cgroup; and whether it is profiled:
 * selection_of(). The fields are read directly from the task at hand, which the kernel vouches for.
 */
#ifndef FLAME_BPF_IDENTITY_BPF_H
#define FLAME_BPF_IDENTITY_BPF_H

#include <bpf/bpf_core_read.h>

#include "bpf/kernel_types.bpf.h"
#include "bpf/maps.bpf.h"
#include "bpf/pid.bpf.h"

#define CGROUP_LEVELS 16 /* of ancestors that are looked up */
#define KEEP_ALL      0xffffffffU

/* What applies to a process. */
struct selection {
	__u32 keep; /* share of the events, of KEEP_ALL; 0: not profiled */
	__u32 target;
	__u32 is_pending; /* the core has to decide */
	__u32 events;     /* bit for each enum record_event that is wanted of it */
};

struct owner {
	__u32 uid;
	__u32 gid;
};

static inline __u64 mm_flags(const struct mm_struct *mm)
{
	const struct mm_struct___bitmap *bitmap = (const void *)mm;

	if (bpf_core_field_exists(bitmap->flags.__mm_flags))
		return BPF_CORE_READ(bitmap, flags.__mm_flags[0]);
	return BPF_CORE_READ(mm, flags);
}

/* The one user that may look into the task as ptrace() would allow it, or RECORD_NO_OWNER twice. */
static __always_inline struct owner owner_of(const struct task_struct *task)
{
	struct owner nobody = {RECORD_NO_OWNER, RECORD_NO_OWNER};
	const struct cred *cred = task->real_cred;
	const struct mm_struct *mm = task->mm;
	__u64 capabilities = 0;

	if (!mm || (mm_flags(mm) & DUMPABLE_MASK) != DUMPABLE_BY_OWNER)
		return nobody;
	bpf_probe_read_kernel(&capabilities, sizeof(capabilities), &cred->cap_permitted);
	if (capabilities)
		return nobody;

	__u32 uid = cred->uid.val, gid = cred->gid.val;

	if (cred->euid.val != uid || cred->suid.val != uid || cred->fsuid.val != uid ||
	    cred->egid.val != gid || cred->sgid.val != gid || cred->fsgid.val != gid)
		return nobody;
	return (struct owner){uid, gid};
}

static inline __u64 cgroup_id_of(const struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

/* Whether entry is about the process that started then, and not an earlier one of the same pid. */
static inline int profiled_is(const struct profiled *entry, __u64 start_time_ns)
{
	return !entry->start_time_ns ||
	       entry->start_time_ns / START_TIME_TICK_NS == start_time_ns / START_TIME_TICK_NS;
}

static inline void selection_add(struct selection *selection, const struct profiled *entry)
{
	selection->events |= entry->events;
	if (!selection->target)
		selection->target = entry->target;
	if (entry->keep > selection->keep) {
		selection->keep = entry->keep;
		selection->target = entry->target;
	}
}

/* The id of a cgroup that the task is in, the root's at level 0; 0: it is not that deep. */
static __always_inline __u64 cgroup_ancestor_id(const struct task_struct *task, int level)
{
	struct cgroup *own = BPF_CORE_READ(task, cgroups, dfl_cgrp), *ancestor = NULL;

	if (level > BPF_CORE_READ(own, level) ||
	    bpf_probe_read_kernel(&ancestor, sizeof(ancestor), &own->ancestors[level]))
		return 0;
	return BPF_CORE_READ(ancestor, kn, id);
}

/* Of the cgroups that the task is in, nearest last. */
static __always_inline void selection_add_cgroups(struct selection *selection,
						  const struct task_struct *task, int is_current)
{
	for (int level = 0; level < CGROUP_LEVELS; level++) {
		__u64 id = is_current ? bpf_get_current_ancestor_cgroup_id(level)
				      : cgroup_ancestor_id(task, level);

		if (!id)
			return;

		const struct profiled *entry = bpf_map_lookup_elem(&cgroups, &id);

		if (entry)
			selection_add(selection, entry);
	}
}

/* Whether the task, of process (pid, start_time_ns), is profiled. */
static __always_inline struct selection selection_of_task(const struct task_struct *task, __u32 pid,
							  __u64 start_time_ns, int is_current,
							  const struct sampler_settings *knobs)
{
	struct selection selection = {0, 0, 0, 0};
	const struct profiled *entry;

	if (pid_is_translated && !pid)
		return selection; /* it lives outside the namespace */
	if (knobs->all.keep || knobs->all.events)
		selection_add(&selection, &knobs->all);
	/* A kernel thread runs no program: it is part of the whole host, and of nothing else. */
	if (task->flags & PF_KTHREAD)
		return selection;
	entry = bpf_map_lookup_elem(&processes, &pid);
	if (entry && profiled_is(entry, start_time_ns)) {
		if (entry->flags & PROFILED_NOT)
			return (struct selection){0, 0, 0, 0};
		selection_add(&selection, entry);
	}
	if (knobs->match_cgroups)
		selection_add_cgroups(&selection, task, is_current);
	if (knobs->match_names) {
		char name[RECORD_NAME_BYTES] = {0};

		bpf_probe_read_kernel(name, sizeof(name), task->group_leader->comm);
		entry = bpf_map_lookup_elem(&names, name);
		if (!entry)
			selection.is_pending = !selection.keep;
		else if (!(entry->flags & PROFILED_NOT))
			selection_add(&selection, entry);
	}
	return selection;
}

/* The same for the current task. */
static __always_inline struct selection selection_of(const struct task_struct *task, __u32 pid,
						     __u64 start_time_ns,
						     const struct sampler_settings *knobs)
{
	return selection_of_task(task, pid, start_time_ns, 1, knobs);
}

#endif
