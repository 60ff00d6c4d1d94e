/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * CPU time: one perf event a CPU fires at the interval of the settings, and what runs there is
 * sampled when it is profiled.
 */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>

#include <bpf/bpf_helpers.h>

#include "bpf/sample.bpf.h"
#include "bpf/stack_copy.bpf.h"
#include "bpf/unwind.bpf.h"

#define CONTEXT_CS        17 /* of struct pt_regs, in words */
#define USER_MODE_MASK    3
#define SAMPLE_HEAD_BYTES sizeof(struct record_sample)

/* What one sample stands for, when a share of keep / KEEP_ALL of them is kept. Units: ns. */
static inline __u64 weight_of(__u64 interval_ns, __u32 keep)
{
	return keep == KEEP_ALL ? interval_ns : interval_ns * KEEP_ALL / keep;
}

/* Send the sample in scratch, as long as its frames make it. */
static inline void sample_send(struct scratch *scratch)
{
	struct record_sample *sample = &scratch->sample;
	int is_pending = sample->flags & SAMPLE_PENDING;
	__u32 frames = sample->kernel_count + sample->user_count;
	__u64 size;

	if (frames > RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES)
		frames = RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES;
	size = SAMPLE_HEAD_BYTES + frames * sizeof(__u64);
	sample->header.size = (__u32)size;
	count(is_pending ? KERNEL_COUNTER_PENDING : KERNEL_COUNTER_TAKEN);
	count(KERNEL_COUNTER_WALK_FIRST +
	      (sample->walk_end < WALK_END_COUNT ? sample->walk_end : 0));
	if (bpf_ringbuf_output(&records, sample, size, BPF_RB_NO_WAKEUP))
		count(is_pending ? KERNEL_COUNTER_LOST_PENDING : KERNEL_COUNTER_LOST_RING);
}

SEC("perf_event")
int on_cpu_event(struct bpf_perf_event_data *context)
{
	__u64 began_ns = bpf_ktime_get_boot_ns();
	const struct sampler_settings *knobs = settings_get();
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *scratch;

	if (!knobs || !task->pid)
		return 0;

	__u64 start_time_ns = task->group_leader->start_boottime;
	__u32 pid = pid_of(task);
	struct selection selection = selection_of(task, pid, start_time_ns, knobs);

	if (selection.is_pending)
		selection.keep = KEEP_ALL;
	if (!selection.keep ||
	    (selection.keep != KEEP_ALL && bpf_get_prandom_u32() > selection.keep))
		return 0;
	scratch = scratch_get(SCRATCH_SAMPLE);
	if (!scratch)
		return 0;

	struct record_sample *sample = &scratch->sample;
	int in_kernel = !(((__u64 *)context)[CONTEXT_CS] & USER_MODE_MASK);

	sample->time_ns = began_ns;
	sample->weight = weight_of(knobs->interval_ns, selection.keep);
	sample->target = selection.target;
	sample->event = EVENT_CPU;
	sample->flags =
		(selection.is_pending ? SAMPLE_PENDING : 0) | (in_kernel ? SAMPLE_IN_KERNEL : 0);
	sample->header.type = RECORD_SAMPLE;
	sample_identify(sample, task, bpf_get_current_cgroup_id());
	/* Who ends may lose the number while this is running. */
	if (pid_is_translated) {
		sample->pid = pid;
		sample->tid = sample->tid ? sample->tid : pid;
	}
	scratch->pid = pid;
	scratch->start_time_ns = start_time_ns;

	sample->kernel_count = 0;
	if (in_kernel && knobs->kernel_stacks) {
		long size = bpf_get_stack(context, scratch->frames,
					  RECORD_KERNEL_FRAMES * sizeof(__u64), 0);

		if (size > 0)
			sample->kernel_count = (__u16)(size / sizeof(__u64));
	}
	unwind_sample(SCRATCH_SAMPLE, scratch, task);
	/* A stack that was kept earlier cannot be gone on with: its memory is another's, or gone. */
	if (sample->walk_end == WALK_NO_TABLE && !(sample->flags & SAMPLE_USER_SAVED))
		stack_copy_send(SCRATCH_SAMPLE);
	sample->cost_ns = (__u32)(bpf_ktime_get_boot_ns() - began_ns);
	sample_send(scratch);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
