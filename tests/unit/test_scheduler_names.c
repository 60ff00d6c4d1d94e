/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/scheduler_names.h"

#include "tests/unit/cmocka_all.h"

static void test_what_tells_what_is_waited_for_is_kept(void **state)
{
	(void)state;
	assert_true(scheduler_names_has("schedule"));
	assert_true(scheduler_names_has("do_nanosleep"));
	assert_false(scheduler_names_has("schedule_work"));
	assert_false(scheduler_names_has("rwsem_down_read_slowpath"));
	assert_false(scheduler_names_has(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_tells_what_is_waited_for_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
