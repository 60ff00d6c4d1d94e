/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/waker_names.h"

#include <stdio.h>
#include <string.h>

#include "bpf/record.h"
#include "common/frame.h"
#include "tests/unit/cmocka_all.h"

static void test_a_name_is_a_frame_and_back(void **state)
{
	_cleanup_(waker_names_freep) struct waker_names *names = waker_names_new();
	static const char full[RECORD_NAME_BYTES] = "sixteen-letters!";

	(void)state;
	uint64_t redis = waker_names_frame(names, "redis-server");
	uint64_t longest = waker_names_frame(names, full);
	assert_int_equal(frame_module(redis), MODULE_NAME);
	assert_int_equal(waker_names_frame(names, "redis-server"), redis);
	assert_int_not_equal(redis, longest);
	assert_string_equal(waker_names_text(names, redis), "redis-server");
	assert_string_equal(waker_names_text(names, longest), "sixteen-letters!");
}

static void test_names_are_fit_to_be_shown(void **state)
{
	_cleanup_(waker_names_freep) struct waker_names *names = waker_names_new();
	uint64_t frame = waker_names_frame(names, "a\x1b[2J\xff\xfe");

	(void)state;
	assert_null(strchr(waker_names_text(names, frame), 0x1b));
	assert_null(strchr(waker_names_text(names, frame), '\xff'));
}

static void test_too_many_names_share_one(void **state)
{
	_cleanup_(waker_names_freep) struct waker_names *names = waker_names_new();
	uint64_t frame = 0;

	(void)state;
	for (int i = 0; i < 2 * WAKER_NAMES_MAX; i++) {
		char name[RECORD_NAME_BYTES];

		snprintf(name, sizeof(name), "thread-%d", i);
		frame = waker_names_frame(names, name);
		assert_true(frame_offset(frame) < WAKER_NAMES_MAX);
	}
	assert_string_equal(waker_names_text(names, frame), WAKER_NAMES_OTHER);
	assert_string_equal(waker_names_text(names, frame_pack(MODULE_NAME, 1U << 30)),
			    WAKER_NAMES_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_is_a_frame_and_back),
		cmocka_unit_test(test_names_are_fit_to_be_shown),
		cmocka_unit_test(test_too_many_names_share_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
