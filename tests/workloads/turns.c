/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread that sleeps a moment in each of several ways in turn, for ever: some by the same system
 * call, each in a function of its own. A child answers on a pipe and a socket.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/workloads/work.h"

#define NAP_NS 2000000L

static int questions[2], answers[2], sockets[2], timer;

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

static void require(int is_good)
{
	if (!is_good)
		exit(1);
}

work_frame static void turn_timer(void)
{
	nap();
}

work_frame static void turn_poll(void)
{
	poll(NULL, 0, (int)(NAP_NS / 1000000));
}

work_frame static void turn_device(void)
{
	struct itimerspec once = {.it_value.tv_nsec = NAP_NS};
	uint64_t times;

	require(!timerfd_settime(timer, 0, &once, NULL));
	require(read(timer, &times, sizeof(times)) == sizeof(times));
}

work_frame static void turn_pipe(void)
{
	char byte = 0;

	require(write(questions[1], &byte, 1) == 1);
	require(read(answers[0], &byte, 1) == 1);
}

work_frame static void turn_socket(void)
{
	char byte = 0;

	require(write(sockets[0], &byte, 1) == 1);
	require(read(sockets[0], &byte, 1) == 1);
}

static void answer(void)
{
	char byte;

	for (;;) {
		require(read(questions[0], &byte, 1) == 1);
		nap();
		require(write(answers[1], &byte, 1) == 1);
		require(read(sockets[1], &byte, 1) == 1);
		nap();
		require(write(sockets[1], &byte, 1) == 1);
	}
}

int main(void)
{
	pid_t child;

	timer = timerfd_create(CLOCK_MONOTONIC, 0);
	require(timer >= 0 && !pipe(questions) && !pipe(answers) &&
		!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	require(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		answer();
	}
	for (;;) {
		turn_timer();
		turn_poll();
		turn_device();
		turn_pipe();
		turn_socket();
	}
}
