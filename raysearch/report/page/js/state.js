// What all views share: the data, which trials the filters let through, and which one is chosen.
const D = JSON.parse(document.getElementById("data").textContent);
const N = D.trial.length;
const byId = (id) => document.getElementById(id);
const rowOf = new Map(D.trial.map((trial, row) => [trial, row]));
const letterOf = new Map(D.recommended.map((trial, place) => [rowOf.get(trial), "ABC"[place]]));

const BLUE = "#0072b2", ORANGE = "#d55e00", GREY = "#7a7a7a", PURPLE = "#cc79a7", INK = "#1b1f24", SOFT = "#57606a";
// Drawn from back to front. Shape and filling tell them apart as well as colour does.
const KINDS = {
  failed: "failed", dominated: "dominated", infeasible: "infeasible", early: "ended early", front: "on the front",
  anchor: "anchor",
};
const kinds = D.trial.map((_, row) => {
  if (D.state[row] === "failed") return "failed";
  if (D.kind[row] === "anchor") return "anchor";
  if (D.state[row] !== "complete") return "early";
  return D.front[row] ? "front" : D.feasible[row] ? "dominated" : "infeasible";
});
const ORDER = Object.keys(KINDS);

const state = { visible: new Uint8Array(N).fill(1), chosen: -1 };
const redraws = [];  // what is drawn again when the filters or the choice change
const redraw = () => redraws.forEach((draw) => draw());

function choose(row, tell = true) {
  state.chosen = row;
  showDetails(row);
  if (tell) byId("said").textContent = inWords(row);
  redraw();
}

const text = (value) => {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
  return typeof value === "object" ? JSON.stringify(value) : String(value);
};
const fixed = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits));
const named = (row) => `Trial ${D.trial[row]}: ${D.stage[row]}, ` +
  (kinds[row] === "anchor"
    ? `anchor, ${D.front[row] ? "on the front" : D.feasible[row] ? "dominated" : "infeasible"}`
    : KINDS[kinds[row]]);
const inWords = (row) => [named(row),
  ...D.objectives.map((o) => `${o.short} ${fixed(D.metrics[o.name]?.value[row])}`)].join("\n");

function element(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
