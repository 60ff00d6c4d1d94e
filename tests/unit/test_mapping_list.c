/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/mapping_list.h"

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

static void add(struct mapping_list *list, uint64_t start, uint64_t end, uint64_t offset,
		uint32_t module)
{
	struct mapping mapping = {start, end, offset, module, 0};

	mapping_list_add(list, &mapping);
}

static void assert_list(const struct mapping_list *list, const struct mapping *wanted, size_t count)
{
	assert_int_equal(list->count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(list->mappings[i].start, wanted[i].start);
		assert_int_equal(list->mappings[i].end, wanted[i].end);
		assert_int_equal(list->mappings[i].offset, wanted[i].offset);
		assert_int_equal(list->mappings[i].module, wanted[i].module);
	}
}

static void test_mappings_are_in_order(void **state)
{
	static const struct mapping wanted[] = {
		{10, 20, 0, 1, 0}, {30, 40, 0, 3, 0}, {50, 60, 0, 2, 0}};
	struct mapping_list list = {0};

	(void)state;
	add(&list, 10, 20, 0, 1);
	add(&list, 50, 60, 0, 2);
	add(&list, 30, 40, 0, 3);
	assert_list(&list, wanted, ARRAY_SIZE(wanted));
	mapping_list_fini(&list);
}

static void test_a_new_mapping_takes_the_place_of_old_ones(void **state)
{
	static const struct {
		uint64_t start, end;
		struct mapping wanted[4];
		size_t count;
	} cases[] = {
		{100, 200, {{100, 200, 7, 9, 0}, {300, 400, 5000, 2, 0}}, 2},
		{50, 450, {{50, 450, 7, 9, 0}}, 1},
		{150,
		 350,
		 {{100, 150, 1000, 1, 0}, {150, 350, 7, 9, 0}, {350, 400, 5050, 2, 0}},
		 3},
		{120,
		 130,
		 {{100, 120, 1000, 1, 0},
		  {120, 130, 7, 9, 0},
		  {130, 200, 1030, 1, 0},
		  {300, 400, 5000, 2, 0}},
		 4},
		{200,
		 300,
		 {{100, 200, 1000, 1, 0}, {200, 300, 7, 9, 0}, {300, 400, 5000, 2, 0}},
		 3},
		{5, 5, {{100, 200, 1000, 1, 0}, {300, 400, 5000, 2, 0}}, 2},
		{6, 5, {{100, 200, 1000, 1, 0}, {300, 400, 5000, 2, 0}}, 2},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mapping_list list = {0};

		add(&list, 100, 200, 1000, 1);
		add(&list, 300, 400, 5000, 2);
		add(&list, cases[i].start, cases[i].end, 7, 9);
		assert_list(&list, cases[i].wanted, cases[i].count);
		mapping_list_fini(&list);
	}
}

static void test_a_pc_is_found_in_its_mapping_alone(void **state)
{
	struct mapping_list list = {0};

	(void)state;
	assert_null(mapping_list_find(list.mappings, list.count, 5));
	for (uint32_t i = 1; i <= 100; i++)
		add(&list, i * 100, i * 100 + 50, 0, i);
	for (uint32_t i = 1; i <= 100; i++) {
		const struct mapping *found =
			mapping_list_find(list.mappings, list.count, i * 100 + 49);

		assert_non_null(found);
		assert_int_equal(found->module, i);
		assert_null(mapping_list_find(list.mappings, list.count, i * 100 + 50));
		assert_null(mapping_list_find(list.mappings, list.count, i * 100 - 1));
	}
	mapping_list_fini(&list);
}

static void test_a_full_list_stays_as_it_is(void **state)
{
	struct mapping_list list = {0};

	(void)state;
	for (uint64_t i = 0; i < MAPPING_LIST_MAX + 100; i++)
		add(&list, i * 16, i * 16 + 8, 0, 1);
	assert_int_equal(list.count, MAPPING_LIST_MAX);
	mapping_list_fini(&list);
}

static void test_a_copy_is_independent(void **state)
{
	struct mapping_list list = {0}, copy = {0};

	(void)state;
	add(&list, 10, 20, 0, 1);
	mapping_list_copy(&copy, &list);
	mapping_list_clear(&list);
	assert_int_equal(list.count, 0);
	assert_int_equal(copy.count, 1);
	mapping_list_copy(&copy, &list);
	assert_int_equal(copy.count, 0);
	mapping_list_fini(&list);
	mapping_list_fini(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mappings_are_in_order),
		cmocka_unit_test(test_a_new_mapping_takes_the_place_of_old_ones),
		cmocka_unit_test(test_a_pc_is_found_in_its_mapping_alone),
		cmocka_unit_test(test_a_full_list_stays_as_it_is),
		cmocka_unit_test(test_a_copy_is_independent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
