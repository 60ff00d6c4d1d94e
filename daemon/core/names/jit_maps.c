/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/jit_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bpf/record.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/processes/access.h"
#include "daemon/core/processes/process_info.h"
#include "daemon/core/processes/process_table.h"
#include "daemon/core/workers/broker_client.h"
#include "daemon/core/workers/reader_client.h"

/* A larger file is not read: no runtime writes so many functions. */
#define JIT_MAP_MAX_BYTES (256 << 20)

struct jit_map {
	struct jit_maps *maps;
	struct module *module;
	uint32_t owner_uid;
	uint64_t size;    /* of what was read */
	int64_t mtime_ns; /* likewise */
	int is_busy;      /* the broker or the reader is at work for it */
	int is_removed;   /* free it as soon as it is not busy */
};

struct jit_maps {
	struct broker_client *broker;
	struct worker_client *reader;
	struct module_table *modules;
	struct jit_map *maps[MODULE_LAST_FILE + 1];
};

struct jit_maps *jit_maps_new(struct broker_client *broker, struct worker_client *reader,
			      struct module_table *modules)
{
	struct jit_maps *maps = memory_new(sizeof(*maps));

	maps->broker = broker;
	maps->reader = reader;
	maps->modules = modules;
	return maps;
}

void jit_maps_free(struct jit_maps *maps)
{
	if (!maps)
		return;
	for (uint32_t i = 0; i <= MODULE_LAST_FILE; i++)
		free(maps->maps[i]);
	free(maps);
}

/* Let go of the broker or the reader; returns 1 when nobody wants the map any more. */
static int finish(struct jit_map *map)
{
	struct module *module = map->module;
	struct jit_maps *maps = map->maps;

	map->is_busy = 0;
	if (map->is_removed) {
		free(map);
		module_table_remove(maps->modules, module);
		return 1;
	}
	module_table_settle(maps->modules, module);
	return 0;
}

static void on_read(void *context, int error, int fd)
{
	struct jit_map *map = context;

	if (error == -ECANCELED)
		return;
	if (error == 0)
		error = module_table_set_image(map->maps->modules, map->module, fd);
	if (error)
		log_debug_errno(error, "A JIT map cannot be read: pid=%u", map->module->pid);
	finish(map);
}

/* Written by its process or root alone, and not by a link from elsewhere. */
static int is_trustworthy(const struct jit_map *map, const struct stat *status)
{
	return S_ISREG(status->st_mode) && status->st_nlink == 1 &&
	       !(status->st_mode & (S_IWGRP | S_IWOTH)) &&
	       (status->st_uid == 0 || status->st_uid == map->owner_uid) &&
	       status->st_size <= JIT_MAP_MAX_BYTES;
}

static void read_map(struct jit_map *map)
{
	struct stat status;

	if (fstat(map->module->fd, &status) || !is_trustworthy(map, &status)) {
		finish(map);
		return;
	}
	int64_t mtime_ns = status.st_mtim.tv_sec * INT64_C(1000000000) + status.st_mtim.tv_nsec;
	if ((uint64_t)status.st_size == map->size && mtime_ns == map->mtime_ns) {
		finish(map);
		return;
	}
	int copy = fcntl(map->module->fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0) {
		finish(map);
		return;
	}
	map->size = (uint64_t)status.st_size;
	map->mtime_ns = mtime_ns;
	reader_client_send(map->maps->reader, READER_PERF_MAP, 0, &copy, 1, on_read, map);
}

static void on_opened(void *context, int error, const int *fds, size_t fd_count)
{
	struct jit_map *map = context;

	if (error == -ECANCELED)
		return;
	if (error || fd_count != 1) {
		for (size_t i = 0; i < fd_count; i++)
			close(fds[i]);
		finish(map);
		return;
	}
	map->module->fd = fds[0];
	read_map(map);
}

static void open_map(struct jit_map *map)
{
	struct module *module = map->module;
	struct broker_request request = {
		.type = BROKER_OPEN_IN_ROOT,
		.pid = module->pid,
		.start_time_ns = module->start_time_ns,
	};
	uint32_t namespaced_pid;
	char path[64];

	if (process_info_read_namespaced_pid(module->pid, &namespaced_pid)) {
		finish(map);
		return;
	}
	snprintf(path, sizeof(path), "/tmp/perf-%u.map", namespaced_pid);
	if (broker_request_set_path(&request, path, strlen(path))) {
		finish(map);
		return;
	}
	broker_client_send(map->maps->broker, &request, on_opened, map);
}

void jit_maps_refresh(struct jit_maps *maps, uint32_t number)
{
	struct jit_map *map = number <= MODULE_LAST_FILE ? maps->maps[number] : NULL;

	if (!map || map->is_busy)
		return;
	map->is_busy = 1;
	map->module->state = MODULE_READING;
	if (map->module->fd >= 0)
		read_map(map);
	else
		open_map(map);
}

uint32_t jit_maps_add(struct jit_maps *maps, const struct process *process)
{
	struct module *module = module_table_new_jit(maps->modules);
	struct access_process owner;

	if (!module)
		return MODULE_NONE;
	struct jit_map *map = memory_new(sizeof(*map));
	map->maps = maps;
	map->module = module;
	map->owner_uid = process->owner_uid;
	/* A process with several ids, or with rights of its own: its effective user writes. */
	if (map->owner_uid == RECORD_NO_OWNER && !access_process_read((pid_t)process->pid, &owner))
		map->owner_uid = owner.uids[1];
	module->pid = process->pid;
	module->start_time_ns = process->start_time_ns;
	maps->maps[module->number] = map;
	jit_maps_refresh(maps, module->number);
	return module->number;
}

void jit_maps_remove(struct jit_maps *maps, uint32_t number)
{
	struct jit_map *map = number <= MODULE_LAST_FILE ? maps->maps[number] : NULL;

	if (!map)
		return;
	maps->maps[number] = NULL;
	map->is_removed = 1;
	if (!map->is_busy)
		finish(map);
}
