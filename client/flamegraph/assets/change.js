// SPDX-License-Identifier: Apache-2.0
// The colours of a difference: red grew, blue shrank, grey is not more than chance.

const FULL_CHANGE = 'rgb(255,255,255)';

function changeOf() {
	return null;
}

function changeColor(tree, node) {
	const delta = (tree.own[1][node] - tree.own[0][node] * tree.scale) * (view.negate ? -1 : 1);
	tree.limit ??= tree.own[1].reduce((limit, value, i) => Math.max(limit, Math.abs(value - tree.own[0][i] * tree.scale)), 1e-12);
	if (!delta)
		return FULL_CHANGE;
	const other = Math.floor(210 * (1 - Math.abs(delta) / tree.limit));
	return delta > 0 ? `rgb(255,${other},${other})` : `rgb(${other},${other},255)`;
}
