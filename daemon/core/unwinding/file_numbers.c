/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/file_numbers.h"

#include "common/frame.h"
#include "common/hashmap.h"

struct file_numbers {
	struct file_identity *files; /* the first one has MODULE_FIRST_FILE */
	uint32_t count;
	size_t capacity;
	struct hashmap index;
};

struct file_numbers *file_numbers_new(void)
{
	return memory_new(sizeof(struct file_numbers));
}

void file_numbers_free(struct file_numbers *numbers)
{
	if (!numbers)
		return;
	free(numbers->files);
	hashmap_fini(&numbers->index);
	free(numbers);
}

static int is_same(struct file_identity *known, const struct file_identity *file)
{
	if (known->inode != file->inode || known->device != file->device)
		return 0;
	if (!known->generation)
		known->generation = file->generation;
	return !file->generation || known->generation == file->generation;
}

uint32_t file_numbers_get(struct file_numbers *numbers, const struct file_identity *file,
			  int *is_new)
{
	uint32_t hash = hash_u64(file->inode ^ (uint64_t)file->device << 32);
	struct hashmap_cursor cursor;

	*is_new = 0;
	for (uint32_t i = hashmap_first(&numbers->index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&numbers->index, &cursor))
		if (is_same(&numbers->files[i], file))
			return MODULE_FIRST_FILE + i;
	if (MODULE_FIRST_FILE + numbers->count >= MODULE_FIRST_JIT)
		return MODULE_NONE;
	*is_new = 1;
	numbers->files = memory_grow(numbers->files, &numbers->capacity, numbers->count + 1,
				     sizeof(*numbers->files));
	numbers->files[numbers->count] = *file;
	hashmap_add(&numbers->index, hash, numbers->count);
	return MODULE_FIRST_FILE + numbers->count++;
}
