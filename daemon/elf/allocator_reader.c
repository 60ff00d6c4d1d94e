/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/allocator_reader.h"

#include <errno.h>
#include <string.h>

#include "daemon/elf/elf_code.h"
#include "daemon/elf/elf_file.h"
#include "daemon/elf/image_writer.h"
#include "daemon/elf/leave_sites.h"
#include "daemon/elf/probe_site.h"
#include "daemon/elf/symbol_section.h"

#define RDI         PROBE_RDI
#define RDI_RSI     (PROBE_RDI | PROBE_RSI)
#define RDI_RSI_RDX (PROBE_RDI | PROBE_RSI | PROBE_RDX)

/* Those that every allocator has, by number in the table. */
enum { KNOWN_MALLOC, KNOWN_FREE };

/* When a function has to be probed. */
enum need {
	NEEDED,
	NEEDED_WHEN_CHEAP,  /* it calls another one of these, which will do when a probe is dear */
	NEEDED_WHEN_DIRECT, /* unless all it does is to call, or jump to, another one */
};

/* Every allocator has the first group; the others are its own. */
static const struct known_function {
	char name[ALLOCATOR_NAME_BYTES];
	enum heap_function function;
	uint32_t arguments; /* that the probe reads */
	uint32_t flags;
	enum need need;
} known_functions[] = {
	[KNOWN_MALLOC] = {"malloc", HEAP_MALLOC, RDI, 0, NEEDED},
	[KNOWN_FREE] = {"free", HEAP_FREE, RDI, 0, NEEDED},
	{"calloc", HEAP_CALLOC, RDI_RSI, 0, NEEDED},
	{"realloc", HEAP_REALLOC, RDI_RSI, 0, NEEDED},
	{"reallocarray", HEAP_REALLOCARRAY, RDI_RSI_RDX, 0, NEEDED_WHEN_CHEAP},
	{"posix_memalign", HEAP_POSIX_MEMALIGN, RDI_RSI_RDX, 0, NEEDED},
	{"aligned_alloc", HEAP_ALIGNED_ALLOC, RDI_RSI, 0, NEEDED},
	{"memalign", HEAP_ALIGNED_ALLOC, RDI_RSI, 0, NEEDED},
	{"valloc", HEAP_MALLOC, RDI, 0, NEEDED},
	{"pvalloc", HEAP_PVALLOC, RDI, 0, NEEDED},
	{"cfree", HEAP_FREE, RDI, 0, NEEDED},
	{"free_sized", HEAP_FREE, RDI, 0, NEEDED},
	{"free_aligned_sized", HEAP_FREE, RDI, 0, NEEDED},
	/* jemalloc */
	{"mallocx", HEAP_MALLOC, RDI, 0, NEEDED},
	{"rallocx", HEAP_REALLOC, RDI_RSI, 0, NEEDED},
	{"dallocx", HEAP_FREE, RDI, 0, NEEDED},
	{"sdallocx", HEAP_FREE, RDI, 0, NEEDED},
	/* tcmalloc */
	{"tc_malloc", HEAP_MALLOC, RDI, 0, NEEDED},
	{"tc_free", HEAP_FREE, RDI, 0, NEEDED},
	/* mimalloc */
	{"mi_malloc", HEAP_MALLOC, RDI, 0, NEEDED},
	{"mi_zalloc", HEAP_MALLOC, RDI, 0, NEEDED},
	{"mi_calloc", HEAP_CALLOC, RDI_RSI, 0, NEEDED},
	{"mi_realloc", HEAP_REALLOC, RDI_RSI, 0, NEEDED},
	{"mi_free", HEAP_FREE, RDI, 0, NEEDED},
	/* operator new: bytes; array; with an alignment; without exceptions */
	{"_Znwm", HEAP_NEW, RDI, ALLOCATOR_THROWS, NEEDED_WHEN_DIRECT},
	{"_Znam", HEAP_NEW, RDI, ALLOCATOR_THROWS, NEEDED_WHEN_DIRECT},
	{"_ZnwmSt11align_val_t", HEAP_NEW, RDI, ALLOCATOR_THROWS, NEEDED_WHEN_DIRECT},
	{"_ZnamSt11align_val_t", HEAP_NEW, RDI, ALLOCATOR_THROWS, NEEDED_WHEN_DIRECT},
	{"_ZnwmRKSt9nothrow_t", HEAP_MALLOC, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZnamRKSt9nothrow_t", HEAP_MALLOC, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZnwmSt11align_val_tRKSt9nothrow_t", HEAP_MALLOC, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZnamSt11align_val_tRKSt9nothrow_t", HEAP_MALLOC, RDI, 0, NEEDED_WHEN_DIRECT},
	/* operator delete */
	{"_ZdlPv", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZdaPv", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZdlPvm", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZdaPvm", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZdlPvSt11align_val_t", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZdaPvSt11align_val_t", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZdlPvmSt11align_val_t", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZdaPvmSt11align_val_t", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZdlPvRKSt9nothrow_t", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZdaPvRKSt9nothrow_t", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZdlPvSt11align_val_tRKSt9nothrow_t", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
	{"_ZdaPvSt11align_val_tRKSt9nothrow_t", HEAP_FREE, RDI, 0, NEEDED_WHEN_DIRECT},
};

_Static_assert(ARRAY_SIZE(known_functions) <= HEAP_MAX_FUNCTIONS, "they fit into a slot");
_Static_assert(LEAVE_SITES_MAX <= HEAP_MAX_LEAVES, "they fit into a file");

/* What was found of each, by number in the table. */
struct found_function {
	uint64_t vaddr; /* 0: not there */
	uint64_t size;
};

static const struct known_function *find_known(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_functions); i++)
		if (strlen(known_functions[i].name) == length &&
		    !memcmp(known_functions[i].name, name, length))
			return &known_functions[i];
	return NULL;
}

static void find_in_section(const struct elf_file *file, uint32_t type,
			    struct found_function *found)
{
	struct symbol_section section = {0};
	struct symbol_name name;
	GElf_Sym symbol;

	if (symbol_section_open(&section, file, elf_file_find_type(file, type)))
		return;
	for (size_t i = 1; !symbol_section_get(&section, i, &symbol); i++) {
		const struct known_function *known;

		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF ||
		    !symbol.st_value || symbol_section_name(&section, i, &symbol, &name))
			continue;
		known = find_known(name.text, name.length);
		if (!known || found[known - known_functions].vaddr)
			continue;
		found[known - known_functions] =
			(struct found_function){symbol.st_value, symbol.st_size};
	}
}

/* Several names may stand for one function. */
static int is_there(const struct allocator_function *functions, int count, uint64_t entry)
{
	for (int i = 0; i < count; i++)
		if (functions[i].entry == entry)
			return 1;
	return 0;
}

/* Fill in one function. Errors: -ENOENT it cannot, or need not, be probed. */
static int place_function(const struct elf_file *file, const struct known_function *known,
			  const struct found_function *found, struct allocator_function *function)
{
	uint8_t code[PROBE_SITE_BYTES + PROBE_SITE_MARGIN];
	struct probe_site site;
	uint64_t offset, left;
	int error = elf_file_locate(file, found->vaddr, &offset, &left);

	if (error)
		return error;
	left = left < sizeof(code) ? left : sizeof(code);
	/* What is behind the function's end is another one's. */
	if (found->size && found->size < left)
		left = found->size;
	error = elf_file_read(file, offset, code, left);
	if (!error)
		error = probe_site_find(code, left, known->arguments, &site);
	if (error)
		return error;
	if (known->need == NEEDED_WHEN_CHEAP && !site.is_emulated)
		return -ENOENT;
	*function = (struct allocator_function){
		.entry = offset,
		.size = found->size,
		.site = offset + site.offset,
		.function = known->function,
		.flags = known->flags | (site.is_emulated ? (uint32_t)ALLOCATOR_EMULATED : 0),
	};
	memcpy(function->name, known->name, sizeof(function->name));
	return 0;
}

/* ---- Operators new ---- */

/*
 * Whether every way through the operator calls, or ends in, another function that is probed: then that
 * one will do.
 */
static int is_indirect(struct elf_code *code, const struct found_function *found, size_t number)
{
	uint64_t known[ARRAY_SIZE(known_functions)];
	struct code_source source = elf_code_source(code);
	struct leave_sites others = {0};
	int is_free = known_functions[number].function == HEAP_FREE;

	for (size_t i = 0; i < ARRAY_SIZE(known_functions); i++)
		if (found[i].vaddr && found[i].vaddr != found[number].vaddr &&
		    (known_functions[i].function == HEAP_FREE) == is_free)
			known[source.known_count++] = found[i].vaddr;
	source.known = known;
	return !leave_sites_add(&others, &source, found[number].vaddr) && !others.count;
}

/* Look at an operator. Errors: -ENOENT it need not be probed. */
static int look_at_operator(struct elf_code *code, const struct found_function *found,
			    size_t number, struct leave_sites *sites,
			    struct allocator_function *function)
{
	const struct code_source source = elf_code_source(code);

	if (is_indirect(code, found, number))
		return -ENOENT;
	/* What cannot be followed is counted as it begins. */
	if (known_functions[number].flags & ALLOCATOR_THROWS &&
	    !leave_sites_add(sites, &source, found[number].vaddr))
		function->flags |= ALLOCATOR_FOLLOWED;
	return 0;
}

static int add_leaves(const struct elf_file *file, const struct leave_sites *sites,
		      struct allocator_function *functions)
{
	uint64_t offset;
	int count = 0;

	for (size_t i = 0; i < sites->count; i++) {
		if (elf_file_offset(file, sites->vaddrs[i], &offset))
			continue;
		functions[count++] = (struct allocator_function){
			.entry = offset, .size = 1, .site = offset, .function = HEAP_LEAVE};
	}
	return count;
}

int allocator_find(const struct elf_file *file, struct allocator_function *functions)
{
	_cleanup_(elf_code_fini) struct elf_code code = {0};
	struct found_function found[ARRAY_SIZE(known_functions)] = {0};
	struct leave_sites sites = {0};
	int count = 0;

	if (file->header.e_machine != EM_X86_64)
		return -ENOTSUP;
	find_in_section(file, SHT_DYNSYM, found);
	find_in_section(file, SHT_SYMTAB, found);
	/* C++ operators alone do not make an allocator: they call one. */
	if (!found[KNOWN_MALLOC].vaddr || !found[KNOWN_FREE].vaddr)
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(known_functions); i++) {
		struct allocator_function function;
		uint64_t offset, left;

		if (!found[i].vaddr || elf_file_locate(file, found[i].vaddr, &offset, &left) ||
		    is_there(functions, count, offset) ||
		    place_function(file, &known_functions[i], &found[i], &function))
			continue;
		if (known_functions[i].need == NEEDED_WHEN_DIRECT) {
			if (!code.file)
				elf_code_init(&code, file);
			if (look_at_operator(&code, found, i, &sites, &function))
				continue;
		}
		functions[count++] = function;
	}
	if (!count)
		return -ENOENT;
	return count + add_leaves(file, &sites, functions + count);
}

int allocator_reader_read(int fd, int *answer)
{
	_cleanup_(elf_file_close) struct elf_file file = {0};
	struct allocator_function functions[HEAP_MAX_SITES] = {0};
	int error = elf_file_open(&file, fd);
	int count;

	if (error)
		return error;
	count = allocator_find(&file, functions);
	if (count < 0)
		return count;
	return image_write_pieces(
		&(struct image_piece){functions, (size_t)count * sizeof(*functions)}, 1, answer);
}
