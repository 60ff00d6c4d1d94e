/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_ring.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/core/sampling/perf_record.h"

struct perf_ring {
	int fd;
	struct perf_event_mmap_page *page; /* what describes the buffer, right before it */
	const uint8_t *bytes;
	size_t size;
	size_t mapped_bytes;
	uint64_t head; /* up to where the kernel had written */
	uint64_t at;   /* up to where records were skipped */
	uint64_t joined[PERF_RECORD_MAX_BYTES / sizeof(uint64_t)];
};

int perf_ring_open(int fd, size_t size, struct perf_ring **result)
{
	_cleanup_(perf_ring_closep) struct perf_ring *ring = memory_new(sizeof(*ring));
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *page;

	ring->fd = fd;
	for (;; size /= 2) {
		page = mmap(NULL, page_bytes + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (page != MAP_FAILED || errno != EPERM || size <= PERF_RING_MIN_BYTES)
			break;
	}
	if (page == MAP_FAILED)
		return -errno;
	ring->page = page;
	ring->bytes = (const uint8_t *)page + page_bytes;
	ring->size = size;
	ring->mapped_bytes = page_bytes + size;
	*result = steal_ptr(&ring);
	return 0;
}

void perf_ring_close(struct perf_ring *ring)
{
	if (!ring)
		return;
	if (ring->page)
		munmap(ring->page, ring->mapped_bytes);
	close(ring->fd);
	free(ring);
}

void perf_ring_look(struct perf_ring *ring)
{
	ring->head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
}

/* Copy from the buffer, which starts over at its end. */
static void copy_out(const struct perf_ring *ring, void *to, size_t size)
{
	size_t place = (size_t)(ring->at & (ring->size - 1));
	size_t first = size < ring->size - place ? size : ring->size - place;

	memcpy(to, ring->bytes + place, first);
	memcpy((uint8_t *)to + first, ring->bytes, size - first);
}

const void *perf_ring_peek(struct perf_ring *ring, size_t *size, int *is_broken)
{
	uint64_t available = ring->head - ring->at;
	struct perf_event_header header;
	const void *record;

	*is_broken = 0;
	if (!available)
		return NULL;
	if (available >= sizeof(header))
		copy_out(ring, &header, sizeof(header));
	if (available < sizeof(header) || header.size < sizeof(header) || header.size % 8 ||
	    header.size > available || available > ring->size) {
		*is_broken = 1;
		ring->at = ring->head;
		return NULL;
	}
	if ((ring->at & (ring->size - 1)) + header.size <= ring->size) {
		record = ring->bytes + (ring->at & (ring->size - 1));
	} else {
		copy_out(ring, ring->joined, header.size);
		record = ring->joined;
	}
	*size = header.size;
	return record;
}

void perf_ring_skip(struct perf_ring *ring, size_t size)
{
	ring->at += size;
}

void perf_ring_release(struct perf_ring *ring)
{
	__atomic_store_n(&ring->page->data_tail, ring->at, __ATOMIC_RELEASE);
}

void perf_ring_discard(struct perf_ring *ring)
{
	perf_ring_look(ring);
	ring->at = ring->head;
	perf_ring_release(ring);
}
