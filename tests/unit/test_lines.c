/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/lines.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/elf/image_writer.h"
#include "tests/unit/cmocka_all.h"

struct sample {
	struct lines_header header;
	struct lines_address addresses[2];
	struct lines_frame frames[2];
	char text[8];
};

static const struct sample good = {
	.header = {LINES_MAGIC, 2, 2, 8, 0},
	.addresses = {{0, 2}, {2, 0}},
	.frames = {{1, 3, 10, 1}, {0, 3, 20, 0}},
	.text = "\0f\0a.c\0",
};

static int open_sample(struct lines *lines, const void *bytes, size_t size)
{
	const struct image_piece piece = {bytes, size};
	_cleanup_close_ int fd = -1;

	assert_int_equal(image_write_pieces(&piece, 1, &fd), 0);
	return lines_open(lines, fd);
}

static void test_a_good_answer_is_read(void **state)
{
	struct lines lines = {0};

	(void)state;
	assert_int_equal(open_sample(&lines, &good, sizeof(good)), 0);
	assert_int_equal(lines.addresses[0].count, 2);
	assert_string_equal(lines.text + lines.frames[0].name, "f");
	assert_string_equal(lines.text + lines.frames[0].file, "a.c");
	assert_string_equal(lines.text + lines.frames[1].name, "");
	lines_close(&lines);
	lines_close(&lines);
}

static void test_each_bound_is_checked(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} cases[] = {
		{offsetof(struct sample, header.magic), 1},
		{offsetof(struct sample, header.address_count), 3},
		{offsetof(struct sample, header.address_count), UINT32_MAX},
		{offsetof(struct sample, header.frame_count), 1},
		{offsetof(struct sample, header.frame_count), UINT32_MAX},
		{offsetof(struct sample, header.text_bytes), 7},
		{offsetof(struct sample, header.text_bytes), 0},
		{offsetof(struct sample, addresses[0].first), 1},
		{offsetof(struct sample, addresses[0].count), 3},
		{offsetof(struct sample, addresses[1].first), 3},
		{offsetof(struct sample, frames[0].name), 8},
		{offsetof(struct sample, frames[1].file), UINT32_MAX},
		{offsetof(struct sample, text), 0x61616161},     /* the empty string is not empty */
		{offsetof(struct sample, text) + 4, 0x61616161}, /* not terminated */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sample broken = good;
		struct lines lines = {0};

		memcpy((char *)&broken + cases[i].at, &cases[i].value, sizeof(uint32_t));
		if (open_sample(&lines, &broken, sizeof(broken)) != -EBADMSG)
			fail_msg("case %zu was accepted", i);
	}
	for (size_t size = 0; size < sizeof(good); size++) {
		struct lines lines = {0};

		assert_int_equal(open_sample(&lines, &good, size), -EBADMSG);
	}
}

static void test_an_answer_that_could_still_change_is_refused(void **state)
{
	_cleanup_close_ int fd = memfd_create("answer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct lines lines = {0};

	(void)state;
	assert_int_equal(write(fd, &good, sizeof(good)), sizeof(good));
	assert_int_equal(lines_open(&lines, fd), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_answer_is_read),
		cmocka_unit_test(test_each_bound_is_checked),
		cmocka_unit_test(test_an_answer_that_could_still_change_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
