/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a profile of 10 000 distinct stacks takes to be written as JSON and read again: what a
 * `dump --last 30s` adds to its answer on both sides. Prints ms of CPU time, best and median of 15.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/profile.h"
#include "common/profile_json.h"

#define STACKS    10000
#define DEPTH     33
#define FUNCTIONS 5000
#define RUNS      15

struct text {
	char *bytes;
	size_t length;
	size_t capacity;
};

static int append(void *context, const char *bytes, size_t length)
{
	struct text *text = context;

	text->bytes = memory_grow(text->bytes, &text->capacity, text->length + length, 1);
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	return 0;
}

static uint32_t add_function(struct profile *profile, uint32_t number)
{
	char name[64];
	struct profile_frame frame = {.kind = FRAME_USER};

	snprintf(name, sizeof(name), "namespace_%u::function_%u", number % 50, number);
	frame.name = profile_string(profile, name);
	frame.module = profile_string(profile, number % 3 ? "libserver.so.1" : "server");
	return profile_add_frame(profile, &frame);
}

/* Stacks share the first part of their way from the root and then go apart. */
static struct profile *make_profile(void)
{
	struct profile *profile = profile_new();
	uint32_t random = 1;

	profile->unit = PROFILE_NS;
	for (uint32_t i = 0; i < STACKS; i++) {
		uint32_t node = PROFILE_NO_NODE;

		for (uint32_t depth = 0; depth < DEPTH; depth++) {
			random = random * 1664525 + 1013904223;
			uint32_t choice = depth < 26 ? 0 : random >> 28;

			node = profile_add_node(
				profile, node,
				add_function(profile, (depth * 131 + choice) % FUNCTIONS));
		}
		profile_add_row(profile, PROFILE_NO_THREAD, node, i % 7 + 1,
				10101010.0 * (i % 7 + 1), 1.0203e14 * (i % 7 + 1));
	}
	return profile;
}

static int compare(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static void report(const char *name, double *times)
{
	qsort(times, RUNS, sizeof(*times), compare);
	printf("%-6s best %6.2f ms  median %6.2f ms\n", name, times[0], times[RUNS / 2]);
}

int main(void)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	struct text text = {0};
	double write_ms[RUNS], read_ms[RUNS];

	for (int i = 0; i < RUNS; i++) {
		struct profile *read = NULL;
		const char *error;
		uint64_t start_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);

		text.length = 0;
		if (profile_json_write(profile, append, &text))
			return 1;
		uint64_t written_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
		if (profile_json_read(text.bytes, text.length, &read, &error))
			return 1;
		write_ms[i] = (double)(written_ns - start_ns) / 1e6;
		read_ms[i] = (double)(clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - written_ns) / 1e6;
		profile_free(read);
	}
	printf("%u rows, %u nodes, %u frames, %zu bytes\n", profile->row_count, profile->node_count,
	       profile->frame_count, text.length);
	report("write", write_ms);
	report("read", read_ms);
	free(text.bytes);
	return 0;
}
