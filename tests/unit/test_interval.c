/* SPDX-License-Identifier: Apache-2.0 */
#include "common/interval.h"

#include <math.h>

#include "tests/unit/cmocka_all.h"

static void is_close(double found, double wanted, double tolerance)
{
	assert_true(found > wanted - tolerance && found < wanted + tolerance);
}

static void what_was_measured_has_no_interval(void **state)
{
	struct interval interval = interval_of(5, 5, 0, 0);

	(void)state;
	is_close(interval.low, 5, 1e-9);
	is_close(interval.high, 5, 1e-9);
}

/* Of equal weights of 1 the interval is that of a Poisson count (Garwood). */
static void counts_have_the_interval_of_poisson(void **state)
{
	static const struct {
		double count, low, high;
	} cases[] = {{1, 0.0253, 5.572},
		     {4, 1.0899, 10.2416},
		     {10, 4.7954, 18.3904},
		     {100, 81.36, 121.63}};

	(void)state;
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct interval interval = interval_of(cases[i].count, 0, cases[i].count, 1);

		is_close(interval.low, cases[i].low, 0.02 * cases[i].count + 0.05);
		is_close(interval.high, cases[i].high, 0.02 * cases[i].count + 0.05);
	}
}

static void the_measured_part_shifts_the_interval(void **state)
{
	struct interval alone = interval_of(10, 0, 10, 1);
	struct interval beside = interval_of(110, 100, 10, 1);

	(void)state;
	is_close(beside.low, 100 + alone.low, 1e-9);
	is_close(beside.high, 100 + alone.high, 1e-9);
}

static void a_share_of_samples_is_that_of_a_binomial(void **state)
{
	struct interval_sum part = {.weight = 8, .variance = 8},
			    rest = {.weight = 2, .variance = 2};
	struct interval_sum whole = part;

	(void)state;
	interval_sum_add(&whole, &rest);
	struct interval interval = interval_of_share(&part, &whole);
	is_close(interval.high - 0.8, 1.96 * sqrt(0.8 * 0.2 / 10), 1e-4);
	is_close(0.8 - interval.low, 1.96 * sqrt(0.8 * 0.2 / 10), 1e-4);
	interval = interval_of_share(&whole, &whole);
	is_close(interval.high - interval.low, 0, 1e-9);
}

static void a_share_of_what_was_measured_has_the_interval_of_its_part(void **state)
{
	struct interval_sum part = {.weight = 2, .variance = 2, .largest = 1};
	struct interval_sum whole = {.weight = 100, .certain = 98, .variance = 2, .largest = 1};
	struct interval interval = interval_of_share(&part, &whole);
	struct interval own = interval_of(2, 0, 2, 1);

	(void)state;
	is_close(interval.low, own.low / 100, 1e-12);
	is_close(interval.high, own.high / 100, 1e-12);
	assert_true(interval.high - 0.02 > 0.02 - interval.low);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_measured_has_no_interval),
		cmocka_unit_test(counts_have_the_interval_of_poisson),
		cmocka_unit_test(the_measured_part_shifts_the_interval),
		cmocka_unit_test(a_share_of_samples_is_that_of_a_binomial),
		cmocka_unit_test(a_share_of_what_was_measured_has_the_interval_of_its_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
