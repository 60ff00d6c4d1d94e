/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/name_table.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"

static int memfd_of(const char *bytes, size_t length)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), length);
	return fd;
}

static void test_plain_names_are_readable_at_once(void **state)
{
	struct name_table table;
	struct name_batch batch = {0};

	(void)state;
	name_table_init(&table);
	name_table_collect(&table, "main", &batch);
	name_table_collect(&table, "bad\xff\nname", &batch);
	assert_int_equal(batch.count, 0);
	assert_string_equal(name_table_find(&table, "main"), "main");
	assert_string_equal(name_table_find(&table, "bad\xff\nname"), "bad\xef\xbf\xbd?name");
	assert_string_equal(name_table_find(&table, "other"), "");
	name_table_fini(&table);
}

static void test_mangled_names_are_asked_for_once(void **state)
{
	static const char answer[] = "f()\0g()";
	struct name_table table;
	struct name_batch batch = {0}, again = {0};
	char written[32];

	(void)state;
	name_table_init(&table);
	name_table_collect(&table, "_Z1fv", &batch);
	name_table_collect(&table, "_Z1fv", &batch);
	name_table_collect(&table, "_Z1gv", &batch);
	assert_int_equal(batch.count, 2);
	/* Until the answer comes. */
	assert_string_equal(name_table_find(&table, "_Z1fv"), "_Z1fv");

	int question = name_table_write(&table, &batch);
	assert_int_equal(pread(question, written, sizeof(written), 0), 12);
	assert_memory_equal(written, "_Z1fv\0_Z1gv", 12);
	close(question);
	int fd = memfd_of(answer, sizeof(answer));
	name_table_take(&table, &batch, fd);
	close(fd);
	assert_string_equal(name_table_find(&table, "_Z1fv"), "f()");
	assert_string_equal(name_table_find(&table, "_Z1gv"), "g()");
	name_table_collect(&table, "_Z1gv", &again);
	assert_int_equal(again.count, 0);
	name_batch_fini(&batch);
	name_table_fini(&table);
}

/* The reader may have been taken over by what it read. */
static void test_a_bad_answer_leaves_the_names_as_they_are(void **state)
{
	static const char cut[] = {'f', '(', ')'};
	struct name_table table;
	struct name_batch batch = {0};

	(void)state;
	name_table_init(&table);
	name_table_collect(&table, "_Z1fv", &batch);
	name_table_collect(&table, "_Z1gv", &batch);
	int fd = memfd_of("", 0);
	name_table_take(&table, &batch, fd);
	close(fd);
	assert_string_equal(name_table_find(&table, "_Z1fv"), "_Z1fv");
	fd = memfd_of(cut, sizeof(cut));
	name_table_take(&table, &batch, fd);
	close(fd);
	assert_string_equal(name_table_find(&table, "_Z1fv"), "f()");
	assert_string_equal(name_table_find(&table, "_Z1gv"), "_Z1gv");
	name_batch_fini(&batch);
	name_table_fini(&table);
}

static void test_a_name_without_end_is_cut(void **state)
{
	static char name[NAME_TABLE_MAX_NAME + 100];
	struct name_table table;
	struct name_batch batch = {0};

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name_table_init(&table);
	name_table_collect(&table, name, &batch);
	assert_int_equal(strlen(name_table_find(&table, name)), NAME_TABLE_MAX_NAME);
	name_table_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_names_are_readable_at_once),
		cmocka_unit_test(test_mangled_names_are_asked_for_once),
		cmocka_unit_test(test_a_bad_answer_leaves_the_names_as_they_are),
		cmocka_unit_test(test_a_name_without_end_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
