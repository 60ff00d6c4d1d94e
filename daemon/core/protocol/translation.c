/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/translation.h"

#include <stdlib.h>
#include <string.h>

#include "common/frame.h"
#include "common/hashmap.h"
#include "common/memory.h"
#include "common/profile.h"
#include "daemon/core/history/stack_table.h"
#include "daemon/core/names/scheduler_names.h"
#include "daemon/core/names/symbolizer.h"
#include "daemon/core/processes/process_table.h"
#include "daemon/core/protocol/measure.h"
#include "daemon/core/protocol/question.h"
#include "daemon/core/protocol/row_sums.h"

/* ---- Frames that need names ---- */

static int wants_frame(const struct question *question, uint64_t address)
{
	if (frame_module(address) == MODULE_MARK || frame_module(address) == MODULE_NAME)
		return 1;
	return frame_module(address) == MODULE_KERNEL ? question->kernel_frames
						      : question->user_frames;
}

static int address_is_new(struct hashmap *seen, const uint64_t *addresses, uint64_t address)
{
	uint32_t hash = hash_u64(address);
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(seen, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(seen, &cursor))
		if (addresses[i] == address)
			return 0;
	return 1;
}

uint64_t *translation_addresses(const struct row_sums *sums, const struct question *question,
				size_t *count)
{
	const struct stack_table *stacks = sums->sources->stacks;
	_cleanup_free_ uint8_t *visited = memory_new(stack_table_limit(stacks) + 1);
	struct hashmap seen = {0};
	uint64_t *addresses = NULL;
	size_t capacity = 0;

	*count = 0;
	for (uint32_t i = 0; i < sums->row_count; i++) {
		if (!sums->rows[i].weight)
			continue;
		for (uint32_t node = sums->rows[i].stack; node != STACK_NONE && !visited[node];
		     node = stack_table_parent(stacks, node)) {
			uint64_t address = stack_table_address(stacks, node);

			visited[node] = 1;
			if (!wants_frame(question, address) ||
			    !address_is_new(&seen, addresses, address))
				continue;
			addresses =
				memory_grow(addresses, &capacity, *count + 1, sizeof(*addresses));
			hashmap_add(&seen, hash_u64(address), (uint32_t)*count);
			addresses[(*count)++] = address;
		}
	}
	hashmap_fini(&seen);
	return addresses;
}

/* ---- The profile ---- */

/* Maps from the tables' numbers to the profile's; HASHMAP_NONE: not there yet. */
struct translation {
	const struct question_sources *sources;
	const struct question *question;
	struct profile *profile;
	uint32_t *nodes;
	uint32_t *threads;
	uint32_t *processes;
	struct hashmap index; /* by address, into named */
	struct named {
		uint64_t address;
		uint32_t first; /* in frames */
		uint32_t count;
	} * named;
	size_t named_count;
	size_t named_capacity;
	uint32_t *frames; /* of the profile */
	uint32_t frame_count;
	size_t frame_capacity;
};

static uint32_t *new_map(uint32_t count)
{
	uint32_t *map = memory_resize(NULL, (size_t)count + 1, sizeof(*map));

	memset(map, 0xff, ((size_t)count + 1) * sizeof(*map));
	return map;
}

static uint32_t name_frame(struct translation *translation, uint64_t address, uint32_t level)
{
	struct profile *profile = translation->profile;
	struct symbol_name name;

	symbolizer_name(translation->sources->symbolizer, address, level,
			translation->question->want, &name);
	struct profile_frame frame = {
		.name = profile_string(profile, name.name),
		.module = profile_string(profile, name.module),
		.file = profile_string(profile, name.file),
		.line = name.line,
		.kind = name.kind,
	};
	return profile_add_frame(profile, &frame);
}

/* The frames of an address, outermost first; each address is named once. */
static const struct named *translate_address(struct translation *translation, uint64_t address)
{
	uint32_t hash = hash_u64(address);
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&translation->index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&translation->index, &cursor))
		if (translation->named[i].address == address)
			return &translation->named[i];
	struct named named = {
		.address = address,
		.first = translation->frame_count,
		.count = symbolizer_depth(translation->sources->symbolizer, address,
					  translation->question->want),
	};
	translation->frames = memory_grow(translation->frames, &translation->frame_capacity,
					  (size_t)named.first + named.count, sizeof(uint32_t));
	for (uint32_t level = 0; level < named.count; level++)
		translation->frames[translation->frame_count++] =
			name_frame(translation, address, level);
	size_t number = translation->named_count++;
	translation->named = memory_grow(translation->named, &translation->named_capacity,
					 number + 1, sizeof(*translation->named));
	translation->named[number] = named;
	hashmap_add(&translation->index, hash, (uint32_t)number);
	return &translation->named[number];
}

static int is_switching(const struct translation *translation, uint64_t address,
			const struct named *named)
{
	const struct profile *profile = translation->profile;
	const struct profile_frame *frame = &profile->frames[translation->frames[named->first]];

	return named->count == 1 && frame_module(address) == MODULE_KERNEL &&
	       scheduler_names_has(profile_text(profile, frame->name));
}

static uint32_t add_nodes(struct translation *translation, uint32_t parent, uint64_t address)
{
	const struct named *named = translate_address(translation, address);

	if (named->count == 1 && translation->question->measure->needs >> EVENT_OFFCPU & 1 &&
	    is_switching(translation, address, named))
		return parent;
	for (uint32_t i = 0; i < named->count; i++)
		parent = profile_add_node(translation->profile, parent,
					  translation->frames[named->first + i]);
	return parent;
}

/* The profile's node for a stack: climb to the first known ancestor, then come down again. */
static uint32_t translate_stack(struct translation *translation, uint32_t stack)
{
	const struct stack_table *stacks = translation->sources->stacks;
	uint32_t path[STACK_MAX_DEPTH];
	uint32_t depth = 0;
	uint32_t node = PROFILE_NO_NODE;

	while (stack != STACK_NONE && translation->nodes[stack] == HASHMAP_NONE) {
		path[depth++] = stack;
		stack = stack_table_parent(stacks, stack);
	}
	if (stack != STACK_NONE)
		node = translation->nodes[stack] - 1;
	while (depth > 0) {
		uint64_t address = stack_table_address(stacks, path[--depth]);

		if (wants_frame(translation->question, address))
			node = add_nodes(translation, node, address);
		/* One more, so that "no node" (a stack without wanted frames) is 0. */
		translation->nodes[path[depth]] = node + 1;
	}
	return node;
}

/* Beside other kinds of time each says what it is, time on the CPU too. */
static uint32_t translate_row(struct translation *translation, const struct bucket_row *row)
{
	uint32_t node = translate_stack(translation, row->stack);
	uint64_t running = frame_pack(MODULE_MARK, FRAME_MARK_RUNNING);

	if (row->event != EVENT_CPU || !(translation->question->measure->rows >> EVENT_OFFCPU & 1))
		return node;
	if (row->stack != STACK_NONE &&
	    stack_table_address(translation->sources->stacks, row->stack) == running)
		return node;
	return add_nodes(translation, node, running);
}

static uint32_t translate_thread(struct translation *translation, uint32_t number)
{
	struct process_table *table = translation->sources->processes;
	struct profile *profile = translation->profile;
	const struct process_thread *thread = process_table_thread(table, number);

	if (translation->threads[number] != HASHMAP_NONE)
		return translation->threads[number];
	if (translation->processes[thread->process] == HASHMAP_NONE) {
		const struct process *process = process_table_process(table, thread->process);
		struct profile_process copy = {
			.name = profile_string(profile, process->name),
			.pid = process->pid,
			.uid = process->owner_uid,
			.start_time_ns = process->start_time_ns,
		};
		translation->processes[thread->process] = profile_add_process(profile, &copy);
	}
	struct profile_thread copy = {
		.process = translation->processes[thread->process],
		.tid = thread->tid,
		.name = profile_string(profile, thread->name),
	};
	translation->threads[number] = profile_add_thread(profile, &copy);
	return translation->threads[number];
}

/* Samples that could not be kept are a stack of their own, of no thread. */
static void add_lost(struct profile *profile, const struct row_sums *sums)
{
	struct profile_frame frame = {
		.name = profile_string(profile, frame_mark_name(FRAME_MARK_LOST)),
		.kind = FRAME_MARKED,
	};

	if (sums->lost_count > 0)
		profile_add_row(profile, PROFILE_NO_THREAD,
				profile_add_node(profile, PROFILE_NO_NODE,
						 profile_add_frame(profile, &frame)),
				sums->lost_count, sums->lost_ns,
				sums->lost_ns * sums->lost_ns / sums->lost_count);
}

void translation_fill(struct profile *profile, const struct row_sums *sums,
		      const struct question *question)
{
	struct process_table *processes = sums->sources->processes;
	_cleanup_free_ uint32_t *node_map = new_map(stack_table_limit(sums->sources->stacks));
	_cleanup_free_ uint32_t *thread_map = new_map(process_table_thread_limit(processes));
	_cleanup_free_ uint32_t *process_map = new_map(process_table_process_limit(processes));
	struct translation translation = {.sources = sums->sources,
					  .question = question,
					  .profile = profile,
					  .nodes = node_map,
					  .threads = thread_map,
					  .processes = process_map};

	/* Stacks that differ by address alone become one row. */
	_cleanup_free_ uint32_t *row_map = new_map(sums->row_count);

	for (uint32_t i = 0; i < sums->row_count; i++) {
		const struct bucket_row *row = &sums->rows[i];

		if (!row->weight)
			continue;
		row_map[i] = profile_add_row(profile, translate_thread(&translation, row->thread),
					     translate_row(&translation, row), row->count,
					     (double)row->weight, row->variance);
		profile_add_certain(profile, row_map[i], (double)row->certain,
				    (double)row->largest);
	}
	for (size_t i = 0; i < sums->slice_row_count; i++) {
		const struct slice_row *slice = &sums->slice_rows[i];

		if (row_map[slice->row] == HASHMAP_NONE)
			continue;
		profile_add_slice_row(profile, slice->slice, row_map[slice->row],
				      (double)slice->weight);
	}
	add_lost(profile, sums);
	hashmap_fini(&translation.index);
	free(translation.named);
	free(translation.frames);
}
