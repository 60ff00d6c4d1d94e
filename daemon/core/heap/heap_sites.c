/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_sites.h"

void heap_sites_init(struct heap_slot *slot)
{
	*slot = (struct heap_slot){.hull = {.start = UINT64_MAX}};
}

/* Calls from inside an allocator are part of another call: the kernel program knows it by this. */
static void add_range(struct heap_slot *slot, uint64_t start, uint64_t end)
{
	if (slot->range_count == HEAP_MAX_FUNCTIONS)
		return;
	slot->ranges[slot->range_count++] = (struct heap_range){start, end};
	if (start < slot->hull.start)
		slot->hull.start = start;
	if (end > slot->hull.end)
		slot->hull.end = end;
}

void heap_sites_add(struct heap_slot *slot, const struct allocator_file *file,
		    struct prober_request *request)
{
	*request = (struct prober_request){.type = PROBER_ADD_FILE,
					   .site_count = (uint32_t)file->count};
	for (size_t i = 0; i < file->count; i++) {
		const struct allocator_function *function = &file->functions[i];
		uint64_t start = allocator_file_address(file, function->entry);
		int may_return = !(function->flags & ALLOCATOR_THROWS);
		int is_dear = !(function->flags & ALLOCATOR_EMULATED);
		int is_followed = function->flags & ALLOCATOR_FOLLOWED;

		request->sites[i] = (struct prober_site){
			.offset = function->site,
			.address = allocator_file_address(file, function->site),
			.function = function->function,
			.flags = (may_return ? (uint32_t)PROBER_SITE_RETURNS : 0) |
				 (is_dear ? (uint32_t)PROBER_SITE_DEAR : 0) |
				 (is_followed ? (uint32_t)PROBER_SITE_FOLLOWED : 0),
		};
		if (start && function->size && function->function != HEAP_LEAVE)
			add_range(slot, start, start + function->size);
	}
}

uint32_t heap_sites_flags(const struct allocator_file *file)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < file->count; i++) {
		if (!(file->functions[i].flags & ALLOCATOR_THROWS))
			continue;
		flags |= file->functions[i].flags & ALLOCATOR_FOLLOWED ? HEAP_SITES_FOLLOWED
								       : HEAP_SITES_UNSEEN;
	}
	return flags;
}
