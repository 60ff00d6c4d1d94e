/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_evidence.h"

#include "tests/unit/cmocka_all.h"

static void test_a_list_is_whole_until_something_is_missed(void **state)
{
	struct heap_evidence evidence = {0};

	(void)state;
	heap_evidence_miss(&evidence, 5, "there is no list yet");
	assert_int_equal(evidence.incomplete_ns, 0);
	heap_evidence_begin(&evidence, 10);
	assert_int_equal(evidence.since_ns, 10);
	assert_int_equal(evidence.incomplete_ns, 0);
	heap_evidence_miss(&evidence, 20, "first");
	heap_evidence_miss(&evidence, 30, "second");
	assert_int_equal(evidence.incomplete_ns, 20);
	assert_string_equal(evidence.reason, "first");
	/* A new list is whole again. */
	heap_evidence_begin(&evidence, 40);
	assert_int_equal(evidence.since_ns, 40);
	assert_int_equal(evidence.incomplete_ns, 0);
	assert_null(evidence.reason);
}

/* Blocks of C++ operators that were given while these were not seen are in no list. */
static void test_the_stretch_in_which_operators_were_not_seen_is_known(void **state)
{
	static const struct {
		int is_seen;
		uint64_t from_ns, to_ns;
	} steps[] = {
		{1, 0, 0},               /* at 10: nothing is missing */
		{0, 20, 0},              /* from now on they are not in */
		{0, 20, 0},              /* still */
		{1, 20, 40},             /* those given before are not */
		{1, 20, 40}, {0, 20, 0}, /* the stretch grows over what lies between */
		{1, 20, 70},
	};
	struct heap_evidence evidence = {0};

	(void)state;
	heap_evidence_begin(&evidence, 1);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		heap_evidence_see(&evidence, 10 * (i + 1), steps[i].is_seen);
		assert_int_equal(evidence.unseen_from_ns, steps[i].from_ns);
		assert_int_equal(evidence.unseen_to_ns, steps[i].to_ns);
	}
}

static void test_operators_that_cannot_be_seen_stay_so_in_a_new_list(void **state)
{
	struct heap_evidence evidence = {.has_unseen = 1};

	(void)state;
	heap_evidence_see(&evidence, 5, 0);
	heap_evidence_begin(&evidence, 10);
	assert_true(evidence.has_unseen);
	assert_int_equal(evidence.unseen_from_ns, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_list_is_whole_until_something_is_missed),
		cmocka_unit_test(test_the_stretch_in_which_operators_were_not_seen_is_known),
		cmocka_unit_test(test_operators_that_cannot_be_seen_stay_so_in_a_new_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
