/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/calibration.h"

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

static void test_only_what_can_be_is_believed(void **state)
{
	static const struct {
		double before_ns;
		double after_ns;
		double hit_ns;
	} cases[] = {
		{1400, 1550, 150}, /* as on a quiet machine */
		{2343, 2625, 282}, /* and on a busy one */
		{1400, 1410, 0},   /* less than a hook can cost */
		{1400, 1300, 0},   /* somebody disturbed the first */
		{1400, 9000, 0},   /* or the second */
		{0, 150, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		double hit_ns = calibration_compare(cases[i].before_ns, cases[i].after_ns);

		assert_true(hit_ns >= cases[i].hit_ns && hit_ns <= cases[i].hit_ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_can_be_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
