/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/extents.h"

#include <errno.h>

#include "tests/unit/cmocka_all.h"

static void test_runs_are_given_first_fit(void **state)
{
	struct extents extents = {0};
	uint32_t first;

	(void)state;
	assert_int_equal(extents_take(&extents, 1, &first), -ENOSPC);
	extents_give(&extents, 0, 10);
	extents_give(&extents, 100, 50);
	assert_int_equal(extents.free_count, 60);
	assert_int_equal(extents_take(&extents, 20, &first), 0);
	assert_int_equal(first, 100);
	assert_int_equal(extents_take(&extents, 10, &first), 0);
	assert_int_equal(first, 0);
	assert_int_equal(extents_take(&extents, 31, &first), -ENOSPC);
	assert_int_equal(extents_take(&extents, 30, &first), 0);
	assert_int_equal(first, 120);
	assert_int_equal(extents.free_count, 0);
	assert_int_equal(extents.run_count, 0);
	extents_fini(&extents);
}

static void test_neighbours_are_joined_in_any_order(void **state)
{
	static const uint32_t orders[][3] = {
		{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		struct extents extents = {0};
		uint32_t first;

		for (size_t j = 0; j < 3; j++)
			extents_give(&extents, 10 * orders[i][j], 10);
		assert_int_equal(extents.run_count, 1);
		assert_int_equal(extents_take(&extents, 30, &first), 0);
		assert_int_equal(first, 0);
		extents_fini(&extents);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_are_given_first_fit),
		cmocka_unit_test(test_neighbours_are_joined_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
