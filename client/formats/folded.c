/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/folded.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void folded_reader_init(struct folded_reader *reader, struct stack_list *list)
{
	*reader = (struct folded_reader){.list = list};
}

void folded_reader_fini(struct folded_reader *reader)
{
	free(reader->frames);
	free(reader->ends);
	*reader = (struct folded_reader){0};
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * Take a number ("12", "12.", "12.5") and one space before it off the end of the line and return
 * non-zero, or leave the line as it is.
 */
static int take_number(const char *line, size_t *length, double *number)
{
	const char *end = line + *length;
	const char *start = end;
	double value = 0, scale = 0.1;

	while (start > line && (is_digit(start[-1]) || start[-1] == '.'))
		start--;
	if (start == end || start == line || !is_digit(*start) || !is_space(start[-1]))
		return 0;
	const char *at = start;
	for (; at < end && is_digit(*at); at++)
		value = value * 10 + (*at - '0');
	if (at < end && *at == '.')
		at++;
	for (; at < end && is_digit(*at); at++, scale /= 10)
		value += scale * (*at - '0');
	if (at != end)
		return 0;
	*number = value;
	*length = (size_t)(start - 1 - line);
	return 1;
}

int folded_matches(const char *line, size_t length)
{
	double number;

	return take_number(line, &length, &number) && length;
}

/* How many bytes of two texts are equal from the start. */
static size_t common_length(const char *a, const char *b, size_t length)
{
	size_t at = 0;

	for (; at + 8 <= length; at += 8) {
		uint64_t left, right;

		memcpy(&left, a + at, 8);
		memcpy(&right, b + at, 8);
		if (left != right)
			break;
	}
	while (at < length && a[at] == b[at])
		at++;
	return at;
}

/* How many frames of the line before also start this one, ends included. */
static uint32_t shared_depth(const struct folded_reader *reader, const char *text, size_t length)
{
	size_t limit = length < reader->length ? length : reader->length;
	size_t common = limit ? common_length(text, reader->text, limit) : 0;
	uint32_t low = 0, high = reader->depth;

	/* Binary search for the last frame that ends inside the common part, before a ';'. */
	while (low < high) {
		uint32_t middle = (low + high + 1) / 2;

		if (reader->ends[middle - 1] < common)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static void add_frame(struct folded_reader *reader, const char *text, const char *name,
		      const char *end)
{
	uint32_t depth = reader->depth++;

	reader->frames = memory_grow(reader->frames, &reader->frame_capacity, reader->depth,
				     sizeof(*reader->frames));
	reader->ends = memory_grow(reader->ends, &reader->end_capacity, reader->depth,
				   sizeof(*reader->ends));
	reader->frames[depth] = stack_list_frame(reader->list, name, (size_t)(end - name));
	reader->ends[depth] = (uint32_t)(end - text);
}

/* Find the frames of a stack; those shared with the stack before are there already. */
static void read_frames(struct folded_reader *reader, const char *text, size_t length)
{
	const char *end = text + length;

	while (end > text && end[-1] == ';')
		end--;
	length = (size_t)(end - text);
	reader->depth = shared_depth(reader, text, length);
	const char *name = text + (reader->depth ? reader->ends[reader->depth - 1] + 1 : 0);
	while (name < end) {
		const char *stop = memchr(name, ';', (size_t)(end - name));

		add_frame(reader, text, name, stop ? stop : end);
		name = stop ? stop + 1 : end;
	}
	reader->text = text;
	reader->length = length;
}

static int read_line(struct folded_reader *reader, const char *line, size_t length)
{
	double last, first;

	if (length && line[length - 1] == '\r')
		length--;
	if (!length)
		return 0;
	if (!take_number(line, &length, &last)) {
		reader->ignored_lines++;
		return 0;
	}
	if (take_number(line, &length, &first))
		reader->list->has_two = 1;
	else
		first = last;
	read_frames(reader, line, length);
	return stack_list_add(reader->list, reader->frames, reader->depth, first, last);
}

int folded_reader_feed(struct folded_reader *reader, const char *text, size_t length)
{
	const char *end = text + length;
	int error = 0;

	/* The line before lies in a piece that may be gone. */
	reader->length = 0;
	reader->depth = 0;
	while (text < end && !error) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (!stop)
			stop = end;
		error = read_line(reader, text, (size_t)(stop - text));
		text = stop + 1;
	}
	return error;
}

static const char *const annotations[FRAME_KIND_COUNT] = {
	[FRAME_KERNEL] = "_[k]",
	[FRAME_JIT] = "_[j]",
	[FRAME_INLINED] = "_[i]",
};

/* The frame whose name is what the text says for frame number, annotation and all. */
static uint32_t settle_name(struct stack_list *list, uint32_t number, unsigned int flags)
{
	const struct profile_frame *frame = &list->profile->frames[number];
	const struct intern_string *name = &list->profile->strings.strings[frame->name];
	const char *annotation = annotations[frame->kind];

	if (!(flags & FOLDED_ANNOTATE) || !annotation || stack_annotation(name->text, name->length))
		annotation = "";
	_cleanup_free_ char *text = memory_format("%s%s", name->text, annotation);
	for (char *at = text; *at; at++) {
		unsigned char c = (unsigned char)*at;

		*at = c == ';' ? ':' : c < 0x20 || c == 0x7f ? '_' : (char)c;
	}
	return stack_list_frame(list, text, strlen(text));
}

/* Frames that look the same in the text become the same, so that their lines are merged. */
static void settle_names(struct stack_list *list, unsigned int flags)
{
	uint32_t count = list->profile->frame_count;
	_cleanup_free_ uint32_t *settled = memory_new((count + 1) * sizeof(*settled));

	for (uint32_t i = 0; i < count; i++)
		settled[i] = settle_name(list, i, flags);
	for (size_t i = 0; i < list->frame_count; i++)
		list->frames[i] = settled[list->frames[i]];
	list->has_modules = 0;
}

int folded_write(struct stack_list *list, unsigned int flags, FILE *file)
{
	settle_names(list, flags);
	stack_list_merge_equal(list);
	for (uint32_t i = 0; i < list->stack_count; i++) {
		const struct stack *stack = &list->stacks[i];
		double before = nearbyint(stack->values[STACK_BEFORE]);
		double after = nearbyint(stack->values[STACK_AFTER]);

		if (before <= 0 && (!list->has_two || after <= 0))
			continue;
		for (uint32_t k = 0; k < stack->depth; k++) {
			if (k)
				putc_unlocked(';', file);
			fputs_unlocked(stack_list_name(list, list->frames[stack->first + k]), file);
		}
		fprintf(file, " %.0f", before);
		fprintf(file, list->has_two ? " %.0f\n" : "\n", after);
	}
	return ferror(file) ? -EIO : 0;
}
