/* SPDX-License-Identifier: Apache-2.0 */
/* Folded text in two pieces: what is read is written, read again and drawn; the sums stay. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/flamegraph/flamegraph.h"
#include "client/formats/folded.h"
#include "tests/fuzz/target.h"

static double read_text(struct stack_list *list, const char *text, size_t length, size_t cut)
{
	_cleanup_(folded_reader_fini) struct folded_reader reader;

	stack_list_init(list);
	folded_reader_init(&reader, list);
	if (folded_reader_feed(&reader, text, cut) ||
	    folded_reader_feed(&reader, text + cut, length - cut))
		abort();
	return stack_list_total(list, STACK_BEFORE) + stack_list_total(list, STACK_AFTER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *middle = memchr(text + size / 2, '\n', size - size / 2);
	_cleanup_(stack_list_fini) struct stack_list list = {0}, again = {0};
	_cleanup_free_ char *written = NULL, *drawn = NULL;
	struct flamegraph_options options;
	struct stack_levels levels = {0};
	size_t length = 0, drawn_length = 0;

	read_text(&list, text, size, middle ? (size_t)(middle + 1 - text) : 0);
	FILE *file = open_memstream(&written, &length);
	if (folded_write(&list, 0, file))
		abort();
	fclose(file);
	double total = read_text(&again, written, length, 0);
	flamegraph_options_init(&options);
	file = open_memstream(&drawn, &drawn_length);
	int error = flamegraph_write_stacks(&again, &levels, &options, FLAMEGRAPH_SVG, file);
	fclose(file);
	if ((error == 0) != (total > 0 && isfinite(total)) && again.has_two == 0)
		abort();
	return 0;
}
