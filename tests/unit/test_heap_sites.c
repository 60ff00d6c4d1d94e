/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_sites.h"

#include "tests/unit/cmocka_all.h"

/* A file whose code lies at 0x7000, from its offset 0x1000 on. */
static struct allocator_file file_of(const struct allocator_function *functions, size_t count)
{
	struct allocator_file file = {
		.fd = -1,
		.map = {.start = 0x7000, .end = 0x9000, .offset = 0x1000},
		.count = count,
	};

	for (size_t i = 0; i < count; i++)
		file.functions[i] = functions[i];
	return file;
}

static void test_a_site_is_told_by_file_and_by_memory(void **state)
{
	const struct allocator_function functions[] = {
		{.entry = 0x1100, .size = 0x20, .site = 0x1104, .function = HEAP_CALLOC}};
	struct allocator_file file = file_of(functions, 1);
	struct prober_request request;
	struct heap_slot slot;

	(void)state;
	heap_sites_init(&slot);
	heap_sites_add(&slot, &file, &request);
	assert_int_equal(request.type, PROBER_ADD_FILE);
	assert_int_equal(request.site_count, 1);
	assert_int_equal(request.sites[0].offset, 0x1104);
	assert_int_equal(request.sites[0].address, 0x7104);
	assert_int_equal(request.sites[0].function, HEAP_CALLOC);
}

static void test_flags_say_what_a_probe_may_do_and_costs(void **state)
{
	static const struct {
		uint32_t flags, wanted;
	} cases[] = {
		{0, PROBER_SITE_RETURNS | PROBER_SITE_DEAR},
		{ALLOCATOR_EMULATED, PROBER_SITE_RETURNS},
		{ALLOCATOR_THROWS, PROBER_SITE_DEAR},
		{ALLOCATOR_THROWS | ALLOCATOR_EMULATED, 0},
		{ALLOCATOR_THROWS | ALLOCATOR_EMULATED | ALLOCATOR_FOLLOWED, PROBER_SITE_FOLLOWED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct allocator_function function = {.entry = 0x1100, .flags = cases[i].flags};
		struct allocator_file file = file_of(&function, 1);
		struct prober_request request;
		struct heap_slot slot;

		heap_sites_init(&slot);
		heap_sites_add(&slot, &file, &request);
		assert_int_equal(request.sites[0].flags, cases[i].wanted);
	}
}

static void test_operators_that_may_throw_are_seen_to_return_or_not(void **state)
{
	static const struct allocator_function functions[] = {
		{.function = HEAP_MALLOC},
		{.function = HEAP_NEW, .flags = ALLOCATOR_THROWS | ALLOCATOR_FOLLOWED},
		{.function = HEAP_NEW, .flags = ALLOCATOR_THROWS},
	};
	static const uint32_t wanted[] = {0, HEAP_SITES_FOLLOWED, HEAP_SITES_UNSEEN};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct allocator_file file = file_of(&functions[i], 1);

		assert_int_equal(heap_sites_flags(&file), wanted[i]);
	}
	struct allocator_file all = file_of(functions, 3);

	assert_int_equal(heap_sites_flags(&all), HEAP_SITES_FOLLOWED | HEAP_SITES_UNSEEN);
}

static void test_where_functions_return_is_no_function_of_the_hull(void **state)
{
	const struct allocator_function functions[] = {
		{.entry = 0x1100, .size = 0x20},
		{.entry = 0x1900, .size = 1, .site = 0x1900, .function = HEAP_LEAVE}};
	struct allocator_file file = file_of(functions, 2);
	struct prober_request request;
	struct heap_slot slot;

	(void)state;
	heap_sites_init(&slot);
	heap_sites_add(&slot, &file, &request);
	assert_int_equal(request.site_count, 2);
	assert_true(request.sites[1].flags & PROBER_SITE_DEAR);
	assert_int_equal(slot.range_count, 1);
}

static void test_the_hull_is_around_the_functions_of_all_files(void **state)
{
	const struct allocator_function first[] = {{.entry = 0x1800, .size = 0x10},
						   {.entry = 0x1900, .size = 0x40}};
	const struct allocator_function second[] = {{.entry = 0x1100, .size = 0x20}};
	struct allocator_file files[] = {file_of(first, 2), file_of(second, 1)};
	struct prober_request request;
	struct heap_slot slot = {.mode = HEAP_FULL, .range_count = 7}; /* of who was before */

	(void)state;
	heap_sites_init(&slot);
	assert_int_equal(slot.mode, HEAP_OFF);
	heap_sites_add(&slot, &files[0], &request);
	heap_sites_add(&slot, &files[1], &request);
	assert_int_equal(slot.range_count, 3);
	assert_int_equal(slot.ranges[1].start, 0x7900);
	assert_int_equal(slot.ranges[1].end, 0x7940);
	assert_int_equal(slot.hull.start, 0x7100);
	assert_int_equal(slot.hull.end, 0x7940);
}

static void test_a_function_outside_of_the_mapping_or_without_a_size_has_no_range(void **state)
{
	const struct allocator_function functions[] = {{.entry = 0x0fff, .size = 0x20},
						       {.entry = 0x3000, .size = 0x20},
						       {.entry = 0x1100}};
	struct allocator_file file = file_of(functions, 3);
	struct prober_request request;
	struct heap_slot slot;

	(void)state;
	heap_sites_init(&slot);
	heap_sites_add(&slot, &file, &request);
	assert_int_equal(request.site_count, 3);
	assert_int_equal(slot.range_count, 0);
}

static void test_ranges_end_where_the_slot_is_full(void **state)
{
	struct allocator_function functions[HEAP_MAX_FUNCTIONS];
	struct allocator_file file;
	struct prober_request request;
	struct heap_slot slot;

	(void)state;
	for (size_t i = 0; i < HEAP_MAX_FUNCTIONS; i++)
		functions[i] =
			(struct allocator_function){.entry = 0x1100 + 0x10 * i, .size = 0x10};
	file = file_of(functions, HEAP_MAX_FUNCTIONS);
	heap_sites_init(&slot);
	heap_sites_add(&slot, &file, &request);
	heap_sites_add(&slot, &file, &request);
	assert_int_equal(request.site_count, HEAP_MAX_FUNCTIONS);
	assert_int_equal(slot.range_count, HEAP_MAX_FUNCTIONS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_site_is_told_by_file_and_by_memory),
		cmocka_unit_test(test_flags_say_what_a_probe_may_do_and_costs),
		cmocka_unit_test(test_operators_that_may_throw_are_seen_to_return_or_not),
		cmocka_unit_test(test_where_functions_return_is_no_function_of_the_hull),
		cmocka_unit_test(test_the_hull_is_around_the_functions_of_all_files),
		cmocka_unit_test(
			test_a_function_outside_of_the_mapping_or_without_a_size_has_no_range),
		cmocka_unit_test(test_ranges_end_where_the_slot_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
