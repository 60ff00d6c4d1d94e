/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/control_socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "daemon/core/processes/access.h"
#include "daemon/core/protocol/method.h"
#include "daemon/core/protocol/request.h"
#include "tests/unit/cmocka_all.h"

#define MANY 80 /* more than CONTROL_SOCKET_MAX_CONNECTIONS */

struct scene {
	char folder[64];
	char path[80];
	struct event_base *base;
	struct method_table *methods;
	struct control_socket *control;
};

static int listen_on(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 128), 0);
	return fd;
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));

	strcpy(scene->folder, "/tmp/flame-test-XXXXXX");
	assert_non_null(mkdtemp(scene->folder));
	snprintf(scene->path, sizeof(scene->path), "%s/socket", scene->folder);
	scene->base = event_base_new();
	scene->methods = request_methods_new(NULL, 0, NULL);
	struct control_socket_settings settings = {
		.base = scene->base, .methods = scene->methods, .all_group = ACCESS_NO_GROUP};
	scene->control = control_socket_new(&settings, listen_on(scene->path));
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	control_socket_free(scene->control);
	method_table_free(scene->methods);
	event_base_free(scene->base);
	unlink(scene->path);
	rmdir(scene->folder);
	free(scene);
	return 0;
}

static int connect_client(const struct scene *scene)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, scene->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Let the server run until it has sent the client something; returns its first line's start. */
static void read_line(struct scene *scene, int fd, char *line, size_t size)
{
	ssize_t length;

	while ((length = recv(fd, line, size - 1, 0)) < 0)
		event_base_loop(scene->base, EVLOOP_NONBLOCK);
	line[length] = 0;
}

static void test_a_client_is_greeted(void **state)
{
	struct scene *scene = *state;
	char line[512];

	int fd = connect_client(scene);
	read_line(scene, fd, line, sizeof(line));
	assert_non_null(strstr(line, "{\"flamed\":{\"version\":"));
	assert_int_equal(control_socket_connections(scene->control), 1);
	close(fd);
	while (control_socket_connections(scene->control))
		event_base_loop(scene->base, EVLOOP_NONBLOCK);
}

static void test_one_client_too_many_is_told_so(void **state)
{
	struct scene *scene = *state;
	int limit = geteuid() == 0 ? CONTROL_SOCKET_MAX_CONNECTIONS : CONTROL_SOCKET_MAX_PER_UID;
	int fds[MANY];
	char line[512];

	for (int i = 0; i <= limit; i++) {
		fds[i] = connect_client(scene);
		read_line(scene, fds[i], line, sizeof(line));
		assert_int_equal(strstr(line, "\"name\":\"busy\"") != NULL, i == limit);
	}
	assert_int_equal(recv(fds[limit], line, sizeof(line), 0), 0); /* closed */
	/* One goes, one can come. */
	close(fds[0]);
	while (control_socket_connections(scene->control) == (size_t)limit)
		event_base_loop(scene->base, EVLOOP_NONBLOCK);
	fds[0] = connect_client(scene);
	read_line(scene, fds[0], line, sizeof(line));
	assert_non_null(strstr(line, "flamed"));
	for (int i = 0; i <= limit; i++)
		close(fds[i]);
}

static void test_clients_wait_while_descriptors_are_short(void **state)
{
	struct scene *scene = *state;
	struct rlimit saved, low;
	char line[512];

	int first = connect_client(scene);
	read_line(scene, first, line, sizeof(line));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	int waiting = connect_client(scene);
	low = (struct rlimit){(rlim_t)waiting + CONTROL_SOCKET_FD_RESERVE, saved.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	/* Whoever is turned away for want of descriptors sees the end of the connection. */
	read_line(scene, waiting, line, sizeof(line));
	assert_string_equal(line, "");
	int patient = connect_client(scene);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
	for (int i = 0; i < 20; i++)
		event_base_loop(scene->base, EVLOOP_NONBLOCK);
	assert_int_equal(recv(patient, line, sizeof(line), 0), -1); /* paused */
	close(first);
	read_line(scene, patient, line, sizeof(line));
	assert_non_null(strstr(line, "flamed"));
	close(waiting);
	close(patient);
}

#define with_socket(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_socket(test_a_client_is_greeted),
		with_socket(test_one_client_too_many_is_told_so),
		with_socket(test_clients_wait_while_descriptors_are_short),
	};

	log_start("test", LOG_LEVEL_ERROR - 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
