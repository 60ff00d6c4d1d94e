// SPDX-License-Identifier: Apache-2.0
// What a frame is, in words and numbers: for the tooltip, the line below the frames and for who
// listens to the picture instead of looking at it.

const KIND_NAMES = {user: 'program', library: 'library', kernel: 'kernel', jit: 'JIT', inlined: 'inlined', unknown: 'no name', process: '', mark: 'not walked, or lost', queued: 'waits for a CPU', io: 'waits for I/O', lock: 'waits for a lock', sleep: 'sleeps', running: 'runs', waker: 'waker'};

function countText(value) {
	return Math.round(value * (view.factor || 1)).toLocaleString('en-US');
}

function percentText(share) {
	return (100 * share).toFixed(2) + ' %';
}

function signed(text, value) {
	return (value > 0 ? '+' : '') + text;
}

function plural(count) {
	return `${count} ${view.countName}`;
}

// A quantile of the gamma distribution with that mean and variance, by Wilson and Hilferty.
function gammaQuantile(z, mean, variance) {
	const freedom = 2 * mean * mean / variance, step = 2 / (9 * freedom);
	return variance / (2 * mean) * freedom * Math.max(0, 1 - step + z * Math.sqrt(step)) ** 3;
}

class Details {
	constructor(tree, model) {
		this.tree = tree;
		this.model = model;
	}

	// Half the width of the 95 % interval of a node's share, or null where nothing is known of it: the
	// interval that `top` and the JSON of `dump` have (common/interval.h).
	halfInterval(node) {
		const {total, certain, largest, isMeasured} = this.tree, spread = this.tree.spread[1];
		const whole = total[1][0], share = total[1][node] / whole;
		if (!(spread[node] > 0) || !(whole > 0))
			return null;
		if (isMeasured && (certain[0] > 0 || largest[0] > 0)) {
			const rest = total[1][node] - certain[node], most = largest[node];
			return rest > 0 ? (gammaQuantile(QUANTILE_95, rest + most, spread[node] + most * most) - gammaQuantile(-QUANTILE_95, rest, spread[node])) / 2 / whole : null;
		}
		const others = Math.max(0, spread[0] - spread[node]);
		const variance = ((1 - share) ** 2 * spread[node] + share * share * others) / (whole * whole);
		return variance > 0 ? QUANTILE_95 * Math.sqrt(variance) : null;
	}

	share(node, which) {
		const {total} = this.tree;
		return total[which][0] > 0 ? total[which][node] / total[which][0] : 0;
	}

	ownShare(node, which) {
		const {total, own} = this.tree;
		return total[which][0] > 0 ? own[which][node] / total[which][0] : 0;
	}

	// Where the code is: "library · libc.so.6 · malloc.c:12".
	place(node) {
		if (!node)
			return '';
		const {kind, module, file, line} = this.tree.frames[this.tree.frame[node]];
		const change = view.isDifference ? changeOf(this.tree, node, this.model) : null;
		return [!change ? '' : change.isSignificant ? 'changed' : 'not more than chance', KIND_NAMES[kind] ?? '', module, file ? file + (line ? ':' + line : '') : ''].filter(part => part).join(' · ');
	}

	// Rows of name and value.
	rows(node) {
		const {total, own} = this.tree;
		if (view.isDifference)
			return this.changeRows(node);
		const half = this.halfInterval(node);
		const rows = [['total', plural(countText(total[1][node])), percentText(this.share(node, 1)) + (half ? ' ± ' + (100 * half).toFixed(2) : '')]];
		if (node)
			rows.push(['self', plural(countText(own[1][node])), percentText(this.ownShare(node, 1))]);
		if (this.tree.samples[node] > 0)
			rows.push(['samples', Math.round(this.tree.samples[node]).toLocaleString('en-US'), '']);
		return rows;
	}

	changeSentence(node) {
		const before = this.share(node, 0), after = this.share(node, 1);
		return `${this.subject(node)}: ${percentText(before)} before, ${percentText(after)} after, ${signed((100 * (after - before)).toFixed(2), after - before)}`;
	}

	changeRows(node) {
		const rows = [['', 'before', 'after', 'change']];
		for (const [label, share] of [['total', this.share], ['self', this.ownShare]]) {
			const before = share.call(this, node, 0), after = share.call(this, node, 1);
			rows.push([label, percentText(before), percentText(after), signed((100 * (after - before)).toFixed(2), after - before)]);
		}
		const change = changeOf(this.tree, node, this.model);
		if (change)
			rows.push(['95 %', '', '', `${signed((100 * change.low).toFixed(2), change.low)} to ${signed((100 * change.high).toFixed(2), change.high)}`]);
		return rows;
	}

	subject(node) {
		const place = this.place(node);
		return this.tree.name(node) + (place ? ` (${place})` : '');
	}

	sentence(node) {
		if (view.isDifference)
			return this.changeSentence(node);
		const title = view.attributes?.[this.tree.name(node)]?.title;
		return title ?? this.subject(node) + ': ' + this.rows(node).map(row => row.filter(part => part).join(' ')).join(', ');
	}
}
