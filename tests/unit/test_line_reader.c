/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/line_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/elf/elf_file.h"
#include "daemon/elf/lines.h"
#include "daemon/elf/module_image.h"
#include "daemon/elf/module_reader.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/elf_sample.h"

#define INLINED static inline __attribute__((always_inline))
#define KEPT    __attribute__((noinline, noclone))

static volatile unsigned int numbers[64];

/* A chain of functions whose lines are known. */
enum { INNER_LINE = __LINE__ + 3 };
INLINED unsigned int inner(unsigned int number)
{
	return numbers[number % 64] * 7;
}

enum { MIDDLE_LINE = __LINE__ + 3 };
INLINED unsigned int middle(unsigned int number)
{
	return inner(number + 1) + 1;
}

enum { OUTER_LINE = __LINE__ + 3 };
KEPT static unsigned int outer(unsigned int number)
{
	return middle(number) + 2;
}

static int open_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Each offset of the function of that name in file. Returns how many. */
static size_t find_function(int file, const char *name, uint64_t *offsets, size_t limit)
{
	_cleanup_close_ int image_fd = -1;
	struct module_image image = {0};
	size_t count = 0;

	assert_int_equal(module_reader_read(file, -1, 0, &image_fd), 0);
	assert_int_equal(module_image_open(&image, image_fd), 0);
	for (uint64_t i = 0; i < image.header->symbols.count; i++) {
		const struct module_symbol *symbol = &image.symbols[i];

		if (strcmp(module_image_name(&image, symbol), name))
			continue;
		for (; count < symbol->size && count < limit; count++)
			offsets[count] = symbol->offset + count;
	}
	module_image_close(&image);
	return count;
}

/* Look up; *lines is to be closed. Skips the test when this program has no debug information. */
static void look_up(const struct line_files *files, const uint64_t *offsets, size_t count,
		    struct lines *lines)
{
	_cleanup_close_ int answer = -1;
	int error = line_reader_read(files, offsets, count, &answer);

	if (error == -ENODATA)
		skip();
	assert_int_equal(error, 0);
	assert_int_equal(lines_open(lines, answer), 0);
	assert_int_equal(lines->header->address_count, count);
}

static int is_frame(const struct lines *lines, const struct lines_frame *frame, const char *name,
		    unsigned int line, int is_inlined)
{
	return !strcmp(lines->text + frame->name, name) && frame->line == line &&
	       strstr(lines->text + frame->file, "test_line_reader.c") &&
	       (frame->is_inlined != 0) == is_inlined;
}

static void test_a_chain_of_inlined_functions_is_found_innermost_first(void **state)
{
	_cleanup_close_ int file = open_self();
	const struct line_files files = {file, -1, -1};
	struct lines lines = {0};
	uint64_t offsets[512];
	unsigned int whole = 0;

	(void)state;
	assert_int_equal(outer(1), 3);
	size_t count = find_function(file, "outer", offsets, 512);
	assert_true(count > 0);
	look_up(&files, offsets, count, &lines);
	for (size_t i = 0; i < count; i++) {
		const struct lines_address *address = &lines.addresses[i];
		const struct lines_frame *frames = &lines.frames[address->first];

		assert_true(address->count > 0);
		assert_string_equal(lines.text + frames[address->count - 1].name, "outer");
		assert_false(frames[address->count - 1].is_inlined);
		whole += address->count == 3 &&
			 is_frame(&lines, &frames[0], "inner", INNER_LINE, 1) &&
			 is_frame(&lines, &frames[1], "middle", MIDDLE_LINE, 1) &&
			 is_frame(&lines, &frames[2], "outer", OUTER_LINE, 0);
	}
	assert_true(whole > 0);
	lines_close(&lines);
}

static void test_offsets_that_are_no_code_have_no_frames(void **state)
{
	_cleanup_close_ int file = open_self();
	const struct line_files files = {file, -1, -1};
	const uint64_t offsets[] = {0, UINT64_MAX, UINT64_C(1) << 40};
	struct lines lines = {0};

	(void)state;
	look_up(&files, offsets, ARRAY_SIZE(offsets), &lines);
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
		assert_int_equal(lines.addresses[i].count, 0);
	lines_close(&lines);
	look_up(&files, offsets, 0, &lines);
	lines_close(&lines);
}

static void test_files_without_debug_information_say_so(void **state)
{
	_cleanup_close_ int file = open_self();
	_cleanup_close_ int garbage = memfd_create("garbage", MFD_CLOEXEC);
	const struct line_files no_elf = {garbage, -1, -1};
	const uint64_t offset = 0;
	int answer = -1;

	(void)state;
	assert_int_equal(line_reader_read(&no_elf, &offset, 1, &answer), -ENOEXEC);

	/* other files than the right ones are as good as none */
	const struct line_files strangers = {file, garbage, garbage};
	struct lines lines = {0};
	look_up(&strangers, &offset, 1, &lines);
	lines_close(&lines);

	static const uint64_t many[LINES_MAX_ADDRESSES + 1];
	const struct line_files files = {file, -1, -1};
	assert_int_equal(line_reader_read(&files, many, ARRAY_SIZE(many), &answer), -E2BIG);
}

static void test_names_that_are_shared_between_files_come_from_the_alternate_one(void **state)
{
	_cleanup_close_ int file = elf_sample_open("shared_1");
	_cleanup_close_ int alternate = elf_sample_open("shared.alt");
	_cleanup_close_ int stranger = elf_sample_open("shared_2");
	const struct {
		struct line_files files;
		const char *name;
	} cases[] = {
		{{file, file, alternate}, "local_function"},
		{{file, -1, alternate}, "local_function"},
		{{file, file, stranger}, ""},
		{{file, -1, -1}, ""},
	};
	uint64_t offset;

	(void)state;
	if (lseek(alternate, 0, SEEK_END) == 0)
		skip(); /* dwz is not installed */
	assert_int_equal(find_function(file, "local_function", &offset, 1), 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lines lines = {0};

		look_up(&cases[i].files, &offset, 1, &lines);
		assert_int_equal(lines.addresses[0].count, 1);
		assert_string_equal(lines.text + lines.frames[0].name, cases[i].name);
		assert_true(lines.frames[0].line > 0);
		lines_close(&lines);
	}
}

/* A copy of this program whose debug sections are damaged. */
static int damaged_copy(uint64_t *random)
{
	_cleanup_close_ int file = open_self();
	_cleanup_(elf_file_close) struct elf_file elf = {.fd = -1};
	int copy = memfd_create("copy", MFD_CLOEXEC);
	struct stat status;

	assert_int_equal(fstat(file, &status), 0);
	while (sendfile(copy, file, NULL, (size_t)status.st_size) > 0)
		;
	assert_int_equal(elf_file_open(&elf, file), 0);
	for (size_t i = 1; i < elf.section_count; i++) {
		const GElf_Shdr *section = &elf.sections[i].header;

		if (strncmp(elf.sections[i].name, ".debug_", 7) || !section->sh_size)
			continue;
		for (unsigned int changes = 0; changes < 3; changes++) {
			*random = *random * UINT64_C(6364136223846793005) + 1;
			uint64_t where = section->sh_offset + (*random >> 20) % section->sh_size;
			unsigned char byte = (unsigned char)(*random >> 50);

			assert_int_equal(pwrite(copy, &byte, 1, (off_t)where), 1);
		}
	}
	return copy;
}

static void test_damaged_debug_information_gives_an_error_or_an_answer_that_holds(void **state)
{
	uint64_t offsets[512];
	uint64_t random = 5;
	_cleanup_close_ int self = open_self();
	size_t count = find_function(self, "outer", offsets, 512);

	(void)state;
	for (unsigned int attempt = 0; attempt < 100; attempt++) {
		_cleanup_close_ int file = damaged_copy(&random);
		const struct line_files files = {file, -1, -1};
		_cleanup_close_ int answer = -1;
		struct lines lines = {0};

		if (line_reader_read(&files, offsets, count, &answer))
			continue;
		assert_int_equal(lines_open(&lines, answer), 0);
		lines_close(&lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_chain_of_inlined_functions_is_found_innermost_first),
		cmocka_unit_test(test_offsets_that_are_no_code_have_no_frames),
		cmocka_unit_test(
			test_names_that_are_shared_between_files_come_from_the_alternate_one),
		cmocka_unit_test(test_files_without_debug_information_say_so),
		cmocka_unit_test(
			test_damaged_debug_information_gives_an_error_or_an_answer_that_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
