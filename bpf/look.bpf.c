/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The look at all threads at once, from outside: what each used, and for each that sleeps the part
 * of its sleep up to now, however long ago it began. Threads whose stack is not known, because they
 * slept before anybody watched or because the coin was against it, are walked from a copy. Runs
 * when the core reads the iterator's file, in its context; may sleep.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/fault.bpf.h"
#include "bpf/reason.bpf.h"
#include "bpf/sleeper.bpf.h"
#include "bpf/unwind.bpf.h"
#include "bpf/watched.bpf.h"

#define PATIENCE_NS (2000ULL * 1000 * 1000)
#define REFILLS     16 /* of the copy for one stack: frames can be larger than it */

/* Copy what is at address and above it, as far as the mapping goes. */
static __always_inline int outside_copy_fill(struct scratch *scratch, struct task_struct *task,
					     __u64 address)
{
	struct outside_copy *copy = outside_copy_get();
	__u64 size;

	address &= ~7ULL;
	/* A stack is no code; where its mapping ends is told all the same. */
	if (!copy || mapping_find(SCRATCH_LOOK, address) != MAPPING_NOT_EXECUTABLE)
		return -1;
	size = scratch->found.end - address;
	if (size > sizeof(*copy))
		size = sizeof(*copy);
	scratch->copied_from = address;
	scratch->missed = 0;
	return bpf_copy_from_user_task(copy, (__u32)size, (const void *)address, task, 0) != 0;
}

/* Walk the user stack of a task that does not run. Returns enum walk_end. */
static __always_inline int outside_walk(struct scratch *scratch, struct task_struct *task)
{
	int end = WALK_TRUNCATED;

	scratch->sample.user_count = 0;
	scratch->task = (__u64)task;
	scratch->mm = (__u64)task->mm;
	if (!scratch->mm)
		return WALK_NO_MEMORY;
	mapping_start(scratch, task);
	if (bpf_probe_read_kernel(scratch->saved, sizeof(scratch->saved),
				  (const void *)bpf_task_pt_regs(task)))
		return WALK_UNREADABLE;
	if (scratch->saved[SAVED_CS] == CS_32_BIT)
		return WALK_UNSUPPORTED;
	unwind_start(scratch);
	scratch->is_outside = 1;
	scratch->refills = 0;
	scratch->missed = scratch->frame.sp;
	for (int i = 0; i < RECORD_USER_FRAMES + REFILLS; i++) {
		if (scratch->missed) {
			/* Counted in memory: in a register the verifier would follow every count. */
			if (scratch->refills++ >= REFILLS ||
			    outside_copy_fill(scratch, task, scratch->missed))
				break;
		}
		if (scratch->depth >= RECORD_USER_FRAMES) {
			end = WALK_TRUNCATED;
			break;
		}
		end = unwind_advance(SCRATCH_LOOK);
		if (scratch->missed)
			scratch->depth--; /* this frame again, with the words that it needs */
		else if (end != UNWIND_GOES_ON)
			break;
	}
	if (scratch->missed)
		end = WALK_UNREADABLE;
	scratch->sample.user_count = (__u16)scratch->depth;
	return end;
}

/* Take the stack of a task that sleeps. Returns its id, 0: none. */
static __always_inline __u64 outside_announce(struct scratch *scratch, struct task_struct *task,
					      const struct sleeper *sleeper,
					      const struct sampler_settings *knobs)
{
	const struct pt_regs___kernel *registers = (void *)bpf_task_pt_regs(task);
	struct record_sample *sample = &scratch->sample;
	long size;

	sample->event = EVENT_OFFCPU;
	sample->flags = 0;
	sample->target = sleeper->target;
	sample->reason = reason_blocked(task, (long)BPF_CORE_READ(registers, orig_ax),
					(__u32)BPF_CORE_READ(registers, di));
	sample->kernel_count = 0;
	if (knobs->kernel_stacks) {
		size = bpf_get_task_stack(task, scratch->frames,
					  RECORD_KERNEL_FRAMES * sizeof(__u64), 0);
		if (size > 0)
			sample->kernel_count = (__u16)(size / sizeof(__u64));
	}
	scratch->pid = pid_of(task);
	scratch->start_time_ns = task->group_leader->start_boottime;
	sample->walk_end = (__u16)outside_walk(scratch, task);
	return sum_announce(SCRATCH_LOOK, scratch, task);
}

/* Have the sleep that the task is in counted from now on, whether or not it was before. */
static __always_inline void sleeper_find(struct task_struct *task, struct sleeper *sleeper,
					 __u64 now_ns, const struct sampler_settings *knobs)
{
	struct scratch *scratch = scratch_get(SCRATCH_LOOK);
	__u64 switches = task_switches(task), id;

	if (!scratch)
		return;
	id = outside_announce(scratch, task, sleeper, knobs);
	/* It may have woken meanwhile: then nothing is known. */
	if (!id || task->on_cpu || task_switches(task) != switches)
		return;
	sleeper->id = id;
	sleeper->is_partial = scratch->sample.walk_end == WALK_NO_TABLE;
	if (sleeper->since_ns)
		return; /* the same sleep, seen better */
	sleeper->switches = switches;
	sleeper->keep = KEEP_ALL;
	sleeper->woken_ns = 0;
	sleeper->is_runnable = 0;
	sleeper->begun_ns = now_ns;
	__sync_val_compare_and_swap(&sleeper->since_ns, 0, now_ns);
}

/*
 * Whether the sleep should be looked at again before it is counted: its stack was walked before the
 * tables of all its files were there, which does not take long.
 */
static __always_inline int is_too_early(const struct sleeper *sleeper, __u64 now_ns)
{
	return sleeper->is_partial && sleeper->since_ns && now_ns - sleeper->since_ns < PATIENCE_NS;
}

/* Count the sleep of a task that is not on a CPU up to now. */
static __always_inline void look_at_sleep(struct task_struct *task, struct sleeper *sleeper,
					  __u64 now_ns, const struct sampler_settings *knobs)
{
	int is_known = sleeper->switches == task_switches(task);

	/* Of another sleep, whose end went by unseen. */
	if (!is_known)
		sleeper->since_ns = 0;
	if (task->__state && (!sleeper->since_ns || sleeper->is_partial))
		sleeper_find(task, sleeper, now_ns, knobs);
	if (!sleeper->since_ns || is_too_early(sleeper, now_ns))
		return;
	if (knobs->is_unhooked) {
		sleeper->since_ns = now_ns;
		return;
	}
	sleeper_count(sleeper, now_ns, now_ns, knobs);
	/* That it reaches across this moment has nothing to do with the coin. */
	sleeper->keep = KEEP_ALL;
}

/* What of its sleep lasts. */
static __always_inline void look_at_thread(struct task_struct *task, struct sleeper *sleeper,
					   __u64 now_ns, const struct sampler_settings *knobs)
{
	if (!task->on_cpu) {
		look_at_sleep(task, sleeper, now_ns, knobs);
		if (sleeper->pace.began_ns)
			pace_update(&sleeper->pace, now_ns, task_switches(task), knobs);
	} else if (knobs->is_unhooked) {
		/* What it slept when nobody was attached is not known. */
		sleeper->since_ns = 0;
	}
}

SEC("iter.s/task")
int on_look(struct bpf_iter__task *context)
{
	const struct sampler_settings *knobs = settings_get();
	struct task_struct *task = context->task;
	struct sleeper *sleeper;
	struct scratch *scratch;
	__u64 now_ns;

	if (!knobs || !task || (task->flags & PF_KTHREAD) || task->exit_state)
		return 0;
	sleeper = sleeper_of(task, 0, WATCHED_EVENTS, knobs);
	if (!sleeper)
		return 0;
	if (sleeper->fault_id)
		fault_settle(sleeper, fault_pages_of(task), knobs);
	now_ns = bpf_ktime_get_boot_ns();
	if (sleeper->events >> EVENT_OFFCPU & 1)
		look_at_thread(task, sleeper, now_ns, knobs);
	scratch = scratch_get(SCRATCH_LOOK);
	if (!scratch)
		return 0;
	look_fill(scratch, task, sleeper, now_ns, knobs);
	bpf_seq_write(context->meta->seq, &scratch->sample, LOOK_BYTES);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
