/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/counters.h"

#include "bpf/record.h"

#define X(name, text, sentence) text,

static const char *const core_names[COUNTER_COUNT] = {CORE_COUNTERS(X)};
static const char *const kernel_names[KERNEL_COUNTER_WALK_FIRST] = {KERNEL_COUNTERS(X)};

#undef X

static const char *const walk_names[WALK_END_COUNT] = {
	[WALK_NO_USER] = "walk.no_user",
	[WALK_ROOT] = "walk.root",
	[WALK_TRUNCATED] = "walk.truncated",
	[WALK_NO_RULE] = "walk.no_rule",
	[WALK_NO_TABLE] = "walk.no_table",
	[WALK_UNSUPPORTED] = "walk.unsupported",
	[WALK_UNREADABLE] = "walk.unreadable",
	[WALK_UNMAPPED] = "walk.unmapped",
	[WALK_NO_MEMORY] = "walk.no_memory",
	[WALK_EXEC] = "walk.exec",
	[WALK_FRAME_POINTER] = "walk.frame_pointer",
};

const char *counter_name(enum core_counter counter)
{
	return core_names[counter];
}

const char *counter_kernel_name(unsigned int counter)
{
	return counter < KERNEL_COUNTER_WALK_FIRST
		       ? kernel_names[counter]
		       : walk_names[counter - KERNEL_COUNTER_WALK_FIRST];
}
