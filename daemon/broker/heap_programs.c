/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/heap_programs.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/libbpf.h>

/* The skeleton wants to know the layouts of what it holds. */
#include "bpf/record.h"
#include "daemon/broker/prober_setup.h"
#include "daemon/broker/program_base.h"
#include "daemon/broker/uprobe_link.h"

/* Generated, and not by our rules. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "bpf/heap.skel.h"
#pragma GCC diagnostic pop

struct heap_programs {
	struct heap_bpf *skeleton;
	int is_multi; /* uprobe_link_is_multi() */
};

static void get_all(const struct heap_programs *programs,
		    struct bpf_program *members[HEAP_PROGRAM_COUNT])
{
	members[HEAP_PROGRAM_ENTER] = programs->skeleton->progs.on_heap_enter;
	members[HEAP_PROGRAM_RETURN] = programs->skeleton->progs.on_heap_return;
	members[HEAP_PROGRAM_LEAVE] = programs->skeleton->progs.on_heap_leave;
	members[HEAP_PROGRAM_FREE] = programs->skeleton->progs.on_heap_free;
	members[HEAP_PROGRAM_WINDOW] = programs->skeleton->progs.on_heap_window;
}

/* Probes are attached many at once where the kernel can; programs are loaded for one or the other. */
static int prepare(struct heap_programs *programs, int is_single)
{
	struct bpf_program *members[HEAP_PROGRAM_COUNT];
	int error = 0;

	get_all(programs, members);
	programs->is_multi = !is_single && uprobe_link_is_multi();
	for (size_t i = 0; programs->is_multi && !error && i < ARRAY_SIZE(members); i++)
		error = bpf_program__set_expected_attach_type(
			members[i], (enum bpf_attach_type)UPROBE_MULTI_ATTACH_TYPE);
	return error;
}

int heap_programs_open(const struct program_base *base, int is_single,
		       struct heap_programs **result)
{
	_cleanup_(heap_programs_closep) struct heap_programs *programs =
		memory_new(sizeof(*programs));
	int error;

	programs->skeleton = heap_bpf__open();
	if (!programs->skeleton)
		return -errno;
	error = program_base_share(base, programs->skeleton->obj,
				   &programs->skeleton->rodata->mapping_in_tables,
				   &programs->skeleton->rodata->pid_is_translated);
	if (!error)
		error = prepare(programs, is_single);
	if (!error)
		error = heap_bpf__load(programs->skeleton);
	if (error)
		return error;
	*result = steal_ptr(&programs);
	return 0;
}

void heap_programs_close(struct heap_programs *programs)
{
	if (!programs)
		return;
	heap_bpf__destroy(programs->skeleton);
	free(programs);
}

void heap_programs_get(const struct heap_programs *programs, struct prober_setup *setup)
{
	struct bpf_program *members[HEAP_PROGRAM_COUNT];

	get_all(programs, members);
	setup->is_multi = programs->is_multi;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		setup->programs[i] = bpf_program__fd(members[i]);
}
