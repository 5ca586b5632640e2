// The projection: Bokeh draws the dots and reports those under the pointer or inside a lasso; the rest is done here.
"use strict";

(async () => {
  const { plot: item, image } = report.projection;
  const field = document.getElementById("plot");
  const gallery = document.getElementById("projection-gallery");
  const embedded = await Bokeh.embed.embed_item(item, "plot");
  const plot = [...embedded][0].model;
  const named = (name) => plot.document.get_model_by_name(name);
  const source = named("samples");
  document.documentElement.classList.add("plot-drawn");

  // Hover

  let pointer = [0, 0];
  field.addEventListener("pointermove", (event) => { pointer = [event.clientX, event.clientY]; }, { capture: true });
  field.addEventListener("pointerleave", hideTip);
  source.inspect.connect(() => {
    const [dot] = source.inspected.indices;
    if (dot === undefined) hideTip();
    else showTip(makeCard(image[dot]), ...pointer);
  });

  // A click on a dot opens its image; the end of a drag is not a click

  let pressed = [0, 0];
  field.addEventListener("pointerdown", (event) => { pressed = [event.clientX, event.clientY]; }, { capture: true });
  field.addEventListener("click", (event) => {
    const [dot] = source.inspected.indices;
    const moved = Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]);
    if (dot !== undefined && moved < 4) openImage(image[dot]);
  });

  // Selection

  source.selected.properties.indices.change.connect(() => {
    const chosen = source.selected.indices;
    gallery.hidden = !chosen.length;
    if (chosen.length) showGallery(gallery, `Selected: ${pluralise(chosen.length, "image")}`, chosen.map((dot) => image[dot]));
  });

  // Filters: muted classes, and errors only

  const classButtons = [...document.querySelectorAll(".class-list button")];
  const onlyErrors = document.getElementById("only-errors");
  const isPressed = (button) => button.getAttribute("aria-pressed") === "true";
  const press = (button, pressed) => button.setAttribute("aria-pressed", String(pressed));

  function filterDots() {
    const wanted = classButtons.map(isPressed);
    const shown = image.map((index) => {
      const truth = images.truth[index];
      const isError = images.prediction[index] !== null && images.prediction[index] !== truth;
      return (truth === null || wanted[truth]) && (!isPressed(onlyErrors) || isError);
    });
    source.selected.indices = source.selected.indices.filter((dot) => shown[dot]);
    named("shown").booleans = shown;
    named("muted").booleans = shown.map((is) => !is);
    hideTip();
  }

  for (const button of [...classButtons, onlyErrors]) {
    button.addEventListener("click", () => { press(button, !isPressed(button)); filterDots(); });
  }
  for (const button of document.querySelectorAll("button[data-classes]")) {
    button.addEventListener("click", () => {
      for (const other of classButtons) press(other, button.dataset.classes === "all");
      filterDots();
    });
  }

  // Dragging and zooming. On a touch screen a finger scrolls the page until a tool is chosen.

  const toolButtons = [...document.querySelectorAll("button[data-tool]")];
  function chooseTool(name) {
    for (const button of toolButtons) {
      press(button, button.dataset.tool === name);
      named(button.dataset.tool).active = button.dataset.tool === name;
    }
  }
  for (const button of toolButtons) {
    button.addEventListener("click", () => chooseTool(isPressed(button) ? null : button.dataset.tool));
  }
  chooseTool(matchMedia("(pointer: coarse)").matches ? null : "pan");
  named("wheel").active = true;

  if (innerWidth < 700) plot.height = Math.min(plot.height, innerWidth);
  const whole = [plot.x_range, plot.y_range].map((range) => [range.start, range.end]);
  for (const button of document.querySelectorAll("button[data-zoom]")) {
    button.addEventListener("click", () => {
      [plot.x_range, plot.y_range].forEach((range, axis) => {
        const [start, end] = button.dataset.zoom === "reset" ? whole[axis] : zoom(range, Number(button.dataset.zoom));
        range.setv({ start, end });
      });
    });
  }
  function zoom(range, factor) {
    const centre = (range.start + range.end) / 2;
    const half = ((range.end - range.start) / 2) * factor;
    return [centre - half, centre + half];
  }
})().catch((error) => console.error("The plot cannot be drawn; the static image stays.", error));
