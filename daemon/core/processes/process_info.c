/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/processes/process_info.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "common/parse.h"
#include "common/utf8.h"

/* Larger than any file that is read here but a cgroup path of extreme depth. */
#define PROC_FILE_BYTES 8192

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

/* Read /proc/PID/name; returns its length. */
static ssize_t read_proc_file(uint32_t pid, const char *name, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	size_t length = 0;
	while (length < size) {
		ssize_t count = read(fd, text + length, size - length);

		if (count < 0)
			return -errno;
		if (count == 0)
			break;
		length += (size_t)count;
	}
	return (ssize_t)length;
}

/* Split off the next field that ends at a space; returns its length, 0 at the end. */
static size_t next_field(const char **text, const char *end, const char **field)
{
	while (*text < end && **text == ' ')
		(*text)++;
	*field = *text;
	while (*text < end && **text != ' ' && **text != '\n')
		(*text)++;
	return (size_t)(*text - *field);
}

/* The fields of /proc/PID/stat that are read here, by their number in proc(5). */
enum {
	STAT_STATE = 3,
	STAT_PARENT = 4,
	STAT_FLAGS = 9,
	STAT_USER_TICKS = 14,
	STAT_SYSTEM_TICKS = 15,
	STAT_START_TIME = 22,
	STAT_RSS_PAGES = 24,
	STAT_FIELDS
};

int process_info_parse_stat(const char *text, size_t length, struct process_info *info)
{
	const char *end = text + length;
	const char *open = memchr(text, '(', length);
	/* The name may hold anything, ")" and line ends too: the last one closes it. */
	const char *close = memrchr(text, ')', length);
	uint64_t values[STAT_FIELDS] = {0};
	uint64_t pid;

	if (!open || !close || close < open || open == text ||
	    parse_u64(text, (size_t)(open - text - 1), 0, UINT32_MAX, &pid))
		return -EBADMSG;
	const char *at = close + 1;
	for (int number = STAT_STATE; number < STAT_FIELDS; number++) {
		const char *field;
		size_t size = next_field(&at, end, &field);

		if (size == 0)
			return -EBADMSG;
		if (number == STAT_STATE)
			info->is_zombie = *field == 'Z' || *field == 'X';
		/* Some fields are negative; none of those that are used. */
		else if (*field != '-' && parse_u64(field, size, 0, UINT64_MAX, &values[number]))
			return -EBADMSG;
	}
	info->pid = (uint32_t)pid;
	info->parent_pid = (uint32_t)values[STAT_PARENT];
	info->is_kernel_thread = (values[STAT_FLAGS] & PF_KTHREAD) != 0;
	info->cpu_ns = (values[STAT_USER_TICKS] + values[STAT_SYSTEM_TICKS]) * START_TIME_TICK_NS;
	info->start_time_ns = values[STAT_START_TIME] * START_TIME_TICK_NS;
	info->rss_bytes = values[STAT_RSS_PAGES] * (uint64_t)sysconf(_SC_PAGESIZE);
	utf8_clean(info->name, sizeof(info->name), open + 1, (size_t)(close - open - 1));
	return 0;
}

/* Find the line that starts with key; returns the text behind it up to the line's end. */
static const char *find_line(const char *text, size_t length, const char *key, size_t *size)
{
	size_t key_length = strlen(key);
	const char *end = text + length;

	while (text < end) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));

		if (!line_end)
			line_end = end;
		if ((size_t)(line_end - text) >= key_length && !memcmp(text, key, key_length)) {
			*size = (size_t)(line_end - text) - key_length;
			return text + key_length;
		}
		text = line_end < end ? line_end + 1 : end;
	}
	return NULL;
}

int process_info_parse_cgroup(const char *text, size_t length, char *path, size_t size)
{
	size_t path_length;
	const char *line = find_line(text, length, "0::", &path_length);

	if (!line || path_length == 0)
		return -ENODATA;
	utf8_clean(path, size, line, path_length);
	return 0;
}

int process_info_read(uint32_t pid, struct process_info *info)
{
	char text[PROC_FILE_BYTES];

	ssize_t length = read_proc_file(pid, "stat", text, sizeof(text));
	if (length < 0)
		return (int)length;
	int error = process_info_parse_stat(text, (size_t)length, info);
	if (error)
		return error;
	length = read_proc_file(pid, "status", text, sizeof(text));
	if (length < 0)
		return (int)length;
	/* /proc/TID exists for every thread, but is not listed and is no process. */
	size_t size;
	const char *group = find_line(text, (size_t)length, "Tgid:\t", &size);
	uint64_t leader;
	if (!group || parse_u64(group, size, 0, UINT32_MAX, &leader) || leader != pid)
		return -ESRCH;
	return 0;
}

int process_info_read_cpu_ns(uint32_t pid, uint64_t *cpu_ns)
{
	char text[PROC_FILE_BYTES];
	ssize_t length = read_proc_file(pid, "schedstat", text, sizeof(text));
	const char *at = text, *field;

	if (length < 0)
		return (int)length;
	size_t size = next_field(&at, text + length, &field);
	return parse_u64(field, size, 0, UINT64_MAX, cpu_ns) ? -ENOENT : 0;
}

int process_info_read_namespaced_pid(uint32_t pid, uint32_t *namespaced_pid)
{
	char text[PROC_FILE_BYTES];
	ssize_t length = read_proc_file(pid, "status", text, sizeof(text));
	uint64_t innermost;
	size_t size;

	if (length < 0)
		return (int)length;
	/* One pid a level, the innermost last. */
	const char *line = find_line(text, (size_t)length, "NSpid:", &size);
	const char *last = line ? memrchr(line, '\t', size) : NULL;
	if (!last ||
	    parse_u64(last + 1, size - (size_t)(last + 1 - line), 1, UINT32_MAX, &innermost))
		return -EBADMSG;
	*namespaced_pid = (uint32_t)innermost;
	return 0;
}

int process_info_read_cgroup(uint32_t pid, char *path, size_t size)
{
	char text[PROC_FILE_BYTES];
	ssize_t length = read_proc_file(pid, "cgroup", text, sizeof(text));

	if (length < 0)
		return (int)length;
	return process_info_parse_cgroup(text, (size_t)length, path, size);
}

void process_info_read_thread_name(uint32_t pid, uint32_t tid, char *name)
{
	char text[PROC_FILE_BYTES];
	char file[32];

	snprintf(file, sizeof(file), "task/%u/comm", tid);
	ssize_t length = read_proc_file(pid, file, text, sizeof(text));
	/* A line end closes it; the name may hold others. */
	if (length <= 0 || length > RECORD_NAME_BYTES)
		return;
	memset(name, 0, RECORD_NAME_BYTES);
	memcpy(name, text, (size_t)length - 1);
}

static void close_directory(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

int process_info_each(void (*visit)(void *context, const struct process_info *info), void *context)
{
	_cleanup_(close_directory) DIR *directory = opendir("/proc");
	struct process_info info;
	struct dirent *entry;
	uint64_t pid;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory)))
		if (!parse_u64(entry->d_name, strlen(entry->d_name), 1, UINT32_MAX, &pid) &&
		    !process_info_read((uint32_t)pid, &info))
			visit(context, &info);
	return 0;
}

int process_info_children(uint32_t pid, uint32_t *pids, uint32_t capacity)
{
	char text[PROC_FILE_BYTES];
	char name[64];
	uint32_t count = 0;

	snprintf(name, sizeof(name), "task/%u/children", pid);
	ssize_t length = read_proc_file(pid, name, text, sizeof(text));
	if (length < 0)
		return (int)length;
	const char *at = text, *field;
	size_t size;
	uint64_t child;
	while (count < capacity && (size = next_field(&at, text + length, &field)) > 0)
		if (!parse_u64(field, size, 1, UINT32_MAX, &child))
			pids[count++] = (uint32_t)child;
	return (int)count;
}
