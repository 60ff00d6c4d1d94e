/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/clock.h"
#include "common/profile.h"
#include "common/profile_json.h"

/* Wall-clock times beyond this (year 2262) do not fit into ns. */
#define MAX_SECONDS 9.2e9

/* Where the reader is: file numbers on the left, the profile's numbers on the right. */
struct reader {
	struct profile *profile;
	const char *error;
	uint32_t *modules;
	uint32_t module_count;
	uint32_t *files;
	uint32_t file_count;
	uint32_t *frames;
	uint32_t frame_count;
	uint32_t *nodes;
	uint32_t node_count;
	uint32_t *rows;
	uint32_t row_count;
};

static void reader_fini(struct reader *reader)
{
	profile_free(reader->profile);
	free(reader->modules);
	free(reader->files);
	free(reader->frames);
	free(reader->nodes);
	free(reader->rows);
}

static int fail(struct reader *reader, const char *error)
{
	reader->error = error;
	return -EINVAL;
}

/* An integer in [minimum, maximum]; not an integer is out of range too. */
static int get_integer(const json_t *value, json_int_t minimum, json_int_t maximum,
		       json_int_t *result)
{
	if (!json_is_integer(value))
		return -EINVAL;
	*result = json_integer_value(value);
	return *result < minimum || *result > maximum ? -EINVAL : 0;
}

/* An index into count elements, or -1, which becomes UINT32_MAX. */
static int get_index(const json_t *value, uint32_t count, uint32_t *result)
{
	json_int_t number;
	int error = get_integer(value, -1, (json_int_t)count - 1, &number);

	if (!error)
		*result = (uint32_t)number;
	return error;
}

static int get_number(const json_t *value, double *result)
{
	if (!json_is_number(value))
		return -EINVAL;
	*result = json_number_value(value);
	return isfinite(*result) ? 0 : -EINVAL;
}

static uint32_t get_text(struct reader *reader, const json_t *value)
{
	if (!json_is_string(value))
		return 0;
	return intern_add(&reader->profile->strings, json_string_value(value),
			  json_string_length(value));
}

static uint32_t *read_string_list(struct reader *reader, const json_t *array, uint32_t *count)
{
	*count = (uint32_t)json_array_size(array);
	uint32_t *ids = memory_new((*count + 1) * sizeof(*ids));

	for (uint32_t i = 0; i < *count; i++)
		ids[i] = get_text(reader, json_array_get(array, i));
	return ids;
}

static int read_frame(struct reader *reader, const json_t *array, uint32_t *id)
{
	struct profile_frame frame = {0};
	uint32_t module = UINT32_MAX, file = UINT32_MAX;
	json_int_t line = 0;
	const json_t *kind = json_array_get(array, 1);

	if (!json_is_string(json_array_get(array, 0)) || !json_is_string(kind))
		return fail(reader, "a frame is not [name, kind, module]");
	if (get_index(json_array_get(array, 2), reader->module_count, &module))
		return fail(reader, "a frame's module is out of range");
	if (json_array_size(array) > 3 &&
	    (get_index(json_array_get(array, 3), reader->file_count, &file) ||
	     get_integer(json_array_get(array, 4), 0, UINT32_MAX, &line)))
		return fail(reader, "a frame's file or line is out of range");
	frame.name = get_text(reader, json_array_get(array, 0));
	frame.kind = frame_kind_find(json_string_value(kind));
	frame.module = module == UINT32_MAX ? 0 : reader->modules[module];
	frame.file = file == UINT32_MAX ? 0 : reader->files[file];
	frame.line = (uint32_t)line;
	*id = profile_add_frame(reader->profile, &frame);
	return 0;
}

static int read_frames(struct reader *reader, const json_t *root)
{
	const json_t *array = json_object_get(root, "frames");
	int error = 0;

	reader->modules =
		read_string_list(reader, json_object_get(root, "modules"), &reader->module_count);
	reader->files =
		read_string_list(reader, json_object_get(root, "files"), &reader->file_count);
	reader->frame_count = (uint32_t)json_array_size(array);
	reader->frames = memory_new((reader->frame_count + 1) * sizeof(*reader->frames));
	for (uint32_t i = 0; i < reader->frame_count && !error; i++)
		error = read_frame(reader, json_array_get(array, i), &reader->frames[i]);
	return error;
}

static int read_nodes(struct reader *reader, const json_t *root)
{
	const json_t *nodes = json_object_get(root, "nodes");
	const json_t *parents = json_object_get(nodes, "parent");
	const json_t *frames = json_object_get(nodes, "frame");

	reader->node_count = (uint32_t)json_array_size(parents);
	if (json_array_size(frames) != reader->node_count)
		return fail(reader, "nodes.parent and nodes.frame differ in length");
	reader->nodes = memory_new((reader->node_count + 1) * sizeof(*reader->nodes));
	for (uint32_t i = 0; i < reader->node_count; i++) {
		uint32_t parent, frame;

		if (get_index(json_array_get(parents, i), i, &parent))
			return fail(reader, "a node comes before its parent");
		if (get_index(json_array_get(frames, i), reader->frame_count, &frame) ||
		    frame == UINT32_MAX)
			return fail(reader, "a node's frame is out of range");
		if (parent != UINT32_MAX)
			parent = reader->nodes[parent];
		reader->nodes[i] = profile_add_node(reader->profile, parent, reader->frames[frame]);
	}
	return 0;
}

static int read_processes(struct reader *reader, const json_t *root)
{
	const json_t *array = json_object_get(root, "processes");

	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *object = json_array_get(array, i);
		struct profile_process process = {0};
		json_int_t pid, uid, start_time;

		if (get_integer(json_object_get(object, "pid"), 0, UINT32_MAX, &pid) ||
		    get_integer(json_object_get(object, "uid"), -1, UINT32_MAX, &uid) ||
		    get_integer(json_object_get(object, "start_time_ns"), 0, INT64_MAX,
				&start_time))
			return fail(reader, "a process's pid, uid or start_time_ns is missing");
		process.name = get_text(reader, json_object_get(object, "name"));
		process.pid = (uint32_t)pid;
		process.uid = (uint32_t)uid;
		process.start_time_ns = (uint64_t)start_time;
		profile_add_process(reader->profile, &process);
	}
	return 0;
}

static int read_threads(struct reader *reader, const json_t *root)
{
	const json_t *array = json_object_get(root, "threads");

	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *object = json_array_get(array, i);
		struct profile_thread thread = {0};
		json_int_t process, tid;

		if (get_integer(json_object_get(object, "process"), 0,
				(json_int_t)reader->profile->process_count - 1, &process) ||
		    get_integer(json_object_get(object, "tid"), 0, UINT32_MAX, &tid))
			return fail(reader, "a thread's process or tid is out of range");
		thread.process = (uint32_t)process;
		thread.tid = (uint32_t)tid;
		thread.name = get_text(reader, json_object_get(object, "name"));
		profile_add_thread(reader->profile, &thread);
	}
	return 0;
}

static int read_rows(struct reader *reader, const json_t *root)
{
	const json_t *array = json_object_get(root, "rows");

	reader->row_count = (uint32_t)json_array_size(array);
	reader->rows = memory_new((reader->row_count + 1) * sizeof(*reader->rows));
	for (uint32_t i = 0; i < reader->row_count; i++) {
		const json_t *row = json_array_get(array, i);
		uint32_t thread, node;
		double values[3], certain, largest;

		if (get_index(json_array_get(row, 0), reader->profile->thread_count, &thread) ||
		    get_index(json_array_get(row, 1), reader->node_count, &node))
			return fail(reader, "a row's thread or node is out of range");
		for (size_t k = 0; k < ARRAY_SIZE(values); k++)
			if (get_number(json_array_get(row, 2 + k), &values[k]))
				return fail(reader, "a row's count, weight or variance is missing");
		reader->rows[i] = profile_add_row(reader->profile, thread,
						  node == UINT32_MAX ? node : reader->nodes[node],
						  values[0], values[1], values[2]);
		if (!get_number(json_array_get(row, 5), &certain) &&
		    !get_number(json_array_get(row, 6), &largest))
			profile_add_certain(reader->profile, reader->rows[i], certain, largest);
	}
	return 0;
}

static int read_slices(struct reader *reader, const json_t *root)
{
	const json_t *slices = json_object_get(root, "slices");
	const json_t *array = json_object_get(slices, "rows");
	json_int_t length_ns, count, slice;

	if (!slices)
		return 0;
	if (get_integer(json_object_get(slices, "length_ns"), 1, INT64_MAX, &length_ns) ||
	    get_integer(json_object_get(slices, "count"), 1, PROFILE_JSON_MAX_SLICE, &count))
		return fail(reader, "slices.length_ns or slices.count is out of range");
	reader->profile->slice_ns = (uint64_t)length_ns;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *row = json_array_get(array, i);
		uint32_t index;
		double weight;

		if (get_integer(json_array_get(row, 0), 0, count - 1, &slice) ||
		    get_index(json_array_get(row, 1), reader->row_count, &index) ||
		    index == UINT32_MAX || get_number(json_array_get(row, 2), &weight))
			return fail(reader, "a slice's row is out of range");
		profile_add_slice_row(reader->profile, (uint32_t)slice, reader->rows[index],
				      weight);
	}
	reader->profile->slice_count = (uint32_t)count;
	return 0;
}

static int read_time(const json_t *value, uint64_t *time_ns)
{
	double seconds;

	if (get_number(value, &seconds) || seconds < 0 || seconds > MAX_SECONDS)
		return -EINVAL;
	*time_ns = (uint64_t)(seconds * (double)NS_PER_SECOND);
	return 0;
}

static void read_window(const json_t *object, struct profile_window *window)
{
	struct profile_window read;

	if (!read_time(json_object_get(object, "from"), &read.from_ns) &&
	    !read_time(json_object_get(object, "to"), &read.to_ns))
		*window = read;
}

static int read_samples(struct reader *reader, const json_t *root)
{
	json_t *samples = json_object_get(root, "samples");
	const json_t *notes = json_object_get(root, "notes");
	const char *name;
	json_t *value;
	double number;

	if (samples && get_number(json_object_get(samples, "taken"), &reader->profile->taken))
		return fail(reader, "samples.taken is missing");
	json_object_foreach(json_object_get(samples, "lost"), name, value)
	{
		if (get_number(value, &number))
			return fail(reader, "a loss is not a number");
		profile_add_lost(reader->profile, name, number);
	}
	for (size_t i = 0; i < json_array_size(notes); i++) {
		const json_t *note = json_array_get(notes, i);

		if (json_is_string(note))
			profile_add_note(reader->profile, json_string_value(note));
	}
	return 0;
}

/* Factors that are none leave the weights as they are. */
static void read_scale(const json_t *pair, struct profile *profile)
{
	double low, high;

	if (get_number(json_array_get(pair, 0), &low) || get_number(json_array_get(pair, 1), &high))
		return;
	if (low < 0 || low > 1 || high < 1)
		return;
	profile->scale_low = low;
	profile->scale_high = high;
}

static int read_header(struct reader *reader, const json_t *root)
{
	struct profile *profile = reader->profile;
	const json_t *window = json_object_get(root, "window");
	const json_t *unit = json_object_get(root, "unit");

	profile->event = get_text(reader, json_object_get(root, "event"));
	profile->source = get_text(reader, json_object_get(root, "source"));
	profile->host = get_text(reader, json_object_get(root, "host"));
	profile->version = get_text(reader, json_object_get(root, "version"));
	profile->target = get_text(reader, json_object_get(root, "target"));
	if (!json_is_string(unit))
		return fail(reader, "unit is missing");
	if (strcmp(json_string_value(unit), "ns") == 0)
		profile->unit = PROFILE_NS;
	else if (strcmp(json_string_value(unit), "bytes") == 0)
		profile->unit = PROFILE_BYTES;
	else if (strcmp(json_string_value(unit), "samples") != 0)
		return fail(reader, "unit is none of samples, ns, bytes");
	/* What is absent or null stays "not known". */
	(void)get_number(json_object_get(root, "rate_hz"), &profile->rate_hz);
	(void)get_number(json_object_get(root, "interval"), &profile->interval);
	(void)get_number(json_object_get(root, "cost_percent"), &profile->cost_percent);
	read_scale(json_object_get(root, "scale"), profile);
	read_window(json_object_get(window, "asked"), &profile->asked);
	read_window(json_object_get(window, "covered"), &profile->covered);
	return read_samples(reader, root);
}

/* In this order: each part points into those before it. */
static int (*const parts[])(struct reader *reader, const json_t *root) = {
	read_header, read_frames, read_nodes, read_processes, read_threads, read_rows, read_slices,
};

int profile_json_read(const char *text, size_t length, struct profile **profile, const char **error)
{
	_cleanup_(reader_fini) struct reader reader = {0};
	_cleanup_(json_decrefp) json_t *root = NULL;
	json_int_t version;
	int result = 0;

	if (length > PROFILE_JSON_MAX_BYTES) {
		*error = "the profile is larger than 512 MiB";
		return -E2BIG;
	}
	root = json_loadb(text, length, 0, NULL);
	if (!root || get_integer(json_object_get(root, "flame_profile"), 1, INT32_MAX, &version)) {
		*error = root ? "not a profile of flame" : "not JSON";
		return -EINVAL;
	}
	if (version != PROFILE_JSON_VERSION) {
		*error = "written by a newer flame: its version is not known here";
		return -EPROTONOSUPPORT;
	}
	reader.profile = profile_new();
	for (size_t i = 0; i < ARRAY_SIZE(parts) && !result; i++)
		result = parts[i](&reader, root);
	if (result)
		*error = reader.error;
	else
		*profile = steal_ptr(&reader.profile);
	return result;
}
