/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_record.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "daemon/broker/perf_layout.h"
#include "tests/unit/cmocka_all.h"

#define STACK_BYTES 64

/* A record under construction. */
struct draft {
	_Alignas(8) uint8_t bytes[1024];
	size_t size;
};

static void put(struct draft *draft, const void *data, size_t size)
{
	memcpy(draft->bytes + draft->size, data, size);
	draft->size += size;
}

static void put_u64(struct draft *draft, uint64_t value)
{
	put(draft, &value, sizeof(value));
}

static void put_u32(struct draft *draft, uint32_t value)
{
	put(draft, &value, sizeof(value));
}

static struct draft begin(uint32_t type, uint16_t misc)
{
	struct draft draft = {.size = 0};
	struct perf_event_header header = {.type = type, .misc = misc};

	put(&draft, &header, sizeof(header));
	return draft;
}

static void end(struct draft *draft)
{
	struct perf_event_header header;

	memcpy(&header, draft->bytes, sizeof(header));
	header.size = (uint16_t)draft->size;
	memcpy(draft->bytes, &header, sizeof(header));
}

/* What ends all records but samples. */
static void end_with_trailer(struct draft *draft)
{
	put_u32(draft, 7);    /* pid */
	put_u32(draft, 8);    /* tid */
	put_u64(draft, 1234); /* time */
	put_u32(draft, 3);    /* cpu */
	put_u32(draft, 0);
	end(draft);
}

static void put_name(struct draft *draft, const char *name)
{
	char padded[32] = {0};

	memcpy(padded, name, strlen(name));
	put(draft, padded, (strlen(name) + 8) & ~(size_t)7);
}

static struct draft make_sample(uint64_t stack_bytes, uint64_t filled)
{
	struct draft draft = begin(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
	uint8_t stack[STACK_BYTES];

	memset(stack, 0xab, sizeof(stack));
	put_u32(&draft, 10); /* pid */
	put_u32(&draft, 11); /* tid */
	put_u64(&draft, 5000);
	put_u32(&draft, 2); /* cpu */
	put_u32(&draft, 0);
	put_u64(&draft, 3); /* frames */
	put_u64(&draft, (uint64_t)PERF_CONTEXT_KERNEL);
	put_u64(&draft, 0xffffffff81000010);
	put_u64(&draft, 0xffffffff81000020);
	put_u64(&draft, PERF_SAMPLE_REGS_ABI_64);
	for (uint64_t i = 0; i < PERF_REGISTERS_COUNT; i++)
		put_u64(&draft, 100 + i);
	put_u64(&draft, stack_bytes);
	put(&draft, stack, sizeof(stack));
	put_u64(&draft, filled);
	put_u64(&draft, 77); /* cgroup */
	end(&draft);
	return draft;
}

static void test_a_sample_is_taken_apart(void **state)
{
	struct draft draft = make_sample(STACK_BYTES, 24);
	struct perf_record record;

	(void)state;
	assert_int_equal(perf_record_parse(draft.bytes, draft.size, PERF_SAMPLE_FIELDS, &record),
			 0);
	assert_int_equal(record.type, PERF_RECORD_SAMPLE);
	assert_int_equal(record.pid, 10);
	assert_int_equal(record.tid, 11);
	assert_int_equal(record.time_ns, 5000);
	assert_int_equal(record.cpu, 2);
	assert_int_equal(record.sample.kernel_count, 2);
	assert_true(record.sample.kernel_frames[0] == 0xffffffff81000010);
	assert_true(record.sample.has_user);
	assert_true(record.sample.in_kernel);
	assert_false(record.sample.is_32_bit);
	assert_int_equal(record.sample.registers[SAVED_RAX], 100);
	assert_int_equal(record.sample.registers[SAVED_RSP], 107);
	assert_int_equal(record.sample.registers[SAVED_RIP], 108);
	assert_int_equal(record.sample.registers[SAVED_R15], 116);
	assert_int_equal(record.sample.stack_bytes, 24);
	assert_int_equal(record.sample.stack[0], 0xab);
	assert_int_equal(record.sample.cgroup_id, 77);
}

static void test_a_mapping_is_taken_apart(void **state)
{
	struct draft draft = begin(PERF_RECORD_MMAP2, 0);
	struct perf_record record;

	(void)state;
	put_u32(&draft, 20);
	put_u32(&draft, 21);
	put_u64(&draft, 0x1000);
	put_u64(&draft, 0x2000);
	put_u64(&draft, 0x400);
	put_u32(&draft, 8);
	put_u32(&draft, 1);
	put_u64(&draft, 99);
	put_u64(&draft, 5);
	put_u32(&draft, 5);
	put_u32(&draft, 2);
	put_name(&draft, "/bin/true");
	end_with_trailer(&draft);
	assert_int_equal(perf_record_parse(draft.bytes, draft.size, PERF_ID_FIELDS, &record), 0);
	assert_int_equal(record.pid, 20);
	assert_int_equal(record.time_ns, 1234);
	assert_int_equal(record.cpu, 3);
	assert_int_equal(record.mapping.start, 0x1000);
	assert_int_equal(record.mapping.end, 0x3000);
	assert_int_equal(record.mapping.file_offset, 0x400);
	assert_int_equal(record.mapping.device, 8 << 20 | 1);
	assert_int_equal(record.mapping.inode, 99);
	assert_int_equal(record.mapping.generation, 5);
	assert_int_equal(record.mapping.path_length, strlen("/bin/true"));
	assert_memory_equal(record.mapping.path, "/bin/true", strlen("/bin/true"));
}

static void test_a_mapping_that_wraps_around_is_refused(void **state)
{
	struct draft draft = begin(PERF_RECORD_MMAP2, 0);
	struct perf_record record;

	(void)state;
	put_u64(&draft, 0);
	put_u64(&draft, 0x1000);
	put_u64(&draft, UINT64_MAX - 0x800);
	for (int i = 0; i < 5; i++)
		put_u64(&draft, 0);
	put_name(&draft, "x");
	end_with_trailer(&draft);
	assert_int_equal(perf_record_parse(draft.bytes, draft.size, PERF_ID_FIELDS, &record),
			 -EBADMSG);
}

static void test_names_forks_exits_and_losses_are_taken_apart(void **state)
{
	struct draft comm = begin(PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC);
	struct draft fork = begin(PERF_RECORD_FORK, 0);
	struct draft lost = begin(PERF_RECORD_LOST, 0);
	struct draft other = begin(PERF_RECORD_AUX, 0);
	struct perf_record record;

	(void)state;
	put_u32(&comm, 30);
	put_u32(&comm, 31);
	put_name(&comm, "tr");
	end_with_trailer(&comm);
	assert_int_equal(perf_record_parse(comm.bytes, comm.size, PERF_ID_FIELDS, &record), 0);
	assert_int_equal(record.tid, 31);
	assert_true(record.name.is_exec);
	assert_int_equal(record.name.length, 2);
	for (uint32_t i = 40; i < 44; i++)
		put_u32(&fork, i); /* pid, parent's, tid, parent's */
	put_u64(&fork, 1);
	end_with_trailer(&fork);
	assert_int_equal(perf_record_parse(fork.bytes, fork.size, PERF_ID_FIELDS, &record), 0);
	assert_int_equal(record.pid, 40);
	assert_int_equal(record.task.parent_pid, 41);
	assert_int_equal(record.tid, 42);
	put_u64(&lost, 1);
	put_u64(&lost, 55);
	end_with_trailer(&lost);
	assert_int_equal(perf_record_parse(lost.bytes, lost.size, PERF_ID_FIELDS, &record), 0);
	assert_int_equal(record.lost, 55);
	put_u64(&other, 1);
	end_with_trailer(&other);
	assert_int_equal(perf_record_parse(other.bytes, other.size, PERF_ID_FIELDS, &record),
			 -ENOMSG);
}

/* The header says what is there, but less is there than the fields need. */
static void test_every_truncation_of_a_sample_is_refused(void **state)
{
	const struct draft whole = make_sample(STACK_BYTES, STACK_BYTES);
	struct perf_record record;

	(void)state;
	for (size_t size = 0; size < whole.size; size++) {
		struct draft draft = whole;

		draft.size = size;
		if (size >= sizeof(struct perf_event_header))
			end(&draft);
		assert_int_equal(
			perf_record_parse(draft.bytes, draft.size, PERF_SAMPLE_FIELDS, &record),
			-EBADMSG);
	}
}

static void test_sizes_that_contradict_the_record_are_refused(void **state)
{
	static const struct {
		uint64_t stack_bytes, filled;
	} sizes[] = {{STACK_BYTES + 8, 0},
		     {UINT64_MAX, 0},
		     {UINT64_C(1) << 63, 0},
		     {STACK_BYTES, STACK_BYTES + 1},
		     {STACK_BYTES, UINT64_MAX}};
	struct perf_record record;
	struct draft draft;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		draft = make_sample(sizes[i].stack_bytes, sizes[i].filled);
		assert_int_equal(
			perf_record_parse(draft.bytes, draft.size, PERF_SAMPLE_FIELDS, &record),
			-EBADMSG);
	}
	draft = make_sample(STACK_BYTES, 0);
	uint64_t frames = UINT64_MAX / 4;
	memcpy(draft.bytes + 32, &frames, sizeof(frames));
	assert_int_equal(perf_record_parse(draft.bytes, draft.size, PERF_SAMPLE_FIELDS, &record),
			 -EBADMSG);
}

static void test_a_kernel_thread_has_no_user_stack(void **state)
{
	struct draft draft = begin(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
	struct perf_record record;

	(void)state;
	for (int i = 0; i < 3; i++)
		put_u64(&draft, 0);
	put_u64(&draft, 0); /* frames */
	put_u64(&draft, PERF_SAMPLE_REGS_ABI_NONE);
	put_u64(&draft, 0); /* stack */
	end(&draft);
	assert_int_equal(perf_record_parse(draft.bytes, draft.size,
					   PERF_SAMPLE_FIELDS & ~(uint64_t)PERF_SAMPLE_CGROUP,
					   &record),
			 0);
	assert_false(record.sample.has_user);
	assert_int_equal(record.sample.stack_bytes, 0);
	assert_int_equal(record.sample.kernel_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sample_is_taken_apart),
		cmocka_unit_test(test_a_mapping_is_taken_apart),
		cmocka_unit_test(test_a_mapping_that_wraps_around_is_refused),
		cmocka_unit_test(test_names_forks_exits_and_losses_are_taken_apart),
		cmocka_unit_test(test_every_truncation_of_a_sample_is_refused),
		cmocka_unit_test(test_sizes_that_contradict_the_record_are_refused),
		cmocka_unit_test(test_a_kernel_thread_has_no_user_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
