// A click on any picture, or Enter on it, opens it large with what was said of it and the pictures most like it.
"use strict";

const dialog = document.getElementById("picture");
const backButton = document.getElementById("picture-back");
let trail = []; // numbers of the pictures seen since the dialog was opened, the one shown last

function addFact(list, name, ...content) {
  const fact = element("div");
  const value = element("dd");
  value.append(...content);
  fact.append(element("dt", "", name), value);
  list.append(fact);
}

function showProbability(confidence) {
  const shown = element("span", "soft", confidence === null ? "" : percent(confidence));
  shown.dataset.term = "probability";
  return shown;
}

// Of a picture with a mask it is said which class has most pixels, and how many are right.
const mostly = pictures.right ? "mostly " : "";

function describeScene(prediction, right) {
  const share = element("span", "soft", right === null ? "unknown truth" : `${percent(right)} right`);
  return [mostly, element("span", "name", className(prediction)), " ", share];
}

function describeAnswer(truth, prediction, confidence) {
  if (prediction === null) return [element("span", "soft", "not asked")];
  const verdict = truth === null ? [] : prediction === truth ? [element("span", "good", "✓ right")] : [element("span", "wrong", "✗ wrong")];
  return [element("span", "name", className(prediction)), " ", ...verdict, " ", showProbability(confidence)];
}

function makeNeighbour(index, similarity, truth) {
  const figure = element("figure", "neighbour");
  const caption = element("figcaption");
  const alike = element("span", "soft", `${similarity.toFixed(similarity < 0.99 ? 2 : 3)} alike`);
  alike.dataset.term = "similarity";
  caption.append(element("span", "name", className(pictures.truth[index])));
  if (pictures.truth[index] !== truth) caption.append(element("span", "wrong", `${mostly}another class`));
  caption.append(alike);
  figure.append(makeTile(index), caption);
  return figure;
}

function fillNeighbours(index) {
  const near = pictures.near?.[index] ?? [];
  const truth = pictures.truth[index];
  const same = near.filter((other) => pictures.truth[other] === truth).length;
  document.getElementById("picture-near").hidden = !near.length;
  document.getElementById("picture-sum").textContent = `${same} of ${near.length} are ${mostly}of the same class.`;
  const box = document.getElementById("picture-neighbours");
  box.replaceChildren(...near.map((other, place) => makeNeighbour(other, pictures.similarity[index][place], truth)));
  letOneBeTabbed(box);
}

function fillDialog() {
  const index = trail.at(-1);
  const truth = pictures.truth[index];
  const facts = document.getElementById("picture-facts");
  document.getElementById("picture-name").textContent = pictures.key[index];
  const large = makeTile(index);
  large.removeAttribute("data-picture"); // it is open already
  prepareTile(large);
  document.getElementById("picture-large").replaceChildren(large);
  facts.replaceChildren();
  addFact(facts, "Truth", mostly, element("span", "name", className(truth)));
  if (pictures.right) addFact(facts, "Prediction", ...describeScene(pictures.prediction[index], pictures.right[index]));
  else for (const answers of pictures.answers ?? [{ name: "Prediction", ...pictures }]) {
    addFact(facts, answers.name, ...describeAnswer(truth, answers.prediction[index], answers.confidence[index]));
  }
  fillNeighbours(index);
  backButton.hidden = trail.length < 2;
  dialog.scrollTop = 0;
}

function openPicture(index) {
  hideTip();
  if (!dialog.open) trail = [];
  trail.push(index);
  fillDialog();
  if (!dialog.open) dialog.showModal();
  document.getElementById("picture-name").focus();
}

backButton.addEventListener("click", () => {
  trail.pop();
  fillDialog();
  document.getElementById("picture-name").focus();
});
document.getElementById("picture-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside it
});

// Tiles are buttons: of each group one can be tabbed to, arrow keys lead to the others

const GROUPS = ".gallery, .thumbs, .balance, .group-pictures, .neighbours";
const tilesOf = (group) => [...group.querySelectorAll(".tile[data-picture]")];
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
  const opener = event.target.closest("[data-picture]");
  if (opener) openPicture(Number(opener.dataset.picture));
});

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
document.addEventListener("keydown", (event) => {
  const tile = event.target.closest(".tile[data-picture]");
  if (!tile) return;
  if (event.key === "Enter" || event.key === " ") {
    openPicture(Number(tile.dataset.picture));
  } else if (event.key in STEPS && groupOf(tile)) {
    const tiles = tilesOf(groupOf(tile));
    tiles[tiles.indexOf(tile) + STEPS[event.key]]?.focus();
  } else {
    return;
  }
  event.preventDefault();
});
document.addEventListener("focusin", (event) => {
  const tile = event.target.closest(".tile[data-picture]");
  if (tile && groupOf(tile)) letOneBeTabbed(groupOf(tile), tile);
});

for (const tile of document.querySelectorAll(".tile[data-picture]")) prepareTile(tile);
for (const group of document.querySelectorAll(GROUPS)) {
  if (tilesOf(group).length && !group.parentElement.closest(GROUPS)) letOneBeTabbed(group);
}
