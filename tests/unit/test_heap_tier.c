/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_tier.h"

#include "tests/unit/cmocka_all.h"

static void test_every_tier_has_a_name(void **state)
{
	(void)state;
	for (int tier = HEAP_TIER_STARTING; tier <= HEAP_TIER_FAILED; tier++) {
		assert_non_null(heap_tier_name((enum heap_tier)tier));
		for (int other = 0; other < tier; other++)
			assert_string_not_equal(heap_tier_name((enum heap_tier)tier),
						heap_tier_name((enum heap_tier)other));
	}
}

static void test_the_last_changes_are_remembered_oldest_first(void **state)
{
	struct heap_tier_log log = {0};

	(void)state;
	heap_tier_log_add(&log, 1, HEAP_TIER_FULL, "attached");
	assert_int_equal(log.count, 1);
	assert_int_equal(log.changes[0].tier, HEAP_TIER_FULL);
	assert_string_equal(log.changes[0].reason, "attached");
	for (uint64_t time_ns = 2; time_ns <= HEAP_TIER_CHANGES + 3; time_ns++)
		heap_tier_log_add(&log, time_ns, HEAP_TIER_DUTY, "");
	assert_int_equal(log.count, HEAP_TIER_CHANGES);
	for (uint32_t i = 0; i < HEAP_TIER_CHANGES; i++)
		assert_int_equal(log.changes[i].time_ns, i + 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_tier_has_a_name),
		cmocka_unit_test(test_the_last_changes_are_remembered_oldest_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
