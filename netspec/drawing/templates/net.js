"use strict";
// data.levels: each block with its inner blocks folded, by its path. A level has rows (upper and lower y by rank),
// pieces (a box at x, y, or a block without svg, which is always open), and lines [source, target, blob, points]
// between pieces; null is the way in or out. To open a block, its level is put where its box was: rows grow, and what
// stands beside it moves aside. Ranks, orders and lines stay, so that nothing new can cross or overlap.
const data = JSON.parse(document.getElementById("data").textContent);
const levels = data.levels, layers = data.layers;
const stage = document.getElementById("stage"), net = document.getElementById("net"), side = document.getElementById("side");
const opened = new Set();
const BESIDE = 18, LINE = 10, SIDE = 10, TITLE = 18, ARROW = 5, TURN = 6;
let drawn = null, chosen = null, query = "", hits = [], hit = -1;

// --- places

function isOpen(piece) {
  return piece.block !== "" && (!piece.svg || opened.has(piece.block));
}

function laid(path) {
  const level = levels[path];
  const inner = level.pieces.map(piece => isOpen(piece) ? laid(piece.block) : null);
  // [anchor, room to the left, room to the right] of each piece: its anchor keeps its place among lines and pieces
  const extents = level.pieces.map((piece, n) => {
    const within = inner[n];
    if (!within) return [piece.x + piece.w / 2, piece.w / 2, piece.w / 2];
    const into = level.lines.find(line => line[1] === n);
    const out = level.lines.find(line => line[0] === n);
    if (into) return [into[3][into[3].length - 1][0], within.ins[into[2]], within.w - within.ins[into[2]]];
    if (out) return [out[3][0][0], within.outs[out[2]], within.w - within.outs[out[2]]];
    return [piece.x + piece.w / 2, within.w / 2, within.w / 2];
  });
  const moved = spread(needs(level, extents));
  const corners = level.pieces.map((piece, n) => moved(extents[n][0]) - extents[n][1]);
  const port = (ways, n, blob, x) =>
    inner[n] ? corners[n] + (inner[n][ways][blob] ?? inner[n].w / 2) : moved(extents[n][0]) + x - extents[n][0];
  const widths = level.pieces.map((piece, n) => inner[n] ? inner[n].w : piece.w);
  const lines = level.lines.map(([source, target, blob, points]) => {
    const [from, to] = ranks(level, source, target);
    const [start, end] = [points[0], points[points.length - 1]];
    const xs = [source === null ? moved(start[0]) : port("outs", source, blob, start[0])];
    for (let rank = from + 1; rank < to; rank++) xs.push(moved(passing(points, middle(level.rows[rank]))));
    xs.push(target === null ? moved(end[0]) : port("ins", target, blob, end[0]));
    return {source, target, blob, from, to, start, xs};
  });
  const rows = rowsOf(level, inner, lines);
  for (const line of lines) line.way = wayOf(level, inner, rows, line);
  return framed(path, level, {corners, widths, inner, lines, rows, moved, ways: {ins: mapped(level.ins, moved), outs: mapped(level.outs, moved)}});
}

function mapped(ports, moved) {
  return Object.fromEntries(Object.entries(ports).map(([blob, x]) => [blob, moved(x)]));
}

// The rows that a line leads from and to: ways in and out have the first and the last row.
function ranks(level, source, target) {
  return [source === null ? 0 : level.pieces[source].rank, target === null ? level.rows.length - 1 : level.pieces[target].rank];
}

function middle([top, bottom]) {
  return (top + bottom) / 2;
}

// The points of a line: down from its piece past the row, straight past every row between, across in the gaps.
function wayOf(level, inner, rows, {source, from, to, start, xs}) {
  const high = source !== null && inner[source] ? inner[source].h : start[1] - level.rows[from][0];
  const way = [[xs[0], rows[from][0] + high], [xs[0], rows[from][1]]];
  for (let rank = from + 1; rank < to; rank++) way.push([xs[rank - from], rows[rank][0]], [xs[rank - from], rows[rank][1]]);
  way.push([xs[xs.length - 1], rows[to][0]]);
  return way.filter((point, n) => n === 0 || Math.abs(point[0] - way[n - 1][0]) > .05 || Math.abs(point[1] - way[n - 1][1]) > .05);
}

// What each row needs between its neighbours: [from x, to x, how much more room between them].
function needs(level, extents) {
  const found = [];
  level.rows.forEach((row, rank) => {
    const here = [];
    level.pieces.forEach((piece, n) => { if (piece.rank === rank) here.push([...extents[n], BESIDE]); });
    for (const [source, target, , points] of level.lines) {
      const [from, to] = ranks(level, source, target);
      if (from < rank && rank < to) here.push([passing(points, middle(row)), 1, 1, LINE]);
    }
    here.sort((a, b) => a[0] - b[0]);
    for (let n = 1; n < here.length; n++) {
      const [a, b] = [here[n - 1], here[n]];
      const more = a[2] + b[1] + Math.min(a[3], b[3]) - (b[0] - a[0]);
      if (more > .5 && b[0] - a[0] > .5) found.push([a[0], b[0], more]);
    }
  });
  return found;
}

function passing(points, y) {
  for (let n = 1; n < points.length; n++) if (points[n][1] >= y) return points[n][0] === points[n - 1][0] ? points[n][0] : (points[n][0] + points[n - 1][0]) / 2;
  return points[points.length - 1][0];
}

// The least that all x move to the right so that every need is met; order and straight lines stay.
function spread(found) {
  const steps = [];
  found.sort((a, b) => a[1] - b[1]);
  for (const [from, to, more] of found) {
    const there = steps.reduce((sum, [x, by]) => sum + (from < x && x <= to ? by : 0), 0);
    if (there < more) steps.push([to, more - there]);
  }
  return x => steps.reduce((sum, [at, by]) => sum + (at <= x + .01 ? by : 0), x);
}

function rowsOf(level, inner, lines) {
  const high = level.rows.map(([top, bottom]) => bottom - top);
  level.pieces.forEach((piece, n) => {
    if (inner[n]) high[piece.rank] = Math.max(high[piece.rank], inner[n].h);
  });
  const rows = [];
  let y = level.rows.length ? level.rows[0][0] : 0;
  level.rows.forEach(([, bottom], rank) => {
    rows.push([y, y + high[rank]]);
    const next = level.rows[rank + 1];
    if (next) y += high[rank] + gap(lines, rank, next[0] - bottom);
  });
  return rows;
}

// The space below a row: more where lines run far to the side.
function gap(lines, rank, usual) {
  let far = 0;
  for (const {from, to, xs} of lines) if (from <= rank && rank < to) far = Math.max(far, Math.abs(xs[rank - from + 1] - xs[rank - from]));
  return far > 1 ? Math.max(usual, Math.min(70, 26 + far * .1)) : usual;
}

// The level with its frame: its size, and everything moved so that what stood at the left still has its margin.
function framed(path, level, made) {
  const lefts = [], rights = [];
  let least = Infinity, most = -Infinity;
  level.pieces.forEach((piece, n) => {
    lefts.push(piece.x); rights.push(piece.x + piece.w);
    least = Math.min(least, made.corners[n]); most = Math.max(most, made.corners[n] + made.widths[n]);
  });
  for (const [, , , points] of level.lines) for (const [x] of points) { lefts.push(x); rights.push(x); }
  for (const {way} of made.lines) for (const [x] of way) { least = Math.min(least, x); most = Math.max(most, x); }
  const margin = path === "" ? 0 : SIDE;
  let shift = margin - least, wide = most - least + 2 * margin, titleX = 6;
  const ins = Object.values(made.ways.ins).map(x => x + shift);
  const first = Math.min(...ins, wide), final = Math.max(...ins, 0);
  if (path !== "" && level.wide > first) {
    if (ins.length && level.wide <= wide - final - 6) titleX = final + 6;
    else { const more = level.wide - first; shift += more; wide += more; }
  }
  const ground = level.rows.length ? level.h - level.rows[level.rows.length - 1][1] : 0;
  const h = (made.rows.length ? made.rows[made.rows.length - 1][1] : 0) + ground;
  const by = ports => Object.fromEntries(Object.entries(ports).map(([blob, x]) => [blob, x + shift]));
  return {path, level, titleX, w: Math.max(wide, path === "" ? 0 : level.wide), h, inner: made.inner, rows: made.rows,
    corners: made.corners.map(x => x + shift), ins: by(made.ways.ins), outs: by(made.ways.outs),
    lines: made.lines.map(line => ({...line, way: line.way.map(([x, y]) => [x + shift, y])}))};
}

// --- drawing

const short = number => String(Math.round(number * 10) / 10);
const safe = text => text.replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);

function put(made, x, y, parts) {
  const {level, path} = made;
  if (path !== "") parts.frames.push(`<g class="title" data-close="${safe(path)}" tabindex="0" role="button" aria-expanded="true" transform="translate(${short(x)} ${short(y)})"><title>${safe(path)}: click to close</title>`
    + `<rect class="ns-frame" width="${short(made.w)}" height="${short(made.h)}" rx="7"/><text class="ns-heading" x="${short(made.titleX)}" y="14">\u2212 ${safe(level.title)}</text></g>`);
  for (const line of made.lines) {
    const way = line.way.map(([a, b]) => [a + x, b + y]);
    if (line.source === null && path !== "") way.unshift([way[0][0], y]);
    if (line.target === null && path !== "") way.push([way[way.length - 1][0], y + made.h]);
    const source = line.source === null || made.inner[line.source] ? null : level.pieces[line.source];
    const tag = source && source.tags.find(one => one[1] === line.blob);
    const ends = line.target !== null && !made.inner[line.target];
    const top = source && y + made.rows[source.rank][0];
    parts.lines.push(`<path class="ns-line" d="${curve(way, tag && [top + tag[3], top + tag[3] + tag[4]], ends)}"/>`);
    if (ends) parts.heads.add(way[way.length - 1].map(short).join(" "));
  }
  level.pieces.forEach((piece, n) => {
    const left = x + made.corners[n], top = y + made.rows[piece.rank][0];
    if (made.inner[n]) return put(made.inner[n], left, top, parts);
    for (const [text, , middle, at, high] of piece.tags) parts.tags.push(`<text class="ns-tag" x="${short(left + middle)}" y="${short(top + at + high - 4)}">${safe(text)}</text>`);
    const name = piece.block || layers[piece.layers[0]].name;
    const more = piece.block ? ' aria-expanded="false"' : "";
    parts.boxes.push(`<g class="piece" data-level="${safe(path)}" data-piece="${n}" tabindex="0" role="button" aria-label="${safe(name)}"${more} transform="translate(${short(left)} ${short(top)})">${piece.svg}</g>`);
  });
}

function curve(points, tag, ends) {
  const way = points.map(point => [...point]).filter((point, n, all) => n === 0 || Math.abs(point[0] - all[n - 1][0]) > .01 || Math.abs(point[1] - all[n - 1][1]) > .01);
  let words = `M${short(way[0][0])} ${short(way[0][1])}`;
  if (tag) {
    words += `V${short(tag[0])}M${short(way[0][0])} ${short(tag[1])}`;
    way[0][1] = tag[1];
  }
  if (ends) way[way.length - 1][1] -= ARROW;
  for (let n = 1; n < way.length; n++) {
    const [[x0, y0], [x, y]] = [way[n - 1], way[n]];
    const middle = short((y0 + y) / 2);
    words += Math.abs(x - x0) > .01 ? `C${short(x0)} ${middle} ${short(x)} ${middle} ${short(x)} ${short(y)}` : `V${short(y)}`;
  }
  return words;
}

function draw() {
  const parts = {frames: [], lines: [], heads: new Set(), tags: [], boxes: []};
  drawn = laid("");
  put(drawn, 0, 0, parts);
  const heads = [...parts.heads].map(at => `<path class="ns-head" d="M${at}l-3.5 -6h7z"/>`);
  net.innerHTML = [...parts.frames, ...parts.lines, ...heads, ...parts.tags, ...parts.boxes].join("");
  marked();
}

// --- view

let view = {x: 0, y: 0, scale: 1}, printing = false;

function show() {
  if (printing) return;
  net.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
}

function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const scale = Math.min(6, Math.max(.04, view.scale * factor)), by = scale / view.scale;
  view = {x: x - (x - view.x) * by, y: y - (y - view.y) * by, scale};
  show();
}

// The whole net where it can be read so, else its upper end as wide as the window.
function fit(readable) {
  const room = 20, wide = stage.clientWidth - 2 * room, high = stage.clientHeight - 2 * room;
  let scale = Math.min(wide / drawn.w, high / drawn.h, 1.4);
  if (readable) scale = Math.max(scale, Math.min(1, wide / drawn.w), .5);
  view = {scale, x: Math.max(room, (stage.clientWidth - drawn.w * scale) / 2), y: scale * drawn.h <= high ? (stage.clientHeight - drawn.h * scale) / 2 : room};
  show();
}

// Open or close a block; where it was clicked, its upper edge stays where it is on the screen.
function toggle(path, element) {
  const before = element.getBoundingClientRect();
  opened.has(path) ? opened.delete(path) : opened.add(path);
  draw();
  const now = of(path);
  if (!now) return;
  const after = now.getBoundingClientRect();
  view.x += before.left + before.width / 2 - after.left - after.width / 2;
  view.y += before.top - after.top;
  show();
  now.focus({preventScroll: true});
}

// The element of a block: its frame where it is open, else its box.
function of(path) {
  return [...net.querySelectorAll(".title")].find(one => one.dataset.close === path)
    || [...net.querySelectorAll(".piece")].find(one => pieceOf(one).block === path);
}

function pieceOf(element) {
  return levels[element.dataset.level].pieces[+element.dataset.piece];
}

function centre(element) {
  const box = element.getBoundingClientRect(), room = stage.getBoundingClientRect();
  if (view.scale < .6) { zoom(.9 / view.scale); return centre(element); }
  view.x += room.left + room.width / 2 - box.left - box.width / 2;
  view.y += room.top + room.height / 2 - box.top - box.height / 2;
  show();
}

// --- the chosen layer

function choose(piece) {
  chosen = piece.block ? null : piece.layers;
  side.replaceChildren();
  if (chosen) {
    const close = made("button", "\u00d7");
    close.setAttribute("aria-label", "Close");
    close.onclick = () => { choose({block: "none"}); stage.focus(); };
    side.append(close, ...chosen.map(about));
  }
  const was = stage.clientWidth;
  side.hidden = !chosen;
  if (!chosen) marked(); else { view.x += (stage.clientWidth - was) / 2; show(); marked(); }
}

function made(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function about(number) {
  const layer = layers[number], section = document.createElement("section");
  section.append(made("h2", layer.name), made("p", layer.type), list(layer.rows));
  if (layer.fields.length) section.append(made("h3", "fields that are not left out"), list(layer.fields));
  return section;
}

function list(rows) {
  const all = document.createElement("dl");
  for (const [word, said] of rows) all.append(made("dt", word), made("dd", said));
  return all;
}

// --- search

const parents = new Map();  // for each layer the level and number of its box
for (const [path, level] of Object.entries(levels)) level.pieces.forEach(piece => {
  if (!piece.block) for (const layer of piece.layers) if (!parents.has(layer)) parents.set(layer, path);
});

function within(path) {  // the layers of a block at any depth
  return levels[path].pieces.flatMap(piece => piece.block ? within(piece.block) : piece.layers);
}

function marked() {
  const wanted = new Set(hits);
  let focus = null;
  for (const element of net.querySelectorAll(".piece")) {
    const piece = pieceOf(element);
    const mine = query ? (piece.block ? within(piece.block) : piece.layers).filter(layer => wanted.has(layer)) : [];
    element.classList.toggle("found", mine.length > 0);
    element.classList.toggle("chosen", !!chosen && !piece.block && piece.layers.some(layer => chosen.includes(layer)));
    if (hit >= 0 && !piece.block && piece.layers.includes(hits[hit])) focus = element;
    if (piece.block && mine.length) {
      const [x, y, w] = piece.box;
      element.insertAdjacentHTML("beforeend", `<text class="ns-count" x="${x + w / 2}" y="${y - 4}">${new Set(mine).size} found</text>`);
    }
  }
  return focus;
}

function search(text) {
  query = text.trim().toLowerCase();
  hits = query ? layers.flatMap((layer, n) => parents.has(n) && (layer.name.toLowerCase().includes(query) || layer.type.toLowerCase().includes(query)) ? [n] : []) : [];
  hit = -1;
  draw();
  said();
}

function said() {
  const found = document.getElementById("found");
  found.textContent = !query ? "" : !hits.length ? "not found" : hit < 0 ? `${hits.length} found` : `${hit + 1} of ${hits.length}`;
}

// The next layer that was found: its blocks are opened, and it comes to the middle.
function next(by) {
  if (!hits.length) return;
  hit = hit < 0 ? (by > 0 ? 0 : hits.length - 1) : (hit + by + hits.length) % hits.length;
  reveal(hits[hit]);
  said();
}

function reveal(layer) {
  for (const path of above(parents.get(layer))) opened.add(path);
  draw();
  const element = marked();
  if (!element) return;
  choose(pieceOf(element));
  centre(element);
}

function above(path) {  // a block and all that hold it
  const found = [];
  for (const other of Object.keys(levels)) if (other !== "" && (path === other || path.startsWith(other + "/"))) found.push(other);
  return found;
}

// --- what a reader does

stage.addEventListener("wheel", event => {
  event.preventDefault();
  const room = stage.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? .05 : .0015)), event.clientX - room.left, event.clientY - room.top);
}, {passive: false});

let drag = null;
const fingers = new Map();
stage.addEventListener("pointerdown", event => {
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  drag = {x: event.clientX, y: event.clientY, far: 0};
});
stage.addEventListener("pointermove", event => {
  const last = fingers.get(event.pointerId);
  if (!last) return;
  if (fingers.size === 2) {
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const room = stage.getBoundingClientRect();
    const apart = (x, y) => Math.hypot(x - other[0], y - other[1]) || 1;
    zoom(apart(event.clientX, event.clientY) / apart(...last), other[0] - room.left, other[1] - room.top);
  } else {
    drag.far += Math.abs(event.clientX - last[0]) + Math.abs(event.clientY - last[1]);
    if (drag.far > 4) {
      if (!stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId);
      stage.classList.add("drags");
      view.x += event.clientX - last[0];
      view.y += event.clientY - last[1];
      show();
    }
  }
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
});
for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, event => {
  fingers.delete(event.pointerId);
  stage.classList.remove("drags");
});

function act(element) {
  const piece = element.closest(".piece"), title = element.closest(".title");
  if (piece) { const one = pieceOf(piece); one.block ? toggle(one.block, piece) : choose(one); }
  else if (title && opened.has(title.dataset.close)) toggle(title.dataset.close, title);
}

net.addEventListener("click", event => {
  const title = event.target.closest(".title");
  if (drag && drag.far > 4) return;
  if (title && !event.target.classList.contains("ns-heading")) return;  // the ground of a frame is for dragging
  act(event.target);
});
net.addEventListener("keydown", event => {
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); act(event.target); }
});

function all(open) {
  opened.clear();
  if (open) Object.keys(levels).forEach(path => path && opened.add(path));
  draw();
  fit(true);
}

const field = document.getElementById("search");
field.addEventListener("input", () => search(field.value));
field.addEventListener("keydown", event => {
  if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
  if (event.key === "Escape") { field.value = ""; search(""); stage.focus(); }
  event.stopPropagation();
});
const acts = {close: () => all(false), open: () => all(true), less: () => zoom(1 / 1.25), more: () => zoom(1.25), whole: () => fit(false)};
for (const [id, act] of Object.entries(acts)) document.getElementById(id).addEventListener("click", act);
const keys = {"[": acts.close, "]": acts.open, "-": acts.less, "+": acts.more, "=": acts.more, "0": acts.whole,
  "/": () => field.focus(), "n": () => next(1), "N": () => next(-1), "Escape": () => choose({block: "none"}),
  ArrowLeft: () => { view.x += 60; show(); }, ArrowRight: () => { view.x -= 60; show(); },
  ArrowUp: () => { view.y += 60; show(); }, ArrowDown: () => { view.y -= 60; show(); }};
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
addEventListener("resize", show);
addEventListener("beforeprint", () => {
  printing = true;
  net.removeAttribute("transform");
  stage.setAttribute("viewBox", `-2 -60 ${drawn.w + 4} ${drawn.h + 62}`);
  stage.setAttribute("width", drawn.w * .8);
  stage.classList.toggle("whole", drawn.h < 1800);  // legible on one page; a longer drawing is cut into pages
});
addEventListener("afterprint", () => { printing = false; stage.removeAttribute("viewBox"); stage.removeAttribute("width"); show(); });

function start() {
  for (const path of data.open) opened.add(path);
  draw();
  fit(true);
}
start();
