// An image with its masks, as large as the window allows.
"use strict";

const viewer = document.getElementById("view");

function enlarge(view) {
  document.getElementById("view-name").textContent = view.querySelector(".key").textContent;
  document.getElementById("view-body").replaceChildren(view.querySelector(".panels").cloneNode(true));
  viewer.showModal();
  document.getElementById("view-name").focus();
}

document.addEventListener("click", (event) => {
  const view = event.target.closest(".view");
  if (view && event.target.closest("img, .enlarge")) enlarge(view);
  if (event.target === viewer) viewer.close(); // beside it
});
document.getElementById("view-close").addEventListener("click", () => viewer.close());
