/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to a question about the past: adds up the rows of the buckets in the window, has the
 * symbolizer name the frames and makes one profile of it. Nothing is copied out of the history but
 * the sums, and sampling goes on meanwhile.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_ANSWER_H
#define FLAME_DAEMON_CORE_PROTOCOL_ANSWER_H

struct answer;
struct profile;
struct question;
struct question_sources;

/*
 * Takes profile: NULL when the window holds nothing, and cause is then a sentence that says why
 * (borrowed for the call).
 */
typedef void answer_done(void *context, struct profile *profile, const char *cause);

/*
 * Answer question; done is called once, before or after the return. Returns NULL when it was called
 * already, else what answer_cancel() takes.
 */
struct answer *answer_start(const struct question_sources *sources, const struct question *question,
			    answer_done *done, void *context);

/* Give up; done is not called any more. */
void answer_cancel(struct answer *answer);

#endif
