/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/perf_script_write.h"

#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/profile.h"
#include "tests/unit/cmocka_all.h"

static uint32_t add_frame(struct profile *profile, const char *name, const char *module,
			  enum frame_kind kind)
{
	struct profile_frame frame = {
		.name = profile_string(profile, name),
		.module = profile_string(profile, module),
		.kind = kind,
	};

	return profile_add_frame(profile, &frame);
}

static uint32_t add_thread(struct profile *profile, const char *name)
{
	struct profile_process process = {.name = profile_string(profile, name), .pid = 7};
	struct profile_thread thread = {.process = profile_add_process(profile, &process),
					.tid = 8,
					.name = profile_string(profile, name)};

	return profile_add_thread(profile, &thread);
}

static struct profile *make_profile(double count)
{
	struct profile *profile = profile_new();
	uint32_t root = profile_add_node(profile, PROFILE_NO_NODE,
					 add_frame(profile, "main", "program", FRAME_USER));
	uint32_t leaf = profile_add_node(
		profile, root, add_frame(profile, "do_\nsyscall", "vmlinux", FRAME_KERNEL));

	profile->covered = (struct profile_window){UINT64_C(100000000000), UINT64_C(102000000000)};
	profile->source = profile_string(profile, "cycles");
	profile_add_row(profile, add_thread(profile, "a\033b"), leaf, count, count * 1000, 0);
	return profile;
}

static void test_each_sample_is_a_record_leaf_first(void **state)
{
	struct profile *profile = make_profile(2);
	_cleanup_free_ char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	(void)state;
	profile_add_row(profile, PROFILE_NO_THREAD, PROFILE_NO_NODE, 1, 10, 0);
	assert_int_equal(perf_script_write(profile, file), 0);
	fclose(file);
	assert_string_equal(text, "a?b 7/8 [000] 100.500000: 1000 cycles:\n"
				  "\t               0 do_?syscall ([kernel.kallsyms])\n"
				  "\t               0 main (program)\n"
				  "\n"
				  "unknown 0/0 [000] 101.000000: 10 cycles:\n"
				  "\n"
				  "a?b 7/8 [000] 101.500000: 1000 cycles:\n"
				  "\t               0 do_?syscall ([kernel.kallsyms])\n"
				  "\t               0 main (program)\n"
				  "\n");
	profile_free(profile);
}

static void test_more_samples_than_the_format_is_for_are_refused(void **state)
{
	struct profile *profile = make_profile(PERF_SCRIPT_MAX_RECORDS + 1.0);
	_cleanup_free_ char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	(void)state;
	assert_int_equal(perf_script_write(profile, file), -E2BIG);
	fclose(file);
	assert_int_equal(length, 0);
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_sample_is_a_record_leaf_first),
		cmocka_unit_test(test_more_samples_than_the_format_is_for_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
