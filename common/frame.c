/* SPDX-License-Identifier: Apache-2.0 */
#include "common/frame.h"

#include <string.h>

static const char *const mark_names[FRAME_MARK_COUNT] = {
	[FRAME_MARK_NONE] = "[unknown]",
	[FRAME_MARK_TRUNCATED] = "[truncated]",
	[FRAME_MARK_NO_UNWIND_INFO] = "[no unwind info]",
	[FRAME_MARK_UNREADABLE] = "[stack not readable]",
	[FRAME_MARK_UNMAPPED] = "[not mapped]",
	[FRAME_MARK_NO_MEMORY] = "[exiting]",
	[FRAME_MARK_EXEC] = "[exec]",
	[FRAME_MARK_LOST] = "[lost]",
	[FRAME_MARK_FRAME_POINTER] = "[broken frame pointers]",
	[FRAME_MARK_UPROBES] = "[uprobes]",
	[FRAME_MARK_WAKER] = "--",
	[FRAME_MARK_FOREIGN_WAKER] = "--",
	[FRAME_MARK_INTERRUPT] = "[interrupt]",
	[FRAME_MARK_BLOCKED] = "[blocked]",
	[FRAME_MARK_LOCK] = "[lock]",
	[FRAME_MARK_TIMER] = "[timer]",
	[FRAME_MARK_POLL] = "[poll]",
	[FRAME_MARK_PIPE] = "[pipe]",
	[FRAME_MARK_SOCKET] = "[socket]",
	[FRAME_MARK_DEVICE] = "[device]",
	[FRAME_MARK_DISK] = "[disk]",
	[FRAME_MARK_PAGE_FAULT] = "[page fault]",
	[FRAME_MARK_CHILD] = "[child]",
	[FRAME_MARK_SIGNAL] = "[signal]",
	[FRAME_MARK_STOPPED] = "[stopped]",
	[FRAME_MARK_PREEMPTED] = "[preempted]",
	[FRAME_MARK_THROTTLED] = "[throttled]",
	[FRAME_MARK_YIELDED] = "[yielded]",
	[FRAME_MARK_RUN_QUEUE] = "[run queue]",
	[FRAME_MARK_RUNNING] = "[running]",
};

/* All others are FRAME_MARKED. */
static const enum frame_kind mark_kinds[FRAME_MARK_COUNT] = {
	[FRAME_MARK_WAKER] = FRAME_PROCESS,    [FRAME_MARK_FOREIGN_WAKER] = FRAME_PROCESS,
	[FRAME_MARK_INTERRUPT] = FRAME_KERNEL, [FRAME_MARK_BLOCKED] = FRAME_SLEEPS,
	[FRAME_MARK_LOCK] = FRAME_LOCKED,      [FRAME_MARK_TIMER] = FRAME_SLEEPS,
	[FRAME_MARK_POLL] = FRAME_SLEEPS,      [FRAME_MARK_PIPE] = FRAME_WAITS_IO,
	[FRAME_MARK_SOCKET] = FRAME_WAITS_IO,  [FRAME_MARK_DEVICE] = FRAME_WAITS_IO,
	[FRAME_MARK_DISK] = FRAME_WAITS_IO,    [FRAME_MARK_PAGE_FAULT] = FRAME_WAITS_IO,
	[FRAME_MARK_CHILD] = FRAME_SLEEPS,     [FRAME_MARK_SIGNAL] = FRAME_SLEEPS,
	[FRAME_MARK_STOPPED] = FRAME_SLEEPS,   [FRAME_MARK_PREEMPTED] = FRAME_QUEUED,
	[FRAME_MARK_THROTTLED] = FRAME_QUEUED, [FRAME_MARK_YIELDED] = FRAME_QUEUED,
	[FRAME_MARK_RUN_QUEUE] = FRAME_QUEUED, [FRAME_MARK_RUNNING] = FRAME_RUNNING,
};

static const char *const kind_names[FRAME_KIND_COUNT] = {
	[FRAME_USER] = "user",       [FRAME_LIBRARY] = "library", [FRAME_KERNEL] = "kernel",
	[FRAME_JIT] = "jit",         [FRAME_INLINED] = "inlined", [FRAME_UNKNOWN] = "unknown",
	[FRAME_PROCESS] = "process", [FRAME_MARKED] = "mark",     [FRAME_QUEUED] = "queued",
	[FRAME_WAITS_IO] = "io",     [FRAME_LOCKED] = "lock",     [FRAME_SLEEPS] = "sleep",
	[FRAME_RUNNING] = "running",
};

const char *frame_mark_name(enum frame_mark mark)
{
	return (unsigned int)mark < FRAME_MARK_COUNT ? mark_names[mark] : mark_names[0];
}

enum frame_mark frame_mark_find(const char *name)
{
	for (unsigned int mark = 0; mark < FRAME_MARK_COUNT; mark++)
		if (strcmp(mark_names[mark], name) == 0)
			return (enum frame_mark)mark;
	return FRAME_MARK_NONE;
}

enum frame_kind frame_mark_kind(enum frame_mark mark)
{
	if ((unsigned int)mark >= FRAME_MARK_COUNT || mark < FRAME_MARK_WAKER)
		return FRAME_MARKED;
	return mark_kinds[mark];
}

const char *frame_kind_name(enum frame_kind kind)
{
	return (unsigned int)kind < FRAME_KIND_COUNT ? kind_names[kind] : kind_names[FRAME_UNKNOWN];
}

enum frame_kind frame_kind_find(const char *name)
{
	for (unsigned int kind = 0; kind < FRAME_KIND_COUNT; kind++)
		if (strcmp(kind_names[kind], name) == 0)
			return (enum frame_kind)kind;
	return FRAME_UNKNOWN;
}
