/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that wait, each for one thing all the time: what they wait for, how often and how long is
 * known. Each is called as what it waits for. The main thread waits for a signal.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAP_NS        20000000L
#define LONG_NAP_NS   700000000L
#define FILE_PAGES    64
#define LITTLE_US     4
#define MUCH_US       16
#define DIARY_SECONDS 4096
#define PAGE_BYTES    4096

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t started; /* all threads have their names */
static pthread_mutex_t signal_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t signalled = PTHREAD_COND_INITIALIZER;
static int pipe_ends[2];
static int slow_ends[2];
static int echo_ends[2];
static int answer_ends[2];
static int socket_ends[2];

static void nap(long ns)
{
	struct timespec time = {.tv_nsec = ns};

	nanosleep(&time, NULL);
}

__attribute__((noinline)) static void wait_timer(void)
{
	nap(NAP_NS);
}

__attribute__((noinline)) static void wait_poll(void)
{
	poll(NULL, 0, (int)(NAP_NS / 1000000));
}

__attribute__((noinline)) static void wait_pipe(void)
{
	char byte;

	if (read(pipe_ends[0], &byte, 1) != 1)
		exit(1);
}

__attribute__((noinline)) static void wait_socket(void)
{
	char byte;

	if (recv(socket_ends[0], &byte, 1, 0) != 1)
		exit(1);
}

/* The main thread has it for good. */
__attribute__((noinline)) static void wait_lock(void)
{
	pthread_mutex_lock(&held);
}

__attribute__((noinline)) static void wait_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		nap(NAP_NS);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

__attribute__((noinline)) static void wait_disk(void)
{
	char name[] = "waits-XXXXXX";
	int fd = mkstemp(name);

	unlink(name);
	for (;;)
		if (write(fd, name, sizeof(name)) < 0 || fsync(fd))
			exit(1);
}

/* Pages of a file that have to be read again. */
__attribute__((noinline)) static void wait_fault(void)
{
	static int fd = -1;
	static char page[PAGE_BYTES];
	char name[] = "waits-XXXXXX";
	volatile char sum = 0;

	if (fd < 0) {
		fd = mkstemp(name);
		unlink(name);
		for (int i = 0; i < FILE_PAGES; i++)
			if (write(fd, page, sizeof(page)) != sizeof(page))
				exit(1);
		fsync(fd);
	}
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		exit(1);
	char *pages = mmap(NULL, FILE_PAGES * PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (pages == MAP_FAILED)
		exit(1);
	madvise(pages, FILE_PAGES * PAGE_BYTES, MADV_RANDOM);
	for (int i = 0; i < FILE_PAGES; i++)
		sum = (char)(sum + pages[i * PAGE_BYTES]);
	munmap(pages, FILE_PAGES * PAGE_BYTES);
}

/* A terminal at which nobody types. */
__attribute__((noinline)) static void wait_device(void)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	char byte;

	if (terminal < 0 || grantpt(terminal) || unlockpt(terminal))
		exit(1);
	int keyboard = open(ptsname(terminal), O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (keyboard < 0 || read(keyboard, &byte, 1) >= 0)
		exit(1);
}

/* A descriptor of no kind that has a name. */
__attribute__((noinline)) static void wait_event(void)
{
	int event = eventfd(0, EFD_CLOEXEC);
	uint64_t value;

	if (event < 0 || read(event, &value, sizeof(value)) >= 0)
		exit(1);
}

__attribute__((noinline)) static void wait_yield(void)
{
	sched_yield();
}

__attribute__((noinline)) static void wait_cond(void)
{
	pthread_mutex_lock(&signal_lock);
	pthread_cond_wait(&signalled, &signal_lock);
	pthread_mutex_unlock(&signal_lock);
}

/* Wakes wait_cond(). */
__attribute__((noinline)) static void wait_signaller(void)
{
	nap(NAP_NS);
	pthread_mutex_lock(&signal_lock);
	pthread_cond_signal(&signalled);
	pthread_mutex_unlock(&signal_lock);
}

__attribute__((noinline)) static void wait_slow(void)
{
	char byte;

	if (read(slow_ends[0], &byte, 1) != 1)
		exit(1);
}

/* Wakes wait_slow(). */
__attribute__((noinline)) static void wait_slow_writer(void)
{
	nap(LONG_NAP_NS);
	if (write(slow_ends[1], "x", 1) != 1)
		exit(1);
}

static void *nap_once(void *argument)
{
	(void)argument;
	pthread_setname_np(pthread_self(), "short");
	nap(NAP_NS / 4);
	return NULL;
}

/* Threads that come and go. */
__attribute__((noinline)) static void wait_threads(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, nap_once, NULL))
		exit(1);
	pthread_join(thread, NULL);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What wait_naps() has waited in each second since boot: short naps, long ones. For all to read. */
struct diary {
	uint64_t waited_ns[2][DIARY_SECONDS];
};

static struct diary *open_diary(void)
{
	int fd = open("naps.diary", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	void *diary = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, sizeof(struct diary)))
		diary = mmap(NULL, sizeof(struct diary), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (diary == MAP_FAILED)
		exit(1);
	return diary;
}

static uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* A wait may lie in two seconds. */
static void note_wait(uint64_t *waited_ns, uint64_t from_ns, uint64_t to_ns)
{
	while (from_ns < to_ns) {
		uint64_t end_ns = (from_ns / 1000000000 + 1) * 1000000000;
		uint64_t second = from_ns / 1000000000 % DIARY_SECONDS;

		waited_ns[second] += (end_ns < to_ns ? end_ns : to_ns) - from_ns;
		from_ns = end_ns;
	}
}

__attribute__((noinline)) static void wait_short_nap(struct diary *diary)
{
	uint64_t from_ns = boot_ns();

	nap(NAP_NS / 40);
	note_wait(diary->waited_ns[0], from_ns, boot_ns());
}

__attribute__((noinline)) static void wait_long_nap(struct diary *diary)
{
	uint64_t from_ns = boot_ns();

	nap(NAP_NS / 10);
	note_wait(diary->waited_ns[1], from_ns, boot_ns());
}

/* Short and long naps in turn, some hundred a second, with a diary. */
__attribute__((noinline)) static void wait_naps(void)
{
	struct diary *diary = open_diary();

	for (;;) {
		wait_short_nap(diary);
		wait_long_nap(diary);
	}
}

/* Both sides of an exchange on one CPU: each byte is two switches. */
static void stay_on_last_cpu(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)sysconf(_SC_NPROCESSORS_ONLN) - 1, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void exchange(char work)
{
	char byte = work;

	if (write(echo_ends[1], &byte, 1) != 1 || read(answer_ends[0], &byte, 1) != 1)
		exit(1);
}

__attribute__((noinline)) static void wait_for_little(void)
{
	exchange(LITTLE_US);
}

__attribute__((noinline)) static void wait_for_much(void)
{
	exchange(MUCH_US);
}

/* Asks for a little work and for much, in turn, tens of thousands of times a second. */
__attribute__((noinline)) static void wait_mixed(void)
{
	stay_on_last_cpu();
	for (;;) {
		wait_for_little();
		wait_for_much();
	}
}

/* Does the work: so many microseconds as the byte says. */
__attribute__((noinline)) static void wait_echo(void)
{
	char byte;

	stay_on_last_cpu();
	while (read(echo_ends[0], &byte, 1) == 1) {
		uint64_t end_ns = now_ns() + (uint64_t)byte * 1000;

		while (now_ns() < end_ns)
			;
		if (write(answer_ends[1], &byte, 1) != 1)
			break;
	}
	exit(1);
}

/* Wakes the readers. */
__attribute__((noinline)) static void wait_writer(void)
{
	nap(NAP_NS);
	if (write(pipe_ends[1], "x", 1) != 1 || send(socket_ends[1], "x", 1, 0) != 1)
		exit(1);
}

__attribute__((noinline)) static void wait_spin(void)
{
	static volatile uint64_t count;

	for (int i = 0; i < 1000000; i++)
		count += 1;
}

static const struct kind {
	const char *name;
	void (*wait)(void);
} kinds[] = {
	{"timer", wait_timer},         {"poll", wait_poll},       {"pipe", wait_pipe},
	{"socket", wait_socket},       {"lock", wait_lock},       {"child", wait_child},
	{"disk", wait_disk},           {"writer", wait_writer},   {"device", wait_device},
	{"event", wait_event},         {"yield", wait_yield},     {"yield2", wait_yield},
	{"yield3", wait_yield},        {"fault", wait_fault},     {"cond", wait_cond},
	{"signaller", wait_signaller}, {"slow", wait_slow},       {"slow writer", wait_slow_writer},
	{"naps", wait_naps},           {"threads", wait_threads}, {"mixed", wait_mixed},
	{"echo", wait_echo},           {"spin", wait_spin},       {"spin2", wait_spin},
	{"spin3", wait_spin},
};

static void *run(void *argument)
{
	const struct kind *kind = argument;

	pthread_setname_np(pthread_self(), kind->name);
	pthread_barrier_wait(&started);
	for (;;)
		kind->wait();
	return NULL;
}

static const struct kind *find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	fprintf(stderr, "waits: no such kind: %s\n", name);
	exit(2);
}

/* "lock:1000": how many threads of that kind; the text ends before the number from then on. */
static unsigned int take_count(char *argument)
{
	char *colon = strchr(argument, ':');

	if (!colon)
		return 1;
	*colon = 0;
	return (unsigned int)strtoul(colon + 1, NULL, 10);
}

/* waits KIND[:COUNT]...: so many threads each, one unless told */
int main(int argc, char **argv)
{
	unsigned int *counts = calloc((size_t)argc, sizeof(*counts)), all = 1;
	pthread_t thread;

	pthread_mutex_lock(&held);
	if (!counts || pipe(pipe_ends) || pipe(slow_ends) || pipe(echo_ends) || pipe(answer_ends) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, socket_ends))
		return 1;
	for (int i = 1; i < argc; i++)
		all += counts[i] = take_count(argv[i]);
	pthread_barrier_init(&started, NULL, all);
	for (int i = 1; i < argc; i++)
		for (unsigned int k = 0; k < counts[i]; k++)
			if (pthread_create(&thread, NULL, run, (void *)(uintptr_t)find(argv[i])))
				return 1;
	pthread_barrier_wait(&started);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
