/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Time off the CPU, from the scheduler's tracepoints: what a thread was doing as it was switched
 * out, how long it was blocked, and how long it then waited for a CPU. The coin comes before
 * everything else; for sleeps it does not choose there is neither a clock read nor a walk. These
 * programs are attached only while somebody wants them.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/kernel_stack.bpf.h"
#include "bpf/reason.bpf.h"
#include "bpf/sleeper.bpf.h"
#include "bpf/waker.bpf.h"
#include "bpf/watched.bpf.h"

#define TASK_GONE         0x00b0 /* EXIT_DEAD, EXIT_ZOMBIE, TASK_DEAD: it does not come back */
#define OWN_KERNEL_FRAMES 2      /* of the program itself and of what calls it */

/* Whether its cgroup, or one around that, may not run before its next period. */
static __always_inline int is_throttled(const struct task_struct *task)
{
	const struct cfs_rq *queue = (void *)0;

	if (bpf_core_field_exists(task->se.cfs_rq))
		queue = BPF_CORE_READ(task, se.cfs_rq);
	return queue && bpf_core_field_exists(queue->throttle_count) &&
	       BPF_CORE_READ(queue, throttle_count) > 0;
}

/* What the current thread, which is being switched out, is going to wait for. */
__weak __noinline int reason_of(int is_runnable)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct pt_regs___kernel *registers = (void *)bpf_task_pt_regs(task);
	long call = (long)BPF_CORE_READ(registers, orig_ax);

	if (is_runnable)
		return is_throttled(task)         ? FRAME_MARK_THROTTLED
		       : call == __NR_sched_yield ? FRAME_MARK_YIELDED
						  : FRAME_MARK_PREEMPTED;
	return (int)reason_blocked(task, call, (__u32)BPF_CORE_READ(registers, di));
}

/* Take the stack of the current task and begin to count its sleep. */
static __always_inline void sleep_begin(void *context, struct task_struct *task,
					struct sleeper *sleeper, int is_runnable,
					const struct sampler_settings *knobs)
{
	struct scratch *scratch = scratch_get(SCRATCH_SWITCH);
	__u64 now_ns = bpf_ktime_get_boot_ns();
	__u64 id;

	if (!scratch)
		return;

	struct record_sample *sample = &scratch->sample;

	count(KERNEL_COUNTER_SLEEPS);
	sleeper->walks++;
	sample->event = EVENT_OFFCPU;
	sample->flags = 0;
	sample->target = sleeper->target;
	sample->reason = (__u32)reason_of(is_runnable);
	sample->kernel_count = 0;
	if (knobs->kernel_stacks)
		kernel_stack_take(context, SCRATCH_SWITCH, scratch, task, OWN_KERNEL_FRAMES);
	id = stack_take(SCRATCH_SWITCH, scratch, task);

	sleeper->keep = sleeper->pace.keep;
	sleeper->switches = task_switches(task);
	pace_update(&sleeper->pace, now_ns, sleeper->switches, knobs);
	if (!id)
		return;
	sleeper->id = id;
	sleeper->woken_ns = 0;
	sleeper->is_runnable = (__u32)is_runnable;
	sleeper->is_partial = sample->walk_end == WALK_NO_TABLE;
	sleeper->begun_ns = now_ns;
	sleeper->since_ns = now_ns;
	count_more(KERNEL_COUNTER_EVENT_COST, bpf_ktime_get_boot_ns() - now_ns);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, _Bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	const struct sampler_settings *knobs = settings_get();
	struct sleeper *sleeper;
	int is_runnable = preempt || !prev_state;

	if (!knobs)
		return 0;
	count(KERNEL_COUNTER_SWITCHES);
	sleeper = bpf_task_storage_get(&sleepers, next, 0, 0);
	if (sleeper && sleeper->since_ns) {
		/* Of another sleep, if a switch went by unseen. */
		if (sleeper->switches == task_switches(next))
			sleeper_count(sleeper, bpf_ktime_get_boot_ns(), 0, knobs);
		else
			sleeper->since_ns = 0;
	}
	if (!prev->pid || (prev->flags & PF_KTHREAD) || (!preempt && (prev_state & TASK_GONE)))
		return 0;
	sleeper = sleeper_of(prev, 1, 1U << EVENT_OFFCPU, knobs);
	if (!sleeper)
		return 0;
	if (pace_draws(&sleeper->pace))
		sleep_begin(ctx, prev, sleeper, is_runnable, knobs);
	return 0;
}

/* The thread may run again; from here on it waits for a CPU. */
SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	struct sleeper *sleeper = bpf_task_storage_get(&sleepers, task, 0, 0);

	if (!sleeper || !sleeper->since_ns || sleeper->woken_ns)
		return 0;
	sleeper->woken_ns = bpf_ktime_get_boot_ns();
	if (sleeper->events >> EVENT_WAKER & 1)
		waker_take(ctx, task, sleeper);
	return 0;
}

/*
 * What a thread used since the last look would be lost with it, and with one that came and went
 * outside of windows all of it. Attached outside of windows, too.
 */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_thread_exit, struct task_struct *task)
{
	const struct sampler_settings *knobs = settings_get();
	struct scratch *scratch = scratch_get(SCRATCH_EXIT);
	struct sleeper *sleeper;

	task = bpf_get_current_task_btf();
	if (!knobs || !scratch || (task->flags & PF_KTHREAD))
		return 0;
	sleeper = sleeper_of(task, 0, WATCHED_EVENTS, knobs);
	if (!sleeper)
		return 0;
	look_fill(scratch, task, sleeper, bpf_ktime_get_boot_ns(), knobs);
	scratch->sample.flags = SAMPLE_LAST;
	bpf_ringbuf_output(&records, &scratch->sample, LOOK_BYTES, BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
