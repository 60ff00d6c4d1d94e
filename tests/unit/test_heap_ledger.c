/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_ledger.h"

#include "common/clock.h"
#include "tests/unit/cmocka_all.h"

#define AT(second) ((second)*NS_PER_SECOND)

/* From second 1 on, each second costs as many ns as its number. */
static void fill(struct heap_ledger *ledger, uint64_t seconds)
{
	heap_ledger_note(ledger, AT(0));
	for (uint64_t i = 1; i <= seconds; i++) {
		ledger->sums.cost_ns += (double)i;
		ledger->sums.base_ns += 100;
		heap_ledger_note(ledger, AT(i));
	}
}

static void test_a_window_has_its_own_cost(void **state)
{
	static struct heap_ledger ledger;
	struct heap_sums sums;

	(void)state;
	fill(&ledger, 10);
	sums = heap_ledger_between(&ledger, AT(3), AT(5));
	assert_true(sums.cost_ns == 4 + 5);
	assert_true(sums.base_ns == 200);
	sums = heap_ledger_between(&ledger, AT(8), AT(10));
	assert_true(sums.cost_ns == 9 + 10);
}

static void test_what_came_since_the_last_second_is_in(void **state)
{
	static struct heap_ledger ledger;

	(void)state;
	fill(&ledger, 10);
	ledger.sums.cost_ns += 1000;
	assert_true(heap_ledger_between(&ledger, AT(9), AT(11)).cost_ns == 1010);
	assert_true(heap_ledger_between(&ledger, AT(9), AT(10)).cost_ns == 10);
}

static void test_only_the_last_seconds_are_kept(void **state)
{
	static struct heap_ledger ledger;
	struct heap_sums sums;

	(void)state;
	fill(&ledger, 3 * HEAP_LEDGER_POINTS);
	sums = heap_ledger_between(&ledger, AT(0), AT(3 * HEAP_LEDGER_POINTS));
	assert_true(sums.base_ns == 100.0 * (HEAP_LEDGER_POINTS - 1));
	sums = heap_ledger_between(&ledger, AT(3 * HEAP_LEDGER_POINTS - 2),
				   AT(3 * HEAP_LEDGER_POINTS - 1));
	assert_true(sums.cost_ns == 3 * HEAP_LEDGER_POINTS - 1);
}

static void test_nothing_is_known_of_an_empty_one(void **state)
{
	static struct heap_ledger ledger;

	(void)state;
	assert_true(heap_ledger_between(&ledger, 0, AT(5)).base_ns == 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_window_has_its_own_cost),
		cmocka_unit_test(test_what_came_since_the_last_second_is_in),
		cmocka_unit_test(test_only_the_last_seconds_are_kept),
		cmocka_unit_test(test_nothing_is_known_of_an_empty_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
