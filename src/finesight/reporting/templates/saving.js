// What can be taken along: figures as SVG and PNG, tables as CSV, commands and lists through the clipboard.
"use strict";

const STYLES = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linejoin", "stroke-linecap",
  "font-family", "font-size", "font-weight", "text-anchor", "dominant-baseline",
];
const MARGIN = 12; // around a saved figure, in its own units
const PNG_SCALE = 3; // pixels per CSS pixel
const MOST_PIXELS = 8000; // of a side, which every browser can draw

function makeButton(label, title, action) {
  const button = element("button", "save", label);
  button.type = "button";
  button.title = title;
  button.addEventListener("click", () => action(button));
  return button;
}

function groupButtons(label, buttons) {
  const group = element("span", "saves");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  group.append(...buttons);
  return group;
}

// A file of this run: its name, and what it shows.
function nameFile(...parts) {
  return [document.title.split(" · ")[0], ...parts].join("-").replace(/[^\p{L}\p{N}.-]+/gu, "-").slice(0, 80);
}

function download(name, content, type) {
  const link = element("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = nameFile(name);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function tell(button, text) {
  button.dataset.label ??= button.textContent;
  button.textContent = text;
  setTimeout(() => { button.textContent = button.dataset.label; }, 1500);
}

// Without a permission, as in some frames, an invisible field serves.
function copyByField(text, host) {
  const field = element("textarea");
  field.value = text;
  host.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

async function copyText(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    done = copyByField(text, button.parentElement);
    button.focus();
  }
  tell(button, done ? "Copied" : "Not copied");
}

// Figures

// The figure as a document of its own, with the colours of paper. data-paper: its view box with title and legend.
function drawAlone(svg) {
  const copy = svg.cloneNode(true);
  const [left, top, width, height] = (svg.dataset.paper ?? svg.getAttribute("viewBox")).split(" ").map(Number);
  const box = [left - MARGIN, top - MARGIN, width + 2 * MARGIN, height + 2 * MARGIN];
  document.documentElement.classList.add("on-paper");
  const copies = [copy, ...copy.querySelectorAll("*")];
  [svg, ...svg.querySelectorAll("*")].forEach((original, place) => {
    const style = getComputedStyle(original);
    for (const name of STYLES) copies[place].setAttribute(name, style.getPropertyValue(name));
  });
  document.documentElement.classList.remove("on-paper");
  const paper = document.createElementNS(svg.namespaceURI, "rect");
  for (const [place, name] of ["x", "y", "width", "height"].entries()) paper.setAttribute(name, box[place]);
  paper.setAttribute("fill", "#fff");
  copy.prepend(paper);
  copy.setAttribute("viewBox", box.join(" "));
  copy.setAttribute("width", box[2]);
  copy.setAttribute("height", box[3]);
  return copy;
}

async function rasterise(svg) {
  const [width, height] = ["width", "height"].map((name) => Number(svg.getAttribute(name)));
  const scale = Math.min(PNG_SCALE, MOST_PIXELS / Math.max(width, height));
  const drawn = new Image();
  drawn.src = `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;
  await drawn.decode();
  const canvas = element("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(drawn, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => { canvas.toBlob(done, "image/png"); });
}

// draw: makes the figure as a document of its own.
function makeFigureButtons(name, draw) {
  return groupButtons("Save this figure", [
    makeButton("SVG", "Save this figure as SVG", () => download(`${name}.svg`, new XMLSerializer().serializeToString(draw()), "image/svg+xml")),
    makeButton("PNG", "Save this figure as PNG", async () => download(`${name}.png`, await rasterise(draw()))),
  ]);
}

for (const svg of document.querySelectorAll("svg[data-figure]")) {
  const buttons = makeFigureButtons(svg.dataset.figure, () => drawAlone(svg));
  const caption = svg.closest("figure")?.querySelector("figcaption");
  if (caption) caption.append(buttons);
  else svg.closest(".box").before(buttons);
}

// Tables

function writeCsv(rows) {
  const field = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
  return rows.map((row) => `${row.map(field).join(",")}\n`).join("");
}

function readCell(cell) {
  const drawn = cell.querySelector("svg[aria-label]");
  const text = (cell.querySelector(".label") ?? cell).textContent.replace(/\s+/g, " ").trim();
  return cell.querySelector("data")?.value ?? (drawn ? drawn.getAttribute("aria-label") : text);
}

function readTable(table) {
  return [...table.rows].map((row) => [...row.cells].map(readCell));
}

function makeTableButtons(table) {
  const name = table.closest("[id]")?.id ?? "table";
  return groupButtons("Save this table", [
    makeButton("Copy", "Copy this table for a spreadsheet", (button) => copyText(readTable(table).map((row) => `${row.join("\t")}\n`).join(""), button)),
    makeButton("CSV", "Save this table as CSV", () => download(`${name}.csv`, writeCsv(readTable(table)), "text/csv")),
  ]);
}

for (const table of document.querySelectorAll("main table:not(.snapshot-table table)")) {
  (table.closest(".box") ?? table).before(makeTableButtons(table));
}

// Commands and printed texts

for (const code of document.querySelectorAll("main code")) {
  if (/^finesight \S+ \S/.test(code.textContent)) {
    code.after(makeButton("Copy", "Copy this command", (button) => copyText(code.textContent, button)));
  }
}
for (const text of document.querySelectorAll("main pre")) {
  text.before(groupButtons("Copy this text", [makeButton("Copy", "Copy this text", (button) => copyText(text.textContent, button))]));
}
