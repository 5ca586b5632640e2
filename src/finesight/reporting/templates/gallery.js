// Galleries of images: cards, filters by class and confidence, and lists of what they hold.
"use strict";

const GALLERY_STEP = innerWidth < 700 ? 24 : 96; // cards added at a time
const FEWEST_FILTERED = 8; // fewer cards are seen at a glance
const BANDS = [[0.95, "95 % and more"], [0.8, "80 to 95 %"], [0.5, "50 to 80 %"], [0, "below 50 %"]];
const bandOf = (fraction) => BANDS.findIndex(([least]) => fraction >= least);

function makeCard(index) {
  const truth = images.truth[index];
  const prediction = images.prediction[index];
  const confidence = images.confidence[index];
  const card = element("figure", "card");
  const caption = element("figcaption");
  caption.append(element("span", "name", className(truth)));
  if (prediction !== null && prediction !== truth) caption.append(element("span", "wrong name", `→ ${className(prediction)}`));
  if (confidence !== null) {
    const shown = element("span", "soft", `${Math.round(100 * confidence)} % confidence`);
    shown.dataset.term = "confidence";
    caption.append(shown);
  }
  const accuracy = images.pixel_accuracy?.[index] ?? null; // of an image with a mask
  if (accuracy !== null) caption.append(element("span", "soft", `${percent(accuracy)} correct`));
  caption.append(element("span", "key", images.key[index]));
  card.append(makeTile(index), caption);
  card.dataset.key = images.key[index];
  return card;
}

// Filters. An entry has lists of classes, truth and prediction, and a fraction, which may be null.

function describeEntry(index) {
  const known = (value) => (value === null ? [] : [value]);
  const fraction = images.pixel_accuracy ? images.pixel_accuracy[index] : images.confidence[index];
  return { truth: known(images.truth[index]), prediction: known(images.prediction[index]), fraction };
}

function describeCard(card) {
  const list = (text) => (text?.match(/\d+/g) ?? []).map(Number);
  const { truth, prediction, fraction } = card.dataset;
  return { truth: list(truth), prediction: list(prediction), fraction: fraction === undefined ? null : Number(fraction) };
}

const FILTERS = [
  { key: "truth", label: "True class", values: (entry) => entry.truth, name: className },
  { key: "prediction", label: "Predicted class", values: (entry) => entry.prediction, name: className },
  {
    key: "fraction",
    label: images?.pixel_accuracy ? "Pixels correct" : "Confidence",
    values: (entry) => (entry.fraction === null ? [] : [bandOf(entry.fraction)]),
    name: (band) => BANDS[band][1],
  },
];

// A select of the values that occur, each with its number of entries; null where there is nothing to choose.
function makeSelect({ label, values, name }, entries) {
  const counts = new Map();
  for (const value of entries.flatMap(values)) counts.set(value, (counts.get(value) ?? 0) + 1);
  if (counts.size < 2) return null;
  const select = element("select");
  const option = (value, text) => {
    const made = element("option", "", text);
    made.value = value;
    select.append(made);
  };
  option("", "all");
  for (const value of [...counts.keys()].sort((a, b) => a - b)) option(value, `${name(value)} (${counts.get(value)})`);
  const box = element("label", "filter", `${label} `);
  box.append(select);
  return { box, fits: (entry) => select.value === "" || values(entry).includes(Number(select.value)) };
}

// The filters of entries. update is called with the positions of those that fit, at once and after each change.
// labels: of filters that are called otherwise.
function makeFilters(entries, update, labels = {}) {
  const bar = element("div", "filters");
  const filters = FILTERS.map((filter) => ({ ...filter, label: labels[filter.key] ?? filter.label }));
  const selects = entries.length < FEWEST_FILTERED ? [] : filters.map((filter) => makeSelect(filter, entries)).filter(Boolean);
  const choose = () => update([...entries.keys()].filter((place) => selects.every((select) => select.fits(entries[place]))));
  bar.append(...selects.map((select) => select.box));
  bar.addEventListener("change", choose);
  choose();
  return bar;
}

function sayShown(output, shown, fitting, all) {
  const [few, fit, whole] = [shown, fitting, all].map((count) => count.toLocaleString("en"));
  output.textContent = shown === fitting || fitting === all ? `${few} of ${whole} shown` : `${few} of ${fit} that fit shown, ${whole} in all`;
}

// Images by index, some at a time
function fillGallery(box, indices, make = makeCard) {
  const gallery = element("div", "gallery");
  const more = element("button", "more", "Show more");
  const state = element("output", "soft");
  let fitting = [];
  let shown = 0;
  more.type = "button";
  const grow = () => {
    gallery.append(...fitting.slice(shown, shown + GALLERY_STEP).map(make));
    shown = Math.min(shown + GALLERY_STEP, fitting.length);
    more.hidden = shown >= fitting.length;
    sayShown(state, shown, fitting.length, indices.length);
    letOneBeTabbed(gallery);
  };
  more.addEventListener("click", grow);
  const bar = makeFilters(indices.map(describeEntry), (places) => {
    fitting = places.map((place) => indices[place]);
    gallery.among = fitting; // what next and previous lead through
    gallery.replaceChildren();
    shown = 0;
    grow();
  });
  bar.append(state, makeListButtons(() => fitting));
  box.append(bar, gallery, more);
}

function showGallery(box, title, indices) {
  const heading = element("h3", "", title);
  heading.tabIndex = -1;
  box.replaceChildren(heading);
  box.hidden = false;
  fillGallery(box, indices);
  return heading;
}

// Lists of images

function listFiles(indices) {
  return indices.map((index) => `${images.key[index]}\n`).join("");
}

function listRows(indices) {
  const [truth, prediction] = report.list_columns ?? ["label", "prediction"];
  const ids = report.ids ?? report.names;
  const fraction = images.pixel_accuracy ? "pixel_accuracy" : "confidence";
  const id = (value) => (value === null ? "" : ids[value]);
  const rows = indices.map((index) => [images.key[index], id(images.truth[index]), id(images.prediction[index]), images[fraction][index] ?? ""]);
  return writeCsv([["path", truth, prediction, fraction], ...rows]);
}

// withRows: whether classes and predictions are what the images are listed for
function makeListButtons(list, withRows = true) {
  const where = report.root ? ` Paths are relative to ${report.root}` : "";
  return groupButtons("Save the list of these images", [
    makeButton("Copy paths", `One path a line.${where}`, (button) => copyText(listFiles(list()), button)),
    makeButton("File list", `A text file, one path a line.${where}`, () => download("images.txt", listFiles(list()), "text/plain")),
    ...(withRows ? [makeRowsButton(list, where)] : []),
  ]);
}

function makeRowsButton(list, where) {
  return makeButton("CSV", `Path, class, prediction.${where}`, () => download("images.csv", listRows(list()), "text/csv"));
}

// Galleries that the page holds from the start

function filterCards(gallery) {
  const cards = [...gallery.children];
  if (!cards.length) return;
  let fitting = [];
  const state = element("output", "soft");
  const bar = makeFilters(cards.map(describeCard), (places) => {
    fitting = places.map((place) => cards[place]);
    for (const card of cards) card.hidden = !fitting.includes(card);
    sayShown(state, places.length, places.length, cards.length);
    letOneBeTabbed(gallery);
  }, gallery.dataset);
  const indices = () => fitting.map((card) => card.querySelector("[data-image]")).filter(Boolean).map((tile) => Number(tile.dataset.image));
  bar.append(state, makeListButtons(indices, false));
  gallery.before(bar);
}

// Saliency maps that the page holds, by image
const saliency = new Map([...document.querySelectorAll("img[data-saliency]")].map((each) => [Number(each.dataset.saliency), each]));

function makeErrorCard(index) {
  const box = element("div", "with-saliency");
  box.append(makeCard(index));
  if (saliency.has(index)) box.append(saliency.get(index).cloneNode());
  return box;
}

function fillErrors(box) {
  const isError = (index) => images.prediction[index] !== null && images.truth[index] !== null && images.prediction[index] !== images.truth[index];
  const found = [...images.key.keys()].filter(isError).sort((a, b) => images.confidence[b] - images.confidence[a]);
  box.replaceChildren();
  fillGallery(box, found, makeErrorCard);
}
