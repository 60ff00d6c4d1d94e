/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/answer.h"

#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/profile.h"
#include "daemon/core/names/symbolizer.h"
#include "daemon/core/protocol/answer_cost.h"
#include "daemon/core/protocol/question.h"
#include "daemon/core/protocol/row_sums.h"
#include "daemon/core/protocol/silence.h"
#include "daemon/core/protocol/translation.h"

struct answer {
	struct question_sources sources;
	struct question question; /* without its selectors, which are borrowed */
	answer_done *done;
	void *context;
	struct symbolizer_wait *wait;
	struct profile *profile;
	struct row_sums sums;
};

static void free_answer(struct answer *answer)
{
	row_sums_fini(&answer->sums);
	profile_free(answer->profile);
	free(answer);
}

static void on_named(void *context)
{
	struct answer *answer = context;
	answer_done *done = answer->done;
	void *done_context = answer->context;

	translation_fill(answer->profile, &answer->sums, &answer->question);
	struct profile *profile = steal_ptr(&answer->profile);
	free_answer(answer);
	done(done_context, profile, NULL);
}

/* Boot time as wall-clock time, by the clocks as they are now. */
static uint64_t wall_time(uint64_t boot_ns)
{
	return boot_ns + (clock_wall_ns() - clock_boot_ns());
}

static void describe_window(struct answer *answer, const struct question *question,
			    const struct bucket_window *covered, const struct bucket_totals *totals)
{
	struct profile *profile = answer->profile;
	uint64_t now_ns = clock_boot_ns();
	double kept = 0;

	profile->unit = question->measure->unit;
	profile->asked =
		(struct profile_window){wall_time(question->from_ns), wall_time(question->to_ns)};
	/* The bucket that is being filled has no future yet. */
	profile->covered = (struct profile_window){
		wall_time(covered->from_ns),
		wall_time(covered->to_ns < now_ns ? covered->to_ns : now_ns)};
	profile->rate_hz = totals->rate_hz;
	if (totals->rate_hz)
		profile->interval = (double)NS_PER_SECOND / totals->rate_hz;
	answer_cost_describe(profile, question->measure, totals);
	if (question->slices) {
		profile->slice_ns = bucket_ring_length_ns(answer->sources.history);
		profile->slice_count =
			(uint32_t)((covered->to_ns - covered->from_ns) / profile->slice_ns);
	}
	for (uint32_t i = 0; i < answer->sums.row_count; i++)
		kept += answer->sums.rows[i].count;
	if (totals->lost[0])
		profile_add_lost(profile, "ring_full", (double)totals->lost[0]);
	profile->taken = kept + profile_lost(profile);
	if (answer->sums.lacks_wakers)
		profile_add_note(profile, "nobody's waker was recorded in this window; attach with "
					  "--waker to have that done");
	if (answer->sums.idle_threads) {
		_cleanup_free_ char *note = memory_format(
			"%u thread%s slept throughout and %s left out; --idle shows them",
			answer->sums.idle_threads, answer->sums.idle_threads == 1 ? "" : "s",
			answer->sums.idle_threads == 1 ? "is" : "are");

		profile_add_note(profile, note);
	}
}

static struct answer *answer_silence(struct answer *answer, const struct question *question,
				     const struct bucket_totals *totals)
{
	_cleanup_free_ char *cause =
		silence_explain(&answer->sources, question, totals ? totals->lost[0] : 0);

	answer->done(answer->context, NULL, cause);
	free_answer(answer);
	return NULL;
}

struct answer *answer_start(const struct question_sources *sources, const struct question *question,
			    answer_done *done, void *context)
{
	struct answer *answer = memory_new(sizeof(*answer));
	struct bucket_window covered = {question->from_ns, question->to_ns};
	struct bucket_totals totals = {0};
	size_t count;

	answer->sources = *sources;
	answer->question = *question;
	answer->question.selectors = NULL;
	answer->done = done;
	answer->context = context;
	if (bucket_ring_clip(sources->history, &covered))
		return answer_silence(answer, question, NULL);
	row_sums_collect(&answer->sums, &answer->sources, question, &covered, &totals);
	if (answer->sums.row_count == 0)
		return answer_silence(answer, question, &totals);
	answer->profile = profile_new();
	describe_window(answer, question, &covered, &totals);
	uint64_t *addresses = translation_addresses(&answer->sums, &answer->question, &count);
	struct symbolizer_wait *wait = symbolizer_prepare(sources->symbolizer, addresses, count,
							  question->want, on_named, answer);
	if (!wait)
		return NULL; /* answered, and gone */
	answer->wait = wait;
	return answer;
}

void answer_cancel(struct answer *answer)
{
	if (!answer)
		return;
	symbolizer_cancel(answer->wait);
	free_answer(answer);
}
