/* SPDX-License-Identifier: Apache-2.0 */
#include "common/profile_json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/clock.h"
#include "common/profile.h"
#include "tests/unit/cmocka_all.h"

struct text {
	char *bytes;
	size_t length;
	size_t capacity;
};

static void text_fini(struct text *text)
{
	free(text->bytes);
}

static int append(void *context, const char *bytes, size_t length)
{
	struct text *text = context;

	text->bytes = memory_grow(text->bytes, &text->capacity, text->length + length, 1);
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	return 0;
}

static uint32_t add_frame(struct profile *profile, const char *name, enum frame_kind kind,
			  const char *module, const char *file, uint32_t line)
{
	struct profile_frame frame = {
		.name = profile_string(profile, name),
		.module = profile_string(profile, module),
		.file = profile_string(profile, file),
		.line = line,
		.kind = kind,
	};

	return profile_add_frame(profile, &frame);
}

/* A profile in which every member is used. */
static struct profile *make_profile(void)
{
	struct profile *profile = profile_new();
	struct profile_process process = {.pid = 42, .uid = UINT32_MAX, .start_time_ns = 7};
	struct profile_thread thread = {.tid = 43};

	profile->event = profile_string(profile, "cpu");
	profile->source = profile_string(profile, "cpu-clock");
	profile->host = profile_string(profile, "h\"o\\s\nt");
	profile->version = profile_string(profile, "0.1.0");
	profile->target = profile_string(profile, "comm:*");
	profile->unit = PROFILE_NS;
	profile->rate_hz = 99;
	profile->interval = 1e9 / 99;
	profile->cost_percent = 0.125;
	profile->scale_low = 0.5;
	profile->scale_high = 3;
	profile->asked = (struct profile_window){1000 * NS_PER_SECOND, 1030 * NS_PER_SECOND};
	profile->covered = (struct profile_window){1002 * NS_PER_SECOND, 1030 * NS_PER_SECOND};
	profile->taken = 14;
	profile_add_lost(profile, "ring_full", 2);
	profile_add_note(profile, "two seconds were evicted");
	process.name = profile_string(profile, "redis");
	profile_add_process(profile, &process);
	thread.name = profile_string(profile, "io");
	profile_add_thread(profile, &thread);

	uint32_t root = profile_add_node(profile, PROFILE_NO_NODE,
					 add_frame(profile, "main", FRAME_USER, "", "", 0));
	uint32_t leaf = profile_add_node(
		profile, root,
		add_frame(profile, "m\xc3\xa9moire \xff", FRAME_LIBRARY, "libc.so.6", "a.c", 12));
	uint32_t row = profile_add_row(profile, 0, leaf, 10, 101010101, 1.23456789e15);
	profile_add_row(profile, PROFILE_NO_THREAD, PROFILE_NO_NODE, 2, 0.5, 1e-7);
	profile->slice_ns = NS_PER_SECOND;
	profile_add_slice_row(profile, 3, row, 101010101);
	return profile;
}

static struct profile *read_back(const struct text *text)
{
	struct profile *profile = NULL;
	const char *error = NULL;

	if (profile_json_read(text->bytes, text->length, &profile, &error))
		fail_msg("%s", error);
	return profile;
}

static void test_what_is_written_is_read_back(void **state)
{
	_cleanup_(profile_freep) struct profile *written = make_profile();
	_cleanup_(text_fini) struct text text = {0};

	(void)state;
	assert_int_equal(profile_json_write(written, append, &text), 0);
	_cleanup_(profile_freep) struct profile *read = read_back(&text);

	assert_string_equal(profile_text(read, read->event), "cpu");
	assert_string_equal(profile_text(read, read->host), "h\"o\\s\nt");
	assert_string_equal(profile_text(read, read->target), "comm:*");
	assert_int_equal(read->unit, PROFILE_NS);
	assert_true(fabs(read->interval - written->interval) < 1);
	assert_true(read->cost_percent == 0.125);
	assert_true(read->scale_low == 0.5 && read->scale_high == 3);
	assert_true(read->asked.from_ns == written->asked.from_ns);
	assert_true(read->covered.to_ns == written->covered.to_ns);
	assert_true(read->taken == 14 && profile_lost(read) == 2);
	assert_string_equal(profile_text(read, read->notes[0]), "two seconds were evicted");
	assert_int_equal(read->processes[0].uid, UINT32_MAX);
	assert_int_equal(read->processes[0].start_time_ns, 7);
	assert_string_equal(profile_text(read, read->threads[0].name), "io");

	assert_int_equal(read->node_count, 2);
	assert_int_equal(read->nodes[0].parent, PROFILE_NO_NODE);
	const struct profile_frame *frame = &read->frames[read->nodes[1].frame];
	assert_string_equal(profile_text(read, frame->name), "m\xc3\xa9moire \xef\xbf\xbd");
	assert_string_equal(profile_text(read, frame->module), "libc.so.6");
	assert_string_equal(profile_text(read, frame->file), "a.c");
	assert_int_equal(frame->line, 12);
	assert_int_equal(frame->kind, FRAME_LIBRARY);

	assert_int_equal(read->row_count, 2);
	assert_true(read->rows[0].weight == 101010101);
	assert_true(read->rows[0].variance == 1.23456789e15);
	assert_true(read->rows[1].weight == 0.5 && read->rows[1].variance == 1e-7);
	assert_int_equal(read->rows[1].node, PROFILE_NO_NODE);
	assert_int_equal(read->rows[1].thread, PROFILE_NO_THREAD);
	assert_int_equal(read->slice_count, 4);
	assert_int_equal(read->slice_rows[0].slice, 3);
}

static void test_an_empty_profile_is_valid(void **state)
{
	_cleanup_(profile_freep) struct profile *empty = profile_new();
	_cleanup_(text_fini) struct text text = {0};

	(void)state;
	assert_int_equal(profile_json_write(empty, append, &text), 0);
	_cleanup_(profile_freep) struct profile *read = read_back(&text);
	assert_int_equal(read->row_count, 0);
	assert_true(read->cost_percent < 0);
	assert_true(read->scale_low == 1 && read->scale_high == 1);
}

static int refuse(void *context, const char *bytes, size_t length)
{
	(void)context;
	(void)bytes;
	(void)length;
	return -EPIPE;
}

static void test_a_failing_sink_ends_the_writing(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();

	(void)state;
	assert_int_equal(profile_json_write(profile, refuse, NULL), -EPIPE);
}

static int read_status(const char *text, size_t length)
{
	struct profile *profile = NULL;
	const char *error = NULL;
	int status = profile_json_read(text, length, &profile, &error);

	if (status)
		assert_non_null(error);
	else
		profile_free(profile);
	return status;
}

#define HEAD "{\"flame_profile\":1,\"unit\":\"ns\","

static void test_hostile_text_is_an_error(void **state)
{
	static const char *const cases[] = {
		"",
		"[]",
		"{}",
		"\"flame_profile\"",
		"{\"flame_profile\":\"1\"}",
		"{\"flame_profile\":1}",
		"{\"flame_profile\":1,\"unit\":\"furlongs\"}",
		HEAD "\"frames\":[1]}",
		HEAD "\"frames\":[[\"a\"]]}",
		HEAD "\"frames\":[[\"a\",\"user\",0]]}",
		HEAD "\"frames\":[[\"a\",\"user\",-2]]}",
		HEAD "\"frames\":[[\"a\",\"user\",-1,0,1]]}",
		HEAD "\"nodes\":{\"parent\":[-1],\"frame\":[0]}}",
		HEAD "\"frames\":[[\"a\",\"user\",-1]],\"nodes\":{\"parent\":[0],\"frame\":[0]}}",
		HEAD "\"frames\":[[\"a\",\"user\",-1]],\"nodes\":{\"parent\":[-1],\"frame\":[-1]}}",
		HEAD "\"nodes\":{\"parent\":[-1]}}",
		HEAD "\"threads\":[{\"process\":0,\"tid\":1}]}",
		HEAD "\"processes\":[{\"pid\":-1}]}",
		HEAD "\"processes\":[7]}",
		HEAD "\"rows\":[[0,0,1,1,1]]}",
		HEAD "\"rows\":[[-1,-1,1,1]]}",
		HEAD "\"rows\":[[-1,-1,1,1,\"x\"]]}",
		HEAD "\"rows\":[[-1,-1,1,1,1e999]]}",
		HEAD "\"rows\":[{}]}",
		HEAD "\"slices\":{}}",
		HEAD "\"slices\":{\"length_ns\":1,\"count\":1,\"rows\":[[0,0,1]]}}",
		HEAD "\"slices\":{\"length_ns\":1,\"count\":4294967296}}",
		HEAD "\"samples\":{\"taken\":{}}}",
		HEAD "\"samples\":{\"taken\":1,\"lost\":{\"x\":[]}}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (read_status(cases[i], strlen(cases[i])) != -EINVAL)
			fail_msg("accepted: %s", cases[i]);
	assert_int_equal(read_status("{\"flame_profile\":2}", 19), -EPROTONOSUPPORT);
	assert_int_equal(read_status("", (size_t)PROFILE_JSON_MAX_BYTES + 1), -E2BIG);
}

static void test_members_of_the_wrong_type_are_not_known(void **state)
{
	static const char text[] =
		HEAD "\"host\":7,\"window\":[],\"notes\":{\"a\":1},\"rate_hz\":\"x\","
		     "\"cost_percent\":null,\"more\":[1,2],\"processes\":{}}";

	(void)state;
	assert_int_equal(read_status(text, strlen(text)), 0);
}

static void test_every_truncation_is_an_error(void **state)
{
	_cleanup_(profile_freep) struct profile *written = make_profile();
	_cleanup_(text_fini) struct text text = {0};

	(void)state;
	assert_int_equal(profile_json_write(written, append, &text), 0);
	/* The last byte is the line's end. */
	for (size_t length = 0; length + 1 < text.length; length++)
		assert_int_equal(read_status(text.bytes, length), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read_back),
		cmocka_unit_test(test_an_empty_profile_is_valid),
		cmocka_unit_test(test_a_failing_sink_ends_the_writing),
		cmocka_unit_test(test_hostile_text_is_an_error),
		cmocka_unit_test(test_members_of_the_wrong_type_are_not_known),
		cmocka_unit_test(test_every_truncation_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
