/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/profile_stacks.h"

#include <errno.h>
#include <string.h>

#include "client/formats/folded.h"
#include "tests/unit/cmocka_all.h"

static uint32_t add_node(struct profile *profile, uint32_t parent, const char *name,
			 enum frame_kind kind)
{
	struct profile_frame frame = {.name = profile_string(profile, name), .kind = kind};

	return profile_add_node(profile, parent, profile_add_frame(profile, &frame));
}

/* Two threads of one process under main, one of them in the kernel. */
static struct profile *make_profile(enum profile_unit unit, const char *event)
{
	struct profile *profile = profile_new();
	struct profile_process process = {.name = profile_string(profile, "redis"), .pid = 7};
	struct profile_thread thread = {.name = profile_string(profile, "io"), .tid = 8};

	profile->unit = unit;
	profile->event = profile_string(profile, event);
	profile_add_process(profile, &process);
	profile_add_thread(profile, &thread);
	thread.tid = 9;
	profile_add_thread(profile, &thread);
	uint32_t root = add_node(profile, PROFILE_NO_NODE, "main", FRAME_USER);
	uint32_t leaf = add_node(profile, root, "read", FRAME_KERNEL);
	profile_add_row(profile, 0, root, 2, 2000000, 0);
	profile_add_row(profile, 0, leaf, 1, 1000000, 0);
	profile_add_row(profile, 1, leaf, 1, 1000000, 0);
	profile_add_row(profile, 1, PROFILE_NO_NODE, 1, 1000000, 0);
	return profile;
}

static void check(const struct profile *profile, struct stack_levels levels, unsigned int flags,
		  const char *expected)
{
	_cleanup_(stack_list_fini) struct stack_list list;
	_cleanup_free_ char *written = NULL;
	size_t size = 0;

	stack_list_init(&list);
	assert_int_equal(profile_stacks_add(&list, profile, &levels, STACK_BEFORE), 0);
	FILE *file = open_memstream(&written, &size);
	assert_int_equal(folded_write(&list, flags, file), 0);
	fclose(file);
	assert_string_equal(written, expected);
}

static void test_levels_and_units_are_chosen(void **state)
{
	_cleanup_(profile_freep) struct profile *cpu = make_profile(PROFILE_NS, "cpu");
	_cleanup_(profile_freep) struct profile *wall = make_profile(PROFILE_NS, "wall");
	_cleanup_(profile_freep) struct profile *heap = make_profile(PROFILE_BYTES, "heap");

	(void)state;
	check(cpu, (struct stack_levels){0}, 0, "redis 1\nredis;main 2\nredis;main;read 2\n");
	check(cpu, (struct stack_levels){.by_process = 1}, FOLDED_ANNOTATE,
	      "redis/7 1\nredis/7;main 2\nredis/7;main;read_[k] 2\n");
	check(cpu, (struct stack_levels){.by_thread = 1}, 0,
	      "redis;io/8;main 2\nredis;io/8;main;read 1\nredis;io/9 1\nredis;io/9;main;read 1\n");
	check(cpu, (struct stack_levels){.unit = STACK_UNIT_MS}, 0,
	      "redis 1\nredis;main 2\nredis;main;read 2\n");
	check(wall, (struct stack_levels){0}, 0,
	      "redis 1000\nredis;main 2000\nredis;main;read 2000\n");
	check(heap, (struct stack_levels){0}, 0,
	      "redis 1000000\nredis;main 2000000\nredis;main;read 2000000\n");
}

static void test_a_unit_that_the_profile_lacks_is_refused(void **state)
{
	_cleanup_(profile_freep) struct profile *cpu = make_profile(PROFILE_NS, "cpu");
	_cleanup_(stack_list_fini) struct stack_list list;
	struct stack_levels levels = {.unit = STACK_UNIT_BYTES};

	(void)state;
	stack_list_init(&list);
	assert_int_equal(profile_stacks_add(&list, cpu, &levels, STACK_BEFORE), -EINVAL);
}

static void test_stacks_become_a_profile_again(void **state)
{
	_cleanup_(profile_freep) struct profile *cpu = make_profile(PROFILE_NS, "cpu");
	_cleanup_(stack_list_fini) struct stack_list list;
	struct stack_levels levels = {0};

	(void)state;
	stack_list_init(&list);
	assert_int_equal(profile_stacks_add(&list, cpu, &levels, STACK_BEFORE), 0);
	_cleanup_(profile_freep) struct profile *again =
		profile_stacks_collect(&list, STACK_BEFORE);
	check(again, levels, 0, "redis 1\nredis;main 2\nredis;main;read 2\n");
	assert_string_equal(profile_text(again, again->event), "cpu");
}

static void set_origin(struct profile *profile, const char *host, uint64_t from_ns, double taken)
{
	profile->host = profile_string(profile, host);
	profile->covered = (struct profile_window){from_ns, from_ns + 10};
	profile->taken = taken;
	profile->rate_hz = 99;
	profile_add_lost(profile, "ring_full", 2);
}

static void test_several_profiles_tell_of_all(void **state)
{
	_cleanup_(profile_freep) struct profile *first = make_profile(PROFILE_NS, "cpu");
	_cleanup_(profile_freep) struct profile *second = make_profile(PROFILE_NS, "cpu");
	_cleanup_(profile_freep) struct profile *wall = make_profile(PROFILE_NS, "wall");
	_cleanup_(stack_list_fini) struct stack_list list;
	struct stack_levels levels = {0};

	(void)state;
	set_origin(first, "one", 100, 10);
	set_origin(second, "two", 50, 20);
	stack_list_init(&list);
	assert_int_equal(profile_stacks_add(&list, first, &levels, STACK_BEFORE), 0);
	assert_int_equal(profile_stacks_add(&list, second, &levels, STACK_BEFORE), 0);
	_cleanup_(profile_freep) struct profile *both = profile_stacks_collect(&list, STACK_BEFORE);
	check(both, levels, 0, "redis 2\nredis;main 4\nredis;main;read 4\n");
	assert_string_equal(profile_text(both, both->host), "one, two");
	assert_true(both->taken == 30 && profile_lost(both) == 4 && both->rate_hz == 99);
	assert_int_equal(both->covered.from_ns, 50);
	assert_int_equal(both->covered.to_ns, 110);
	/* Microseconds are no samples. */
	assert_int_equal(profile_stacks_add(&list, wall, &levels, STACK_BEFORE), -EDOM);
}

static void test_a_stack_without_a_variance_gets_that_of_its_samples(void **state)
{
	_cleanup_(stack_list_fini) struct stack_list list;
	uint32_t frame;

	(void)state;
	stack_list_init(&list);
	frame = stack_list_frame(&list, "main", 4);
	assert_int_equal(stack_list_add(&list, &frame, 1, 3e7, 0), 0);
	assert_int_equal(stack_list_add(&list, &frame, 1, 5e7, 0), 0);
	_cleanup_(profile_freep) struct profile *profile =
		profile_stacks_collect(&list, STACK_BEFORE);
	/* Eight samples with a period of ten million. */
	assert_true(profile->rows[0].variance == 8 * 1e14);
}

static void test_unit_names_are_read(void **state)
{
	enum stack_unit unit;

	(void)state;
	assert_int_equal(stack_unit_parse("us", 2, &unit), 0);
	assert_int_equal(unit, STACK_UNIT_US);
	assert_int_equal(stack_unit_parse("default", 7, &unit), -EINVAL);
	assert_int_equal(stack_unit_parse("", 0, &unit), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels_and_units_are_chosen),
		cmocka_unit_test(test_a_unit_that_the_profile_lacks_is_refused),
		cmocka_unit_test(test_stacks_become_a_profile_again),
		cmocka_unit_test(test_several_profiles_tell_of_all),
		cmocka_unit_test(test_a_stack_without_a_variance_gets_that_of_its_samples),
		cmocka_unit_test(test_unit_names_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
