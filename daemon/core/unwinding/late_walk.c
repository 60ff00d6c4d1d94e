/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/late_walk.h"

#include <errno.h>
#include <string.h>

#include "bpf/stack_copy.h"
#include "daemon/core/unwinding/copied_stack.h"

/* A sample, and what is left of its walk. */
struct late_walk {
	struct record_stack *stack;   /* Owned */
	struct record_sample *sample; /* Owned, with room for every frame. NULL: on its way */
	struct copied_walk place;
};

struct late_walks {
	const struct module_table *modules;
	void (*on_done)(void *context, const struct record_sample *sample);
	void *context;
	struct late_walk waiting[LATE_WALKS];
	size_t count;
	uint64_t finished;
};

/* Walk on from where it stopped. Returns enum walk_end, or -EAGAIN. */
static int walk_on(const struct late_walks *walks, struct late_walk *walk)
{
	const struct record_stack *record = walk->stack;
	const struct copied_stack stack = {
		.address = record->address,
		.bytes = record->bytes,
		.size = record->size,
		.mappings = record->mappings,
		.mapping_count = record->mapping_count,
	};

	return copied_walk_go_on(&walk->place, &stack, walks->modules, walk->sample);
}

/* ---- The samples ---- */

struct late_walks *
late_walks_new(const struct module_table *modules,
	       void (*on_done)(void *context, const struct record_sample *sample), void *context)
{
	struct late_walks *walks = memory_new(sizeof(*walks));

	walks->modules = modules;
	walks->on_done = on_done;
	walks->context = context;
	return walks;
}

static void remove_walk(struct late_walks *walks, size_t index)
{
	free(walks->waiting[index].stack);
	free(walks->waiting[index].sample);
	walks->waiting[index] = walks->waiting[--walks->count];
}

void late_walks_free(struct late_walks *walks)
{
	if (!walks)
		return;
	while (walks->count)
		remove_walk(walks, walks->count - 1);
	free(walks);
}

void late_walks_add_stack(struct late_walks *walks, const struct record_stack *stack)
{
	size_t bytes = sizeof(*stack) + stack->size;
	struct late_walk *walk;

	if (walks->count == LATE_WALKS)
		return;
	walk = &walks->waiting[walks->count++];
	*walk = (struct late_walk){
		.stack = memory_new(bytes),
		.place = {.frame = stack->frame, .is_placed = 1},
	};
	memcpy(walk->stack, stack, bytes);
}

int late_walks_add_sample(struct late_walks *walks, const struct record_sample *sample)
{
	size_t frames = (size_t)sample->kernel_count + sample->user_count;

	if (!(sample->flags & SAMPLE_STACK_COPIED))
		return 0;
	/* The stack came a moment ago. */
	for (size_t i = walks->count; i-- > 0;) {
		struct late_walk *walk = &walks->waiting[i];

		if (walk->sample || walk->stack->time_ns != sample->time_ns ||
		    walk->stack->cpu != sample->cpu)
			continue;
		walk->sample =
			memory_new(sizeof(*sample) + (RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES) *
							     sizeof(sample->frames[0]));
		memcpy(walk->sample, sample, sizeof(*sample) + frames * sizeof(sample->frames[0]));
		return 1;
	}
	return 0;
}

void late_walks_continue(struct late_walks *walks, uint64_t now_ns)
{
	for (size_t i = walks->count; i-- > 0;) {
		struct late_walk *walk = &walks->waiting[i];
		uint64_t age_ns = now_ns > walk->stack->time_ns ? now_ns - walk->stack->time_ns : 0;
		int end = walk->sample ? walk_on(walks, walk) : -EAGAIN;

		if (end == -EAGAIN && age_ns < LATE_WALK_LIMIT_NS)
			continue;
		if (end >= 0) {
			walk->sample->walk_end = (uint16_t)end;
			walks->finished += end == WALK_ROOT;
		}
		/* Without a sample the ring buffer was full in between. */
		if (walk->sample)
			walks->on_done(walks->context, walk->sample);
		remove_walk(walks, i);
	}
}

uint64_t late_walks_finished(const struct late_walks *walks)
{
	return walks->finished;
}
