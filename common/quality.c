/* SPDX-License-Identifier: Apache-2.0 */
#include "common/quality.h"

#include "common/memory.h"
#include "common/profile.h"

/* What a thread waited for is a mark too, but nothing is missing there. */
static int is_gap(const struct profile *profile, const struct profile_frame *frame)
{
	return frame->kind == FRAME_MARKED &&
	       !frame_mark_is_wait(frame_mark_find(profile_text(profile, frame->name)));
}

static double measure(const struct profile *profile, int has_to_be_named)
{
	/* A parent comes before its children, so one pass knows what lies above each node. */
	_cleanup_free_ unsigned char *is_good = memory_new(profile->node_count);
	double good = 0, all = 0;

	for (uint32_t i = 0; i < profile->node_count; i++) {
		const struct profile_node *node = &profile->nodes[i];
		const struct profile_frame *frame = &profile->frames[node->frame];

		is_good[i] = !is_gap(profile, frame) &&
			     !(has_to_be_named && frame->kind == FRAME_UNKNOWN) &&
			     (node->parent == PROFILE_NO_NODE || is_good[node->parent]);
	}
	for (uint32_t i = 0; i < profile->row_count; i++) {
		const struct profile_row *row = &profile->rows[i];

		all += row->count;
		if (row->node != PROFILE_NO_NODE && is_good[row->node])
			good += row->count;
	}
	return all > 0 ? 100 * good / all : 100;
}

double quality_whole_percent(const struct profile *profile)
{
	return measure(profile, 0);
}

double quality_named_percent(const struct profile *profile)
{
	return measure(profile, 1);
}
