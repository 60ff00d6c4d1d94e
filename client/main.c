/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flamectl: asks flamed what happened. Options before the command say where flamed is; the command
 * does the rest. With --host the command runs once a host, each time in a process of its own.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/connection.h"
#include "client/tunnel.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/protocol.h"

#define EXIT_INTERRUPTED (128 + SIGINT)

static struct global_values {
	const char *socket_path;
	struct option_texts hosts;
	uint64_t silence_ns;
	int json;
	int version;
} values = {.silence_ns = CONNECTION_SILENCE_S * NS_PER_SECOND};

#define FIELD(name) offsetof(struct global_values, name)

static const struct command_option options[] = {
	COMMAND_OPTION("socket", 0, "PATH", OPTION_TEXT, FIELD(socket_path),
		       "where flamed answers (default $FLAMED_SOCKET, else\n"
		       "                            " PROTOCOL_SOCKET_PATH ")"),
	COMMAND_OPTION("host", 0, "[USER@]HOST", OPTION_TEXTS, FIELD(hosts),
		       "ask flamed there, through ssh; may be repeated"),
	COMMAND_OPTION("timeout", 0, "DURATION", OPTION_DURATION, FIELD(silence_ns),
		       "give up when flamed says nothing for so long (2m)", .minimum = NS_PER_MS,
		       .maximum = PROTOCOL_MAX_DURATION_MS * NS_PER_MS),
	COMMAND_OPTION("json", 0, NULL, OPTION_FLAG, FIELD(json), "show results as JSON"),
	COMMAND_OPTION("version", 0, NULL, OPTION_FLAG, FIELD(version), "show the version"),
};

static size_t list_options(struct option_set sets[COMMAND_MAX_SETS])
{
	sets[0] = (struct option_set){
		.options = options, .count = ARRAY_SIZE(options), .values = &values};
	return 1;
}

static const struct command flamectl = {
	.operands = "COMMAND ...",
	.summary = "Ask flamed what processes were doing",
	.examples = "  flamectl attach $(pidof redis-server)\n"
		    "  flamectl svg --last 30s\n"
		    "  flamectl top --live\n"
		    "  flamectl record -- ./program argument\n"
		    "  flamectl --host root@db1 status\n",
	.list_options = list_options,
	.print_operands = command_table_print,
	.stops_at_operand = 1,
};

/* Run the command in this process. Returns an exit code. */
static int run_command(struct client *client, int argument_count, char **arguments)
{
	int first = command_parse(client->command, argument_count, arguments);
	int code = client->command->run(client, argument_count - first, arguments + first);

	connection_close(client->connection);
	client->connection = NULL;
	if (fflush(stdout) == EOF || ferror(stdout))
		err(EXIT_FAILED, "the output could not be written");
	return code;
}

/* Wait for the command, which gets the signals that we get. Returns its exit code. */
static int wait_for_command(pid_t command, const sigset_t *interrupts)
{
	sigset_t awaited = *interrupts;
	siginfo_t signal;
	int status;

	sigaddset(&awaited, SIGCHLD);
	sigprocmask(SIG_BLOCK, &awaited, NULL);
	while (waitpid(command, &status, WNOHANG) == 0) {
		/* What comes from the terminal, the command has got already. */
		if (sigwaitinfo(&awaited, &signal) > 0 && signal.si_signo != SIGCHLD &&
		    signal.si_code != SI_KERNEL)
			kill(command, signal.si_signo);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Run the command in a child, so that whatever ends it does not keep the next host from its turn. */
static int run_apart(struct client *client, int argument_count, char **arguments,
		     const sigset_t *interrupts)
{
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		err(EXIT_FAILED, "fork");
	if (child == 0) {
		sigprocmask(SIG_UNBLOCK, interrupts, NULL);
		exit(run_command(client, argument_count, arguments));
	}
	return wait_for_command(child, interrupts);
}

/* Signals that end the program are waited for while a tunnel has to be removed behind it. */
static void block_interrupts(sigset_t *interrupts)
{
	sigemptyset(interrupts);
	sigaddset(interrupts, SIGINT);
	sigaddset(interrupts, SIGTERM);
	sigaddset(interrupts, SIGHUP);
	sigprocmask(SIG_BLOCK, interrupts, NULL);
}

static int run_on_host(struct client *client, const char *host, int argument_count,
		       char **arguments)
{
	struct tunnel tunnel;
	sigset_t interrupts;

	block_interrupts(&interrupts);
	int error = tunnel_open(&tunnel, host, client->socket_path, &interrupts);
	if (error == -EINTR)
		exit(EXIT_INTERRUPTED);
	if (error == -EINVAL)
		errx(EXIT_USAGE, "--host takes [USER@]HOST, not \"%s\"", host);
	if (error == -EHOSTUNREACH)
		warnx("%s: ssh could not forward to %s there", host, client->socket_path);
	else if (error)
		warnx("%s: ssh could not be started: %s", host, strerror(-error));
	if (error)
		return EXIT_UNREACHABLE;
	client->host = host;
	client->local_path = tunnel.path;
	if (client->host_count > 1 && !client->json && !client->command->prints_data)
		printf("==> %s <==\n", host);
	int code = run_apart(client, argument_count, arguments, &interrupts);
	tunnel_close(&tunnel);
	return code;
}

/* Ask each host in turn. Returns the first exit code that is not EXIT_DONE. */
static int run_on_hosts(struct client *client, int argument_count, char **arguments)
{
	int code = EXIT_DONE;

	client->host_count = (int)values.hosts.count;
	for (size_t i = 0; i < values.hosts.count; i++) {
		int result = run_on_host(client, values.hosts.texts[i], argument_count, arguments);

		if (code == EXIT_DONE)
			code = result;
	}
	return code;
}

static const char *choose_socket(void)
{
	const char *variable = getenv(PROTOCOL_SOCKET_VARIABLE);

	if (values.socket_path)
		return values.socket_path;
	/* The variable names a path on this host. */
	return variable && *variable && !values.hosts.count ? variable : PROTOCOL_SOCKET_PATH;
}

static const struct command *find_command(const char *name)
{
	_cleanup_free_ char *error = NULL;
	const struct command *command = command_table_find(name, &error);

	if (command)
		return command;
	warnx("%s", error);
	fprintf(stderr, "usage: flamectl [OPTION...] COMMAND ...   (flamectl --help tells more)\n");
	exit(EXIT_USAGE);
}

int main(int argument_count, char **arguments)
{
	int first = command_parse(&flamectl, argument_count, arguments);
	struct client client = {.json = values.json, .silence_ms = values.silence_ns / NS_PER_MS};

	if (values.version) {
		puts("flamectl " FLAME_VERSION);
		return EXIT_DONE;
	}
	if (first == argument_count) {
		command_print_help(&flamectl, stderr);
		return EXIT_USAGE;
	}
	if (strcmp(arguments[first], "help") == 0) {
		command_print_help(arguments[first + 1] ? find_command(arguments[first + 1])
							: &flamectl,
				   stdout);
		return EXIT_DONE;
	}
	signal(SIGPIPE, SIG_DFL);
	client.command = find_command(arguments[first]);
	client.socket_path = choose_socket();
	client.local_path = client.socket_path;
	if (values.hosts.count && client.command->is_local)
		command_misused(client.command,
				"it reads files and asks no flamed; leave out --host");
	if (values.hosts.count)
		return run_on_hosts(&client, argument_count - first, arguments + first);
	return run_command(&client, argument_count - first, arguments + first);
}
