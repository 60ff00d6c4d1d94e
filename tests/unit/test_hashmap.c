/* SPDX-License-Identifier: Apache-2.0 */
#include "common/hashmap.h"

#include "tests/unit/cmocka_all.h"

static int holds(const struct hashmap *map, uint32_t hash, uint32_t value)
{
	struct hashmap_cursor cursor;
	int count = 0;

	for (uint32_t v = hashmap_first(map, hash, &cursor); v != HASHMAP_NONE;
	     v = hashmap_next(map, &cursor))
		count += v == value;
	return count;
}

static void test_an_empty_map_finds_nothing(void **state)
{
	struct hashmap map = {0};

	(void)state;
	assert_int_equal(holds(&map, 7, 7), 0);
	hashmap_remove(&map, 7, 7);
	hashmap_fini(&map);
}

static void test_values_of_one_hash_are_all_found(void **state)
{
	struct hashmap map = {0};

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		hashmap_add(&map, 5, i);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(holds(&map, 5, i), 1);
	hashmap_fini(&map);
}

/* Few distinct hashes make long clusters, in which deletion has to shift the right slots. */
static void test_removal_keeps_every_other_value(void **state)
{
	enum { COUNT = 5000 };
	static unsigned char present[COUNT];
	struct hashmap map = {0};
	uint32_t random = 1;

	(void)state;
	for (int round = 0; round < 40000; round++) {
		random = random * 1664525 + 1013904223;
		uint32_t value = (random >> 8) % COUNT;
		uint32_t hash = value % 977;

		if (present[value])
			hashmap_remove(&map, hash, value);
		else
			hashmap_add(&map, hash, value);
		present[value] = !present[value];
	}
	uint32_t count = 0;
	for (uint32_t value = 0; value < COUNT; value++) {
		assert_int_equal(holds(&map, value % 977, value), present[value]);
		count += present[value];
	}
	assert_int_equal(map.count, count);
	hashmap_fini(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_map_finds_nothing),
		cmocka_unit_test(test_values_of_one_hash_are_all_found),
		cmocka_unit_test(test_removal_keeps_every_other_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
