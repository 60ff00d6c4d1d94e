/* SPDX-License-Identifier: Apache-2.0 */
#include "common/profile.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

struct profile *profile_new(void)
{
	struct profile *profile = memory_new(sizeof(*profile));

	intern_init(&profile->strings);
	profile->cost_percent = -1;
	profile->scale_low = profile->scale_high = 1;
	return profile;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	intern_fini(&profile->strings);
	hashmap_fini(&profile->frame_index);
	hashmap_fini(&profile->node_index);
	hashmap_fini(&profile->row_index);
	free(profile->lost);
	free(profile->notes);
	free(profile->frames);
	free(profile->nodes);
	free(profile->processes);
	free(profile->threads);
	free(profile->rows);
	free(profile->slice_rows);
	free(profile);
}

uint32_t profile_string(struct profile *profile, const char *text)
{
	return intern_add_text(&profile->strings, text);
}

uint32_t profile_add_frame(struct profile *profile, const struct profile_frame *frame)
{
	uint32_t hash = hash_bytes(frame, sizeof(*frame));
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&profile->frame_index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&profile->frame_index, &cursor))
		if (memcmp(&profile->frames[i], frame, sizeof(*frame)) == 0)
			return i;
	uint32_t id = profile->frame_count++;
	profile->frames = memory_grow(profile->frames, &profile->frame_capacity,
				      profile->frame_count, sizeof(*profile->frames));
	profile->frames[id] = *frame;
	hashmap_add(&profile->frame_index, hash, id);
	return id;
}

uint32_t profile_add_node(struct profile *profile, uint32_t parent, uint32_t frame)
{
	uint32_t hash = hash_u64((uint64_t)parent << 32 | frame);
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&profile->node_index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&profile->node_index, &cursor))
		if (profile->nodes[i].parent == parent && profile->nodes[i].frame == frame)
			return i;
	uint32_t id = profile->node_count++;
	profile->nodes = memory_grow(profile->nodes, &profile->node_capacity, profile->node_count,
				     sizeof(*profile->nodes));
	profile->nodes[id] = (struct profile_node){parent, frame};
	hashmap_add(&profile->node_index, hash, id);
	return id;
}

uint32_t profile_add_process(struct profile *profile, const struct profile_process *process)
{
	uint32_t id = profile->process_count++;

	profile->processes = memory_grow(profile->processes, &profile->process_capacity,
					 profile->process_count, sizeof(*profile->processes));
	profile->processes[id] = *process;
	return id;
}

uint32_t profile_add_thread(struct profile *profile, const struct profile_thread *thread)
{
	uint32_t id = profile->thread_count++;

	profile->threads = memory_grow(profile->threads, &profile->thread_capacity,
				       profile->thread_count, sizeof(*profile->threads));
	profile->threads[id] = *thread;
	return id;
}

uint32_t profile_add_row(struct profile *profile, uint32_t thread, uint32_t node, double count,
			 double weight, double variance)
{
	uint32_t hash = hash_u64((uint64_t)thread << 32 | node);
	struct hashmap_cursor cursor;
	struct profile_row *row = NULL;

	for (uint32_t i = hashmap_first(&profile->row_index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&profile->row_index, &cursor)) {
		if (profile->rows[i].thread == thread && profile->rows[i].node == node) {
			row = &profile->rows[i];
			break;
		}
	}
	if (!row) {
		uint32_t id = profile->row_count++;

		profile->rows = memory_grow(profile->rows, &profile->row_capacity,
					    profile->row_count, sizeof(*profile->rows));
		row = &profile->rows[id];
		*row = (struct profile_row){.thread = thread, .node = node};
		hashmap_add(&profile->row_index, hash, id);
	}
	row->count += count;
	row->weight += weight;
	row->variance += variance;
	return (uint32_t)(row - profile->rows);
}

void profile_add_certain(struct profile *profile, uint32_t row, double certain, double largest)
{
	profile->rows[row].certain += certain;
	if (largest > profile->rows[row].largest)
		profile->rows[row].largest = largest;
}

void profile_add_slice_row(struct profile *profile, uint32_t slice, uint32_t row, double weight)
{
	uint32_t id = profile->slice_row_count++;

	profile->slice_rows = memory_grow(profile->slice_rows, &profile->slice_row_capacity,
					  profile->slice_row_count, sizeof(*profile->slice_rows));
	profile->slice_rows[id] = (struct profile_slice_row){slice, row, weight};
	if (slice >= profile->slice_count)
		profile->slice_count = slice + 1;
}

void profile_add_lost(struct profile *profile, const char *name, double value)
{
	uint32_t id = profile_string(profile, name);

	for (uint32_t i = 0; i < profile->lost_count; i++) {
		if (profile->lost[i].name == id) {
			profile->lost[i].value += value;
			return;
		}
	}
	profile->lost =
		memory_resize(profile->lost, profile->lost_count + 1, sizeof(*profile->lost));
	profile->lost[profile->lost_count++] = (struct profile_counter){id, value};
}

void profile_add_note(struct profile *profile, const char *note)
{
	profile->notes =
		memory_resize(profile->notes, profile->note_count + 1, sizeof(*profile->notes));
	profile->notes[profile->note_count++] = profile_string(profile, note);
}

double profile_lost(const struct profile *profile)
{
	double sum = 0;

	for (uint32_t i = 0; i < profile->lost_count; i++)
		sum += profile->lost[i].value;
	return sum;
}

/* The index of frames by content is made anew for the changed ones. */
static void index_frames(struct profile *profile)
{
	hashmap_clear(&profile->frame_index);
	for (uint32_t i = 0; i < profile->frame_count; i++)
		hashmap_add(&profile->frame_index,
			    hash_bytes(&profile->frames[i], sizeof(profile->frames[i])), i);
}

void profile_name_lines(struct profile *profile)
{
	for (uint32_t i = 0; i < profile->frame_count; i++) {
		struct profile_frame *frame = &profile->frames[i];
		const char *file = profile_text(profile, frame->file);
		const char *slash = strrchr(file, '/');

		if (!*file || !frame->line)
			continue;
		_cleanup_free_ char *name =
			memory_format("%s:%s:%u", profile_text(profile, frame->name),
				      slash ? slash + 1 : file, frame->line);
		frame->name = profile_string(profile, name);
	}
	index_frames(profile);
}
