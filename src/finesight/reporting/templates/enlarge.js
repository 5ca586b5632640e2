// An image with its masks, as large as the window allows.
"use strict";

const enlarged = document.getElementById("enlarged");

function enlarge(row) {
  document.getElementById("enlarged-name").textContent = row.querySelector(".key").textContent;
  document.getElementById("enlarged-body").replaceChildren(row.querySelector(".panels").cloneNode(true));
  enlarged.showModal();
  document.getElementById("enlarged-name").focus();
}

document.addEventListener("click", (event) => {
  const row = event.target.closest(".mask-row");
  if (row && event.target.closest("img, .enlarge")) enlarge(row);
  if (event.target === enlarged) enlarged.close(); // a click on the backdrop
});
document.getElementById("enlarged-close").addEventListener("click", () => enlarged.close());
