// Tooltips, tiles, sorting, the confusion matrix. User text is only ever set as text, never as HTML.
"use strict";

const report = JSON.parse(document.getElementById("report-data").textContent);
const images = report.images;
const tip = document.getElementById("tip");

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// 100 % only for exactly all.
function percent(fraction) {
  return `${(fraction > 0 && fraction < 1 ? Math.min(Math.max(100 * fraction, 0.1), 99.9) : 100 * fraction).toFixed(1)} %`;
}

function className(index) {
  return index === null ? "unknown" : report.names[index];
}

function makeTile(index) {
  const place = images.place[index];
  const tile = element("span", place ? `tile sheet-${place[0]}` : "tile gone");
  if (place) {
    tile.style.setProperty("--x", place[1]);
    tile.style.setProperty("--y", place[2]);
  }
  const label = `${className(images.truth[index])}, ${images.key[index]}`;
  tile.setAttribute("aria-label", place ? label : `no image: ${label}`);
  tile.title = images.key[index];
  tile.dataset.image = index;
  prepareTile(tile);
  return tile;
}

// A tile whose image is in the page data is a button; image.js opens it.
function prepareTile(tile) {
  const opens = tile.dataset.image !== undefined;
  tile.setAttribute("role", opens ? "button" : "img");
  if (opens) {
    tile.setAttribute("aria-haspopup", "dialog");
    tile.tabIndex = -1;
  }
}

function showTip(content, x, y) {
  tip.replaceChildren(content);
  tip.hidden = false;
  const width = tip.offsetWidth;
  const height = tip.offsetHeight;
  tip.style.left = `${x + 16 + width > innerWidth ? Math.max(4, x - width - 12) : x + 16}px`;
  tip.style.top = `${y + 16 + height > innerHeight ? Math.max(4, y - height - 12) : y + 16}px`;
}

function hideTip() {
  tip.hidden = true;
}

function pluralise(count, unit = report.unit) {
  return count === 1 ? `1 ${unit}` : `${count.toLocaleString("en")} ${unit}s`;
}

// A click on a number opens its definition

const definition = document.getElementById("definition");

function explain(name, at) {
  const term = document.getElementById(`term-${name}`);
  const all = element("a", "", "Glossary");
  all.href = "#glossary";
  all.addEventListener("click", () => definition.hidePopover());
  definition.replaceChildren(
    element("strong", "", term.querySelector("dt").firstChild.textContent.trim()),
    element("p", "", term.querySelector("dd").textContent),
    all,
  );
  const host = at.closest("dialog") ?? document.body; // what is outside an open dialog cannot be reached
  if (definition.parentElement !== host) host.append(definition);
  definition.showPopover();
  const { left, top, bottom } = at.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = definition;
  definition.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  definition.style.top = `${bottom + 6 + height > innerHeight ? Math.max(8, top - height - 6) : bottom + 6}px`;
  definition.focus();
}

// The term of a number: its own, or that of its column
function termOf(target) {
  const own = target.closest("[data-term], a[href^='#term-']");
  if (own) return own.dataset.term ?? own.hash.slice("#term-".length);
  const cell = target.closest("td");
  if (!cell?.querySelector("data") && !/^[\d,]+$/.test(cell?.textContent.trim() ?? "")) return null;
  const link = cell.closest("table").tHead?.rows[0].cells[cell.cellIndex]?.querySelector("a.what");
  return link ? link.hash.slice("#term-".length) : null;
}

document.addEventListener("click", (event) => {
  const name = termOf(event.target);
  if (!name || event.target.closest("button, .tile")) return;
  event.preventDefault();
  explain(name, event.target);
});

// A chapter of a book is a frame without an address: a link inside it would leave it.

if (location.protocol === "about:") {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link || event.defaultPrevented) return;
    event.preventDefault();
    const target = document.getElementById(link.hash.slice(1));
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
    target.scrollIntoView();
  });
}

// Tables whose headings sort

function sortTable(table, column, header) {
  const rows = [...table.tBodies[0].rows];
  const isText = header.dataset.kind === "text";
  const direction = header.ariaSort === "ascending" || (!isText && header.ariaSort !== "descending") ? -1 : 1;
  const value = (row) => row.cells[column].dataset.value;
  const compare = isText
    ? (a, b) => value(a).localeCompare(value(b), "en", { numeric: true })
    : (a, b) => Number(value(a)) - Number(value(b));
  rows.sort((a, b) => direction * compare(a, b));
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const label = header.querySelector(".label") ?? header;
    const button = element("button", "", label.textContent);
    button.type = "button";
    label.replaceChildren(button);
    button.addEventListener("click", () => sortTable(table, column, header));
  });
}

// The confusion matrix

const matrix = document.querySelector("svg.matrix");
const ofSample = report.sampled ? " in the sample that this page holds" : "";
const cellGallery = document.getElementById("cell-gallery");

function showConfusion(truth, prediction) {
  const found = images.key
    .map((_, index) => index)
    .filter((index) => images.truth[index] === truth && images.prediction[index] === prediction);
  const names = truth === prediction ? `${className(truth)}, correct` : `${className(truth)} predicted as ${className(prediction)}`;
  const heading = showGallery(cellGallery, `${names}: ${pluralise(found.length)}${ofSample}`, found);
  for (const cell of matrix.querySelectorAll(".chosen")) cell.classList.remove("chosen");
  const chosen = matrix.querySelector(`.cell[data-truth="${truth}"][data-prediction="${prediction}"]`);
  if (chosen) chosen.classList.add("chosen");
  heading.focus();
}

function showClass(truth) {
  const found = images.key.map((_, index) => index).filter((index) => images.truth[index] === truth);
  showGallery(document.getElementById("class-gallery"), `${className(truth)}: ${pluralise(found.length)}${ofSample}`, found).focus();
}

function lightLabels(cell) {
  for (const label of matrix.querySelectorAll(".lit")) label.classList.remove("lit");
  if (!cell) return;
  const { truth, prediction } = cell.dataset;
  matrix.querySelector(`.row-label[data-class="${truth}"]`).classList.add("lit");
  matrix.querySelector(`.column-label[data-class="${prediction}"]`).classList.add("lit");
}

function describeCell(cell) {
  const { truth, prediction, count, fraction } = cell.dataset;
  const box = element("div");
  const verb = truth === prediction ? "correct" : `predicted as ${className(Number(prediction))}`;
  box.append(element("strong", "name", className(Number(truth))), element("div", "name", verb));
  box.append(element("div", "soft", `${pluralise(Number(count))}, ${(100 * Number(fraction)).toFixed(1)} % of its row`));
  return box;
}

function orderMatrix(order) {
  const pitch = Number(matrix.dataset.pitch);
  const margin = Number(matrix.dataset.margin);
  const at = [];
  order.forEach((index, place) => { at[index] = margin + place * pitch; });
  for (const cell of matrix.querySelectorAll(".cell")) {
    cell.setAttribute("transform", `translate(${at[cell.dataset.prediction]} ${at[cell.dataset.truth]})`);
  }
  for (const label of matrix.querySelectorAll(".row-label")) label.setAttribute("transform", `translate(0 ${at[label.dataset.class]})`);
  for (const label of matrix.querySelectorAll(".column-label")) {
    label.setAttribute("transform", `translate(${at[label.dataset.class]} 0) rotate(-90)`);
  }
}

if (matrix) {
  for (const title of matrix.querySelectorAll(".cell title")) title.remove(); // replaced by the tip
  matrix.addEventListener("pointermove", (event) => {
    const cell = event.target.closest(".cell");
    lightLabels(cell);
    if (cell) showTip(describeCell(cell), event.clientX, event.clientY);
    else hideTip();
  });
  matrix.addEventListener("pointerleave", () => { lightLabels(null); hideTip(); });
  matrix.addEventListener("click", (event) => {
    const cell = event.target.closest(".cell");
    if (cell && cellGallery) showConfusion(Number(cell.dataset.truth), Number(cell.dataset.prediction));
  });
  for (const button of document.querySelectorAll("button[data-truth]")) {
    const { truth, prediction } = button.dataset;
    button.addEventListener("click", () => (prediction ? showConfusion(Number(truth), Number(prediction)) : showClass(Number(truth))));
  }
  const orders = { similar: report.order, list: report.names.map((_, index) => index) };
  const buttons = document.querySelectorAll("button[data-order]");
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      orderMatrix(orders[button.dataset.order]);
    });
  }
}

// The contents list follows the page

const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(entry.target.id).setAttribute("aria-current", "true");
  }
}, { rootMargin: "-15% 0px -80% 0px" });
for (const id of links.keys()) watcher.observe(document.getElementById(id));

// Boxes that scroll fade where there is more

function showEdges(box) {
  box.classList.toggle("more-left", box.scrollLeft > 1);
  box.classList.toggle("more-right", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  box.classList.toggle("more-below", box.scrollTop + box.clientHeight < box.scrollHeight - 1);
}

const edges = new ResizeObserver((entries) => entries.forEach((entry) => showEdges(entry.target)));
for (const box of document.querySelectorAll(".box, .balance-box, .class-list, nav")) {
  edges.observe(box);
  box.addEventListener("scroll", () => showEdges(box), { passive: true });
}
