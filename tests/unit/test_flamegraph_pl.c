/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames we draw are those that flamegraph.pl draws, for every case in the reference data:
 * NAME.CASE.frames.tsv holds the arguments in its first line and the frames of NAME.folded.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wordexp.h>

#include "client/flamegraph/frames.h"
#include "client/flamegraph/picture.h"
#include "client/formats/folded.h"
#include "tests/unit/cmocka_all.h"

#define ARGUMENTS_MARK "# args: "

static char data_folder[2048];

/* Owned (free). */
static char *read_file(const char *path, size_t *length)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t capacity = 0;

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	ssize_t size = getdelim(&text, &capacity, -1, file);
	if (size < 0)
		fail_msg("%s is empty", path);
	*length = (size_t)size;
	return text;
}

static void set_options(struct flamegraph_options *options, const wordexp_t *words)
{
	size_t count = flamegraph_options_count();
	struct option *list = memory_new((count + 1) * sizeof(*list));
	int value;

	flamegraph_options_list(list, 1000);
	optind = 0;
	while ((value = getopt_long((int)words->we_wordc, words->we_wordv, "", list, NULL)) != -1) {
		const char *error = NULL;

		assert_true(value >= 1000);
		if (flamegraph_options_set(options, (size_t)(value - 1000), optarg, &error))
			fail_msg("%s: %s", optarg, error);
	}
	free(list);
}

/* Draw the folded text at path with the arguments; the frames are Owned (free). */
static char *draw(const char *path, const wordexp_t *words)
{
	struct flamegraph_options options;
	_cleanup_(stack_list_fini) struct stack_list list;
	_cleanup_(folded_reader_fini) struct folded_reader reader;
	_cleanup_(picture_fini) struct picture picture;
	char *frames = NULL;
	size_t size = 0, length;
	_cleanup_free_ char *text = read_file(path, &length);

	flamegraph_options_init_compatible(&options);
	set_options(&options, words);
	stack_list_init(&list);
	folded_reader_init(&reader, &list);
	assert_int_equal(folded_reader_feed(&reader, text, length), 0);
	assert_int_equal(picture_init(&picture, &list, &options), 0);
	FILE *file = open_memstream(&frames, &size);
	assert_int_equal(frames_write(&picture, file), 0);
	fclose(file);
	return frames;
}

struct lines {
	char **lines;
	size_t count;
	size_t capacity;
};

static int compare_lines(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The lines of text, sorted; those that start with '#' are left out. */
static void split_lines(struct lines *lines, char *text)
{
	char *state = NULL;

	for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
		if (line[0] == '#')
			continue;
		lines->lines = memory_grow(lines->lines, &lines->capacity, lines->count + 1,
					   sizeof(*lines->lines));
		lines->lines[lines->count++] = line;
	}
	qsort(lines->lines, lines->count, sizeof(*lines->lines), compare_lines);
}

/* Print the first difference of two sets of lines; returns how many lines are not in both. */
static size_t compare_sets(const char *name, const struct lines *ours, const struct lines *theirs)
{
	size_t i = 0, k = 0, differences = 0;

	while (i < ours->count || k < theirs->count) {
		int order = i == ours->count     ? 1
			    : k == theirs->count ? -1
						 : strcmp(ours->lines[i], theirs->lines[k]);

		if (order && !differences++)
			fprintf(stderr, "%s: %s %s\n", name, order < 0 ? "too many" : "missing",
				order < 0 ? ours->lines[i] : theirs->lines[k]);
		i += order <= 0;
		k += order >= 0;
	}
	return differences;
}

static size_t check_case(const char *path)
{
	char folded[4096], arguments[4096];
	struct lines ours = {0}, theirs = {0};
	size_t length;
	wordexp_t words;
	_cleanup_free_ char *expected = read_file(path, &length);
	const char *name = strrchr(path, '/') + 1;

	snprintf(folded, sizeof(folded), "%s/%.*s.folded", data_folder, (int)strcspn(name, "."),
		 name);
	assert_int_equal(strncmp(expected, ARGUMENTS_MARK, strlen(ARGUMENTS_MARK)), 0);
	snprintf(arguments, sizeof(arguments), "render %.*s",
		 (int)strcspn(expected + strlen(ARGUMENTS_MARK), "\n"),
		 expected + strlen(ARGUMENTS_MARK));
	for (char *sign = strchr(arguments, '#'); sign; sign = strchr(sign, '#'))
		*sign = '_';
	assert_int_equal(wordexp(arguments, &words, WRDE_NOCMD), 0);
	_cleanup_free_ char *drawn = draw(folded, &words);
	split_lines(&ours, drawn);
	split_lines(&theirs, expected);
	size_t differences = compare_sets(name, &ours, &theirs);
	free(ours.lines);
	free(theirs.lines);
	wordfree(&words);
	return differences;
}

static void test_frames_are_those_of_flamegraph_pl(void **state)
{
	char pattern[4096];
	size_t wrong = 0;
	glob_t found;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/*.frames.tsv", data_folder);
	if (glob(pattern, 0, NULL, &found))
		skip();
	for (size_t i = 0; i < found.gl_pathc; i++)
		wrong += check_case(found.gl_pathv[i]) != 0;
	globfree(&found);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_are_those_of_flamegraph_pl),
	};

	const char *shared_data = getenv("FLAME_SHARED_DATA");
	snprintf(data_folder, sizeof(data_folder), "%s/flamegraph",
		 shared_data ? shared_data : "../shared/data");
	if (access(data_folder, R_OK)) {
		printf("the reference data (shared/data) is absent\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
