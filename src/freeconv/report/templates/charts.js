// Pictures of the page become charts to touch when they come near the screen. What can be switched, and the columns of
// the table beside each chart, are in `usermeta` of its specification (freeconv.report.charts).
(() => {
  "use strict";

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key in made && typeof value !== "string") made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };

  // Legend entries show their line, dashed as in the chart.
  const swatch = (color, dash) => {
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    const attributes = { x1: 0, x2: 26, y1: 6, y2: 6, "stroke-width": 3, "stroke-dasharray": (dash || []).join(" ") };
    for (const [key, value] of Object.entries(attributes)) line.setAttribute(key, value);
    line.style.stroke = color;
    drawing.setAttribute("class", "swatch");
    drawing.setAttribute("viewBox", "0 0 26 12");
    drawing.setAttribute("aria-hidden", "true");
    drawing.append(line);
    return drawing;
  };

  const slider = (control, change) => {
    const chosen = Math.max(0, control.values.indexOf(control.chosen));
    const input = element("input", { type: "range", min: "0", max: String(control.values.length - 1), value: String(chosen) });
    const output = element("output", {}, control.texts[chosen] ?? "");
    const show = () => {
      const text = control.texts[Number(input.value)];
      output.textContent = text;
      input.setAttribute("aria-valuetext", text);
    };
    input.addEventListener("input", () => { show(); change(control.values[Number(input.value)]); });
    show();
    return element("label", {}, control.label, input, output);
  };

  const select = (control, change) => {
    const choice = element("select", {}, ...control.values.map((value) => element("option", {}, value)));
    choice.addEventListener("change", () => change(choice.value));
    return element("label", {}, control.label, choice);
  };

  const choices = (control, change) => {
    const boxes = control.values.map((value) => element("input", { type: "checkbox", checked: control.on.includes(value) }));
    const told = () => change(control.values.filter((_, place) => boxes[place].checked));
    const labels = control.values.map((value, place) => {
      boxes[place].addEventListener("change", told);
      const color = control.colors[place];
      return element("label", {}, boxes[place], ...(color ? [swatch(color, control.dashes?.[place])] : []), String(value));
    });
    return element("fieldset", {}, element("legend", {}, control.label), ...labels);
  };

  const toggle = (control, change) => {
    const box = element("input", { type: "checkbox", checked: control.on });
    box.addEventListener("change", () => change(box.checked));
    return element("label", {}, box, control.label);
  };

  const KINDS = { slider, select, choices, switch: toggle };

  const table = (rows, columns, title) => {
    const shown = columns.filter(([name]) => rows.some((row) => row[name] !== null && row[name] !== ""));
    const text = (value) => (typeof value === "number" ? String(Number(value.toPrecision(5))) : value ?? "");
    const head = element("tr", {}, ...shown.map(([, name]) => element("th", { scope: "col" }, name)));
    const lines = rows.map((row) => element("tr", {}, ...shown.map(([name]) => element("td", {}, text(row[name])))));
    return element("table", {}, element("caption", {}, title), element("thead", {}, head), element("tbody", {}, ...lines));
  };

  const mountChart = async (figure, spec) => {
    const [tools, live, list, picture] = ["tools", "live", "table", "static"].map((name) => figure.querySelector(`.chart-${name}`));
    const title = figure.dataset.title;
    live.hidden = false;
    live.setAttribute("role", "img");
    live.setAttribute("aria-label", title);
    const tooltip = { disableDefaultStyle: true };
    const options = { actions: false, renderer: "svg", defaultStyle: false, logLevel: 1, tooltip };  // 1: errors alone
    const { view } = await vegaEmbed(live, spec, options);
    live.querySelector("svg").setAttribute("aria-hidden", "true");  // what it is, `live` says
    picture.hidden = true;
    const buttons = ["Chart", "Table"].map((name) => element("button", { type: "button", "aria-label": `${name}: ${title}` }, name));
    const show = (place) => {
      buttons.forEach((button, other) => button.setAttribute("aria-pressed", String(other === place)));
      if (place === 1 && !list.firstChild) {
        list.append(table(view.data("rows"), spec.usermeta.columns, title));
      }
      live.hidden = place === 1;
      list.hidden = place === 0;
      if (place === 0) view.resize().runAsync();
    };
    buttons.forEach((button, place) => button.addEventListener("click", () => show(place)));
    list.setAttribute("tabindex", "0");
    list.setAttribute("role", "region");
    list.setAttribute("aria-label", `${title}: table`);
    const controls = spec.usermeta.controls.map((control) =>
      KINDS[control.kind](control, (value) => view.signal(control.signal, value).runAsync()));
    tools.setAttribute("role", "group");
    tools.setAttribute("aria-label", `${title}: controls`);
    tools.append(element("span", {}, ...buttons), ...controls);
    tools.hidden = false;
    show(0);
  };

  // Blue below, white at, red above zero: numbers from -127 to 127.
  const paint = (canvas, values, grid, kernel, filter, filters) => {
    const [rows, columns] = grid, [height, width] = kernel, channels = values.length / (rows * columns * height * width * filters);
    canvas.height = rows * (height + 1) - 1;
    canvas.width = columns * (width + 1) - 1;
    const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
    for (let position = 0; position < rows * columns; position++) {
      const top = Math.floor(position / columns) * (height + 1), left = (position % columns) * (width + 1);
      for (let weight = 0; weight < height * width; weight++) {
        let value = 0;
        for (let channel = 0; channel < channels; channel++)
          value += values[((position * height * width + weight) * channels + channel) * filters + filter] / channels / 127;
        const pale = 1 - Math.min(1, Math.abs(value));
        const place = 4 * ((top + Math.floor(weight / width)) * canvas.width + left + (weight % width));
        const strong = value > 0 ? [178, 24, 43] : [33, 102, 172];
        strong.forEach((color, part) => { image.data[place + part] = color + (247 - color) * pale; });
        image.data[place + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  };

  const mountGallery = (figure, data) => {
    const [tools, live, picture] = ["tools", "live", "static"].map((name) => figure.querySelector(`.chart-${name}`));
    const bytes = Uint8Array.from(atob(data.values), (letter) => letter.charCodeAt(0));
    const values = new Int8Array(bytes.buffer), size = values.length / (data.levels.length * data.epochs.length);
    let level = data.levels.length - 1, epoch = data.epochs.length - 1;
    const canvases = Array.from({ length: data.filters }, (_, filter) =>
      element("canvas", { role: "img", "aria-label": `Filter ${filter + 1}: its kernel at every position` }));
    const draw = () => {
      const start = (level * data.epochs.length + epoch) * size;
      canvases.forEach((canvas, filter) =>
        paint(canvas, values.subarray(start, start + size), data.grid, data.kernel, filter, data.filters));
    };
    live.append(...canvases.map((canvas, filter) =>
      element("div", { class: "kernels" }, canvas, `Filter ${filter + 1}`)));
    const texts = (numbers) => numbers.map(String);
    tools.append(
      slider({ label: "Epoch", values: data.epochs, texts: texts(data.epochs), chosen: data.epochs[epoch] },
        (value) => { epoch = data.epochs.indexOf(value); draw(); }),
      slider({ label: "Level", values: data.levels, texts: texts(data.levels), chosen: data.levels[level] },
        (value) => { level = data.levels.indexOf(value); draw(); }),
    );
    tools.setAttribute("role", "group");
    tools.setAttribute("aria-label", `${figure.dataset.title}: controls`);
    tools.hidden = live.hidden = false;
    picture.hidden = true;
    draw();
  };

  const mount = (figure) => {
    const source = figure.querySelector('script[type="application/json"]');
    if (!source) return;
    const content = JSON.parse(source.textContent);
    if (figure.classList.contains("gallery")) mountGallery(figure, content);
    else mountChart(figure, content);
  };

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      near.unobserve(entry.target);
      mount(entry.target);
    }
  }, { rootMargin: "400px" });
  document.querySelectorAll("figure.chart").forEach((figure) => near.observe(figure));
})();
