/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/watch_programs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

/* The skeleton wants to know the layouts of what it holds. */
#include "bpf/record.h"
#include "daemon/broker/broker_message.h"
#include "daemon/broker/program_base.h"

/* Generated, and not by our rules. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "bpf/watch.skel.h"
#pragma GCC diagnostic pop

#define HOOK_PROGRAMS 4 /* most of one hook */

struct watch_programs {
	struct bpf_link *hooks[BROKER_HOOK_COUNT][HOOK_PROGRAMS]; /* NULL: not attached */
	struct bpf_link *look;
	struct watch_bpf *skeleton;
};

/* The programs of a hook, up to NULL; the last to be attached is the one that starts anything. */
static void get_hook(const struct watch_programs *programs, int hook,
		     struct bpf_program *members[HOOK_PROGRAMS])
{
	const struct watch_bpf *skeleton = programs->skeleton;
	struct bpf_program *const all[BROKER_HOOK_COUNT][HOOK_PROGRAMS] = {
		[BROKER_HOOK_SWITCH] = {skeleton->progs.on_waking, skeleton->progs.on_switch},
		[BROKER_HOOK_EXIT] = {skeleton->progs.on_thread_exit},
		[BROKER_HOOK_FAULT] = {skeleton->progs.on_fault_exit, skeleton->progs.on_resident,
				       skeleton->progs.on_user_fault,
				       skeleton->progs.on_kernel_fault},
	};

	memcpy(members, all[hook], sizeof(all[hook]));
}

static void hook_detach(struct watch_programs *programs, int hook)
{
	for (size_t i = HOOK_PROGRAMS; i-- > 0;) {
		bpf_link__destroy(programs->hooks[hook][i]);
		programs->hooks[hook][i] = NULL;
	}
}

static int hook_attach(struct watch_programs *programs, int hook)
{
	struct bpf_program *members[HOOK_PROGRAMS];

	get_hook(programs, hook, members);
	for (size_t i = 0; i < HOOK_PROGRAMS; i++) {
		if (!members[i] || programs->hooks[hook][i])
			continue;
		programs->hooks[hook][i] = bpf_program__attach(members[i]);
		if (!programs->hooks[hook][i]) {
			int error = -errno;

			hook_detach(programs, hook);
			return error;
		}
	}
	return 0;
}

int watch_programs_set_hooks(struct watch_programs *programs, uint64_t hooks)
{
	int result = 0;

	if (hooks >> BROKER_HOOK_COUNT)
		return -EINVAL;
	for (int hook = 0; hook < BROKER_HOOK_COUNT; hook++) {
		int error = 0;

		if (hooks >> hook & 1)
			error = hook_attach(programs, hook);
		else
			hook_detach(programs, hook);
		if (error)
			result = error;
	}
	return result;
}

int watch_programs_open(const struct program_base *base, struct watch_programs **result)
{
	_cleanup_(watch_programs_closep) struct watch_programs *programs =
		memory_new(sizeof(*programs));
	int error;

	programs->skeleton = watch_bpf__open();
	if (!programs->skeleton)
		return -errno;
	error = program_base_share(base, programs->skeleton->obj,
				   &programs->skeleton->rodata->mapping_in_tables,
				   &programs->skeleton->rodata->pid_is_translated);
	if (!error)
		error = watch_bpf__load(programs->skeleton);
	if (error)
		return error;
	programs->look = bpf_program__attach_iter(programs->skeleton->progs.on_look, NULL);
	if (!programs->look)
		return -errno;
	*result = steal_ptr(&programs);
	return 0;
}

void watch_programs_close(struct watch_programs *programs)
{
	if (!programs)
		return;
	for (int hook = 0; hook < BROKER_HOOK_COUNT; hook++)
		hook_detach(programs, hook);
	bpf_link__destroy(programs->look);
	watch_bpf__destroy(programs->skeleton);
	free(programs);
}

int watch_programs_look(const struct watch_programs *programs)
{
	return bpf_link__fd(programs->look);
}
