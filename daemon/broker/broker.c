/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/broker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <systemd/sd-daemon.h>

#include "bpf/heap_record.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fd_message.h"
#include "common/log.h"
#include "daemon/broker/broker_message.h"
#include "daemon/broker/cpu_events.h"
#include "daemon/broker/handles.h"
#include "daemon/broker/mapping_test.h"
#include "daemon/broker/opener.h"
#include "daemon/broker/perf_rings.h"
#include "daemon/broker/privileges.h"
#include "daemon/broker/prober.h"
#include "daemon/broker/prober_setup.h"
#include "daemon/broker/programs.h"
#include "daemon/broker/spawner.h"
#include "daemon/broker/uprobe_link.h"
#include "daemon/options.h"

/* How long the core may take to end after SIGTERM. */
#define CORE_GRACE_MS 500

/* And the probers, after it. */
#define PROBER_GRACE_MS 400

/* Descriptors that go out with a reply and are closed here afterwards. */
struct handed {
	int fds[BROKER_MAX_FDS];
	size_t count;
};

struct broker {
	const struct broker_setup *setup;
	struct programs *programs;
	struct cpu_events *events;
	struct perf_rings *rings; /* instead of programs and events; NULL: not needed */
	struct broker_hello hello;
	int mapping_in_tables;
	pid_t probers[HEAP_MAX_SLOTS]; /* the last one of each slot; 0: none yet */
};

/* Note the one descriptor that was written unless there was an error. */
static int hand_out(int error, struct handed *handed)
{
	handed->count = !error;
	return error;
}

static void close_handed(const struct handed *handed)
{
	for (size_t i = 0; i < handed->count; i++)
		close(handed->fds[i]);
}

static int on_ready(struct broker *broker, const struct broker_request *request,
		    struct handed *handed)
{
	(void)broker;
	(void)request;
	(void)handed;
	sd_notify(0, "READY=1");
	return 0;
}

static int on_set_rate(struct broker *broker, const struct broker_request *request,
		       struct handed *handed)
{
	(void)handed;
	return broker->rings ? perf_rings_set_rate(broker->rings, request->value)
			     : cpu_events_set_rate(broker->events, request->value);
}

static int on_open_rings(struct broker *broker, const struct broker_request *request,
			 struct handed *handed)
{
	int error;

	if (!broker->rings)
		return -EOPNOTSUPP;
	error = perf_rings_open(broker->rings, request->value, handed->fds);
	handed->count = error ? 0 : PERF_RING_COUNT;
	return error;
}

static int on_set_hooks(struct broker *broker, const struct broker_request *request,
			struct handed *handed)
{
	(void)handed;
	if (!broker->programs)
		return request->value ? -EOPNOTSUPP : 0;
	return programs_set_hooks(broker->programs, request->value);
}

static int on_open_look(struct broker *broker, const struct broker_request *request,
			struct handed *handed)
{
	(void)request;
	if (!broker->programs)
		return -EOPNOTSUPP;
	return hand_out(programs_open_look(broker->programs, handed->fds), handed);
}

static int on_start_reader(struct broker *broker, const struct broker_request *request,
			   struct handed *handed)
{
	(void)request;
	return hand_out(spawner_request(broker->setup->spawner, SPAWN_READER, handed->fds), handed);
}

static int on_start_yardstick(struct broker *broker, const struct broker_request *request,
			      struct handed *handed)
{
	(void)request;
	return hand_out(spawner_request(broker->setup->spawner, SPAWN_YARDSTICK, handed->fds),
			handed);
}

static int on_start_fetcher(struct broker *broker, const struct broker_request *request,
			    struct handed *handed)
{
	(void)request;
	if (!broker->setup->options->debuginfod_urls)
		return -EOPNOTSUPP;
	return hand_out(spawner_request(broker->setup->spawner, SPAWN_FETCHER, handed->fds),
			handed);
}

static int on_announce(struct broker *broker, const struct broker_request *request,
		       struct handed *handed)
{
	(void)handed;
	if (!broker->programs)
		return -EOPNOTSUPP;
	return programs_announce(broker->programs, request->pid);
}

static int on_add_shards(struct broker *broker, const struct broker_request *request,
			 struct handed *handed)
{
	int error;

	if (!broker->programs)
		return -EOPNOTSUPP;
	if (request->value > BROKER_MAX_FDS)
		return -E2BIG;
	error = programs_add_shards(broker->programs, (uint32_t)request->value, handed->fds);
	handed->count = error ? 0 : (size_t)request->value;
	return error;
}

/* Paths that a target may have chosen are opened in a child. */
static int on_open_module(struct broker *broker, const struct broker_request *request,
			  struct handed *handed)
{
	(void)broker;
	return hand_out(opener_run(handles_open_module, request, handed->fds), handed);
}

static int on_open_mapped(struct broker *broker, const struct broker_request *request,
			  struct handed *handed)
{
	(void)broker;
	return hand_out(opener_run(handles_open_mapped, request, handed->fds), handed);
}

static int on_start_prober(struct broker *broker, const struct broker_request *request,
			   struct handed *handed)
{
	struct prober_setup setup = {
		.pid = (pid_t)request->pid,
		.request = request,
		.slot = (uint32_t)request->value,
	};
	pid_t child;

	if (!broker->programs)
		return -EOPNOTSUPP;
	if (request->value >= HEAP_MAX_SLOTS || !request->start_time_ns)
		return -EINVAL;
	int error =
		programs_get_heap(broker->programs, broker->setup->options->single_probes, &setup);
	if (error)
		return error;
	child = prober_start(&setup, handed->fds);
	if (child > 0)
		broker->probers[setup.slot] = child;
	return hand_out(child < 0 ? child : 0, handed);
}

static int on_open_in_root(struct broker *broker, const struct broker_request *request,
			   struct handed *handed)
{
	(void)broker;
	return hand_out(opener_run(handles_open_in_root, request, handed->fds), handed);
}

static int on_open_proc(struct broker *broker, const struct broker_request *request,
			struct handed *handed)
{
	(void)broker;
	return hand_out(handles_open_proc(request, handed->fds), handed);
}

static int on_open_kallsyms(struct broker *broker, const struct broker_request *request,
			    struct handed *handed)
{
	(void)broker;
	return hand_out(handles_open_kallsyms(request, handed->fds), handed);
}

/* What to do for each request. */
static int (*const handlers[BROKER_REQUEST_COUNT])(struct broker *broker,
						   const struct broker_request *request,
						   struct handed *handed) = {
	[BROKER_READY] = on_ready,
	[BROKER_SET_RATE] = on_set_rate,
	[BROKER_SET_HOOKS] = on_set_hooks,
	[BROKER_OPEN_LOOK] = on_open_look,
	[BROKER_OPEN_MODULE] = on_open_module,
	[BROKER_OPEN_MAPPED] = on_open_mapped,
	[BROKER_OPEN_IN_ROOT] = on_open_in_root,
	[BROKER_OPEN_PROC] = on_open_proc,
	[BROKER_OPEN_KALLSYMS] = on_open_kallsyms,
	[BROKER_ANNOUNCE] = on_announce,
	[BROKER_ADD_SHARDS] = on_add_shards,
	[BROKER_START_PROBER] = on_start_prober,
	[BROKER_OPEN_RINGS] = on_open_rings,
	[BROKER_START_READER] = on_start_reader,
	[BROKER_START_FETCHER] = on_start_fetcher,
	[BROKER_START_YARDSTICK] = on_start_yardstick,
};

/* Answer one request. Errors: -EPIPE when the core is gone; what sending gave. */
static int answer(struct broker *broker)
{
	_cleanup_(close_handed) struct handed handed = {.count = 0};
	struct broker_request request;
	struct broker_reply reply = {0};
	size_t fd_count = 0;
	ssize_t length = fd_message_receive(broker->setup->core_socket, &request, sizeof(request),
					    NULL, &fd_count);

	if (length <= 0)
		return length ? (int)length : -EPIPE;
	if ((size_t)length != sizeof(request))
		return -EBADMSG;
	reply.type = request.type;
	reply.serial = request.serial;
	if (request.type >= BROKER_REQUEST_COUNT || !handlers[request.type])
		reply.error = -ENOSYS;
	else
		reply.error = handlers[request.type](broker, &request, &handed);
	reply.fd_count = (uint32_t)handed.count;
	return fd_message_send(broker->setup->core_socket, &reply, sizeof(reply), handed.fds,
			       handed.count);
}

static int send_hello(struct broker *broker)
{
	struct broker_hello *hello = &broker->hello;
	int fds[BROKER_FD_COUNT];

	hello->reply.type = BROKER_HELLO;
	if (broker->programs) {
		hello->reply.fd_count = BROKER_FD_COUNT;
		programs_get_fds(broker->programs, fds);
	}
	return fd_message_send(broker->setup->core_socket, hello, sizeof(*hello), fds,
			       hello->reply.fd_count);
}

/* Look for children that ended; -ECHILD when one of them is needed. */
static int reap(const struct broker *broker)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		const char *name = pid == broker->setup->core_pid       ? "core"
				   : pid == broker->setup->spawner->pid ? "parent of the readers"
									: NULL;

		if (!name)
			continue;
		if (WIFSIGNALED(status))
			log_error("the %s was killed signal=%d", name, WTERMSIG(status));
		else
			log_error("the %s ended status=%d", name, WEXITSTATUS(status));
		return -ECHILD;
	}
	return 0;
}

/* Returns 1 to stop, 0 to go on. */
static int on_signal(const struct broker *broker)
{
	struct signalfd_siginfo signal_info;

	if (read(broker->setup->signal_fd, &signal_info, sizeof(signal_info)) !=
	    sizeof(signal_info))
		return 0;
	if (signal_info.ssi_signo != SIGCHLD)
		return 1;
	return reap(broker);
}

/* Let the core end by itself, but not for long. */
static void stop_core(pid_t core)
{
	uint64_t end_ns = clock_boot_ns() + CORE_GRACE_MS * NS_PER_MS;
	struct timespec pause = {.tv_nsec = (long)(5 * NS_PER_MS)};

	kill(core, SIGTERM);
	while (waitpid(core, NULL, WNOHANG) == 0) {
		if (clock_boot_ns() > end_ns && kill(core, SIGKILL))
			return;
		nanosleep(&pause, NULL);
	}
}

/* Probers end with the core, when they have removed their probes and compared the code. */
static void wait_for_probers(const struct broker *broker)
{
	uint64_t end_ns = clock_boot_ns() + PROBER_GRACE_MS * NS_PER_MS;
	struct timespec pause = {.tv_nsec = (long)(5 * NS_PER_MS)};

	for (int i = 0; i < HEAP_MAX_SLOTS; i++)
		while (broker->probers[i] && waitpid(broker->probers[i], NULL, WNOHANG) == 0 &&
		       clock_boot_ns() < end_ns)
			nanosleep(&pause, NULL);
}

static int serve(struct broker *broker)
{
	struct pollfd sources[] = {
		{.fd = broker->setup->core_socket, .events = POLLIN},
		{.fd = broker->setup->signal_fd, .events = POLLIN},
	};

	for (;;) {
		int error = 0;

		if (poll(sources, ARRAY_SIZE(sources), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		/* Signals first: the core that ended says why, its socket only that it did. */
		if (sources[1].revents)
			error = on_signal(broker);
		else if (sources[0].revents)
			error = answer(broker);
		if (error > 0)
			return 0;
		if (error == -EPIPE || error == -ECONNRESET)
			sources[0].fd = -1; /* its SIGCHLD is on the way */
		else if (error)
			return error;
	}
}

/* Load the programs so that they find mappings, in the kernel's own tree if that works. */
static int load_programs(struct broker *broker, int cpu_count)
{
	int error;

	if (!broker->setup->options->mapping_table) {
		error = programs_open(cpu_count, 0, &broker->programs);
		if (!error)
			error = mapping_test_run(broker->programs);
		if (!error)
			return 0;
		log_warn_errno(error, "mappings cannot be looked up in this kernel; they are read "
				      "from /proc instead");
		programs_close(broker->programs);
		broker->programs = NULL;
	}
	broker->mapping_in_tables = 1;
	return programs_open(cpu_count, 1, &broker->programs);
}

static void broker_fini(struct broker *broker)
{
	cpu_events_free(broker->events);
	perf_rings_free(broker->rings);
	programs_close(broker->programs);
}

/* Sample with the kernel programs, which walk stacks by themselves. */
static int start_programs(struct broker *broker, int cpu_count)
{
	int error = load_programs(broker, cpu_count);

	if (error)
		return error;
	broker->events = cpu_events_new(cpu_count, programs_get_cpu_fd(broker->programs));
	broker->hello.hardware_cycles = (uint32_t)cpu_events_are_cycles(broker->events);
	broker->hello.mapping_lookup = !broker->mapping_in_tables;
	log_info("kernel programs loaded event=%s cpus=%d",
		 cpu_events_are_cycles(broker->events) ? "cycles" : "cpu-clock", cpu_count);
	return 0;
}

/* Sample with perf events that copy stacks, for the reason that is in the greeting. */
static int start_rings(struct broker *broker, int cpu_count)
{
	struct broker_hello *hello = &broker->hello;
	int error = perf_rings_new(cpu_count, &broker->rings);

	if (error)
		return error;
	hello->walk = BROKER_WALK_COPIES;
	hello->hardware_cycles = (uint32_t)perf_rings_are_cycles(broker->rings);
	hello->lacks_kernel = (uint32_t)perf_rings_lack_kernel(broker->rings);
	hello->perf_fields = perf_rings_fields(broker->rings);
	log_info("stacks are copied by perf events event=%s cpus=%d",
		 hello->hardware_cycles ? "cycles" : "cpu-clock", cpu_count);
	return 0;
}

/* Begin to sample in the best way that there is. */
static int start_sampling(struct broker *broker, int cpu_count)
{
	const struct broker_setup *setup = broker->setup;
	struct broker_hello *hello = &broker->hello;
	int error = 0;

	hello->cpu_count = (uint32_t)cpu_count;
	if (setup->options->copied_stacks) {
		hello->walk_reason = BROKER_WALK_ASKED;
	} else if (setup->is_unsafe) {
		hello->walk_reason = BROKER_WALK_UNSAFE;
	} else {
		error = start_programs(broker, cpu_count);
		if (!error)
			return 0;
		log_warn_errno(error, "cannot load the kernel programs");
		hello->walk_reason = BROKER_WALK_REFUSED;
		hello->walk_error = error;
	}
	error = start_rings(broker, cpu_count);
	if (error)
		log_error_errno(error, "cannot sample with perf events either");
	return error;
}

int broker_run(const struct broker_setup *setup)
{
	_cleanup_(broker_fini) struct broker broker = {.setup = setup};
	int cpu_count = libbpf_num_possible_cpus();
	int has_heaps = !setup->options->copied_stacks && !setup->is_unsafe;
	int is_single = setup->options->single_probes || (has_heaps && !uprobe_link_is_multi());
	int error = privileges_keep_broker(setup->user, is_single);

	if (error) {
		log_error_errno(error, "cannot give up root");
		return error;
	}
	if (cpu_count < 0)
		return cpu_count;
	error = start_sampling(&broker, cpu_count);
	if (error)
		return error;
	error = send_hello(&broker);
	if (!error)
		error = serve(&broker);
	if (error) {
		log_error_errno(error, "stopping");
		return error;
	}
	sd_notify(0, "STOPPING=1");
	stop_core(setup->core_pid);
	wait_for_probers(&broker);
	return 0;
}
