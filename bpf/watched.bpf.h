/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Whether a thread is watched, and what it used since it was looked at last, by the scheduler's own
 * account, which needs no hook.
 */
#ifndef FLAME_BPF_WATCHED_BPF_H
#define FLAME_BPF_WATCHED_BPF_H

#include "bpf/sleeper.bpf.h"
#include "bpf/unwind.bpf.h"

#define WATCHED_EVENTS (1U << EVENT_OFFCPU | 1U << EVENT_FAULT | 1U << EVENT_WAKER)

/* Tell the core a name that it has not judged yet. The next switch will ask again if this is lost. */
static __always_inline void sleeper_ask(struct task_struct *task)
{
	struct scratch *scratch = scratch_get(SCRATCH_SWITCH);

	if (!scratch)
		return;

	struct record_sample *sample = &scratch->sample;

	sample->header.type = RECORD_SUM;
	sample->header.size = sizeof(*sample);
	sample->event = EVENT_OFFCPU;
	sample->flags = SAMPLE_PENDING;
	sample->id = 0;
	sample->kernel_count = 0;
	sample->user_count = 0;
	sample->time_ns = bpf_ktime_get_boot_ns();
	sample_identify(sample, task, cgroup_id_of(task));
	bpf_ringbuf_output(&records, sample, sizeof(*sample), BPF_RB_NO_WAKEUP);
}

/*
 * Decide which events of the task are wanted, and return them, -1: the core has been asked; nothing
 * is stored of a thread that never was wanted.
 */
static __always_inline int thread_judge(struct task_struct *task, int is_current, int is_known)
{
	const struct sampler_settings *knobs = settings_get();
	struct sleeper *thread;
	struct selection selection;
	__u32 wanted;

	if (!knobs)
		return 0;
	selection = selection_of_task(task, pid_of(task), task->group_leader->start_boottime,
				      is_current, knobs);
	wanted = selection.events & WATCHED_EVENTS;
	if (!wanted && selection.is_pending && is_current)
		sleeper_ask(task);
	if (!wanted && !is_known)
		return selection.is_pending ? -1 : 0;
	thread = bpf_task_storage_get(&sleepers, task, 0,
				      wanted ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	if (!thread)
		return 0;
	if (wanted & ~thread->events) {
		pace_start(&thread->pace, knobs);
		pace_start(&thread->fault_pace, knobs);
		thread->since_ns = 0;
		thread->looked_ns = 0;
	}
	thread->events = wanted;
	thread->target = selection.target;
	/* A process that is still to be judged is asked about again. */
	if (!selection.is_pending || wanted) {
		thread->generation = knobs->generation;
		thread->program = task->self_exec_id;
	}
	return (int)wanted;
}

/* The same for the current task: a function of its own, which the verifier looks at once. */
__weak __noinline int thread_judge_current(int is_known)
{
	return thread_judge(bpf_get_current_task_btf(), 1, is_known);
}

/*
 * Threads that nothing is wanted of, a few on each CPU: judging them at every switch is most of what
 * the hooks cost a host of which one process is watched. A verdict is about one program, and is
 * forgotten with every look: a thread may change its name, too.
 */
struct bystander {
	__u64 start_time_ns;
	__u64 program;
	__u32 tid;
	__u32 generation;
	__u32 period;
	__u32 reserved;
};

#define BYSTANDERS 64 /* a power of two */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BYSTANDERS);
	__type(key, __u32);
	__type(value, struct bystander);
} bystanders SEC(".maps") __weak;

/* Whether the entry is about the task, and not out of date. */
static __always_inline int is_bystander(const struct bystander *bystander,
					const struct task_struct *task,
					const struct sampler_settings *knobs)
{
	return bystander->tid == (__u32)task->pid &&
	       bystander->start_time_ns == task->start_boottime &&
	       bystander->program == task->self_exec_id &&
	       bystander->generation == knobs->generation && bystander->period == knobs->period;
}

/* Judge the current task, of which nothing is known. Returns whether something is wanted of it. */
static __always_inline int thread_judge_unknown(struct task_struct *task,
						const struct sampler_settings *knobs)
{
	__u32 slot = (__u32)task->pid & (BYSTANDERS - 1);
	struct bystander *bystander = bpf_map_lookup_elem(&bystanders, &slot);
	int verdict;

	if (bystander && is_bystander(bystander, task, knobs))
		return 0;
	verdict = thread_judge_current(0);
	if (verdict)
		return verdict > 0;
	if (bystander) {
		bystander->start_time_ns = task->start_boottime;
		bystander->program = task->self_exec_id;
		bystander->tid = (__u32)task->pid;
		bystander->generation = knobs->generation;
		bystander->period = knobs->period;
	}
	return 0;
}

/*
 * What is remembered of the task, if one of the events is wanted of it. The verdict is made once for
 * a program and a generation of the settings.
 */
static __always_inline struct sleeper *sleeper_of(struct task_struct *task, int is_current,
						  __u32 events,
						  const struct sampler_settings *knobs)
{
	struct sleeper *thread = bpf_task_storage_get(&sleepers, task, 0, 0);

	if (!thread || thread->generation != knobs->generation ||
	    thread->program != task->self_exec_id) {
		int is_known = thread != NULL;

		int wanted = !is_current ? thread_judge(task, 0, is_known)
			     : is_known  ? thread_judge_current(1)
					 : thread_judge_unknown(task, knobs);

		if (wanted <= 0)
			return NULL;
		thread = bpf_task_storage_get(&sleepers, task, 0, 0);
	}
	return thread && thread->events & events ? thread : NULL;
}

/*
 * Walk the user stack of the current task behind the kernel frames in the scratch of slot. Returns
 * the id of the whole stack for sum_add(), 0: there is none.
 */
static __always_inline __u64 stack_take(__u32 slot, struct scratch *scratch,
					struct task_struct *task)
{
	scratch->pid = pid_of(task);
	scratch->start_time_ns = task->group_leader->start_boottime;
	unwind_sample(slot, scratch, task);
	return sum_announce(slot, scratch, task);
}

/* How often the hooks have met the task, by the kernel's own count. */
static __always_inline __u64 hits_of(const struct task_struct *task, __u32 events)
{
	__u64 hits = 0;

	if (events >> EVENT_OFFCPU & 1)
		hits += task_switches(task);
	if (events >> EVENT_FAULT & 1)
		hits += task->min_flt + task->maj_flt;
	return hits;
}

/*
 * Describe in scratch the thread and what it used, LOOK_BYTES from its sample on; remember its
 * totals for the next look.
 */
static __always_inline void look_fill(struct scratch *scratch, struct task_struct *task,
				      struct sleeper *sleeper, __u64 now_ns,
				      const struct sampler_settings *knobs)
{
	__u64 hits = hits_of(task, sleeper->events), elapsed_ns = 0;
	struct record_sample *sample = &scratch->sample;
	__u64 *words = scratch->frames;

	__builtin_memset(sample, 0, sizeof(*sample));
	__builtin_memset(words, 0, LOOK_WORDS * sizeof(*words));
	sample->header.type = RECORD_LOOK;
	sample->header.size = LOOK_BYTES;
	sample->time_ns = now_ns;
	sample->event = sleeper->events >> EVENT_OFFCPU & 1 ? EVENT_OFFCPU : EVENT_FAULT;
	sample->user_count = LOOK_WORDS;
	sample->target = sleeper->target;
	sample_identify(sample, task, cgroup_id_of(task));
	if (sleeper->looked_ns)
		elapsed_ns = now_ns - sleeper->looked_ns;
	else if (task->start_boottime > knobs->opened_ns)
		elapsed_ns = now_ns - task->start_boottime;

	struct thread_used used = thread_time_look(&sleeper->time, task, elapsed_ns);

	if (elapsed_ns) {
		words[LOOK_ELAPSED] = elapsed_ns;
		words[LOOK_CPU] = used.cpu_ns;
		words[LOOK_WAITED] = used.waited_ns;
		words[LOOK_HITS] = hits - sleeper->hits;
	}
	words[LOOK_WALKS] = sleeper->walks;
	sleeper->looked_ns = now_ns;
	sleeper->hits = hits;
	sleeper->walks = 0;
}

#endif
