/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/change.h"

#include <math.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/memory.h"

#define QUANTILE_95 1.959964

double change_between(const double *parts, const double *wholes, uint32_t slice_count)
{
	double part = 0, whole = 0, sum = 0;
	uint32_t filled = 0;

	for (uint32_t i = 0; i < slice_count; i++) {
		part += parts[i];
		whole += wholes[i];
		filled += wholes[i] > 0;
	}
	if (filled < 2 || whole <= 0)
		return 0;
	/* A ratio: what varies is each slice's part less its fair share of the whole. */
	for (uint32_t i = 0; i < slice_count; i++) {
		double residual = parts[i] - part / whole * wholes[i];

		sum += residual * residual;
	}
	return sum / (whole * whole) * filled / (filled - 1);
}

/* From so many slices, and so many samples of a frame, the spread between slices is well known. */
#define ENOUGH_SLICES  10
#define ENOUGH_SAMPLES 10

/*
 * A program that does everything in the same short turn is met more evenly than by chance: as long
 * as nothing beats with the sampling clock. So much of the variance by chance there is at least.
 */
#define LEAST_OF_CHANCE 0.25

/* How well a share is known. */
struct spread {
	double variance;
	double freedom; /* degrees of it; INFINITY: the variance is no estimate */
};

/* Pooled is the share of both sides, for a side that has none of it. */
static double sampling_variance(const struct share *share, double pooled)
{
	double whole = share->whole * share->whole;
	double p = share->part / share->whole;

	if (share->part <= 0)
		return pooled * (1 - pooled) * share->whole_variance / whole;
	return fmax(0,
		    (share->part_variance * (1 - 2 * p) + p * p * share->whole_variance) / whole);
}

static struct spread find_spread(const struct share *share, double pooled)
{
	double by_chance = sampling_variance(share, pooled);
	double samples =
		share->part_variance > 0 ? share->part * share->part / share->part_variance : 0;
	int is_known = share->slice_count >= ENOUGH_SLICES && samples >= ENOUGH_SAMPLES;
	double least = is_known ? LEAST_OF_CHANCE * by_chance : by_chance;

	if (share->slice_count < 2 || share->between < least)
		return (struct spread){least, INFINITY};
	return (struct spread){share->between, share->slice_count - 1};
}

/*
 * Turn a ratio whose variance is itself an estimate, from so many degrees of freedom, into one that
 * follows the normal distribution closely.
 */
static double normalise(double ratio, double freedom)
{
	return ratio * (1 - 1 / (4 * freedom)) / sqrt(1 + ratio * ratio / (2 * freedom));
}

/* Degrees of freedom of the sum of two variances (Welch and Satterthwaite). */
static double freedom_of(const struct spread *before, const struct spread *after)
{
	double sum = before->variance + after->variance;
	double parts = before->variance * before->variance / before->freedom +
		       after->variance * after->variance / after->freedom;

	return parts > 0 ? sum * sum / parts : INFINITY;
}

void change_find(struct change *change, const struct share *before, const struct share *after)
{
	change->before = before->whole > 0 ? before->part / before->whole : 0;
	change->after = after->whole > 0 ? after->part / after->whole : 0;
	change->p = 1;
	change->low = -1;
	change->high = 1;
	if (before->whole <= 0 || after->whole <= 0)
		return;
	double pooled = (before->part + after->part) / (before->whole + after->whole);
	struct spread spread_before = find_spread(before, pooled);
	struct spread spread_after = find_spread(after, pooled);
	double deviation = sqrt(spread_before.variance + spread_after.variance);
	double difference = change->after - change->before;
	/* Everything, or nothing, on both sides. */
	if (deviation <= 0) {
		change->low = change->high = difference;
		return;
	}
	double freedom = freedom_of(&spread_before, &spread_after);
	double ratio = isfinite(freedom) ? normalise(difference / deviation, freedom)
					 : difference / deviation;
	change->p = erfc(fabs(ratio) / sqrt(2));
	change->low = difference - QUANTILE_95 * deviation;
	change->high = difference + QUANTILE_95 * deviation;
}

/*
 * --- many changes at once -------------------------------------------------------------------
 *
 * Changes whose shares are within a tenth of each other, before and after, such as those of a
 * caller and of the callee that does nearly all of its work, are one question.
 */
#define NEARLY 0.9

struct question {
	double before, after;
	double p;
	double weight;
	double weighted; /* p by weight */
	size_t change;   /* which change it is */
};

static int compare_before(const void *left, const void *right)
{
	const struct question *a = left, *b = right;

	if (a->before != b->before)
		return a->before > b->before ? -1 : 1;
	return (a->change > b->change) - (a->change < b->change);
}

static int compare_after(const void *left, const void *right)
{
	const struct question *a = left, *b = right;

	if (a->after != b->after)
		return a->after > b->after ? -1 : 1;
	return compare_before(left, right);
}

static int compare_weighted(const void *left, const void *right)
{
	const struct question *a = left, *b = right;

	return (a->weighted > b->weighted) - (a->weighted < b->weighted);
}

static int is_question(const struct change *change)
{
	return change->low < change->high;
}

/*
 * What a change weighs: the variance of its share when it is drawn at random. A frame of nearly
 * everything tells no more than one of nearly nothing.
 */
static double weight_of(const struct change *change)
{
	double share = (change->before + change->after) / 2;

	return share * (1 - share);
}

/* Join the changes of first to end, which have nearly the same share before, by that after. */
static size_t join(struct question *changes, size_t first, size_t end, size_t *question_of,
		   struct question *questions, size_t asked)
{
	qsort(changes + first, end - first, sizeof(*changes), compare_after);
	for (size_t i = first, start = first; i < end; i++) {
		if (i == first || changes[i].after < NEARLY * changes[start].after) {
			start = i;
			questions[asked++] = changes[i];
		}
		if (changes[i].weight > questions[asked - 1].weight)
			questions[asked - 1] = changes[i];
		question_of[changes[i].change] = asked - 1;
	}
	return asked;
}

/* The questions among changes, and of each change the one that it belongs to. */
static size_t find_questions(struct question *questions, size_t *question_of,
			     const struct change *changes, size_t count)
{
	_cleanup_free_ struct question *sorted = memory_resize(NULL, count + 1, sizeof(*sorted));
	size_t found = 0, asked = 0;

	for (size_t i = 0; i < count; i++) {
		const struct change *change = &changes[i];

		if (is_question(change))
			sorted[found++] = (struct question){
				.before = change->before,
				.after = change->after,
				.p = change->p,
				.weight = weight_of(change),
				.change = i,
			};
	}
	qsort(sorted, found, sizeof(*sorted), compare_before);
	for (size_t first = 0, end; first < found; first = end) {
		for (end = first + 1;
		     end < found && sorted[end].before >= NEARLY * sorted[first].before;)
			end++;
		asked = join(sorted, first, end, question_of, questions, asked);
	}
	return asked;
}

void change_control(struct change *changes, size_t count, double rate)
{
	_cleanup_free_ struct question *questions =
		memory_resize(NULL, count + 1, sizeof(*questions));
	_cleanup_free_ struct question *ordered = memory_resize(NULL, count + 1, sizeof(*ordered));
	_cleanup_free_ size_t *question_of = memory_resize(NULL, count + 1, sizeof(*question_of));
	size_t asked = find_questions(questions, question_of, changes, count);
	double weights = 0, limit = -1;

	for (size_t i = 0; i < asked; i++)
		weights += questions[i].weight;
	/* The mean weight is 1, which keeps the rate. */
	double mean = asked ? weights / (double)asked : 1;
	for (size_t i = 0; i < asked; i++) {
		questions[i].weighted = questions[i].p * mean / questions[i].weight;
		ordered[i] = questions[i];
	}
	qsort(ordered, asked, sizeof(*ordered), compare_weighted);
	for (size_t i = 0; i < asked; i++)
		if (ordered[i].weighted <= rate * (double)(i + 1) / (double)asked)
			limit = ordered[i].weighted;
	for (size_t i = 0; i < count; i++) {
		struct change *change = &changes[i];

		change->is_significant =
			rate <= 0 || (is_question(change) &&
				      change->p * mean / questions[question_of[i]].weight <= limit);
	}
}
