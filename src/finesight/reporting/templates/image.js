// A click on an image, or Enter on it, opens it large, with its predictions and its nearest images.
"use strict";

const dialog = document.getElementById("image");
const backButton = document.getElementById("image-back");
let trail = []; // indices of the images shown since the dialog was opened, the current one last

function addFact(list, name, ...content) {
  const fact = element("div");
  const value = element("dd");
  value.append(...content);
  fact.append(element("dt", "", name), value);
  list.append(fact);
}

function showConfidence(confidence) {
  const shown = element("span", "soft", confidence === null ? "" : percent(confidence));
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
  const index = trail.at(-1);
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
  fillNeighbours(index);
  backButton.hidden = trail.length < 2;
  dialog.scrollTop = 0;
}

function openImage(index) {
  hideTip();
  if (!dialog.open) trail = [];
  trail.push(index);
  fillDialog();
  if (!dialog.open) dialog.showModal();
  document.getElementById("image-name").focus();
}

backButton.addEventListener("click", () => {
  trail.pop();
  fillDialog();
  document.getElementById("image-name").focus();
});
document.getElementById("image-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // a click on the backdrop
});

// Tiles are buttons: of each group one can be tabbed to, arrow keys lead to the others

const GROUPS = ".gallery, .thumbs, .balance, .group-images, .neighbours";
const tilesOf = (group) => [...group.querySelectorAll(".tile[data-image]")];
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

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-image]");
  if (opener) openImage(Number(opener.dataset.image));
});

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
document.addEventListener("keydown", (event) => {
  const tile = event.target.closest(".tile[data-image]");
  if (!tile) return;
  if (event.key === "Enter" || event.key === " ") {
    openImage(Number(tile.dataset.image));
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

for (const tile of document.querySelectorAll(".tile[data-image]")) prepareTile(tile);
for (const group of document.querySelectorAll(GROUPS)) {
  if (tilesOf(group).length && !group.parentElement.closest(GROUPS)) letOneBeTabbed(group);
}
