/* SPDX-License-Identifier: Apache-2.0 */
#include "client/amount.h"

#include <stdlib.h>

#include "tests/unit/cmocka_all.h"

/* Takes over found. */
static void assert_reads(char *found, const char *wanted)
{
	assert_string_equal(found, wanted);
	free(found);
}

static void bytes_have_the_unit_that_leaves_at_most_four_digits(void **state)
{
	(void)state;
	assert_reads(amount_bytes(0), "0 B");
	assert_reads(amount_bytes(1023), "1023 B");
	assert_reads(amount_bytes(1024), "1.0 KiB");
	assert_reads(amount_bytes(-1536), "-1.5 KiB");
	assert_reads(amount_bytes(1048575), "1.0 MiB");
	assert_reads(amount_bytes(20.0 * (1 << 20)), "20.0 MiB");
	assert_reads(amount_bytes(5e15), "4547.5 TiB");
}

static void ages_have_two_units_at_most(void **state)
{
	(void)state;
	assert_reads(amount_age(0.9), "0s");
	assert_reads(amount_age(59.9), "59s");
	assert_reads(amount_age(302), "5m02s");
	assert_reads(amount_age(11220), "3h07m");
}

static void only_one_is_singular(void **state)
{
	(void)state;
	assert_reads(amount_count(0, "block"), "0 blocks");
	assert_reads(amount_count(1, "block"), "1 block");
	assert_reads(amount_count(1.2, "sample"), "1 sample");
	assert_reads(amount_count(12, "sample"), "12 samples");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_the_unit_that_leaves_at_most_four_digits),
		cmocka_unit_test(ages_have_two_units_at_most),
		cmocka_unit_test(only_one_is_singular),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
