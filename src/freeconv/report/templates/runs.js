// The table of runs can be sorted, filtered and compared. Without scripts it is complete as it is.
(() => {
  "use strict";
  const table = document.getElementById("runs");
  const heads = [...table.tHead.rows[0].cells];
  const names = heads.map((head) => head.textContent.trim());
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  const texts = new Map(rows.map((row) => [row, [...row.cells].map((cell) => cell.textContent.trim())]));
  const number = (text) => (/^[−-]?[\d,.]+$/.test(text) ? Number(text.replaceAll(",", "").replace("−", "-")) : NaN);
  const element = (name, text = "", attributes = {}) => {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  // Sort: a click on a header, and once more for the other way. Cells stay together until then.
  let sorted = -1, down = false;
  heads.forEach((head, column) => {
    const button = element("button", names[column], { type: "button" });
    head.textContent = "";
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      down = sorted === column && !down;
      sorted = column;
      const order = [...rows].sort((one, other) => {
        const [left, right] = [texts.get(one)[column], texts.get(other)[column]];
        const [first, second] = [number(left), number(right)];
        const difference = Number.isNaN(first) || Number.isNaN(second) ? left.localeCompare(right) : first - second;
        return down ? -difference : difference;
      });
      table.tBodies[0].append(...order);
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
    });
  });

  // Filter: one choice for each column with few values, and words that a row must have.
  const tools = document.getElementById("run-tools");
  const choices = [];
  for (const name of ["Dataset", "Network", "Augmentation", "Level", "Fold"]) {
    const column = names.indexOf(name);
    const values = [...new Set(rows.map((row) => texts.get(row)[column]))];
    if (values.length < 2) continue;
    const choice = element("select", "", { name: name.toLowerCase() });
    choice.append(element("option", "all", { value: "" }), ...values.map((value) => element("option", value, { value })));
    const label = element("label", name);
    label.append(choice);
    tools.append(label);
    choices.push([column, choice]);
    choice.addEventListener("change", () => filter());
  }
  const words = element("input", "", { type: "search", size: "14" });
  const searched = element("label", "Search");
  searched.append(words);
  words.addEventListener("input", () => filter());
  const count = element("output");
  const filter = () => {
    const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const own = texts.get(row);
      const all = `${own.join(" ")} ${row.dataset.path}`.toLowerCase();
      row.hidden = !choices.every(([column, choice]) => !choice.value || own[column] === choice.value) || !asked.every((word) => all.includes(word));
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} runs`;
  };

  // Compare: the runs that are ticked, side by side, with what differs marked.
  const compared = document.getElementById("compared");
  const ticked = new Set();
  const flat = (value, name = "") => (value && typeof value === "object" && !Array.isArray(value)
    ? Object.entries(value).flatMap(([key, inner]) => flat(inner, name ? `${name}.${key}` : key)) : [[name, JSON.stringify(value)]]);
  const about = (row) => {
    const config = document.querySelector(`#${row.id}-about .config`);
    const values = config ? flat(JSON.parse(config.textContent)) : [];
    return new Map([...names.slice(1).map((name, place) => [name, texts.get(row)[place + 1]]), ...values]);
  };
  const compare = () => {
    const chosen = rows.filter((row) => ticked.has(row));
    button.disabled = chosen.length < 2;
    compared.replaceChildren();
    if (!asked || chosen.length < 2) return;
    const values = chosen.map(about);
    const keys = [...new Set(values.flatMap((of) => [...of.keys()]))];
    const differ = (key) => new Set(values.map((of) => of.get(key))).size > 1;
    const shown = element("table");
    const caption = element("caption");
    caption.append(element("span", `${keys.filter(differ).length} of ${keys.length} values differ, and are marked.`));
    const head = element("tr");
    head.append(element("th", "Value", { scope: "col", class: "text" }), ...chosen.map((row) => element("th", `Run ${texts.get(row)[0]}`, { scope: "col" })));
    const body = element("tbody");
    for (const key of [...keys.filter(differ), ...keys.filter((one) => !differ(one))]) {
      const line = element("tr");
      line.append(element("th", key, { scope: "row", class: "text" }), ...values.map((of) => element("td", of.get(key) ?? "—", differ(key) ? { class: "differs" } : {})));
      body.append(line);
    }
    const top = element("thead");
    top.append(head);
    shown.append(caption, top, body);
    const box = element("div", "", { class: "scroll", role: "region", "aria-label": "Compared runs", tabindex: "0" });
    box.append(shown);
    compared.append(box);
  };
  let asked = false;
  const button = element("button", "Compare ticked runs", { type: "button" });
  button.disabled = true;
  button.addEventListener("click", () => { asked = true; compare(); compared.scrollIntoView({ block: "nearest" }); });
  for (const row of rows) {
    const box = element("input", "", { type: "checkbox", "aria-label": `Compare run ${texts.get(row)[0]}` });
    box.addEventListener("change", () => { ticked[box.checked ? "add" : "delete"](row); compare(); });
    row.cells[0].prepend(box, " ");
  }
  tools.append(searched, button, count);
  tools.hidden = false;
  filter();
})();
