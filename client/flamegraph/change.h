/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Did a share change, or is it chance? The share of something before and after, each with its
 * variance, becomes a change with its 95 % interval and a p-value; of many such changes at once
 * those are significant that keep the false discovery rate (Benjamini and Hochberg).
 *
 * The variance of a share comes from the samples (each drawn independently: all that can be known
 * from counts alone), and where the window is told slice by slice from how the share varies between
 * slices, because samples that lie close together in time are alike. With few slices, or few
 * samples in them, the larger of the two counts.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_CHANGE_H
#define FLAME_CLIENT_FLAMEGRAPH_CHANGE_H

#include <stddef.h>
#include <stdint.h>

/* One side of a comparison: something's part of a whole. */
struct share {
	double part, part_variance; /* Σ w² of what is in it */
	double whole, whole_variance;
	double between;       /* variance of the share between slices; 0: not known */
	uint32_t slice_count; /* 0: not known */
};

struct change {
	double before, after;         /* shares */
	double own_before, own_after; /* of what ends in it: for the tooltip */
	double low, high;             /* of after - before, 95 % */
	double p;           /* chance of a change at least this large when there is none */
	int is_significant; /* set by change_control() */
};

/* Compare two sides; own shares and is_significant are left alone. */
void change_find(struct change *change, const struct share *before, const struct share *after);

/*
 * Mark those of count changes that are significant at a false discovery rate; 0: all of them. A
 * change weighs as much as its share p varies, p (1 - p) (Genovese, Roeder and Wasserman), so that
 * neither many narrow frames nor the trunk hide a wide one, and changes of nearly equal shares are
 * one question.
 */
void change_control(struct change *changes, size_t count, double rate);

/*
 * The variance of a share between slices: parts and wholes are the values slice by slice. Returns 0
 * for fewer than two slices with anything in them.
 */
double change_between(const double *parts, const double *wholes, uint32_t slice_count);

#endif
