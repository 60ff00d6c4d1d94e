/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/embedded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/flamegraph/flamegraph.h"
#include "common/profile.h"
#include "tests/unit/cmocka_all.h"

/* A profile of count stacks, large enough to be written in pieces. */
static struct profile *make_profile(uint32_t count)
{
	struct profile *profile = profile_new();
	char name[32];

	for (uint32_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "]]><b>&%u", i * 2654435761u);
		struct profile_frame frame = {.name = profile_string(profile, name)};
		uint32_t node = profile_add_node(profile, PROFILE_NO_NODE,
						 profile_add_frame(profile, &frame));

		profile_add_row(profile, PROFILE_NO_THREAD, node, i + 1, i + 1, 0);
	}
	return profile;
}

static char *embed(const struct profile *profile, size_t *length)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, length);

	fputs("<svg>", file);
	assert_int_equal(embedded_write(profile, EMBEDDED_PROFILE, file), 0);
	fputs("</svg>", file);
	fclose(file);
	return text;
}

static void test_a_profile_comes_back_out_of_a_picture(void **state)
{
	static const uint32_t counts[] = {0, 1, 2, 3, 40000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		_cleanup_(profile_freep) struct profile *written = make_profile(counts[i]);
		_cleanup_(profile_freep) struct profile *read = NULL;
		const char *error = NULL;
		size_t length;
		_cleanup_free_ char *text = embed(written, &length);

		assert_int_equal(embedded_read(text, length, EMBEDDED_PROFILE, &read, &error), 0);
		assert_int_equal(read->row_count, counts[i]);
		assert_int_equal(embedded_read(text, length, EMBEDDED_BASE, &read, &error),
				 -ENOENT);
	}
}

static void test_a_damaged_picture_is_an_error(void **state)
{
	_cleanup_(profile_freep) struct profile *written = make_profile(50);
	_cleanup_(profile_freep) struct profile *read = NULL;
	const char *error = NULL;
	size_t length;
	_cleanup_free_ char *text = embed(written, &length);

	(void)state;
	for (size_t cut = 0; cut < length - strlen("</metadata>\n</svg>"); cut += 7) {
		assert_true(embedded_read(text, cut, EMBEDDED_PROFILE, &read, &error) < 0);
		assert_non_null(error);
	}
	memset(text + length / 2, 'A', 40);
	assert_true(embedded_read(text, length, EMBEDDED_PROFILE, &read, &error) < 0);
}

/* Text between tags, and tags, in turn: nothing that a name holds may be markup. */
static void test_names_cannot_be_markup(void **state)
{
	static const char hostile[] =
		"main;<script>alert(1)</script>;]]>;\"&';\x01\xff\xed\xa0\x80;\xef\xbf\xbf 5\n";
	_cleanup_(stack_list_fini) struct stack_list list;
	struct flamegraph_options options;
	struct stack_levels levels = {0};
	_cleanup_free_ char *text = NULL;
	size_t length = 0;

	(void)state;
	stack_list_init(&list);
	uint32_t frames[8], depth = 0;
	for (const char *at = hostile; *at != ' ';
	     at += strcspn(at, "; ") + (at[strcspn(at, "; ")] == ';'))
		frames[depth++] = stack_list_frame(&list, at, strcspn(at, "; "));
	assert_int_equal(stack_list_add(&list, frames, depth, 5, 0), 0);
	flamegraph_options_init(&options);
	FILE *file = open_memstream(&text, &length);
	assert_int_equal(flamegraph_write_stacks(&list, &levels, &options, FLAMEGRAPH_SVG, file),
			 0);
	fclose(file);
	char *script = strstr(text, "<script type");
	assert_non_null(script);
	*script = 0;
	assert_null(strstr(text, "<script>"));
	assert_null(strstr(text, "]]>"));
	assert_null(strchr(text, '\x01'));
	assert_null(strchr(text, '\xff'));
	assert_null(strstr(text, "\xef\xbf\xbf"));
	assert_non_null(strstr(text, "&lt;script&gt;alert(1)&lt;/script&gt; (5 samples, 100.00%)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_profile_comes_back_out_of_a_picture),
		cmocka_unit_test(test_a_damaged_picture_is_an_error),
		cmocka_unit_test(test_names_cannot_be_markup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
