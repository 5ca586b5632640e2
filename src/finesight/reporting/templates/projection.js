// The projection: Bokeh draws the dots and reports those under the pointer or inside a lasso; the rest is done here.
"use strict";

(async () => {
  const { plot: item, image } = report.projection;
  const field = document.getElementById("plot");
  const gallery = document.getElementById("projection-gallery");
  const embedded = await Bokeh.embed.embed_item(item, "plot");
  const view = [...embedded][0];
  const plot = view.model;
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
    const dot = source.inspected.indices[0] ?? (event.pointerType === "mouse" ? undefined : findDot(event));
    const moved = Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]);
    if (dot !== undefined && moved < 4) openImage(image[dot], listAround(dot));
  });

  const isShown = (dot) => named("shown").booleans[dot];
  const place = (dot) => [view.frame.x_scale.compute(source.data.x[dot]), view.frame.y_scale.compute(source.data.y[dot])];

  // The nearest dot under a finger, which hovers over none
  function findDot(event) {
    const box = field.getBoundingClientRect();
    const at = [event.clientX - box.left - field.clientLeft, event.clientY - box.top - field.clientTop];
    const distance = (dot) => Math.hypot(place(dot)[0] - at[0], place(dot)[1] - at[1]);
    const near = [...image.keys()].filter((dot) => isShown(dot) && distance(dot) < 18);
    return near.sort((a, b) => distance(a) - distance(b))[0];
  }

  // What next and previous lead through: the selection, else all dots that are shown
  function listAround(dot) {
    const chosen = source.selected.indices;
    const around = chosen.length > 1 && chosen.includes(dot) ? chosen : [...image.keys()].filter(isShown);
    return around.map((each) => image[each]);
  }

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

  // The figure: dots as they are zoomed and filtered, symbols, axes and a legend

  const ROW = 16; // CSS pixels of a class in the legend, which takes columns of this width:
  const COLUMN = 170;

  function draw(tag, attributes, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function drawMark(x, y, size, marker, fill, stroke, width) {
    const side = { x: x - size / 2, y: y - size / 2, width: size, height: size };
    return draw("use", { href: `#mark-${marker}`, ...side, fill, stroke, "stroke-width": (12 * width) / size, "fill-opacity": 0.82 });
  }

  function drawFigure() {
    const { left, top, width, height } = view.frame.bbox;
    const { marker, colour, edge, width: line } = source.data;
    const dots = [...image.keys()].filter(isShown);
    const firsts = new Map(dots.map((dot) => [images.truth[image[dot]], dot])); // a dot of each class
    const classes = [...firsts.keys()].filter((index) => index !== null).sort((a, b) => a - b);
    const rows = Math.floor(height / ROW);
    const size = plot.renderers[1].glyph.size.value;
    const whole = { width: width + 40 + COLUMN * Math.ceil(classes.length / rows), height: height + 40 };
    const legend = classes.flatMap((index, number) => {
      const [x, y] = [width + 46 + COLUMN * Math.floor(number / rows), 18 + ROW * (number % rows)];
      const dot = firsts.get(index);
      const name = draw("text", { x: x + 12, y: y + 4 }, className(index).slice(0, 26));
      return [drawMark(x, y, 11, marker[dot], colour[dot], colour[dot], 0.4), name];
    });
    const inside = draw("svg", { x: 30, y: 10, width, height }, ...dots.map((dot) => {
      const [x, y] = place(dot);
      return drawMark(x - left, y - top, size, marker[dot], colour[dot], edge[dot], line[dot]);
    }));
    const style = { "font-family": "system-ui, sans-serif", "font-size": 12, fill: "#1c1f24" };
    return draw("svg", { ...whole, viewBox: `0 0 ${whole.width} ${whole.height}`, ...style },
      draw("defs", {}, ...[...document.querySelectorAll("symbol[id^=mark-]")].map((symbol) => symbol.cloneNode(true))),
      draw("rect", { ...whole, fill: "#fff" }),
      draw("rect", { x: 30, y: 10, width, height, fill: "none", stroke: "#c9ccd1" }),
      inside,
      draw("text", { x: 30 + width / 2, y: height + 28, "text-anchor": "middle" }, "dimension 1"),
      draw("text", { transform: `translate(18 ${10 + height / 2}) rotate(-90)`, "text-anchor": "middle" }, "dimension 2"),
      ...legend,
    );
  }

  document.getElementById("plot-saving").append(makeFigureButtons("projection", drawFigure));
})().catch((error) => console.error("The plot cannot be drawn; the static image stays.", error));
