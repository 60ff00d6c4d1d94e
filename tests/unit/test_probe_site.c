/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/probe_site.h"

#include <errno.h>

#include "tests/unit/cmocka_all.h"

#define RDI         PROBE_RDI
#define RDI_RSI     (PROBE_RDI | PROBE_RSI)
#define RDI_RSI_RDX (PROBE_RDI | PROBE_RSI | PROBE_RDX)
#define NOP_5       0x0f, 0x1f, 0x44, 0x00, 0x00

#define CODE(...) .code = {__VA_ARGS__}, .size = sizeof((uint8_t[]){__VA_ARGS__})

/* Beginnings of functions as compilers write them. */
static const struct beginning {
	const char *what;
	uint8_t code[32];
	size_t size;
	uint32_t arguments;
	int result;
	uint32_t offset;
	int is_emulated;
} beginnings[] = {
	{"push", CODE(0x55, 0x48, 0x89, 0xe5), RDI, 0, 0, 1},
	{"push r12", CODE(0x41, 0x54, 0x55), RDI, 0, 0, 1},
	{"test, je", CODE(0x48, 0x85, 0xff, 0x0f, 0x84, 1, 0, 0, 0), RDI, 0, 3, 1},
	{"cmpb in memory, push r12", CODE(0x80, 0x3d, 1, 2, 3, 4, 0, 0x41, 0x54), RDI_RSI_RDX, 0, 7,
	 1},
	{"endbr64, push", CODE(0xf3, 0x0f, 0x1e, 0xfa, 0x55), RDI, 0, 4, 1},
	{"endbr64, cmp of memory, ja",
	 CODE(0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x3b, 0x3d, 1, 2, 3, 4, 0x77, 5), RDI, 0, 11, 1},
	{"mov from fs, push", CODE(0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0, 0x53), RDI, 0, 9,
	 1},
	{"mov of 8 bytes, jmp", CODE(0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0xeb, 0), RDI, 0, 10, 1},
	{"lea with index, call", CODE(0x48, 0x8d, 0x44, 0x77, 0x08, 0xe8, 0, 0, 0, 0), RDI_RSI, 0,
	 5, 1},
	/* What must not be stepped over is probed itself, though that is dear. */
	{"sub of rsp, push", CODE(0x48, 0x83, 0xec, 0x10, 0x55), RDI, 0, 0, 0},
	{"the argument is written, push", CODE(0x48, 0x89, 0xf7, 0x55), RDI, 0, 0, 0},
	{"another argument is written, push", CODE(0x48, 0x89, 0xf7, 0x55), PROBE_RSI, 0, 3, 1},
	{"mul writes rdx, jo", CODE(0x48, 0x89, 0xf0, 0x48, 0xf7, 0xe2, 0x70, 5), RDI_RSI_RDX, 0, 0,
	 0},
	{"dh is a part of rdx, push", CODE(0xb6, 1, 0x55), PROBE_RDX, 0, 0, 0},
	{"imul with a constant, push", CODE(0x48, 0x69, 0xc7, 1, 0, 0, 0, 0x55), RDI, 0, 7, 1},
	{"ret", CODE(0xc3), RDI, 0, 0, 0},
	/* Never a nop of several bytes, even if nothing else is left. */
	{"nop of 5 bytes, push", CODE(NOP_5, 0x55), RDI, 0, 5, 1},
	{"nop of 5 bytes, sub of rsp", CODE(NOP_5, 0x48, 0x83, 0xec, 0x10), RDI, 0, 5, 0},
	{"nop of 5 bytes alone", CODE(NOP_5), RDI, -ENOENT, 0, 0},
	{"nop of 1 byte", CODE(0x90), RDI, 0, 0, 1},
	{"pause is no nop", CODE(0xf3, 0x90, 0x55), RDI, 0, 0, 0},
	{"branch with a prefix, which kernels refuse", CODE(0x66, 0xe9, 0, 0, 0, 0), RDI, 0, 0, 0},
	{"nothing", .size = 0, .arguments = RDI, .result = -ENOENT},
	{"cut off", CODE(0x48, 0x8b), RDI, -ENOENT, 0, 0},
};

static void test_the_first_cheap_instruction_with_all_intact_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		const struct beginning *beginning = &beginnings[i];
		struct probe_site site = {0};
		int result = probe_site_find(beginning->code, beginning->size, beginning->arguments,
					     &site);

		if (result != beginning->result || site.offset != beginning->offset ||
		    site.is_emulated != beginning->is_emulated)
			fail_msg("%s: result %d, offset %u, emulated %d", beginning->what, result,
				 site.offset, site.is_emulated);
	}
}

static void test_any_bytes_give_a_place_inside_of_them(void **state)
{
	uint64_t random = 1;
	uint8_t code[PROBE_SITE_BYTES];

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct probe_site site;
		size_t size;

		for (size_t j = 0; j < sizeof(code); j++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
			code[j] = (uint8_t)(random >> 56);
		}
		size = random >> 40 & (PROBE_SITE_BYTES - 1);
		if (!probe_site_find(code, size, RDI_RSI_RDX, &site))
			assert_true(site.offset < size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_cheap_instruction_with_all_intact_is_taken),
		cmocka_unit_test(test_any_bytes_give_a_place_inside_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
