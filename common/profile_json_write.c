/* SPDX-License-Identifier: Apache-2.0 */
#include "common/profile_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/interval.h"
#include "common/profile.h"
#include "common/utf8.h"

#define WRITER_BYTES (64 * 1024)

/* More than any number or any escaped character takes. */
#define MAX_PIECE 32

struct writer {
	profile_json_sink *sink;
	void *context;
	int error;
	size_t used;
	char buffer[WRITER_BYTES];
};

static void flush(struct writer *writer)
{
	if (!writer->error && writer->used)
		writer->error = writer->sink(writer->context, writer->buffer, writer->used);
	writer->used = 0;
}

/* Room for at least MAX_PIECE bytes. */
static char *reserve(struct writer *writer)
{
	if (writer->used + MAX_PIECE > sizeof(writer->buffer))
		flush(writer);
	return writer->buffer + writer->used;
}

static void put_bytes(struct writer *writer, const char *bytes, size_t length)
{
	while (length) {
		size_t room = sizeof(writer->buffer) - writer->used;
		size_t part = length < room ? length : room;

		memcpy(writer->buffer + writer->used, bytes, part);
		writer->used += part;
		bytes += part;
		length -= part;
		if (writer->used == sizeof(writer->buffer))
			flush(writer);
	}
}

static void put(struct writer *writer, const char *text)
{
	put_bytes(writer, text, strlen(text));
}

static void put_char(struct writer *writer, char c)
{
	*reserve(writer) = c;
	writer->used++;
}

static void put_u64(struct writer *writer, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	memcpy(reserve(writer), digits + at, sizeof(digits) - at);
	writer->used += sizeof(digits) - at;
}

/*
 * Counts, weights and variances are whole numbers almost always, and where they are large the part
 * behind the point says nothing; only what is left needs the slow way.
 */
static void put_number(struct writer *writer, double value)
{
	double rounded = nearbyint(value);

	if (fabs(value) < 9e18 && (rounded == value || fabs(value) >= 1e12)) {
		if (value < 0)
			put_char(writer, '-');
		put_u64(writer, (uint64_t)fabs(rounded));
		return;
	}
	if (!isfinite(value)) /* JSON has no such numbers */
		value = 0;
	int length = snprintf(reserve(writer), MAX_PIECE, "%.12g", value);
	writer->used += (size_t)length;
}

/* An array index with -1 for "none". */
static void put_index(struct writer *writer, uint32_t index)
{
	if (index == UINT32_MAX)
		put(writer, "-1");
	else
		put_u64(writer, index);
}

static int is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != 0x7f;
}

static void put_string(struct writer *writer, const char *text, size_t length)
{
	const char *end = text + length;

	put_char(writer, '"');
	while (text < end) {
		const char *plain = text;
		uint32_t code_point;

		while (text < end && is_plain((unsigned char)*text))
			text++;
		put_bytes(writer, plain, (size_t)(text - plain));
		if (text == end)
			break;
		size_t size = utf8_read(text, (size_t)(end - text), &code_point);
		if (size > 1)
			put_bytes(writer, text, size);
		else if (!size)
			put(writer, UTF8_REPLACEMENT);
		else
			writer->used += (size_t)snprintf(reserve(writer), MAX_PIECE, "\\u%04x",
							 (unsigned int)code_point);
		text += size ? size : 1;
	}
	put_char(writer, '"');
}

static void put_text(struct writer *writer, const struct profile *profile, uint32_t id)
{
	const struct intern_string *string = &profile->strings.strings[id];

	put_string(writer, string->text, string->length);
}

/* A list of strings that frames point into, and where each string is in it. */
struct string_list {
	uint32_t *positions; /* by string number, + 1; 0: not in the list */
	uint32_t *ids;
	uint32_t count;
};

static void string_list_fini(struct string_list *list)
{
	free(list->positions);
	free(list->ids);
}

static void string_list_init(struct string_list *list, const struct profile *profile)
{
	list->positions = memory_new(profile->strings.count * sizeof(*list->positions));
	list->ids = memory_new((profile->frame_count + 1) * sizeof(*list->ids));
	list->count = 0;
}

static void string_list_add(struct string_list *list, uint32_t id)
{
	if (id && !list->positions[id]) {
		list->ids[list->count] = id;
		list->positions[id] = ++list->count;
	}
}

static void put_list(struct writer *writer, const struct profile *profile, const char *name,
		     const struct string_list *list)
{
	put(writer, name);
	for (uint32_t i = 0; i < list->count; i++) {
		if (i)
			put_char(writer, ',');
		put_text(writer, profile, list->ids[i]);
	}
	put(writer, "],\n");
}

static void put_frames(struct writer *writer, const struct profile *profile,
		       const struct string_list *modules, const struct string_list *files)
{
	put(writer, "\"frames\":[");
	for (uint32_t i = 0; i < profile->frame_count; i++) {
		const struct profile_frame *frame = &profile->frames[i];

		put(writer, i ? ",\n[" : "[");
		put_text(writer, profile, frame->name);
		put(writer, ",\"");
		put(writer, frame_kind_name((enum frame_kind)frame->kind));
		put(writer, "\",");
		put_index(writer, modules->positions[frame->module] - 1);
		if (frame->file || frame->line) {
			put_char(writer, ',');
			put_index(writer, files->positions[frame->file] - 1);
			put_char(writer, ',');
			put_u64(writer, frame->line);
		}
		put_char(writer, ']');
	}
	put(writer, "],\n");
}

static void put_frame_tables(struct writer *writer, const struct profile *profile)
{
	_cleanup_(string_list_fini) struct string_list modules = {0};
	_cleanup_(string_list_fini) struct string_list files = {0};

	string_list_init(&modules, profile);
	string_list_init(&files, profile);
	for (uint32_t i = 0; i < profile->frame_count; i++) {
		string_list_add(&modules, profile->frames[i].module);
		string_list_add(&files, profile->frames[i].file);
	}
	put_list(writer, profile, "\"modules\":[", &modules);
	put_list(writer, profile, "\"files\":[", &files);
	put_frames(writer, profile, &modules, &files);
}

static void put_nodes(struct writer *writer, const struct profile *profile)
{
	put(writer, "\"nodes\":{\"parent\":[");
	for (uint32_t i = 0; i < profile->node_count; i++) {
		if (i)
			put_char(writer, ',');
		put_index(writer, profile->nodes[i].parent);
	}
	put(writer, "],\n\"frame\":[");
	for (uint32_t i = 0; i < profile->node_count; i++) {
		if (i)
			put_char(writer, ',');
		put_u64(writer, profile->nodes[i].frame);
	}
	put(writer, "]},\n");
}

static void put_processes(struct writer *writer, const struct profile *profile)
{
	put(writer, "\"processes\":[");
	for (uint32_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *process = &profile->processes[i];

		put(writer, i ? ",\n{\"pid\":" : "{\"pid\":");
		put_u64(writer, process->pid);
		put(writer, ",\"name\":");
		put_text(writer, profile, process->name);
		put(writer, ",\"uid\":");
		put_index(writer, process->uid);
		put(writer, ",\"start_time_ns\":");
		put_u64(writer, process->start_time_ns);
		put_char(writer, '}');
	}
	put(writer, "],\n\"threads\":[");
	for (uint32_t i = 0; i < profile->thread_count; i++) {
		const struct profile_thread *thread = &profile->threads[i];

		put(writer, i ? ",\n{\"process\":" : "{\"process\":");
		put_u64(writer, thread->process);
		put(writer, ",\"tid\":");
		put_u64(writer, thread->tid);
		put(writer, ",\"name\":");
		put_text(writer, profile, thread->name);
		put_char(writer, '}');
	}
	put(writer, "],\n");
}

static void put_rows(struct writer *writer, const struct profile *profile)
{
	put(writer, "\"rows\":[");
	for (uint32_t i = 0; i < profile->row_count; i++) {
		const struct profile_row *row = &profile->rows[i];

		put(writer, i ? ",\n[" : "[");
		put_index(writer, row->thread);
		put_char(writer, ',');
		put_index(writer, row->node);
		put_char(writer, ',');
		put_number(writer, row->count);
		put_char(writer, ',');
		put_number(writer, row->weight);
		put_char(writer, ',');
		put_number(writer, row->variance);
		if (row->certain > 0 || row->largest > 0) {
			put_char(writer, ',');
			put_number(writer, row->certain);
			put_char(writer, ',');
			put_number(writer, row->largest);
		}
		put_char(writer, ']');
	}
	put_char(writer, ']');
}

static int has_intervals(const struct profile *profile)
{
	for (uint32_t i = 0; i < profile->row_count; i++)
		if (profile->rows[i].certain > 0 || profile->rows[i].largest > 0)
			return 1;
	return 0;
}

/* The 95 % interval of each row's weight, for readers that do not want to compute it. */
static void put_intervals(struct writer *writer, const struct profile *profile)
{
	put(writer, ",\n\"intervals\":[");
	for (uint32_t i = 0; i < profile->row_count; i++) {
		const struct profile_row *row = &profile->rows[i];
		struct interval interval =
			interval_of(row->weight, row->certain, row->variance, row->largest);

		put(writer, i ? ",[" : "[");
		put_number(writer, interval.low * profile->scale_low);
		put_char(writer, ',');
		put_number(writer, interval.high * profile->scale_high);
		put_char(writer, ']');
	}
	put_char(writer, ']');
}

/* A row is [slice, row, weight]: what that slice of the window put into rows[row]. */
static void put_slices(struct writer *writer, const struct profile *profile)
{
	put(writer, ",\n\"slices\":{\"length_ns\":");
	put_u64(writer, profile->slice_ns);
	put(writer, ",\"count\":");
	put_u64(writer, profile->slice_count);
	put(writer, ",\"rows\":[");
	for (uint32_t i = 0; i < profile->slice_row_count; i++) {
		const struct profile_slice_row *row = &profile->slice_rows[i];

		put(writer, i ? ",\n[" : "[");
		put_u64(writer, row->slice);
		put_char(writer, ',');
		put_u64(writer, row->row);
		put_char(writer, ',');
		put_number(writer, row->weight);
		put_char(writer, ']');
	}
	put(writer, "]}");
}

static void put_window(struct writer *writer, const char *name, const struct profile_window *window)
{
	char *piece;

	put(writer, name);
	if (!window->from_ns && !window->to_ns) {
		put(writer, "null");
		return;
	}
	/* Seconds with all nine digits behind the point: more than a double holds. */
	for (int i = 0; i < 2; i++) {
		uint64_t time_ns = i ? window->to_ns : window->from_ns;

		put(writer, i ? ",\"to\":" : "{\"from\":");
		piece = reserve(writer);
		writer->used += (size_t)snprintf(piece, MAX_PIECE, "%llu.%09llu",
						 (unsigned long long)(time_ns / NS_PER_SECOND),
						 (unsigned long long)(time_ns % NS_PER_SECOND));
	}
	put_char(writer, '}');
}

static void put_samples(struct writer *writer, const struct profile *profile)
{
	put(writer, "\"samples\":{\"taken\":");
	put_number(writer, profile->taken);
	put(writer, ",\"kept\":");
	put_number(writer, profile->taken - profile_lost(profile));
	put(writer, ",\"lost\":{");
	for (uint32_t i = 0; i < profile->lost_count; i++) {
		if (i)
			put_char(writer, ',');
		put_text(writer, profile, profile->lost[i].name);
		put_char(writer, ':');
		put_number(writer, profile->lost[i].value);
	}
	put(writer, "}},\n\"notes\":[");
	for (uint32_t i = 0; i < profile->note_count; i++) {
		if (i)
			put_char(writer, ',');
		put_text(writer, profile, profile->notes[i]);
	}
	put(writer, "],\n");
}

static const char *const unit_names[] = {
	[PROFILE_SAMPLES] = "samples", [PROFILE_NS] = "ns", [PROFILE_BYTES] = "bytes"};

static void put_header(struct writer *writer, const struct profile *profile)
{
	const struct {
		const char *name;
		uint32_t id;
	} texts[] = {
		{",\n\"event\":", profile->event}, {",\"source\":", profile->source},
		{",\"host\":", profile->host},     {",\"version\":", profile->version},
		{",\"target\":", profile->target},
	};

	put(writer, "{\"flame_profile\":");
	put_u64(writer, PROFILE_JSON_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put(writer, texts[i].name);
		put_text(writer, profile, texts[i].id);
	}
	put(writer, ",\"unit\":\"");
	put(writer, unit_names[profile->unit]);
	put(writer, "\",\"rate_hz\":");
	put_number(writer, profile->rate_hz);
	put(writer, ",\"interval\":");
	put_number(writer, profile->interval);
	put(writer, ",\"cost_percent\":");
	if (profile->cost_percent < 0)
		put(writer, "null");
	else
		put_number(writer, profile->cost_percent);
	put(writer, ",\"scale\":[");
	put_number(writer, profile->scale_low);
	put_char(writer, ',');
	put_number(writer, profile->scale_high);
	put_char(writer, ']');
	put_window(writer, ",\n\"window\":{\"asked\":", &profile->asked);
	put_window(writer, ",\"covered\":", &profile->covered);
	put(writer, "},\n");
}

int profile_json_write(const struct profile *profile, profile_json_sink *sink, void *context)
{
	_cleanup_free_ struct writer *writer = memory_new(sizeof(*writer));

	writer->sink = sink;
	writer->context = context;
	put_header(writer, profile);
	put_samples(writer, profile);
	put_frame_tables(writer, profile);
	put_nodes(writer, profile);
	put_processes(writer, profile);
	put_rows(writer, profile);
	if (has_intervals(profile))
		put_intervals(writer, profile);
	if (profile->slice_count)
		put_slices(writer, profile);
	put(writer, "}\n");
	flush(writer);
	return writer->error;
}
