/* SPDX-License-Identifier: Apache-2.0 */
#include "common/parse.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cmocka_all.h"

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int error;
		uint64_t ns;
	} cases[] = {
		{"30s", 0, 30000000000},   {"30", 0, 30000000000},
		{"5m", 0, 300000000000},   {"2h", 0, 7200000000000},
		{"250ms", 0, 250000000},   {"1m30s", 0, 90000000000},
		{"1.5s", 0, 1500000000},   {"0s", 0, 0},
		{"1d", 0, 86400000000000}, {"", -EINVAL, 0},
		{"s", -EINVAL, 0},         {"-5s", -EINVAL, 0},
		{"5x", -EINVAL, 0},        {"5s3", -EINVAL, 0},
		{"1e3s", -EINVAL, 0},      {"99999999999999d", -ERANGE, 0},
		{"5 s", -EINVAL, 0},       {".", -EINVAL, 0},
		{"1..2s", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t ns = 0;

		assert_int_equal(parse_duration(cases[i].text, strlen(cases[i].text), &ns),
				 cases[i].error);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int error;
		uint64_t bytes;
	} cases[] = {
		{"4096", 0, 4096},
		{"64k", 0, 65536},
		{"64M", 0, 67108864},
		{"1GiB", 0, 1073741824},
		{"1GB", 0, 1073741824},
		{"0", 0, 0},
		{"", -EINVAL, 0},
		{"M", -EINVAL, 0},
		{"1X", -EINVAL, 0},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999T", -ERANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t bytes = 0;

		assert_int_equal(parse_size(cases[i].text, strlen(cases[i].text), &bytes),
				 cases[i].error);
		assert_int_equal(bytes, cases[i].bytes);
	}
}

static void test_numbers(void **state)
{
	uint64_t number = 0;
	double real = 0;

	(void)state;
	assert_int_equal(parse_u64("123", 3, 1, 4999, &number), 0);
	assert_int_equal(number, 123);
	assert_int_equal(parse_u64("5000", 4, 1, 4999, &number), -ERANGE);
	assert_int_equal(parse_u64("12x", 3, 1, 4999, &number), -EINVAL);
	assert_int_equal(parse_u64("-1", 2, 0, 4999, &number), -EINVAL);
	assert_int_equal(parse_double("0.59", 4, 0, 1, &real), 0);
	assert_true(real > 0.589 && real < 0.591);
	assert_int_equal(parse_double("nan", 3, 0, 1, &real), -EINVAL);
	assert_int_equal(parse_double("inf", 3, 0, 1, &real), -EINVAL);
	assert_int_equal(parse_double("0x1p3", 5, 0, 100, &real), -EINVAL);
	assert_int_equal(parse_double(" 1", 2, 0, 100, &real), -EINVAL);
	assert_int_equal(parse_percent("1.5%", 4, &real), 0);
	assert_int_equal(parse_percent("101", 3, &real), -ERANGE);
}

static void test_times(void **state)
{
	/* 2026-11-20 12:00:00 UTC; the tests run with TZ=UTC. */
	const int64_t now = INT64_C(1795176000) * 1000000000;
	static const struct {
		const char *text;
		int error;
		int64_t seconds; /* from now */
	} cases[] = {
		{"now", 0, 0},
		{"-5m", 0, -300},
		{"@1795175000", 0, -1000},
		{"11:59:50", 0, -10},
		{"11:00", 0, -3600},
		{"12:00:01", 0, -86399}, /* yesterday */
		{"2026-11-20T12:00:00Z", 0, 0},
		{"2026-11-20T13:00:00+01:00", 0, 0},
		{"2026-11-20 11:00:00", 0, -3600},
		{"25:00", -ERANGE, 0},
		{"12:60", -ERANGE, 0},
		{"2026-13-01T00:00:00Z", -ERANGE, 0},
		{"2262-01-01T00:00:00Z", -ERANGE, 0},
		{"2026-11-20T12:00:00Zjunk", -EINVAL, 0},
		{"yesterday", -EINVAL, 0},
		{"@", -EINVAL, 0},
		{"", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t time = now;

		assert_int_equal(parse_time(cases[i].text, strlen(cases[i].text), now, &time),
				 cases[i].error);
		assert_int_equal((time - now) / 1000000000, cases[i].seconds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
