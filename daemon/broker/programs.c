/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/programs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/record.h"
#include "bpf/unwind_table.h"
#include "common/log.h"
#include "daemon/broker/broker_message.h"
#include "daemon/broker/prober.h"
#include "daemon/broker/uprobe_link.h"

/* Generated, and not by our rules. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "bpf/flame.skel.h"
#pragma GCC diagnostic pop

/* Processes whose mappings the core keeps at one time: 4 KiB each. */
#define MAX_MAPPING_TABLES 1024

/* Inode of the pid namespace that contains all others: fixed by the kernel (linux/proc_ns.h). */
#define OUTERMOST_PID_NAMESPACE 0xEFFFFFFCU

/* Processes between their end and their disappearance, in an inner namespace. */
#define MAX_ENDED_PIDS 8192

#define HOOK_PROGRAMS 4 /* most of one hook */

struct programs {
	struct bpf_link *hooks[BROKER_HOOK_COUNT][HOOK_PROGRAMS]; /* NULL: not attached */
	struct bpf_link *look;
	struct flame_bpf *skeleton;
	int is_multi; /* uprobe_link_is_multi() */
	uint32_t shard_count;
};

static int log_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	static const enum log_level levels[] = {
		[LIBBPF_WARN] = LOG_LEVEL_WARN,
		[LIBBPF_INFO] = LOG_LEVEL_DEBUG,
		[LIBBPF_DEBUG] = LOG_LEVEL_DEBUG,
	};

	if (level != LIBBPF_DEBUG)
		log_write_list(levels[level], 0, format, arguments);
	return 0;
}

/* The size of the ring buffer: a power of two that grows with the CPUs. */
static uint32_t records_bytes(int cpu_count)
{
	uint32_t bytes = RECORDS_BYTES_PER_CPU;

	while (bytes < RECORDS_MAX_BYTES && bytes / RECORDS_BYTES_PER_CPU < (uint32_t)cpu_count)
		bytes *= 2;
	return bytes;
}

/* Whether this process lives in a pid namespace inside of another. */
static int is_in_pid_namespace(void)
{
	struct stat status;

	return stat("/proc/self/ns/pid", &status) == 0 && status.st_ino != OUTERMOST_PID_NAMESPACE;
}

/* What depends on the kernel, before the programs are verified. */
static int configure(struct flame_bpf *skeleton, int cpu_count, int mapping_in_tables)
{
	int error = bpf_map__set_max_entries(skeleton->maps.records, records_bytes(cpu_count));

	bpf_program__set_autoattach(skeleton->progs.on_mapping, false);
	if (is_in_pid_namespace()) {
		skeleton->rodata->pid_is_translated = 1;
		if (!error)
			error = bpf_map__set_max_entries(skeleton->maps.ended_pids, MAX_ENDED_PIDS);
	}
	/* Older kernels have no such moment; what is sampled in exec then lacks its user stack. */
	if (libbpf_find_vmlinux_btf_id("sched_prepare_exec", BPF_TRACE_RAW_TP) < 0)
		bpf_program__set_autoload(skeleton->progs.on_prepare_exec, false);
	if (!mapping_in_tables || error)
		return error;
	skeleton->rodata->mapping_in_tables = 1;
	bpf_program__set_autoload(skeleton->progs.on_mapping, false);
	return bpf_map__set_max_entries(skeleton->maps.mapping_tables, MAX_MAPPING_TABLES);
}

/* The programs of a hook, up to NULL; the last to be attached is the one that starts anything. */
static void get_hook(const struct programs *programs, int hook,
		     struct bpf_program *members[HOOK_PROGRAMS])
{
	const struct flame_bpf *skeleton = programs->skeleton;
	struct bpf_program *const all[BROKER_HOOK_COUNT][HOOK_PROGRAMS] = {
		[BROKER_HOOK_SWITCH] = {skeleton->progs.on_waking, skeleton->progs.on_thread_exit,
					skeleton->progs.on_switch},
		[BROKER_HOOK_FAULT] = {skeleton->progs.on_fault_exit, skeleton->progs.on_resident,
				       skeleton->progs.on_user_fault,
				       skeleton->progs.on_kernel_fault},
	};

	memcpy(members, all[hook], sizeof(all[hook]));
}

static void hook_detach(struct programs *programs, int hook)
{
	for (size_t i = HOOK_PROGRAMS; i-- > 0;) {
		bpf_link__destroy(programs->hooks[hook][i]);
		programs->hooks[hook][i] = NULL;
	}
}

static int hook_attach(struct programs *programs, int hook)
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

int programs_set_hooks(struct programs *programs, uint64_t hooks)
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

/* Hooks, and the look, which is no hook at all, are not for flame_bpf__attach(). */
static void keep_apart(struct programs *programs)
{
	struct bpf_program *members[HOOK_PROGRAMS];

	for (int hook = 0; hook < BROKER_HOOK_COUNT; hook++) {
		get_hook(programs, hook, members);
		for (size_t i = 0; i < HOOK_PROGRAMS; i++)
			if (members[i])
				bpf_program__set_autoattach(members[i], false);
	}
	bpf_program__set_autoattach(programs->skeleton->progs.on_look, false);
}

/* Have the programs number processes as we see them. */
static int find_pid_namespace(const struct programs *programs)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);

	return programs->skeleton->rodata->pid_is_translated
		       ? bpf_prog_test_run_opts(
				 bpf_program__fd(programs->skeleton->progs.on_pid_test), &options)
		       : 0;
}

/* Probes are attached many at once where the kernel can; programs are loaded for one or the other. */
static int prepare_heap(struct programs *programs)
{
	struct bpf_program *const heap[] = {
		programs->skeleton->progs.on_heap_enter, programs->skeleton->progs.on_heap_return,
		programs->skeleton->progs.on_heap_free, programs->skeleton->progs.on_heap_window};
	int error = 0;

	programs->is_multi = uprobe_link_is_multi();
	for (size_t i = 0; programs->is_multi && !error && i < ARRAY_SIZE(heap); i++)
		error = bpf_program__set_expected_attach_type(
			heap[i], (enum bpf_attach_type)UPROBE_MULTI_ATTACH_TYPE);
	return error;
}

int programs_open(int cpu_count, int mapping_in_tables, struct programs **result)
{
	_cleanup_(programs_closep) struct programs *programs = memory_new(sizeof(*programs));
	int error;

	libbpf_set_print(log_libbpf);
	programs->skeleton = flame_bpf__open();
	if (!programs->skeleton)
		return -errno;
	error = configure(programs->skeleton, cpu_count, mapping_in_tables);
	keep_apart(programs);
	if (!error)
		error = prepare_heap(programs);
	if (!error)
		error = flame_bpf__load(programs->skeleton);
	if (!error)
		error = find_pid_namespace(programs);
	if (!error)
		error = flame_bpf__attach(programs->skeleton);
	if (error)
		return error;
	programs->look = bpf_program__attach_iter(programs->skeleton->progs.on_look, NULL);
	if (!programs->look)
		return -errno;
	*result = steal_ptr(&programs);
	return 0;
}

void programs_close(struct programs *programs)
{
	if (!programs)
		return;
	for (int hook = 0; hook < BROKER_HOOK_COUNT; hook++)
		hook_detach(programs, hook);
	bpf_link__destroy(programs->look);
	flame_bpf__destroy(programs->skeleton);
	free(programs);
}

void programs_get_fds(const struct programs *programs, int *fds)
{
	const struct flame_bpf *skeleton = programs->skeleton;
	const struct bpf_map *const maps[BROKER_FD_COUNT] = {
		[BROKER_FD_RECORDS] = skeleton->maps.records,
		[BROKER_FD_SETTINGS] = skeleton->maps.settings,
		[BROKER_FD_COUNTERS] = skeleton->maps.counters,
		[BROKER_FD_PROCESSES] = skeleton->maps.processes,
		[BROKER_FD_NAMES] = skeleton->maps.names,
		[BROKER_FD_CGROUPS] = skeleton->maps.cgroups,
		[BROKER_FD_MODULES] = skeleton->maps.modules,
		[BROKER_FD_HEAP_RECORDS] = skeleton->maps.heap_records,
		[BROKER_FD_HEAP_SLOTS] = skeleton->maps.heap_slots,
		[BROKER_FD_HEAP_USAGE] = skeleton->maps.heap_usage,
		[BROKER_FD_UNWIND_RULES] = skeleton->maps.unwind_rules,
		[BROKER_FD_UNWIND_MODULES] = skeleton->maps.unwind_modules,
		[BROKER_FD_UNWIND_SLICES] = skeleton->maps.unwind_slices,
		[BROKER_FD_MAPPING_TABLES] = skeleton->maps.mapping_tables,
		[BROKER_FD_SUMS] = skeleton->maps.sums,
	};

	for (int i = 0; i < BROKER_FD_COUNT; i++)
		fds[i] = maps[i] ? bpf_map__fd(maps[i]) : -1;
	fds[BROKER_FD_LOOK] = bpf_link__fd(programs->look);
}

int programs_get_cpu_fd(const struct programs *programs)
{
	return bpf_program__fd(programs->skeleton->progs.on_cpu_event);
}

void programs_get_heap(const struct programs *programs, struct prober_setup *setup)
{
	const struct flame_bpf *skeleton = programs->skeleton;

	setup->is_multi = programs->is_multi;
	setup->slots_map = bpf_map__fd(skeleton->maps.heap_slots);
	setup->programs[HEAP_PROGRAM_ENTER] = bpf_program__fd(skeleton->progs.on_heap_enter);
	setup->programs[HEAP_PROGRAM_RETURN] = bpf_program__fd(skeleton->progs.on_heap_return);
	setup->programs[HEAP_PROGRAM_FREE] = bpf_program__fd(skeleton->progs.on_heap_free);
	setup->programs[HEAP_PROGRAM_WINDOW] = bpf_program__fd(skeleton->progs.on_heap_window);
}

int programs_add_shards(struct programs *programs, uint32_t count, int *fds)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	LIBBPF_OPTS(bpf_map_batch_opts, batch);
	uint32_t keys[BROKER_MAX_FDS];
	uint32_t made = 0;
	int error = 0;

	if (!count || count > BROKER_MAX_FDS || count > UNWIND_MAX_SHARDS - programs->shard_count)
		return -E2BIG;
	while (made < count && !error) {
		int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_shard", sizeof(uint32_t),
					UNWIND_SHARD_ROWS * sizeof(struct unwind_row), 1, &options);

		if (fd < 0) {
			error = fd;
			break;
		}
		keys[made] = programs->shard_count + made;
		fds[made++] = fd;
	}
	/* In one go: each single update of such a map waits for a grace period. */
	if (!error)
		error = bpf_map_update_batch(bpf_map__fd(programs->skeleton->maps.unwind_shards),
					     keys, fds, &made, &batch);
	if (error) {
		while (made)
			close(fds[--made]);
		return error;
	}
	programs->shard_count += count;
	return 0;
}

static void destroy_link(struct bpf_link **link)
{
	bpf_link__destroy(*link);
}

int programs_announce(const struct programs *programs, uint32_t pid)
{
	union bpf_iter_link_info of = {.task = {.pid = pid}};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &of, .link_info_len = sizeof(of));
	const struct bpf_program *program = programs->skeleton->progs.on_mapping;
	_cleanup_(destroy_link) struct bpf_link *link = NULL;
	_cleanup_close_ int fd = -1;
	char unused;

	if (bpf_program__fd(program) < 0)
		return -EOPNOTSUPP;
	link = bpf_program__attach_iter(program, &options);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		return fd;
	/* Reading runs the program; it writes nothing. */
	return read(fd, &unused, sizeof(unused)) < 0 ? -errno : 0;
}

int programs_find_mapping(const struct programs *programs, uint64_t address,
			  struct mapping *mapping)
{
	uint64_t arguments[] = {address};
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments,
		    .ctx_size_in = sizeof(arguments));
	int error = bpf_prog_test_run_opts(
		bpf_program__fd(programs->skeleton->progs.on_mapping_test), &options);

	if (error)
		return error;
	if (options.retval)
		return -ENOENT;
	memcpy(mapping, &programs->skeleton->bss->tested_mapping, sizeof(*mapping));
	return 0;
}
