/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flamed starts here: checks its rights, opens the socket, forks the parent of the readers and the
 * core, which both give up every right, and becomes the broker.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "daemon/broker/broker.h"
#include "daemon/broker/child_socket.h"
#include "daemon/broker/kernel_version.h"
#include "daemon/broker/privileges.h"
#include "daemon/broker/spawner.h"
#include "daemon/core/core.h"
#include "daemon/fetch/fetch_cache.h"
#include "daemon/listener.h"
#include "daemon/options.h"

enum { EXIT_USAGE = 2 };

/*
 * One descriptor a module and a client; the usual soft limit of 1024 is for select(2). The rings of
 * perf events are locked memory.
 */
static void raise_limits(void)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

/* Signals wait until the broker reads them, so that none is lost while flamed starts. */
static int open_signals(sigset_t *previous)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &signals, previous))
		return -errno;
	fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* Non-zero when kernel programs must not be loaded: see kernel_version.h. */
static int is_kernel_unsafe(const struct options *options)
{
	struct kernel_version version;
	struct utsname name;

	if (uname(&name) || kernel_version_parse(name.release, name.version, &version) ||
	    !kernel_version_is_unsafe(&version))
		return 0;
	if (options->allow_unsafe_kernel) {
		log_warn("sampling may freeze this host, its kernel needs 6.1.36, 6.3.10 or 6.4 "
			 "kernel=%u.%u.%u",
			 version.major, version.minor, version.patch);
		return 0;
	}
	log_warn(
		"this kernel can freeze when kernel programs read stacks, as was mended in 6.1.36, "
		"6.3.10 and 6.4: perf events copy them instead kernel=%u.%u.%u",
		version.major, version.minor, version.patch);
	return 1;
}

static void run_core(int broker_socket, const struct listener *listener,
		     const struct options *options, const struct privileges_user *user)
{
	int error = privileges_drop_all(user, "flamed-core");

	if (error) {
		log_error_errno(error, "cannot drop the rights of the core");
		_exit(1);
	}
	log_start("core", options->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	_exit(core_main(broker_socket, listener->fd, options));
}

/* Fork the core and the parent of the readers, then be the broker. */
static int run(const struct options *options, const struct privileges_user *user,
	       const struct listener *listener, const struct fetch_cache *cache)
{
	struct broker_setup setup = {
		.options = options, .user = user, .is_unsafe = is_kernel_unsafe(options)};
	struct spawner spawner;
	sigset_t previous;
	int socket, error;

	error = spawner_start(user, cache->path ? cache : NULL, &spawner);
	if (error)
		return error;
	setup.signal_fd = open_signals(&previous);
	if (setup.signal_fd < 0)
		return setup.signal_fd;
	setup.core_pid = child_socket_fork(&socket);
	if (setup.core_pid < 0)
		return setup.core_pid;
	if (!setup.core_pid) {
		close(spawner.socket);
		close(setup.signal_fd);
		/* Ctrl-C goes to all three; the broker stops the core when it is time. */
		signal(SIGINT, SIG_IGN);
		sigprocmask(SIG_SETMASK, &previous, NULL);
		run_core(socket, listener, options, user);
	}
	setup.core_socket = socket;
	setup.spawner = &spawner;
	return broker_run(&setup);
}

/* Debug files are fetched only where the environment names servers. Returns what to exit with. */
static int open_cache(const struct options *options, const struct privileges_user *user,
		      struct fetch_cache *cache)
{
	_cleanup_free_ char *path = NULL;
	int error;

	if (!options->debuginfod_urls)
		return 0;
	error = fetch_cache_open(cache, options->debuginfod_cache, user->uid, user->gid);
	if (!error) {
		log_info("missing debug files are fetched from DEBUGINFOD_URLS cache=%s",
			 cache->path);
		return 0;
	}
	path = fetch_cache_wanted(options->debuginfod_cache);
	if (error == -EPERM)
		log_error("fetched debug files need a folder that belongs to %s and that nobody "
			  "else can write to, nor to those above it; see --debuginfod-cache "
			  "path=%s",
			  user->name, path ? path : "/var/tmp");
	else
		log_error_errno(error, "cannot use the folder for fetched debug files path=%s",
				path ? path : "/var/tmp");
	return error;
}

static void explain_listen_error(int error, const char *path)
{
	if (error == -EADDRINUSE)
		log_error("another flamed is running there socket=%s", path);
	else if (error == -EEXIST)
		log_error("there is something else than a socket socket=%s", path);
	else
		log_error_errno(error, "cannot listen socket=%s", path);
}

int main(int argc, char **argv)
{
	struct privileges_user user;
	struct listener listener = {.fd = -1};
	struct fetch_cache cache = {0};
	struct options options;
	int error;

	if (options_read(argc, argv, &options))
		return EXIT_USAGE;
	if (options.show_help) {
		options_print_help(stdout);
		return 0;
	}
	if (options.show_version) {
		puts("flamed " FLAME_VERSION);
		return 0;
	}
	log_start("broker", options.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (!privileges_check())
		return 1;
	if (privileges_find_user(options.user, &user)) {
		log_error("there is no such user user=%s",
			  options.user ? options.user : "flamed, nobody");
		return 1;
	}
	raise_limits();
	error = listener_open(&listener, options.socket_path, user.uid, user.gid);
	if (error) {
		explain_listen_error(error, options.socket_path);
		return 1;
	}
	error = open_cache(&options, &user, &cache);
	if (!error)
		error = run(&options, &user, &listener, &cache);
	fetch_cache_close(&cache);
	listener_close(&listener);
	return error ? 1 : 0;
}
