/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/allocator_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/elf/elf_file.h"
#include "tests/unit/cmocka_all.h"

#define RET      0xc3
#define MAX_PATH 256

/* Where libraries are, and what they are called. */
static const char *const folders[] = {"/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib",
				      "/lib"};

/* Allocators as they are shipped. What is NULL is not looked for. */
static const struct library {
	const char *name;
	const char *follows[4]; /* operators whose blocks are seen as they return */
	const char *leaves_out; /* one that only calls, or jumps to, what is probed anyway */
} libraries[] = {
	{"libjemalloc.so.2", {"_Znwm"}, "_ZnwmSt11align_val_t"},
	{"libjemalloc.so.2", {"_Znwm"}, "_Znam"},
	{"libjemalloc.so.2", {"_Znwm"}, "_ZdaPv"},
	{"libtcmalloc_minimal.so.4", {"_Znwm", "_ZnwmSt11align_val_t"}, NULL},
	{"libmimalloc.so.2.0", {"_Znwm", "_ZnwmSt11align_val_t"}, NULL},
	{"libc.so.6", {NULL}, "_Znwm"},
};

static int open_library(const char *name)
{
	char path[MAX_PATH];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

static const struct allocator_function *find_function(const struct allocator_function *functions,
						      int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(functions[i].name, name))
			return &functions[i];
	return NULL;
}

static int check_leaves(int fd, const struct allocator_function *functions, int count)
{
	int found = 0;

	for (int i = 0; i < count; i++) {
		uint8_t byte = 0;

		if (functions[i].function != HEAP_LEAVE)
			continue;
		found++;
		assert_int_equal(pread(fd, &byte, 1, (off_t)functions[i].site), 1);
		assert_int_equal(byte, RET);
	}
	return found;
}

static void test_operators_new_are_followed_to_where_they_return(void **state)
{
	int looked = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++) {
		const struct library *library = &libraries[i];
		struct allocator_function functions[HEAP_MAX_SITES];
		_cleanup_(elf_file_close) struct elf_file file = {0};
		_cleanup_close_ int fd = open_library(library->name);

		if (fd < 0)
			continue;
		looked++;
		assert_int_equal(elf_file_open(&file, fd), 0);
		int count = allocator_find(&file, functions);
		assert_in_range(count, 2, HEAP_MAX_SITES);
		assert_non_null(find_function(functions, count, "malloc"));
		assert_true((check_leaves(fd, functions, count) > 0) == !!library->follows[0]);
		for (size_t j = 0; library->follows[j]; j++) {
			const struct allocator_function *one =
				find_function(functions, count, library->follows[j]);
			if (!one || !(one->flags & ALLOCATOR_FOLLOWED))
				fail_msg("%s: %s is not followed", library->name,
					 library->follows[j]);
		}
		if (library->leaves_out)
			assert_null(find_function(functions, count, library->leaves_out));
	}
	assert_true(looked);
}

/* The names of those in the sample that are probed, and what is known of them. */
static const struct {
	const char *name;
	int is_there;
	uint32_t flags;
} operators[] = {
	{"_Znwm", 1, ALLOCATOR_THROWS | ALLOCATOR_EMULATED | ALLOCATOR_FOLLOWED},
	{"_Znam", 0, 0},
	{"_ZnwmSt11align_val_t", 0, 0},
	{"_ZnamSt11align_val_t", 1, ALLOCATOR_THROWS | ALLOCATOR_EMULATED},
};

static void test_operators_are_told_by_how_they_return(void **state)
{
	const char *folder = getenv("FLAME_ELF_SAMPLES");
	struct allocator_function functions[HEAP_MAX_SITES];
	_cleanup_(elf_file_close) struct elf_file file = {0};
	char path[MAX_PATH];

	(void)state;
	if (!folder)
		skip();
	snprintf(path, sizeof(path), "%s/allocator_sample.so", folder);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(elf_file_open(&file, fd), 0);
	int count = allocator_find(&file, functions);
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
		const struct allocator_function *one =
			find_function(functions, count, operators[i].name);

		if (!!one != operators[i].is_there || (one && one->flags != operators[i].flags))
			fail_msg("%s: there %d, flags %u", operators[i].name, !!one,
				 one ? one->flags : 0);
	}
	/* malloc, free, two operators; new returns by itself and where its slow path ends. */
	assert_int_equal(count, 4 + 2);
	assert_int_equal(check_leaves(fd, functions, count), 2);
}

static void test_a_program_without_an_allocator_has_none(void **state)
{
	struct allocator_function functions[HEAP_MAX_SITES];
	_cleanup_(elf_file_close) struct elf_file file = {0};
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(elf_file_open(&file, fd), 0);
	assert_int_equal(allocator_find(&file, functions), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operators_new_are_followed_to_where_they_return),
		cmocka_unit_test(test_operators_are_told_by_how_they_return),
		cmocka_unit_test(test_a_program_without_an_allocator_has_none),
	};

	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
