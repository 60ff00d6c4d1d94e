/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "client/formats/perf_script.h"
#include "client/formats/perf_script_line.h"
#include "tests/fuzz/target.h"

static const struct perf_script_settings settings[] = {
	{0},
	{.tid = 1, .annotate_kernel = 1, .annotate_jit = 1},
	{.pid = 1, .srcline = 1, .addresses = 1, .event_filter = "cycles"},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)perf_script_matches((const char *)data, size);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		_cleanup_(stack_list_fini) struct stack_list list;
		_cleanup_(perf_script_reader_fini) struct perf_script_reader reader;

		stack_list_init(&list);
		perf_script_reader_init(&reader, &list, &settings[i]);
		if (perf_script_reader_feed(&reader, (const char *)data, size))
			abort();
		(void)perf_script_reader_finish(&reader);
		for (uint32_t k = 0; k < list.stack_count; k++)
			if (list.stacks[k].first + list.stacks[k].depth > list.frame_count)
				abort();
	}
	return 0;
}
