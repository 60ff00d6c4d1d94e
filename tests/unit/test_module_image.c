/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/module_image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/elf/image_writer.h"
#include "daemon/elf/row_blocks.h"
#include "daemon/elf/row_table.h"
#include "tests/unit/cmocka_all.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

static const struct module_segment segments[] = {{0x1000, 0x2000, 0x401000}, {0x3000, 0x100, 0}};
static const struct module_symbol symbols[] = {{0x1000, 0x10, 0}, {0x1010, 1, 5}, {0x1100, 8, 7}};
static const char text[] = "main\0f\0last";

/* Pages 0 and 2. */
static struct unwind_row rows[] = {{0x1000, 2}, {0x1010, 0}, {0x1100, 3}, {0, 2}};
static struct row_page pages[] = {{0, 0, 3}, {2, 3, 1}};
static const struct unwind_rule rules[] = {
	{0},
	{.cfa = UNWIND_CFA_UNSUPPORTED},
	{.cfa = UNWIND_CFA_REGISTER | UNWIND_RSP << 4, .cfa_offset = 8},
	{.cfa = UNWIND_CFA_REGISTER | UNWIND_RBP << 4, .cfa_offset = 16},
};

static int write_sample(void)
{
	const struct module_image_header header = {
		.flags = MODULE_HAS_SYMTAB,
		.build_id_length = 2,
		.build_id = {0xab, 0xcd},
		.debuglink = "x.debug",
	};
	const struct row_table table = {.pages = pages,
					.page_count = ARRAY_SIZE(pages),
					.rows = rows,
					.row_count = ARRAY_SIZE(rows)};
	_cleanup_(row_blocks_fini) struct row_blocks blocks = {0};
	int fd = -1;

	row_blocks_make(&blocks, &table);

	const struct image_tables tables = {
		.segments = {segments, ARRAY_SIZE(segments)},
		.symbols = {symbols, ARRAY_SIZE(symbols)},
		.text = {text, sizeof(text)},
		.pages = {blocks.pages, blocks.page_count},
		.cells = {blocks.cells, blocks.cell_count},
		.rules = {rules, ARRAY_SIZE(rules)},
	};

	assert_int_equal(image_write(&header, &tables, &fd), 0);
	return fd;
}

static void test_what_was_written_is_found(void **state)
{
	static const struct {
		uint64_t offset;
		const char *name;
	} cases[] = {
		{0, NULL},        {0xfff, NULL},  {0x1000, "main"},   {0x100f, "main"},
		{0x1010, "f"},    {0x1011, NULL}, {0x10ff, NULL},     {0x1100, "last"},
		{0x1107, "last"}, {0x1108, NULL}, {UINT64_MAX, NULL},
	};
	struct module_image image = {0};
	_cleanup_close_ int fd = write_sample();

	(void)state;
	assert_int_equal(module_image_open(&image, fd), 0);
	assert_int_equal(image.header->build_id_length, 2);
	assert_string_equal(image.header->debuglink, "x.debug");
	assert_int_equal(image.header->segments.count, 2);
	assert_int_equal(image.segments[0].vaddr, 0x401000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct module_symbol *symbol = module_image_find(&image, cases[i].offset);

		assert_int_equal(symbol != NULL, cases[i].name != NULL);
		if (symbol)
			assert_string_equal(module_image_name(&image, symbol), cases[i].name);
	}
	module_image_close(&image);
	module_image_close(&image);
	assert_null(image.header);
}

/* Make a memfd of the bytes, with the seals. */
static int make_image(const void *bytes, size_t size, int seals)
{
	int fd = memfd_create("image", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int open_bytes(const void *bytes, size_t size, int seals)
{
	struct module_image image = {0};
	_cleanup_close_ int fd = make_image(bytes, size, seals);
	int error = module_image_open(&image, fd);

	module_image_close(&image);
	return error;
}

static size_t read_sample(char *bytes, size_t capacity)
{
	_cleanup_close_ int fd = write_sample();
	ssize_t size = pread(fd, bytes, capacity, 0);

	assert_true(size > 0 && (size_t)size < capacity);
	return (size_t)size;
}

static void test_an_image_that_could_still_change_is_refused(void **state)
{
	static const int missing[] = {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_SEAL};
	char bytes[8192];
	size_t size = read_sample(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(open_bytes(bytes, size, SEALS), 0);
	for (size_t i = 0; i < ARRAY_SIZE(missing); i++)
		assert_int_equal(open_bytes(bytes, size, SEALS & ~missing[i]), -EBADMSG);

	struct module_image image = {0};
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(module_image_open(&image, fd), -EBADMSG);
	assert_int_equal(module_image_open(&image, -1), -EBADMSG);
}

static void test_each_bound_is_checked(void **state)
{
	union {
		struct module_image_header header;
		char bytes[8192];
	} sample, broken;
	size_t size = read_sample(sample.bytes, sizeof(sample.bytes));
	const size_t symbol_at = sample.header.symbols.offset;
	const struct {
		size_t at;
		size_t width;
		uint64_t value;
	} cases[] = {
#define FIELD(name) offsetof(struct module_image_header, name), sizeof(sample.header.name)
		{FIELD(magic), 1},
		{FIELD(size), size + 8},
		{FIELD(size), size - 8},
		{FIELD(build_id_length), MODULE_BUILD_ID_MAX + 1},
		{FIELD(altlink_id_length), UINT32_MAX},
		{FIELD(segments.offset), 0},
		{FIELD(segments.offset), 9},
		{FIELD(segments.offset), UINT64_MAX - 7},
		{FIELD(segments.offset), (uint64_t)size + 8},
		{FIELD(segments.count), UINT64_MAX / 24 + 1},
		{FIELD(symbols.count), UINT64_MAX},
		{FIELD(symbols.count), size},
		{FIELD(text.count), size},
		{FIELD(text.count), sizeof(text) - 1},
		{FIELD(text.count), 0},
		{symbol_at, 8, 0x1011},            /* not in order */
		{symbol_at + 8, 4, 0},             /* no size */
		{symbol_at + 8, 4, 0x11},          /* overlaps the next */
		{symbol_at + 12, 4, sizeof(text)}, /* name outside */
		{symbol_at + 32, 8, UINT64_MAX},   /* end wraps */
		{sample.header.segments.offset + 8, 8, 0x2001},
		{FIELD(pages.offset), 4},
		{FIELD(cells.count), 16},
		{FIELD(rules.count), 3},
		{FIELD(rules.count), UNWIND_MAX_RULES + 1},
		{FIELD(rules.offset), UINT64_MAX - 7},
		{sample.header.pages.offset + 4, 4, 17}, /* block: too many cells from there */
		{sample.header.pages.offset + 8, 4, 0},  /* no row */
		{sample.header.pages.offset + 8, 4, 4},  /* more rows than the parts have */
		{sample.header.pages.offset + 8, 4, UINT32_MAX},
		{sample.header.pages.offset + 16, 4, 0}, /* the block of another page */
		{sample.header.pages.offset + 12, 4, 0}, /* the same page twice */
		{sample.header.cells.offset, 2, 1},      /* a part whose rows end before */
		{sample.header.cells.offset + 10, 2, UINT16_MAX},
		{sample.header.cells.offset + 2 * UNWIND_PARTS + 2, 2, 2}, /* not in order */
		{sample.header.cells.offset + 2 * UNWIND_PARTS, 1, 4},     /* no such rule */
		{sample.header.cells.offset + 2 * UNWIND_PARTS + 6, 1, 1}, /* nor such one */
		{sample.header.segments.offset + 24 + 8, 8, UINT64_MAX},
#undef FIELD
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		broken = sample;
		memcpy(broken.bytes + cases[i].at, &cases[i].value, cases[i].width);
		if (open_bytes(broken.bytes, size, SEALS) != -EBADMSG)
			fail_msg("case %zu was accepted", i);
	}
	broken = sample;
	memset(broken.header.debuglink, 'x', sizeof(broken.header.debuglink));
	assert_int_equal(open_bytes(broken.bytes, size, SEALS), -EBADMSG);
	broken = sample;
	memset(broken.header.altlink, 'x', sizeof(broken.header.altlink));
	assert_int_equal(open_bytes(broken.bytes, size, SEALS), -EBADMSG);
}

static void test_a_truncated_image_is_refused(void **state)
{
	char bytes[8192];
	size_t size = read_sample(bytes, sizeof(bytes));

	(void)state;
	for (size_t length = 0; length < size; length++)
		assert_int_equal(open_bytes(bytes, length, SEALS), -EBADMSG);
}

static void test_the_rule_in_force_is_found(void **state)
{
	static const struct {
		uint64_t offset;
		int32_t cfa_offset; /* 0: none */
	} cases[] = {
		{0, 0},       {0xfff, 0},   {0x1000, 8},     {0x100f, 8},  {0x1010, 0},
		{0x10ff, 0},  {0x1100, 16}, {0xffff, 16},    {0x10000, 0}, {0x20000, 8},
		{0x2ffff, 8}, {0x30000, 0}, {UINT64_MAX, 0},
	};
	struct module_image image = {0};
	_cleanup_close_ int fd = write_sample();

	(void)state;
	assert_int_equal(module_image_open(&image, fd), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct unwind_rule *rule = module_image_find_rule(&image, cases[i].offset);

		assert_int_equal(rule ? rule->cfa_offset : 0, cases[i].cfa_offset);
	}
	module_image_close(&image);
}

static void test_an_image_without_symbols_finds_nothing(void **state)
{
	const struct module_image_header header = {0};
	const struct image_tables tables = {0};
	struct module_image image = {0};
	_cleanup_close_ int fd = -1;

	(void)state;
	assert_int_equal(image_write(&header, &tables, &fd), 0);
	assert_int_equal(module_image_open(&image, fd), 0);
	assert_null(module_image_find(&image, 0));
	assert_null(module_image_find_rule(&image, 0));
	module_image_close(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_written_is_found),
		cmocka_unit_test(test_an_image_that_could_still_change_is_refused),
		cmocka_unit_test(test_each_bound_is_checked),
		cmocka_unit_test(test_a_truncated_image_is_refused),
		cmocka_unit_test(test_the_rule_in_force_is_found),
		cmocka_unit_test(test_an_image_without_symbols_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
