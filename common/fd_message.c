/* SPDX-License-Identifier: Apache-2.0 */
#include "common/fd_message.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(FD_MESSAGE_MAX_FDS * sizeof(int))];
};

/* Wait a millisecond, unless that was done long enough. */
static int may_wait(unsigned int *waited_ms)
{
	struct timespec pause = {.tv_nsec = 1000000};

	if (++*waited_ms > FD_MESSAGE_PATIENCE_MS)
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

int fd_message_send(int socket, const void *data, size_t length, const int *fds, size_t fd_count)
{
	union control control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	unsigned int waited_ms = 0;
	ssize_t sent;

	if (fd_count > FD_MESSAGE_MAX_FDS)
		return -EINVAL;
	if (fd_count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
	}
	do {
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	} while (sent < 0 && (errno == EINTR || (errno == ETOOMANYREFS && may_wait(&waited_ms))));
	if (sent < 0)
		return -errno;
	return (size_t)sent == length ? 0 : -EIO;
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

/* Copy the descriptors of message to fds, close those beyond limit; returns how many came. */
static size_t take_descriptors(struct msghdr *message, int *fds, size_t limit)
{
	size_t count = 0;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
	     header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
			if (count < limit)
				fds[count] = fd;
			else
				close(fd);
			count++;
		}
	}
	return count;
}

ssize_t fd_message_receive(int socket, void *data, size_t size, int *fds, size_t *fd_count)
{
	union control control;
	struct iovec part = {.iov_base = data, .iov_len = size};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	size_t limit = *fd_count;
	ssize_t received;

	*fd_count = 0;
	do {
		received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (received < 0 && errno == EINTR);
	if (received < 0)
		return -errno;
	size_t came = take_descriptors(&message, fds, limit);
	if (came > limit || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		close_all(fds, came < limit ? came : limit);
		return -EMSGSIZE;
	}
	*fd_count = came;
	return received;
}
