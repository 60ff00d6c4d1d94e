/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/elf/whole_file.h"
#include "tests/unit/cmocka_all.h"

/* A program made of headers alone: two code segments, one that holds data. */
struct program {
	Elf64_Ehdr header;
	Elf64_Phdr segments[3];
	uint8_t bytes[4096];
};

static struct program make_program(void)
{
	return (struct program){
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_DYN,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_phoff = offsetof(struct program, segments),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 3},
		.segments = {{.p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_offset = 0x800,
			      .p_vaddr = 0x401800,
			      .p_filesz = 0x100,
			      .p_memsz = 0x200},
			     {.p_type = PT_LOAD,
			      .p_flags = PF_R,
			      .p_offset = 0x900,
			      .p_vaddr = 0x402900,
			      .p_filesz = 0x100,
			      .p_memsz = 0x100},
			     {.p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_offset = 0x200,
			      .p_vaddr = 0x500200,
			      .p_filesz = 0x100,
			      .p_memsz = 0x100}},
	};
}

static int open_program(struct elf_file *file, const struct program *program)
{
	return elf_file_open_memory(file, program, sizeof(*program));
}

static void test_addresses_become_offsets(void **state)
{
	static const struct {
		uint64_t vaddr;
		int error;
		uint64_t offset;
	} cases[] = {
		{0x401800, 0, 0x800},     {0x4018ff, 0, 0x8ff}, {0x401900, -ENOENT, 0},
		{0x4017ff, -ENOENT, 0},   {0x500200, 0, 0x200}, {0x402900, -ENOENT, 0},
		{UINT64_MAX, -ENOENT, 0}, {0, -ENOENT, 0},
	};
	const struct program program = make_program();
	_cleanup_(elf_file_close) struct elf_file file = {.fd = -1};
	uint64_t offset, size;

	(void)state;
	assert_int_equal(open_program(&file, &program), 0);
	assert_int_equal(file.segment_count, 2);
	assert_int_equal(file.segments[0].offset, 0x200); /* by offset */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		offset = 0;
		assert_int_equal(elf_file_offset(&file, cases[i].vaddr, &offset), cases[i].error);
		assert_int_equal(offset, cases[i].offset);
	}
	/* data is found only where it is asked for */
	assert_int_equal(elf_file_locate(&file, 0x402980, &offset, &size), 0);
	assert_int_equal(offset, 0x980);
	assert_int_equal(size, 0x80);
}

static void test_segments_that_make_no_sense_are_cut_or_left_out(void **state)
{
	static const struct {
		Elf64_Phdr segment;
		size_t count; /* code segments that are left */
		uint64_t last_size;
	} cases[] = {
		{{.p_offset = 0xa00, .p_vaddr = 0x1000, .p_filesz = UINT64_MAX}, 3, 0x6e8},
		{{.p_offset = UINT64_MAX, .p_vaddr = 0x1000, .p_filesz = 0x100}, 2, 0x100},
		{{.p_offset = 0xa00, .p_vaddr = UINT64_MAX - 1, .p_filesz = 0x100}, 2, 0x100},
		{{.p_offset = 0xa00, .p_vaddr = 0x1000, .p_filesz = 0}, 2, 0x100},
		{{.p_offset = 0x880, .p_vaddr = 0x1000, .p_filesz = 0x100}, 2, 0x100},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct program program = make_program();
		_cleanup_(elf_file_close) struct elf_file file = {.fd = -1};

		program.segments[1] = cases[i].segment;
		program.segments[1].p_type = PT_LOAD;
		program.segments[1].p_flags = PF_X;
		assert_int_equal(open_program(&file, &program), 0);
		assert_int_equal(file.segment_count, cases[i].count);
		const struct module_segment *last = &file.segments[file.segment_count - 1];
		assert_true(last->offset + last->size <= sizeof(program));
		if (cases[i].count == 2)
			assert_int_equal(last->size, cases[i].last_size);
	}
}

static void test_other_byte_orders_and_garbage_are_refused(void **state)
{
	struct program program = make_program();
	struct elf_file file = {.fd = -1};

	(void)state;
	program.header.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(open_program(&file, &program), -ENOEXEC);
	program = make_program();
	program.header.e_ident[EI_CLASS] = 7;
	assert_int_equal(open_program(&file, &program), -ENOEXEC);
	assert_int_equal(elf_file_open_memory(&file, "!<arch>\n", 8), -ENOEXEC);
	assert_int_equal(elf_file_open_memory(&file, "", 0), -ENOEXEC);
}

static void test_every_beginning_of_a_program_is_refused_or_read(void **state)
{
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *bytes = NULL;
	size_t size;

	(void)state;
	assert_int_equal(whole_file_read(fd, UINT32_C(64) << 20, &bytes, &size), 0);
	for (size_t length = 0; length < size; length += length < 4096 ? 1 : 509) {
		_cleanup_(elf_file_close) struct elf_file file = {.fd = -1};
		uint8_t build_id[MODULE_BUILD_ID_MAX];
		Elf_Data *data;

		if (elf_file_open_memory(&file, bytes, length))
			continue;
		for (size_t i = 1; i < file.section_count; i++)
			(void)!elf_section_read(&file.sections[i], &data);
		assert_true(elf_file_build_id(&file, build_id) <= MODULE_BUILD_ID_MAX);
	}
}

static void test_bytes_outside_of_the_file_are_not_read(void **state)
{
	const struct program program = make_program();
	_cleanup_(elf_file_close) struct elf_file file = {.fd = -1};
	char byte;

	(void)state;
	assert_int_equal(open_program(&file, &program), 0);
	assert_int_equal(elf_file_read(&file, sizeof(program) - 1, &byte, 1), 0);
	assert_int_equal(elf_file_read(&file, sizeof(program), &byte, 1), -EIO);
	assert_int_equal(elf_file_read(&file, UINT64_MAX, &byte, 1), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_become_offsets),
		cmocka_unit_test(test_segments_that_make_no_sense_are_cut_or_left_out),
		cmocka_unit_test(test_other_byte_orders_and_garbage_are_refused),
		cmocka_unit_test(test_every_beginning_of_a_program_is_refused_or_read),
		cmocka_unit_test(test_bytes_outside_of_the_file_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
