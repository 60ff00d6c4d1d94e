/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/counters.h"

#include "bpf/record.h"

struct counter_text {
	const char *name;
	const char *sentence;
};

#define X(name, text, sentence) {text, sentence},

static const struct counter_text core_texts[COUNTER_COUNT] = {CORE_COUNTERS(X)};
static const struct counter_text kernel_texts[KERNEL_COUNTER_WALK_FIRST] = {KERNEL_COUNTERS(X)};

#undef X

static const struct counter_text walk_texts[WALK_END_COUNT] = {
	[WALK_NO_USER] = {"walk.no_user", "kernel threads: there is no user stack"},
	[WALK_ROOT] = {"walk.root", "user stacks walked to their root"},
	[WALK_TRUNCATED] = {"walk.truncated", "user stacks deeper than the walk goes"},
	[WALK_NO_RULE] = {"walk.no_rule", "user stacks that met a pc without unwind rule"},
	[WALK_NO_TABLE] = {"walk.no_table", "user stacks that met a module not read yet"},
	[WALK_UNSUPPORTED] = {"walk.unsupported", "user stacks that met a rule beyond the walk"},
	[WALK_UNREADABLE] = {"walk.unreadable", "user stacks with a page that was not in memory"},
	[WALK_UNMAPPED] = {"walk.unmapped", "user stacks with a pc in no executable mapping"},
	[WALK_NO_MEMORY] = {"walk.no_memory", "processes whose memory was gone already"},
	[WALK_EXEC] = {"walk.exec", "samples between two programs of a process"},
	[WALK_FRAME_POINTER] = {"walk.frame_pointer",
				"user stacks whose frame pointers lead nowhere"},
};

const char *counter_name(enum core_counter counter)
{
	return core_texts[counter].name;
}

const char *counter_sentence(enum core_counter counter)
{
	return core_texts[counter].sentence;
}

static const struct counter_text *kernel_text(unsigned int counter)
{
	return counter < KERNEL_COUNTER_WALK_FIRST
		       ? &kernel_texts[counter]
		       : &walk_texts[counter - KERNEL_COUNTER_WALK_FIRST];
}

const char *counter_kernel_name(unsigned int counter)
{
	return kernel_text(counter)->name;
}

const char *counter_kernel_sentence(unsigned int counter)
{
	return kernel_text(counter)->sentence;
}
