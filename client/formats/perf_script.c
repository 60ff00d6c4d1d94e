/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/perf_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/formats/perf_script_line.h"
#include "common/clock.h"

#define MAX_DEPTH 65536

/* Of so many lines that were not met before, so many others have to be, or all pcs are different. */
#define JUDGED_LINES 65536
#define LEAST_KNOWN  16384

void perf_script_reader_init(struct perf_script_reader *reader, struct stack_list *list,
			     const struct perf_script_settings *settings)
{
	*reader = (struct perf_script_reader){.list = list, .settings = settings};
	list->has_modules = 1;
	addr2line_init(&reader->addr2line, (int)(settings->patience_ns / NS_PER_MS));
	intern_init(&reader->texts);
	reader->guesses = memory_new(PERF_SCRIPT_GUESSES * sizeof(*reader->guesses));
	intern_init(&reader->processes);
	for (int i = 0; i < PERF_SCRIPT_READINGS; i++)
		line_cache_init(&reader->whole_lines[i]);
	if (settings->event_filter)
		reader->event =
			memory_copy_text(settings->event_filter, strlen(settings->event_filter));
}

void perf_script_reader_fini(struct perf_script_reader *reader)
{
	stack_index_fini(&reader->stacks);
	addr2line_fini(&reader->addr2line);
	intern_fini(&reader->texts);
	intern_fini(&reader->processes);
	for (int i = 0; i < PERF_SCRIPT_READINGS; i++)
		line_cache_fini(&reader->whole_lines[i]);
	free(reader->event);
	free(reader->lines);
	free(reader->guesses);
	free(reader->line_frames);
	free(reader->frames);
	*reader = (struct perf_script_reader){0};
}

/* What is shown for a name that perf does not know. Owned (free). */
static char *name_unknown(const struct perf_script_reader *reader, const struct perf_frame *line)
{
	struct span module = span_equals(line->module, "[unknown]") ? (struct span){"unknown", 7}
								    : span_base_name(line->module);

	if (reader->settings->addresses)
		return memory_format("[%.*s <%.*s>]", (int)module.length, module.text,
				     (int)line->pc.length, line->pc.text);
	return memory_format("[%.*s]", (int)module.length, module.text);
}

static void add_line_frame(struct perf_script_reader *reader, const char *name, struct span module,
			   enum frame_kind kind)
{
	struct profile *profile = reader->list->profile;
	struct span file = span_base_name(module);
	struct profile_frame frame = {
		.name = profile_string(profile, name),
		.module = intern_add(&profile->strings, file.text, file.length),
		.kind = kind,
	};

	reader->line_frames =
		memory_grow(reader->line_frames, &reader->line_frame_capacity,
			    reader->line_frame_count + 1, sizeof(*reader->line_frames));
	reader->line_frames[reader->line_frame_count++] = profile_add_frame(profile, &frame);
}

/* One function of a line; those behind a "->" are inlined into the one before. */
static void add_function(struct perf_script_reader *reader, const struct perf_frame *line,
			 struct span part, int is_inlined)
{
	enum frame_kind kind = perf_frame_kind(part, line->module, is_inlined);
	_cleanup_free_ char *name = span_equals(part, "[unknown]")
					    ? name_unknown(reader, line)
					    : memory_copy_text(part.text, part.length);
	const char *annotation = "";

	perf_name_tidy(name, reader->is_java);
	if (is_inlined)
		annotation = "_[i]";
	else if (reader->settings->annotate_kernel && kind == FRAME_KERNEL)
		annotation = "_[k]";
	else if (reader->settings->annotate_jit && kind == FRAME_JIT)
		annotation = "_[j]";
	if (strstr(name, annotation))
		annotation = "";
	_cleanup_free_ char *whole = memory_format("%s%s", name, annotation);
	add_line_frame(reader, whole, line->module, kind);
}

/* Frames of a line that names its functions itself: "outer->inlined", outermost first. */
static void split_functions(struct perf_script_reader *reader, const struct perf_frame *line)
{
	struct span rest = perf_line_strip_offset(line->name);
	int is_inlined = 0;

	if (rest.length && rest.text[0] == '(')
		return; /* perf's name for a process */
	while (rest.length) {
		const char *arrow = memmem(rest.text, rest.length, "->", 2);
		size_t length = arrow ? (size_t)(arrow - rest.text) : rest.length;

		add_function(reader, line, (struct span){rest.text, length}, is_inlined);
		is_inlined = 1;
		rest.text += arrow ? length + 2 : length;
		rest.length -= arrow ? length + 2 : length;
	}
}

/* Frames that addr2line knows for a pc; returns 0 when it knows none. */
static int add_inlined(struct perf_script_reader *reader, const struct perf_frame *line)
{
	_cleanup_(addr2line_answer_fini) struct addr2line_answer answer = {0};
	_cleanup_free_ char *module = memory_copy_text(line->module.text, line->module.length);
	_cleanup_free_ char *pc = memory_copy_text(line->pc.text, line->pc.length);
	_cleanup_free_ char *name = memory_copy_text(line->name.text, line->name.length);

	if (line->module.text[0] == '[' || perf_module_is_jit(line->module) ||
	    memmem(line->module.text, line->module.length, "kernel.", 7))
		return 0;
	addr2line_ask(&reader->addr2line, module, pc, name, &answer);
	if (!answer.count)
		return 0;
	for (size_t i = answer.count; i-- > 0;) {
		struct addr2line_function *function = &answer.functions[i];
		_cleanup_free_ char *text =
			reader->settings->show_context
				? memory_format("%s:%s", function->name, function->place)
				: memory_format("%s", function->name);

		add_line_frame(reader, text, line->module,
			       i ? FRAME_USER : perf_frame_kind(line->name, line->module, 0));
	}
	return 1;
}

static struct perf_script_line read_functions(struct perf_script_reader *reader,
					      const struct perf_frame *line)
{
	uint32_t first = (uint32_t)reader->line_frame_count;

	if (!reader->settings->show_inlined || !add_inlined(reader, line))
		split_functions(reader, line);
	return (struct perf_script_line){first, (uint32_t)reader->line_frame_count - first};
}

/* What tells lines apart: the name without its offset, and from the last '(' on the module. */
struct line_key {
	struct span name;
	struct span module;
};

static struct line_key find_key(const struct perf_script_reader *reader, struct span line)
{
	size_t start = 0;

	while (start < line.length && perf_line_is_space(line.text[start]))
		start++;
	/* Where the pc matters, all of the line does. */
	if (reader->settings->addresses || reader->settings->show_inlined)
		return (struct line_key){{line.text + start, line.length - start}, {"", 0}};
	while (start < line.length && perf_line_is_word(line.text[start]))
		start++;
	/* Java names are read in another way: one byte more tells such lines apart. */
	if (reader->is_java && start > 0)
		start--;
	struct line_key key = {{line.text + start, line.length - start}, {"", 0}};
	const char *open = memrchr(key.name.text, '(', key.name.length);
	if (!open || open == key.name.text || open[-1] != ' ')
		return key;
	key.module = (struct span){open, (size_t)(line.text + line.length - open)};
	key.name.length = (size_t)(open - 1 - key.name.text);
	key.name = perf_line_strip_offset(key.name);
	return key;
}

static int is_guess(const struct perf_script_guess *guess, const struct line_key *key)
{
	return guess->text && guess->name_length == key->name.length &&
	       guess->length == key->name.length + key->module.length &&
	       memcmp(guess->text, key->name.text, key->name.length) == 0 &&
	       memcmp(guess->text + key->name.length, key->module.text, key->module.length) == 0;
}

/* Read a line that was not seen before, or whose place another one took. */
static void learn_line(struct perf_script_reader *reader, struct span line,
		       const struct line_key *key, struct perf_script_guess *guess)
{
	/* The module begins with the last '(', so the text says where the one ends. */
	size_t length = key->name.length + key->module.length;
	_cleanup_free_ char *text = memory_new(length + 1);
	struct perf_frame frame;
	uint32_t before = reader->texts.count;

	memcpy(text, key->name.text, key->name.length);
	memcpy(text + key->name.length, key->module.text, key->module.length);
	uint32_t id = intern_add(&reader->texts, text, length);
	reader->lines = memory_grow(reader->lines, &reader->line_capacity, (size_t)id + 1,
				    sizeof(*reader->lines));
	if (reader->texts.count > before || id == 0)
		reader->lines[id] = perf_frame_read(line, &frame)
					    ? read_functions(reader, &frame)
					    : (struct perf_script_line){UINT32_MAX, 0};
	*guess = (struct perf_script_guess){
		.text = intern_text(&reader->texts, id),
		.name_length = (uint32_t)key->name.length,
		.length = (uint32_t)length,
		.line = id,
	};
}

/* The number of a line; its frames are UINT32_MAX for a line of another form. */
static uint32_t find_line(struct perf_script_reader *reader, struct span line)
{
	struct line_key key = find_key(reader, line);
	uint32_t hash = hash_bytes(key.name.text, key.name.length) +
			31 * hash_bytes(key.module.text, key.module.length);
	struct perf_script_guess *guess = &reader->guesses[hash % PERF_SCRIPT_GUESSES];

	if (!is_guess(guess, &key))
		learn_line(reader, line, &key, guess);
	return guess->line;
}

static void add_frames(struct perf_script_reader *reader, const struct perf_script_line *line)
{
	size_t needed = reader->frame_count + line->count + 1;

	if (needed > reader->frame_capacity)
		reader->frames = memory_grow(reader->frames, &reader->frame_capacity, needed,
					     sizeof(*reader->frames));
	/* Leaf first, so the innermost of a line comes first. */
	for (uint32_t i = line->count; i-- > 0 && reader->frame_count < MAX_DEPTH;)
		reader->frames[reader->frame_count++] = reader->line_frames[line->first + i];
}

/* Lines that `perf script -F +srcline` puts below a frame: "  file.c:12". */
static int add_srcline(struct perf_script_reader *reader, struct span line)
{
	size_t at = 0;

	while (at < line.length && perf_line_is_space(line.text[at]))
		at++;
	const char *colon = memrchr(line.text, ':', line.length);
	if (!at || !colon || colon + 1 == line.text + line.length ||
	    perf_line_skip_digits(line, (size_t)(colon + 1 - line.text)) != line.length)
		return 0;
	if (!reader->settings->srcline || !reader->is_open || !reader->frame_count)
		return 1;
	struct profile *profile = reader->list->profile;
	struct profile_frame frame = profile->frames[reader->frames[reader->frame_count - 1]];
	_cleanup_free_ char *name = memory_format("%s:%.*s", profile_text(profile, frame.name),
						  (int)(line.length - at), line.text + at);
	frame.name = profile_string(profile, name);
	reader->frames[reader->frame_count - 1] = profile_add_frame(profile, &frame);
	return 1;
}

/* --- samples ------------------------------------------------------------------------------- */

/* Non-zero when the event is one that is left out. */
static int is_rejected(struct perf_script_reader *reader, struct span event)
{
	if (!event.length)
		return 0;
	if (!reader->event)
		reader->event = memory_copy_text(event.text, event.length);
	if (span_equals(event, reader->event))
		return 0;
	reader->has_rejected_event = 1;
	return 1;
}

static uint32_t find_process(struct perf_script_reader *reader, const struct perf_header *header)
{
	const struct perf_script_settings *settings = reader->settings;
	struct span pid = header->pid.length ? header->pid : (struct span){"?", 1};
	char name[512];
	int length =
		snprintf(name, sizeof(name), "%.*s", (int)header->name.length, header->name.text);

	if (settings->tid && length < (int)sizeof(name))
		snprintf(name + length, sizeof(name) - (size_t)length, "-%.*s/%.*s",
			 (int)pid.length, pid.text, (int)header->tid.length, header->tid.text);
	else if (settings->pid && length < (int)sizeof(name))
		snprintf(name + length, sizeof(name) - (size_t)length, "-%.*s", (int)pid.length,
			 pid.text);
	for (char *at = name; *at; at++)
		*at = *at == ' ' ? '_' : *at == ';' ? ':' : *at;
	reader->is_java = strncmp(name, "java", 4) == 0;
	struct profile_frame frame = {
		.name = profile_string(reader->list->profile, name),
		.kind = FRAME_PROCESS,
	};
	return profile_add_frame(reader->list->profile, &frame);
}

static double read_period(struct span digits)
{
	double period = 0;

	for (size_t i = 0; i < digits.length; i++)
		period = period * 10 + (digits.text[i] - '0');
	return period > 0 ? period : 1;
}

static int end_sample(struct perf_script_reader *reader)
{
	int error = 0;

	if (reader->is_open) {
		uint32_t depth = (uint32_t)reader->frame_count;

		reader->frames = memory_grow(reader->frames, &reader->frame_capacity,
					     (size_t)depth + 1, sizeof(*reader->frames));
		reader->frames[depth++] = reader->process;
		for (uint32_t low = 0, high = depth; low + 1 < high; low++) {
			uint32_t frame = reader->frames[low];

			reader->frames[low] = reader->frames[--high];
			reader->frames[high] = frame;
		}
		error = stack_list_count(reader->list, &reader->stacks, reader->frames, depth,
					 reader->period);
	}
	reader->is_open = 0;
	reader->frame_count = 0;
	return error;
}

static void start_sample(struct perf_script_reader *reader, const struct perf_header *header)
{
	reader->frame_count = 0;
	reader->is_open = !is_rejected(reader, header->event);
	if (!reader->is_open)
		return;
	reader->period = read_period(header->period);
	reader->process = find_process(reader, header);
}

static struct line_cache *whole_lines(struct perf_script_reader *reader)
{
	return &reader->whole_lines[reader->is_java ? PERF_SCRIPT_JAVA : PERF_SCRIPT_OTHERS];
}

static int read_line(struct perf_script_reader *reader, struct span line, int has_end)
{
	const struct span whole = {line.text, line.length + 1};
	struct perf_header header;

	if (line.length && line.text[line.length - 1] == '\r')
		line.length--;
	if (!line.length)
		return end_sample(reader);
	if (line.text[0] == '#')
		return 0;
	if (!perf_line_is_space(line.text[0]) && perf_header_read(line, &header)) {
		int error = end_sample(reader);

		start_sample(reader, &header);
		return error;
	}
	uint32_t number = find_line(reader, line);
	if (reader->lines[number].first == UINT32_MAX) {
		reader->ignored_lines += !add_srcline(reader, line);
		return 0;
	}
	if (has_end && !reader->is_varied && perf_line_is_space(line.text[0]))
		line_cache_add(whole_lines(reader), whole.text, whole.length, number);
	if (reader->is_open)
		add_frames(reader, &reader->lines[number]);
	return 0;
}

/* Pass over lines of frames that were met before. Returns where another line begins. */
static const char *skip_known_lines(struct perf_script_reader *reader, const char *text,
				    const char *end)
{
	const struct line_cache *known = whole_lines(reader);
	const struct line_cache_line *line;

	if (reader->is_varied)
		return text;
	while ((line = line_cache_find(known, text, (size_t)(end - text)))) {
		if (reader->is_open)
			add_frames(reader, &reader->lines[line->meaning]);
		text += line->length;
		reader->known++;
	}
	reader->looked_up++;
	if (reader->looked_up == JUDGED_LINES) {
		reader->is_varied = reader->known < LEAST_KNOWN;
		reader->looked_up = reader->known = 0;
	}
	return text;
}

int perf_script_reader_feed(struct perf_script_reader *reader, const char *text, size_t length)
{
	const char *end = text + length;
	int error = 0;

	while (text < end && !error) {
		text = skip_known_lines(reader, text, end);
		if (text == end)
			break;
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((stop ? stop : end) - text);

		error = read_line(reader, (struct span){text, size}, stop != NULL);
		text += size + (stop != NULL);
	}
	return error;
}

int perf_script_reader_finish(struct perf_script_reader *reader)
{
	int is_cut = reader->is_open;

	reader->is_open = 0;
	return is_cut;
}
