/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ranking.h"

#include <math.h>
#include <string.h>

#include "client/formats/profile_stacks.h"
#include "common/profile.h"
#include "tests/unit/cmocka_all.h"

static const struct stack_levels no_levels;

static uint32_t add_frame(struct profile *profile, const char *name, uint32_t line)
{
	struct profile_frame frame = {
		.name = profile_string(profile, name),
		.module = profile_string(profile, "program"),
		.line = line,
	};

	return profile_add_frame(profile, &frame);
}

/* main;work 6, main;work;work 2, main;wait 2: each sample weighs 10, its variance is 100. */
static struct profile *make_profile(void)
{
	struct profile *profile = profile_new();
	uint32_t root = profile_add_node(profile, PROFILE_NO_NODE, add_frame(profile, "main", 0));
	/* The same function at two lines. */
	uint32_t work = profile_add_node(profile, root, add_frame(profile, "work", 10));
	uint32_t again = profile_add_node(profile, work, add_frame(profile, "work", 20));
	uint32_t wait = profile_add_node(profile, root, add_frame(profile, "wait", 0));

	profile_add_row(profile, PROFILE_NO_THREAD, work, 6, 60, 600);
	profile_add_row(profile, PROFILE_NO_THREAD, again, 2, 20, 200);
	profile_add_row(profile, PROFILE_NO_THREAD, wait, 2, 20, 200);
	return profile;
}

static int is_near(double value, double wanted)
{
	return fabs(value - wanted) < 1e-9;
}

static void test_functions_are_ranked_by_themselves(void **state)
{
	struct profile *profile = make_profile();
	struct ranking ranking;

	(void)state;
	ranking_init(&ranking, profile, RANKING_BY_SELF, &no_levels);
	assert_int_equal(ranking.count, 3);
	assert_true(is_near(ranking.weight, 100));
	assert_true(is_near(ranking.samples, 10));
	assert_string_equal(ranking.functions[0].name, "work");
	assert_string_equal(ranking.functions[0].module, "program");
	assert_true(is_near(ranking.functions[0].self.share, 80));
	/* One that calls itself counts once. */
	assert_true(is_near(ranking.functions[0].total.share, 80));
	assert_string_equal(ranking.functions[1].name, "wait");
	assert_true(is_near(ranking.functions[1].self.share, 20));
	assert_string_equal(ranking.functions[2].name, "main");
	assert_true(is_near(ranking.functions[2].self.share, 0));
	ranking_fini(&ranking);
	profile_free(profile);
}

static void test_functions_are_ranked_with_what_they_call(void **state)
{
	struct profile *profile = make_profile();
	struct ranking ranking;

	(void)state;
	ranking_init(&ranking, profile, RANKING_BY_TOTAL, &no_levels);
	assert_string_equal(ranking.functions[0].name, "main");
	assert_true(is_near(ranking.functions[0].total.share, 100));
	assert_true(is_near(ranking.functions[0].total.margin, 0));
	assert_string_equal(ranking.functions[1].name, "work");
	ranking_fini(&ranking);
	profile_free(profile);
}

static void test_margins_are_those_of_a_binomial_share(void **state)
{
	struct profile *profile = make_profile();
	struct ranking ranking;

	(void)state;
	ranking_init(&ranking, profile, RANKING_BY_SELF, &no_levels);
	/* Of 10 equal samples 8: 1.96 √(0.8 × 0.2 / 10). */
	assert_true(is_near(ranking.functions[0].self.margin, 195.9964 * sqrt(0.8 * 0.2 / 10)));
	ranking_fini(&ranking);
	profile_free(profile);
}

static void test_processes_and_threads_are_ranked_too(void **state)
{
	struct profile *profile = make_profile();
	struct profile_process process = {.name = profile_string(profile, "redis"), .pid = 7};
	struct profile_thread thread = {.name = profile_string(profile, "io"), .tid = 8};
	struct stack_levels levels = {.by_process = 1, .by_thread = 1};
	struct ranking ranking;

	(void)state;
	profile_add_process(profile, &process);
	profile_add_row(profile, profile_add_thread(profile, &thread), 0, 1, 300, 3000);
	ranking_init(&ranking, profile, RANKING_BY_TOTAL, &levels);
	assert_int_equal(ranking.count, 5);
	assert_string_equal(ranking.functions[0].name, "main");
	assert_string_equal(ranking.functions[1].name, "io/8");
	assert_string_equal(ranking.functions[2].name, "redis/7");
	assert_true(is_near(ranking.functions[1].total.share, 75));
	assert_true(is_near(ranking.functions[1].self.share, 0));
	ranking_fini(&ranking);
	profile_free(profile);
}

static void test_an_empty_profile_has_no_functions(void **state)
{
	struct profile *profile = profile_new();
	struct ranking ranking;

	(void)state;
	profile_add_row(profile, PROFILE_NO_THREAD, PROFILE_NO_NODE, 1, 0, 0);
	ranking_init(&ranking, profile, RANKING_BY_SELF, &no_levels);
	assert_int_equal(ranking.count, 0);
	assert_true(is_near(ranking.samples, 1));
	ranking_fini(&ranking);
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions_are_ranked_by_themselves),
		cmocka_unit_test(test_functions_are_ranked_with_what_they_call),
		cmocka_unit_test(test_margins_are_those_of_a_binomial_share),
		cmocka_unit_test(test_processes_and_threads_are_ranked_too),
		cmocka_unit_test(test_an_empty_profile_has_no_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
