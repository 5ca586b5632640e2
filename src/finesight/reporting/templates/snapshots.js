// Masks through training: one slider moves the mask of every strip.
"use strict";

const snapshots = report.snapshots;
const slider = document.getElementById("snapshot-epoch");
const changedButton = document.getElementById("snapshot-changed");

function showEpoch() {
  const epoch = snapshots.epochs[Number(slider.value)];
  const showsChanges = changedButton.getAttribute("aria-pressed") === "true";
  document.getElementById("snapshot-at").textContent = epoch;
  slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
  for (const figure of document.querySelectorAll(".strip")) {
    const strip = snapshots.strips[figure.dataset.strip];
    const at = Math.max(0, strip.epochs.findLastIndex((kept) => kept <= epoch));
    figure.querySelector(".frame").src = strip.masks[at];
    figure.querySelector(".at").textContent = strip.epochs[at];
    figure.querySelector(".miou").textContent = strip.miou[at] === null ? "unknown" : strip.miou[at].toFixed(3);
    const veil = figure.querySelector(".changed");
    veil.hidden = !showsChanges || !strip.changed[at];
    if (!veil.hidden) veil.src = strip.changed[at];
  }
}

slider.addEventListener("input", showEpoch);
changedButton.addEventListener("click", () => {
  const pressed = changedButton.getAttribute("aria-pressed") === "true";
  changedButton.setAttribute("aria-pressed", String(!pressed));
  showEpoch();
});
showEpoch(); // a browser may restore where the slider stood
