/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a module: announced -> the broker opens it -> the reader makes an image -> unless that
 * has a full symbol table, each place where its debug file may be is tried in turn (by build ID,
 * then by the name in .gnu_debuglink), first under the root of the process that mapped it, then
 * under ours, and at last debuginfod servers are asked; the reader refuses a debug file that does
 * not belong to the module. What several debug files share may have been moved into one more file
 * (.gnu_debugaltlink), which is opened in the same way: source lines need it.
 */
#include "daemon/core/names/module_table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/frame.h"
#include "common/log.h"
#include "common/utf8.h"
#include "daemon/core/names/file_search.h"
#include "daemon/core/workers/broker_client.h"
#include "daemon/core/workers/fetch_client.h"
#include "daemon/core/workers/reader_client.h"

/* A module on its way; the callbacks' context. */
struct visit {
	struct module_table *table;
	struct module *module;
	struct file_search search;
};

struct module_table {
	struct broker_client *broker;
	struct worker_client *reader;
	struct fetch_client *fetch;
	struct module *modules[MODULE_LAST_FILE + 1];
	uint32_t next_jit;
	uint32_t fetched_count;
	void (*on_image)(void *context, const struct module *module);
	void (*on_settled)(void *context, const struct module *module);
	void *context;
};

static void start_vdso(struct module_table *table);

struct module_table *module_table_new(struct broker_client *broker, struct worker_client *reader,
				      struct fetch_client *fetch)
{
	struct module_table *table = memory_new(sizeof(*table));

	table->broker = broker;
	table->reader = reader;
	table->fetch = fetch;
	table->next_jit = MODULE_LAST_FILE;
	start_vdso(table);
	return table;
}

static void free_module(struct module *module)
{
	if (!module)
		return;
	module_image_close(&module->image);
	if (module->fd >= 0)
		close(module->fd);
	if (module->debug_fd >= 0)
		close(module->debug_fd);
	if (module->alternate_fd >= 0)
		close(module->alternate_fd);
	free(module->path);
	free(module);
}

void module_table_free(struct module_table *table)
{
	if (!table)
		return;
	for (uint32_t i = 0; i <= MODULE_LAST_FILE; i++)
		free_module(table->modules[i]);
	free(table);
}

void module_table_watch(struct module_table *table,
			void (*on_image)(void *context, const struct module *module),
			void (*on_settled)(void *context, const struct module *module),
			void *context)
{
	table->on_image = on_image;
	table->on_settled = on_settled;
	table->context = context;
}

static void free_visit(struct visit *visit)
{
	file_search_clear(&visit->search);
	free(visit);
}

/* Clients cancel what is under way when the daemon ends; there is nobody left to tell. */
static int was_cancelled(struct visit *visit, int error)
{
	if (error != -ECANCELED)
		return 0;
	free_visit(visit);
	return 1;
}

void module_table_settle(struct module_table *table, struct module *module)
{
	module->state = MODULE_READY;
	if (table->on_settled)
		table->on_settled(table->context, module);
}

static void settle(struct visit *visit, enum module_state state, int error)
{
	struct module_table *table = visit->table;
	struct module *module = visit->module;

	module->state = state;
	module->error = error;
	if (error)
		log_info_errno(error, "A module cannot be read: path=%s", module->path);
	free_visit(visit);
	if (table->on_settled)
		table->on_settled(table->context, module);
}

int module_table_set_image(struct module_table *table, struct module *module, int fd)
{
	struct module_image image;
	int error = module_image_open(&image, fd);

	close(fd);
	if (error)
		return error;
	module_image_close(&module->image);
	module->image = image;
	if (table->on_image)
		table->on_image(table->context, module);
	return 0;
}

static int take_image(struct visit *visit, int fd)
{
	return module_table_set_image(visit->table, visit->module, fd);
}

/* Read the module again, with debug_fd beside it, which becomes the module's. Takes debug_fd. */
static void read_with_debug_file(struct visit *visit, int debug_fd, worker_done *done)
{
	int fds[2] = {fcntl(visit->module->fd, F_DUPFD_CLOEXEC, 3),
		      fcntl(debug_fd, F_DUPFD_CLOEXEC, 3)};

	if (fds[0] < 0 || fds[1] < 0) {
		if (fds[0] >= 0)
			close(fds[0]);
		close(debug_fd);
		settle(visit, MODULE_READY, 0);
		return;
	}
	visit->module->debug_fd = debug_fd;
	reader_client_send(visit->table->reader, READER_MODULE, READER_WANT_ROWS, fds, 2, done,
			   visit);
}

/* It is not the module's after all, or adds nothing. */
static void drop_debug_file(struct module *module)
{
	close(module->debug_fd);
	module->debug_fd = -1;
}

/* ---- What debug files share ---- */

/* Have the next place of the search opened; returns zero when there is none. */
static int try_next_place(struct visit *visit, broker_done *done)
{
	struct broker_request request = {
		.type = BROKER_OPEN_IN_ROOT,
		.pid = visit->module->pid,
		.start_time_ns = visit->module->start_time_ns,
	};

	return file_search_try(&visit->search, visit->table->broker, &request, done, visit);
}

/* Length of the folder in a path, without the slash. */
static int folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash - path) : 0;
}

static void on_alternate_opened(void *context, int error, const int *fds, size_t fd_count)
{
	struct visit *visit = context;

	if (was_cancelled(visit, error))
		return;
	/* Whether it is the right one is for the reader to see, when lines are asked for. */
	visit->module->alternate_fd = file_search_take(&visit->search, fds, fd_count);
	if (visit->module->alternate_fd >= 0 || !try_next_place(visit, on_alternate_opened))
		settle(visit, MODULE_READY, 0);
}

/*
 * The module has its image and its debug file, found at path (NULL: it needs none); all that is left
 * is what that refers to.
 */
static void finish(struct visit *visit, const char *path)
{
	const struct module_image_header *header = visit->module->image.header;
	_cleanup_free_ char *holder = memory_format("%s", path ? path : visit->module->path);
	struct file_search *search = &visit->search;

	file_search_clear(search);
	if (header->altlink[0]) {
		file_search_add_build_id(search, header->altlink_id, header->altlink_id_length);
		/* A path without a root is seen from the file that holds it. */
		file_search_add(search, header->altlink[0] == '/'
						? memory_format("%s", header->altlink)
						: memory_format("%.*s/%s", folder_length(holder),
								holder, header->altlink));
	}
	if (!try_next_place(visit, on_alternate_opened))
		settle(visit, MODULE_READY, 0);
}

/* ---- The debug file from a server ---- */

static void on_fetched_read(void *context, int error, int fd)
{
	struct visit *visit = context;
	struct module *module = visit->module;

	if (was_cancelled(visit, error))
		return;
	int has_symbols = error == 0 && take_image(visit, fd) == 0 &&
			  module->image.header->flags & MODULE_HAS_DEBUG_FILE;
	if (has_symbols)
		visit->table->fetched_count++;
	else
		drop_debug_file(module);
	fetch_client_judge(visit->table->fetch, has_symbols);
	finish(visit, NULL);
}

static void on_fetched(void *context, int error, int fd)
{
	struct visit *visit = context;

	if (was_cancelled(visit, error))
		return;
	if (error)
		settle(visit, MODULE_READY, 0);
	else
		read_with_debug_file(visit, fd, on_fetched_read);
}

/* Every place on this machine was tried. Whoever waits for names goes on without these. */
static void ask_servers(struct visit *visit)
{
	struct module *module = visit->module;
	const struct module_image_header *header = module->image.header;

	if (fetch_client_send(visit->table->fetch, header->build_id, header->build_id_length,
			      on_fetched, visit)) {
		settle(visit, MODULE_READY, 0);
		return;
	}
	module->state = MODULE_FETCHING;
	if (visit->table->on_settled)
		visit->table->on_settled(visit->table->context, module);
}

/* ---- The debug file on this machine ---- */

static void try_next_candidate(struct visit *visit);

static void on_debug_read(void *context, int error, int fd)
{
	struct visit *visit = context;

	if (was_cancelled(visit, error))
		return;
	if (error == 0 && take_image(visit, fd) == 0 &&
	    visit->module->image.header->flags & MODULE_HAS_SYMTAB) {
		finish(visit, file_search_path(&visit->search));
		return;
	}
	drop_debug_file(visit->module);
	try_next_candidate(visit);
}

static void on_debug_opened(void *context, int error, const int *fds, size_t fd_count)
{
	struct visit *visit = context;

	if (was_cancelled(visit, error))
		return;
	int fd = file_search_take(&visit->search, fds, fd_count);
	if (fd >= 0)
		read_with_debug_file(visit, fd, on_debug_read);
	else
		try_next_candidate(visit);
}

static void try_next_candidate(struct visit *visit)
{
	if (!try_next_place(visit, on_debug_opened))
		ask_servers(visit);
}

static void list_candidates(struct visit *visit)
{
	const struct module_image_header *header = visit->module->image.header;
	const char *link = header->debuglink, *path = visit->module->path;
	struct file_search *search = &visit->search;
	int folder = folder_length(path);

	file_search_add_build_id(search, header->build_id, header->build_id_length);
	/* The name comes from the file: it may not lead to another folder. */
	if (!link[0] || strchr(link, '/') || !strchr(path, '/'))
		return;
	file_search_add(search, memory_format("%.*s/.debug/%s", folder, path, link));
	file_search_add(search,
			memory_format("%s%.*s/%s", FILE_SEARCH_DEBUG_ROOT, folder, path, link));
	file_search_add(search, memory_format("%.*s/%s", folder, path, link));
}

/* ---- The module itself ---- */

static void on_module_read(void *context, int error, int fd)
{
	struct visit *visit = context;

	if (was_cancelled(visit, error))
		return;
	if (error == 0)
		error = take_image(visit, fd);
	if (error) {
		settle(visit, MODULE_UNREADABLE, error);
		return;
	}
	if (visit->module->number == MODULE_VDSO ||
	    visit->module->image.header->flags & MODULE_HAS_SYMTAB) {
		finish(visit, NULL);
		return;
	}
	visit->module->state = MODULE_SEEKING_DEBUG;
	list_candidates(visit);
	try_next_candidate(visit);
}

static void on_module_opened(void *context, int error, const int *fds, size_t fd_count)
{
	struct visit *visit = context;
	struct module *module = visit->module;

	if (was_cancelled(visit, error))
		return;
	if (error || fd_count != 1) {
		for (size_t i = 0; i < fd_count; i++)
			close(fds[i]);
		settle(visit, MODULE_UNREADABLE, error ? error : -EPROTO);
		return;
	}
	module->fd = fds[0];
	int copy = fcntl(module->fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0) {
		settle(visit, MODULE_UNREADABLE, -errno);
		return;
	}
	module->state = MODULE_READING;
	reader_client_send(visit->table->reader, READER_MODULE, READER_WANT_ROWS, &copy, 1,
			   on_module_read, visit);
}

static struct visit *new_module(struct module_table *table, uint32_t number, const char *path,
				size_t path_length)
{
	struct module *module = memory_new(sizeof(*module));
	struct visit *visit = memory_new(sizeof(*visit));
	size_t capacity = path_length * UTF8_MAX_GROWTH + 1;

	module->number = number;
	module->fd = -1;
	module->debug_fd = -1;
	module->alternate_fd = -1;
	module->path = memory_new(capacity);
	utf8_clean(module->path, capacity, path, path_length);
	const char *slash = strrchr(module->path, '/');
	module->name = slash ? slash + 1 : module->path;
	table->modules[number] = module;
	visit->table = table;
	visit->module = module;
	return visit;
}

static void start_vdso(struct module_table *table)
{
	static const char name[] = "[vdso]";
	struct visit *visit = new_module(table, MODULE_VDSO, name, strlen(name));

	visit->module->state = MODULE_READING;
	reader_client_send(table->reader, READER_VDSO, READER_WANT_ROWS, NULL, 0, on_module_read,
			   visit);
}

void module_table_add(struct module_table *table, const struct record_module *record)
{
	struct broker_request request = {
		.type = BROKER_OPEN_MODULE,
		.pid = record->pid,
		.start_time_ns = record->start_time_ns,
		.start = record->start,
		.end = record->end,
		.inode = record->key.inode,
		.size = record->key.size,
		.mtime_s = record->key.mtime_s,
		.filesystem = record->filesystem,
		.value = record->root_length,
	};

	/* One that is there already was announced again because its first record was doubtful. */
	if (record->module < MODULE_FIRST_FILE || record->module > MODULE_LAST_FILE ||
	    table->modules[record->module])
		return;
	/* The file is called what the process calls it; above its root lies what the broker may need. */
	uint32_t above = record->root_length < record->path_length ? record->root_length : 0;
	struct visit *visit = new_module(table, record->module, record->path + above,
					 record->path_length - above);
	visit->module->pid = record->pid;
	visit->module->start_time_ns = record->start_time_ns;
	visit->module->key = record->key;
	if (broker_request_set_path(&request, record->path, record->path_length))
		request.path_length = 0;
	log_debug("New module: number=%u path=%s pid=%u", record->module, visit->module->path,
		  record->pid);
	broker_client_send(table->broker, &request, on_module_opened, visit);
}

/* From the top down, so that the kernel programs' numbers and these rarely meet. */
struct module *module_table_new_jit(struct module_table *table)
{
	for (uint32_t i = MODULE_FIRST_JIT; i <= MODULE_LAST_FILE; i++) {
		uint32_t number = table->next_jit--;

		if (table->next_jit < MODULE_FIRST_JIT)
			table->next_jit = MODULE_LAST_FILE;
		if (table->modules[number])
			continue;
		struct module *module = memory_new(sizeof(*module));
		module->number = number;
		module->is_jit = 1;
		module->state = MODULE_READY;
		module->fd = -1;
		module->debug_fd = -1;
		module->alternate_fd = -1;
		module->path = memory_format("[jit]");
		module->name = module->path;
		table->modules[number] = module;
		return module;
	}
	return NULL;
}

void module_table_remove(struct module_table *table, struct module *module)
{
	table->modules[module->number] = NULL;
	free_module(module);
}

struct module *module_table_find(const struct module_table *table, uint32_t number)
{
	return number <= MODULE_LAST_FILE ? table->modules[number] : NULL;
}

int module_is_pending(const struct module *module)
{
	return module->state < MODULE_FETCHING;
}

uint32_t module_table_fetched(const struct module_table *table)
{
	return table->fetched_count;
}

uint32_t module_table_count(const struct module_table *table, uint32_t *unreadable)
{
	uint32_t count = 0;

	*unreadable = 0;
	for (uint32_t i = 0; i <= MODULE_LAST_FILE; i++) {
		if (!table->modules[i])
			continue;
		count++;
		*unreadable += table->modules[i]->state == MODULE_UNREADABLE;
	}
	return count;
}
