/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/interrupt_code.h"

#include <string.h>

#include "daemon/core/names/kallsyms.h"
#include "tests/unit/cmocka_all.h"

static void read_ranges(const char *text, struct code_range *ranges)
{
	_cleanup_(kallsyms_freep) struct kallsyms *symbols = NULL;

	assert_int_equal(kallsyms_parse(text, strlen(text), &symbols), 0);
	interrupt_code_read(symbols, ranges);
}

static void test_sections_and_the_handler_are_found(void **state)
{
	struct code_range ranges[INTERRUPT_RANGES];

	(void)state;
	read_ranges("ffffffff81000300 T __irqentry_text_start\n"
		    "ffffffff81000f70 T __irqentry_text_end\n"
		    "ffffffff810a0000 t handle_softirqs\n"
		    "ffffffff810a0400 t run_ksoftirqd\n"
		    "ffffffff82204b90 T __softirqentry_text_start\n"
		    "ffffffff82204bac T __softirqentry_text_end\n",
		    ranges);
	assert_int_equal(ranges[0].start, 0xffffffff81000300);
	assert_int_equal(ranges[0].end, 0xffffffff81000f70);
	assert_int_equal(ranges[1].start, 0xffffffff82204b90);
	assert_int_equal(ranges[1].end, 0xffffffff82204bac);
	assert_int_equal(ranges[2].start, 0xffffffff810a0000);
	assert_int_equal(ranges[2].end, 0xffffffff810a0400);
}

static void test_what_a_kernel_does_not_have_is_no_range(void **state)
{
	struct code_range ranges[INTERRUPT_RANGES];

	(void)state;
	memset(ranges, 0xff, sizeof(ranges));
	read_ranges("ffffffff81000300 T __irqentry_text_start\n"
		    "ffffffff810a0400 t run_ksoftirqd\n",
		    ranges);
	for (size_t i = 0; i < INTERRUPT_RANGES; i++)
		assert_true(ranges[i].start == 0 && ranges[i].end == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections_and_the_handler_are_found),
		cmocka_unit_test(test_what_a_kernel_does_not_have_is_no_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
