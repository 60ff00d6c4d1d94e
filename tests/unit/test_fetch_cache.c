/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fetch/fetch_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/unit/cmocka_all.h"

/* A folder for each test, removed with what is known to be in it. */
static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	unsetenv("DEBUGINFOD_CACHE_PATH");
	unsetenv("CACHE_DIRECTORY");
	unsetenv("TMPDIR");
	strcpy(folder, "/tmp/test-cache-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	/* It is what a private cache is too. */
	struct fetch_cache all = {memory_copy_text(folder, strlen(folder)), 1};

	(void)state;
	fetch_cache_close(&all);
	return access(folder, F_OK) ? 0 : -1;
}

static int open_cache(struct fetch_cache *cache, const char *path)
{
	*cache = (struct fetch_cache){0};
	return fetch_cache_open(cache, path, geteuid(), getegid());
}

static void test_a_missing_folder_is_made_for_its_owner_alone(void **state)
{
	_cleanup_free_ char *path = memory_format("%s/cache", folder);
	struct fetch_cache cache;
	struct stat status;

	(void)state;
	for (int i = 0; i < 2; i++) { /* and found the next time */
		assert_int_equal(open_cache(&cache, path), 0);
		assert_string_equal(cache.path, path);
		assert_int_equal(cache.is_private, 0);
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_mode & 07777, 0700);
		fetch_cache_close(&cache);
		assert_int_equal(access(path, F_OK), 0);
	}
}

static void test_a_folder_that_others_can_write_to_is_refused(void **state)
{
	static const struct {
		mode_t parent, mode;
		int error;
	} cases[] = {
		{0700, 0755, 0},       {0755, 0770, -EPERM}, {0700, 0777, -EPERM},
		{0700, 01777, -EPERM}, {0777, 0700, -EPERM}, {0770, 0700, -EPERM},
		{01777, 0700, 0}, /* sticky: others cannot replace it */
	};
	_cleanup_free_ char *parent = memory_format("%s/parent", folder);
	_cleanup_free_ char *path = memory_format("%s/parent/cache", folder);

	(void)state;
	assert_int_equal(mkdir(parent, 0700) | mkdir(path, 0700), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fetch_cache cache;

		assert_int_equal(chmod(parent, cases[i].parent) | chmod(path, cases[i].mode), 0);
		assert_int_equal(open_cache(&cache, path), cases[i].error);
		fetch_cache_close(&cache);
	}
}

static void test_what_is_no_folder_is_refused(void **state)
{
	_cleanup_free_ char *file = memory_format("%s/file", folder);
	_cleanup_free_ char *link = memory_format("%s/link", folder);
	_cleanup_free_ char *below = memory_format("%s/file/cache", folder);
	_cleanup_free_ char *dots = memory_format("%s/..", folder);
	_cleanup_free_ char *slash = memory_format("%s/", folder);
	_cleanup_free_ char *missing = memory_format("%s/missing/cache", folder);
	const struct {
		const char *path;
		int error;
	} cases[] = {
		{file, -EPERM},   {link, -EPERM},     {below, -ENOTDIR},  {dots, -EINVAL},
		{slash, -EINVAL}, {missing, -ENOENT}, {"cache", -EINVAL}, {"/", -EINVAL},
	};

	(void)state;
	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(symlink(folder, link), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fetch_cache cache;

		assert_int_equal(open_cache(&cache, cases[i].path), cases[i].error);
		assert_null(cache.path);
	}
}

static void test_the_environment_says_where_when_no_option_does(void **state)
{
	_cleanup_free_ char *path = memory_format("%s/one", folder);
	_cleanup_free_ char *two = memory_format("%s/two", folder);
	_cleanup_free_ char *service = memory_format("%s:/elsewhere", folder);
	_cleanup_free_ char *below = memory_format("%s/debuginfod", folder);
	struct fetch_cache cache;

	(void)state;
	setenv("CACHE_DIRECTORY", service, 1);
	assert_int_equal(open_cache(&cache, NULL), 0);
	assert_string_equal(cache.path, below);
	fetch_cache_close(&cache);
	setenv("DEBUGINFOD_CACHE_PATH", path, 1);
	assert_int_equal(open_cache(&cache, NULL), 0);
	assert_string_equal(cache.path, path);
	fetch_cache_close(&cache);
	assert_int_equal(open_cache(&cache, two), 0);
	assert_string_equal(cache.path, two);
	fetch_cache_close(&cache);
}

static void test_a_private_folder_is_removed_with_what_is_in_it(void **state)
{
	struct fetch_cache cache;
	struct stat status;

	(void)state;
	setenv("TMPDIR", folder, 1);
	assert_int_equal(open_cache(&cache, NULL), 0);
	assert_int_equal(cache.is_private, 1);
	assert_int_equal(strncmp(cache.path, folder, strlen(folder)), 0);
	assert_int_equal(stat(cache.path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	_cleanup_free_ char *path = memory_copy_text(cache.path, strlen(cache.path));
	_cleanup_free_ char *inside = memory_format("%s/inside", path);
	_cleanup_free_ char *outside = memory_format("%s/link", inside);
	assert_int_equal(mkdir(inside, 0700) | symlink("/tmp", outside), 0);
	fetch_cache_close(&cache);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access("/tmp", F_OK), 0);
	assert_null(cache.path);
	fetch_cache_close(&cache);
}

static void test_a_temporary_place_that_is_not_safe_is_passed_over(void **state)
{
	struct fetch_cache cache;

	(void)state;
	setenv("TMPDIR", folder, 1);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(open_cache(&cache, NULL), 0);
	assert_int_not_equal(strncmp(cache.path, folder, strlen(folder)), 0);
	fetch_cache_close(&cache);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_folder(test_a_missing_folder_is_made_for_its_owner_alone),
		in_folder(test_a_folder_that_others_can_write_to_is_refused),
		in_folder(test_what_is_no_folder_is_refused),
		in_folder(test_the_environment_says_where_when_no_option_does),
		in_folder(test_a_private_folder_is_removed_with_what_is_in_it),
		in_folder(test_a_temporary_place_that_is_not_safe_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
