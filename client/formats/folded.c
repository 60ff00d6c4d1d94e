/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/folded.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/formats/short_text.h"

void folded_reader_init(struct folded_reader *reader, struct stack_list *list)
{
	*reader = (struct folded_reader){.list = list};
	reader->guesses = memory_new(FOLDED_GUESSES * sizeof(*reader->guesses));
}

void folded_reader_fini(struct folded_reader *reader)
{
	free(reader->frames);
	free(reader->ends);
	free(reader->names);
	free(reader->guesses);
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

/* Note the names of frames up to frame. */
static void learn_names(struct folded_reader *reader, uint32_t frame)
{
	const struct profile *profile = reader->list->profile;

	reader->names = memory_grow(reader->names, &reader->name_capacity, (size_t)frame + 1,
				    sizeof(*reader->names));
	for (; reader->name_count <= frame; reader->name_count++) {
		const struct intern_string *name =
			&profile->strings.strings[profile->frames[reader->name_count].name];

		reader->names[reader->name_count] = name->text;
	}
}

/* Non-zero when the guess is what stands at text. */
static int is_right(const struct folded_reader *reader, const struct folded_guess *guess,
		    const char *text, const char *end)
{
	size_t rest = (size_t)(end - text);

	/* An empty slot has no length; an empty name takes the long way. */
	return guess->length && rest >= guess->length &&
	       (rest == guess->length || text[guess->length] == ';') &&
	       guess->frame < reader->name_count &&
	       short_text_is_equal(text, reader->names[guess->frame], guess->length);
}

/* Where to keep a guess: by the frame before and how the name begins. */
static struct folded_guess *find_guess(struct folded_reader *reader, const char *text,
				       const char *end, uint32_t before)
{
	uint64_t start = 0;
	size_t rest = (size_t)(end - text);

	if (rest >= sizeof(start))
		memcpy(&start, text, sizeof(start));
	else
		memcpy(&start, text, rest);
	start = (start ^ before * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
	return &reader->guesses[start >> 48 & (FOLDED_GUESSES - 1)];
}

/* The frame at *text, which moves to the end of its name; before is the one before it. */
static uint32_t read_frame(struct folded_reader *reader, const char **text, const char *end,
			   uint32_t before)
{
	struct folded_guess *guess = find_guess(reader, *text, end, before);

	if (is_right(reader, guess, *text, end)) {
		*text += guess->length;
		return guess->frame;
	}
	const char *stop = memchr(*text, ';', (size_t)(end - *text));
	if (!stop)
		stop = end;
	guess->length = (uint32_t)(stop - *text);
	guess->frame = stack_list_frame(reader->list, *text, guess->length);
	if (guess->frame >= reader->name_count)
		learn_names(reader, guess->frame);
	*text = stop;
	return guess->frame;
}

/* Find the frames of a stack; those shared with the stack before are there already. */
static void read_frames(struct folded_reader *reader, const char *text, size_t length)
{
	const char *end = text + length;

	while (end > text && end[-1] == ';')
		end--;
	length = (size_t)(end - text);
	uint32_t depth = shared_depth(reader, text, length);
	uint32_t before = depth ? reader->frames[depth - 1] : UINT32_MAX;
	const char *name = text + (depth ? reader->ends[depth - 1] + 1 : 0);
	while (name < end) {
		if (depth >= reader->frame_capacity || depth >= reader->end_capacity) {
			reader->frames = memory_grow(reader->frames, &reader->frame_capacity,
						     (size_t)depth + 1, sizeof(*reader->frames));
			reader->ends = memory_grow(reader->ends, &reader->end_capacity,
						   (size_t)depth + 1, sizeof(*reader->ends));
		}
		before = read_frame(reader, &name, end, before);
		reader->frames[depth] = before;
		reader->ends[depth++] = (uint32_t)(name - text);
		name++;
	}
	reader->depth = depth;
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
static uint32_t settle_name(struct stack_list *list, uint32_t number, const char *annotation)
{
	const struct profile_frame *frame = &list->profile->frames[number];
	const struct intern_string *name = &list->profile->strings.strings[frame->name];

	if (!annotation || stack_annotation(name->text, name->length))
		annotation = "";
	_cleanup_free_ char *text = memory_format("%s%s", name->text, annotation);
	for (char *at = text; *at; at++) {
		unsigned char c = (unsigned char)*at;

		*at = c == ';' ? ':' : c < 0x20 || c == 0x7f ? '_' : (char)c;
	}
	return stack_list_frame(list, text, strlen(text));
}

static int is_separator(const struct stack_list *list, uint32_t frame)
{
	return strcmp(profile_text(list->profile, list->profile->frames[frame].name), "--") == 0;
}

/* Settle the frames of all stacks, those behind "--" as a waker's. */
static void annotate_wakers(struct stack_list *list, const uint32_t *settled, uint32_t count)
{
	/* One more than the number, 0: not made yet. */
	_cleanup_free_ uint32_t *wakers = memory_new((count + 1) * sizeof(*wakers));

	for (uint32_t i = 0; i < list->stack_count; i++) {
		uint32_t *frames = &list->frames[list->stacks[i].first];
		int is_waker = 0;

		for (uint32_t k = 0; k < list->stacks[i].depth; k++) {
			uint32_t frame = frames[k];

			if (is_waker && !wakers[frame])
				wakers[frame] = settle_name(list, frame, "_[w]") + 1;
			frames[k] = is_waker ? wakers[frame] - 1 : settled[frame];
			is_waker |= is_separator(list, frame);
		}
	}
}

/* Frames that look the same in the text become the same, so that their lines are merged. */
static void settle_names(struct stack_list *list, unsigned int flags)
{
	uint32_t count = list->profile->frame_count;
	_cleanup_free_ uint32_t *settled = memory_new((count + 1) * sizeof(*settled));

	for (uint32_t i = 0; i < count; i++)
		settled[i] = settle_name(list, i,
					 flags & FOLDED_ANNOTATE
						 ? annotations[list->profile->frames[i].kind]
						 : NULL);
	/* Before the names change: which frames are a waker's is told by the one before them. */
	if (flags & FOLDED_ANNOTATE)
		annotate_wakers(list, settled, count);
	else
		for (size_t i = 0; i < list->frame_count; i++)
			list->frames[i] = settled[list->frames[i]];
	list->has_modules = 0;
}

#define LINE_BYTES 65536
#define FRACTIONS  1e6 /* of a count are told apart */

/* Lines on their way to a file. */
struct lines {
	FILE *file;
	size_t used;
	char bytes[LINE_BYTES];
};

static void put_bytes(struct lines *lines, const char *bytes, size_t length)
{
	if (lines->used + length > sizeof(lines->bytes)) {
		fwrite_unlocked(lines->bytes, 1, lines->used, lines->file);
		lines->used = 0;
	}
	if (length > sizeof(lines->bytes)) {
		fwrite_unlocked(bytes, 1, length, lines->file);
		return;
	}
	memcpy(lines->bytes + lines->used, bytes, length);
	lines->used += length;
}

/* Text keeps its fractions; of what was measured a fraction of the unit says nothing. */
static int has_fractions(const struct stack_list *list)
{
	return !list->profile->event;
}

static int is_shown(const struct stack_list *list, double value)
{
	return nearbyint(has_fractions(list) ? value * FRACTIONS : value) > 0;
}

static void put_value(struct lines *lines, const struct stack_list *list, double value)
{
	int is_whole = !has_fractions(list) || nearbyint(value) == value;
	char number[512];
	int length = snprintf(number, sizeof(number), is_whole ? " %.0f" : " %.6f", value);

	/* No zeros or point at the end, and no exponent, which is no folded text. */
	while (!is_whole && number[length - 1] == '0')
		length--;
	if (number[length - 1] == '.')
		length--;
	put_bytes(lines, number, (size_t)length);
}

static void put_stack(struct lines *lines, const struct stack_list *list, const struct stack *stack)
{
	const struct profile *profile = list->profile;

	for (uint32_t i = 0; i < stack->depth; i++) {
		uint32_t frame = list->frames[stack->first + i];
		const struct intern_string *name =
			&profile->strings.strings[profile->frames[frame].name];

		if (i)
			put_bytes(lines, ";", 1);
		put_bytes(lines, name->text, name->length);
	}
	put_value(lines, list, stack->values[STACK_BEFORE]);
	if (list->has_two)
		put_value(lines, list, stack->values[STACK_AFTER]);
	put_bytes(lines, "\n", 1);
}

int folded_write(struct stack_list *list, unsigned int flags, FILE *file)
{
	_cleanup_free_ struct lines *lines = memory_resize(NULL, 1, sizeof(*lines));

	lines->file = file;
	lines->used = 0;
	settle_names(list, flags);
	stack_list_merge_equal(list);
	for (uint32_t i = 0; i < list->stack_count; i++) {
		const struct stack *stack = &list->stacks[i];

		if (is_shown(list, stack->values[STACK_BEFORE]) ||
		    (list->has_two && is_shown(list, stack->values[STACK_AFTER])))
			put_stack(lines, list, stack);
	}
	fwrite_unlocked(lines->bytes, 1, lines->used, file);
	return ferror(file) ? -EIO : 0;
}
