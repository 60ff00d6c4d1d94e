/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Who ends a sleep. At sched_waking the current thread is the waker, unless an interrupt is: then
 * whoever happens to run is a bystander, and what counts is the part of the kernel stack that
 * belongs to the interrupt. Only sleeps that were drawn have their waker's stack walked.
 */
#ifndef FLAME_BPF_WAKER_BPF_H
#define FLAME_BPF_WAKER_BPF_H

#include "bpf/sleeper.bpf.h"
#include "bpf/watched.bpf.h"

#define WAKER_KERNEL_FRAMES 2 /* of the program itself and of what calls it */

/* Whether address is in code that only interrupts run. */
static __always_inline int is_interrupt_code(__u64 address, const struct sampler_settings *knobs)
{
	for (int i = 0; i < INTERRUPT_RANGES; i++)
		if (address >= knobs->interrupts[i].start && address < knobs->interrupts[i].end)
			return 1;
	return 0;
}

/*
 * Cut the kernel stack in the scratch of slot behind the interrupt that it is in. Returns whether it
 * is in one.
 */
__weak __noinline int waker_cut_interrupt(__u32 slot)
{
	const struct sampler_settings *knobs = settings_get();
	struct scratch *scratch = scratch_get(slot);

	if (!scratch || !knobs)
		return 0;
	for (__u32 i = 0; i < RECORD_KERNEL_FRAMES; i++) {
		if (i >= scratch->sample.kernel_count)
			return 0;
		if (is_interrupt_code(scratch->frames[i], knobs)) {
			scratch->sample.kernel_count = (__u16)(i + 1);
			return 1;
		}
	}
	return 0;
}

/* Whether the waking that is under way is an interrupt's. */
static __always_inline int waker_is_interrupt(struct task_struct *waker)
{
	const struct pt_regs___kernel *registers = (void *)bpf_task_pt_regs(waker);

	/* The idle thread wakes nobody by itself; who was in user mode made no call. */
	return waker_cut_interrupt(SCRATCH_WAKER) || !waker->pid ||
	       (!(waker->flags & PF_KTHREAD) && (long)BPF_CORE_READ(registers, orig_ax) < 0);
}

/*
 * Return the id of the sleep sleep_id as one that the stack in the waker's scratch ended, telling
 * user space about it if that is new, or has to move what was counted from counted_ns on; 0: there
 * is no room.
 */
static __always_inline __u64 waker_announce(struct scratch *scratch, struct task_struct *waker,
					    __u64 sleep_id, __u64 counted_ns)
{
	struct record_sample *sample = &scratch->sample;
	__u32 frames = sample->kernel_count + sample->user_count;
	struct sum nothing = {0};
	__u64 hash = hash_step(HASH_SEED, sleep_id), id;
	int is_new;

	if (!(sample->flags & SAMPLE_INTERRUPT)) {
		hash = hash_step(hash, waker->start_boottime);
		hash = hash_step(hash, (__u64)waker->pid);
	}
	hash = hash_step(hash, (__u64)sample->kernel_count << 16 | sample->walk_end);
	id = sum_hash(SCRATCH_WAKER, hash);
	is_new = !bpf_map_lookup_elem(&sums, &id);
	if (!is_new && !counted_ns)
		return id;
	/* Without room the sleep is counted all the same, without its waker. */
	if (is_new && bpf_map_update_elem(&sums, &id, &nothing, BPF_NOEXIST))
		return 0;
	sample_identify(sample, waker, cgroup_id_of(waker));
	if (frames > RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES)
		frames = RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES;
	scratch->frames[frames & (SCRATCH_FRAMES - 1)] = sleep_id;
	sample->header.type = RECORD_WAKER;
	sample->header.size = sizeof(*sample) + (frames + WAKER_WORDS) * sizeof(__u64);
	sample->time_ns = counted_ns ? counted_ns : bpf_ktime_get_boot_ns();
	if (counted_ns)
		sample->flags |= SAMPLE_COUNTED;
	sample->id = id;
	/* The run queue is locked, or about to be: no wake-up. */
	if (bpf_ringbuf_output(&records, sample,
			       sizeof(*sample) + (frames + WAKER_WORDS) * sizeof(__u64),
			       BPF_RB_NO_WAKEUP)) {
		if (is_new) {
			bpf_map_delete_elem(&sums, &id);
			return 0;
		}
	}
	return id;
}

/* The current thread wakes task, whose sleep is counted: walk, and count it under both from now on. */
static __always_inline void waker_take(void *context, const struct task_struct *task,
				       struct sleeper *sleeper)
{
	struct scratch *scratch = scratch_get(SCRATCH_WAKER);
	struct task_struct *waker = bpf_get_current_task_btf();
	__u64 began_ns = sleeper->woken_ns, id;
	long size;

	/* Of another sleep, whose end went by unseen; or no sleep at all. */
	if (!scratch || sleeper->is_runnable || sleeper->switches != task_switches(task))
		return;

	struct record_sample *sample = &scratch->sample;

	count(KERNEL_COUNTER_WAKERS);
	sleeper->walks++;
	sample->event = EVENT_WAKER;
	sample->flags = 0;
	sample->target = sleeper->target;
	sample->reason = FRAME_MARK_NONE;
	sample->kernel_count = 0;
	sample->user_count = 0;
	sample->walk_end = WALK_NO_USER;
	size = bpf_get_stack(context, scratch->frames, RECORD_KERNEL_FRAMES * sizeof(__u64),
			     WAKER_KERNEL_FRAMES);
	if (size > 0)
		sample->kernel_count = (__u16)(size / sizeof(__u64));
	if (waker_is_interrupt(waker)) {
		sample->flags = SAMPLE_INTERRUPT;
	} else {
		scratch->pid = pid_of(waker);
		scratch->start_time_ns = waker->group_leader->start_boottime;
		unwind_sample(SCRATCH_WAKER, scratch, waker);
	}
	id = waker_announce(scratch, waker, sleeper->id,
			    sleeper->since_ns != sleeper->begun_ns ? sleeper->begun_ns : 0);
	if (id)
		sleeper->id = id;
	count_more(KERNEL_COUNTER_EVENT_COST, bpf_ktime_get_boot_ns() - began_ns);
}

#endif
