/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/frames.h"

#include <errno.h>

#include "client/flamegraph/picture.h"

/* A tab or a line end inside a name would make another column of it. */
static void write_field(const char *text, char end, FILE *file)
{
	for (; *text; text++)
		putc_unlocked((unsigned char)*text < 0x20 ? ' ' : *text, file);
	putc_unlocked(end, file);
}

int frames_write(const struct picture *picture, FILE *file)
{
	for (uint32_t i = 0; i < picture->layout.count; i++) {
		struct box box = picture_box(picture, i);
		const struct color *color = &picture->colors[i];
		_cleanup_free_ char *label = picture_label(picture, i);
		_cleanup_free_ char *title = picture_title(picture, i);

		fprintf(file, "%.1f\t%.15g\t%.1f\t%.1f\trgb(%u,%u,%u)\t", box.x, box.y, box.width,
			box.height, color->red, color->green, color->blue);
		write_field(label, '\t', file);
		write_field(title, '\n', file);
	}
	return ferror(file) ? -EIO : 0;
}
