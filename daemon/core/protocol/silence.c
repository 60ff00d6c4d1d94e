/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/silence.h"

#include <string.h>

#include "common/clock.h"
#include "daemon/core/protocol/question.h"
#include "daemon/core/targets/target_table.h"

static char *describe(const struct target_selector *selector)
{
	struct target target = {.kind = selector->kind, .pid = selector->pid};

	switch (selector->kind) {
	case TARGET_PID:
		return memory_format("process %u", selector->pid);
	case TARGET_NAME:
	case TARGET_CGROUP:
		return memory_format("%s:%s", target_kind_name(target.kind), selector->pattern);
	case TARGET_ALL:
		break;
	}
	return memory_format("everything");
}

static double seconds(uint64_t ns)
{
	return (double)ns / (double)NS_PER_SECOND;
}

/* Somebody else's samples are there, which this peer may not see. */
static int is_hidden(const struct question_sources *sources, const struct question *question,
		     const struct target_selector *selector)
{
	uint32_t limit = process_table_process_limit(sources->processes);

	if (question->owner_uid == TARGET_PRIVILEGED || selector->kind != TARGET_PID)
		return 0;
	for (uint32_t i = 0; i < limit; i++) {
		const struct process *process = process_table_process(sources->processes, i);

		if (process->references && process->pid == selector->pid &&
		    (process->owner_uid != question->owner_uid ||
		     process->owner_gid != question->owner_gid))
			return 1;
	}
	return 0;
}

static const struct target *find_all(const struct question_sources *sources)
{
	struct target_selector all = {.kind = TARGET_ALL, .pattern = ""};

	return target_table_find(sources->targets, &all);
}

/* What to attach, so that measure can be told and nothing else ends: "cpu,offcpu". Owned (free). */
static char *missing_events(const struct measure *measure, const struct target *target)
{
	uint32_t events = measure->needs | target->events;
	char *list = NULL;

	for (uint32_t i = 0; target_event_names[i]; i++) {
		_cleanup_free_ char *before = list;

		if (events >> i & 1)
			list = memory_format("%s%s%s", before ? before : "", before ? "," : "",
					     target_event_names[i]);
		else
			before = NULL;
	}
	return list;
}

/* What is to be said of target, which ought to have given samples. */
static char *explain_target(const struct target *target, const char *what,
			    const struct question *question)
{
	uint64_t now_ns = clock_boot_ns();

	if (target->attached_ns >= question->to_ns)
		return memory_format("%s was attached only %.0f s ago, after the window", what,
				     seconds(now_ns - target->attached_ns));
	if (target->state == TARGET_STOPPED)
		return memory_format("%s is stopped; flamectl start resumes sampling", what);
	if (target->state == TARGET_EXITED && target->exited_ns < question->from_ns)
		return memory_format("%s exited %.0f s ago, before the window", what,
				     seconds(now_ns - target->exited_ns));
	if (question->measure->needs & ~target->events) {
		_cleanup_free_ char *events = missing_events(question->measure, target);

		return memory_format(
			"%s is attached for other events; flamectl attach -e %s adds it", what,
			events);
	}
	if (question->tid)
		return memory_format("thread %u of %s %s in the window, or is not one of its "
				     "threads",
				     question->tid, what, question->measure->nothing);
	/* It may be as busy as can be, and take its memory from the kernel itself. */
	if (question->measure->needs >> EVENT_HEAP & 1)
		return memory_format("%s %s in the window; memory that it maps itself, as the "
				     "runtimes of Go, Java and JavaScript do, shows with -e fault",
				     what, question->measure->nothing);
	return memory_format("%s was idle: it %s in the window", what, question->measure->nothing);
}

static char *explain_selector(const struct question_sources *sources,
			      const struct question *question,
			      const struct target_selector *selector)
{
	_cleanup_free_ char *what = describe(selector);
	const struct target *target = target_table_find(sources->targets, selector);

	if (is_hidden(sources, question, selector))
		return memory_format("%s belonged to another user when it was sampled (rule "
				     "own-samples)",
				     what);
	if (!target)
		target = find_all(sources);
	if (target)
		return explain_target(target, what, question);
	if (selector->kind == TARGET_PID)
		return memory_format("%s is not attached; flamectl attach %u", what, selector->pid);
	return memory_format("%s is not attached; see flamectl attach --help", what);
}

static char *explain_everything(const struct question_sources *sources,
				const struct question *question)
{
	uint32_t count = target_table_count(sources->targets);

	if (count == 0)
		return memory_format("nothing is attached; flamectl attach PID");
	if (count == 1) {
		const struct target *target = target_table_at(sources->targets, 0);
		_cleanup_free_ char *what =
			target->kind == TARGET_PID
				? memory_format("process %u (%s)", target->pid, target->name)
				: target_describe(target);

		return explain_target(target, what, question);
	}
	for (uint32_t i = 0; i < count; i++)
		if (target_table_at(sources->targets, i)->state == TARGET_RUNNING)
			return memory_format("the targets were idle, or are not attached for -e %s",
					     question->measure->name);
	return memory_format("every target is stopped or has exited; see flamectl list");
}

char *silence_explain(const struct question_sources *sources, const struct question *question,
		      uint64_t lost)
{
	uint64_t oldest_ns = bucket_ring_oldest_ns(sources->history);
	uint64_t now_ns = clock_boot_ns();

	if (question->from_ns >= question->to_ns)
		return memory_format("the window is empty: it ends before it starts");
	if (question->from_ns >= now_ns)
		return memory_format("the window lies in the future");
	if (question->to_ns <= oldest_ns)
		return memory_format(
			"the window lies before what is kept: the past reaches back %.0f s%s",
			seconds(now_ns - oldest_ns),
			bucket_ring_is_short_of_memory(sources->history) ? " (limited by --memory)"
									 : "");
	if (lost)
		return memory_format("every sample of the window was lost (%llu in all); see "
				     "flamectl status",
				     (unsigned long long)lost);
	if (question->selector_count)
		return explain_selector(sources, question, &question->selectors[0]);
	return explain_everything(sources, question);
}
