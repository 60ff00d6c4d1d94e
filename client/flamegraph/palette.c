/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/palette.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/* A colour is base + share of a span, channel by channel; each channel follows one of the shares. */
struct ramp {
	const char *name;
	uint8_t base[3];
	uint8_t span[3];
	uint8_t share[3]; /* 0: the first, 1: the second */
};

static const struct ramp ramps[] = {
	{"hot", {205, 0, 0}, {50, 230, 55}, {1, 0, 1}},
	{"mem", {0, 190, 0}, {0, 50, 210}, {0, 1, 0}},
	{"io", {80, 80, 190}, {60, 60, 55}, {0, 0, 1}},
	{"red", {200, 50, 50}, {55, 80, 80}, {0, 0, 0}},
	{"green", {50, 200, 50}, {60, 55, 60}, {0, 0, 0}},
	{"blue", {80, 80, 205}, {60, 60, 50}, {0, 0, 0}},
	{"yellow", {175, 175, 50}, {55, 55, 20}, {0, 0, 0}},
	{"purple", {190, 80, 190}, {65, 60, 65}, {0, 0, 0}},
	{"aqua", {50, 165, 165}, {60, 55, 55}, {0, 0, 0}},
	{"orange", {190, 90, 0}, {65, 65, 0}, {0, 0, 0}},
};

/* A name without ending zero. */
struct text {
	const char *bytes;
	size_t length;
	enum frame_kind kind;
};

static int contains(const struct text *name, const char *part)
{
	return memmem(name->bytes, name->length, part, strlen(part)) != NULL;
}

static int starts_with(const struct text *name, const char *part)
{
	size_t length = strlen(part);

	return name->length >= length && memcmp(name->bytes, part, length) == 0;
}

static int ends_with(const struct text *name, const char *part)
{
	size_t length = strlen(part);

	return name->length >= length &&
	       memcmp(name->bytes + name->length - length, part, length) == 0;
}

/* Frames of a profile carry their kind, those of a text its annotation. */
static int is_kernel(const struct text *name)
{
	return name->kind == FRAME_KERNEL || ends_with(name, "_[k]");
}

static int is_jit(const struct text *name)
{
	return name->kind == FRAME_JIT || ends_with(name, "_[j]");
}

static int is_inlined(const struct text *name)
{
	return name->kind == FRAME_INLINED || ends_with(name, "_[i]");
}

static int is_java_package(const struct text *name)
{
	static const char *const packages[] = {"java/", "javax/", "jdk/", "net/",
					       "org/",  "com/",   "io/",  "sun/"};
	struct text rest = *name;

	if (starts_with(name, "L")) {
		rest.bytes++;
		rest.length--;
	}
	for (size_t i = 0; i < ARRAY_SIZE(packages); i++)
		if (starts_with(name, packages[i]) || starts_with(&rest, packages[i]))
			return 1;
	return 0;
}

static const char *choose_java(const struct text *name)
{
	if (is_jit(name))
		return "green";
	if (is_inlined(name))
		return "aqua";
	if (is_java_package(name) || contains(name, ":::"))
		return "green";
	if (contains(name, "::"))
		return "yellow";
	return is_kernel(name) ? "orange" : "red";
}

static const char *choose_perl(const struct text *name)
{
	if (contains(name, "::"))
		return "yellow";
	if (contains(name, "Perl") || contains(name, ".pl"))
		return "green";
	return is_kernel(name) ? "orange" : "red";
}

/* A path and, behind its first slash, ".js". */
static int is_script_path(const struct text *name)
{
	const char *slash = memchr(name->bytes, '/', name->length);

	return slash && memmem(slash, name->length - (size_t)(slash - name->bytes), ".js", 3);
}

static const char *choose_js(const struct text *name)
{
	if (is_jit(name))
		return contains(name, "/") ? "green" : "aqua";
	if (contains(name, "::"))
		return "yellow";
	if (is_script_path(name))
		return "green";
	if (contains(name, ":"))
		return "aqua";
	if (name->length == 1 && name->bytes[0] == ' ')
		return "green";
	return name->kind == FRAME_KERNEL || contains(name, "_[k]") ? "orange" : "red";
}

/* Python's own code, installed packages, the program's, and what is no Python. */
static const char *choose_python(const struct text *name)
{
	if (is_kernel(name))
		return "orange";
	if (contains(name, "site-packages") || contains(name, "dist-packages"))
		return "aqua";
	if (contains(name, "/lib/python") || contains(name, "<frozen "))
		return "blue";
	if (contains(name, ".py") || starts_with(name, "py::"))
		return "green";
	/* The interpreter: not every memcpy. */
	return contains(name, "Py") || starts_with(name, "py") || contains(name, "_py") ? "yellow"
											: "red";
}

static const char *choose_rust(const struct text *name)
{
	static const char *const libraries[] = {
		"core::", "std::", "alloc::", "<core::", "<std::", "<alloc::"};

	if (is_kernel(name))
		return "red";
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++)
		if (starts_with(name, libraries[i]))
			return "orange";
	return contains(name, "::") ? "aqua" : "yellow";
}

static const char *choose_chain(const struct text *name)
{
	return contains(name, "_[w]") ? "aqua" : "blue";
}

static const char *choose_wakeup(const struct text *name)
{
	(void)name;
	return "aqua";
}

/* Palettes that choose one of the ramps by name. */
static const struct {
	const char *name;
	const char *(*choose)(const struct text *name);
} choosers[] = {
	{"wakeup", choose_wakeup}, {"chain", choose_chain}, {"java", choose_java},
	{"js", choose_js},         {"perl", choose_perl},   {"python", choose_python},
	{"rust", choose_rust},
};

/*
 * What is warm stays apart from what is cold for people who see no red or no green; what is alike
 * for them, such as blue and violet, differs in lightness.
 */
static const struct {
	struct color color;
	struct color spread; /* how far single names go from it */
} kinds[FRAME_KIND_COUNT] = {
	[FRAME_USER] = {{240, 150, 60}, {15, 50, 40}},
	[FRAME_LIBRARY] = {{140, 200, 240}, {30, 20, 10}},
	[FRAME_KERNEL] = {{150, 110, 205}, {25, 25, 25}},
	[FRAME_JIT] = {{95, 175, 125}, {45, 45, 45}},
	[FRAME_INLINED] = {{250, 205, 140}, {5, 35, 50}},
	[FRAME_UNKNOWN] = {{175, 175, 175}, {35, 35, 35}},
	[FRAME_PROCESS] = {{205, 200, 190}, {20, 20, 20}},
	[FRAME_MARKED] = {{225, 95, 95}, {0, 0, 0}},
	[FRAME_QUEUED] = {{245, 190, 20}, {0, 0, 0}},
	[FRAME_WAITS_IO] = {{70, 125, 220}, {0, 0, 0}},
	[FRAME_LOCKED] = {{165, 80, 190}, {0, 0, 0}},
	[FRAME_SLEEPS] = {{150, 155, 160}, {0, 0, 0}},
	[FRAME_RUNNING] = {{205, 45, 35}, {0, 0, 0}},
};

int palette_exists(const char *name)
{
	if (strcmp(name, "kind") == 0)
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(ramps); i++)
		if (strcmp(ramps[i].name, name) == 0)
			return 1;
	for (size_t i = 0; i < ARRAY_SIZE(choosers); i++)
		if (strcmp(choosers[i].name, name) == 0)
			return 1;
	return 0;
}

const char *palette_list(void)
{
	return "none of kind, hot, mem, io, wakeup, chain, java, js, perl, python, rust, red, "
	       "green, blue, aqua, yellow, purple, orange";
}

/* A number in [0, 1) from the sum of the letters, by the recurrence of drand48(3). */
static double share_of_name(const char *name, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += (unsigned char)name[i];
	uint64_t state = ((uint64_t)sum << 16) + 0x330e;
	state = (state * UINT64_C(0x5deece66d) + 0xb) & ((UINT64_C(1) << 48) - 1);
	return (double)state / (double)(UINT64_C(1) << 48);
}

#define HASH_LETTERS 3

/*
 * A number in [0, 1] from the first letters, of which the first weighs most, so that names that
 * start alike look alike. step is -1 to begin at the end of the name.
 */
static double share_of_hash(const char *name, size_t length, int step)
{
	const char *at = step > 0 ? name : name + length - 1;
	double vector = 0, weight = 1, limit = 1;

	for (size_t i = 0; i < HASH_LETTERS && i < length; i++, at += step) {
		int modulus = 10 + (int)i;

		vector += (unsigned char)*at % modulus / (modulus - 1.0) * weight;
		limit += weight;
		weight *= 0.7;
	}
	return 1 - vector / limit;
}

/* "module`name": the module takes no part in the hash. */
static void skip_module(struct text *name)
{
	const char *tick = name->length > 1 ? memchr(name->bytes + 1, '`', name->length - 1) : NULL;

	if (tick) {
		name->length -= (size_t)(tick + 1 - name->bytes);
		name->bytes = tick + 1;
	}
}

static void find_shares(enum palette_mode mode, const struct text *name, double *shares)
{
	struct text own = *name;

	switch (mode) {
	case PALETTE_BY_NAME:
		shares[0] = shares[1] = share_of_name(name->bytes, name->length);
		break;
	case PALETTE_BY_HASH:
		skip_module(&own);
		shares[0] = share_of_hash(own.bytes, own.length, 1);
		shares[1] = share_of_hash(own.bytes, own.length, -1);
		break;
	case PALETTE_RANDOM:
		shares[0] = drand48();
		shares[1] = drand48();
		break;
	}
}

static struct color ramp_color(const char *ramp_name, const double *shares)
{
	uint8_t channels[3] = {0, 0, 0};

	for (size_t i = 0; i < ARRAY_SIZE(ramps); i++) {
		if (strcmp(ramps[i].name, ramp_name) != 0)
			continue;
		for (int k = 0; k < 3; k++)
			channels[k] =
				(uint8_t)(ramps[i].base[k] +
					  (int)(ramps[i].span[k] * shares[ramps[i].share[k]]));
	}
	return (struct color){channels[0], channels[1], channels[2]};
}

int palette_shade(const char *name, size_t length)
{
	return (int)(share_of_name(name, length) * PALETTE_SHADES);
}

struct color palette_kind_shade(enum frame_kind kind, int shade)
{
	const struct color *color = &kinds[kind].color, *spread = &kinds[kind].spread;
	double share = (shade + 0.5) / PALETTE_SHADES - 0.5;

	return (struct color){(uint8_t)(color->red + (int)(spread->red * share)),
			      (uint8_t)(color->green + (int)(spread->green * share)),
			      (uint8_t)(color->blue + (int)(spread->blue * share))};
}

struct color palette_color(const char *palette, enum palette_mode mode, const char *name,
			   size_t length, enum frame_kind kind)
{
	struct text text = {name, length, kind};
	double shares[2];

	find_shares(mode, &text, shares);
	if (strcmp(palette, "kind") == 0)
		return palette_kind_shade(kind, (int)(fmin(shares[0], 0.999) * PALETTE_SHADES));
	for (size_t i = 0; i < ARRAY_SIZE(choosers); i++)
		if (strcmp(choosers[i].name, palette) == 0)
			palette = choosers[i].choose(&text);
	return ramp_color(palette, shares);
}

struct color palette_delta_color(double value, double limit)
{
	if (value > 0) {
		uint8_t other = (uint8_t)(210 * (limit - value) / limit);

		return (struct color){255, other, other};
	}
	if (value < 0) {
		uint8_t other = (uint8_t)(210 * (limit + value) / limit);

		return (struct color){other, other, 255};
	}
	return (struct color){255, 255, 255};
}

struct color palette_change_color(double value, double limit)
{
	static const struct color grew = {240, 98, 62}, shrank = {86, 145, 235};
	const struct color *full = value > 0 ? &grew : &shrank;
	double share = limit > 0 ? fmin(1, fabs(value) / limit) : 0;

	/* The smallest change that counts can still be told from white. */
	share = value != 0 ? 0.25 + 0.75 * share : 0;
	return (struct color){(uint8_t)(255 - share * (255 - full->red)),
			      (uint8_t)(255 - share * (255 - full->green)),
			      (uint8_t)(255 - share * (255 - full->blue))};
}

int palette_separator_color(const char *name, size_t length, struct color *color)
{
	if (length > 2 || !length || memcmp(name, "--", length) != 0)
		return 0;
	uint8_t grey = length == 2 ? 160 : 200;
	*color = (struct color){grey, grey, grey};
	return 1;
}
