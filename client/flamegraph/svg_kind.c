/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/svg_kind.h"

#include <string.h>

#include "client/flamegraph/palette.h"
#include "client/flamegraph/picture.h"

static const char kind_letters[FRAME_KIND_COUNT] = {
	[FRAME_USER] = 'u',    [FRAME_LIBRARY] = 'l',  [FRAME_KERNEL] = 'k',  [FRAME_JIT] = 'j',
	[FRAME_INLINED] = 'i', [FRAME_UNKNOWN] = 'n',  [FRAME_PROCESS] = 'p', [FRAME_MARKED] = 'm',
	[FRAME_QUEUED] = 'q',  [FRAME_WAITS_IO] = 'd', [FRAME_LOCKED] = 'x',  [FRAME_SLEEPS] = 's',
	[FRAME_RUNNING] = 'r',
};

static const char *const kind_labels[FRAME_KIND_COUNT] = {
	[FRAME_USER] = "program",
	[FRAME_LIBRARY] = "library",
	[FRAME_KERNEL] = "kernel",
	[FRAME_JIT] = "JIT",
	[FRAME_INLINED] = "inlined",
	[FRAME_UNKNOWN] = "no name",
	[FRAME_PROCESS] = "level",
	[FRAME_MARKED] = "not walked, or lost",
	[FRAME_QUEUED] = "waits for a CPU",
	[FRAME_WAITS_IO] = "waits for I/O",
	[FRAME_LOCKED] = "waits for a lock",
	[FRAME_SLEEPS] = "sleeps",
	[FRAME_RUNNING] = "runs",
};

int svg_kind_is_shown(const struct picture *picture)
{
	return strcmp(picture->options->colors, "kind") == 0 && !picture->list->has_two &&
	       !picture->options->hash && !picture->options->random && !picture->options->color_map;
}

void svg_kind_class(enum frame_kind kind, int shade, char attribute[SVG_KIND_CLASS_BYTES])
{
	snprintf(attribute, SVG_KIND_CLASS_BYTES, "class=\"%c%d\"", kind_letters[kind], shade);
}

const char *svg_kind_label(enum frame_kind kind)
{
	return kind_labels[kind];
}

void svg_kind_write_styles(FILE *file)
{
	for (int kind = 0; kind < FRAME_KIND_COUNT; kind++) {
		for (int shade = 0; shade < PALETTE_SHADES; shade++) {
			struct color color = palette_kind_shade((enum frame_kind)kind, shade);

			fprintf(file, ".%c%d{fill:#%02x%02x%02x}", kind_letters[kind], shade,
				color.red, color.green, color.blue);
		}
	}
	fputc('\n', file);
}
