/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/elf/module_reader.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/elf_sample.h"

/* Make the image of a sample, and of its debug file unless that is NULL. */
static void read_sample(const char *name, const char *debug, struct module_image *image)
{
	_cleanup_close_ int file = elf_sample_open(name);
	_cleanup_close_ int debug_file = debug ? elf_sample_open(debug) : -1;
	_cleanup_close_ int image_fd = -1;

	assert_int_equal(module_reader_read(file, debug_file, 0, &image_fd), 0);
	assert_int_equal(module_image_open(image, image_fd), 0);
}

static const struct module_symbol *find_name(const struct module_image *image, const char *name)
{
	for (uint64_t i = 0; i < image->header->symbols.count; i++) {
		if (!strcmp(module_image_name(image, &image->symbols[i]), name))
			return &image->symbols[i];
	}
	return NULL;
}

static void assert_names(const struct module_image *image, const char *const *present,
			 const char *const *absent)
{
	for (; *present; present++) {
		if (!find_name(image, *present))
			fail_msg("%s is missing", *present);
	}
	for (; *absent; absent++) {
		if (find_name(image, *absent))
			fail_msg("%s should not be there", *absent);
	}
}

static const char *const whole[] = {
	"main",   "exported_function", "weak_function", "alias_of_static", "local_function",
	"_start", "getpid@plt",        "getppid@plt",   "getpgrp@plt",     NULL};

static void test_a_program_with_symbols(void **state)
{
	static const char *const absent[] = {
		"_underscored", "static_function", "_etext", "__data_start", "", NULL};
	struct module_image image = {0};

	(void)state;
	read_sample("elf_sample", NULL, &image);
	assert_names(&image, whole, absent);
	assert_int_equal(image.header->flags, MODULE_HAS_SYMTAB | MODULE_IS_EXECUTABLE);
	assert_int_equal(image.header->build_id_length, 20);
	assert_int_equal(image.header->skipped, 0);
	module_image_close(&image);
}

static void test_a_stripped_program_has_what_it_exports(void **state)
{
	static const char *const present[] = {"main", "exported_function", "weak_function",
					      "getpid@plt", NULL};
	static const char *const absent[] = {"local_function", "_start.cold", NULL};
	struct module_image image = {0};

	(void)state;
	read_sample("stripped", NULL, &image);
	assert_names(&image, present, absent);
	assert_int_equal(image.header->flags, MODULE_IS_EXECUTABLE);
	module_image_close(&image);
}

static void test_a_debug_file_gives_the_same_names_as_the_whole_program(void **state)
{
	struct module_image image = {0}, expected = {0};

	(void)state;
	read_sample("elf_sample", NULL, &expected);
	read_sample("stripped", "program.debug", &image);
	assert_int_equal(image.header->flags,
			 MODULE_HAS_SYMTAB | MODULE_HAS_DEBUG_FILE | MODULE_IS_EXECUTABLE);
	assert_int_equal(image.header->symbols.count, expected.header->symbols.count);
	for (uint64_t i = 0; i < image.header->symbols.count; i++) {
		assert_int_equal(image.symbols[i].offset, expected.symbols[i].offset);
		assert_int_equal(image.symbols[i].size, expected.symbols[i].size);
		assert_string_equal(module_image_name(&image, &image.symbols[i]),
				    module_image_name(&expected, &expected.symbols[i]));
	}
	module_image_close(&image);
	module_image_close(&expected);
}

static void test_a_debug_file_is_used_only_when_it_belongs_to_the_program(void **state)
{
	static const struct {
		const char *name;
		const char *debug;
		int is_accepted;
	} cases[] = {
		{"no_id_stripped", "no_id.debug", 1}, /* by checksum */
		{"no_id_stripped", "no_id_other.debug", 0},
		{"no_id_stripped", "program.debug", 0},
		{"stripped", "no_id.debug", 0},
		{"stripped", "mini.xz", 0},       /* no ELF file */
		{"stripped", "program.debug", 1}, /* by build ID */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct module_image image = {0};

		read_sample(cases[i].name, cases[i].debug, &image);
		assert_int_equal((image.header->flags & MODULE_HAS_DEBUG_FILE) != 0,
				 cases[i].is_accepted);
		assert_int_equal((image.header->flags & MODULE_DEBUG_REFUSED) != 0,
				 !cases[i].is_accepted);
		assert_int_equal(find_name(&image, "local_function") != NULL, cases[i].is_accepted);
		module_image_close(&image);
	}
}

static void test_the_name_of_the_debug_file_is_told(void **state)
{
	struct module_image image = {0};

	(void)state;
	read_sample("no_id_stripped", NULL, &image);
	assert_string_equal(image.header->debuglink, "no_id.debug");
	assert_int_not_equal(image.header->debuglink_crc, 0);
	assert_int_equal(image.header->build_id_length, 0);
	module_image_close(&image);
}

static void test_the_compressed_symbol_table_is_read(void **state)
{
	struct module_image image = {0};

	(void)state;
	read_sample("with_mini", NULL, &image);
	assert_int_equal(image.header->flags, MODULE_HAS_MINI_SYMTAB | MODULE_IS_EXECUTABLE);
	assert_non_null(find_name(&image, "local_function"));
	module_image_close(&image);
}

static void test_a_library_that_keeps_an_old_version(void **state)
{
	static const char *const present[] = {"renamed", "getpid@plt", NULL};
	static const char *const absent[] = {"name_of_the_old_version", "implementation", NULL};
	struct module_image image = {0};

	(void)state;
	read_sample("libelf_sample.so", NULL, &image);
	assert_names(&image, present, absent);
	/* it can be run, yet a library is what it is */
	assert_int_equal(image.header->flags, 0);
	module_image_close(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_program_with_symbols),
		cmocka_unit_test(test_a_stripped_program_has_what_it_exports),
		cmocka_unit_test(test_a_debug_file_gives_the_same_names_as_the_whole_program),
		cmocka_unit_test(test_a_debug_file_is_used_only_when_it_belongs_to_the_program),
		cmocka_unit_test(test_the_name_of_the_debug_file_is_told),
		cmocka_unit_test(test_a_library_that_keeps_an_old_version),
		cmocka_unit_test(test_the_compressed_symbol_table_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
