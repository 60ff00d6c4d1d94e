/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/waker_names.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/record.h"
#include "common/frame.h"
#include "common/intern.h"
#include "common/memory.h"
#include "common/utf8.h"

struct waker_names {
	struct intern texts;
	uint32_t other;
};

struct waker_names *waker_names_new(void)
{
	struct waker_names *names = memory_new(sizeof(*names));

	intern_init(&names->texts);
	names->other = intern_add(&names->texts, WAKER_NAMES_OTHER, sizeof(WAKER_NAMES_OTHER) - 1);
	return names;
}

void waker_names_free(struct waker_names *names)
{
	if (!names)
		return;
	intern_fini(&names->texts);
	free(names);
}

uint64_t waker_names_frame(struct waker_names *names, const char *name)
{
	char clean[RECORD_NAME_BYTES * UTF8_MAX_GROWTH + 1];
	size_t length = utf8_clean(clean, sizeof(clean), name, strnlen(name, RECORD_NAME_BYTES));
	uint32_t number = intern_find(&names->texts, clean, length);

	if (number == HASHMAP_NONE)
		number = names->texts.count < WAKER_NAMES_MAX
				 ? intern_add(&names->texts, clean, length)
				 : names->other;
	return frame_pack(MODULE_NAME, number);
}

const char *waker_names_text(const struct waker_names *names, uint64_t frame)
{
	uint64_t number = frame_offset(frame);

	return intern_text(&names->texts,
			   number < names->texts.count ? (uint32_t)number : names->other);
}
