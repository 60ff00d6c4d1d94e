/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unwind/unwind_oracle.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/elf/call_frame.h"
#include "daemon/elf/elf_file.h"
#include "daemon/elf/module_image.h"
#include "daemon/elf/module_reader.h"
#include "daemon/elf/reader_message.h"

/* One comparison under way. */
struct oracle {
	struct elf_file file;
	struct module_image image;
	Dwarf_CFI *cfi;
	struct unwind_comparison *comparison;
};

static void set_cfa(struct unwind_rule *rule, enum unwind_cfa kind, uint64_t number, int64_t offset,
		    int64_t addend)
{
	if (number >= UNWIND_REGISTERS || offset != (int32_t)offset || addend != (int16_t)addend) {
		rule->cfa = UNWIND_CFA_UNSUPPORTED;
		return;
	}
	rule->cfa = (uint8_t)(kind | number << 4);
	rule->cfa_offset = (int32_t)offset;
	rule->cfa_addend = (int16_t)addend;
}

/* "register + offset", however it is written. */
static int read_base(const Dwarf_Op *operation, uint64_t *number, int64_t *offset)
{
	if (operation->atom >= DW_OP_breg0 && operation->atom <= DW_OP_breg31) {
		*number = operation->atom - DW_OP_breg0;
		*offset = (int64_t)operation->number;
		return 0;
	}
	if (operation->atom != DW_OP_bregx)
		return -1;
	*number = operation->number;
	*offset = (int64_t)operation->number2;
	return 0;
}

static int is_plt(const Dwarf_Op *operations, size_t count)
{
	static const int atoms[] = {DW_OP_breg16, DW_OP_lit15, DW_OP_and, -1,
				    DW_OP_ge,     DW_OP_lit3,  DW_OP_shl, DW_OP_plus};

	if (count != 1 + sizeof(atoms) / sizeof(atoms[0]))
		return 0;
	for (size_t i = 0; i < sizeof(atoms) / sizeof(atoms[0]); i++) {
		if (atoms[i] >= 0 && operations[1 + i].atom != atoms[i])
			return 0;
	}
	return 1;
}

static void expect_cfa(Dwarf_Frame *frame, int is_signal, struct unwind_rule *rule)
{
	Dwarf_Op *operations;
	uint64_t number;
	int64_t offset;
	size_t count;

	rule->cfa = UNWIND_CFA_UNSUPPORTED;
	if (dwarf_frame_cfa(frame, &operations, &count) || !count ||
	    read_base(operations, &number, &offset))
		return;
	if (count == 1)
		set_cfa(rule, UNWIND_CFA_REGISTER, number, offset, 0);
	else if (is_plt(operations, count))
		set_cfa(rule, UNWIND_CFA_PLT, number, offset, operations[4].atom - DW_OP_lit0);
	else if (operations[1].atom == DW_OP_deref &&
		 (count == 2 || (count == 3 && operations[2].atom == DW_OP_plus_uconst)))
		set_cfa(rule, is_signal ? UNWIND_CFA_SIGNAL : UNWIND_CFA_DEREF, number, offset,
			count == 3 ? (int64_t)operations[2].number : 0);
}

/* Where elfutils says that a register is. Returns non-zero when no rule can say it. */
static int expect_place(Dwarf_Frame *frame, int number, uint8_t *place, int16_t *offset)
{
	Dwarf_Op memory[3];
	Dwarf_Op *operations;
	uint64_t base;
	int64_t distance = 0;
	size_t count;

	*offset = 0;
	*place = UNWIND_LOST;
	if (dwarf_frame_register(frame, number, memory, &operations, &count))
		return 1;
	if (!count) {
		*place = operations ? UNWIND_LOST : UNWIND_SAME;
		return 0;
	}
	if (operations[count - 1].atom == DW_OP_stack_value)
		return 1;
	if (count == 2 && operations[0].atom == DW_OP_call_frame_cfa &&
	    operations[1].atom >= DW_OP_breg0 && operations[1].atom <= DW_OP_breg31) {
		operations++; /* an expression may use the CFA, which it is given; this one does not */
		count = 1;
	}
	if (operations[0].atom == DW_OP_call_frame_cfa) {
		if (count == 2 && operations[1].atom == DW_OP_plus_uconst)
			distance = (int64_t)operations[1].number;
		else if (count != 1)
			return 1;
		*place = UNWIND_AT_CFA;
	} else if (count == 1 && operations[0].atom == DW_OP_regx) {
		distance = (int64_t)operations[0].number;
		*place = UNWIND_IN_REGISTER;
	} else if (count == 1 && !read_base(operations, &base, &distance) &&
		   (base == UNWIND_RSP || base == UNWIND_RBP)) {
		*place = base == UNWIND_RSP ? UNWIND_AT_SP : UNWIND_AT_FP;
	} else {
		return 1;
	}
	*offset = (int16_t)distance;
	return distance != (int16_t)distance;
}

static void expect_rule(Dwarf_Frame *frame, int is_signal, struct unwind_rule *rule)
{
	*rule = (struct unwind_rule){0};
	expect_cfa(frame, is_signal, rule);
	if (expect_place(frame, UNWIND_RIP, &rule->ra, &rule->ra_offset))
		rule->cfa = UNWIND_CFA_UNSUPPORTED;
	if (expect_place(frame, UNWIND_RBP, &rule->fp, &rule->fp_offset))
		rule->fp_offset = 0, rule->fp = UNWIND_LOST;
	if (expect_place(frame, UNWIND_RBX, &rule->rbx, &rule->rbx_offset))
		rule->rbx_offset = 0, rule->rbx = UNWIND_LOST;
	if (unwind_cfa_kind(rule) == UNWIND_CFA_UNSUPPORTED)
		*rule = (struct unwind_rule){.cfa = UNWIND_CFA_UNSUPPORTED};
}

static void format_rule(char *text, size_t size, const struct unwind_rule *rule)
{
	snprintf(text, size, "cfa %u r%u%+d%+d ra %u%+d fp %u%+d rbx %u%+d", unwind_cfa_kind(rule),
		 unwind_cfa_register(rule), rule->cfa_offset, rule->cfa_addend, rule->ra,
		 rule->ra_offset, rule->fp, rule->fp_offset, rule->rbx, rule->rbx_offset);
}

static int is_equal(const struct unwind_rule *a, const struct unwind_rule *b)
{
	/* elfutils does not know that rbx, when nothing is said about it, is preserved. */
	int is_same_rbx = a->rbx == b->rbx || (a->rbx <= UNWIND_LOST && b->rbx <= UNWIND_LOST);

	return a->cfa == b->cfa && a->cfa_offset == b->cfa_offset &&
	       a->cfa_addend == b->cfa_addend && a->ra == b->ra && a->ra_offset == b->ra_offset &&
	       a->fp == b->fp && a->fp_offset == b->fp_offset && is_same_rbx &&
	       a->rbx_offset == b->rbx_offset;
}

static void compare_at(struct oracle *oracle, uint64_t vaddr, const struct unwind_rule *expected)
{
	static const struct unwind_rule none;
	struct unwind_comparison *comparison = oracle->comparison;
	const struct unwind_rule *rule = NULL;
	uint64_t offset;
	char texts[2][100];

	if (!elf_file_offset(&oracle->file, vaddr, &offset))
		rule = module_image_find_rule(&oracle->image, offset);
	if (!rule)
		rule = &none;
	if (is_equal(rule, expected))
		return;
	if (!comparison->different++) {
		format_rule(texts[0], sizeof(texts[0]), rule);
		format_rule(texts[1], sizeof(texts[1]), expected);
		snprintf(comparison->first_difference, sizeof(comparison->first_difference),
			 "%#llx: %s, elfutils: %s", (unsigned long long)vaddr, texts[0], texts[1]);
	}
}

/* Compare the rows of one function at both ends of each. */
static void compare_function(struct oracle *oracle, uint64_t vaddr, uint64_t size)
{
	uint64_t end = vaddr + size;

	for (uint64_t at = vaddr; at < end;) {
		struct unwind_rule expected;
		Dwarf_Addr row_start, row_end;
		Dwarf_Frame *frame;
		bool is_signal;

		if (dwarf_cfi_addrframe(oracle->cfi, at, &frame)) {
			oracle->comparison->unsupported++;
			return;
		}
		dwarf_frame_info(frame, &row_start, &row_end, &is_signal);
		expect_rule(frame, is_signal, &expected);
		free(frame);
		if (row_end <= at || row_end > end)
			row_end = end;
		compare_at(oracle, at, &expected);
		compare_at(oracle, row_end - 1, &expected);
		oracle->comparison->rows++;
		oracle->comparison->unsupported +=
			unwind_cfa_kind(&expected) == UNWIND_CFA_UNSUPPORTED;
		at = row_end;
	}
}

static uint64_t count_functions(const struct elf_file *file, Elf_Data *data)
{
	Dwarf_Off offset = 0;
	uint64_t count = 0;
	Dwarf_CFI_Entry entry;
	Dwarf_Off next;
	unsigned char identity[EI_NIDENT];

	memcpy(identity, file->header.e_ident, sizeof(identity));
	while (dwarf_next_cfi(identity, data, true, offset, &next, &entry) == 0) {
		count += !dwarf_cfi_cie_p(&entry);
		offset = next;
	}
	return count;
}

static void compare_all(struct oracle *oracle, const struct elf_section *section, Elf_Data *data)
{
	const struct call_frame_section frames = {
		.bytes = data->d_buf, .size = data->d_size, .vaddr = section->header.sh_addr};
	struct call_frame_common common = {0};
	struct call_frame frame;
	size_t position = 0;

	oracle->comparison->oracle_functions = count_functions(&oracle->file, data);
	while (call_frame_next(&frames, &position, &common, &frame)) {
		oracle->comparison->functions++;
		compare_function(oracle, frame.vaddr, frame.size);
	}
}

static void oracle_close(struct oracle *oracle)
{
	if (oracle->cfi)
		dwarf_cfi_end(oracle->cfi);
	module_image_close(&oracle->image);
	elf_file_close(&oracle->file);
}

int unwind_oracle_compare(int fd, struct unwind_comparison *comparison)
{
	_cleanup_(oracle_close) struct oracle oracle = {.comparison = comparison};
	_cleanup_close_ int image_fd = -1;
	Elf_Data *data;

	*comparison = (struct unwind_comparison){0};
	int error = elf_file_open(&oracle.file, fd);
	if (!error)
		error = module_reader_read(fd, -1, READER_WANT_ROWS, &image_fd);
	if (!error)
		error = module_image_open(&oracle.image, image_fd);
	if (error)
		return error;
	const struct elf_section *section = elf_file_find_section(&oracle.file, ".eh_frame");
	if (oracle.file.header.e_machine != EM_X86_64 || !section ||
	    elf_section_read(section, &data))
		return -ENOENT;
	oracle.cfi = dwarf_getcfi_elf(oracle.file.handle);
	if (!oracle.cfi)
		return -ENOENT;
	compare_all(&oracle, section, data);
	return 0;
}
