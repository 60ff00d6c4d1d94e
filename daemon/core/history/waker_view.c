/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/history/waker_view.h"

#include "common/frame.h"
#include "daemon/core/history/stack_table.h"

uint32_t waker_view_of(struct waker_view *view, const struct stack_table *stacks, uint32_t stack)
{
	uint64_t own = frame_pack(MODULE_MARK, FRAME_MARK_WAKER);
	uint64_t foreign = frame_pack(MODULE_MARK, FRAME_MARK_FOREIGN_WAKER);

	for (uint32_t node = stack; node != STACK_NONE; node = stack_table_parent(stacks, node)) {
		uint64_t address = stack_table_address(stacks, node);

		if (address != own && address != foreign)
			continue;
		view->has_wakers = 1;
		if (view->is_asked && (view->may_see_all || address == own))
			return stack;
		return stack_table_parent(stacks, node);
	}
	return stack;
}
