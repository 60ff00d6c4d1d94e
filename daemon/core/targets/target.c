/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/target.h"

#include <errno.h>
#include <string.h>

#include "common/parse.h"

static const char *const kind_names[] = {
	[TARGET_PID] = "pid",
	[TARGET_NAME] = "comm",
	[TARGET_CGROUP] = "cgroup",
	[TARGET_ALL] = "all",
};

static const char *const state_names[] = {
	[TARGET_RUNNING] = "running",
	[TARGET_STOPPED] = "stopped",
	[TARGET_EXITED] = "exited",
};

static const char *const change_names[] = {
	[TARGET_ATTACHED] = "attached",       [TARGET_DETACHED] = "detached",
	[TARGET_CHANGED_STOPPED] = "stopped", [TARGET_CHANGED_STARTED] = "started",
	[TARGET_CHANGED_EXITED] = "exited",
};

const char *const target_event_names[] = {"cpu", "offcpu", "heap", "fault", NULL};

int target_event_parse(const char *name, uint32_t *event)
{
	/* In the order of enum record_event. */
	for (uint32_t i = 0; target_event_names[i]; i++) {
		if (strcmp(target_event_names[i], name) == 0) {
			*event = UINT32_C(1) << i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *target_kind_name(enum target_kind kind)
{
	return kind_names[kind];
}

const char *target_state_name(enum target_state state)
{
	return state_names[state];
}

const char *target_change_name(enum target_change change)
{
	return change_names[change];
}

int target_selector_parse(const char *text, struct target_selector *selector)
{
	static const struct {
		const char *prefix;
		enum target_kind kind;
	} prefixes[] = {{"comm:", TARGET_NAME}, {"cgroup:", TARGET_CGROUP}};
	uint64_t pid;

	*selector = (struct target_selector){.kind = TARGET_ALL, .pattern = ""};
	if (strcmp(text, "all") == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t length = strlen(prefixes[i].prefix);

		if (strncmp(text, prefixes[i].prefix, length) == 0) {
			selector->kind = prefixes[i].kind;
			selector->pattern = text + length;
			return *selector->pattern ? 0 : -EINVAL;
		}
	}
	if (parse_u64(text, strlen(text), 1, INT32_MAX, &pid))
		return -EINVAL;
	selector->kind = TARGET_PID;
	selector->pid = (uint32_t)pid;
	return 0;
}

char *target_describe(const struct target *target)
{
	switch (target->kind) {
	case TARGET_PID:
		return memory_format("%u", target->pid);
	case TARGET_NAME:
		return memory_format("comm:%s", target->pattern);
	case TARGET_CGROUP:
		return memory_format("cgroup:%s", target->pattern);
	case TARGET_ALL:
		break;
	}
	return memory_format("all");
}
