// Filters, and the table of all trials that they let through.
const limits = {};  // objective -> bound that the reader set
const boxes = { kind: new Set(ORDER), stage: new Set(D.stage), constraint: new Set() };

function filters(form) {
  const set = (legend, options, chosen, label) => element("fieldset", {}, element("legend", {}, legend),
    ...options.map((option) => element("label", {},
      element("input", { type: "checkbox", name: legend, value: option, checked: chosen.has(option), onchange: (event) => {
        if (event.target.checked) chosen.add(option); else chosen.delete(option);
        sift();
      } }), label(option))));
  const present = ORDER.filter((kind) => kinds.includes(kind));
  form.append(
    set("State", present, boxes.kind, (kind) => KINDS[kind]),
    set("Stage", [...new Set(D.stage)].sort(), boxes.stage, (stage) => stage),
  );
  const constraints = Object.keys(D.constraints);
  if (constraints.length) form.append(set("Must hold", constraints, boxes.constraint, (one) => one));
  for (const objective of D.objectives) {
    if (!D.metrics[objective.name]) continue;
    const words = objective.direction === "minimize" ? "at most" : "at least";
    form.append(element("label", { class: "bound" }, `${objective.short} ${words}`,
      element("input", { type: "number", step: "0.01", name: objective.name, oninput: (event) => {
        limits[objective.name] = event.target.value === "" ? null : Number(event.target.value);
        sift();
      } })));
  }
  form.append(element("button", { type: "reset" }, "Reset"));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    boxes.kind = new Set(ORDER); boxes.stage = new Set(D.stage); boxes.constraint = new Set();
    for (const name of Object.keys(limits)) delete limits[name];
    form.replaceChildren();
    filters(form);
    sift();
  }));
}

function passes(row) {
  if (!boxes.kind.has(kinds[row]) || !boxes.stage.has(D.stage[row])) return false;
  for (const name of boxes.constraint) if (!(D.constraints[name][row] !== null && D.constraints[name][row] <= 0)) return false;
  for (const objective of D.objectives) {
    const limit = limits[objective.name];
    if (limit === null || limit === undefined) continue;
    const value = D.metrics[objective.name].value[row];
    if (value === null || (objective.direction === "minimize" ? value > limit : value < limit)) return false;
  }
  return true;
}

let waiting = 0;
function sift() {
  let count = 0;
  for (let row = 0; row < N; row++) count += state.visible[row] = passes(row) ? 1 : 0;
  byId("shown").textContent = `${count} of ${N} configurations shown`;
  page.length = PAGE;
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(redraw);
}

const PAGE = innerWidth < 640 ? 8 : 25;
const page = { length: PAGE, by: "trial", down: false };
const COLUMNS = [
  { name: "trial", head: "trial", of: (row) => D.trial[row] },
  { name: "stage", head: "stage", of: (row) => D.stage[row] },
  { name: "state", head: "state", of: (row) => KINDS[kinds[row]] },
  ...D.objectives.filter((o) => D.metrics[o.name]).map((o) => ({
    name: o.name, head: `${o.short} ${o.direction === "minimize" ? "↓" : "↑"}`, of: (row) => D.metrics[o.name].value[row],
    show: fixed, number: true })),
  { name: "broken", head: "constraints broken", number: true,
    of: (row) => Object.values(D.constraints).filter((values) => values[row] > 0).length },
  { name: "p", head: "P(front)", of: (row) => D.p[row], show: (value) => fixed(value, 2), number: true },
];

function listTrials(table, more) {
  const body = element("tbody");
  const heads = COLUMNS.map((column) => element("th", { scope: "col", class: column.number ? "number" : "" },
    element("button", { onclick: () => {
      page.down = page.by === column.name ? !page.down : false;
      page.by = column.name;
      show();
    } }, column.head)));
  table.append(element("thead", {}, element("tr", {}, ...heads)), body);
  const show = () => {
    const column = COLUMNS.find((one) => one.name === page.by);
    const rows = D.trial.map((_, row) => row).filter((row) => state.visible[row]);
    const sign = page.down ? -1 : 1;
    rows.sort((a, b) => {
      const x = column.of(a), y = column.of(b);
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (x < y ? -1 : x > y ? 1 : 0) || a - b;
    });
    heads.forEach((head, place) => {
      const here = COLUMNS[place].name === page.by;
      head.setAttribute("aria-sort", here ? (page.down ? "descending" : "ascending") : "none");
      head.firstChild.textContent = COLUMNS[place].head + (here ? (page.down ? " ▼" : " ▲") : "");
    });
    body.replaceChildren(...rows.slice(0, page.length).map((row) => element("tr",
      { class: row === state.chosen ? "chosen" : kinds[row] === "infeasible" ? "infeasible" : "" },
      ...COLUMNS.map((column, place) => element(place ? "td" : "th",
        { class: column.number ? "number" : "", "data-head": column.head, scope: place ? false : "row" },
        place ? (column.show ?? text)(column.of(row))
          : element("button", { class: "pick", "data-trial": D.trial[row] }, String(D.trial[row])))))));
    more.hidden = rows.length <= page.length;
    more.textContent = `Show more (${page.length} of ${rows.length})`;
  };
  more.addEventListener("click", () => { page.length += 100; show(); });
  redraws.push(show);
  show();
}
