/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/processes/process_family.h"

#include <stdlib.h>

#include "common/cleanup.h"

static void add(struct process_family *family, const struct process_info *info)
{
	family->members = memory_grow(family->members, &family->capacity, family->count + 1,
				      sizeof(*family->members));
	family->members[family->count++] = *info;
}

static void on_process(void *context, const struct process_info *info)
{
	add(context, info);
}

int process_family_find(uint32_t pid, struct process_family *family)
{
	struct process_family all = {0};
	int error = process_info_each(on_process, &all);
	_cleanup_free_ struct process_info *members = all.members;
	uint32_t parent_pid = pid;

	if (error)
		return error;
	/* The family grows while it is walked: children of children come later. */
	for (uint32_t next = family->count;; next++) {
		for (uint32_t i = 0; i < all.count && family->count <= all.count; i++)
			if (members[i].parent_pid == parent_pid && members[i].pid != pid)
				add(family, &members[i]);
		if (next == family->count)
			return 0;
		parent_pid = family->members[next].pid;
	}
}
