/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/stack_sort.h"

#include "common/cleanup.h"
#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

/* The next number that looks like chance. */
static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 4;
}

/* Small and large lists are sorted in different ways, keys of some bits in several passes. */
static void test_stacks_are_sorted_by_key_and_keep_their_order_else(void **state)
{
	static const struct {
		uint32_t count, key_limit;
	} cases[] = {
		{0, 1},       {1, 5},          {2, 2},           {24, 1000}, {25, 1000},
		{25, 1},      {300, 128},      {300, 129},       {300, 7},   {4095, 1 << 20},
		{4096, 2048}, {4096, 1 << 12}, {10000, 1 << 28}, {10000, 3}, {5000, 2049},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t count = cases[i].count, seed = (uint32_t)i;
		_cleanup_free_ struct stack_entry *entries =
			memory_new((count + 1) * sizeof(*entries));
		_cleanup_free_ struct stack_entry *scratch =
			memory_new((count + 1) * sizeof(*scratch));
		uint64_t sum = 0;

		for (uint32_t k = 0; k < count; k++) {
			entries[k] = (struct stack_entry){next(&seed) % cases[i].key_limit, k};
			sum += entries[k].key;
		}
		stack_sort(entries, scratch, count, cases[i].key_limit);
		for (uint32_t k = 0; k < count; k++) {
			sum -= entries[k].key;
			if (k && entries[k - 1].key == entries[k].key)
				assert_true(entries[k - 1].stack < entries[k].stack);
			else if (k)
				assert_true(entries[k - 1].key < entries[k].key);
		}
		assert_int_equal(sum, 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stacks_are_sorted_by_key_and_keep_their_order_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
