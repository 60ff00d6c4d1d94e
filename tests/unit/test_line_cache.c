/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/line_cache.h"

#include "common/cleanup.h"
#include "tests/unit/cmocka_all.h"

#define FIRST  "\t    55d0c0dc7c10 read_find+0x0 (/usr/bin/server)\n"
#define SECOND "\t    55d0c0dc7c10 read_find+0x0 (/usr/bin/other)\n"

static uint32_t meaning_of(const struct line_cache *cache, const char *text, size_t length)
{
	const struct line_cache_line *line = line_cache_find(cache, text, length);

	return line ? line->meaning : 0;
}

static void test_a_line_is_found_as_a_whole(void **state)
{
	_cleanup_(line_cache_fini) struct line_cache cache;
	static const char text[] = FIRST SECOND;

	(void)state;
	line_cache_init(&cache);
	assert_int_equal(meaning_of(&cache, FIRST, strlen(FIRST)), 0);
	line_cache_add(&cache, FIRST, strlen(FIRST), 7);
	line_cache_add(&cache, SECOND, strlen(SECOND), 8);
	assert_int_equal(meaning_of(&cache, text, strlen(text)), 7);
	assert_int_equal(line_cache_find(&cache, text, strlen(text))->length, strlen(FIRST));
	assert_int_equal(meaning_of(&cache, text + strlen(FIRST), strlen(SECOND)), 8);
	/* Not a byte more than is there is looked at. */
	for (size_t length = 0; length < strlen(FIRST); length++) {
		_cleanup_free_ char *piece = memory_new(length + 1);

		memcpy(piece, FIRST, length);
		assert_int_equal(meaning_of(&cache, piece, length), 0);
	}
}

static void test_what_has_no_place_is_not_kept(void **state)
{
	_cleanup_(line_cache_fini) struct line_cache cache;
	char line[LINE_CACHE_MAX_LINE + 1];

	(void)state;
	line_cache_init(&cache);
	line_cache_add(&cache, "\tshort\n", 7, 1);
	assert_int_equal(meaning_of(&cache, "\tshort\n", 7), 0);
	memset(line, 'x', sizeof(line));
	line_cache_add(&cache, line, sizeof(line), 1);
	assert_int_equal(meaning_of(&cache, line, sizeof(line)), 0);
	/* Lines that begin alike share one place. */
	for (uint32_t i = 0; i < 2 * LINE_CACHE_WAYS; i++) {
		line[100] = (char)('a' + i);
		line_cache_add(&cache, line, 101, i + 1);
		assert_int_equal(meaning_of(&cache, line, 101), i < LINE_CACHE_WAYS ? i + 1 : 0);
	}
}

static void test_memory_has_an_end(void **state)
{
	_cleanup_(line_cache_fini) struct line_cache cache;
	char line[LINE_CACHE_MAX_LINE];

	(void)state;
	line_cache_init(&cache);
	memset(line, ' ', sizeof(line));
	for (uint64_t i = 0; i < 2 * LINE_CACHE_MAX_BYTES / LINE_CACHE_MAX_LINE; i++) {
		memcpy(line + 1, &i, sizeof(i));
		line_cache_add(&cache, line, sizeof(line), 1);
	}
	assert_true(cache.used <= LINE_CACHE_MAX_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_is_found_as_a_whole),
		cmocka_unit_test(test_what_has_no_place_is_not_kept),
		cmocka_unit_test(test_memory_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
