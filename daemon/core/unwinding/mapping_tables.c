/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/mapping_tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/hashmap.h"
#include "common/log.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/workers/broker_client.h"

/* Processes whose last reading is remembered, by pid; others are read again too early at worst. */
#define RECENT_PROCESSES 1024

/* A file that has a number, by what /proc/PID/maps tells of it. */
struct numbered {
	uint64_t inode;
	uint32_t device;
	uint32_t module;
};

struct recent {
	uint32_t pid;
	int is_asking;
	uint64_t start_time_ns;
	uint64_t read_ns;
};

struct mapping_tables {
	int fd;
	struct broker_client *broker;
	struct module_table *modules;
	struct hashmap index; /* of numbered */
	struct numbered *numbered;
	size_t numbered_count, numbered_capacity;
	struct recent recent[RECENT_PROCESSES];
};

/* What a request for a process's mappings comes back with. */
struct reading {
	struct mapping_tables *tables;
	uint32_t pid;
	uint64_t start_time_ns;
};

/* ---- The text ---- */

/* A hexadecimal or decimal number at *at, which moves behind it. Errors: -EINVAL. */
static int read_number(const char **at, const char *end, unsigned int base, uint64_t *value)
{
	const char *start = *at;
	uint64_t number = 0;

	for (; *at < end; (*at)++) {
		char digit = **at;
		unsigned int worth = digit >= '0' && digit <= '9' ? (unsigned int)(digit - '0')
				     : digit >= 'a' && digit <= 'f'
					     ? (unsigned int)(digit - 'a') + 10
					     : base;

		if (worth >= base)
			break;
		if (number > (UINT64_MAX - worth) / base)
			return -EINVAL;
		number = number * base + worth;
	}
	*value = number;
	return *at > start ? 0 : -EINVAL;
}

static int expect(const char **at, const char *end, char character)
{
	if (*at == end || **at != character)
		return -EINVAL;
	(*at)++;
	return 0;
}

/* "start-end rwxp offset major:minor inode   path" */
static int parse_line(const char *at, const char *end, struct maps_line *line)
{
	uint64_t major, minor;
	const char *rights;

	if (read_number(&at, end, 16, &line->start) || expect(&at, end, '-') ||
	    read_number(&at, end, 16, &line->end) || expect(&at, end, ' ') || end - at < 5)
		return -EINVAL;
	rights = at;
	at += 4;
	if (expect(&at, end, ' ') || read_number(&at, end, 16, &line->offset) ||
	    expect(&at, end, ' ') || read_number(&at, end, 16, &major) || expect(&at, end, ':') ||
	    read_number(&at, end, 16, &minor) || expect(&at, end, ' ') ||
	    read_number(&at, end, 10, &line->inode))
		return -EINVAL;
	while (at < end && *at == ' ')
		at++;
	if (line->start >= line->end || rights[2] != 'x' || end - at > MAPS_MAX_PATH)
		return -EINVAL;
	line->device = (uint32_t)(major << 20 | minor);
	line->path = at;
	line->path_length = (uint32_t)(end - at);
	return 0;
}

int maps_line_next(const char *text, size_t length, size_t *at, struct maps_line *line)
{
	while (*at < length) {
		const char *start = text + *at;
		const char *end = memchr(start, '\n', length - *at);

		if (!end)
			end = text + length;
		*at = (size_t)(end - text) + 1;
		if (!parse_line(start, end, line))
			return 1;
	}
	return 0;
}

/* ---- Modules ---- */

static int is_vdso(const struct maps_line *line)
{
	static const char name[] = "[vdso]";

	return line->path_length == strlen(name) && memcmp(line->path, name, strlen(name)) == 0;
}

/* Announce a file as the kernel programs would. */
static void announce(struct mapping_tables *tables, const struct reading *reading,
		     const struct maps_line *line, uint32_t number)
{
	struct record_module record = {
		.header = {.type = RECORD_MODULE, .size = sizeof(record)},
		.key = {.inode = line->inode, .device = line->device},
		.start_time_ns = reading->start_time_ns,
		.start = line->start,
		.end = line->end,
		.file_offset = line->offset,
		.pid = reading->pid,
		.module = number,
	};

	if (line->path_length <= RECORD_PATH_BYTES) {
		record.path_length = line->path_length;
		memcpy(record.path, line->path, line->path_length);
	}
	module_table_add(tables->modules, &record);
}

/* The number of the file behind a line; MODULE_NONE when there is none, or none left. */
static uint32_t find_module(struct mapping_tables *tables, const struct reading *reading,
			    const struct maps_line *line)
{
	uint32_t hash = hash_u64(line->inode ^ (uint64_t)line->device << 32);
	struct hashmap_cursor cursor;
	uint32_t number = MODULE_FIRST_FILE + (uint32_t)tables->numbered_count;

	if (is_vdso(line))
		return MODULE_VDSO;
	if (!line->inode)
		return MODULE_NONE;
	for (uint32_t i = hashmap_first(&tables->index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&tables->index, &cursor)) {
		if (tables->numbered[i].inode == line->inode &&
		    tables->numbered[i].device == line->device)
			return tables->numbered[i].module;
	}
	if (number >= MODULE_FIRST_JIT)
		return MODULE_NONE;
	tables->numbered = memory_grow(tables->numbered, &tables->numbered_capacity,
				       tables->numbered_count + 1, sizeof(*tables->numbered));
	hashmap_add(&tables->index, hash, (uint32_t)tables->numbered_count);
	tables->numbered[tables->numbered_count++] =
		(struct numbered){line->inode, line->device, number};
	announce(tables, reading, line, number);
	return number;
}

/* ---- Reading a process ---- */

static void store(struct mapping_tables *tables, const struct reading *reading, const char *text,
		  size_t length)
{
	_cleanup_free_ struct mapping_table *table = memory_new(sizeof(*table));
	struct maps_line line;
	size_t at = 0;

	table->start_time_ns = reading->start_time_ns;
	while (table->count < MAPPING_TABLE_ENTRIES && maps_line_next(text, length, &at, &line)) {
		uint32_t module = find_module(tables, reading, &line);

		table->entries[table->count++] = (struct mapping){
			.start = line.start,
			.end = line.end,
			.offset = module == MODULE_NONE ? line.start : line.offset,
			.module = module,
		};
	}
	if (bpf_map_update_elem(tables->fd, &reading->pid, table, BPF_ANY))
		log_debug_errno(-errno, "Mappings were not stored: pid=%u", reading->pid);
}

char *maps_read(int fd, size_t *length)
{
	size_t capacity = 0, used = 0;
	char *text = NULL;
	ssize_t got;

	do {
		text = memory_grow(text, &capacity, used + 4096, 1);
		got = read(fd, text + used, capacity - used);
		used += got > 0 ? (size_t)got : 0;
	} while (got > 0 && used < MAPS_MAX_BYTES);
	*length = used;
	return text;
}

static void on_maps_opened(void *context, int error, const int *fds, size_t fd_count)
{
	_cleanup_free_ struct reading *reading = context;
	struct recent *recent;
	size_t length;

	if (error == -ECANCELED)
		return;
	recent = &reading->tables->recent[reading->pid % RECENT_PROCESSES];
	if (recent->pid == reading->pid)
		recent->is_asking = 0;
	if (error || fd_count != 1)
		return;

	_cleanup_free_ char *text = maps_read(fds[0], &length);

	close(fds[0]);
	store(reading->tables, reading, text, length);
}

void mapping_tables_on_sample(struct mapping_tables *tables, const struct record_sample *sample)
{
	struct recent *recent = &tables->recent[sample->pid % RECENT_PROCESSES];
	struct broker_request request = {
		.type = BROKER_OPEN_PROC,
		.pid = sample->pid,
		.start_time_ns = sample->start_time_ns,
		.value = BROKER_PROC_MAPS,
	};
	struct reading *reading;

	if (sample->walk_end != WALK_UNMAPPED)
		return;
	if (recent->pid == sample->pid && recent->start_time_ns == sample->start_time_ns &&
	    (recent->is_asking || sample->time_ns - recent->read_ns < MAPS_PERIOD_NS))
		return;
	*recent = (struct recent){sample->pid, 1, sample->start_time_ns, sample->time_ns};
	reading = memory_new(sizeof(*reading));
	*reading = (struct reading){tables, sample->pid, sample->start_time_ns};
	broker_client_send(tables->broker, &request, on_maps_opened, reading);
}

struct mapping_tables *mapping_tables_new(int fd, struct broker_client *broker,
					  struct module_table *modules)
{
	struct mapping_tables *tables = memory_new(sizeof(*tables));

	tables->fd = fd;
	tables->broker = broker;
	tables->modules = modules;
	return tables;
}

void mapping_tables_free(struct mapping_tables *tables)
{
	if (!tables)
		return;
	hashmap_fini(&tables->index);
	free(tables->numbered);
	free(tables);
}
