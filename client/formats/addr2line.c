/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/addr2line.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

extern char **environ;

/* Nothing is there: asked behind each address, so that its answer tells where the other one ends. */
#define END_ADDRESS "0xffffffffffffffff"

struct addr2line_process {
	pid_t pid;
	int socket; /* its standard input and output */
	uint32_t module;
	uint64_t last_question;
};

void addr2line_init(struct addr2line *addr2line, int patience_ms)
{
	*addr2line = (struct addr2line){.patience_ms = patience_ms > 0 ? patience_ms
								       : ADDR2LINE_PATIENCE_MS};
	intern_init(&addr2line->modules);
}

static void end_process(struct addr2line_process **process)
{
	if (!*process)
		return;
	close((*process)->socket);
	kill((*process)->pid, SIGKILL);
	while (waitpid((*process)->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(*process);
	*process = NULL;
}

void addr2line_fini(struct addr2line *addr2line)
{
	for (uint32_t i = 0; i < ADDR2LINE_MAX_PROCESSES; i++)
		end_process(&addr2line->processes[i]);
	intern_fini(&addr2line->modules);
	free(addr2line->is_given_up);
	*addr2line = (struct addr2line){0};
}

void addr2line_answer_fini(struct addr2line_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++) {
		free(answer->functions[i].name);
		free(answer->functions[i].place);
	}
	free(answer->functions);
	*answer = (struct addr2line_answer){0};
}

/* --- what it prints ------------------------------------------------------------------------- */

/* The next whole line of the text, without a "(discriminator 2)". Owned (free), NULL: none. */
static char *take_line(const char **text, const char *end)
{
	static const char discriminator[] = " (discriminator ";
	const char *stop = *text < end ? memchr(*text, '\n', (size_t)(end - *text)) : NULL;

	if (!stop)
		return NULL;
	size_t length = (size_t)(stop - *text);
	const char *mark = memmem(*text, length, discriminator, strlen(discriminator));
	char *line = memory_copy_text(*text, mark ? (size_t)(mark - *text) : length);
	*text = stop + 1;
	return line;
}

int addr2line_parse(struct addr2line_answer *answer, const char *text, size_t length)
{
	const char *end = text + length;
	_cleanup_free_ char *address = take_line(&text, end);

	/* Two lines for each function, then the other address with its own two. */
	while (address) {
		_cleanup_free_ char *name = take_line(&text, end);
		if (name && strcmp(name, END_ADDRESS) == 0) {
			free(take_line(&text, end));
			_cleanup_free_ char *last = take_line(&text, end);
			return last != NULL;
		}
		_cleanup_free_ char *place = take_line(&text, end);
		if (!name || !place)
			break;
		if (strcmp(name, "??") == 0)
			continue;
		answer->functions = memory_grow(answer->functions, &answer->capacity,
						answer->count + 1, sizeof(*answer->functions));
		answer->functions[answer->count++] =
			(struct addr2line_function){steal_ptr(&name), steal_ptr(&place)};
	}
	return 0;
}

/* --- its processes -------------------------------------------------------------------------- */

/* Start one for module. Errors: those of socketpair(2) and posix_spawn(3). */
static int start_process(struct addr2line_process *process, const char *module)
{
	const char *arguments[] = {"addr2line", "-a", "-i", "-f", "-s", "-C", "-e", module, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2];

	/* A socket, since writing into it need not end us when it is gone. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	_cleanup_close_ int ours = ends[0];
	_cleanup_close_ int its = ends[1];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, its, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, its, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int error = -posix_spawnp(&process->pid, arguments[0], &actions, NULL,
				  (char *const *)(uintptr_t)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error)
		return error;
	process->socket = steal_fd(&ours);
	return 0;
}

/* The place of the module's process, or a free one, or that of the one asked longest ago. */
static struct addr2line_process **find_place(struct addr2line *addr2line, uint32_t module)
{
	struct addr2line_process **oldest = &addr2line->processes[0];

	for (uint32_t i = 0; i < ADDR2LINE_MAX_PROCESSES; i++) {
		struct addr2line_process **place = &addr2line->processes[i];

		if (*place && (*place)->module == module)
			return place;
		if (*oldest && (!*place || (*place)->last_question < (*oldest)->last_question))
			oldest = place;
	}
	return oldest;
}

/* The process for the module, started when it does not run. NULL: there can be none. */
static struct addr2line_process **find_process(struct addr2line *addr2line, uint32_t module)
{
	struct addr2line_process **place = find_place(addr2line, module);

	if (!*place || (*place)->module != module) {
		struct addr2line_process started = {.module = module};
		int error = start_process(&started, intern_text(&addr2line->modules, module));

		addr2line->is_missing |= error == -ENOENT;
		if (error)
			return NULL;
		end_process(place);
		*place = memory_new(sizeof(**place));
		**place = started;
	}
	(*place)->last_question = ++addr2line->questions;
	return place;
}

static int write_question(const struct addr2line_process *process, const char *address)
{
	_cleanup_free_ char *question = memory_format("%s\n" END_ADDRESS "\n", address);
	size_t length = strlen(question);

	/* It reads what it was asked before it is asked again, so there is room for this. */
	return send(process->socket, question, length, MSG_NOSIGNAL) == (ssize_t)length ? 0
											: -EPIPE;
}

/* Read until the answer is whole. Errors: -ETIMEDOUT, -EPIPE it ended, -E2BIG. */
static int read_answer(const struct addr2line_process *process, int patience_ms,
		       struct addr2line_answer *answer)
{
	uint64_t end_ns = clock_boot_ns() + (uint64_t)patience_ms * NS_PER_MS;
	_cleanup_free_ char *text = NULL;
	size_t length = 0, capacity = 0;

	for (;;) {
		struct pollfd file = {.fd = process->socket, .events = POLLIN};
		uint64_t now_ns = clock_boot_ns();
		int left_ms = now_ns < end_ns ? (int)((end_ns - now_ns) / NS_PER_MS) : 0;
		int ready = poll(&file, 1, left_ms);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return ready ? -errno : -ETIMEDOUT;
		text = memory_grow(text, &capacity, length + 4096, 1);
		ssize_t size = read(process->socket, text + length, capacity - length);
		if (size <= 0)
			return -EPIPE;
		length += (size_t)size;
		if (addr2line_parse(answer, text, length))
			return 0;
		addr2line_answer_fini(answer);
		if (length > ADDR2LINE_MAX_BYTES)
			return -E2BIG;
	}
}

static int is_given_up(struct addr2line *addr2line, uint32_t module)
{
	size_t before = addr2line->module_capacity;

	addr2line->is_given_up = memory_grow(addr2line->is_given_up, &addr2line->module_capacity,
					     (size_t)module + 1, 1);
	memset(addr2line->is_given_up + before, 0, addr2line->module_capacity - before);
	return addr2line->is_given_up[module];
}

static void ask_once(struct addr2line *addr2line, uint32_t module, const char *address,
		     struct addr2line_answer *answer)
{
	if (is_given_up(addr2line, module))
		return;
	struct addr2line_process **process = find_process(addr2line, module);
	int error = process ? write_question(*process, address) : -ENOENT;
	if (!error)
		error = read_answer(*process, addr2line->patience_ms, answer);
	if (!error)
		return;
	addr2line->silent += error == -ETIMEDOUT;
	addr2line->is_given_up[module] = 1;
	if (process)
		end_process(process);
}

void addr2line_ask(struct addr2line *addr2line, const char *module, const char *pc,
		   const char *symbol, struct addr2line_answer *answer)
{
	uint32_t number = intern_add_text(&addr2line->modules, module);
	const char *offset = strstr(symbol, "+0x");

	ask_once(addr2line, number, pc, answer);
	if (!answer->count && offset)
		ask_once(addr2line, number, offset + 1, answer);
}
