// SPDX-License-Identifier: Apache-2.0
// Everything that a person can do with the picture. The state lives in the address behind '#', so
// that a view can be sent to somebody and the back button works; what is drawn follows from it.

const DEFAULTS = {
	zoom: [], search: '', exact: false, reverse: Boolean(view.reverse), inverted: Boolean(view.inverted),
	sort: 'name', fold: false, hidden: new Set(), colors: view.palette === 'kind' ? 'kind' : 'given', theme: '',
	cut: view.cut,
};
const SORTS = {name: 'by name', width: 'by width'};
const COLOR_NAMES = {kind: 'by kind', module: 'by module', hot: 'hot', given: 'as given'};
const CUTS = ['auto', 'left', 'right'];
const HIDDEN_PAGE_MS = 300; // where nothing is painted
const LISTS = new Set(['zoom', 'hidden']);
const KEYS = [
	['click, Enter', 'zoom into a frame; a dimmed one goes back out'],
	['Escape', 'one step back: panel, search, zoom'],
	['0', 'show everything'],
	['/ or Ctrl-F', 'search (regular expression)'],
	['n, N', 'next and previous match'],
	['a', 'upper and lower case differ in the search, or not'],
	['arrows', 'walk over the frames'],
	['i', 'icicle: the root on top'],
	['r', 'callers: stacks from the leaf'],
	['s', 'sort by name or width'],
	['f', 'fold recursion'],
	['h, m', 'hide the frame, or all of its module'],
	['u', 'show hidden frames again'],
	['c', 'colours: by kind, by module, hot'],
	['l', 'which end of long names is cut'],
	['d', 'dark or light'],
	['?', 'this list'],
];

function html(name, attributes = {}, ...children) {
	const element = document.createElementNS(HTML, name);
	for (const key in attributes) {
		if (key.startsWith('on'))
			element.addEventListener(key.slice(2), attributes[key]);
		else if (attributes[key] !== null)
			element.setAttribute(key, attributes[key]);
	}
	element.append(...children);
	return element;
}

function overlay(id, className, ...children) {
	const holder = svgElement('foreignObject', {id, x: 0, y: 0, width: 1, height: 1}, root);
	const box = html('div', {class: 'html ' + className}, ...children);
	holder.appendChild(box);
	return {holder, box};
}

// The state as text behind '#', without what is as it was at first.
function writeState(state) {
	const parts = new URLSearchParams();
	for (const key in DEFAULTS) {
		const value = key === 'hidden' ? [...state.hidden].map(escapeWord).join(';') : key === 'zoom' ? state.zoom.join(';') : state[key];
		const usual = LISTS.has(key) ? '' : DEFAULTS[key];
		if (value !== usual)
			parts.set(key, typeof value === 'boolean' ? (value ? '1' : '0') : value);
	}
	return parts.toString();
}

function readState(text) {
	const parts = new URLSearchParams(text);
	const state = {...DEFAULTS, zoom: [], hidden: new Set()};
	for (const [key, value] of parts) {
		if (!(key in DEFAULTS))
			continue;
		if (key === 'zoom')
			state.zoom = value ? value.split(';') : [];
		else if (key === 'hidden')
			state.hidden = new Set(value ? value.split(';').map(unescapeWord) : []);
		else if (typeof DEFAULTS[key] === 'boolean')
			state[key] = value === '1';
		else
			state[key] = value;
	}
	if (!(state.colors in COLOR_NAMES) || (state.colors === 'given' && !view.colors))
		state.colors = DEFAULTS.colors;
	if (!(state.sort in SORTS))
		state.sort = 'name';
	return state;
}

class Controls {
	constructor(model) {
		this.model = model;
		this.drawn = model ? null : readDrawn();
		this.makeBar();
		this.details = overlay('details', 'details');
		this.details.box.setAttribute('role', 'status');
		this.details.box.setAttribute('aria-live', 'polite');
		this.picture = new Picture(root);
		this.tip = overlay('tip', 'tip');
		this.tip.holder.style.pointerEvents = 'none';
		this.tip.holder.setAttribute('visibility', 'hidden');
		this.makeFoot();
		for (const element of root.querySelectorAll('.title, .subtitle, #frames, #legend, #footer'))
			element.remove();
		root.setAttribute('role', 'application');
		this.current = 0;
		this.matches = [];
		this.listen();
		this.restore();
	}

	// The legend and the footer again, so that they fit any width.
	makeFoot() {
		const entries = [...root.querySelectorAll('#legend rect')].map(rect => {
			const mark = svgElement('svg', {width: 12, height: 12, 'aria-hidden': 'true'});
			const box = rect.cloneNode();
			box.setAttribute('x', 1);
			box.setAttribute('y', 1);
			mark.appendChild(box);
			return html('span', {}, mark, rect.nextElementSibling.textContent);
		});
		this.foot = overlay('foot', 'foot', html('p', {class: 'note'}, ...entries), html('p', {}, root.querySelector('#footer').textContent));
	}

	makeBar() {
		const button = (label, title, action) => html('button', {type: 'button', title, onclick: action}, label);
		this.buttons = {
			reset: button('Reset zoom', 'Show everything (0)', () => this.change({zoom: []})),
			inverted: button('Icicle', 'The root on top (i)', () => this.toggle('inverted')),
			reverse: button('Callers', 'Stacks from the leaf (r)', () => this.toggle('reverse')),
			fold: button('Fold', 'Fold recursion (f)', () => this.toggle('fold')),
			unhide: button('Unhide', 'Show hidden frames again (u)', () => this.change({hidden: new Set()})),
			theme: button('◐', 'Dark or light (d)', () => this.nextTheme()),
			help: button('?', 'Keys (?)', () => this.showHelp()),
		};
		const choice = (names, label, key) => html('select', {'aria-label': label, title: label, onchange: event => this.change({[key]: event.target.value})},
			...Object.keys(names).map(name => html('option', {value: name}, names[name])));
		this.sort = choice(SORTS, 'Order of frames (s)', 'sort');
		const colors = {...COLOR_NAMES};
		if (!view.colors)
			delete colors.given;
		this.colors = choice(colors, 'Colours (c)', 'colors');
		this.field = html('input', {type: 'search', placeholder: 'search  /', 'aria-label': 'Search, a regular expression', spellcheck: 'false',
			oninput: () => this.change({search: this.field.value}, false)});
		this.exact = button('Aa', 'Upper and lower case differ (a)', () => this.toggle('exact'));
		this.previous = button('‹', 'Previous match (N)', () => this.step(-1));
		this.next = button('›', 'Next match (n)', () => this.step(1));
		this.found = html('output', {'aria-live': 'polite'});
		const title = html('h1', {}, root.querySelector('.title').textContent);
		const subtitle = root.querySelector('.subtitle');
		if (subtitle)
			title.append(html('small', {}, subtitle.textContent));
		const {reset, inverted, reverse, fold, unhide, theme, help} = this.buttons;
		this.bar = overlay('bar', 'bar', title, reset, unhide, this.field, this.exact, this.previous, this.next, this.found,
			inverted, ...(this.model ? [reverse, ...(view.order ? [] : [this.sort]), fold] : []), ...(view.isDifference ? [] : [this.colors]), theme, help);
		this.bar.box.setAttribute('role', 'toolbar');
	}

	listen() {
		window.addEventListener('hashchange', () => this.restore());
		new ResizeObserver(() => this.resize()).observe(root);
		root.addEventListener('mousemove', event => this.onMove(event));
		root.addEventListener('mouseleave', () => this.point(null));
		root.addEventListener('click', event => this.onClick(event));
		document.addEventListener('keydown', event => this.onKey(event));
	}

	// Change the state. A step that the back button undoes, unless told otherwise.
	change(changes, isStep = true) {
		const text = writeState({...this.state, ...changes});
		if (isStep)
			location.hash = text;
		else
			history.replaceState(null, '', '#' + text);
		this.restore();
	}

	toggle(key) {
		this.change({[key]: !this.state[key]});
	}

	restore() {
		const text = location.hash.slice(1);
		if (this.state && text === this.text)
			return;
		const before = this.state;
		this.text = text;
		this.state = readState(text);
		const shape = state => [state.reverse, state.sort, state.fold, ...state.hidden].join('\0');
		if (!before || shape(before) !== shape(this.state)) {
			this.tree = this.model ? buildTree(this.model, this.state) : this.drawn;
			this.details.text = new Details(this.tree, this.model);
			this.search(null);
		}
		this.zoom = this.tree.find(this.state.zoom);
		this.applyTheme();
		this.search(this.state.search);
		this.showState();
		this.render();
	}

	showState() {
		for (const key of ['inverted', 'reverse', 'fold'])
			this.buttons[key].setAttribute('aria-pressed', String(this.state[key]));
		this.exact.setAttribute('aria-pressed', String(this.state.exact));
		this.buttons.reset.disabled = !this.zoom;
		this.buttons.unhide.style.display = this.state.hidden.size ? '' : 'none';
		this.sort.value = this.state.sort;
		this.colors.value = this.state.colors;
		if (this.field.value !== this.state.search)
			this.field.value = this.state.search;
	}

	applyTheme() {
		root.classList.toggle('dark', this.state.theme === 'dark');
		root.classList.toggle('light', this.state.theme === 'light');
	}

	nextTheme() {
		const isDark = root.classList.contains('dark') || (!root.classList.contains('light') && matchMedia('(prefers-color-scheme:dark)').matches);
		this.change({theme: isDark ? 'light' : 'dark'});
	}

	resize() {
		const width = view.width || root.clientWidth || root.getBoundingClientRect().width;
		if (width && Math.abs(width - (this.width ?? 0)) >= 1)
			this.render();
	}

	// Lay everything out for the width at hand.
	render() {
		const width = Math.max(200, view.width || root.clientWidth || root.getBoundingClientRect().width || 1200);
		this.width = width;
		root.removeAttribute('viewBox');
		this.bar.holder.setAttribute('width', width);
		this.bar.holder.setAttribute('height', 400);
		const top = this.bar.box.offsetHeight || 40;
		this.bar.holder.setAttribute('height', top);
		const geometry = {side: view.side, width: width - 2 * view.side, top: top + 2, frameHeight: view.frameHeight, inverted: this.state.inverted};
		const rows = this.picture.lay(this.tree, this.zoom, geometry.width);
		geometry.levels = Math.max(rows.length, this.zoom ? this.levels ?? 0 : 0);
		this.levels = geometry.levels;
		this.picture.draw(this.tree, {
			zoom: this.zoom, colors: this.state.colors, cut: this.state.cut,
			isMatch: node => node > 0 && this.matching !== null && this.matching[this.tree.frame[node]] === 1,
			changeColor: node => changeColor(this.tree, node, this.model),
		}, geometry, rows);
		this.placeFoot(geometry);
		this.countMatches();
		this.focusOn(this.boxFor(this.current), false);
	}

	placeFoot(geometry) {
		const bottom = geometry.top + geometry.levels * geometry.frameHeight + 4;
		this.details.holder.setAttribute('y', bottom);
		this.details.holder.setAttribute('width', this.width);
		this.details.holder.setAttribute('height', 22);
		const holder = this.foot.holder;
		holder.setAttribute('y', bottom + 22);
		holder.setAttribute('width', this.width);
		holder.setAttribute('height', 600);
		const height = this.foot.box.offsetHeight;
		holder.setAttribute('height', height);
		root.setAttribute('height', Math.ceil(bottom + 22 + height + 6));
		if (view.width)
			root.setAttribute('width', view.width);
	}

	// A node that can be seen: the nearest drawn one on the way to the root.
	boxFor(node) {
		while (node > 0 && !this.picture.boxOf(node))
			node = this.tree.parent[node];
		return node;
	}

	// Find the frames that match; null forgets the search.
	search(text) {
		this.matching = null;
		this.field.classList.remove('wrong');
		if (!text)
			return;
		try {
			const pattern = new RegExp(text, this.state.exact ? 'u' : 'iu');
			this.matching = Uint8Array.from(this.tree.frames, frame => pattern.test(frame.name) ? 1 : 0);
		} catch {
			this.field.classList.add('wrong');
		}
	}

	// Matches on the screen, and the share of what is zoomed to that lies in or above them.
	countMatches() {
		this.matches = [];
		if (this.matching === null) {
			this.found.textContent = this.state.search ? 'not an expression' : '';
			this.showButtons();
			return;
		}
		const tree = this.tree, covered = new Set();
		let width = 0;
		for (const row of this.picture.rows) {
			for (const box of row ?? []) {
				if (box.isAbove)
					continue;
				const isMatch = box.node > 0 && this.matching[tree.frame[box.node]] === 1;
				const isCovered = covered.has(tree.parent[box.node]);
				if (isMatch)
					this.matches.push(box.node);
				if (isMatch && !isCovered)
					width += tree.width[box.node];
				if (isMatch || isCovered)
					covered.add(box.node);
			}
		}
		this.share = tree.width[this.zoom] > 0 ? width / tree.width[this.zoom] : 0;
		this.showButtons();
	}

	showButtons() {
		const at = this.matches.indexOf(this.current);
		this.previous.disabled = this.next.disabled = !this.matches.length;
		if (this.matching !== null)
			this.found.textContent = this.matches.length ? `${at < 0 ? '' : at + 1 + ' of '}${this.matches.length} · ${(100 * this.share).toFixed(1)} %` : 'no match';
	}

	step(direction) {
		if (!this.matches.length)
			return;
		const at = this.matches.indexOf(this.current);
		const next = at < 0 ? (direction > 0 ? 0 : this.matches.length - 1) : (at + direction + this.matches.length) % this.matches.length;
		this.focusOn(this.matches[next], true);
		this.showButtons();
	}

	// Make node the one that keys act on.
	focusOn(node, isAsked) {
		this.current = node;
		const focus = this.picture.focus;
		if (!isAsked && !this.isWalking) {
			focus.setAttribute('visibility', 'hidden');
			return;
		}
		this.isWalking = true;
		this.picture.outline(focus, node);
		focus.setAttribute('aria-label', this.details.text.sentence(node));
		focus.setAttribute('aria-level', this.tree.depth[node] + 1);
		this.details.box.textContent = this.details.text.sentence(node);
		if (isAsked) {
			if (document.activeElement !== this.field)
				focus.focus({preventScroll: true});
			focus.scrollIntoView({block: 'nearest'});
		}
	}

	zoomTo(node) {
		this.current = node;
		this.change({zoom: this.tree.words(node)});
	}

	// Where the pointer is, in the picture's own coordinates.
	place(event) {
		const matrix = root.getScreenCTM();
		return matrix ? new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse()) : {x: event.offsetX, y: event.offsetY};
	}

	onMove(event) {
		const isOnFrames = !event.target.closest('foreignObject');
		const {x, y} = this.place(event);
		this.point(isOnFrames ? this.picture.at(x, y) : null, x, y);
	}

	point(box, x, y) {
		this.picture.outline(this.picture.hover, box ? box.node : null);
		this.picture.group.style.cursor = box ? 'pointer' : '';
		this.tip.holder.setAttribute('visibility', box ? 'visible' : 'hidden');
		if (!box)
			return;
		if (this.pointed !== box.node) {
			this.pointed = box.node;
			const text = this.details.text;
			this.details.box.textContent = `${view.nameType} ${text.sentence(box.node)}`;
			this.tip.box.replaceChildren(html('b', {}, this.tree.name(box.node)), html('i', {}, text.place(box.node)),
				html('table', {}, ...text.rows(box.node).map(row => html('tr', {}, ...row.map(part => html('td', {}, part))))));
		}
		this.placeTip(x, y);
	}

	placeTip(x, y) {
		const holder = this.tip.holder, box = this.tip.box;
		holder.setAttribute('width', Math.min(460, this.width));
		holder.setAttribute('height', 600);
		const width = box.offsetWidth + 12, height = box.offsetHeight + 12;
		const whole = Number(root.getAttribute('height'));
		holder.setAttribute('width', width);
		holder.setAttribute('height', height);
		holder.setAttribute('x', Math.max(2, x + 14 + width > this.width ? x - width - 4 : x + 14));
		holder.setAttribute('y', Math.max(2, y + 16 + height > whole ? y - height - 4 : y + 16));
	}

	onClick(event) {
		if (event.target.closest('foreignObject'))
			return;
		const {x, y} = this.place(event);
		const box = this.picture.at(x, y);
		if (!box)
			return;
		// A frame that was given a link follows it; with Ctrl it is zoomed to.
		const link = view.attributes?.[this.tree.name(box.node)];
		if (link?.href && !event.ctrlKey && !event.metaKey) {
			window.open(link.href, link.target || '_top', 'noopener');
			return;
		}
		this.isWalking = false;
		this.zoomTo(box.node);
	}

	hide(prefix) {
		const node = this.isWalking ? this.current : this.pointed ?? 0;
		const frame = this.tree.frames[this.tree.frame[node]];
		const name = prefix === 'module:' ? frame?.module : frame?.name;
		if (node && name && this.model)
			this.change({hidden: new Set([...this.state.hidden, prefix + name])});
	}

	nextColors() {
		const names = [...this.colors.options].map(option => option.value);
		this.change({colors: names[(names.indexOf(this.state.colors) + 1) % names.length]});
	}

	back() {
		if (this.help)
			this.showHelp();
		else if (this.state.search)
			this.change({search: ''});
		else if (this.zoom)
			this.zoomTo(this.tree.parent[this.zoom]);
	}

	// One step from the current frame: up and down the picture, or to a neighbour.
	walk(dx, dy) {
		const tree = this.tree, from = this.boxFor(this.current);
		if (!this.isWalking) {
			this.focusOn(from || this.zoom, true);
			return;
		}
		const away = this.state.inverted ? dy > 0 : dy < 0;
		if (dy) {
			const children = away ? (this.picture.rows[tree.depth[from] + 1] ?? []).filter(box => tree.parent[box.node] === from || box.isAbove) : [];
			const widest = children.reduce((best, box) => !best || box.width > best.width ? box : best, null);
			const next = away ? widest?.node : tree.parent[from];
			if (next !== undefined && next >= 0)
				this.focusOn(next, true);
			return;
		}
		const row = this.picture.rows[tree.depth[from]] ?? [];
		const next = row[row.findIndex(box => box.node === from) + dx];
		if (next)
			this.focusOn(next.node, true);
	}

	showHelp() {
		if (this.help) {
			this.help.holder.remove();
			this.help = null;
			this.buttons.help.focus();
			return;
		}
		const close = html('button', {type: 'button', onclick: () => this.showHelp()}, 'Close');
		this.help = overlay('help', 'panel', html('h2', {id: 'help-title'}, 'Keys'),
			html('dl', {}, ...KEYS.flatMap(([keys, what]) => [html('dt', {}, keys), html('dd', {}, what)])), close);
		this.help.box.setAttribute('role', 'dialog');
		this.help.box.setAttribute('aria-labelledby', 'help-title');
		const width = Math.min(580, this.width - 20);
		this.help.holder.setAttribute('x', (this.width - width) / 2);
		this.help.holder.setAttribute('y', this.bar.box.offsetHeight + 8);
		this.help.holder.setAttribute('width', width);
		this.help.holder.setAttribute('height', 1000);
		this.help.holder.setAttribute('height', this.help.box.offsetHeight + 24);
		close.focus();
	}

	onKey(event) {
		const isFind = (event.key === 'f' && (event.ctrlKey || event.metaKey)) || event.key === 'F3';
		if (isFind || (event.key === '/' && document.activeElement !== this.field)) {
			event.preventDefault();
			this.field.focus();
			this.field.select();
			return;
		}
		if (document.activeElement === this.field) {
			this.onFieldKey(event);
			return;
		}
		if (event.ctrlKey || event.metaKey || event.altKey || document.activeElement instanceof HTMLSelectElement)
			return;
		const action = this.actions()[event.key];
		if (!action || (event.key === 'Enter' && document.activeElement?.localName === 'button'))
			return;
		event.preventDefault();
		action();
	}

	onFieldKey(event) {
		if (event.key === 'Enter')
			this.step(event.shiftKey ? -1 : 1);
		else if (event.key === 'Escape') {
			this.field.blur();
			if (this.state.search)
				this.change({search: ''});
		} else
			return;
		event.preventDefault();
	}

	actions() {
		return {
			'?': () => this.showHelp(), Escape: () => this.back(), 0: () => this.change({zoom: []}),
			n: () => this.step(1), N: () => this.step(-1), a: () => this.toggle('exact'),
			i: () => this.toggle('inverted'), r: () => this.model && this.toggle('reverse'),
			s: () => this.model && !view.order && this.change({sort: this.state.sort === 'name' ? 'width' : 'name'}),
			f: () => this.model && this.toggle('fold'), h: () => this.hide('frame:'), m: () => this.hide('module:'),
			u: () => this.change({hidden: new Set()}), c: () => this.nextColors(), d: () => this.nextTheme(),
			l: () => this.change({cut: CUTS[(CUTS.indexOf(this.state.cut) + 1) % CUTS.length]}),
			Enter: () => this.isWalking && this.zoomTo(this.current),
			ArrowUp: () => this.walk(0, -1), ArrowDown: () => this.walk(0, 1),
			ArrowLeft: () => this.walk(-1, 0), ArrowRight: () => this.walk(1, 0),
		};
	}
}

// What is in the file shows first: reading the profile takes longer than drawing what is drawn already.
new Promise(resolve => {
	requestAnimationFrame(() => setTimeout(resolve));
	setTimeout(resolve, HIDDEN_PAGE_MS);
}).then(readModel).catch(() => null).then(model => { new Controls(model); });
