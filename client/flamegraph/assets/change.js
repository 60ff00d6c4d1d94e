// SPDX-License-Identifier: Apache-2.0
// The colours of a difference: red grew, blue shrank, grey is not more than chance. What chance is
// follows the same rules as in the picture that was written: the variance of a share comes from the
// samples, or from how the share varies between slices of time where they are at hand, and of all
// changes those count that keep the false discovery rate.

const MAX_CELLS = 1 << 24;
const GREY = '#d8d8d8';
const GREW = [240, 98, 62];
const SHRANK = [86, 145, 235];
const QUANTILE_95 = 1.959964;
const ENOUGH_SLICES = 10;
const ENOUGH_SAMPLES = 10;
const LEAST_OF_CHANCE = 0.25;
const NEARLY = 0.9;

// The tail of the normal distribution on both sides (Abramowitz and Stegun 7.1.26 on a scaled erfc).
function twoSided(ratio) {
	const x = Math.abs(ratio) / Math.SQRT2, t = 1 / (1 + 0.3275911 * x);
	return ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x);
}

// The values of a side slice by slice: {count, wholes, cells by node and slice}, or null.
function sliceValues(tree, source) {
	const slices = source?.slices;
	if (!slices || slices.count < 2 || slices.count * tree.size > MAX_CELLS)
		return null;
	const count = slices.count, wholes = new Float64Array(count), cells = new Float64Array(count * tree.size);
	for (const [slice, row, weight] of slices.rows) {
		const whole = source.rows[row][3];
		const value = whole > 0 ? rowValue(source.rows[row]) * weight / whole : 0;
		wholes[slice] += value;
		cells[source.rowNodes[row] * count + slice] += value;
	}
	for (let node = tree.size - 1; node > 0; node--)
		for (let slice = 0; slice < count; slice++)
			cells[tree.parent[node] * count + slice] += cells[node * count + slice];
	return {count, wholes, cells};
}

function varianceBetween(slices, node) {
	const {count, wholes, cells} = slices;
	const parts = cells.subarray(node * count, (node + 1) * count);
	const part = parts.reduce((a, b) => a + b, 0), whole = wholes.reduce((a, b) => a + b, 0);
	const filled = wholes.filter(value => value > 0).length;
	if (filled < 2 || !(whole > 0))
		return 0;
	const sum = parts.reduce((total, value, i) => total + (value - part / whole * wholes[i]) ** 2, 0);
	return sum / (whole * whole) * filled / (filled - 1);
}

// How well a share is known: {variance, freedom}, freedom Infinity where the variance is no estimate.
function findSpread(side, node, pooled) {
	const whole = side.total[0], part = side.total[node], share = part / whole;
	const byChance = part > 0 ?
		Math.max(0, (side.spread[node] * (1 - 2 * share) + share * share * side.spread[0]) / (whole * whole)) :
		pooled * (1 - pooled) * side.spread[0] / (whole * whole);
	const samples = side.spread[node] > 0 ? part * part / side.spread[node] : 0;
	const isKnown = side.slices && side.slices.count >= ENOUGH_SLICES && samples >= ENOUGH_SAMPLES;
	const least = isKnown ? LEAST_OF_CHANCE * byChance : byChance;
	const between = side.slices ? varianceBetween(side.slices, node) : -1;
	return between < least ? {variance: least, freedom: Infinity} : {variance: between, freedom: side.slices.count - 1};
}

function findChange(sides, node) {
	const [before, after] = sides;
	const shares = sides.map(side => side.total[node] / side.total[0]);
	const change = {before: shares[0], after: shares[1], delta: shares[1] - shares[0], p: 1, low: -1, high: 1, isSignificant: false};
	if (!(before.total[0] > 0) || !(after.total[0] > 0))
		return {...change, delta: 0};
	const pooled = (before.total[node] + after.total[node]) / (before.total[0] + after.total[0]);
	const spreads = sides.map(side => findSpread(side, node, pooled));
	const sum = spreads[0].variance + spreads[1].variance;
	if (!(sum > 0))
		return {...change, low: change.delta, high: change.delta};
	let ratio = change.delta / Math.sqrt(sum);
	const parts = spreads.reduce((total, spread) => total + spread.variance ** 2 / spread.freedom, 0);
	if (parts > 0) {
		const freedom = sum * sum / parts;
		ratio *= (1 - 1 / (4 * freedom)) / Math.sqrt(1 + ratio * ratio / (2 * freedom));
	}
	return {...change, p: twoSided(ratio), low: change.delta - QUANTILE_95 * Math.sqrt(sum), high: change.delta + QUANTILE_95 * Math.sqrt(sum)};
}

// Changes of nearly equal shares, before and after, such as those of a caller and of the callee that
// does nearly all of its work, are one question. Returns the questions: the change of most weight.
function findQuestions(changes) {
	const questions = [], asked = changes.filter(change => change.low < change.high);
	const runs = (list, key) => {
		list.sort((a, b) => b[key] - a[key]);
		const found = [];
		for (const change of list)
			if (found.length && change[key] >= NEARLY * found.at(-1)[0][key])
				found.at(-1).push(change);
			else
				found.push([change]);
		return found;
	};
	for (const run of runs(asked, 'before'))
		for (const joined of runs(run, 'after')) {
			const question = joined.reduce((best, change) => change.weight > best.weight ? change : best);
			for (const change of joined)
				change.question = question;
			questions.push(question);
		}
	return questions;
}

// Keep the false discovery rate: a change weighs as much as its share varies.
function control(changes) {
	for (const change of changes) {
		const share = (change.before + change.after) / 2;
		change.weight = share * (1 - share);
	}
	const questions = findQuestions(changes);
	const mean = questions.reduce((sum, question) => sum + question.weight, 0) / questions.length;
	const sorted = questions.map(question => question.p * mean / question.weight).sort((a, b) => a - b);
	const bound = sorted.reduce((last, p, i) => p <= view.significance * (i + 1) / sorted.length ? p : last, -1);
	for (const change of changes)
		change.isSignificant = !view.significance || (change.question !== undefined && change.p * mean / change.question.weight <= bound);
}

// Changes of all nodes that are wide enough to be seen at first; the others are not judged.
function findChanges(tree, model) {
	const sides = [0, 1].map(which => ({
		total: tree.total[which], spread: tree.spread[which],
		slices: sliceValues(tree, model?.sources.find(source => source.which === which)),
	}));
	const limit = tree.width[0] * (view.minWidthIsPercent ? view.minWidth / 100 : view.minWidth / 1180);
	const changes = new Map();
	for (let node = 0; node < tree.size; node++)
		if (tree.width[node] >= limit)
			changes.set(node, findChange(sides, node));
	control([...changes.values()]);
	tree.limit = 0;
	for (const change of changes.values())
		if (change.isSignificant)
			tree.limit = Math.max(tree.limit, Math.abs(change.delta));
	return changes;
}

function changeOf(tree, node, model) {
	if (!view.compareShares || !model)
		return null;
	tree.changes ??= findChanges(tree, model);
	return tree.changes.get(node) ?? null;
}

// Counts as they are, as flamegraph.pl compares them: what ends in the frame itself.
function ownDelta(tree, node) {
	tree.limit ??= tree.own[1].reduce((limit, value, i) => Math.max(limit, Math.abs(value - tree.own[0][i])), 1e-12);
	return tree.own[1][node] - tree.own[0][node];
}

function changeColor(tree, node, model) {
	const change = changeOf(tree, node, model);
	if (view.compareShares && !change?.isSignificant)
		return GREY;
	const delta = (change ? change.delta : ownDelta(tree, node)) * (view.negate ? -1 : 1);
	if (!delta)
		return '#ffffff';
	if (change) {
		const part = 0.25 + 0.75 * Math.min(1, Math.abs(delta) / tree.limit);
		return `rgb(${(delta > 0 ? GREW : SHRANK).map(channel => Math.floor(255 - part * (255 - channel))).join(',')})`;
	}
	const other = Math.floor(210 * (1 - Math.min(1, Math.abs(delta) / tree.limit)));
	return delta > 0 ? `rgb(255,${other},${other})` : `rgb(${other},${other},255)`;
}
