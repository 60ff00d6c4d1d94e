/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/elf_code.h"

#include <errno.h>
#include <fcntl.h>
#include <libelf.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"

struct scene {
	int fd;
	struct elf_file file;
	struct elf_code code;
	uint64_t bias; /* of this program */
};

static int look_at_object(struct dl_phdr_info *object, size_t size, void *context)
{
	struct scene *scene = context;

	(void)size;
	scene->bias = object->dlpi_addr;
	return 1; /* the program itself comes first */
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));

	elf_version(EV_CURRENT);
	dl_iterate_phdr(look_at_object, scene);
	scene->fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(elf_file_open(&scene->file, scene->fd), 0);
	elf_code_init(&scene->code, &scene->file);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	elf_code_fini(&scene->code);
	elf_file_close(&scene->file);
	close(scene->fd);
	free(scene);
	return 0;
}

static void test_a_function_is_found_by_any_of_its_addresses(void **state)
{
	struct scene *scene = *state;
	struct code_source source = elf_code_source(&scene->code);
	uint64_t vaddr = (uintptr_t)set_up - scene->bias;
	struct code_extent range, again;
	uint8_t bytes[4096];

	assert_int_equal(source.find(source.context, vaddr, &range), 0);
	assert_int_equal(range.vaddr, vaddr);
	assert_in_range(range.size, 1, sizeof(bytes));
	assert_int_equal(source.find(source.context, vaddr + range.size - 1, &again), 0);
	assert_int_equal(again.vaddr, vaddr);
	assert_int_equal(source.read(source.context, &range, bytes), 0);
	assert_memory_equal(bytes, (const void *)(uintptr_t)set_up, range.size);
}

static void test_what_is_no_code_is_in_no_function(void **state)
{
	struct scene *scene = *state;
	struct code_source source = elf_code_source(&scene->code);
	static const uint64_t vaddrs[] = {0, UINT64_MAX, UINT64_C(1) << 40};
	struct code_extent range;

	for (size_t i = 0; i < ARRAY_SIZE(vaddrs); i++)
		assert_int_equal(source.find(source.context, vaddrs[i], &range), -ENOENT);
	range = (struct code_extent){(uintptr_t)set_up - scene->bias, UINT64_C(1) << 40};
	assert_int_not_equal(source.read(source.context, &range, NULL), 0);
}

static void test_pointers_to_elsewhere_are_looked_up_a_limited_number_of_times(void **state)
{
	struct scene *scene = *state;
	struct code_source source = elf_code_source(&scene->code);
	uint64_t vaddr;

	for (int i = 0; i < ELF_CODE_MAX_RESOLVED; i++)
		assert_int_equal(source.resolve(source.context, 0, &vaddr), -ENOENT);
	assert_int_equal(source.resolve(source.context, 0, &vaddr), -E2BIG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_function_is_found_by_any_of_its_addresses),
		TEST(test_what_is_no_code_is_in_no_function),
		TEST(test_pointers_to_elsewhere_are_looked_up_a_limited_number_of_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
