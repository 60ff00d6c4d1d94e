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

/* Variance of a share; pooled is the share of both sides, for a side that has none of it. */
static double share_variance(const struct share *share, double pooled)
{
	double whole = share->whole * share->whole;
	double p = share->part / share->whole;
	double variance;

	if (share->part > 0)
		variance = (share->part_variance * (1 - 2 * p) + p * p * share->whole_variance) /
			   whole;
	else
		variance = pooled * (1 - pooled) * share->whole_variance / whole;
	return fmax(fmax(variance, share->between), 0);
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
static double freedom_of(double before, uint32_t before_slices, double after, uint32_t after_slices)
{
	double denominator = 0;

	if (before_slices > 1)
		denominator += before * before / (before_slices - 1);
	if (after_slices > 1)
		denominator += after * after / (after_slices - 1);
	return denominator > 0 ? (before + after) * (before + after) / denominator : INFINITY;
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
	double variance_before = share_variance(before, pooled);
	double variance_after = share_variance(after, pooled);
	double deviation = sqrt(variance_before + variance_after);
	double difference = change->after - change->before;
	/* Everything, or nothing, on both sides. */
	if (deviation <= 0) {
		change->low = change->high = difference;
		return;
	}
	double freedom = freedom_of(variance_before, before->slice_count, variance_after,
				    after->slice_count);
	double ratio = isfinite(freedom) ? normalise(difference / deviation, freedom)
					 : difference / deviation;
	change->p = erfc(fabs(ratio) / sqrt(2));
	change->low = difference - QUANTILE_95 * deviation;
	change->high = difference + QUANTILE_95 * deviation;
}

/* A question: changes of the same shares, such as those of a caller and its only callee, are one. */
struct question {
	double before, after;
	double p;
	double weighted; /* p by weight */
};

static int compare_shares(const void *left, const void *right)
{
	const struct question *a = left, *b = right;

	if (a->before != b->before)
		return a->before < b->before ? -1 : 1;
	return (a->after > b->after) - (a->after < b->after);
}

static int compare_weighted(const void *left, const void *right)
{
	const struct question *a = left, *b = right;

	return (a->weighted > b->weighted) - (a->weighted < b->weighted);
}

/* The different questions in changes; what can only be all or nothing is none. */
static size_t find_questions(struct question *questions, const struct change *changes, size_t count)
{
	size_t found = 0, kept = 0;

	for (size_t i = 0; i < count; i++) {
		const struct change *change = &changes[i];

		if (change->low < change->high)
			questions[found++] = (struct question){
				.before = change->before, .after = change->after, .p = change->p};
	}
	qsort(questions, found, sizeof(*questions), compare_shares);
	for (size_t i = 0; i < found; i++)
		if (!kept || compare_shares(&questions[kept - 1], &questions[i]) != 0)
			questions[kept++] = questions[i];
	return kept;
}

void change_control(struct change *changes, size_t count, double rate)
{
	_cleanup_free_ struct question *questions =
		memory_resize(NULL, count + 1, sizeof(*questions));
	size_t asked = find_questions(questions, changes, count);
	double shares = 0, limit = -1;

	for (size_t i = 0; i < asked; i++)
		shares += questions[i].before + questions[i].after;
	/* Large shares weigh more, and the mean weight is 1, which keeps the rate. */
	double mean = asked ? shares / (double)asked : 1;
	for (size_t i = 0; i < asked; i++) {
		double share = questions[i].before + questions[i].after;

		questions[i].weighted = share > 0 ? questions[i].p * mean / share : INFINITY;
	}
	qsort(questions, asked, sizeof(*questions), compare_weighted);
	for (size_t i = 0; i < asked; i++)
		if (questions[i].weighted <= rate * (double)(i + 1) / (double)asked)
			limit = questions[i].weighted;
	for (size_t i = 0; i < count; i++) {
		struct change *change = &changes[i];
		double share = change->before + change->after;
		int is_question = change->low < change->high && share > 0;

		change->is_significant =
			rate <= 0 || (is_question && change->p * mean / share <= limit);
	}
}
