/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/uprobe_link.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "common/cleanup.h"

#define UPROBE_MULTI_RETURN 1U
#define PERF_TYPE_FILE      "/sys/bus/event_source/devices/uprobe/type"
#define PERF_RETURN_FLAG    1U /* of config: format/retprobe says config:0 */

/* The part of union bpf_attr that BPF_LINK_CREATE reads; headers of older kernels lack it. */
struct link_attributes {
	uint32_t program;
	uint32_t target;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t counters;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t reserved;
};

static int link_create(const struct link_attributes *attributes)
{
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, attributes, sizeof(*attributes));

	return fd < 0 ? -errno : (int)fd;
}

int uprobe_link_is_multi(void)
{
	struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = UPROBE_MULTI_ATTACH_TYPE);
	uint64_t offset = 0;
	_cleanup_close_ int program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", instructions,
						    ARRAY_SIZE(instructions), &options);
	/* A folder cannot be probed: kernels that know links of this kind say so. */
	const struct link_attributes attributes = {
		.program = (uint32_t)program,
		.attach_type = UPROBE_MULTI_ATTACH_TYPE,
		.path = (uint64_t)(uintptr_t) "/",
		.offsets = (uint64_t)(uintptr_t)&offset,
		.count = 1,
	};

	return program >= 0 && link_create(&attributes) == -EBADF;
}

static int open_multi(struct uprobe_link *link, const struct uprobe_places *places,
		      const char *path)
{
	const struct link_attributes attributes = {
		.program = (uint32_t)places->program,
		.attach_type = UPROBE_MULTI_ATTACH_TYPE,
		.path = (uint64_t)(uintptr_t)path,
		.offsets = (uint64_t)(uintptr_t)places->offsets,
		.cookies = (uint64_t)(uintptr_t)places->cookies,
		.count = (uint32_t)places->count,
		.multi_flags = places->is_return ? UPROBE_MULTI_RETURN : 0,
		.pid = (uint32_t)places->pid,
	};
	int fd = link_create(&attributes);

	if (fd < 0)
		return fd;
	link->fds[0] = fd;
	link->count = 1;
	return 0;
}

static int perf_type(void)
{
	_cleanup_fclose_ FILE *file = fopen(PERF_TYPE_FILE, "re");
	int type;

	return file && fscanf(file, "%d", &type) == 1 ? type : -ENOENT;
}

/* One place: an event, and a link from it to the program that carries the cookie. */
static int open_event(struct uprobe_link *link, const struct uprobe_places *places,
		      const char *path, size_t i, int type)
{
	struct perf_event_attr attributes = {
		.size = sizeof(attributes),
		.type = (uint32_t)type,
		.config = places->is_return ? PERF_RETURN_FLAG : 0,
		.config1 = (uint64_t)(uintptr_t)path,
		.config2 = places->offsets[i],
	};
	LIBBPF_OPTS(bpf_link_create_opts, options, .perf_event.bpf_cookie = places->cookies[i]);
	_cleanup_close_ int event = (int)syscall(SYS_perf_event_open, &attributes, places->pid, -1,
						 -1, PERF_FLAG_FD_CLOEXEC);

	if (event < 0)
		return -errno;

	/* The link keeps the event. */
	int fd = bpf_link_create(places->program, event, BPF_PERF_EVENT, &options);

	if (fd < 0)
		return fd;
	link->fds[link->count++] = fd;
	return 0;
}

int uprobe_link_open(struct uprobe_link *link, const struct uprobe_places *places, int is_multi)
{
	char path[32];
	int type = 0, error = 0;

	if (!places->count || places->count > HEAP_MAX_SITES)
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", places->file);
	link->count = 0;
	if (is_multi)
		return open_multi(link, places, path);
	type = perf_type();
	if (type < 0)
		return type;
	for (size_t i = 0; !error && i < places->count; i++)
		error = open_event(link, places, path, i, type);
	if (error)
		uprobe_link_close(link);
	return error;
}

void uprobe_link_close(struct uprobe_link *link)
{
	for (size_t i = 0; i < link->count; i++)
		close(link->fds[i]);
	link->count = 0;
}
