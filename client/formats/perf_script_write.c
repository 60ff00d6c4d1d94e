/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/perf_script_write.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/profile.h"
#include "common/text.h"

struct record {
	double at; /* in the window, from 0 to 1 */
	uint32_t row;
};

/* How many records stand for a row: what was seen at all is seen here. */
static double record_count(const struct profile_row *row)
{
	return fmax(1, nearbyint(row->count));
}

static int compare_records(const void *left, const void *right)
{
	const struct record *a = left, *b = right;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

/* Spread the samples of each row evenly. Owned (free). */
static struct record *make_records(const struct profile *profile, size_t count)
{
	struct record *records = memory_resize(NULL, count, sizeof(*records));
	size_t made = 0;

	for (uint32_t i = 0; i < profile->row_count; i++) {
		double of_row = record_count(&profile->rows[i]);

		for (double j = 0; j < of_row; j++)
			records[made++] = (struct record){(j + 0.5) / of_row, i};
	}
	qsort(records, count, sizeof(*records), compare_records);
	return records;
}

/* The names of all strings, each on one line. Owned (free, and each of them). */
static char **clean_strings(const struct profile *profile)
{
	char **names = memory_resize(NULL, profile->strings.count, sizeof(*names));

	for (uint32_t i = 0; i < profile->strings.count; i++)
		names[i] = text_copy_printable(profile_text(profile, i));
	return names;
}

static const char *module_of(const struct profile_frame *frame, char **names)
{
	if (frame->kind == FRAME_KERNEL)
		return "[kernel.kallsyms]";
	if (frame->kind == FRAME_INLINED)
		return "inlined";
	return frame->module ? names[frame->module] : "[unknown]";
}

static void write_head(const struct profile *profile, const struct record *record, char **names,
		       FILE *file)
{
	const struct profile_row *row = &profile->rows[record->row];
	double window_ns = (double)(profile->covered.to_ns - profile->covered.from_ns);
	uint64_t time_ns = profile->covered.from_ns + (uint64_t)(record->at * window_ns);
	const char *name = "unknown";
	uint32_t pid = 0, tid = 0;

	if (row->thread != PROFILE_NO_THREAD) {
		const struct profile_thread *thread = &profile->threads[row->thread];

		name = names[thread->name];
		tid = thread->tid;
		pid = profile->processes[thread->process].pid;
	}
	fprintf(file, "%s %u/%u [000] %llu.%06llu: %.0f %s:\n", *name ? name : "unknown", pid, tid,
		(unsigned long long)(time_ns / NS_PER_SECOND),
		(unsigned long long)(time_ns % NS_PER_SECOND / 1000),
		row->weight / record_count(row),
		profile->source ? names[profile->source] : "cpu-clock");
}

int perf_script_write(const struct profile *profile, FILE *file)
{
	double count = 0;

	for (uint32_t i = 0; i < profile->row_count; i++)
		count += record_count(&profile->rows[i]);
	if (count > PERF_SCRIPT_MAX_RECORDS)
		return -E2BIG;
	_cleanup_free_ struct record *records = make_records(profile, (size_t)count);
	char **names = clean_strings(profile);
	for (size_t i = 0; i < (size_t)count; i++) {
		uint32_t node = profile->rows[records[i].row].node;

		write_head(profile, &records[i], names, file);
		for (; node != PROFILE_NO_NODE; node = profile->nodes[node].parent) {
			const struct profile_frame *frame =
				&profile->frames[profile->nodes[node].frame];

			fprintf(file, "\t%16x %s (%s)\n", 0, names[frame->name],
				module_of(frame, names));
		}
		fputc('\n', file);
	}
	for (uint32_t i = 0; i < profile->strings.count; i++)
		free(names[i]);
	free(names);
	return 0;
}
