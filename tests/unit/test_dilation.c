/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/dilation.h"

#include <math.h>

#include "tests/unit/cmocka_all.h"

#define COST_NS  600.0
#define LEAST_NS 5.0
#define ERROR    0.08
#define WINDOW   3e6 /* ns */

/* Windows of a program that needs own_ns from hit to hit, while a hit costs truly cost_ns. */
static struct dilation_own look_at(double own_ns, double cost_ns, int windows)
{
	struct dilation dilation = {.sum = {0}};

	for (int i = 0; i < windows; i++) {
		const struct dilation_window window = {
			.usual_ns = WINDOW,
			.cpu_ns = WINDOW,
			.hits = WINDOW / (own_ns + cost_ns),
			.cost_ns = WINDOW / (own_ns + cost_ns) * COST_NS,
		};

		dilation_add(&dilation, &window);
	}
	/* As a share of the windows' time. */
	struct dilation_own own = dilation_own(&dilation, LEAST_NS, ERROR);
	double cpu_ns = dilation.sum.cpu_ns;

	return (struct dilation_own){own.low / cpu_ns, own.best / cpu_ns, own.high / cpu_ns};
}

static void test_the_bounds_hold_the_truth(void **state)
{
	static const double own_ns[] = {10, 20, 50, 200, 1000, 10000, 1e6};
	static const double off[] = {-0.06, -0.03, 0, 0.03, 0.06};

	(void)state;
	for (size_t i = 0; i < sizeof(own_ns) / sizeof(own_ns[0]); i++) {
		for (size_t j = 0; j < sizeof(off) / sizeof(off[0]); j++) {
			double cost_ns = COST_NS * (1 + off[j]);
			double truth = own_ns[i] / (own_ns[i] + cost_ns);
			struct dilation_own own = look_at(own_ns[i], cost_ns, 10);

			assert_true(own.low <= truth * 1.0001);
			assert_true(own.high >= truth * 0.9999);
			assert_true(own.low <= own.best && own.best <= own.high);
		}
	}
}

static void test_seldom_hits_leave_no_doubt(void **state)
{
	struct dilation_own own = look_at(1e6, COST_NS, 10);

	(void)state;
	assert_true(own.high / own.low < 1.001);
}

static void test_the_least_bounds_what_little_is_left(void **state)
{
	/* The cost was measured too high: nothing would be left at all. */
	struct dilation_own own = look_at(10, COST_NS * 0.95, 10);

	(void)state;
	assert_true(fabs(own.low - LEAST_NS / 580) < 1e-6);
	assert_true(own.best > 0);
}

static void test_windows_that_differ_widen_the_bounds(void **state)
{
	struct dilation even = {.sum = {0}}, uneven = {.sum = {0}};

	(void)state;
	for (int i = 0; i < 10; i++) {
		const struct dilation_window same = {WINDOW, WINDOW, 2000 * COST_NS, 2000};
		const struct dilation_window other = {
			WINDOW, WINDOW, (i % 2 ? 1500 : 2500) * COST_NS, i % 2 ? 1500 : 2500};

		dilation_add(&even, &same);
		dilation_add(&uneven, &other);
	}
	struct dilation_own one = dilation_own(&even, LEAST_NS, ERROR);
	struct dilation_own two = dilation_own(&uneven, LEAST_NS, ERROR);

	assert_true(two.high - two.low > 1.3 * (one.high - one.low));
}

static void test_who_has_time_to_spare_is_not_slowed_down(void **state)
{
	struct dilation dilation = {.sum = {0}};
	const struct dilation_window window = {.usual_ns = 0.1 * WINDOW,
					       .cpu_ns = 0.35 * WINDOW,
					       .cost_ns = 0.3 * WINDOW,
					       .hits = 1000};

	(void)state;
	dilation_add(&dilation, &window);
	struct dilation_own own = dilation_own(&dilation, LEAST_NS, ERROR);

	assert_true(own.low == 0.1 * WINDOW && own.high == 0.1 * WINDOW);
}

static void test_nothing_gets_on_faster_than_usual(void **state)
{
	struct dilation dilation = {.sum = {0}};
	const struct dilation_window window = {
		.usual_ns = 0.9 * WINDOW, .cpu_ns = WINDOW, .cost_ns = 0.2 * WINDOW, .hits = 2000};

	(void)state;
	dilation_add(&dilation, &window);
	assert_true(dilation_own(&dilation, LEAST_NS, ERROR).high == 0.9 * WINDOW);
}

static void test_without_a_hit_all_is_its_own(void **state)
{
	struct dilation dilation = {.sum = {0}};
	const struct dilation_window window = {.usual_ns = WINDOW, .cpu_ns = WINDOW};

	(void)state;
	dilation_add(&dilation, &window);
	struct dilation_own own = dilation_own(&dilation, LEAST_NS, ERROR);

	assert_true(own.low == WINDOW && own.high == WINDOW);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_bounds_hold_the_truth),
		cmocka_unit_test(test_seldom_hits_leave_no_doubt),
		cmocka_unit_test(test_the_least_bounds_what_little_is_left),
		cmocka_unit_test(test_windows_that_differ_widen_the_bounds),
		cmocka_unit_test(test_who_has_time_to_spare_is_not_slowed_down),
		cmocka_unit_test(test_nothing_gets_on_faster_than_usual),
		cmocka_unit_test(test_without_a_hit_all_is_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
