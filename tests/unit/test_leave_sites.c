/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/leave_sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka_all.h"

#define ENTRY     0x1000
#define NEXT      0x2000 /* where a second function is */
#define SLOT      0x3000 /* a pointer to it */
#define CODE(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})
#define NO_CODE   {0}, 0
#define MAX_FOUND 3

#define RET          0xc3
#define JMP_NEXT     0xe9, 0xfb, 0x0f, 0, 0       /* at the entry */
#define JMP_SLOT     0xff, 0x25, 0xfa, 0x1f, 0, 0 /* at the entry: through SLOT */
#define CALL_NEXT    0xe8, 0xfb, 0x0f, 0, 0       /* at the entry */
#define CALL_ELSE    0xe8, 0, 0, 1, 0             /* somewhere */
#define LINK_TO_SLOT 0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0xf5, 0x0f, 0, 0 /* at NEXT */

struct function {
	uint8_t code[48];
	size_t size;
};

/* Two functions, at ENTRY and NEXT, and what is found in them. */
static const struct program {
	const char *what;
	struct function first;
	struct function second;
	uint64_t known; /* 0: none */
	int result;
	size_t count;
	uint64_t vaddrs[MAX_FOUND];
} programs[] = {
	{"ret", {CODE(RET)}, {NO_CODE}, 0, 0, 1, {0x1000}},
	{"repz ret", {CODE(0xf3, RET)}, {NO_CODE}, 0, 0, 1, {0x1000}},
	{"ret of 8 bytes", {CODE(0xc2, 8, 0)}, {NO_CODE}, 0, 0, 1, {0x1000}},
	{"both ways of a branch, and none behind a return",
	 {CODE(0x48, 0x85, 0xff, 0x74, 2, RET, RET, RET)},
	 {NO_CODE},
	 0,
	 0,
	 2,
	 {0x1005, 0x1007}},
	{"a long branch",
	 {CODE(0x0f, 0x84, 1, 0, 0, 0, RET, RET)},
	 {NO_CODE},
	 0,
	 0,
	 2,
	 {0x1006, 0x1007}},
	{"a loop", {CODE(0x48, 0xff, 0xc8, 0x75, 0xfb, RET)}, {NO_CODE}, 0, 0, 1, {0x1005}},
	{"a loop without an end", {CODE(0xeb, 0xfe)}, {NO_CODE}, 0, 0, 0, {0}},
	{"a call is passed over", {CODE(CALL_ELSE, RET)}, {NO_CODE}, 0, 0, 1, {0x1005}},
	{"a call through a register is, too",
	 {CODE(0xff, 0xd0, RET)},
	 {NO_CODE},
	 0,
	 0,
	 1,
	 {0x1002}},
	{"data behind a jump is not looked at",
	 {CODE(0xeb, 3, 0x06, 0x06, RET, RET)},
	 {NO_CODE},
	 0,
	 0,
	 1,
	 {0x1005}},
	{"a byte of a constant is no ret",
	 {CODE(0xb8, RET, RET, RET, RET, RET)},
	 {NO_CODE},
	 0,
	 0,
	 1,
	 {0x1005}},
	{"a jump to another function", {CODE(JMP_NEXT)}, {CODE(0x90, RET)}, 0, 0, 1, {0x2001}},
	{"a branch to another function",
	 {CODE(0x0f, 0x84, 0xfa, 0x0f, 0, 0, RET)},
	 {CODE(RET)},
	 0,
	 0,
	 2,
	 {0x1006, 0x2000}},
	{"a jump through the linkage table", {CODE(JMP_SLOT)}, {CODE(RET)}, 0, 0, 1, {0x2000}},
	{"a call that does not return at the end", {CODE(CALL_ELSE)}, {NO_CODE}, 0, 0, 0, {0}},
	{"a trap", {CODE(0x74, 1, RET, 0x0f, 0x0b)}, {NO_CODE}, 0, 0, 1, {0x1002}},
	{"hlt, int3", {CODE(0x74, 1, 0xf4, 0xcc)}, {NO_CODE}, 0, 0, 0, {0}},
	/* What ends in a function that is known. */
	{"a call of one that is known", {CODE(CALL_NEXT, RET)}, {CODE(RET)}, NEXT, 0, 0, {0}},
	{"a call of one that is not", {CODE(CALL_NEXT, RET)}, {CODE(RET)}, 1, 0, 1, {0x1005}},
	{"a jump to one that is known", {CODE(JMP_NEXT)}, {CODE(RET)}, NEXT, 0, 0, {0}},
	{"a call of one that is known through the linkage table",
	 {CODE(CALL_NEXT, RET)},
	 {CODE(LINK_TO_SLOT)},
	 NEXT,
	 0,
	 0,
	 {0}},
	{"another way around the call",
	 {CODE(0x74, 5, CALL_NEXT, RET)},
	 {CODE(RET)},
	 NEXT + 2,
	 0,
	 1,
	 {0x1007}},
	/* What cannot be followed. */
	{"a jump through a register", {CODE(0xff, 0xe0)}, {NO_CODE}, 0, -EOPNOTSUPP, 0, {0}},
	{"a jump through a table",
	 {CODE(0xff, 0x24, 0xc5, 0, 0x30, 0, 0)},
	 {NO_CODE},
	 0,
	 -EOPNOTSUPP,
	 0,
	 {0}},
	{"one of them behind a return that was found",
	 {CODE(0x74, 1, RET, 0x3e, 0xff, 0xe0)},
	 {NO_CODE},
	 0,
	 -EOPNOTSUPP,
	 0,
	 {0}},
	{"a pointer to another file",
	 {CODE(0xff, 0x25, 0, 0, 0, 0)},
	 {NO_CODE},
	 0,
	 -ENOENT,
	 0,
	 {0}},
	{"a return that kernels refuse to probe",
	 {CODE(0x2e, RET)},
	 {NO_CODE},
	 0,
	 -EOPNOTSUPP,
	 0,
	 {0}},
	{"a far return", {CODE(0xcb)}, {NO_CODE}, 0, -EOPNOTSUPP, 0, {0}},
	{"a return from an interrupt", {CODE(0x48, 0xcf)}, {NO_CODE}, 0, -EOPNOTSUPP, 0, {0}},
	{"a far jump", {CODE(0xff, 0x2d, 0xfa, 0x1f, 0, 0)}, {CODE(RET)}, 0, -EOPNOTSUPP, 0, {0}},
	{"no code", {CODE(0x06)}, {NO_CODE}, 0, -EBADMSG, 0, {0}},
	{"cut off", {CODE(0x48, 0x8b)}, {NO_CODE}, 0, -EBADMSG, 0, {0}},
	{"on into what is behind", {CODE(0x90)}, {NO_CODE}, 0, -EBADMSG, 0, {0}},
	{"a jump out of all functions", {CODE(0xe9, 0, 1, 0, 0)}, {NO_CODE}, 0, -ENOENT, 0, {0}},
	{"a jump into an instruction",
	 {CODE(0x48, 0xc7, 0xc0, RET, 0, 0, 0, 0x74, 0xfa, RET)},
	 {NO_CODE},
	 0,
	 -EBADMSG,
	 0,
	 {0}},
	{"nothing", {NO_CODE}, {NO_CODE}, 0, -ENOENT, 0, {0}},
};

static const struct function *function_at(const struct program *program, uint64_t vaddr,
					  uint64_t *start)
{
	const struct function *function = vaddr < NEXT ? &program->first : &program->second;

	*start = vaddr < NEXT ? ENTRY : NEXT;
	return vaddr >= *start && vaddr - *start < function->size ? function : NULL;
}

static int find(void *context, uint64_t vaddr, struct code_extent *range)
{
	const struct function *function = function_at(context, vaddr, &range->vaddr);

	if (!function)
		return -ENOENT;
	range->size = function->size;
	return 0;
}

static int read_code(void *context, const struct code_extent *range, uint8_t *bytes)
{
	uint64_t start;
	const struct function *function = function_at(context, range->vaddr, &start);

	if (!function || range->vaddr - start + range->size > sizeof(function->code))
		return -EIO;
	memcpy(bytes, function->code + (range->vaddr - start), range->size);
	return 0;
}

static int resolve(void *context, uint64_t slot, uint64_t *vaddr)
{
	const struct program *program = context;

	if (slot != SLOT)
		return -ENOENT;
	/* The second function may be an entry of the linkage table itself. */
	*vaddr = program->known ? program->known : NEXT;
	return 0;
}

static struct code_source source_of(struct program *program)
{
	return (struct code_source){
		program, find, read_code, resolve, &program->known, program->known != 0};
}

static void test_every_return_that_can_be_reached_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		struct program program = programs[i];
		struct code_source source = source_of(&program);
		struct leave_sites sites = {0};
		int result = leave_sites_add(&sites, &source, ENTRY);

		if (result != program.result || sites.count != program.count ||
		    memcmp(sites.vaddrs, program.vaddrs, program.count * sizeof(uint64_t)) != 0)
			fail_msg("%s: result %d, %zu found, the first at %#lx", program.what,
				 result, sites.count, (unsigned long)sites.vaddrs[0]);
	}
}

static void test_functions_share_what_they_end_in(void **state)
{
	struct program program = {.first = {CODE(JMP_NEXT)}, .second = {CODE(0x90, RET)}};
	struct code_source source = source_of(&program);
	struct leave_sites sites = {0};

	(void)state;
	assert_int_equal(leave_sites_add(&sites, &source, NEXT), 0);
	assert_int_equal(leave_sites_add(&sites, &source, ENTRY), 0);
	assert_int_equal(sites.count, 1);
	assert_int_equal(sites.vaddrs[0], NEXT + 1);
}

static void test_what_fails_adds_nothing(void **state)
{
	struct program program = {.first = {CODE(0x74, 1, RET, 0xff, 0xe0)}, .second = {CODE(RET)}};
	struct code_source source = source_of(&program);
	struct leave_sites sites = {0};

	(void)state;
	assert_int_equal(leave_sites_add(&sites, &source, NEXT), 0);
	assert_int_equal(leave_sites_add(&sites, &source, ENTRY), -EOPNOTSUPP);
	assert_int_equal(sites.count, 1);
	assert_int_equal(sites.vaddrs[0], NEXT);
}

/* ---- Limits: each function branches around a return to the next one ---- */

#define STEP  16
#define CHAIN 1000

static int find_in_chain(void *context, uint64_t vaddr, struct code_extent *range)
{
	const size_t *length = context;

	*range = (struct code_extent){vaddr - vaddr % STEP, STEP};
	return vaddr < *length * STEP ? 0 : -ENOENT;
}

static int read_chain(void *context, const struct code_extent *range, uint8_t *bytes)
{
	/* je over; ret; over: jmp to the next function */
	static const uint8_t link[] = {0x74, 1, RET, 0xe9, STEP - 8, 0, 0, 0, 0x90};
	const size_t *length = context;

	memset(bytes, RET, range->size);
	if (range->vaddr / STEP + 1 < *length)
		memcpy(bytes, link, sizeof(link));
	return 0;
}

static void test_a_long_chain_of_functions_meets_a_limit(void **state)
{
	static const struct {
		size_t length;
		int result;
	} chains[] = {
		{LEAVE_SITES_FUNCTIONS, 0},
		{LEAVE_SITES_FUNCTIONS + 1, -E2BIG},
		{CHAIN, -E2BIG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		size_t length = chains[i].length;
		struct code_source source = {&length, find_in_chain, read_chain, NULL, NULL, 0};
		struct leave_sites sites = {0};

		assert_int_equal(leave_sites_add(&sites, &source, 0), chains[i].result);
		assert_int_equal(sites.count, chains[i].result ? 0 : length);
	}
}

/* One function of a given size, all of it returns behind branches. */
static int find_large(void *context, uint64_t vaddr, struct code_extent *range)
{
	const uint64_t *size = context;

	*range = (struct code_extent){0, *size};
	return vaddr < *size ? 0 : -ENOENT;
}

static int read_large(void *context, const struct code_extent *range, uint8_t *bytes)
{
	(void)context;
	for (uint64_t i = 0; i < range->size; i++)
		bytes[i] = (uint8_t[]){0x74, 1, RET}[i % 3];
	if (range->size)
		bytes[range->size - 1] = RET;
	return 0;
}

static void test_a_large_function_meets_a_limit(void **state)
{
	static const uint64_t sizes[] = {3 * (LEAVE_SITES_MAX + 1), LEAVE_SITES_BYTES + 1,
					 UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t size = sizes[i];
		struct code_source source = {&size, find_large, read_large, NULL, NULL, 0};
		struct leave_sites sites = {0};

		assert_int_equal(leave_sites_add(&sites, &source, 0), -E2BIG);
		assert_int_equal(sites.count, 0);
	}
}

static void test_any_bytes_give_returns_inside_of_them(void **state)
{
	struct program program = {.first = {.size = sizeof(program.first.code)}};
	struct code_source source = source_of(&program);
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct leave_sites sites = {0};

		for (size_t j = 0; j < program.first.size; j++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
			program.first.code[j] = (uint8_t)(random >> 56);
		}
		program.first.size = random >> 40 & 31;
		if (leave_sites_add(&sites, &source, ENTRY))
			continue;
		for (size_t j = 0; j < sites.count; j++)
			assert_in_range(sites.vaddrs[j], ENTRY, ENTRY + program.first.size - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_return_that_can_be_reached_is_found),
		cmocka_unit_test(test_functions_share_what_they_end_in),
		cmocka_unit_test(test_what_fails_adds_nothing),
		cmocka_unit_test(test_a_long_chain_of_functions_meets_a_limit),
		cmocka_unit_test(test_a_large_function_meets_a_limit),
		cmocka_unit_test(test_any_bytes_give_returns_inside_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
