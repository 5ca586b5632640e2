// A click on an image, or Enter on it, opens it large, with its predictions, its saliency map and its nearest images.
// Arrow keys lead to the next and the previous image of where it was opened.
"use strict";

const dialog = document.getElementById("image");
const backButton = document.getElementById("image-back");
const steps = document.getElementById("image-steps");
let trail = []; // since the dialog was opened, the current one last: the index of an image, and those it stands among

function addFact(list, name, ...content) {
  const fact = element("div");
  const value = element("dd");
  value.append(...content);
  fact.append(element("dt", "", name), value);
  list.append(fact);
}

function showConfidence(confidence) {
  const shown = element("span", "soft", confidence === null ? "" : `${percent(confidence)} confidence`);
  shown.dataset.term = "confidence";
  return shown;
}

// The class of an image with a mask is that of most of its pixels.
const mostly = images.pixel_accuracy ? "mostly " : "";

function describeMask(prediction, accuracy) {
  const correct = element("span", "soft", accuracy === null ? "unlabelled" : `${percent(accuracy)} correct`);
  return [mostly, element("span", "name", className(prediction)), " ", correct];
}

function describePrediction(truth, prediction, confidence) {
  if (prediction === null) return [element("span", "soft", "not evaluated")];
  const verdict = truth === null ? [] : prediction === truth ? [element("span", "good", "✓ correct")] : [element("span", "wrong", "✗ wrong")];
  return [element("span", "name", className(prediction)), " ", ...verdict, " ", showConfidence(confidence)];
}

function makeNeighbour(index, similarity, truth) {
  const figure = element("figure", "neighbour");
  const caption = element("figcaption");
  const cosine = element("span", "soft", `similarity ${similarity.toFixed(similarity < 0.99 ? 2 : 3)}`);
  cosine.dataset.term = "similarity";
  caption.append(element("span", "name", className(images.truth[index])));
  if (images.truth[index] !== truth) caption.append(element("span", "wrong", `${mostly}a different class`));
  caption.append(cosine);
  figure.append(makeTile(index), caption);
  return figure;
}

function fillNeighbours(index) {
  const near = images.near?.[index] ?? [];
  const truth = images.truth[index];
  const same = near.filter((other) => images.truth[other] === truth).length;
  document.getElementById("image-near").hidden = !near.length;
  document.getElementById("image-near-summary").textContent = `${same} of ${near.length} have ${mostly}the same class.${report.sampled ? " Nearest images outside this page's sample are left out." : ""}`;
  const box = document.getElementById("image-neighbours");
  box.replaceChildren(...near.map((other, place) => makeNeighbour(other, images.similarity[index][place], truth)));
  letOneBeTabbed(box);
}

function fillDialog() {
  const { index, among } = trail.at(-1);
  const truth = images.truth[index];
  const facts = document.getElementById("image-facts");
  document.getElementById("image-name").textContent = images.key[index];
  const large = makeTile(index);
  large.removeAttribute("data-image"); // it is open already
  prepareTile(large);
  document.getElementById("image-large").replaceChildren(large);
  facts.replaceChildren();
  addFact(facts, "Truth", mostly, element("span", "name", className(truth)));
  if (images.pixel_accuracy) addFact(facts, "Prediction", ...describeMask(images.prediction[index], images.pixel_accuracy[index]));
  else for (const run of images.runs ?? [{ name: "Prediction", ...images }]) {
    addFact(facts, run.name, ...describePrediction(truth, run.prediction[index], run.confidence[index]));
  }
  fillSaliency(index);
  fillNeighbours(index);
  steps.hidden = among.length < 2;
  document.getElementById("image-place").textContent = `${(among.indexOf(index) + 1).toLocaleString("en")} of ${among.length.toLocaleString("en")}`;
  backButton.hidden = trail.length < 2;
  dialog.scrollTop = 0;
}

// Its masks where the page shows them, else its saliency map, else the command that makes one
function fillSaliency(index) {
  const box = document.getElementById("image-saliency");
  const panels = document.querySelector(`.mask-row[data-shown="${index}"] .panels`);
  const map = saliency.get(index);
  box.replaceChildren();
  document.getElementById("image-large").hidden = Boolean(panels); // they begin with the image
  if (panels) {
    box.append(panels.cloneNode(true));
  } else if (map) {
    const figure = element("figure");
    const caption = element("figcaption", "soft", "Grad-CAM of ");
    caption.append(element("span", "name", map.dataset.sought));
    const large = map.cloneNode();
    large.loading = "eager";
    figure.append(large, caption);
    box.append(figure);
  } else if (report.run && report.root) {
    const command = element("code", "", `finesight explain ${quote(report.run)} ${quote(report.root + images.key[index])}`);
    const line = element("p", "soft", "For a saliency map run ");
    line.append(command, makeButton("Copy", "Copy this command", (button) => copyText(command.textContent, button)));
    box.append(line);
  }
}

// As a shell reads it
function quote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// among: images that next and previous lead through
function openImage(index, among = [index]) {
  hideTip();
  if (!dialog.open) trail = [];
  trail.push({ index, among });
  fillDialog();
  if (!dialog.open) dialog.showModal();
  document.getElementById("image-name").focus();
}

function stepImage(step) {
  const shown = trail.at(-1);
  const place = shown.among.indexOf(shown.index) + step;
  shown.index = shown.among.at(place % shown.among.length);
  fillDialog();
}

backButton.addEventListener("click", () => {
  trail.pop();
  fillDialog();
  document.getElementById("image-name").focus();
});
document.getElementById("image-previous").addEventListener("click", () => stepImage(-1));
document.getElementById("image-next").addEventListener("click", () => stepImage(1));
document.getElementById("image-copy").addEventListener("click", (event) => {
  copyText((report.root ?? "") + images.key[trail.at(-1).index], event.currentTarget);
});
dialog.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || trail.at(-1).among.length < 2 || event.target.closest(".tile[data-image]")) return;
  event.preventDefault();
  stepImage(step);
});
document.getElementById("image-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // a click on the backdrop
});

// Tiles are buttons: of each group one can be tabbed to, arrow keys lead to the others

const GROUPS = ".gallery, .thumbs, .balance, .group-images, .neighbours";
const tilesOf = (group) => [...group.querySelectorAll(".tile[data-image]")].filter((tile) => !tile.closest("[hidden]"));
const groupOf = (tile) => {
  let group = tile.closest(GROUPS);
  while (group?.parentElement.closest(GROUPS)) group = group.parentElement.closest(GROUPS);
  return group;
};

function letOneBeTabbed(group, chosen) {
  const tiles = tilesOf(group);
  const tabbed = chosen ?? tiles.find((tile) => tile.tabIndex === 0) ?? tiles[0];
  for (const tile of tiles) tile.tabIndex = tile === tabbed ? 0 : -1;
}

// The images an opener stands among: of its gallery, which may hold more than is shown, or the other buttons like it
function listAmong(opener) {
  const group = opener.closest(".gallery") ?? groupOf(opener) ?? opener.closest("section");
  const shown = [...(group?.querySelectorAll("[data-image]") ?? [])].filter((each) => each.checkVisibility());
  return group?.among ?? [...new Set(shown.map((each) => Number(each.dataset.image)))];
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-image]");
  if (opener) openImage(Number(opener.dataset.image), listAmong(opener));
});

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
document.addEventListener("keydown", (event) => {
  const tile = event.target.closest(".tile[data-image]");
  if (!tile) return;
  if (event.key === "Enter" || event.key === " ") {
    openImage(Number(tile.dataset.image), listAmong(tile));
  } else if (event.key in STEPS && groupOf(tile)) {
    const tiles = tilesOf(groupOf(tile));
    tiles[tiles.indexOf(tile) + STEPS[event.key]]?.focus();
  } else {
    return;
  }
  event.preventDefault();
});
document.addEventListener("focusin", (event) => {
  const tile = event.target.closest(".tile[data-image]");
  if (tile && groupOf(tile)) letOneBeTabbed(groupOf(tile), tile);
});

for (const box of document.querySelectorAll("#error-gallery")) fillErrors(box);
for (const gallery of document.querySelectorAll(".gallery.filtered")) filterCards(gallery);
for (const tile of document.querySelectorAll(".tile[data-image]")) prepareTile(tile);
for (const group of document.querySelectorAll(GROUPS)) {
  if (tilesOf(group).length && !group.parentElement.closest(GROUPS)) letOneBeTabbed(group);
}
