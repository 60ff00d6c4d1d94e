/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/record.h"
#include "bpf/unwind_table.h"
#include "common/log.h"
#include "daemon/broker/broker_message.h"
#include "daemon/broker/heap_programs.h"
#include "daemon/broker/prober_setup.h"
#include "daemon/broker/program_base.h"
#include "daemon/broker/watch_programs.h"

/* Generated, and not by our rules. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "bpf/base.skel.h"
#pragma GCC diagnostic pop

/* Processes whose mappings the core keeps at one time: 4 KiB each. */
#define MAX_MAPPING_TABLES 1024

/* Inode of the pid namespace that contains all others: fixed by the kernel (linux/proc_ns.h). */
#define OUTERMOST_PID_NAMESPACE 0xEFFFFFFCU

/* Processes between their end and their disappearance, in an inner namespace. */
#define MAX_ENDED_PIDS 8192

struct programs {
	struct base_bpf *skeleton;
	struct watch_programs *watch; /* NULL: not needed so far */
	struct heap_programs *heap;   /* the same */
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
static int configure(struct base_bpf *skeleton, int cpu_count, int mapping_in_tables)
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

/* Have the programs number processes as we see them. */
static int find_pid_namespace(const struct programs *programs)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);

	return programs->skeleton->rodata->pid_is_translated
		       ? bpf_prog_test_run_opts(
				 bpf_program__fd(programs->skeleton->progs.on_pid_test), &options)
		       : 0;
}

/* The kernel's types, which loading takes, leave megabytes behind that nobody needs again. */
static int loaded(int error)
{
	malloc_trim(0);
	return error;
}

int programs_open(int cpu_count, int mapping_in_tables, struct programs **result)
{
	_cleanup_(programs_closep) struct programs *programs = memory_new(sizeof(*programs));
	int error;

	libbpf_set_print(log_libbpf);
	programs->skeleton = base_bpf__open();
	if (!programs->skeleton)
		return -errno;
	error = configure(programs->skeleton, cpu_count, mapping_in_tables);
	if (!error)
		error = base_bpf__load(programs->skeleton);
	if (!error)
		error = find_pid_namespace(programs);
	if (!error)
		error = base_bpf__attach(programs->skeleton);
	if (loaded(error))
		return error;
	*result = steal_ptr(&programs);
	return 0;
}

void programs_close(struct programs *programs)
{
	if (!programs)
		return;
	heap_programs_close(programs->heap);
	watch_programs_close(programs->watch);
	base_bpf__destroy(programs->skeleton);
	free(programs);
}

void programs_get_fds(const struct programs *programs, int *fds)
{
	const struct base_bpf *skeleton = programs->skeleton;
	const struct bpf_map *const maps[BROKER_FD_COUNT] = {
		[BROKER_FD_RECORDS] = skeleton->maps.records,
		[BROKER_FD_SETTINGS] = skeleton->maps.settings,
		[BROKER_FD_COUNTERS] = skeleton->maps.counters,
		[BROKER_FD_PROCESSES] = skeleton->maps.processes,
		[BROKER_FD_NAMES] = skeleton->maps.names,
		[BROKER_FD_CGROUPS] = skeleton->maps.cgroups,
		[BROKER_FD_MODULES] = skeleton->maps.modules,
		[BROKER_FD_FREE_MODULES] = skeleton->maps.free_modules,
		[BROKER_FD_HEAP_RECORDS] = skeleton->maps.heap_records,
		[BROKER_FD_HEAP_SLOTS] = skeleton->maps.heap_slots,
		[BROKER_FD_HEAP_USAGE] = skeleton->maps.heap_usage,
		[BROKER_FD_UNWIND_MODULES] = skeleton->maps.unwind_modules,
		[BROKER_FD_UNWIND_SLICES] = skeleton->maps.unwind_slices,
		[BROKER_FD_MAPPING_TABLES] = skeleton->maps.mapping_tables,
		[BROKER_FD_SUMS] = skeleton->maps.sums,
	};

	for (int i = 0; i < BROKER_FD_COUNT; i++)
		fds[i] = maps[i] ? bpf_map__fd(maps[i]) : -1;
}

int programs_get_cpu_fd(const struct programs *programs)
{
	return bpf_program__fd(programs->skeleton->progs.on_cpu_event);
}

/* What later objects have to know of this one. */
static struct program_base get_base(const struct programs *programs)
{
	return (struct program_base){
		.object = programs->skeleton->obj,
		.mapping_in_tables = programs->skeleton->rodata->mapping_in_tables,
		.pid_is_translated = programs->skeleton->rodata->pid_is_translated,
	};
}

static int need_watch(struct programs *programs)
{
	struct program_base base = get_base(programs);

	return programs->watch ? 0 : loaded(watch_programs_open(&base, &programs->watch));
}

int programs_open_look(struct programs *programs, int *fd)
{
	int error = need_watch(programs);

	if (error)
		return error;
	*fd = fcntl(watch_programs_look(programs->watch), F_DUPFD_CLOEXEC, 3);
	return *fd < 0 ? -errno : 0;
}

int programs_set_hooks(struct programs *programs, uint64_t hooks)
{
	int error = hooks ? need_watch(programs) : 0;

	if (error || !programs->watch)
		return error;
	return watch_programs_set_hooks(programs->watch, hooks);
}

int programs_get_heap(struct programs *programs, int is_single, struct prober_setup *setup)
{
	struct program_base base = get_base(programs);
	int error =
		programs->heap ? 0 : loaded(heap_programs_open(&base, is_single, &programs->heap));

	if (error)
		return error;
	heap_programs_get(programs->heap, setup);
	setup->slots_map = bpf_map__fd(programs->skeleton->maps.heap_slots);
	return 0;
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
					UNWIND_SHARD_CELLS * sizeof(struct unwind_cell), 1,
					&options);

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
