// SPDX-License-Identifier: Apache-2.0
// How long a browser takes for a picture of 50 000 (or FRAMES) drawn frames: node bench_browser.js FLAMECTL [ROUNDS]. Prints figures, judges none.
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { Browser, findProgram } = require('../browser/chromium.js');

const [flamectl, rounds = '9'] = process.argv.slice(2);
const WANTED = Number(process.env.FRAMES ?? 50000);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flame-bench-'));

let seed = 1;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;

// Stacks of a program that splits its time at random, the same for the same number.
function makeStacks(count) {
	seed = 1;
	const lines = [], names = Array.from({ length: 3000 }, (_, i) => `module_${i % 40}::function_${i}`);
	for (let i = 0; i < count; i++) {
		const stack = ['server', 'main'];
		let choice = 1 + random() * 12;
		for (const depth = 8 + random() * 40; stack.length < depth; choice = (choice * 7.3 + random() * 4) % 3000)
			stack.push(names[Math.floor(choice)]);
		lines.push(`${stack.join(';')} ${1 + Math.floor(random() * 20)}`);
	}
	return lines.join('\n') + '\n';
}

function render(stacks, ...options) {
	return execFileSync(flamectl, ['render', '--colors', 'kind', ...options], { input: stacks, maxBuffer: 1 << 29 });
}

function countDrawn(stacks) {
	return render(stacks, '-f', 'frames').toString().split('\n').length - 1;
}

// As many stacks as give the frames that are wanted.
function findStacks() {
	let low = 100, high = 40000;
	while (high - low > 10) {
		const middle = Math.floor((low + high) / 2);
		if (countDrawn(makeStacks(middle)) < WANTED)
			low = middle;
		else
			high = middle;
	}
	return makeStacks(high);
}

const median = values => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const FRAMES_SHOWN = `new Promise(resolve => requestAnimationFrame(() => setTimeout(() => resolve(performance.now()))))`;

// A mark for the moment when the script's own picture is there.
const WATCH = `new MutationObserver((_, observer) => {
	if (document.querySelector('g.frames[role=tree] > .hover')) {
		performance.mark('flame-drawn');
		observer.disconnect();
	}
}).observe(document, {childList: true, subtree: true})`;

async function measure(page, url) {
	await page.send('Page.addScriptToEvaluateOnNewDocument', { source: WATCH });
	await page.open('about:blank');
	await page.open(url);
	await page.until(`document.querySelector('.bar') !== null`);
	await page.evaluate(FRAMES_SHOWN);
	await page.until(`performance.getEntriesByType('paint').length > 0`);
	const paint = await page.evaluate(`performance.getEntriesByType('paint')[0]?.startTime`);
	const usable = await page.evaluate(`performance.getEntriesByName('flame-drawn')[0]?.startTime`);
	const rect = await page.evaluate(`(rects => { const r = rects.sort((a, b) => b.width.baseVal.value - a.width.baseVal.value)[4].getBoundingClientRect(); return {x: r.x + r.width / 2, y: r.y + r.height / 2}; })([...document.querySelectorAll('g.frames rect:not(.hover):not(.focus)')])`);
	// From the click to the frame that shows it.
	const zoom = await page.evaluate(`(async () => {
		const began = performance.now();
		document.documentElement.dispatchEvent(new MouseEvent('click', {clientX: ${rect.x}, clientY: ${rect.y}, bubbles: true}));
		return await ${FRAMES_SHOWN} - began;
	})()`);
	const reset = await page.evaluate(`(async () => {
		const began = performance.now();
		document.dispatchEvent(new KeyboardEvent('keydown', {key: '0', bubbles: true}));
		return await ${FRAMES_SHOWN} - began;
	})()`);
	return { paint, usable, zoom, reset };
}

// What a browser takes for a document that shows nothing.
async function measureNothing(page, url) {
	await page.open('about:blank');
	await page.open(url);
	await page.until(`performance.getEntriesByType('paint').length > 0`);
	return page.evaluate(`performance.getEntriesByType('paint')[0].startTime`);
}

async function main() {
	const stacks = findStacks(), file = path.join(folder, 'wide.svg');
	fs.writeFileSync(file, render(stacks));
	const nothing = path.join(folder, 'nothing.svg');
	fs.writeFileSync(nothing, '<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/><text y="9">x</text></svg>');
	const browser = new Browser(findProgram()), results = [];
	for (let i = 0; i < Number(rounds); i++) {
		const page = await browser.page();
		const empty = await measureNothing(page, pathToFileURL(nothing).href);
		results.push({ empty, ...await measure(page, pathToFileURL(file).href) });
		await page.close();
	}
	await browser.close();
	console.log(`${countDrawn(stacks)} drawn frames, ${(fs.statSync(file).size / 1e6).toFixed(1)} MB, load average ${os.loadavg()[0].toFixed(1)}; medians of ${rounds}:`);
	for (const [name, goal] of [['empty', 'first paint of nothing'], ['paint', 'first paint'], ['usable', 'all that moves is there'], ['zoom', 'zoom'], ['reset', 'reset']])
		console.log(`${goal.padEnd(28)} ${median(results.map(result => result[name])).toFixed(0).padStart(5)} ms   (${results.map(result => Math.round(result[name])).join(' ')})`);
	fs.rmSync(folder, { recursive: true, force: true });
}

main();
