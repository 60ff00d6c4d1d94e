/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/elf_file.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define NATIVE_ELF_DATA ELFDATA2LSB
#else
#define NATIVE_ELF_DATA ELFDATA2MSB
#endif

static int read_sections(struct elf_file *file)
{
	size_t count, names;
	Elf_Scn *handle = NULL;

	if (elf_getshdrnum(file->handle, &count))
		return -ENOEXEC;
	if (count > ELF_FILE_MAX_SECTIONS)
		return -E2BIG;
	if (elf_getshdrstrndx(file->handle, &names))
		names = 0;

	file->sections = memory_new((count + 1) * sizeof(*file->sections));
	file->sections[0].name = "";
	while ((handle = elf_nextscn(file->handle, handle))) {
		size_t number = elf_ndxscn(handle);

		if (number >= count)
			break;
		struct elf_section *section = &file->sections[number];
		section->name = "";
		if (!gelf_getshdr(handle, &section->header))
			break;
		section->handle = handle;
		file->section_count = number + 1;
	}
	if (names >= file->section_count || file->sections[names].header.sh_size > MODULE_IMAGE_MAX)
		return 0;
	for (size_t i = 1; i < file->section_count; i++) {
		const char *name =
			elf_strptr(file->handle, names, file->sections[i].header.sh_name);

		file->sections[i].name = name ? name : "";
	}
	return 0;
}

static int compare_segments(const void *left, const void *right)
{
	const struct module_segment *a = left, *b = right;

	return (a->offset > b->offset) - (a->offset < b->offset);
}

/* Keep of two segments that overlap in the file the first one: each offset has one address. */
static void drop_overlapping(struct elf_file *file)
{
	size_t kept = 0;

	qsort(file->segments, file->segment_count, sizeof(*file->segments), compare_segments);
	for (size_t i = 0; i < file->segment_count; i++) {
		const struct module_segment *last = kept ? &file->segments[kept - 1] : NULL;

		if (!last || file->segments[i].offset >= last->offset + last->size)
			file->segments[kept++] = file->segments[i];
	}
	file->segment_count = kept;
}

/* What of the segment really is in the file; 0: nothing. */
static uint64_t segment_size(const struct elf_file *file, const GElf_Phdr *header)
{
	uint64_t size = header->p_filesz;
	uint64_t end;

	if (header->p_offset >= file->size)
		return 0;
	if (size > file->size - header->p_offset)
		size = file->size - header->p_offset;
	return __builtin_add_overflow(header->p_vaddr, size, &end) ? 0 : size;
}

static void add_segment(struct elf_file *file, const GElf_Phdr *header)
{
	uint64_t size = segment_size(file, header);

	if (header->p_flags & PF_X && size)
		file->segments[file->segment_count++] = (struct module_segment){
			.offset = header->p_offset,
			.size = size,
			.vaddr = header->p_vaddr,
		};
}

static int read_segments(struct elf_file *file)
{
	int has_interpreter = 0;
	size_t count;

	if (elf_getphdrnum(file->handle, &count))
		return -ENOEXEC;
	if (count > ELF_FILE_MAX_SEGMENTS)
		return -E2BIG;
	file->segments = memory_new(count * sizeof(*file->segments));
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;

		if (!gelf_getphdr(file->handle, (int)i, &header))
			break;
		if (header.p_type == PT_LOAD)
			add_segment(file, &header);
		has_interpreter |= header.p_type == PT_INTERP;
	}
	drop_overlapping(file);
	file->is_executable = file->header.e_type == ET_EXEC || has_interpreter;
	return 0;
}

/* Some libraries can be run as well (libc does): what has a name to be linked by is a library. */
static void read_dynamic(struct elf_file *file)
{
	const struct elf_section *section = elf_file_find_type(file, SHT_DYNAMIC);
	Elf_Data *data;
	GElf_Dyn entry;

	if (file->header.e_type != ET_DYN || !section || elf_section_read(section, &data))
		return;
	for (int i = 0; gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL; i++) {
		if (entry.d_tag == DT_SONAME)
			file->is_executable = 0;
		if (entry.d_tag == DT_FLAGS_1 && entry.d_un.d_val & DF_1_PIE) {
			file->is_executable = 1;
			return;
		}
	}
}

static int read_headers(struct elf_file *file)
{
	if (!file->handle || elf_kind(file->handle) != ELF_K_ELF ||
	    !gelf_getehdr(file->handle, &file->header) ||
	    file->header.e_ident[EI_DATA] != NATIVE_ELF_DATA)
		return -ENOEXEC;
	int error = read_segments(file);
	if (!error)
		error = read_sections(file);
	if (!error)
		read_dynamic(file);
	return error;
}

/* Take over opened, or release it when its headers make no sense. */
static int finish_open(struct elf_file *file, struct elf_file *opened)
{
	int error = read_headers(opened);

	if (error) {
		elf_file_close(opened);
		return error;
	}
	*file = *opened;
	return 0;
}

static int open_with(struct elf_file *file, int fd, Elf_Cmd command)
{
	struct elf_file opened = {.fd = fd};
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	opened.size = (uint64_t)status.st_size;
	elf_version(EV_CURRENT);
	opened.handle = elf_begin(fd, command, NULL);
	return finish_open(file, &opened);
}

int elf_file_open(struct elf_file *file, int fd)
{
	return open_with(file, fd, ELF_C_READ);
}

int elf_file_open_mapped(struct elf_file *file, int fd)
{
	return open_with(file, fd, ELF_C_READ_MMAP);
}

int elf_file_open_memory(struct elf_file *file, const void *memory, size_t size)
{
	struct elf_file opened = {.fd = -1, .memory = memory, .size = size};
	union {
		const void *borrowed;
		char *argument; /* libelf only writes to it when asked to */
	} image = {.borrowed = memory};

	elf_version(EV_CURRENT);
	opened.handle = elf_memory(image.argument, size);
	return finish_open(file, &opened);
}

void elf_file_close(struct elf_file *file)
{
	free(file->segments);
	free(file->sections);
	elf_end(file->handle);
	*file = (struct elf_file){.fd = -1};
}

const struct elf_section *elf_file_find_section(const struct elf_file *file, const char *name)
{
	for (size_t i = 1; i < file->section_count; i++) {
		if (!strcmp(file->sections[i].name, name))
			return &file->sections[i];
	}
	return NULL;
}

const struct elf_section *elf_file_find_type(const struct elf_file *file, uint32_t type)
{
	for (size_t i = 1; i < file->section_count; i++) {
		if (file->sections[i].header.sh_type == type)
			return &file->sections[i];
	}
	return NULL;
}

const struct elf_section *elf_file_linked(const struct elf_file *file,
					  const struct elf_section *section)
{
	uint32_t number = section->header.sh_link;

	return number && number < file->section_count ? &file->sections[number] : NULL;
}

int elf_section_read(const struct elf_section *section, Elf_Data **data)
{
	if (!section->handle || section->header.sh_type == SHT_NOBITS || !section->header.sh_size)
		return -ENODATA;
	if (section->header.sh_size > ELF_FILE_MAX_SECTION)
		return -E2BIG;
	Elf_Data *content = elf_getdata(section->handle, NULL);
	if (!content || !content->d_buf || !content->d_size)
		return -EIO;
	*data = content;
	return 0;
}

int elf_file_offset(const struct elf_file *file, uint64_t vaddr, uint64_t *offset)
{
	for (size_t i = 0; i < file->segment_count; i++) {
		const struct module_segment *segment = &file->segments[i];

		if (vaddr >= segment->vaddr && vaddr - segment->vaddr < segment->size) {
			*offset = segment->offset + (vaddr - segment->vaddr);
			return 0;
		}
	}
	return -ENOENT;
}

int elf_file_locate(const struct elf_file *file, uint64_t vaddr, uint64_t *offset, uint64_t *size)
{
	size_t count;

	if (elf_getphdrnum(file->handle, &count))
		return -ENOENT;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;

		if (!gelf_getphdr(file->handle, (int)i, &header))
			break;
		if (header.p_type != PT_LOAD || vaddr < header.p_vaddr ||
		    vaddr - header.p_vaddr >= segment_size(file, &header))
			continue;
		*offset = header.p_offset + (vaddr - header.p_vaddr);
		*size = segment_size(file, &header) - (vaddr - header.p_vaddr);
		return 0;
	}
	return -ENOENT;
}

int elf_file_read(const struct elf_file *file, uint64_t offset, void *bytes, size_t size)
{
	char *at = bytes;

	if (offset > file->size || size > file->size - offset)
		return -EIO;
	if (file->memory) {
		memcpy(bytes, (const char *)file->memory + offset, size);
		return 0;
	}
	while (size) {
		ssize_t count = pread(file->fd, at, size, (off_t)offset);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return -EIO;
		at += count;
		offset += (uint64_t)count;
		size -= (size_t)count;
	}
	return 0;
}

/* Find the build ID among the notes in data. */
static uint32_t find_build_id(Elf_Data *data, uint8_t *build_id)
{
	size_t name, description, at = 0;
	GElf_Nhdr note;

	while ((at = gelf_getnote(data, at, &note, &name, &description))) {
		const unsigned char *bytes = data->d_buf;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof(ELF_NOTE_GNU) ||
		    memcmp(bytes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) || !note.n_descsz ||
		    note.n_descsz > MODULE_BUILD_ID_MAX)
			continue;
		memcpy(build_id, bytes + description, note.n_descsz);
		return note.n_descsz;
	}
	return 0;
}

static uint32_t find_build_id_in_segments(const struct elf_file *file, uint8_t *build_id)
{
	size_t count;

	if (elf_getphdrnum(file->handle, &count))
		return 0;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;

		if (!gelf_getphdr(file->handle, (int)i, &header))
			break;
		if (header.p_type != PT_NOTE || header.p_filesz > ELF_FILE_MAX_SECTION ||
		    header.p_offset > INT64_MAX)
			continue;
		Elf_Data *data = elf_getdata_rawchunk(
			file->handle, (int64_t)header.p_offset, header.p_filesz,
			header.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
		uint32_t length = data ? find_build_id(data, build_id) : 0;
		if (length)
			return length;
	}
	return 0;
}

uint32_t elf_file_build_id(const struct elf_file *file, uint8_t *build_id)
{
	for (size_t i = 1; i < file->section_count; i++) {
		Elf_Data *data;

		if (file->sections[i].header.sh_type != SHT_NOTE ||
		    elf_section_read(&file->sections[i], &data))
			continue;
		uint32_t length = find_build_id(data, build_id);
		if (length)
			return length;
	}
	/* Sections of a debug file are trustworthy, its segments are not: look there last. */
	return file->section_count ? 0 : find_build_id_in_segments(file, build_id);
}

/* Copy the string that section begins with; *data is its content. Returns the bytes it takes. */
static int copy_link(const struct elf_file *file, const char *section_name,
		     char name[MODULE_DEBUGLINK_MAX], Elf_Data **data)
{
	const struct elf_section *section = elf_file_find_section(file, section_name);

	if (!section || elf_section_read(section, data))
		return -ENOENT;
	size_t length = strnlen((*data)->d_buf, (*data)->d_size);
	if (!length || length == (*data)->d_size || length >= MODULE_DEBUGLINK_MAX)
		return -ENOENT;
	memcpy(name, (*data)->d_buf, length + 1);
	return (int)length + 1;
}

int elf_file_debuglink(const struct elf_file *file, char name[MODULE_DEBUGLINK_MAX], uint32_t *crc)
{
	char copied[MODULE_DEBUGLINK_MAX];
	Elf_Data *data;
	int length = copy_link(file, ".gnu_debuglink", copied, &data);

	if (length < 0)
		return length;
	size_t at = ((size_t)length + 3) & ~(size_t)3;
	if (at + sizeof(*crc) > data->d_size)
		return -ENOENT;
	memcpy(crc, (const char *)data->d_buf + at, sizeof(*crc));
	memcpy(name, copied, (size_t)length);
	return 0;
}

int elf_file_altlink(const struct elf_file *file, char path[MODULE_DEBUGLINK_MAX],
		     uint8_t *build_id, uint32_t *build_id_length)
{
	char copied[MODULE_DEBUGLINK_MAX];
	Elf_Data *data;
	int length = copy_link(file, ".gnu_debugaltlink", copied, &data);

	if (length < 0)
		return length;
	size_t id_length = data->d_size - (size_t)length;
	if (id_length > MODULE_BUILD_ID_MAX)
		return -ENOENT;
	memcpy(build_id, (const char *)data->d_buf + length, id_length);
	*build_id_length = (uint32_t)id_length;
	memcpy(path, copied, (size_t)length);
	return 0;
}
