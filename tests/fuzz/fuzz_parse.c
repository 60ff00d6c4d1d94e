/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "common/parse.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	uint64_t number = 0;
	int64_t time_ns;
	double real = 0;

	if (!parse_u64(text, size, 10, 20, &number) && (number < 10 || number > 20))
		abort();
	if (!parse_double(text, size, -1, 1, &real) && !(real >= -1 && real <= 1))
		abort();
	if (!parse_percent(text, size, &real) && !(real >= 0 && real <= 100))
		abort();
	(void)!parse_duration(text, size, &number);
	(void)!parse_size(text, size, &number);
	(void)!parse_time(text, size, INT64_C(1700000000000000000), &time_ns);
	return 0;
}
