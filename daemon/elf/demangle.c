/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/demangle.h"

#include <ctype.h>
#include <errno.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/utf8.h"

#define ELLIPSIS     "\xe2\x80\xa6"
#define ELLIPSIS_MAX (sizeof(ELLIPSIS) - 1)

/*
 * libiberty expands each back reference of a D name again, so that a name can double its length
 * with every few characters. Names with more of them stay mangled.
 */
#define D_MAX_BACK_REFERENCES 28

/* Where libiberty's printer writes to. It is left by longjmp() when there is no more room: the
 * printers that take a callback hold no memory while they call it. */
struct output {
	char text[DEMANGLE_MAX_OUTPUT];
	size_t length;
	jmp_buf full;
};

static void on_piece(const char *piece, size_t length, void *context)
{
	struct output *output = context;
	size_t room = sizeof(output->text) - output->length;

	if (length >= room) {
		memcpy(output->text + output->length, piece, room);
		output->length = sizeof(output->text);
		longjmp(output->full, 1);
	}
	memcpy(output->text + output->length, piece, length);
	output->length += length;
}

static int demangle_rust(const char *mangled, struct output *output)
{
	return rust_demangle_callback(mangled, DMGL_NO_OPTS, on_piece, output);
}

/*
 * A part of a function that the compiler moved or copied has its own symbol with a suffix. Without
 * parameters libiberty leaves the suffix out; people want to see it: "foo [clone .cold]".
 */
static void write_clones(const char *suffix, struct output *output)
{
	while (*suffix) {
		size_t length = 1 + strcspn(suffix + 1, ".");

		while (suffix[length] == '.' && isdigit((unsigned char)suffix[length + 1]))
			length += 1 + strcspn(suffix + length + 1, ".");
		on_piece(" [clone ", strlen(" [clone "), output);
		on_piece(suffix, length, output);
		on_piece("]", 1, output);
		suffix += length;
	}
}

static int demangle_cxx(const char *mangled, struct output *output)
{
	const char *suffix = strchr(mangled, '.');

	if (!cplus_demangle_v3_callback(mangled, DMGL_NO_OPTS, on_piece, output))
		return 0;
	if (suffix && mangled[1] == 'Z')
		write_clones(suffix, output);
	return 1;
}

static int demangle_d(const char *mangled, struct output *output)
{
	unsigned int references = 0;

	for (const char *at = mangled; *at; at++)
		references += *at == 'Q';
	if (references > D_MAX_BACK_REFERENCES)
		return 0;
	_cleanup_free_ char *text = dlang_demangle(mangled, DMGL_NO_OPTS);
	if (!text)
		return 0;
	size_t length = strlen(text);
	output->length = length < sizeof(output->text) ? length : sizeof(output->text);
	memcpy(output->text, text, output->length);
	return 1;
}

/* By the first characters; Rust's old mangling is C++ with a hash at the end, so it is asked first. */
static const struct language {
	const char *prefix;
	int (*demangle)(const char *mangled, struct output *output);
} languages[] = {
	{"_R", demangle_rust},      {"_ZN", demangle_rust}, {"_Z", demangle_cxx},
	{"_GLOBAL_", demangle_cxx}, {"_D", demangle_d},
};

/* Apart from the loop below: its variables would not survive a longjmp(). */
static int demangle_as(const struct language *language, const char *mangled, struct output *output)
{
	output->length = 0;
	if (setjmp(output->full))
		return 1;
	return language->demangle(mangled, output);
}

/* Returns non-zero when output holds the name. */
static int demangle_text(const char *mangled, struct output *output)
{
	for (size_t i = 0; i < ARRAY_SIZE(languages); i++) {
		const struct language *language = &languages[i];

		if (!strncmp(mangled, language->prefix, strlen(language->prefix)) &&
		    demangle_as(language, mangled, output))
			return 1;
	}
	return 0;
}

/* Write text as clean UTF-8, with "…" at the end when it does not fit or was cut already. */
static size_t write_clean(char name[DEMANGLE_MAX_OUTPUT], const char *text, size_t length)
{
	char cleaned[UTF8_MAX_GROWTH * DEMANGLE_MAX_OUTPUT + 1];
	int is_cut = length >= DEMANGLE_MAX_OUTPUT;

	if (is_cut)
		length = DEMANGLE_MAX_OUTPUT;
	size_t written = utf8_clean(cleaned, sizeof(cleaned), text, length);
	if (!is_cut && written < DEMANGLE_MAX_OUTPUT) {
		memcpy(name, cleaned, written + 1);
		return written;
	}
	written = utf8_clean(name, DEMANGLE_MAX_OUTPUT - ELLIPSIS_MAX, cleaned, written);
	memcpy(name + written, ELLIPSIS, ELLIPSIS_MAX + 1);
	return written + ELLIPSIS_MAX;
}

/* Returns 0 when mangled is no mangled name. */
static size_t write_demangled(char name[DEMANGLE_MAX_OUTPUT], const char *mangled, size_t length)
{
	char copy[DEMANGLE_MAX_INPUT + 1];
	struct output output;

	/* A suffix such as "@plt" is no part of the mangled name. */
	const char *at = memchr(mangled, '@', length);
	size_t stem = at ? (size_t)(at - mangled) : length;

	if (!length || mangled[0] != '_' || stem > DEMANGLE_MAX_INPUT)
		return 0;
	memcpy(copy, mangled, stem);
	copy[stem] = 0;
	if (!demangle_text(copy, &output))
		return 0;
	size_t suffix = length - stem;
	if (suffix >= sizeof(output.text) - output.length)
		suffix = 0;
	memcpy(output.text + output.length, mangled + stem, suffix);
	return write_clean(name, output.text, output.length + suffix);
}

size_t demangle_name(char name[DEMANGLE_MAX_OUTPUT], const char *mangled, size_t length)
{
	size_t written = write_demangled(name, mangled, length);

	return written ? written : write_clean(name, mangled, length);
}

int demangle_batch(const char *names, size_t size, uint64_t budget_ns, char **result,
		   size_t *result_size)
{
	const uint64_t deadline = clock_read_ns(CLOCK_MONOTONIC) + budget_ns;
	_cleanup_free_ char *text = NULL;
	size_t capacity = 0;
	size_t used = 0;

	if (size > DEMANGLE_MAX_BATCH)
		return -E2BIG;
	if (size && names[size - 1])
		return -EINVAL;
	for (size_t at = 0; at < size;) {
		size_t length = strlen(names + at);
		int is_late = clock_read_ns(CLOCK_MONOTONIC) >= deadline;

		text = memory_grow(text, &capacity, used + DEMANGLE_MAX_OUTPUT, 1);
		used += is_late ? write_clean(text + used, names + at, length)
				: demangle_name(text + used, names + at, length);
		used++;
		at += length + 1;
		if (used > DEMANGLE_MAX_RESULT)
			return -E2BIG;
	}
	*result = steal_ptr(&text);
	*result_size = used;
	return 0;
}
