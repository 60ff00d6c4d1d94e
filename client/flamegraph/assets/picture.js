// SPDX-License-Identifier: Apache-2.0
// The tree on the screen: rectangles and labels for the frames that can be pointed at, one path a
// colour for those that cannot, and what lies under a point.

const SVG = 'http://www.w3.org/2000/svg';
const HTML = 'http://www.w3.org/1999/xhtml';
const KIND_LETTERS = {user: 'u', library: 'l', kernel: 'k', jit: 'j', inlined: 'i', unknown: 'n', process: 'p', mark: 'm', queued: 'q', io: 'd', lock: 'x', sleep: 's', running: 'r', waker: 'l'};
const SHADES = 4;
const GAP = 1;
const SHORTEST_PART = 3; // characters of a cut name
const LABEL_INSET = 3;
// With more frames than this on the screen those without a label share paths.
const MANY_FRAMES = 3000;
const LABEL_PIXELS = 32;
const NARROW_PIXELS = 2.5; // what is narrower cannot be told from its neighbour
const SINGLE_PIXELS = 0.7;
const SEAM = 0.6; // between frames side by side

function svgElement(name, attributes, parent) {
	const element = document.createElementNS(SVG, name);
	for (const key in attributes)
		element.setAttribute(key, attributes[key]);
	parent?.appendChild(element);
	return element;
}

function nameSum(name) {
	let sum = 0;
	for (const byte of new TextEncoder().encode(name))
		sum += byte;
	return sum;
}

// The first number that drand48 gives for the sum of the letters, in [0, 1): 48 bits, in two halves.
function nameShare(name) {
	const state = nameSum(name) * 65536 + 0x330e, low = state % 2 ** 24, high = Math.floor(state / 2 ** 24);
	const bottom = low * 0xece66d + 0xb;
	const top = (Math.floor(bottom / 2 ** 24) + low * 0x5de + high * 0xece66d) % 2 ** 24;
	return (top * 2 ** 24 + bottom % 2 ** 24) / 2 ** 48;
}

function moduleHue(module) {
	let hash = 7;
	for (const c of module)
		hash = (hash * 31 + c.codePointAt(0)) % 1000003;
	return hash % 360;
}

// How a frame is painted: a class, or a colour. One function a way of colouring; a difference has
// its own, because there the colour belongs to the node.
const COLORINGS = {
	kind: frame => ({class: KIND_LETTERS[frame.kind] ? KIND_LETTERS[frame.kind] + Math.floor(nameShare(frame.name) * SHADES) : frame.kind}),
	hot: frame => {
		const share = nameShare(frame.name);
		return {fill: `rgb(${205 + Math.floor(50 * share)},${Math.floor(230 * share)},${Math.floor(55 * share)})`};
	},
	module: frame => frame.module ? {fill: `hsl(${moduleHue(frame.module)} 60% ${66 + Math.floor(nameShare(frame.name) * 12)}%)`} : COLORINGS.kind(frame),
	given: frame => {
		const own = frame.kind === 'waker' ? view.colors?.[frame.name + WAKER] : undefined;
		const fill = own || view.colors?.[frame.name];
		return fill ? {fill} : COLORINGS.hot(frame);
	},
};

// By paint: the one that narrow frames have instead.
const COARSE = {};

class Letters {
	// Widths of characters, measured once each.
	constructor(size, family) {
		this.context = document.createElementNS(HTML, 'canvas').getContext('2d');
		this.context.font = `${size}px ${family}`;
		this.widths = new Map();
	}

	width(character) {
		let width = this.widths.get(character);
		if (width === undefined) {
			width = this.context.measureText(character).width;
			this.widths.set(character, width);
		}
		return width;
	}

	// As much of name as fits, the end or the beginning of it; '' where that would say nothing.
	fit(name, room, cut) {
		const characters = [...name];
		let used = 0;
		for (const character of characters)
			if ((used += this.width(character)) > room)
				break;
		if (used <= room)
			return name;
		room -= 2 * this.width('.');
		const keepsEnd = cut === 'left' || (cut === 'auto' && (name.includes('::') || (name.includes('/') && !name.includes(' '))));
		if (keepsEnd)
			characters.reverse();
		let count = 0;
		for (used = 0; count < characters.length && (used += this.width(characters[count])) <= room;)
			count++;
		if (count < SHORTEST_PART)
			return '';
		const kept = characters.slice(0, count);
		return keepsEnd ? '..' + kept.reverse().join('') : kept.join('') + '..';
	}
}

class Picture {
	constructor(parent) {
		this.group = svgElement('g', {class: 'frames', role: 'tree', 'aria-label': 'frames'}, parent);
		const font = getComputedStyle(root.querySelector('text'));
		this.letters = new Letters(view.fontSize, font.fontFamily);
		this.rows = [];
		this.paints = new Map();
	}

	// Which nodes are visible when zoom fills the width: {node, x, width, isAbove}, level by level.
	lay(tree, zoom, width) {
		const scale = width / (zoom ? tree.width[zoom] : Math.max(tree.width[0], view.total || 0));
		const limit = view.minWidthIsPercent ? tree.width[0] * view.minWidth / 100 * scale : view.minWidth;
		const rows = [];
		const place = (node, x, boxWidth, isAbove) => (rows[tree.depth[node]] ??= []).push({node, x, width: boxWidth, isAbove});
		for (const node of [0].concat(tree.path(zoom)))
			if (node !== zoom)
				place(node, 0, width, true);
		const waiting = [zoom];
		const origin = tree.start[zoom];
		while (waiting.length) {
			const node = waiting.pop();
			place(node, (tree.start[node] - origin) * scale, node === 0 && !zoom ? width : tree.width[node] * scale, false);
			for (let i = tree.first[node + 1] - 1; i >= tree.first[node]; i--)
				if (tree.width[tree.order[i]] * scale >= limit && tree.width[tree.order[i]] > 0)
					waiting.push(tree.order[i]);
		}
		return rows;
	}

	draw(tree, state, geometry, rows) {
		this.tree = tree;
		this.geometry = geometry;
		this.rows = rows;
		const count = this.rows.reduce((sum, row) => sum + row.length, 0);
		const isMany = count > MANY_FRAMES;
		const fragment = document.createDocumentFragment();
		const least = isMany ? LABEL_PIXELS : SINGLE_PIXELS;
		this.rows.forEach((row, depth) => {
			const y = this.y(depth);
			this.paths = new Map();
			this.usualPaths = new Map();
			for (const box of row) {
				if (box.width >= least)
					this.drawFrame(fragment, box, depth, state);
				else
					this.addToPath(box, y, state);
			}
			// A path of a row is painted faster than one of all rows.
			for (const path of this.paths.values()) {
				this.endRun(path);
				svgElement('path', {...path.paint, d: path.parts.join('')}, fragment);
			}
		});
		this.hover = svgElement('rect', {class: 'hover', visibility: 'hidden'}, fragment);
		this.focus = svgElement('rect', {class: 'focus', role: 'treeitem', tabindex: -1, visibility: 'hidden'}, fragment);
		this.group.replaceChildren(fragment);
	}

	y(depth) {
		const {top, levels, frameHeight, inverted} = this.geometry;
		return inverted ? top + depth * frameHeight : top + (levels - 1 - depth) * frameHeight + GAP;
	}

	paint(node, state) {
		if (view.isDifference)
			return {fill: state.changeColor(node), ...(this.tree.total[1][node] > 0 || !view.compareShares ? {} : {class: 'gone'})};
		if (!node)
			return {class: 'p1'};
		const frame = this.tree.frame[node];
		const key = state.colors + frame;
		let paint = this.paints.get(key);
		if (!paint) {
			paint = COLORINGS[state.colors](this.tree.frames[frame]);
			if (paint.class?.startsWith('#'))
				paint = {fill: paint.class};
			this.paints.set(key, paint);
		}
		return paint;
	}

	drawFrame(fragment, box, depth, state) {
		const isMatch = state.isMatch(box.node);
		const paint = isMatch ? {class: 'match'} : this.paint(box.node, state);
		const x = this.geometry.side + box.x;
		const rect = svgElement('rect', {x: x.toFixed(2), y: this.y(depth), width: Math.max(0.3, box.width - SEAM).toFixed(2), height: this.geometry.frameHeight - GAP, ...paint}, fragment);
		if (box.isAbove)
			rect.setAttribute('class', (paint.class ?? '') + ' dim');
		const label = box.width >= LABEL_PIXELS ? this.letters.fit(this.tree.name(box.node), box.width - 2 * LABEL_INSET, state.cut) : '';
		if (label)
			svgElement('text', {x: (x + LABEL_INSET).toFixed(2), y: this.y(depth) + this.geometry.frameHeight / 2 + view.fontSize * 0.32, ...(isMatch ? {class: 'on-match'} : {})}, fragment).textContent = label;
	}

	// The path for all boxes that are painted alike.
	path(paint, isAbove) {
		const key = `${paint.class} ${paint.fill} ${isAbove}`;
		let path = this.paths.get(key);
		if (!path)
			this.paths.set(key, path = {paint: isAbove ? {...paint, class: (paint.class ?? '') + ' dim'} : paint, parts: [], y: -1, left: 0, right: 0});
		return path;
	}

	pathOf(box, isNarrow, state) {
		if (state.isMatch(box.node))
			return this.path({class: 'match'}, box.isAbove);
		if (view.isDifference || box.isAbove || !box.node)
			return this.path(isNarrow ? this.coarsePaint(box.node, state) : this.paint(box.node, state), box.isAbove);
		// Mostly the frame alone decides.
		const key = 2 * this.tree.frame[box.node] + (isNarrow ? 1 : 0);
		let path = this.usualPaths.get(key);
		if (!path)
			this.usualPaths.set(key, path = this.path(isNarrow ? this.coarsePaint(box.node, state) : this.paint(box.node, state), false));
		return path;
	}

	// What cannot be pointed at: neighbours of nearly the same colour are one rectangle.
	addToPath(box, y, state) {
		const isNarrow = box.width < NARROW_PIXELS, path = this.pathOf(box, isNarrow, state);
		if (isNarrow && path.y === y && box.x <= path.right + 0.3) {
			path.right = box.x + box.width;
			return;
		}
		this.endRun(path);
		path.y = y;
		path.left = box.x;
		path.right = box.x + box.width - (isNarrow ? 0 : SEAM);
	}

	endRun(path) {
		if (path.y < 0)
			return;
		const side = this.geometry.side, left = Math.round((side + path.left) * 10), right = Math.max(Math.round((side + path.right) * 10), left + 2);
		path.parts.push(`M${left / 10} ${path.y}H${right / 10}v${this.geometry.frameHeight - GAP}H${left / 10}z`);
	}

	coarsePaint(node, state) {
		const letter = state.colors === 'kind' && !view.isDifference && node ? KIND_LETTERS[this.tree.frames[this.tree.frame[node]].kind] : undefined;
		if (letter)
			return COARSE[letter] ??= {class: letter + '1'};
		const paint = this.paint(node, state);
		if (paint.class)
			return /^[a-z]\d$/.test(paint.class) ? COARSE[paint.class[0]] ??= {class: paint.class[0] + '1'} : paint;
		let coarse = COARSE[paint.fill];
		if (!coarse) {
			const channels = paint.fill.startsWith('#') ? [1, 3, 5].map(at => parseInt(paint.fill.slice(at, at + 2), 16)) : paint.fill.startsWith('rgb') ? paint.fill.match(/\d+/g) : null;
			coarse = channels ? {fill: `rgb(${channels.map(channel => channel | 31).join(',')})`} : paint;
			COARSE[paint.fill] = coarse;
		}
		return coarse;
	}

	// The box under a point of the picture, or null.
	at(x, y) {
		const {top, levels, frameHeight, inverted, side} = this.geometry;
		const level = Math.floor((y - top) / frameHeight);
		const row = this.rows[inverted ? level : levels - 1 - level];
		if (!row)
			return null;
		let low = 0, high = row.length - 1;
		while (low < high) {
			const middle = (low + high + 1) >> 1;
			if (row[middle].x <= x - side)
				low = middle;
			else
				high = middle - 1;
		}
		return x - side >= row[low].x && x - side < row[low].x + row[low].width ? row[low] : null;
	}

	boxOf(node) {
		return this.rows[this.tree.depth[node]]?.find(box => box.node === node) ?? null;
	}

	// Put an outline (hover or focus) around a node, or take it away.
	outline(rect, node) {
		const box = node === null ? null : this.boxOf(node);
		rect.setAttribute('visibility', box ? 'visible' : 'hidden');
		if (!box)
			return;
		rect.setAttribute('x', this.geometry.side + box.x);
		rect.setAttribute('y', this.y(this.tree.depth[node]));
		rect.setAttribute('width', Math.max(1, box.width));
		rect.setAttribute('height', this.geometry.frameHeight - GAP);
	}
}
