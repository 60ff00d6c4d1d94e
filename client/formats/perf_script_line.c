/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/perf_script_line.h"

#include <string.h>

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int span_equals(struct span span, const char *text)
{
	return span.length == strlen(text) && memcmp(span.text, text, span.length) == 0;
}

static struct span trim_end(struct span span)
{
	while (span.length && perf_line_is_space(span.text[span.length - 1]))
		span.length--;
	return span;
}

/* --- the line of a sample ------------------------------------------------------------------ */

size_t perf_line_skip_digits(struct span line, size_t at)
{
	while (at < line.length && is_digit(line.text[at]))
		at++;
	return at;
}

/* "name 12 " or "name 12/34 ": the first number that stands alone ends the name, spaces and all. */
static int find_name(struct span line, struct perf_header *header)
{
	for (size_t space = 1; space < line.length; space++) {
		size_t first = space;

		if (!perf_line_is_space(line.text[space]))
			continue;
		while (first < line.length && perf_line_is_space(line.text[first]))
			first++;
		size_t second = perf_line_skip_digits(line, first);
		struct span number = {line.text + first, second - first};
		while (second < line.length && line.text[second] == '/')
			second++;
		size_t end = perf_line_skip_digits(line, second);
		if (!number.length || end == line.length || !perf_line_is_space(line.text[end]))
			continue;
		header->name = (struct span){line.text, space};
		header->tid = number;
		if (end > second) {
			header->pid = number;
			header->tid = (struct span){line.text + second, end - second};
		}
		return 1;
	}
	return 0;
}

/* ": 12345 event:" at the end of the line; returns where the event begins, or 0. */
static size_t find_event(struct span line, struct perf_header *header)
{
	line = trim_end(line);
	if (!line.length || line.text[line.length - 1] != ':')
		return 0;
	size_t event = line.length - 1;
	while (event > 0 && !perf_line_is_space(line.text[event - 1]))
		event--;
	size_t at = event;
	while (at > 0 && perf_line_is_space(line.text[at - 1]))
		at--;
	if (event == line.length - 1 || at == event)
		return 0;
	header->event = (struct span){line.text + event, line.length - 1 - event};
	size_t period = at;
	while (period > 0 && is_digit(line.text[period - 1]))
		period--;
	size_t colon = period;
	while (colon > 0 && perf_line_is_space(line.text[colon - 1]))
		colon--;
	/* Without a time before it the event is all there is. */
	if (colon > 0 && line.text[colon - 1] == ':')
		header->period = (struct span){line.text + period, at - period};
	else
		header->event.length = 0;
	return event;
}

int perf_header_read(struct span line, struct perf_header *header)
{
	*header = (struct perf_header){0};
	size_t event = find_event(line, header);

	if (find_name(line, header))
		return 1;
	/* `perf script -F comm,event,…`: neither pid nor tid. */
	if (!event)
		return 0;
	header->name = trim_end((struct span){line.text, event});
	return header->name.length > 0;
}

/* --- the line of a frame ------------------------------------------------------------------- */

/* Where the last " (" of the line is that has a ')' behind it; line.length when there is none. */
static size_t find_module(struct span line)
{
	static const char deleted[] = " (deleted))";
	size_t length = line.length;

	/* "(/path (deleted))" */
	if (length > strlen(deleted) &&
	    memcmp(line.text + length - strlen(deleted), deleted, strlen(deleted)) == 0)
		length -= strlen(deleted);
	for (size_t at = length; at-- > 1;)
		if (line.text[at] == '(' && line.text[at - 1] == ' ')
			return at - 1;
	return line.length;
}

int perf_frame_read(struct span line, struct perf_frame *frame)
{
	size_t at = 0;

	while (at < line.length && perf_line_is_space(line.text[at]))
		at++;
	frame->pc.text = line.text + at;
	while (at < line.length && perf_line_is_word(line.text[at]))
		at++;
	frame->pc.length = (size_t)(line.text + at - frame->pc.text);
	const char *close = memrchr(line.text, ')', line.length);
	if (!frame->pc.length || !close)
		return 0;
	line.length = (size_t)(close + 1 - line.text);
	while (at < line.length && perf_line_is_space(line.text[at]))
		at++;
	size_t module = find_module(line);
	if (module >= line.length || module <= at)
		return 0;
	frame->name = (struct span){line.text + at, module - at};
	frame->module = (struct span){line.text + module + 2, line.length - module - 3};
	return 1;
}

static int is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

struct span perf_line_strip_offset(struct span name)
{
	size_t at = name.length;

	while (at > 0 && is_hex(name.text[at - 1]))
		at--;
	if (at >= 3 && at < name.length && memcmp(name.text + at - 3, "+0x", 3) == 0)
		name.length = at - 3;
	return name;
}

struct span span_base_name(struct span path)
{
	const char *slash = memrchr(path.text, '/', path.length);

	if (slash) {
		path.length -= (size_t)(slash + 1 - path.text);
		path.text = slash + 1;
	}
	return path;
}

/* "/tmp/perf-12.map", wherever it stands in the path. */
int perf_module_is_jit(struct span module)
{
	static const char start[] = "/tmp/perf-";
	const char *at = memmem(module.text, module.length, start, strlen(start));
	const char *end = module.text + module.length;

	if (!at)
		return 0;
	const char *number = at + strlen(start);
	const char *stop = number;
	while (stop < end && is_digit(*stop))
		stop++;
	return stop > number && end - stop >= 4 && memcmp(stop, ".map", 4) == 0;
}

static int is_kernel_module(struct span module)
{
	static const char image[] = "vmlinux";

	if (memmem(module.text, module.length, "unknown", 7))
		return 0;
	return (module.length && module.text[0] == '[') ||
	       (module.length >= strlen(image) &&
		memcmp(module.text + module.length - strlen(image), image, strlen(image)) == 0);
}

enum frame_kind perf_frame_kind(struct span name, struct span module, int is_inlined)
{
	if (is_inlined)
		return FRAME_INLINED;
	if (is_kernel_module(module))
		return FRAME_KERNEL;
	if (perf_module_is_jit(module))
		return FRAME_JIT;
	if (name.length && name.text[0] == '[')
		return FRAME_UNKNOWN;
	return memmem(module.text, module.length, ".so", 3) ? FRAME_LIBRARY : FRAME_USER;
}

/* "(*T).method" of Go: a '(' with a '.' before it, and a ").". */
static int is_go_method(const char *name)
{
	const char *open = strstr(name, ".(");

	return open && strstr(open + 2, ").");
}

/* Cut the arguments off and take out what folded text cannot hold, in place. */
void perf_name_tidy(char *name, int is_java)
{
	static const char anonymous[] = "(anonymous namespace)";
	char *to = name;

	if (!is_go_method(name)) {
		for (char *open = strchr(name, '('); open; open = strchr(open + 1, '(')) {
			if (strncmp(open, anonymous, strlen(anonymous)) != 0) {
				*open = 0;
				break;
			}
		}
	}
	for (const char *from = name; *from; from++)
		if (*from != '"' && *from != '\'')
			*to++ = *from == ';' ? ':' : *from;
	while (to > name && to[-1] == ' ')
		to--;
	*to = 0;
	if (is_java && name[0] == 'L' && strchr(name, '/'))
		memmove(name, name + 1, strlen(name));
}

/* The first sample: its line, and a frame or a blank line below it. */
int perf_script_matches(const char *text, size_t length)
{
	const char *end = text + length;
	struct perf_frame frame;
	struct perf_header header;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		struct span line = {text, (size_t)((stop ? stop : end) - text)};

		text = stop ? stop + 1 : end;
		if (!line.length || line.text[0] == '#')
			continue;
		if (perf_line_is_space(line.text[0]) || !perf_header_read(line, &header))
			return 0;
		const char *next = memchr(text, '\n', (size_t)(end - text));
		line = (struct span){text, (size_t)((next ? next : end) - text)};
		return header.event.length || !line.length || perf_frame_read(line, &frame);
	}
	return 0;
}
