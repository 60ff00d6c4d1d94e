// SPDX-License-Identifier: Apache-2.0
// The tree that is drawn: nodes as columns of numbers, a parent before its children, the children of
// a node side by side in the order in which they are drawn. It is made anew whenever a switch
// changes what a stack looks like.

class Tree {
	constructor(frames) {
		this.frames = frames;
		this.parent = [-1];
		this.frame = [-1];
		this.depth = [0];
		this.own = [[0], [0]];
		this.variance = [[0], [0]];
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
		this.own[0].push(0);
		this.own[1].push(0);
		this.variance[0].push(0);
		this.variance[1].push(0);
		return node;
	}

	name(node) {
		return node ? this.frames[this.frame[node]].name : 'all';
	}

	// Sums, widths and order. `width` of a difference: 0 after, 1 before, 2 the larger, with before
	// scaled to the total of after, so that shares are compared.
	settle(order) {
		const size = this.size;
		this.total = this.own.map(own => Float64Array.from(own));
		this.width = new Float64Array(size);
		const sums = this.own.map(own => own.reduce((a, b) => a + b, 0));
		this.scale = view.isDifference && view.compareShares && sums[0] > 0 && sums[1] > 0 ? sums[1] / sums[0] : 1;
		for (let node = 0; node < size; node++) {
			const after = this.own[1][node], before = this.own[0][node] * this.scale;
			this.width[node] = !view.isDifference || view.widthBy === 0 ? after :
				view.widthBy === 1 ? before : Math.max(before, after);
		}
		this.spread = this.variance.map(variance => Float64Array.from(variance));
		for (let node = size - 1; node > 0; node--) {
			const parent = this.parent[node];
			this.total[0][parent] += this.total[0][node];
			this.total[1][parent] += this.total[1][node];
			this.width[parent] += this.width[node];
			this.spread[0][parent] += this.spread[0][node];
			this.spread[1][parent] += this.spread[1][node];
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
		for (let node = 1; node < size; node++)
			this.order[this.first[this.parent[node] + 1]++] = node;
		this.sort(order);
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

	sort(order) {
		if (order === 'none')
			return;
		const rank = new Int32Array(this.frames.length);
		[...this.frames.keys()].sort((a, b) => {
			const left = this.frames[a].name, right = this.frames[b].name;
			return left < right ? -1 : left > right ? 1 : a - b;
		}).forEach((frame, i) => { rank[frame] = i; });
		const byName = (a, b) => rank[this.frame[a]] - rank[this.frame[b]];
		const byWidth = (a, b) => this.width[b] - this.width[a] || byName(a, b);
		for (let node = 0; node < this.size; node++)
			if (this.first[node + 1] - this.first[node] > 1)
				this.order.subarray(this.first[node], this.first[node + 1]).sort(order === 'width' ? byWidth : byName);
	}

	// From the root (left out) down to node.
	path(node) {
		const path = [];
		for (; node > 0; node = this.parent[node])
			path.unshift(node);
		return path;
	}

	find(names) {
		let node = 0;
		for (const name of names) {
			const children = this.order.subarray(this.first[node], this.first[node + 1]);
			const next = children.find(child => this.name(child) === name);
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
		addRow(tree, source, i, node);
	});
}

// The same where stacks stay as they are: every node of the profile is looked at once for each process.
function addNodes(tree, source) {
	const known = new Map();
	const nodeOf = (above, node) => {
		const waiting = [];
		let found;
		for (; node >= 0 && (found = known.get(above * source.parents.length + node)) === undefined; node = source.parents[node])
			waiting.push(node);
		let at = node < 0 ? above : found;
		for (let i = waiting.length - 1; i >= 0; i--) {
			at = tree.child(at, source.frames[waiting[i]]);
			known.set(above * source.parents.length + waiting[i], at);
		}
		return at;
	};
	source.rows.forEach((row, i) => {
		let above = 0;
		if (row[0] >= 0)
			for (const frame of source.levels[row[0]])
				above = tree.child(above, frame);
		addRow(tree, source, i, nodeOf(above, row[1]));
	});
}

function addRow(tree, source, i, node) {
	tree.own[source.which][node] += rowValue(source.rows[i]);
	tree.variance[source.which][node] += rowVariance(source.rows[i], source.which);
	source.rowNodes[i] = node;
}

function buildTree(model, state) {
	const tree = new Tree(model.frames);
	const isPlain = !state.reverse && !state.fold && !state.hidden.size && !view.chain;
	for (const source of model.sources)
		if (isPlain)
			addNodes(tree, source);
		else
			addStacks(tree, source, state, model);
	tree.settle(state.sort);
	return tree;
}

// The tree of what is drawn already: by place, with counts from the titles.
function readDrawn() {
	const model = new Model();
	const boxes = [...root.querySelectorAll('#frames rect')].map(rect => ({
		x: rect.x.baseVal.value, y: rect.y.baseVal.value, width: rect.width.baseVal.value,
		title: rect.querySelector('title').textContent,
		kind: rect.closest('g[fill]')?.getAttribute('fill') ?? rect.parentNode.getAttribute('class'),
	})).sort((a, b) => (view.inverted ? a.y - b.y : b.y - a.y) || a.x - b.x);
	const tree = new Tree(model.frames);
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
		tree.own[1][box.node] += value;
		if (parent)
			tree.own[1][parent.node] -= value;
		row.push(box);
	}
	tree.own[1] = tree.own[1].map(value => Math.max(0, value));
	tree.settle('none');
	return tree;
}
