/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/target.h"

#include <errno.h>

#include "tests/unit/cmocka_all.h"

static void test_targets_are_read_as_users_write_them(void **state)
{
	static const struct {
		const char *text;
		int error;
		enum target_kind kind;
		uint32_t pid;
		const char *pattern;
	} cases[] = {
		{"1234", 0, TARGET_PID, 1234, NULL},
		{"comm:nginx*", 0, TARGET_NAME, 0, "nginx*"},
		{"comm:a:b", 0, TARGET_NAME, 0, "a:b"},
		{"cgroup:/system.slice", 0, TARGET_CGROUP, 0, "/system.slice"},
		{"all", 0, TARGET_ALL, 0, NULL},
		{"", -EINVAL, 0, 0, NULL},
		{"0", -EINVAL, 0, 0, NULL},
		{"-1", -EINVAL, 0, 0, NULL},
		{"12x", -EINVAL, 0, 0, NULL},
		{"4294967297", -EINVAL, 0, 0, NULL},
		{"comm:", -EINVAL, 0, 0, NULL},
		{"cgroup:", -EINVAL, 0, 0, NULL},
		{"name:x", -EINVAL, 0, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct target_selector selector;

		assert_int_equal(target_selector_parse(cases[i].text, &selector), cases[i].error);
		if (cases[i].error)
			continue;
		assert_int_equal(selector.kind, cases[i].kind);
		assert_int_equal(selector.pid, cases[i].pid);
		if (cases[i].pattern)
			assert_string_equal(selector.pattern, cases[i].pattern);
	}
}

static void test_what_is_described_is_read_again(void **state)
{
	static char pattern[] = "/a/b";
	struct target target = {.kind = TARGET_CGROUP, .pattern = pattern};
	struct target_selector selector;

	(void)state;
	_cleanup_free_ char *text = target_describe(&target);
	assert_int_equal(target_selector_parse(text, &selector), 0);
	assert_int_equal(selector.kind, TARGET_CGROUP);
	assert_string_equal(selector.pattern, "/a/b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets_are_read_as_users_write_them),
		cmocka_unit_test(test_what_is_described_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
