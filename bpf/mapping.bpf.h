/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Which file, and where in it, a pc belongs to: mapping_find(). The program descends the process's
 * own tree of mappings (a maple tree, Linux 6.1 and later) by reading kernel memory, without a
 * lock: it works in any context and can neither block nor fault. A node that was replaced
 * meanwhile says so, and the descent starts again. Files are numbered here, by what identifies
 * them, and announced to user space once.
 *
 * Where the kernel's tree is another one, mappings are looked up in a table that the core fills.
 */
#ifndef FLAME_BPF_MAPPING_BPF_H
#define FLAME_BPF_MAPPING_BPF_H

#include <bpf/bpf_core_read.h>

#include "bpf/kernel_types.bpf.h"
#include "bpf/scratch.bpf.h"

#define TREE_STEPS  16 /* nodes read for one pc, restarts included; 5 levels hold 40 000 mappings */
#define TABLE_STEPS 8  /* halvings of MAPPING_TABLE_ENTRIES */
#define PATH_STEPS  32 /* directories and mounts above a file */

#define MAPPING_FACTOR   0x9e3779b97f4a7c15ULL /* spreads addresses */
#define MAPPING_PERIOD_S 4 /* after so long a number may mean another file: module_sweep.h */

/* Results of the look-up that are no mapping. */
enum {
	MAPPING_UNMAPPED = -1,       /* nothing there */
	MAPPING_NOT_EXECUTABLE = -2, /* data */
	MAPPING_BROKEN = -3,         /* the tree could not be read */
};

enum { TREE_DEEPER = 1, TREE_DEAD = 2 };

/* Set by the broker before loading, when the look-up in the kernel's tree does not work. */
const volatile __u32 mapping_in_tables __weak = 0;

/* Read the node that scratch->entry refers to and move on to its entry for pc. */
__weak __noinline int mapping_tree_step(__u32 slot, __u64 pc)
{
	struct scratch *scratch = scratch_get(slot);
	__u32 pivots, first_pivot, first_slot, i;

	/* Constant: where there are no such nodes this is no code, and nothing needs their layout. */
	if (!scratch || mapping_in_tables)
		return MAPPING_BROKEN;

	__u64 node = scratch->entry & ~MAPLE_NODE_MASK;
	__u32 type = (scratch->entry >> MAPLE_TYPE_SHIFT) & MAPLE_TYPE_MASK;

	if (bpf_probe_read_kernel(scratch->node, MAPLE_NODE_BYTES, (void *)node))
		return MAPPING_BROKEN;
	/* The first word leads to the parent; a node that was replaced refers to itself. */
	if ((scratch->node[0] & ~MAPLE_NODE_MASK) == node)
		return TREE_DEAD;
	if (type == MAPLE_ARANGE_64) {
		first_pivot = bpf_core_field_offset(struct maple_arange_64, pivot) / 8;
		first_slot = bpf_core_field_offset(struct maple_arange_64, slot) / 8;
	} else if (type == MAPLE_RANGE_64 || type == MAPLE_LEAF_64) {
		first_pivot = bpf_core_field_offset(struct maple_range_64, pivot) / 8;
		first_slot = bpf_core_field_offset(struct maple_range_64, slot) / 8;
	} else {
		return MAPPING_BROKEN;
	}
	pivots = first_slot - first_pivot;
	for (i = 0; i < 16; i++) {
		if (i >= pivots)
			break;
		__u64 pivot = scratch->node[(first_pivot + i) & 31];
		/* Behind the last pivot in use there are zeros: its slot goes up to the end. */
		if (pivot >= pc || (!pivot && i))
			break;
	}
	/* The last slot has no pivot: it goes as far as the one above it. */
	if (i < pivots && scratch->node[(first_pivot + i) & 31])
		scratch->range_end = scratch->node[(first_pivot + i) & 31];
	scratch->entry = scratch->node[(first_slot + i) & 31];
	return type == MAPLE_LEAF_64 ? 0 : TREE_DEEPER;
}

/* Put one more name before the path that is being built; non-zero when the root was reached. */
__weak __noinline int mapping_path_step(__u32 slot)
{
	struct scratch *scratch = scratch_get(slot);

	if (!scratch)
		return 1;

	struct path_walk *walk = &scratch->path;
	struct dentry *dentry = (struct dentry *)walk->dentry;
	struct mount *mount = (struct mount *)walk->mount;
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

	if (dentry == BPF_CORE_READ(mount, mnt.mnt_root) || dentry == parent) {
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);

		if (above == mount || !above)
			return 1;
		walk->dentry = (__u64)BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = (__u64)above;
		return 0;
	}

	__u32 length = BPF_CORE_READ(dentry, d_name.len) & 255;
	__u32 at = walk->at & (2 * RECORD_PATH_BYTES - 1);

	if (!length || at < length + 1 || at > RECORD_PATH_BYTES) {
		walk->at = RECORD_PATH_BYTES; /* too long, or no name: better no path than half */
		return 1;
	}
	at -= length;
	bpf_probe_read_kernel(&walk->path[at & (RECORD_PATH_BYTES - 1)], length,
			      BPF_CORE_READ(dentry, d_name.name));
	at--;
	walk->path[at & (RECORD_PATH_BYTES - 1)] = '/';
	walk->at = at;
	walk->dentry = (__u64)parent;
	return 0;
}

/*
 * Write the path of scratch->file into scratch->path. It goes on above the root of a process that
 * lives under another (chroot): the file outlives the process there. Inline: calls may be eight
 * deep, no more.
 */
static __always_inline void mapping_path(__u32 slot, struct scratch *scratch)
{
	struct file *file = (struct file *)scratch->file;
	struct vfsmount *mount = BPF_CORE_READ(file, f_path.mnt);
	struct path_walk *walk = &scratch->path;
	struct task_struct *task = (struct task_struct *)scratch->task;
	__u64 root_dentry = (__u64)BPF_CORE_READ(task, fs, root.dentry);
	__u64 root_mount =
		(__u64)BPF_CORE_READ(task, fs, root.mnt) - bpf_core_field_offset(struct mount, mnt);

	walk->at = RECORD_PATH_BYTES;
	walk->root = RECORD_PATH_BYTES;
	walk->dentry = (__u64)BPF_CORE_READ(file, f_path.dentry);
	walk->mount = (__u64)mount - bpf_core_field_offset(struct mount, mnt);
	for (__u32 i = 0; i < PATH_STEPS; i++) {
		if (walk->dentry == root_dentry && walk->mount == root_mount)
			walk->root = walk->at;
		if (mapping_path_step(slot))
			return;
	}
	walk->at = RECORD_PATH_BYTES;
}

/* Take a number for a module: one that was given back, or the next. MODULE_NONE: there is none. */
static __always_inline __u32 module_number_take(struct commons *all)
{
	__u32 number = MODULE_NONE;

	if (!bpf_map_pop_elem(&free_modules, &number))
		return number;
	number = MODULE_FIRST_FILE + __sync_fetch_and_add(&all->module_count, 1);
	if (number < MODULE_FIRST_JIT)
		return number;
	all->module_count = MODULE_FIRST_JIT - MODULE_FIRST_FILE;
	return MODULE_NONE;
}

/* Give the file of scratch->key a number and announce it. Returns the number, MODULE_NONE: none. */
__weak __noinline int mapping_new_module(__u32 slot)
{
	struct scratch *scratch = scratch_get(slot);
	struct commons *all = commons_get();
	struct record_module *record;
	__u32 module, *known;

	if (!scratch || !all)
		return MODULE_NONE;
	/* First the record: a module that user space never hears of could not be named. */
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		count(KERNEL_COUNTER_LOST_RECORDS);
		count(KERNEL_COUNTER_MODULES_FULL);
		return MODULE_NONE;
	}
	module = module_number_take(all);
	if (module == MODULE_NONE) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		count(KERNEL_COUNTER_MODULES_FULL);
		return MODULE_NONE;
	}
	if (bpf_map_update_elem(&modules, &scratch->key, &module, BPF_NOEXIST)) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		bpf_map_push_elem(&free_modules, &module, BPF_ANY);
		/* Another CPU may have been faster. */
		known = bpf_map_lookup_elem(&modules, &scratch->key);
		if (known)
			return *known;
		count(KERNEL_COUNTER_MODULES_FULL);
		return MODULE_NONE;
	}
	mapping_path(slot, scratch);

	struct file *file = (struct file *)scratch->file;
	__u32 at = scratch->path.at;

	if (at > RECORD_PATH_BYTES)
		at = RECORD_PATH_BYTES;
	record->header.type = RECORD_MODULE;
	record->header.size = sizeof(*record);
	record->key = scratch->key;
	record->start_time_ns = scratch->start_time_ns;
	record->start = scratch->found.start;
	record->end = scratch->found.end;
	record->file_offset = scratch->found.offset;
	record->pid = scratch->pid;
	record->module = module;
	record->path_length = RECORD_PATH_BYTES - at;
	record->root_length = scratch->path.root - at;
	if (record->root_length >= record->path_length)
		record->root_length = 0; /* a file outside the process's root */
	record->filesystem = (__u32)BPF_CORE_READ(file, f_inode, i_sb, s_magic);
	bpf_probe_read_kernel(record->path, RECORD_PATH_BYTES, &scratch->path.path[at]);
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
	return module;
}

/*
 * The word of a field of what was read into a window: one read of the kernel's memory costs as much
 * as ten fields of it.
 */
#define WINDOW_WORD(window, type, field) \
	((window)[bpf_core_field_offset(type, field) / 8 & (SCRATCH_WINDOW - 1)])
#define WINDOW_HALF(window, type, field) \
	((__u32)(WINDOW_WORD(window, type, field) >> (bpf_core_field_offset(type, field) & 4) * 8))

/* Fill in what identifies the file of inode. Returns non-zero when that cannot be read. */
static __always_inline int module_key_read(struct scratch *scratch, __u64 inode)
{
	struct module_key *key = &scratch->key;
	__u64 *window = scratch->window;

	if (bpf_probe_read_kernel(window, sizeof(scratch->window), (const void *)inode))
		return -1;
	key->inode = WINDOW_WORD(window, struct inode, i_ino);
	key->size = WINDOW_WORD(window, struct inode, i_size);
	if (bpf_core_field_exists(struct inode, i_mtime_sec)) {
		key->mtime_s = (__s64)WINDOW_WORD(window, struct inode, i_mtime_sec);
		key->mtime_ns = WINDOW_HALF(window, struct inode, i_mtime_nsec);
	} else if (bpf_core_field_exists(struct inode___hidden_mtime, __i_mtime)) {
		key->mtime_s =
			(__s64)WINDOW_WORD(window, struct inode___hidden_mtime, __i_mtime.tv_sec);
		key->mtime_ns =
			(__u32)WINDOW_WORD(window, struct inode___hidden_mtime, __i_mtime.tv_nsec);
	} else {
		key->mtime_s =
			(__s64)WINDOW_WORD(window, struct inode___plain_mtime, i_mtime.tv_sec);
		key->mtime_ns =
			(__u32)WINDOW_WORD(window, struct inode___plain_mtime, i_mtime.tv_nsec);
	}

	struct super_block *filesystem =
		(struct super_block *)WINDOW_WORD(window, struct inode, i_sb);

	key->device = BPF_CORE_READ(filesystem, s_dev);
	return 0;
}

/* Note that a walk came by, for what has to make room for others. */
static __always_inline void module_touch(__u32 module)
{
	struct unwind_module *entry = bpf_map_lookup_elem(&unwind_modules, &module);
	const struct sampler_settings *knobs = settings_get();

	/* Plain: two CPUs that write the same second cannot go wrong. */
	if (entry && knobs)
		entry->used_s = knobs->now_s;
}

/*
 * Fill scratch->found from the struct vm_area_struct in scratch->entry; 0, or why it is no mapping of
 * code at pc.
 */
__weak __noinline int mapping_read(__u32 slot, __u64 pc)
{
	struct scratch *scratch = scratch_get(slot);
	__u32 *known;

	if (!scratch)
		return MAPPING_BROKEN;

	struct mapping *found = &scratch->found;
	struct mm_struct *mm = (struct mm_struct *)scratch->mm;
	struct vm_area_struct *vma = (struct vm_area_struct *)scratch->entry;
	__u64 *window = scratch->window, file;

	if (bpf_probe_read_kernel(window, sizeof(scratch->window), vma))
		return MAPPING_BROKEN;
	found->start = WINDOW_WORD(window, struct vm_area_struct, vm_start);
	found->end = WINDOW_WORD(window, struct vm_area_struct, vm_end);
	if (WINDOW_WORD(window, struct vm_area_struct, vm_mm) != (__u64)mm)
		return MAPPING_BROKEN;
	if (pc < found->start || pc >= found->end)
		return MAPPING_UNMAPPED;
	if (!(WINDOW_WORD(window, struct vm_area_struct, vm_flags) & VM_EXEC))
		return MAPPING_NOT_EXECUTABLE;
	file = WINDOW_WORD(window, struct vm_area_struct, vm_file);
	if (!file) {
		int is_vdso = found->start == (__u64)BPF_CORE_READ(mm, context.vdso);

		found->module = is_vdso ? MODULE_VDSO : MODULE_NONE;
		found->offset = is_vdso ? 0 : found->start;
		return 0;
	}
	found->offset = WINDOW_WORD(window, struct vm_area_struct, vm_pgoff) << PAGE_SHIFT;
	if (module_key_read(scratch, (__u64)BPF_CORE_READ((struct file *)file, f_inode)))
		return MAPPING_BROKEN;
	/* The kernel frees a mapping while it is read: what was read counts only if it still is one. */
	if (bpf_probe_read_kernel(window, sizeof(scratch->window), vma) ||
	    WINDOW_WORD(window, struct vm_area_struct, vm_start) != found->start ||
	    WINDOW_WORD(window, struct vm_area_struct, vm_file) != file ||
	    WINDOW_WORD(window, struct vm_area_struct, vm_mm) != (__u64)mm)
		return MAPPING_BROKEN;
	scratch->file = file;
	known = bpf_map_lookup_elem(&modules, &scratch->key);
	found->module = known ? *known : (__u32)mapping_new_module(slot);
	if (found->module == MODULE_NONE) {
		found->offset = found->start;
		/* The next walk tries again to get a number. */
		mapping_set_get(scratch)->of.mm = 0;
	}
	return 0;
}

/* The entry that leads to the root node. */
static __always_inline __u64 mapping_tree_root(const struct scratch *scratch)
{
	struct mm_struct *mm = (struct mm_struct *)scratch->mm;

	return (__u64)BPF_CORE_READ(mm, mm_mt.ma_root);
}

/* Look pc up in the tree of mappings and fill scratch->found; 0, or why there is none. */
static __always_inline int mapping_descend(__u32 slot, struct scratch *scratch, __u64 pc)
{
	scratch->entry = mapping_tree_root(scratch);
	for (__u32 i = 0; i < TREE_STEPS; i++) {
		/* A tree of one entry holds it instead of a node. */
		if (!(scratch->entry & ~MAPLE_NODE_MASK))
			return MAPPING_UNMAPPED;
		int step = mapping_tree_step(slot, pc);

		if (!step) {
			if (!scratch->entry)
				return MAPPING_UNMAPPED;
			return mapping_read(slot, pc);
		}
		if (step == TREE_DEAD) {
			count(KERNEL_COUNTER_MAPPING_DEAD);
			scratch->entry = mapping_tree_root(scratch);
		} else if (step < 0) {
			break;
		}
	}
	count(KERNEL_COUNTER_MAPPING_FAILED);
	return MAPPING_BROKEN;
}

/* Look pc up in the process's table and fill scratch->found; 0, or MAPPING_UNMAPPED. */
__weak __noinline int mapping_table_find(__u32 slot, __u64 pc)
{
	struct scratch *scratch = scratch_get(slot);
	const struct mapping_table *table;
	__u32 low = 0, high;

	if (!scratch)
		return MAPPING_BROKEN;
	table = bpf_map_lookup_elem(&mapping_tables, &scratch->pid);
	if (!table || table->start_time_ns / START_TIME_TICK_NS !=
			      scratch->start_time_ns / START_TIME_TICK_NS)
		return MAPPING_UNMAPPED;
	high = table->count;
	for (__u32 i = 0; i < TABLE_STEPS; i++) {
		__u32 middle = (low + high) / 2;
		const struct mapping *mapping =
			&table->entries[middle & (MAPPING_TABLE_ENTRIES - 1)];

		if (low >= high)
			break;
		if (pc >= mapping->end) {
			low = middle + 1;
		} else if (pc < mapping->start) {
			high = middle;
		} else {
			scratch->found = *mapping;
			return 0;
		}
	}
	return MAPPING_UNMAPPED;
}

/*
 * Find the executable mapping of pc in the process of scratch->mm, after mapping_start(). Returns its
 * index in the set of that process, where it stays until SCRATCH_MAPPINGS others were found, or a
 * negative number that says why there is none.
 */
__weak __noinline int mapping_find(__u32 slot, __u64 pc)
{
	struct scratch *scratch = scratch_get(slot);
	struct mapping_set *set;
	__u32 i;
	int error;

	if (!scratch)
		return MAPPING_BROKEN;
	set = mapping_set_get(scratch);
	for (i = 0; i < SCRATCH_MAPPINGS; i++) {
		/* Slots that were not filled are empty ranges. */
		if (pc - set->mappings[i].start < set->mappings[i].end - set->mappings[i].start)
			return (int)i;
	}
	error = mapping_in_tables ? mapping_table_find(slot, pc)
				  : mapping_descend(slot, scratch, pc);
	if (error)
		return error;
	i = set->count++ % SCRATCH_MAPPINGS;
	set->mappings[i] = scratch->found;
	module_touch(scratch->found.module);
	return (int)i;
}

/*
 * How often the mappings were changed. Non-zero when that is not known (before Linux 6.4), or they are
 * being changed at this moment (that is told since 6.14; earlier a change counts when it has ended).
 */
static __always_inline int mapping_changes(__u64 address, __u32 *changes)
{
	struct mm_struct___counted *counted = (void *)address;
	struct mm_struct___numbered *numbered = (void *)address;

	if (mapping_in_tables)
		return -1;
	if (bpf_core_field_exists(counted->mm_lock_seq)) {
		*changes = BPF_CORE_READ(counted, mm_lock_seq.sequence);
		return *changes & 1;
	}
	if (!bpf_core_field_exists(numbered->mm_lock_seq))
		return -1;
	*changes = (__u32)BPF_CORE_READ(numbered, mm_lock_seq);
	return 0;
}

/*
 * Get ready to find mappings in the process of task, which scratch->mm belongs to: forget those that
 * were found before, unless it was there and they are the same.
 */
static __always_inline void mapping_start(struct scratch *scratch, const struct task_struct *task)
{
	const struct sampler_settings *knobs = settings_get();
	struct mapping_state now = {.mm = scratch->mm};
	struct mapping_set *set;

	now.start_time_ns = task->group_leader->start_boottime;
	now.programs = task->group_leader->self_exec_id;
	now.period = knobs ? knobs->now_s / MAPPING_PERIOD_S : 0;
	scratch->set = (__u32)(now.mm * MAPPING_FACTOR >> 32);
	set = mapping_set_get(scratch);
	if (mapping_changes(now.mm, &now.changes))
		now.mm = 0;
	else if (now.mm == set->of.mm && now.start_time_ns == set->of.start_time_ns &&
		 now.programs == set->of.programs && now.changes == set->of.changes &&
		 now.period == set->of.period)
		return;
	set->of = now;
	set->count = 0;
	set->last = 0;
	for (__u32 i = 0; i < SCRATCH_MAPPINGS; i++)
		set->mappings[i].start = set->mappings[i].end = 0;
}

/* The frame of pc in mapping. */
static __always_inline __u64 mapping_frame(const struct mapping *mapping, __u64 pc)
{
	__u64 offset = pc - mapping->start + mapping->offset;

	return ((__u64)mapping->module << FRAME_OFFSET_BITS) | (offset & FRAME_OFFSET_MASK);
}

#endif
