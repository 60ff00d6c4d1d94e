/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_merge.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"

#define CPUS 3

/* PERF_RECORD_FORK, and what ends it. */
struct fork_record {
	struct perf_event_header header;
	uint32_t pid, parent_pid, tid, parent_tid;
	uint64_t time;
	uint32_t trailer_pid, trailer_tid;
	uint64_t time_ns;
	uint32_t cpu, reserved;
};

/* A file that looks like the buffer of an event; we are the kernel. */
struct ring {
	struct perf_event_mmap_page *page;
	size_t bytes;
	uint8_t *records;
};

struct scene {
	struct perf_merge *merge;
	struct ring rings[CPUS][PERF_RING_COUNT];
};

static int make_ring(struct ring *ring, size_t bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("ring", 0);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(page_bytes + bytes)), 0);
	ring->page = mmap(NULL, page_bytes + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(ring->page != MAP_FAILED);
	ring->records = (uint8_t *)ring->page + page_bytes;
	ring->bytes = bytes;
	return fd;
}

static void close_ring(struct ring *ring)
{
	munmap(ring->page, (size_t)sysconf(_SC_PAGESIZE) + ring->bytes);
}

static void add_cpu(struct scene *scene, uint32_t cpu)
{
	int fds[PERF_RING_COUNT];

	fds[PERF_RING_SAMPLES] =
		make_ring(&scene->rings[cpu][PERF_RING_SAMPLES], perf_samples_bytes(CPUS));
	fds[PERF_RING_TASKS] = make_ring(&scene->rings[cpu][PERF_RING_TASKS], PERF_TASKS_BYTES);
	assert_int_equal(perf_merge_add(scene->merge, cpu, fds), 0);
}

static void start(struct scene *scene)
{
	scene->merge = perf_merge_new(CPUS, PERF_SAMPLE_FIELDS);
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		add_cpu(scene, cpu);
}

static void stop(struct scene *scene)
{
	perf_merge_free(scene->merge);
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		for (int kind = 0; kind < PERF_RING_COUNT; kind++)
			close_ring(&scene->rings[cpu][kind]);
}

static void write_bytes(struct ring *ring, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		ring->records[(ring->page->data_head + i) % ring->bytes] =
			((const uint8_t *)bytes)[i];
	ring->page->data_head += size;
}

/* A process was forked: told by pid and time. */
static void write_fork(struct ring *ring, uint32_t pid, uint64_t time_ns)
{
	const struct fork_record record = {
		.header = {.type = PERF_RECORD_FORK, .size = sizeof(record)},
		.pid = pid,
		.tid = pid,
		.time_ns = time_ns,
	};

	write_bytes(ring, &record, sizeof(record));
}

/* The pids of all records up to a time, as they come. */
static void assert_order(struct scene *scene, uint64_t until_ns, const uint32_t *pids)
{
	const struct perf_merged *merged;

	for (; *pids; pids++) {
		merged = perf_merge_next(scene->merge, until_ns);
		assert_non_null(merged);
		assert_int_equal(merged->record.type, PERF_RECORD_FORK);
		assert_int_equal(merged->record.pid, *pids);
	}
	assert_null(perf_merge_next(scene->merge, until_ns));
}

static void test_records_of_all_cpus_come_in_the_order_of_time(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	write_fork(&scene.rings[2][PERF_RING_TASKS], 1, 100);
	write_fork(&scene.rings[0][PERF_RING_SAMPLES], 2, 200);
	write_fork(&scene.rings[0][PERF_RING_TASKS], 3, 300);
	write_fork(&scene.rings[1][PERF_RING_TASKS], 4, 400);
	write_fork(&scene.rings[2][PERF_RING_TASKS], 5, 500);
	perf_merge_look(scene.merge);
	assert_order(&scene, 1000, (const uint32_t[]){1, 2, 3, 4, 5, 0});
	stop(&scene);
}

static void test_a_record_tells_its_cpu_and_ring(void **state)
{
	const struct perf_merged *merged;
	struct scene scene;

	(void)state;
	start(&scene);
	write_fork(&scene.rings[1][PERF_RING_TASKS], 7, 100);
	perf_merge_look(scene.merge);
	merged = perf_merge_next(scene.merge, 1000);
	assert_non_null(merged);
	assert_int_equal(merged->cpu, 1);
	assert_int_equal(merged->kind, PERF_RING_TASKS);
	stop(&scene);
}

static void test_what_is_later_than_asked_for_stays(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	write_fork(&scene.rings[0][PERF_RING_TASKS], 1, 100);
	write_fork(&scene.rings[0][PERF_RING_TASKS], 2, 300);
	write_fork(&scene.rings[1][PERF_RING_TASKS], 3, 200);
	perf_merge_look(scene.merge);
	assert_order(&scene, 250, (const uint32_t[]){1, 3, 0});
	perf_merge_release(scene.merge);
	assert_order(&scene, 400, (const uint32_t[]){2, 0});
	perf_merge_release(scene.merge);
	assert_true(scene.rings[0][PERF_RING_TASKS].page->data_tail ==
		    scene.rings[0][PERF_RING_TASKS].page->data_head);
	stop(&scene);
}

static void test_what_comes_while_rings_are_read_waits_for_the_next_look(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	write_fork(&scene.rings[0][PERF_RING_TASKS], 1, 100);
	perf_merge_look(scene.merge);
	write_fork(&scene.rings[0][PERF_RING_TASKS], 2, 110);
	write_fork(&scene.rings[1][PERF_RING_TASKS], 3, 105);
	assert_order(&scene, 1000, (const uint32_t[]){1, 0});
	perf_merge_release(scene.merge);
	perf_merge_look(scene.merge);
	assert_order(&scene, 1000, (const uint32_t[]){3, 2, 0});
	stop(&scene);
}

static void test_garbage_and_what_is_of_no_interest_are_passed_over(void **state)
{
	const struct fork_record unknown = {.header = {.type = 999, .size = sizeof(unknown)}};
	const struct perf_event_header short_fork = {.type = PERF_RECORD_FORK,
						     .size = sizeof(short_fork)};
	const struct perf_event_header endless = {.type = PERF_RECORD_FORK, .size = 0};
	struct scene scene;

	(void)state;
	start(&scene);
	write_bytes(&scene.rings[0][PERF_RING_TASKS], &unknown, sizeof(unknown));
	write_bytes(&scene.rings[0][PERF_RING_TASKS], &short_fork, sizeof(short_fork));
	write_fork(&scene.rings[0][PERF_RING_TASKS], 1, 100);
	write_bytes(&scene.rings[0][PERF_RING_TASKS], &endless, sizeof(endless));
	write_fork(&scene.rings[0][PERF_RING_TASKS], 2, 200); /* nobody knows where it begins */
	write_fork(&scene.rings[1][PERF_RING_TASKS], 3, 300);
	perf_merge_look(scene.merge);
	assert_order(&scene, 1000, (const uint32_t[]){1, 3, 0});
	assert_int_equal(perf_merge_malformed(scene.merge), 2);
	stop(&scene);
}

static void test_a_cpu_that_comes_back_begins_anew(void **state)
{
	struct scene scene;
	struct ring old[PERF_RING_COUNT];

	(void)state;
	start(&scene);
	write_fork(&scene.rings[1][PERF_RING_TASKS], 1, 100);
	perf_merge_look(scene.merge);
	memcpy(old, scene.rings[1], sizeof(old));
	add_cpu(&scene, 1);
	write_fork(&scene.rings[1][PERF_RING_TASKS], 2, 200);
	perf_merge_look(scene.merge);
	assert_order(&scene, 1000, (const uint32_t[]){2, 0});
	for (int kind = 0; kind < PERF_RING_COUNT; kind++)
		close_ring(&old[kind]);
	stop(&scene);
}

static void test_what_is_discarded_never_comes(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	write_fork(&scene.rings[0][PERF_RING_TASKS], 1, 100);
	perf_merge_discard(scene.merge);
	write_fork(&scene.rings[0][PERF_RING_TASKS], 2, 200);
	perf_merge_look(scene.merge);
	assert_order(&scene, 1000, (const uint32_t[]){2, 0});
	stop(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_of_all_cpus_come_in_the_order_of_time),
		cmocka_unit_test(test_a_record_tells_its_cpu_and_ring),
		cmocka_unit_test(test_what_is_later_than_asked_for_stays),
		cmocka_unit_test(test_what_comes_while_rings_are_read_waits_for_the_next_look),
		cmocka_unit_test(test_garbage_and_what_is_of_no_interest_are_passed_over),
		cmocka_unit_test(test_a_cpu_that_comes_back_begins_anew),
		cmocka_unit_test(test_what_is_discarded_never_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
