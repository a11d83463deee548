// The chosen trial: what it reached, whom it decided for, how it learned, what it cost, and how to get it.
const baseline = D.trial.findIndex((_, row) => D.stage[row] === "baseline" && D.state[row] === "complete");

function showDetails(row) {
  const parts = [
    element("h3", {}, named(row)),
    D.reason[row] ? element("p", { class: "broken" }, `${D.state[row]}: ${D.reason[row]}`) : null,
    element("p", { class: "note" }, [D.p[row] === null ? null : `P(front) ${fixed(D.p[row], 2)}`,
      D.seeds[row] > 1 ? `mean of ${D.seeds[row]} seeds` : `seed ${D.seed[row]}`].filter(Boolean).join(", ")),
    ...section("Metrics", metricTable(row)),
    ...section("Constraints", constraintTable(row)),
    ...section("Groups", groupTable(row)),
    ...section("Sampled parameters", pairs(D.params.filter((p) => p.value[row] !== null).map((p) => [p.path, p.value[row]]))),
    ...section("Learning curves", curves(row)),
    ...section("Cost", pairs(Object.entries(D.cost).filter(([, s]) => s[row] !== null)
      .map(([stage, s]) => [stage, `${s[row].toFixed(1)} s`]))),
    ...section("Commands", commands(row)),
    element("details", {}, element("summary", {}, "Whole configuration"), pairs(configuration(row))),
  ];
  byId("details").replaceChildren(...parts.filter(Boolean));
  byId("details").dataset.trial = D.trial[row];
}

const section = (head, body) => (body ? [element("h4", {}, head), body] : []);

function grid(heads, rows) {
  const cell = (value, place) => element(place ? "td" : "th", { class: place ? "number" : "", scope: place ? false : "row" },
    value instanceof Node ? value : String(value));
  return element("table", {},
    heads ? element("thead", {}, element("tr", {}, ...heads.map((head, place) =>
      element("th", { scope: "col", class: place ? "number" : "" }, head)))) : null,
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell)))));
}
function pairs(rows) {
  if (!rows.length) return null;
  const made = grid(null, rows.map(([path, value]) => [path, text(value)]));
  made.className = "paths";
  return made;
}

function metricTable(row) {
  const rows = Object.entries(D.metrics).filter(([, metric]) => metric.value[row] !== null).map(([name, metric]) => [
    metric.short,
    fixed(metric.value[row]),
    `${fixed(metric.low[row])} to ${fixed(metric.high[row])}`,
    text(Array.isArray(metric.n) ? metric.n[row] : metric.n),
    baseline >= 0 && baseline !== row && metric.value[baseline] !== null
      ? signed(metric.value[row] - metric.value[baseline]) + changeOf(name, row) : "",
  ]);
  return rows.length ? grid(["", "value", "interval", "n", "against baseline"], rows) : null;
}
function changeOf(name, row) {
  const { low, high } = D.changes[name] ?? {};
  return low && low[row] !== null ? ` (${signed(low[row])} to ${signed(high[row])})` : "";
}
const signed = (value) => (value >= 0 ? "+" : "") + value.toFixed(3);

function constraintTable(row) {
  const rows = Object.entries(D.constraints).filter(([, values]) => values[row] !== null).map(([name, values]) => [
    name, element("span", { class: values[row] <= 0 ? "holds" : "broken" },
      values[row] <= 0 ? `holds by ${fixed(-values[row])}` : `broken by ${fixed(values[row])}`)]);
  return rows.length ? grid(null, rows) : null;
}

function groupTable(row) {
  if (!D.groups[row]) return null;
  const share = (part, whole) => (whole ? fixed(part / whole, 2) : "–");
  const words = "Chosen: share with a positive decision. TPR and FPR: that share among the n who have the outcome, and " +
    "among those who have not.";
  return element("div", {}, grid(["group", "n", "chosen", "TPR", "FPR", "accuracy"],
    Object.entries(D.groups[row]).map(([group, [tn, fp, fn, tp]]) => {
      const n = tn + fp + fn + tp;
      return [group, n, share(fp + tp, n), `${share(tp, tp + fn)} of ${tp + fn}`, `${share(fp, fp + tn)} of ${fp + tn}`,
        share(tn + tp, n)];
    })), element("small", {}, words));
}

function curves(row) {
  const found = D.curves[D.trial[row]];
  if (!found) {
    return D.curves_left_out ? element("p", { class: "note" },
      `Not in this page, which keeps the curves of the front first: ${D.curves_left_out} are left out. ` +
      `tensorboard --logdir ${D.run}/tensorboard`) : null;
  }
  const names = Object.keys(found).filter((name) => name !== "step");
  const steps = found.step ?? found[names[0]].map((_, index) => index);
  return element("div", { class: "sparks" }, ...names.map((name) => spark(steps, found[name], name.replaceAll("_", " "))));
}

function commands(row) {
  const trial = D.trial[row];
  const trained = D.state[row] === "complete" && !["baseline", "cda"].includes(D.stage[row]);
  const lines = [
    trained ? `raysearch export ${D.run} ${trial} trial-${trial}` : null,
    D.state[row] === "complete" ? `raysearch replay ${D.run} ${trial}` : null,
  ].filter(Boolean);
  return lines.length ? element("div", {}, ...lines.map((line) =>
    element("p", { class: "command" }, element("code", {}, line), element("button", { class: "copy" }, "Copy")))) : null;
}

function configuration(row) {
  const whole = { ...D.shared, ...D.own[row] };
  return Object.keys(whole).sort().filter((path) => !(path in D.own[row] && D.own[row][path] === null))
    .map((path) => [path, whole[path]]);
}
