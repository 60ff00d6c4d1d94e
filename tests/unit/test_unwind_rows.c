/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/unwind_rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/elf/whole_file.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unwind/unwind_oracle.h"

static void test_every_row_is_what_elfutils_says(void **state)
{
	static const char *const paths[] = {
		"/proc/self/exe",
		"/lib/x86_64-linux-gnu/libc.so.6",
		"/lib64/ld-linux-x86-64.so.2",
		"/bin/bash",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
		"/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_close_ int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		struct unwind_comparison comparison;

		if (fd < 0)
			continue; /* not installed */
		assert_int_equal(unwind_oracle_compare(fd, &comparison), 0);
		if (comparison.different)
			fail_msg("%s: %s", paths[i], comparison.first_difference);
		assert_int_equal(comparison.functions, comparison.oracle_functions);
		assert_true(comparison.rows > comparison.functions);
		assert_true(comparison.unsupported * 1000 < comparison.rows);
	}
}

/* This program in memory. */
static char *read_program(size_t *size)
{
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char *bytes = NULL;

	assert_int_equal(whole_file_read(fd, UINT32_C(64) << 20, &bytes, size), 0);
	return bytes;
}

static void compile(const char *bytes, size_t size, struct row_table *rows)
{
	_cleanup_(elf_file_close) struct elf_file file = {.fd = -1};

	assert_int_equal(elf_file_open_memory(&file, bytes, size), 0);
	row_table_init(rows);
	unwind_rows_read(&file, rows, NULL);
}

/* The header of a section is found by its name and given another one. */
static void rename_section(char *bytes, const char *name)
{
	Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;
	Elf64_Shdr *sections = (Elf64_Shdr *)(bytes + header->e_shoff);
	const char *names = bytes + sections[header->e_shstrndx].sh_offset;

	for (unsigned int i = 0; i < header->e_shnum; i++) {
		if (!strcmp(names + sections[i].sh_name, name))
			sections[i].sh_name = 0;
	}
}

static void test_without_sections_the_program_header_leads_to_the_same_rows(void **state)
{
	_cleanup_(row_table_fini) struct row_table by_section = {0};
	_cleanup_(row_table_fini) struct row_table by_segment = {0};
	size_t size;
	_cleanup_free_ char *bytes = read_program(&size);

	(void)state;
	compile(bytes, size, &by_section);
	assert_true(by_section.row_count > 100);
	rename_section(bytes, ".eh_frame");
	compile(bytes, size, &by_segment);
	assert_int_equal(by_section.row_count, by_segment.row_count);
	assert_memory_equal(by_section.rows, by_segment.rows,
			    by_section.row_count * sizeof(*by_section.rows));
}

/* A file of one code segment and no call frame information. */
struct bare_program {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	uint8_t code[40000];
};

static void make_bare(struct bare_program *program)
{
	*program = (struct bare_program){
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_EXEC,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_phoff = offsetof(struct bare_program, segment),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 1},
		.segment = {.p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_vaddr = 0x400000,
			    .p_filesz = sizeof(*program),
			    .p_memsz = sizeof(*program)},
	};
}

static void test_a_signal_restorer_without_information_is_known_by_its_bytes(void **state)
{
	static const uint8_t restorer[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
	/* at the start, across two windows of the search, at the end */
	static const size_t places[] = {0, 16384 - 124, 39991};
	static struct bare_program program;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_(row_table_fini) struct row_table rows = {0};
		size_t offset = offsetof(struct bare_program, code) + places[i];

		make_bare(&program);
		memcpy(program.code + places[i], restorer, sizeof(restorer));
		compile((const char *)&program, sizeof(program), &rows);
		assert_int_equal(rows.row_count, 2);
		assert_int_equal(rows.rows[0].offset, offset - 1);
		assert_int_equal(rows.rows[1].offset, offset + sizeof(restorer));
		assert_int_equal(rows.rows[1].rule, UNWIND_RULE_NONE);
		const struct unwind_rule *rule = &rows.rules[rows.rows[0].rule];
		assert_int_equal(unwind_cfa_kind(rule), UNWIND_CFA_SIGNAL);
		assert_int_equal(rule->ra_offset, 168);
	}
}

static void test_other_machines_have_no_rows(void **state)
{
	_cleanup_(row_table_fini) struct row_table rows = {0};
	size_t size;
	_cleanup_free_ char *bytes = read_program(&size);

	(void)state;
	((Elf64_Ehdr *)bytes)->e_machine = EM_AARCH64;
	compile(bytes, size, &rows);
	assert_int_equal(rows.row_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_is_what_elfutils_says),
		cmocka_unit_test(test_without_sections_the_program_header_leads_to_the_same_rows),
		cmocka_unit_test(test_a_signal_restorer_without_information_is_known_by_its_bytes),
		cmocka_unit_test(test_other_machines_have_no_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
