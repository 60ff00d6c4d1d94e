/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/kernel_version.h"

#include <errno.h>

#include "tests/unit/cmocka_all.h"

static void test_kernels_that_freeze_are_known(void **state)
{
	static const struct {
		const char *release, *version;
		int is_unsafe;
	} cases[] = {
		{"5.18.19", "#1 SMP", 0},
		{"5.19.0", "#1 SMP", 1},
		{"6.0.12-arch1-1", "#1 SMP PREEMPT_DYNAMIC", 1},
		{"6.1.35", "#1 SMP", 1},
		{"6.1.36", "#1 SMP", 0},
		{"6.1.0-18-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)", 0},
		{"6.1.0-9-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.27-1 (2023-05-08)", 1},
		{"6.1.0-9-cloud-amd64", "#1 SMP Debian 6.1.36-1 (2023-07-01)", 0},
		{"6.2.16", "#1 SMP", 1},
		{"6.3.9-200.fc38.x86_64", "#1 SMP", 1},
		{"6.3.10", "#1 SMP", 0},
		{"6.4.0", "#1 SMP", 0},
		{"6.4-rc7", "#1 SMP", 0},
		{"6.12.10", "#1 SMP Debian unheard of", 0},
		{"5.10.0-28-amd64", "#1 SMP Debian 5.10.209-2 (2024-01-31)", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kernel_version version;

		assert_int_equal(kernel_version_parse(cases[i].release, cases[i].version, &version),
				 0);
		if (kernel_version_is_unsafe(&version) != cases[i].is_unsafe)
			fail_msg("%s is judged wrongly", cases[i].release);
	}
}

static void test_what_is_no_version_is_refused(void **state)
{
	struct kernel_version version;

	(void)state;
	assert_int_equal(kernel_version_parse("", "", &version), -EINVAL);
	assert_int_equal(kernel_version_parse("linux", "#1 Debian x", &version), -EINVAL);
	assert_int_equal(kernel_version_parse("6", "#1 SMP", &version), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernels_that_freeze_are_known),
		cmocka_unit_test(test_what_is_no_version_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
