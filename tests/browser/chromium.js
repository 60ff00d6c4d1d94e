// SPDX-License-Identifier: Apache-2.0
// A headless Chromium that is spoken to over a pipe in the DevTools protocol: no framework, no port,
// no network. Each run has a profile folder of its own, which goes with it.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const FLAGS = [
	'--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync', '--disable-default-apps', '--disable-extensions', '--mute-audio',
	'--hide-scrollbars', '--force-color-profile=srgb', '--font-render-hinting=none', '--proxy-server=127.0.0.1:9',
	'--remote-debugging-pipe',
];
const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];
const PATIENCE_MS = 30000;

function findProgram() {
	for (const folder of (process.env.PATH ?? '').split(':'))
		for (const name of PROGRAMS)
			if (fs.existsSync(path.join(folder, name)))
				return path.join(folder, name);
	return null;
}

class Page {
	constructor(browser, session) {
		this.browser = browser;
		this.session = session;
		this.errors = []; // console errors and exceptions
		this.requests = []; // everything but the document itself
	}

	send(method, params = {}) {
		return this.browser.send(method, params, this.session);
	}

	onEvent(method, params) {
		if (method === 'Runtime.exceptionThrown')
			this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
		if (method === 'Runtime.consoleAPICalled' && params.type === 'error')
			this.errors.push(params.args.map(arg => arg.value ?? arg.description).join(' '));
		if (method === 'Log.entryAdded' && params.entry.level === 'error')
			this.errors.push(params.entry.text);
		if (method === 'Network.requestWillBeSent' && params.request.url !== this.url && !params.request.url.startsWith('blob:'))
			this.requests.push(params.request.url);
		if (method === 'Page.loadEventFired')
			this.loaded?.();
	}

	async open(url) {
		this.url = url.split('#')[0];
		const loaded = new Promise(resolve => { this.loaded = resolve; });
		await this.send('Page.navigate', { url });
		await loaded;
	}

	// The value of an expression, which may be a promise.
	async evaluate(expression) {
		const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
		if (exceptionDetails)
			throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
		return result.value;
	}

	// Wait until an expression is true.
	async until(expression) {
		const end = Date.now() + PATIENCE_MS;
		while (!await this.evaluate(expression)) {
			if (Date.now() > end)
				throw new Error(`never became true: ${expression}`);
			await new Promise(resolve => setTimeout(resolve, 20));
		}
	}

	async size(width, height) {
		await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
	}

	async dark(isDark) {
		await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: isDark ? 'dark' : 'light' }] });
	}

	async scripts(areOn) {
		await this.send('Emulation.setScriptExecutionDisabled', { value: !areOn });
	}

	async mouse(type, x, y, button = 'none') {
		await this.send('Input.dispatchMouseEvent', { type, x, y, button, clickCount: type === 'mouseMoved' ? 0 : 1 });
	}

	async click(x, y) {
		await this.mouse('mouseMoved', x, y);
		await this.mouse('mousePressed', x, y, 'left');
		await this.mouse('mouseReleased', x, y, 'left');
	}

	// key: 'a', 'Enter', …; modifiers: 1 Alt, 2 Ctrl, 4 Meta, 8 Shift.
	async press(key, modifiers = 0) {
		const text = key.length === 1 && !(modifiers & 7) ? key : key === 'Enter' ? '\r' : undefined;
		const codes = { Enter: 13, Escape: 27, Tab: 9, ArrowUp: 38, ArrowDown: 40, ArrowLeft: 37, ArrowRight: 39 };
		const params = { key, text, modifiers, windowsVirtualKeyCode: codes[key] ?? key.toUpperCase().charCodeAt(0) };
		await this.send('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', ...params });
		await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...params });
	}

	async type(text) {
		for (const character of text) {
			if (/[a-z0-9]/i.test(character))
				await this.press(character);
			else
				await this.send('Input.insertText', { text: character });
		}
	}

	async screenshot(file) {
		const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
		fs.writeFileSync(file, Buffer.from(data, 'base64'));
	}

	async close() {
		await this.browser.send('Target.closeTarget', { targetId: this.target });
	}

	// The same picture as PNG bytes in memory.
	async pixels() {
		return (await this.send('Page.captureScreenshot', { format: 'png' })).data;
	}
}

class Browser {
	constructor(program) {
		this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flame-browser-'));
		this.process = spawn(program, [...FLAGS, `--user-data-dir=${this.folder}`], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
		this.waiting = new Map();
		this.pages = new Map();
		this.last = 0;
		let rest = '';
		this.process.stdio[4].setEncoding('utf8');
		this.process.stdio[4].on('data', data => {
			const messages = (rest + data).split('\0');
			rest = messages.pop();
			messages.forEach(message => this.onMessage(JSON.parse(message)));
		});
	}

	send(method, params = {}, sessionId = undefined) {
		const id = ++this.last;
		this.process.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0');
		return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject, method }));
	}

	onMessage({ id, result, error, method, params, sessionId }) {
		if (id === undefined) {
			this.pages.get(sessionId)?.onEvent(method, params);
			return;
		}
		const { resolve, reject, method: asked } = this.waiting.get(id);
		this.waiting.delete(id);
		if (error)
			reject(new Error(`${asked}: ${error.message}`));
		else
			resolve(result);
	}

	async page() {
		const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
		const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
		const page = new Page(this, sessionId);
		page.target = targetId;
		this.pages.set(sessionId, page);
		for (const domain of ['Page', 'Runtime', 'Log', 'Network'])
			await page.send(`${domain}.enable`);
		await page.size(1280, 800);
		return page;
	}

	async close() {
		const ended = new Promise(resolve => this.process.once('exit', resolve));
		await Promise.race([this.send('Browser.close').catch(() => {}), ended]);
		await ended;
		fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
	}
}

module.exports = { Browser, findProgram };
