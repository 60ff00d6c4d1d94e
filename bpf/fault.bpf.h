/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * How much memory a page fault brought: one page, or a huge one. The kernel does not say when it is
 * asked for the page, so the fault is counted when the page is there, or at the latest when the
 * thread is met again, by what the process has grown meanwhile.
 */
#ifndef FLAME_BPF_FAULT_BPF_H
#define FLAME_BPF_FAULT_BPF_H

#include "bpf/sleeper.bpf.h"

#define HUGE_PAGES 512 /* small pages in a huge one */
#define HUGE_LEAST 480 /* the counter is exact to a few dozen pages */
#define ANONYMOUS  1   /* MM_ANONPAGES */

/* Pages of its own that the process of the task has in memory, about. */
static __always_inline __u64 fault_pages_of(const struct task_struct *task)
{
	const struct mm_struct *mm = task->mm;
	const struct mm_struct___plain_count *older = (const void *)mm;

	if (!mm)
		return 0;
	if (bpf_core_field_exists(older->rss_stat.count))
		return (__u64)BPF_CORE_READ(older, rss_stat.count[ANONYMOUS].counter);
	return (__u64)BPF_CORE_READ(mm, rss_stat[ANONYMOUS].count);
}

/* Count the fault that was drawn last. */
static __always_inline void fault_settle(struct sleeper *thread, __u64 pages,
					 const struct sampler_settings *knobs)
{
	__u64 id = thread->fault_id;
	int is_huge = pages > thread->fault_pages && pages - thread->fault_pages >= HUGE_LEAST;

	/* A look and the thread itself may meet. */
	if (!id || __sync_val_compare_and_swap(&thread->fault_id, id, 0) != id)
		return;
	sum_add(id, (is_huge ? HUGE_PAGES : 1) << PAGE_SHIFT, 0, thread->fault_keep, knobs);
}

#endif
