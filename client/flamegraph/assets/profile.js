// SPDX-License-Identifier: Apache-2.0
// What is embedded in the picture: the options in force, and the profile with its stacks. Without a
// browser that can decompress it the frames that are drawn are all there is, and so they are in a
// flame chart of so many stacks that their order is not told.

const root = document.currentScript.closest('svg');
const view = JSON.parse(root.querySelector('#flame-view').textContent);

// Colours that only the writer of the picture knows stand in its frames. Where wakers are told apart a
// name has two: theirs have as much green as blue.
const WAKER = '_[w]';
view.colors = view.hasOwnColors ? Object.fromEntries([...root.querySelectorAll('#frames rect')].map(rect => {
	const fill = rect.closest('[fill]')?.getAttribute('fill'), parts = /^#(..)(..)\2$/.exec(fill);
	const isWaker = view.chain && parts && parts[1] !== parts[2];
	return [rect.textContent.replace(/ \([^()]*\)$/, '') + (isWaker ? WAKER : ''), fill];
})) : null;

const DIVISORS = {samples: 0, ns: 1, us: 1e3, ms: 1e6, bytes: 1};
const LEVEL = 'process';

async function unpack(id) {
	const element = root.querySelector('#' + id);
	if (!element || typeof DecompressionStream === 'undefined')
		return null;
	const text = atob(element.textContent), packed = new Uint8Array(text.length);
	for (let i = 0; i < text.length; i++)
		packed[i] = text.charCodeAt(i);
	const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
	return JSON.parse(await new Response(stream).text());
}

// All frames and stacks of one or two profiles. `frames` are objects {name, kind, module, file,
// line}, equal ones once; `sources` hold the nodes and rows of a profile with frames translated.
class Model {
	constructor() {
		this.frames = [];
		this.keys = new Map();
		this.sources = [];
	}

	frame(name, kind, module, file, line) {
		const key = `${name}\0${kind}\0${module}\0${file}\0${line}`;
		let id = this.keys.get(key);
		if (id === undefined) {
			id = this.frames.length;
			this.keys.set(key, id);
			this.frames.push({name: name.replace(/_\[[kwij]\]$/, ''), kind, module, file, line});
		}
		return id;
	}

	// which: 0 what a difference compares with, 1 what is shown.
	add(json, which) {
		const frames = json.frames.map(([name, kind, module, file, line]) =>
			this.frame(name, kind, json.modules[module] ?? '', json.files[file] ?? '', line ?? 0));
		const level = (name, number) => this.frame(number === null ? name : `${name}/${number}`, LEVEL, '', '', 0);
		const processes = json.processes.map(p => level(p.name, view.byProcess ? p.pid : null));
		const levels = json.threads.map(t => {
			const above = [processes[t.process]];
			return view.byThread ? above.concat(level(t.name, t.tid)) : above;
		});
		this.sources.push({
			which, levels, rows: json.rows, slices: json.slices, rowNodes: new Int32Array(json.rows.length),
			parents: json.nodes.parent,
			frames: json.nodes.frame.map(frame => frames[frame]),
			// No two nodes of a parent can be of one frame.
			isUnique: new Set(frames).size === frames.length,
		});
	}
}

// The value of a row in the unit of the picture, and the variance of that value.
function rowValue(row) {
	const divisor = DIVISORS[view.unit] ?? 0;
	return divisor ? row[3] / divisor : row[2];
}

function rowVariance(row, which) {
	const value = rowValue(row);
	if (row[4] > 0 && row[3] > 0)
		return row[4] * (value / row[3]) ** 2;
	// Text tells no variance: a sample is worth so much.
	return value * (view.sampleValues?.[which] ?? (view.unit === 'samples' ? 1 : 0));
}

async function readModel() {
	const model = new Model();
	const shown = view.flamechart && !view.order ? null : await unpack('flame-profile');
	if (!shown)
		return null;
	model.add(shown, 1);
	const base = await unpack('flame-base');
	if (base)
		model.add(base, 0);
	return model;
}
