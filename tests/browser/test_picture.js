// SPDX-License-Identifier: Apache-2.0
// A picture in a real browser: node test_picture.js FLAMECTL [SCREENSHOT_FOLDER]. Speaks TAP; exit 77
// where there is no Chromium.
'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { Browser, findProgram } = require('./chromium.js');

const [flamectl, screenshots] = process.argv.slice(2);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flame-picture-'));

const HOSTILE = ['<script>alert(1)</script>', `"&'`, '\u202Eright to left', '\u{1F525}fire', ']]>', '&lt<b>', '<![CDATA[x'];
const FOLDED = [
	'app;main;parse;read_[k] 30', 'app;main;parse;scan 20', 'app;main;work;work;work;leaf 25', 'app;main;work;leaf 5',
	'app;main;draw 15', ...HOSTILE.map(name => `app;main;${name} 2`), 'other;start 9',
].join('\n') + '\n';

function draw(name, input, ...args) {
	const file = path.join(folder, name);
	fs.writeFileSync(file, execFileSync(flamectl, ['render', ...args], { input, maxBuffer: 1 << 28 }));
	return pathToFileURL(file).href;
}

const READY = `document.querySelector('.bar') !== null && document.querySelector('g.frames rect') !== null`;

// Labels and boxes of the frames on the screen, by text.
const FRAMES = `[...document.querySelectorAll('g.frames text')].map(text => {
	const rect = text.previousElementSibling;
	return { name: text.textContent, x: +rect.getAttribute('x'), y: +rect.getAttribute('y'), width: +rect.getAttribute('width'), kind: rect.getAttribute('class') };
})`;

async function open(page, url) {
	await page.open('about:blank');
	await page.open(url);
	await page.until(READY);
}

async function frame(page, name) {
	return (await page.evaluate(FRAMES)).find(other => other.name === name);
}

async function clickFrame(page, name) {
	const box = await frame(page, name);
	assert(box, `no frame ${name}`);
	await page.click(box.x + box.width / 2, box.y + 8);
}

const found = page => page.evaluate(`document.querySelector('output').textContent`);
const names = async page => (await page.evaluate(FRAMES)).map(box => box.name);

const tests = {
	async 'colours a function that wakes and one that sleeps apart'(page) {
		await open(page, draw('chain.svg', 'app;run;wait_[k];--;wake_[k];run;waker 10\n', '--colors', 'chain'));
		const fills = await page.evaluate(`[...document.querySelectorAll('g.frames text')].filter(text => text.textContent === 'run').map(text =>
			[+text.previousElementSibling.getAttribute('y'), getComputedStyle(text.previousElementSibling).fill])`);
		fills.sort((a, b) => b[0] - a[0]); // the sleeper is further down
		assert.strictEqual(fills.length, 2);
		const [sleeper, waker] = fills.map(fill => fill[1].match(/\d+/g).map(Number));
		assert(sleeper[2] > sleeper[1] + 50, `a sleeper is blue: ${sleeper}`);
		assert(waker[1] === waker[2], `a waker is aqua: ${waker}`);
	},

	async 'opens without an error or a request'(page, urls) {
		await open(page, urls.kind);
		assert.deepStrictEqual(page.errors, []);
		assert.deepStrictEqual(page.requests, []);
	},

	async 'children are not wider than their parent'(page, urls) {
		await open(page, urls.kind);
		const boxes = await page.evaluate(`[...document.querySelectorAll('g.frames rect:not(.hover):not(.focus)')].map(rect => ({x: +rect.getAttribute('x'), y: +rect.getAttribute('y'), width: +rect.getAttribute('width')}))`);
		assert(boxes.length > 15);
		for (const box of boxes) {
			const above = boxes.filter(other => Math.abs(other.y - (box.y - 16)) < 0.5 && other.x >= box.x - 0.1 && other.x < box.x + box.width);
			const sum = above.reduce((total, other) => total + other.width, 0);
			assert(sum <= box.width + 0.7, `${sum} on ${box.width}`);
		}
	},

	async 'a click zooms, ancestors stay dimmed, Escape goes back'(page, urls) {
		await open(page, urls.kind);
		const before = await frame(page, 'parse');
		await clickFrame(page, 'parse');
		const zoomed = await frame(page, 'parse');
		assert(zoomed.width > 2 * before.width);
		assert.match((await frame(page, 'main')).kind, /dim/);
		assert.strictEqual(await frame(page, 'draw'), undefined);
		await page.press('Escape');
		assert.match((await frame(page, 'app')).kind, /dim/);
		await page.press('0');
		assert.strictEqual((await frame(page, 'parse')).width, before.width);
	},

	async 'a click on an ancestor zooms out to it'(page, urls) {
		await open(page, urls.kind);
		await clickFrame(page, 'parse');
		await clickFrame(page, 'main');
		assert(await frame(page, 'draw'));
		assert.match((await frame(page, 'app')).kind, /dim/);
	},

	async 'the address keeps zoom and search, and back goes back'(page, urls) {
		await open(page, urls.kind);
		await clickFrame(page, 'parse');
		await page.press('/');
		await page.type('scan');
		const address = await page.evaluate('location.href');
		await open(page, address);
		assert.match(await found(page), /^1 /);
		assert.strictEqual(await frame(page, 'draw'), undefined);
		await page.evaluate(`document.querySelector('.bar button').click()`);
		await page.until(`location.hash.indexOf('zoom') < 0`);
		assert(await frame(page, 'draw'));
		await page.evaluate('history.back()');
		await page.until(`location.hash.indexOf('zoom') > 0`);
		assert.strictEqual(await frame(page, 'draw'), undefined);
	},

	async 'the search counts each sample once and steps through matches'(page, urls) {
		await open(page, urls.kind);
		await page.press('f', 2);
		await page.type('WORK');
		// Three frames of recursion lie above each other: 25 + 5 of 118 samples.
		assert.match(await found(page), /^3 · 25\.4 %$/);
		await page.press('Enter');
		assert.match(await found(page), /^1 of 3/);
		await page.press('Enter', 8);
		assert.match(await found(page), /^3 of 3/);
		await page.press('Escape');
		assert.strictEqual(await found(page), '');
	},

	async 'upper and lower case can be told apart, and a wrong expression is told'(page, urls) {
		await open(page, urls.kind);
		await page.press('/');
		await page.type('WORK');
		await page.evaluate('document.activeElement.blur()');
		await page.press('a');
		assert.strictEqual(await found(page), 'no match');
		await page.press('/');
		await page.type('(');
		assert.strictEqual(await found(page), 'not an expression');
		assert.deepStrictEqual(page.errors, []);
	},

	async 'the matched share is that of what is zoomed to'(page, urls) {
		await open(page, urls.kind);
		await clickFrame(page, 'parse');
		await page.press('/');
		await page.type('scan');
		assert.match(await found(page), /40\.0 %$/);
	},

	async 'switches turn, reverse, sort and fold'(page, urls) {
		await open(page, urls.kind);
		await page.press('i');
		assert((await frame(page, 'main')).y > (await frame(page, 'app')).y);
		await page.press('i');
		await page.press('r');
		const first = await frame(page, 'leaf');
		assert(first && first.width > 200, 'leaf is at the root');
		await page.press('r');
		assert((await frame(page, 'draw')).x < (await frame(page, 'parse')).x);
		await page.press('s');
		assert((await frame(page, 'parse')).x < (await frame(page, 'draw')).x);
		assert.strictEqual((await names(page)).filter(name => name === 'work').length, 3);
		await page.press('f');
		assert.strictEqual((await names(page)).filter(name => name === 'work').length, 1);
	},

	async 'a frame can be hidden and shown again'(page, urls) {
		await open(page, urls.kind);
		const box = await frame(page, 'main');
		await page.mouse('mouseMoved', box.x + 20, box.y + 8);
		await page.press('h');
		assert.strictEqual(await frame(page, 'main'), undefined);
		assert(await frame(page, 'draw'));
		await page.press('u');
		assert(await frame(page, 'main'));
	},

	async 'colours and theme change'(page, urls) {
		await open(page, urls.kind);
		await page.press('c');
		await page.press('c');
		assert(await page.evaluate(`document.querySelectorAll('g.frames rect[fill^="rgb"]').length`) > 5);
		await page.press('d');
		assert.strictEqual(await page.evaluate(`document.documentElement.classList.contains('dark')`), true);
	},

	async 'keys alone are enough, and the panel tells them'(page, urls) {
		await open(page, urls.kind);
		await page.press('ArrowUp');
		await page.press('ArrowUp');
		await page.press('ArrowUp');
		const label = await page.evaluate(`document.activeElement.getAttribute('aria-label')`);
		assert.match(label, /^main/);
		await page.press('Enter');
		assert.match((await frame(page, 'app')).kind, /dim/);
		await page.press('?');
		assert.match(await page.evaluate(`document.querySelector('[role=dialog]').textContent`), /search/);
		await page.press('Escape');
		assert.strictEqual(await page.evaluate(`document.querySelector('[role=dialog]')`), null);
	},

	async 'the tooltip tells name, kind, total, self and interval'(page, urls) {
		await open(page, urls.kind);
		const box = await frame(page, 'read');
		await page.mouse('mouseMoved', box.x + 20, box.y + 8);
		const text = await page.evaluate(`document.querySelector('.tip').textContent`);
		assert.match(text, /read.*kernel.*total.*30 samples.*25\.42 % ± .*self.*30 samples/s);
	},

	async 'the interval in the tooltip is that of top, sampled or partly measured'(page, urls) {
		for (const [name, url] of [['json', urls.json], ['measured', urls.measured]]) {
			const { functions } = JSON.parse(execFileSync(flamectl, ['--json', 'top', path.join(folder, name + '.svg'), '-n', '100']));
			await open(page, url);
			for (const wanted of ['kind user', 'kind library', 'Lname;of/java;~%']) {
				const { total } = functions.find(other => other.name === wanted), box = await frame(page, wanted);
				await page.mouse('mouseMoved', box.x + 10, box.y + 8);
				const text = await page.evaluate(`document.querySelector('.tip').innerText`);
				assert.strictEqual(/samples\s+5/.test(text.replace(/\d+ samples/g, '')), name === 'measured' && wanted.startsWith('kind'), text);
				assert(text.includes(`${total.percent.toFixed(2)} % ± ${total.margin.toFixed(2)}`), `${name} ${wanted}: ${text} ${JSON.stringify(total)}`);
			}
		}
	},

	async 'names of any kind stay text'(page, urls) {
		await open(page, urls.kind);
		assert.strictEqual(await page.evaluate(`document.querySelectorAll('g.frames script, g.frames b').length`), 0);
		for (const name of HOSTILE) {
			await open(page, urls.kind + '#search=' + encodeURIComponent('^' + name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') + '$'));
			assert.match(await found(page), /^1 /, name);
		}
		assert.deepStrictEqual(page.errors, []);
	},

	async 'without scripts there is the picture, with titles'(page, urls) {
		await page.scripts(false);
		await page.open('about:blank');
		await page.open(urls.kind);
		await page.scripts(true);
		const titles = await page.evaluate(`[...document.querySelectorAll('#frames title')].map(title => title.textContent)`);
		assert(titles.includes('parse (50 samples, 42.37%)'), titles.join());
		assert(titles.includes('<script>alert(1)</script> (2 samples, 1.69%)'));
		assert.strictEqual(await page.evaluate(`document.querySelector('.bar')`), null);
	},

	async 'inside <img> it is drawn, in its own proportions'(page, urls) {
		const file = path.join(folder, 'page.html');
		fs.writeFileSync(file, `<!doctype html><img id="image" style="width:600px" src="${urls.kind}">`);
		await page.open(pathToFileURL(file).href);
		const { width, height } = await page.evaluate(`(({width, height}) => ({width, height}))(document.querySelector('#image').getBoundingClientRect())`);
		assert.strictEqual(width, 600);
		assert(height > 80 && height < 400, String(height));
		page.requests.length = 0;
	},

	async 'a picture whose profile is broken works from what is drawn'(page, urls) {
		for (const colors of ['kind', 'hot']) {
			const file = path.join(folder, `${colors}-broken.svg`), whole = execFileSync(flamectl, ['render', '--colors', colors], { input: FOLDED }).toString();
			fs.writeFileSync(file, whole.replace(/(<metadata id="flame-profile"[^>]*>)[^<]*/, '$1AAAA'));
			await open(page, pathToFileURL(file).href);
			assert.deepStrictEqual(page.errors, []);
			const before = await frame(page, 'parse');
			await clickFrame(page, 'parse');
			assert((await frame(page, 'parse')).width > 2 * before.width);
			assert.match((await frame(page, 'main')).kind ?? '', /dim/);
			await page.press('0');
			await page.press('/');
			await page.type('WORK');
			assert.match(await found(page), /^3 · 25\.4 %$/);
			await page.press('Escape');
			await page.press('i');
			assert((await frame(page, 'main')).y > (await frame(page, 'app')).y);
		}
	},

	async 'the width follows the window'(page, urls) {
		await open(page, urls.kind);
		await page.size(700, 600);
		await page.until(`+document.querySelector('g.frames rect').getAttribute('width') < 700`);
		await page.size(1280, 800);
		await page.until(`+document.querySelector('g.frames rect').getAttribute('width') > 1200`);
	},

	async 'a flame chart keeps its order'(page, urls) {
		await open(page, urls.chart);
		const row = (await page.evaluate(FRAMES)).filter(box => /^(one|two)$/.test(box.name)).sort((a, b) => a.x - b.x);
		assert.deepStrictEqual(row.map(box => box.name), ['one', 'two', 'one']);
		// What ended in "a" itself lies between.
		assert(row[2].x > row[1].x + 3.5 * row[1].width);
		await page.press('r');
		assert.deepStrictEqual((await page.evaluate(FRAMES)).filter(box => box.name === 'one').length, 2);
		assert((await frame(page, 'deep')).y > row[0].y);
		assert.deepStrictEqual(page.errors, []);
	},

	async 'a difference is coloured as it was written'(page, urls) {
		await open(page, urls.difference);
		const fills = await page.evaluate(`Object.fromEntries([...document.querySelectorAll('g.frames text')].map(text => [text.textContent, text.previousElementSibling.getAttribute('fill')]))`);
		assert.strictEqual(fills.steady, '#d8d8d8');
		const [red, , blue] = fills.grew.match(/\d+/g).map(Number);
		assert(red > blue, fills.grew);
		assert(fills.gone, 'what vanished is there');
		const written = fs.readFileSync(path.join(folder, 'difference.svg'), 'utf8');
		for (const name of ['steady', 'grew', 'gone']) {
			const fill = written.slice(0, written.indexOf(`<title>${name} (`)).match(/.*fill="(#[0-9a-f]{6})"/s)[1];
			const channels = [1, 3, 5].map(at => parseInt(fill.slice(at, at + 2), 16));
			const shown = fills[name].startsWith('#') ? [1, 3, 5].map(at => parseInt(fills[name].slice(at, at + 2), 16)) : fills[name].match(/\d+/g).map(Number);
			assert(channels.every((channel, i) => Math.abs(channel - shown[i]) <= 2), `${name}: ${fill} ${fills[name]}`);
		}
	},

	async 'every switch is in the address, and what it did comes back from there'(page, urls) {
		const shown = `document.querySelector('g.frames').innerHTML + [...document.querySelectorAll('.bar [aria-pressed], .bar select, .bar input')].map(e => e.value + e.getAttribute('aria-pressed')).join() + document.documentElement.getAttribute('class')`;
		for (const keys of ['i', 'r', 's', 'f', 'c', 'cc', 'd', 'l', 'a', 'irsfcdla']) {
			await open(page, urls.json);
			const before = await page.evaluate(shown);
			for (const key of keys)
				await page.press(key);
			const address = await page.evaluate('location.href'), after = await page.evaluate(shown);
			await open(page, address);
			assert.strictEqual(await page.evaluate(shown), after, keys);
			await page.evaluate('location.hash = ""');
			await page.until(`location.hash === ''`);
			assert.strictEqual(await page.evaluate(shown), before, `${keys} undone`);
		}
	},

	async 'back undoes a switch'(page, urls) {
		await open(page, urls.kind);
		const before = await page.evaluate(`document.querySelector('g.frames').innerHTML`);
		await page.press('i');
		await page.press('r');
		for (let i = 0; i < 2; i++) {
			const now = await page.evaluate('location.hash');
			await page.evaluate('history.back()');
			await page.until(`location.hash !== ${JSON.stringify(now)}`);
		}
		await page.until(`document.querySelector('g.frames').innerHTML === ${JSON.stringify(before)}`);
	},

	async 'functions of one name in two modules are told apart, and a module can be hidden'(page, urls) {
		await open(page, urls.json);
		const [, second] = (await page.evaluate(FRAMES)).filter(box => box.name === 'run').sort((a, b) => a.x - b.x);
		await page.click(second.x + 20, second.y + 8);
		await page.until(`location.hash.includes('zoom')`);
		assert.match(await page.evaluate(`document.querySelector('.tip').textContent`), /libtwo\.so/);
		const address = await page.evaluate('location.href');
		await open(page, address);
		const run = await frame(page, 'run');
		assert(run.width > 1000);
		await page.mouse('mouseMoved', run.x + 20, run.y + 8);
		assert.match(await page.evaluate(`document.querySelector('.tip').textContent`), /libtwo\.so.*20 samples/);
		await page.press('m');
		await page.press('0');
		const left = (await page.evaluate(FRAMES)).filter(box => box.name === 'run');
		assert.strictEqual(left.length, 1);
		await page.press('u');
		assert.strictEqual((await page.evaluate(FRAMES)).filter(box => box.name === 'run').length, 2);
	},

	async 'a name with the letters of addresses can be zoomed to and hidden'(page, urls) {
		await open(page, urls.json);
		await clickFrame(page, 'Lname;of/java;~%');
		await open(page, await page.evaluate('location.href'));
		const box = await frame(page, 'Lname;of/java;~%');
		assert(box.width > 1000);
		await page.mouse('mouseMoved', box.x + 20, box.y + 8);
		await page.press('h');
		await page.press('0');
		await open(page, await page.evaluate('location.href'));
		assert.strictEqual(await frame(page, 'Lname;of/java;~%'), undefined);
		assert(await frame(page, 'kind jit'));
	},

	async 'the legend names every kind, and the footer tells the truth at any width'(page, urls) {
		await open(page, urls.json);
		const text = await page.evaluate(`document.querySelector('.foot').textContent`);
		for (const word of ['program', 'library', 'kernel', 'JIT', 'inlined', 'no name', 'not walked', '42 on db1', '(29 s)', 'cpu · cpu-clock at 99 Hz', '102 samples',
			'2 lost (ring_full 2)', '% of stacks whole', 'flamed 9.9', 'the window begins later than asked'])
			assert(text.includes(word), `${word}: ${text}`);
		await page.size(360, 640);
		await page.until(`+document.querySelector('g.frames rect').getAttribute('width') < 360`);
		assert(await page.evaluate(`document.querySelector('.foot').scrollWidth <= 360 && document.querySelector('.bar').scrollWidth <= 360`));
	},

	async 'colours by module differ'(page, urls) {
		await open(page, urls.json);
		await page.evaluate(`(select => { select.value = 'module'; select.dispatchEvent(new Event('change')); })(document.querySelector('select[aria-label^=Colours]'))`);
		const fills = await page.evaluate(`[...document.querySelectorAll('g.frames text')].filter(text => text.textContent === 'run').map(text => text.previousElementSibling.getAttribute('fill'))`);
		assert.strictEqual(new Set(fills).size, 2, fills.join());
	},

	async 'a long name keeps its end, or the beginning when asked'(page, urls) {
		await open(page, urls.named);
		const cut = async () => (await names(page)).find(name => name.includes('..'));
		assert.match(await cut(), /^\.\..*push_back$/);
		await page.press('l');
		await page.press('l');
		assert.match(await cut(), /^std::.*\.\.$/);
	},

	async 'attributes of frames are there: a title, a link that Ctrl zooms past'(page, urls) {
		await open(page, urls.linked);
		const box = await frame(page, 'draw');
		await page.mouse('mouseMoved', box.x + 20, box.y + 8);
		assert.match(await page.evaluate(`document.querySelector('.details').textContent`), /my own title/);
		await page.evaluate(`window.open = (...args) => { window.opened = args; }`);
		await page.click(box.x + 20, box.y + 8);
		assert.deepStrictEqual(await page.evaluate(`window.opened.slice(0, 2)`), ['#there', '_top']);
		assert.strictEqual(await page.evaluate('location.hash'), '');
	},

	async 'everything is reached with the Tab key and has a name'(page, urls) {
		await open(page, urls.json);
		const reached = new Set();
		for (let i = 0; i < 20; i++) {
			await page.press('Tab');
			reached.add(await page.evaluate(`(e => e?.getAttribute('aria-label') ?? e?.getAttribute('title') ?? '')(document.activeElement)`));
		}
		for (const name of [/Search/, /Icicle|root on top/, /Stacks from the leaf/, /Order/, /Fold/, /Colours/, /Dark/, /Keys/])
			assert([...reached].some(other => name.test(other)), `${name}: ${[...reached]}`);
		assert.strictEqual(await page.evaluate(`[...document.querySelectorAll('button, select, input')].filter(e => !e.title && !e.getAttribute('aria-label') && !e.textContent).length`), 0);
		assert.strictEqual(await page.evaluate(`document.querySelector('.bar').getAttribute('role') + document.querySelector('g.frames').getAttribute('role')`), 'toolbartree');
	},

	async 'the tooltip of a difference has before, after, self and interval'(page, urls) {
		await open(page, urls.difference);
		const box = await frame(page, 'grew');
		await page.mouse('mouseMoved', box.x + 10, box.y + 8);
		const text = await page.evaluate(`document.querySelector('.tip').innerText`);
		assert.match(text, /changed[\s\S]*before\s+after\s+change[\s\S]*total\s+5\.00 %\s+12\.50 %\s+\+7\.50[\s\S]*self\s+5\.00 %[\s\S]*95 %\s+\+5\.\d+ to \+9\.\d+/);
		assert.match(await page.evaluate(`document.querySelector('.foot').textContent`), /not more than chance.*counts alone.*not there any more/);
		assert(await page.evaluate(`document.querySelector('g.frames rect.gone') !== null`));
	},

	async 'slices of time judge changes as in the picture that was written'(page, urls) {
		await open(page, urls.sliced);
		assert.match(await page.evaluate(`document.querySelector('.foot').textContent`), /variance between 30 and 30 slices/);
		const written = fs.readFileSync(path.join(folder, 'sliced.svg'), 'utf8');
		const fills = await page.evaluate(`Object.fromEntries([...document.querySelectorAll('g.frames text')].map(text => [text.textContent, text.previousElementSibling.getAttribute('fill')]))`);
		let changed = 0;
		for (let i = 0; i < 12; i++) {
			const fill = written.slice(0, written.indexOf(`<title>f${i} (`)).match(/.*fill="(#[0-9a-f]{6})"/s)[1];
			assert.strictEqual(fills[`f${i}`] === '#d8d8d8', fill === '#d8d8d8', `f${i}: ${fill} ${fills[`f${i}`]}`);
			changed += fill !== '#d8d8d8';
		}
		assert(changed >= 1 && changed <= 9, `${changed} changed`);
		const box = await frame(page, 'f0');
		await page.mouse('mouseMoved', box.x + 10, box.y + 8);
		const [, low, high] = (await page.evaluate(`document.querySelector('.tip').innerText`)).match(/([+-][\d.]+) to ([+-][\d.]+)/);
		assert(written.includes(`95%: ${low} to ${high}`), `${low} ${high}`);
	},

	async 'many frames are drawn, zoomed and searched'(page, urls) {
		await open(page, urls.many);
		assert.deepStrictEqual(page.errors, []);
		const deep = await page.evaluate(`document.documentElement.getAttribute('height')`);
		assert(Number(deep) > 127 * 16, deep);
		await clickFrame(page, 'f3_1');
		assert.match((await frame(page, 'root')).kind, /dim/);
		await page.press('/');
		await page.type('f9');
		assert.match(await found(page), /^\d+ · /);
		await page.press('Escape');
		await page.press('0');
	},

	async 'light and dark look different'(page, urls) {
		await open(page, urls.kind);
		const light = await page.pixels();
		if (screenshots)
			await page.screenshot(path.join(screenshots, 'light.png'));
		await page.dark(true);
		const dark = await page.pixels();
		if (screenshots)
			await page.screenshot(path.join(screenshots, 'dark.png'));
		await page.dark(false);
		assert.notStrictEqual(light, dark);
	},
};

const LONG_NAMES = 'app;std::vector<std::pair<std::string, int>, std::allocator<std::pair<std::string, int>>>::push_back 20\napp;rest 80\n';

function writeAttributes() {
	const file = path.join(folder, 'attributes');
	fs.writeFileSync(file, 'draw\ttitle=my own title\thref=#there\n');
	return file;
}

// 127 levels, and more frames than can be elements.
function manyStacks() {
	const lines = [];
	for (let i = 0; i < 3000; i++) {
		const stack = ['root'];
		for (let depth = 0; depth < (i % 50 ? 20 + i % 17 : 126); depth++)
			stack.push(`f${depth}_${depth < 4 ? i % 2 : i % (100 + depth)}`);
		lines.push(`${stack.join(';')} ${1 + i % 5}`);
	}
	return lines.join('\n') + '\n';
}

// What `dump -f json` says of a program with two modules that have a function of one name, and of every kind of frame.
const KINDS = ['user', 'library', 'kernel', 'jit', 'inlined', 'unknown', 'mark'];
const PROFILE = {
	flame_profile: 1, event: 'cpu', source: 'cpu-clock', unit: 'ns', rate_hz: 99, interval: 1e7, host: 'db1', version: '9.9', target: '42', cost_percent: 0.1,
	window: { asked: { from: 1000, to: 1030 }, covered: { from: 1001, to: 1030 } },
	samples: { taken: 102, kept: 100, lost: { ring_full: 2 } }, notes: ['the window begins later than asked'],
	modules: ['server', 'libone.so', 'libtwo.so'], files: [],
	frames: [['main', 'user', 0], ['run', 'library', 1], ['run', 'library', 2], ['Lname;of/java;~%', 'user', 0], ...KINDS.map(kind => [`kind ${kind}`, kind, 0])],
	nodes: { parent: [-1, 0, 0, 0, ...KINDS.map(() => 3)], frame: [0, 1, 2, 3, ...KINDS.map((_, i) => 4 + i)] },
	processes: [{ pid: 42, name: 'server', uid: 0, start_time_ns: 1 }], threads: [{ process: 0, tid: 42, name: 'server' }],
	rows: [[0, 1, 30, 3e8, 3e15], [0, 2, 20, 2e8, 2e15], ...KINDS.map((_, i) => [0, 4 + i, 5, 5e7, 5e14])],
};

// The same where some of each weight was measured, as of time off the CPU: rows tell what, and the largest weight of a sample in the rest.
const MEASURED = { ...PROFILE, event: 'offcpu', source: 'sched', rows: PROFILE.rows.map((row, i) => [...row.slice(0, 4), row[4] / 7, row[3] * 0.3 * (i % 2), row[3] / 9]) };

// A profile slice by slice: functions f0, f1, … of different shares and steadiness; some change by `step`.
function slicedProfile(seed, step) {
	let state = seed;
	const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
	const count = 12, slices = 30, rows = Array.from({ length: count }, (_, i) => [0, i + 1, 0, 0, 0]), cells = [];
	for (let slice = 0; slice < slices; slice++)
		for (let i = 0; i < count; i++) {
			const share = (4 + i) * (i % 5 === 0 ? 1 + step : 1), noise = i % 3 ? 0.3 : 2;
			const samples = Math.max(0, Math.round(share * (1 + noise * (random() - 0.5))));
			rows[i][2] += samples;
			rows[i][3] += samples * 1e7;
			rows[i][4] += samples * 1e14;
			if (samples)
				cells.push([slice, i, samples * 1e7]);
		}
	return JSON.stringify({
		...PROFILE, modules: ['server'], frames: [['main', 'user', 0], ...rows.map((_, i) => [`f${i}`, 'user', 0])],
		nodes: { parent: [-1, ...rows.map(() => 0)], frame: [0, ...rows.map((_, i) => i + 1)] },
		rows, slices: { length_ns: 1e9, count: slices, rows: cells },
	});
}

function drawSliced() {
	const files = ['base.json', 'new.json'].map(name => path.join(folder, name));
	fs.writeFileSync(files[0], slicedProfile(1, 0));
	fs.writeFileSync(files[1], slicedProfile(2, 0.25));
	fs.writeFileSync(path.join(folder, 'sliced.svg'), execFileSync(flamectl, ['diff', ...files]));
	return pathToFileURL(path.join(folder, 'sliced.svg')).href;
}

function drawAll() {
	const base = path.join(folder, 'base.folded'), shown = path.join(folder, 'new.folded');
	fs.writeFileSync(base, 'main;steady 500\nmain;grew 100\nmain;gone 200\nmain;rest 1200\n');
	fs.writeFileSync(shown, 'main;steady 505\nmain;grew 250\nmain;rest 1245\n');
	fs.writeFileSync(path.join(folder, 'difference.svg'), execFileSync(flamectl, ['diff', base, shown]));
	return {
		many: draw('many.svg', manyStacks(), '--colors', 'kind'),
		kind: draw('kind.svg', FOLDED, '--colors', 'kind'),
		chart: draw('chart.svg', 'a;one 10\na;two 5\na 20\na;one;deep 10\n', '--flamechart'),
		sliced: drawSliced(),
		measured: draw('measured.svg', JSON.stringify(MEASURED), '--colors', 'kind'),
		json: draw('json.svg', JSON.stringify(PROFILE), '--colors', 'kind'),
		named: draw('named.svg', LONG_NAMES, '--cut', 'auto'),
		linked: draw('linked.svg', FOLDED, '--nameattr', writeAttributes()),
		difference: pathToFileURL(path.join(folder, 'difference.svg')).href,
	};
}

async function main() {
	const program = findProgram();
	if (!program) {
		console.log('1..0 # SKIP no chromium');
		process.exit(77);
	}
	const urls = drawAll(), browser = new Browser(program);
	let failed = 0, number = 0;
	console.log(`1..${Object.keys(tests).length}`);
	for (const [name, test] of Object.entries(tests)) {
		const page = await browser.page();
		try {
			await test(page, urls);
			console.log(`ok ${++number} - ${name}`);
		} catch (error) {
			failed++;
			console.log(`not ok ${++number} - ${name}\n# ${String(error.stack).replaceAll('\n', '\n# ')}`);
		}
		await page.close();
	}
	await browser.close();
	fs.rmSync(folder, { recursive: true, force: true });
	process.exit(failed ? 1 : 0);
}

main();
