/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile: what was measured in a window, as stacks of named frames with weights. The daemon
 * fills it from its buckets and sends it as JSON (profile_json.h); the client reads that, or
 * folded text, or `perf script` output, and draws, lists, compares or converts it.
 *
 * Stacks are a trie of nodes, root first: a node is a frame under a parent, a parent always has a
 * smaller number than its children, and equal stacks share all their nodes. Process and thread are
 * not frames; they hang on the rows, so that the reader of a profile decides whether to show them.
 */
#ifndef FLAME_COMMON_PROFILE_H
#define FLAME_COMMON_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/frame.h"
#include "common/hashmap.h"
#include "common/intern.h"

#define PROFILE_NO_NODE   UINT32_MAX /* parent of a root; the empty stack */
#define PROFILE_NO_THREAD UINT32_MAX /* the source told no process: folded text */

/* A named level. Equal frames are stored once. Strings are numbers in strings; 0 is "none". */
struct profile_frame {
	uint32_t name;
	uint32_t module; /* file the code is in, base name: "libc.so.6" */
	uint32_t file;   /* source file */
	uint32_t line;   /* in file; 0: not known */
	uint32_t kind;   /* enum frame_kind */
};

struct profile_node {
	uint32_t parent; /* PROFILE_NO_NODE for a root */
	uint32_t frame;
};

struct profile_process {
	uint32_t name;
	uint32_t pid;
	uint32_t uid;           /* owner when sampled; UINT32_MAX: not known or privileged */
	uint64_t start_time_ns; /* since boot; with pid the identity */
};

struct profile_thread {
	uint32_t process;
	uint32_t tid;
	uint32_t name;
};

/* What was measured in one thread at one stack. */
struct profile_row {
	uint32_t thread; /* PROFILE_NO_THREAD: none */
	uint32_t node;   /* the leaf; PROFILE_NO_NODE: no frame at all */
	double count;    /* samples */
	double weight;   /* in the profile's unit */
	double variance; /* of weight, Σ w²(1 - p) */
	double certain;  /* of weight: measured, not estimated */
	double largest;  /* weight of one sample in the rest; 0: not known */
};

enum profile_unit { PROFILE_SAMPLES, PROFILE_NS, PROFILE_BYTES };

/* Something that was counted, by name: a loss, or a reason why stacks ended. */
struct profile_counter {
	uint32_t name;
	double value;
};

/*
 * What one slice of the window (a bucket of history) put into a row. Samples of one second are not
 * independent: the spread of a frame's share between slices is what tells a change from noise.
 */
struct profile_slice_row {
	uint32_t slice; /* 0 is the oldest of the window */
	uint32_t row;
	double weight;
};

/* A window of time, wall clock, ns since the epoch; both 0: not known. */
struct profile_window {
	uint64_t from_ns;
	uint64_t to_ns;
};

struct profile {
	struct intern strings;

	/* Where it comes from; strings by number, 0: not known. */
	uint32_t event;  /* "cpu" */
	uint32_t source; /* what delivers it: "cpu-clock", "cycles" */
	uint32_t host;
	uint32_t version; /* of the daemon */
	uint32_t target;  /* what was selected, as the user wrote it */
	enum profile_unit unit;
	double rate_hz;  /* highest rate in force in the window */
	double interval; /* mean interval between samples, in unit; 0: not known */
	/* The weights are between so many times what they are, all of them in the same way. */
	double scale_low;
	double scale_high;
	double cost_percent; /* what sampling cost the targets, of their CPU time; < 0: not known */
	struct profile_window asked;
	struct profile_window covered;
	double taken; /* samples that fell into the window, lost ones included */
	struct profile_counter *lost;
	uint32_t lost_count;
	uint32_t *notes; /* sentences that belong to the answer */
	uint32_t note_count;

	struct profile_frame *frames;
	uint32_t frame_count;
	size_t frame_capacity;
	struct hashmap frame_index;

	struct profile_node *nodes;
	uint32_t node_count;
	size_t node_capacity;
	struct hashmap node_index;

	struct profile_process *processes;
	uint32_t process_count;
	size_t process_capacity;

	struct profile_thread *threads;
	uint32_t thread_count;
	size_t thread_capacity;

	struct profile_row *rows;
	uint32_t row_count;
	size_t row_capacity;
	struct hashmap row_index;

	/* Optional: the rows' weights slice by slice; slice_count 0: not told. */
	uint64_t slice_ns; /* length of a slice */
	uint32_t slice_count;
	struct profile_slice_row *slice_rows;
	uint32_t slice_row_count;
	size_t slice_row_capacity;
};

/* Return an empty profile. Owned (profile_free). */
struct profile *profile_new(void);
void profile_free(struct profile *profile);
DEFINE_CLEANUP(profile_free, struct profile)

/* Return the number of text in strings, adding it when new. */
uint32_t profile_string(struct profile *profile, const char *text);

/* String number id as text. Borrowed (valid until the profile goes). */
static inline const char *profile_text(const struct profile *profile, uint32_t id)
{
	return intern_text(&profile->strings, id);
}

/* Return the number of a frame equal to frame, adding it when new. */
uint32_t profile_add_frame(struct profile *profile, const struct profile_frame *frame);

/* Return the node of frame under parent (PROFILE_NO_NODE: a root), adding it when new. */
uint32_t profile_add_node(struct profile *profile, uint32_t parent, uint32_t frame);

/* Add a process or a thread and return its number; the caller keeps equal ones apart. */
uint32_t profile_add_process(struct profile *profile, const struct profile_process *process);
uint32_t profile_add_thread(struct profile *profile, const struct profile_thread *thread);

/* Add a measurement to the row of (thread, node) and return its number; equal keys are summed. */
uint32_t profile_add_row(struct profile *profile, uint32_t thread, uint32_t node, double count,
			 double weight, double variance);

/* Say how much of what was added to row was measured, and the largest weight of the rest. */
void profile_add_certain(struct profile *profile, uint32_t row, double certain, double largest);

/* Say that weight of row was measured in slice (which grows slice_count when it is new). */
void profile_add_slice_row(struct profile *profile, uint32_t slice, uint32_t row, double weight);

/* Add value to the loss called name. */
void profile_add_lost(struct profile *profile, const char *name, double value);

/* Add a sentence to the notes. */
void profile_add_note(struct profile *profile, const char *note);

/*
 * Make the place in the source part of each frame's name where it is known, "main" to
 * "main:main.c:12", for texts and pictures that have names alone.
 */
void profile_name_lines(struct profile *profile);

/* Sum of the losses. */
double profile_lost(const struct profile *profile);

#endif
