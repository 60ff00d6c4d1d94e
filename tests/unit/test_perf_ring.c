/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_ring.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"

#define RING_BYTES 4096

/* A file that looks like the buffer of an event; we are the kernel. */
struct scene {
	struct perf_ring *ring;
	struct perf_event_mmap_page *page;
	uint8_t *bytes;
};

static void start(struct scene *scene)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("ring", 0);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(page_bytes + RING_BYTES)), 0);
	scene->page =
		mmap(NULL, page_bytes + RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(scene->page != MAP_FAILED);
	scene->bytes = (uint8_t *)scene->page + page_bytes;
	assert_int_equal(perf_ring_open(fd, RING_BYTES, &scene->ring), 0);
}

static void stop(struct scene *scene)
{
	munmap(scene->page, (size_t)sysconf(_SC_PAGESIZE) + RING_BYTES);
	perf_ring_close(scene->ring);
}

/* Write a record of size bytes, filled with fill. */
static void write_record(struct scene *scene, uint16_t size, uint8_t fill)
{
	struct perf_event_header header = {.type = 1, .size = size};
	uint8_t record[RING_BYTES];

	memset(record, fill, sizeof(record));
	memcpy(record, &header, sizeof(header));
	for (uint16_t i = 0; i < size; i++)
		scene->bytes[(scene->page->data_head + i) % RING_BYTES] = record[i];
	scene->page->data_head += size;
}

static void test_records_come_in_order_and_whole_over_the_end(void **state)
{
	struct scene scene;
	int is_broken;
	size_t size;

	(void)state;
	start(&scene);
	for (uint8_t round = 1; round < 200; round++) {
		write_record(&scene, 1000, round);
		write_record(&scene, 8, 0);
		perf_ring_look(scene.ring);

		const uint8_t *record = perf_ring_peek(scene.ring, &size, &is_broken);
		assert_non_null(record);
		assert_int_equal(size, 1000);
		assert_int_equal(record[8], round);
		assert_int_equal(record[999], round);
		perf_ring_skip(scene.ring, size);
		assert_non_null(perf_ring_peek(scene.ring, &size, &is_broken));
		assert_int_equal(size, 8);
		perf_ring_skip(scene.ring, size);
		assert_null(perf_ring_peek(scene.ring, &size, &is_broken));
		assert_false(is_broken);
		perf_ring_release(scene.ring);
		assert_true(scene.page->data_tail == scene.page->data_head);
	}
	stop(&scene);
}

static void test_what_was_not_skipped_is_not_released(void **state)
{
	struct scene scene;
	int is_broken;
	size_t size;

	(void)state;
	start(&scene);
	write_record(&scene, 16, 1);
	write_record(&scene, 24, 2);
	perf_ring_look(scene.ring);
	assert_non_null(perf_ring_peek(scene.ring, &size, &is_broken));
	perf_ring_skip(scene.ring, size);
	assert_non_null(perf_ring_peek(scene.ring, &size, &is_broken));
	perf_ring_release(scene.ring);
	assert_int_equal(scene.page->data_tail, 16);
	perf_ring_discard(scene.ring);
	assert_int_equal(scene.page->data_tail, 40);
	stop(&scene);
}

static void test_sizes_that_make_no_sense_empty_the_ring(void **state)
{
	static const struct {
		uint16_t size;
		uint64_t available;
	} cases[] = {{0, 64}, {7, 64}, {12, 64}, {128, 64}, {65528, 64}, {8, 4}, {16, 65536}};
	struct scene scene;
	int is_broken;
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct perf_event_header header = {.type = 9, .size = cases[i].size};

		start(&scene);
		memcpy(scene.bytes, &header, sizeof(header));
		scene.page->data_head = cases[i].available;
		perf_ring_look(scene.ring);
		assert_null(perf_ring_peek(scene.ring, &size, &is_broken));
		assert_true(is_broken);
		assert_null(perf_ring_peek(scene.ring, &size, &is_broken));
		assert_false(is_broken);
		stop(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_come_in_order_and_whole_over_the_end),
		cmocka_unit_test(test_what_was_not_skipped_is_not_released),
		cmocka_unit_test(test_sizes_that_make_no_sense_empty_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
