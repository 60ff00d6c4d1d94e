/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_meter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/core/heap/heap_calibration.h"
#include "tests/unit/cmocka_all.h"

#define SLOT 3
#define CPUS 2
#define LATE (100 * NS_PER_SECOND) /* some time */

/* What the kernel counted for the slot, by CPU: in place of the map, which takes rights. */
static struct heap_usage counted[CPUS];

int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	(void)fd;
	if (*(const uint32_t *)key != SLOT)
		return -ENOENT;
	memcpy(value, counted, sizeof(counted));
	return 0;
}

struct scene {
	struct heap_sources sources;
	struct heap_slot slots[HEAP_MAX_SLOTS];
	struct heap_calibration calibration;
	struct heap_meter meter;
};

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));

	memset(counted, 0, sizeof(counted));
	scene->calibration.costs = (struct heap_costs){.entry_ns = 100,
						       .pair_ns = 1000,
						       .free_ns = 10,
						       .dear_ns = 100000,
						       .walk_ns = 2000};
	scene->sources.calibration = &scene->calibration;
	scene->sources.maps = (struct heap_maps){scene->slots, -1, CPUS};
	heap_meter_init(&scene->meter, &scene->sources, SLOT, 1, (uint32_t)getpid());
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void test_only_what_came_since_the_last_look_is_spent(void **state)
{
	struct scene *scene = *state;
	struct heap_spending spending;

	counted[0].hits = 500;
	heap_meter_begin(&scene->meter, LATE);
	counted[0].hits += 3;
	counted[1].hits += 2;
	counted[1].frees += 4;
	spending = heap_meter_look(&scene->meter, LATE + NS_PER_SECOND, 0);
	assert_float_equal(spending.cost_ns, 5 * 1000 + 4 * 10, 0);
	assert_float_equal(spending.wall_ns, NS_PER_SECOND, 0);
	spending = heap_meter_look(&scene->meter, LATE + 2 * NS_PER_SECOND, 0);
	assert_float_equal(spending.cost_ns, 0, 0);
	assert_float_equal(scene->meter.ledger.sums.cost_ns, 5 * 1000 + 4 * 10, 0);
	assert_true(scene->meter.ledger.sums.base_ns >= 2.0 * NS_PER_SECOND);
}

static void test_what_it_costs_to_see_operators_return_is_told_apart(void **state)
{
	struct scene *scene = *state;
	struct heap_spending spending;

	counted[0].leaves = counted[1].followed = 70;
	heap_meter_begin(&scene->meter, LATE);
	counted[0].hits += 5;
	counted[0].followed += 3;
	counted[1].leaves += 2;
	counted[1].dear += 2;
	spending = heap_meter_look(&scene->meter, LATE + NS_PER_SECOND, 0);
	assert_float_equal(spending.cost_ns, 5 * 1000 + 2 * 100000, 0);
	assert_float_equal(spending.leaves_ns, 2 * 100000, 0);
	assert_float_equal(spending.followed_ns, 3 * 100000, 0);
}

static void test_hits_in_windows_cost_no_return(void **state)
{
	struct scene *scene = *state;

	heap_meter_begin(&scene->meter, LATE);
	counted[0].hits = 5;
	assert_float_equal(heap_meter_look(&scene->meter, LATE + 1, 1).cost_ns, 500, 0);
}

static void test_walks_cost_what_they_took_here(void **state)
{
	struct scene *scene = *state;

	heap_meter_begin(&scene->meter, LATE);
	counted[0].sampled = 10;
	/* None was timed yet: what is usual. */
	assert_float_equal(heap_meter_look(&scene->meter, LATE + 1, 0).cost_ns, 20000, 0);
	counted[0].sampled += 10;
	counted[0].walk_ns = 21000;
	counted[1].walk_ns = 9000;
	counted[1].walks_timed = 6;
	assert_float_equal(heap_meter_look(&scene->meter, LATE + 2, 0).cost_ns, 50000, 0);
}

static void test_costs_that_were_measured_meanwhile_count(void **state)
{
	struct scene *scene = *state;

	heap_meter_begin(&scene->meter, LATE);
	scene->calibration.costs.pair_ns = 7;
	counted[0].hits = 1;
	assert_float_equal(heap_meter_look(&scene->meter, LATE + 1, 0).cost_ns, 7, 0);
	heap_meter_set_fuse(&scene->meter);
	assert_int_equal(scene->slots[SLOT].allocation_ns, 7 + 2000);
	assert_int_equal(scene->slots[SLOT].free_ns, 10);
	assert_int_equal(scene->slots[SLOT].dear_ns, 100000);
}

static void test_the_fuse_grows_with_the_budget_and_without_one_there_is_none(void **state)
{
	struct scene *scene = *state;
	uint64_t fuse_ns;

	heap_meter_set_fuse(&scene->meter);
	fuse_ns = scene->slots[SLOT].fuse_ns;
	assert_true(fuse_ns > 0);
	scene->meter.budget_percent = 3;
	heap_meter_set_fuse(&scene->meter);
	assert_in_range(scene->slots[SLOT].fuse_ns, 3 * fuse_ns - 3, 3 * fuse_ns + 3);
	scene->meter.budget_percent = 0;
	heap_meter_set_fuse(&scene->meter);
	assert_int_equal(scene->slots[SLOT].fuse_ns, 0);
}

/* Seconds that each cost a percentage of the time; is the budget of 1 % exceeded in the last? */
static void test_the_budget_is_held_over_a_stretch(void **state)
{
	static const struct {
		double percent[8];
		double budget;
		int wanted;
	} cases[] = {
		{{0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9}, 1, 0},
		/* A second may be a bit dearer, but not by far, and not all of them. */
		{{0, 0, 0, 0, 0, 0, 0, 1.4}, 1, 0},
		{{0, 0, 0, 0, 0, 0, 0, 1.6}, 1, 1},
		{{1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2}, 1, 1},
		/* What was long ago does not count. */
		{{9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9}, 1, 0},
		{{9, 9, 9, 9, 9, 9, 9, 9}, 0, 0},
	};
	struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct heap_spending last = {0};
		uint64_t now_ns = LATE;

		heap_meter_init(&scene->meter, &scene->sources, SLOT, cases[i].budget, 0);
		heap_meter_begin(&scene->meter, now_ns);
		for (size_t j = 0; j < 8; j++) {
			now_ns += NS_PER_SECOND;
			last = (struct heap_spending){.cost_ns = cases[i].percent[j] / 100 *
								 NS_PER_SECOND,
						      .wall_ns = NS_PER_SECOND};
			scene->meter.ledger.sums.cost_ns += last.cost_ns;
			scene->meter.ledger.sums.base_ns += last.wall_ns;
			heap_ledger_note(&scene->meter.ledger, now_ns);
		}
		assert_int_equal(heap_meter_is_over(&scene->meter, &last, LATE, now_ns),
				 cases[i].wanted);
	}
}

static void test_a_stretch_that_is_not_full_is_not_judged(void **state)
{
	const struct heap_spending last = {.cost_ns = 0.012 * NS_PER_SECOND,
					   .wall_ns = NS_PER_SECOND};
	struct scene *scene = *state;

	heap_meter_begin(&scene->meter, LATE);
	scene->meter.ledger.sums.cost_ns = last.cost_ns;
	scene->meter.ledger.sums.base_ns = last.wall_ns;
	heap_ledger_note(&scene->meter.ledger, LATE + NS_PER_SECOND);
	assert_false(
		heap_meter_is_over(&scene->meter, &last, LATE, LATE + HEAP_METER_STRETCH_NS - 1));
	assert_true(heap_meter_is_over(&scene->meter, &last, LATE, LATE + HEAP_METER_STRETCH_NS));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_only_what_came_since_the_last_look_is_spent),
		TEST(test_hits_in_windows_cost_no_return),
		TEST(test_what_it_costs_to_see_operators_return_is_told_apart),
		TEST(test_walks_cost_what_they_took_here),
		TEST(test_costs_that_were_measured_meanwhile_count),
		TEST(test_the_fuse_grows_with_the_budget_and_without_one_there_is_none),
		TEST(test_the_budget_is_held_over_a_stretch),
		TEST(test_a_stretch_that_is_not_full_is_not_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
