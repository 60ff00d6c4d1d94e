/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SELECT: which samples a question is about, from the options that dump, svg and top share, and how
 * its answer gets here. The unit, levels and annotations of the output are part of it.
 */
#ifndef FLAME_CLIENT_SELECTION_H
#define FLAME_CLIENT_SELECTION_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "client/command.h"
#include "client/formats/profile_stacks.h"

struct client;
struct profile;

/* As in `dump` of the protocol; initialise with selection_init(). */
struct selection {
	int event;        /* number of a word of selection_events */
	uint64_t last_ns; /* 0: not given */
	int64_t from_ns;  /* since the epoch; 0: not given */
	int64_t to_ns;
	uint64_t tid; /* 0: all */
	int by_thread;
	int by_process;
	int no_kernel;
	int no_user;
	int lines;
	int inlined;
	int idle;
	int waker;          /* no option of selection_options(): for those who draw whole stacks */
	int slices;         /* no option: have the weights told slice by slice */
	int unit;           /* number of a word of selection_units */
	double min_quality; /* percent; 0: any will do */
};

/* What is measured, and the units that there are; up to NULL. */
extern const char *const selection_events[];
extern const char *const selection_units[];

/* Set what counts when no option is given. */
void selection_init(struct selection *selection);

/* The options that choose the window, and all others, as sets of a command. */
struct option_set selection_window_options(struct selection *selection);
struct option_set selection_options(struct selection *selection);

/* How a profile is laid out as stacks. */
struct stack_levels selection_levels(const struct selection *selection);

/*
 * Ask for the samples of the targets (operands; none: all that one may see), or read them from a
 * file (a picture, JSON, any text that render reads) when that is the one operand. Tells on standard
 * error the notes that belong to the answer (the window reaches back less far than asked). Exits
 * when there is no answer, or the options contradict each other. *json is the text of the answer
 * and Owned (free), *length its length; json may be NULL. Owned (profile_free).
 */
struct profile *selection_fetch(struct client *client, const struct selection *selection,
				int operand_count, char **operands, char **json, size_t *length);

/* Exits when options choose samples, which those in a file cannot be any more. */
void selection_check_file(const struct client *client, const struct selection *selection);

/*
 * The same for an answer that is asked for again and again: notes are not told, and without an
 * answer NULL is returned and *reason says why, clean for terminals, Owned (free).
 */
struct profile *selection_try(struct client *client, const struct selection *selection,
			      int operand_count, char **operands, char **json, size_t *length,
			      char **reason);

/* Return EXIT_DONE, or tell that the quality is too low and return EXIT_FAILED. */
int selection_judge_quality(const struct selection *selection, const struct profile *profile);

#endif
