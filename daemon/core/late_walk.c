/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/late_walk.h"

#include <errno.h>
#include <string.h>

#include "bpf/stack_copy.h"
#include "common/frame.h"
#include "daemon/core/module_table.h"

/* A sample, and what is left of its walk. */
struct late_walk {
	struct record_stack *stack;   /* Owned. Its frame moves on with the walk. */
	struct record_sample *sample; /* Owned, with room for every frame. NULL: on its way */
	int is_placed;                /* the frame is in the sample already */
};

struct late_walks {
	const struct module_table *modules;
	void (*on_done)(void *context, const struct record_sample *sample);
	void *context;
	struct late_walk waiting[LATE_WALKS];
	size_t count;
	uint64_t finished;
};

/* ---- The walk ---- */

/* The piece of stack is all the memory there is. */
int unwind_read(void *memory, __u64 address, __u64 *values, __u32 count)
{
	const struct record_stack *stack = memory;
	uint64_t distance = address - stack->address;
	uint64_t bytes = count * sizeof(*values);

	if (distance >= stack->size || stack->size - distance < bytes)
		return -1;
	memcpy(values, stack->bytes + distance, bytes);
	return 0;
}

static const struct mapping *find_mapping(const struct record_stack *stack, uint64_t pc)
{
	for (uint32_t i = 0; i < stack->mapping_count; i++) {
		if (pc >= stack->mappings[i].start && pc < stack->mappings[i].end)
			return &stack->mappings[i];
	}
	return NULL;
}

static int append_frame(struct record_sample *sample, uint64_t address)
{
	if (sample->user_count >= RECORD_USER_FRAMES)
		return -E2BIG;
	sample->frames[sample->kernel_count + sample->user_count++] = address;
	return 0;
}

/* One step by the rules of the module; -EAGAIN when they are not there yet. */
static int step(const struct late_walks *walks, struct record_stack *stack,
		const struct mapping *mapping, uint64_t offset)
{
	const struct module *module = module_table_find(walks->modules, mapping->module);
	const struct unwind_rule *rule = NULL;
	int end;

	if (mapping->module != MODULE_NONE) {
		if (!module || (!module_has_image(module) && module_is_pending(module)))
			return -EAGAIN;
		if (module_has_image(module))
			rule = module_image_find_rule(&module->image, offset);
	}
	if (rule)
		return unwind_step_rule(stack, &stack->frame, rule);
	end = unwind_step_pointer(stack, &stack->frame);
	return end == WALK_FRAME_POINTER && mapping->module != MODULE_NONE ? WALK_NO_RULE : end;
}

/* Walk on from where it stopped. Returns enum walk_end, or -EAGAIN. */
static int walk_on(const struct late_walks *walks, struct late_walk *walk)
{
	struct record_stack *stack = walk->stack;

	for (;;) {
		uint64_t pc = unwind_lookup_pc(&stack->frame);
		const struct mapping *mapping = find_mapping(stack, pc);
		uint64_t offset;
		int end;

		if (!mapping)
			return WALK_UNMAPPED;
		offset = pc - mapping->start + mapping->offset;
		if (!walk->is_placed &&
		    append_frame(walk->sample, frame_pack(mapping->module, offset)))
			return WALK_TRUNCATED;
		walk->is_placed = 1;
		end = step(walks, stack, mapping, offset);
		if (end != UNWIND_GOES_ON)
			return end;
		walk->is_placed = 0;
	}
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
	*walk = (struct late_walk){.stack = memory_new(bytes), .is_placed = 1};
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
