/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/addr2line.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

extern char **environ;

void addr2line_fini(struct addr2line_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++) {
		free(answer->functions[i].name);
		free(answer->functions[i].place);
	}
	free(answer->functions);
	*answer = (struct addr2line_answer){0};
}

/* The next line of the text, without a "(discriminator 2)" behind it. Owned (free), NULL: none. */
static char *take_line(const char **text, const char *end)
{
	static const char discriminator[] = " (discriminator ";

	if (*text >= end)
		return NULL;
	const char *stop = memchr(*text, '\n', (size_t)(end - *text));
	size_t length = (size_t)((stop ? stop : end) - *text);
	const char *mark = memmem(*text, length, discriminator, strlen(discriminator));
	char *line = memory_copy_text(*text, mark ? (size_t)(mark - *text) : length);
	*text = stop ? stop + 1 : end;
	return line;
}

void addr2line_parse(struct addr2line_answer *answer, const char *text, size_t length)
{
	const char *end = text + length;

	/* The address comes first; then two lines for each function. */
	free(take_line(&text, end));
	for (;;) {
		_cleanup_free_ char *name = take_line(&text, end);
		_cleanup_free_ char *place = take_line(&text, end);

		if (!name || !place)
			return;
		if (strcmp(name, "??") == 0)
			continue;
		answer->functions = memory_grow(answer->functions, &answer->capacity,
						answer->count + 1, sizeof(*answer->functions));
		answer->functions[answer->count++] =
			(struct addr2line_function){steal_ptr(&name), steal_ptr(&place)};
	}
}

static int read_all(int fd, char **text, size_t *length)
{
	size_t capacity = 0;
	ssize_t size;

	*length = 0;
	do {
		*text = memory_grow(*text, &capacity, *length + 4096, 1);
		size = read(fd, *text + *length, capacity - *length);
		if (size > 0)
			*length += (size_t)size;
	} while ((size > 0 && *length < ADDR2LINE_MAX_BYTES) || (size < 0 && errno == EINTR));
	return size < 0 ? -errno : 0;
}

static int run(struct addr2line_answer *answer, const char *module, const char *address)
{
	const char *arguments[] = {"addr2line", "-a", "-i",   "-f",    "-s",
				   "-C",        "-e", module, address, NULL};
	_cleanup_free_ char *text = NULL;
	posix_spawn_file_actions_t actions;
	size_t length = 0;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int error = -posix_spawnp(&pid, arguments[0], &actions, NULL,
				  (char *const *)(uintptr_t)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (!error) {
		error = read_all(ends[0], &text, &length);
		close(ends[0]);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		addr2line_parse(answer, text, length);
		return error;
	}
	close(ends[0]);
	return error;
}

int addr2line_ask(struct addr2line_answer *answer, const char *module, const char *pc,
		  const char *symbol)
{
	int error = run(answer, module, pc);
	const char *offset = strstr(symbol, "+0x");

	if (!error && !answer->count && offset)
		error = run(answer, module, offset + 1);
	return error;
}
