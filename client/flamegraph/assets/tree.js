// SPDX-License-Identifier: Apache-2.0
// The tree that is drawn: nodes as columns of numbers, a parent before its children, the children of
// a node side by side in the order in which they are drawn. It is made anew whenever a switch
// changes what a stack looks like.

const MAX_DENSE = 1 << 23; // numbers

// Names in the address, where ';' stands between them.
function escapeWord(name) {
	return name.replace(/[%;~]/g, c => '%' + c.charCodeAt(0).toString(16));
}

function unescapeWord(word) {
	return word.replace(/%(25|3b|7e)/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
}

class Tree {
	constructor(frames) {
		this.frames = frames;
		this.parent = [-1];
		this.frame = [-1];
		this.depth = [0];
		this.children = new Map();
	}

	get size() {
		return this.parent.length;
	}

	child(parent, frame) {
		const key = parent * (this.frames.length + 1) + frame;
		let node = this.children.get(key);
		if (node === undefined) {
			node = this.append(parent, frame);
			this.children.set(key, node);
		}
		return node;
	}

	append(parent, frame) {
		const node = this.parent.length;
		this.parent.push(parent);
		this.frame.push(frame);
		this.depth.push(this.depth[parent] + 1);
		return node;
	}

	// What ends in each node, before and after.
	sumRows(sources) {
		const columns = () => [new Float64Array(this.size), new Float64Array(this.size)];
		this.own = columns();
		this.variance = columns();
		// What was measured and not estimated, where a profile tells it.
		this.isMeasured = sources.some(({rows}) => rows.some(row => row.length > 5));
		this.certain = new Float64Array(this.isMeasured ? this.size : 0);
		this.largest = new Float64Array(this.isMeasured ? this.size : 0);
		// Where values are no samples these are told, too.
		this.samples = new Float64Array(view.unit === 'samples' ? 0 : this.size);
		for (const {which, rows, rowNodes} of sources)
			for (let i = 0; i < rows.length; i++) {
				if (which && this.samples.length)
					this.samples[rowNodes[i]] += rows[i][2];
				this.own[which][rowNodes[i]] += rowValue(rows[i]);
				this.variance[which][rowNodes[i]] += rowVariance(rows[i], which);
				if (this.isMeasured && which && rows[i].length > 6) {
					const scale = rows[i][3] > 0 ? rowValue(rows[i]) / rows[i][3] : 0;
					this.certain[rowNodes[i]] += rows[i][5] * scale;
					this.largest[rowNodes[i]] = Math.max(this.largest[rowNodes[i]], rows[i][6] * scale);
				}
			}
	}

	name(node) {
		return node ? this.frames[this.frame[node]].name : 'all';
	}

	// Sums, widths and order. `width` of a difference: 0 after, 1 before, 2 the larger, with before
	// scaled to the total of after, so that shares are compared.
	settle(order) {
		const size = this.size;
		this.total = this.own.map(own => own.slice());
		this.width = new Float64Array(size);
		const sums = this.own.map(own => own.reduce((a, b) => a + b, 0));
		this.scale = view.isDifference && view.compareShares && sums[0] > 0 && sums[1] > 0 ? sums[1] / sums[0] : 1;
		for (let node = 0; node < size; node++) {
			const after = this.own[1][node], before = this.own[0][node] * this.scale;
			this.width[node] = !view.isDifference || view.widthBy === 0 ? after :
				view.widthBy === 1 ? before : Math.max(before, after);
		}
		this.spread = this.variance.map(variance => variance.slice());
		for (let node = size - 1; node > 0; node--) {
			const parent = this.parent[node];
			this.total[0][parent] += this.total[0][node];
			this.total[1][parent] += this.total[1][node];
			this.width[parent] += this.width[node];
			this.spread[0][parent] += this.spread[0][node];
			this.spread[1][parent] += this.spread[1][node];
			if (this.samples.length)
				this.samples[parent] += this.samples[node];
			if (this.isMeasured) {
				this.certain[parent] += this.certain[node];
				this.largest[parent] = Math.max(this.largest[parent], this.largest[node]);
			}
		}
		this.arrange(order);
	}

	// first[node] … first[node + 1] - 1 are the places of its children in `order`.
	arrange(order) {
		const size = this.size;
		this.first = new Int32Array(size + 2);
		for (let node = 1; node < size; node++)
			this.first[this.parent[node] + 2]++;
		for (let node = 1; node < size + 2; node++)
			this.first[node] += this.first[node - 1];
		this.order = new Int32Array(size);
		for (const node of order === 'none' ? Int32Array.from(this.parent.keys()) : this.byName())
			if (node)
				this.order[this.first[this.parent[node] + 1]++] = node;
		if (order === 'width')
			this.sortByWidth();
		this.start = new Float64Array(size);
		for (let node = 0; node < size; node++) {
			// What ends in a node itself comes first, then its children.
			let inner = 0;
			for (let i = this.first[node]; i < this.first[node + 1]; i++)
				inner += this.width[this.order[i]];
			let at = this.start[node] + Math.max(0, this.width[node] - inner);
			for (let i = this.first[node]; i < this.first[node + 1]; i++) {
				this.start[this.order[i]] = at;
				at += this.width[this.order[i]];
			}
		}
	}

	// All nodes, those of a name together, in the order of names.
	byName() {
		const names = this.frames.map((frame, i) => ({name: frame.name, i}));
		names.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : a.i - b.i);
		const place = new Int32Array(names.length + 1), rank = new Int32Array(names.length), nodes = new Int32Array(this.size);
		names.forEach(({i}, at) => { rank[i] = at; });
		for (let node = 1; node < this.size; node++)
			place[rank[this.frame[node]] + 1]++;
		place[0] = 1;
		for (let at = 1; at < place.length; at++)
			place[at] += place[at - 1];
		for (let node = 1; node < this.size; node++)
			nodes[place[rank[this.frame[node]]]++] = node;
		return nodes;
	}

	// The children of each node, which are in the order of names.
	sortByWidth() {
		for (let node = 0; node < this.size; node++)
			if (this.first[node + 1] - this.first[node] > 1)
				this.order.subarray(this.first[node], this.first[node + 1]).sort((a, b) => this.width[b] - this.width[a]);
	}

	// From the root (left out) down to node.
	path(node) {
		const path = [];
		for (; node > 0; node = this.parent[node])
			path.unshift(node);
		return path;
	}

	// The children of node that are called so: functions of one name may be of several modules.
	called(node, name) {
		const children = [...this.order.subarray(this.first[node], this.first[node + 1])];
		return children.filter(child => this.name(child) === name).sort((a, b) => this.frame[a] - this.frame[b] || a - b);
	}

	// The way to a node in words that find() takes: names, with a number where that is not enough.
	words(node) {
		return this.path(node).map(step => {
			const name = this.name(step), place = this.called(this.parent[step], name).indexOf(step);
			return escapeWord(name) + (place ? '~' + place : '');
		});
	}

	find(words) {
		let node = 0;
		for (const word of words) {
			const [name, place = '0'] = word.split('~');
			const next = this.called(node, unescapeWord(name))[Number(place)];
			if (next === undefined)
				return node;
			node = next;
		}
		return node;
	}
}

// What the switches make of a stack (frames, root first).
function transform(stack, state, model) {
	if (state.hidden.size)
		stack = stack.filter(frame => !state.hidden.has('frame:' + model.frames[frame].name) &&
			!state.hidden.has('module:' + model.frames[frame].module));
	if (state.fold)
		stack = stack.filter((frame, i) => i === 0 || frame !== stack[i - 1]);
	if (view.chain)
		stack = markWakers(stack, model);
	return state.reverse ? stack.reverse() : stack;
}

// The frames behind a "--" are the waker's; a stack without one gets it at its end.
function markWakers(stack, model) {
	const separator = stack.findIndex(frame => model.frames[frame].name === '--');
	if (separator < 0)
		return stack.concat(model.frame('--', 'user', '', '', 0));
	return stack.map((frame, i) => i < separator ? frame : model.frame(model.frames[frame].name, 'waker', '', '', 0));
}

function stackOf(source, row) {
	const stack = [];
	for (let node = row[1]; node >= 0; node = source.parents[node])
		stack.push(source.frames[node]);
	if (row[0] >= 0)
		stack.push(...source.levels[row[0]].slice().reverse());
	return stack.reverse();
}

function addStacks(tree, source, state, model) {
	source.rows.forEach((row, i) => {
		let node = 0;
		for (const frame of transform(stackOf(source, row), state, model))
			node = tree.child(node, frame);
		source.rowNodes[i] = node;
	});
}

// The same where stacks stay as they are: every node of the profile is looked at once for each process.
function addNodes(tree, source, isAlone) {
	const {parents, frames, rows} = source, knownBelow = new Map(), waiting = [];
	const isUnique = isAlone && source.isUnique;
	const nodeOf = (above, node) => {
		let known = knownBelow.get(above);
		if (!known)
			// Beyond a bound an array with holes.
			knownBelow.set(above, known = (knownBelow.size + 1) * parents.length < MAX_DENSE ? new Int32Array(parents.length) : []);
		for (; node >= 0 && !known[node]; node = parents[node])
			waiting.push(node);
		let at = node < 0 ? above : known[node];
		while (waiting.length) {
			const next = waiting.pop();
			known[next] = at = isUnique ? tree.append(at, frames[next]) : tree.child(at, frames[next]);
		}
		return at;
	};
	for (let i = 0; i < rows.length; i++) {
		let above = 0;
		if (rows[i][0] >= 0)
			for (const frame of source.levels[rows[i][0]])
				above = tree.child(above, frame);
		source.rowNodes[i] = nodeOf(above, rows[i][1]);
	}
}

// What happened one after the other: frames are one as long as they go on.
function buildChart(model, state) {
	const tree = new Tree(model.frames), [source] = model.sources, rows = [], rowNodes = [], starts = [0];
	let path = [], now = 0;
	for (let i = 0; i < view.order.length; i += 2) {
		const row = source.rows[view.order[i]], value = rowValue(row), part = value > 0 ? view.order[i + 1] / value : 0;
		const stack = transform(stackOf(source, row), state, model);
		let same = 0;
		while (same < stack.length && same < path.length && tree.frame[path[same]] === stack[same])
			same++;
		path = path.slice(0, same);
		for (const frame of stack.slice(same)) {
			starts.push(now);
			path.push(tree.append(path.at(-1) ?? 0, frame));
		}
		now += value * part;
		rows.push([row[0], row[1], row[2] * part, row[3] * part, row[4] * part]);
		rowNodes.push(path.at(-1) ?? 0);
	}
	tree.sumRows([{which: 1, rows, rowNodes}]);
	tree.settle('none');
	tree.start.set(starts);
	return tree;
}

function buildTree(model, state) {
	if (view.order)
		return buildChart(model, state);
	const tree = new Tree(model.frames);
	const isPlain = !state.reverse && !state.fold && !state.hidden.size && !view.chain;
	for (const source of model.sources)
		if (isPlain)
			addNodes(tree, source, model.sources.length === 1);
		else
			addStacks(tree, source, state, model);
	tree.sumRows(model.sources);
	tree.settle(state.sort);
	return tree;
}

// The tree of what is drawn already: by place, with counts from the titles.
function readDrawn() {
	const model = new Model();
	const boxes = [...root.querySelectorAll('#frames rect')].map(rect => ({
		x: rect.x.baseVal.value, y: rect.closest('g[transform]').transform.baseVal[0].matrix.f, width: rect.width.baseVal.value,
		title: rect.querySelector('title').textContent,
		kind: rect.closest('[fill]')?.getAttribute('fill') ?? rect.closest('[class]').getAttribute('class'),
	})).sort((a, b) => (view.inverted ? a.y - b.y : b.y - a.y) || a.x - b.x);
	const tree = new Tree(model.frames), values = [];
	let above = [], row = [], y = null;
	for (const box of boxes) {
		if (box.y !== y) {
			above = row;
			row = [];
			y = box.y;
		}
		const [, name, count] = box.title.match(/^(.*) \(([\d,.]+) [^()]*\)$/s) ?? [null, box.title, '0'];
		const value = Number(count.replaceAll(',', '')) / (view.factor || 1);
		const parent = above.find(other => box.x >= other.x - 0.15 && box.x < other.x + other.width);
		box.node = parent ? tree.append(parent.node, model.frame(name, box.kind, '', '', 0)) : 0;
		values[box.node] = value;
		if (parent)
			values[parent.node] -= value;
		row.push(box);
	}
	tree.sumRows([]);
	tree.own[1].set(values.map(value => Math.max(0, value)));
	tree.settle('none');
	return tree;
}
