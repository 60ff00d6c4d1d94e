/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/footer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/flamegraph/picture.h"
#include "common/clock.h"
#include "common/profile.h"
#include "common/quality.h"
#include "common/utf8.h"

#define SEPARATOR " \xc2\xb7 "

/* Parts joined by dots in the middle. */
struct line {
	FILE *file;
	int is_started;
};

static void add_part(struct line *line, const char *format, ...) format_printf(2, 3);

static void add_part(struct line *line, const char *format, ...)
{
	va_list arguments;

	if (line->is_started)
		fputs(SEPARATOR, line->file);
	line->is_started = 1;
	va_start(arguments, format);
	vfprintf(line->file, format, arguments);
	va_end(arguments);
}

static void read_time(uint64_t time_ns, struct tm *parts)
{
	time_t seconds = (time_t)(time_ns / NS_PER_SECOND);

	if (!localtime_r(&seconds, parts))
		*parts = (struct tm){0};
}

static void add_window(struct line *line, const struct profile *profile)
{
	const struct profile_window *window = &profile->covered;
	char from[64], to[64];
	struct tm parts;

	if (!window->to_ns)
		return;
	read_time(window->from_ns, &parts);
	strftime(from, sizeof(from), "%Y-%m-%d %H:%M:%S", &parts);
	read_time(window->to_ns, &parts);
	strftime(to, sizeof(to), "%H:%M:%S %Z", &parts);
	add_part(line, "%s to %s (%.3g s)", from, to,
		 (double)(window->to_ns - window->from_ns) / (double)NS_PER_SECOND);
}

static void add_origin(struct line *line, const struct profile *profile)
{
	const char *target = profile_text(profile, profile->target);
	const char *host = profile_text(profile, profile->host);
	const char *event = profile_text(profile, profile->event);
	const char *source = profile_text(profile, profile->source);

	if (*target && *host)
		add_part(line, "%s on %s", target, host);
	else if (*target || *host)
		add_part(line, "%s%s", target, host);
	add_window(line, profile);
	if (*event)
		add_part(line, "%s", event);
	if (*source && profile->rate_hz > 0)
		add_part(line, "%s at %.4g Hz", source, profile->rate_hz);
	else if (*source && strcmp(source, event) != 0)
		add_part(line, "%s", source);
}

static void add_quality(struct line *line, const struct profile *profile)
{
	_cleanup_free_ char *taken = picture_count(profile->taken);

	if (profile->taken <= 0)
		return;
	add_part(line, "%s samples", taken);
	if (!profile->lost_count) {
		add_part(line, "none lost");
	} else {
		_cleanup_free_ char *lost = picture_count(profile_lost(profile));

		add_part(line, "%s lost", lost);
		for (uint32_t i = 0; i < profile->lost_count; i++)
			fprintf(line->file, "%s%s %.0f", i ? ", " : " (",
				profile_text(profile, profile->lost[i].name),
				profile->lost[i].value);
		fputc(')', line->file);
	}
	add_part(line, "%.1f %% of stacks whole", quality_whole_percent(profile));
}

char *footer_text(const struct profile *profile, const struct profile *base)
{
	char *text = NULL;
	size_t size = 0;
	struct line line = {.file = open_memstream(&text, &size)};

	if (!line.file)
		return memory_format("%s", "");
	add_origin(&line, profile);
	add_quality(&line, profile);
	if (profile->cost_percent >= 0)
		add_part(&line, "cost %.2g %% of its CPU time", profile->cost_percent);
	if (*profile_text(profile, profile->version))
		add_part(&line, "flamed %s", profile_text(profile, profile->version));
	for (uint32_t i = 0; i < profile->note_count; i++)
		add_part(&line, "%s", profile_text(profile, profile->notes[i]));
	if (base && (base->covered.to_ns || base->taken > 0)) {
		fputs("; before: ", line.file);
		line.is_started = 0;
		add_window(&line, base);
		add_quality(&line, base);
	}
	fclose(line.file);
	return text;
}

size_t footer_line(const char *text, size_t columns)
{
	size_t length = 0, at = 0;

	for (size_t column = 0; text[at]; column++) {
		uint32_t code_point;
		size_t step = utf8_read(text + at, strlen(text + at), &code_point);

		/* Behind a separator, or at any blank when a part alone is too long. */
		if (column >= columns && length)
			return length;
		at += step ? step : 1;
		if (text[at - 1] == ' ')
			length = at;
	}
	return at;
}
