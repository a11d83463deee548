// Two metrics against each other. Click, or arrow keys, choose a trial.
const ANCHOR_SIDES = { baseline: 4, cda: 4, unlearning: 3, combined: 3 };

function mark(context, x, y, kind, stage, filled, size = 1) {
  context.beginPath();
  context.lineWidth = 1.8;
  if (kind === "anchor") {
    const sides = ANCHOR_SIDES[stage] ?? 4, radius = 8 * size;
    const turn = { baseline: Math.PI / 4, cda: 0, unlearning: -Math.PI / 2, combined: Math.PI / 2 }[stage] ?? 0;
    for (let corner = 0; corner < sides; corner++) {
      const angle = turn + (2 * Math.PI * corner) / sides;
      context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
    }
    context.closePath();
    context.fillStyle = filled ? ORANGE : "#fff";
    context.strokeStyle = ORANGE;
    context.lineWidth = 2.2;
    context.fill(); context.stroke();
  } else if (kind === "early") {
    const r = 4 * size;
    context.moveTo(x - r, y - r); context.lineTo(x + r, y + r); context.moveTo(x - r, y + r); context.lineTo(x + r, y - r);
    context.strokeStyle = "#a8447d";
    context.stroke();
  } else if (kind === "infeasible") {
    context.arc(x, y, 4 * size, 0, 7);
    context.strokeStyle = GREY;
    context.stroke();
  } else {
    context.arc(x, y, (kind === "front" ? 6 : 3.6) * size, 0, 7);
    context.fillStyle = kind === "front" ? BLUE : "rgba(110,110,110,.6)";
    context.fill();
    if (kind === "front") { context.strokeStyle = "#fff"; context.lineWidth = 1; context.stroke(); }
  }
}

// A scatter of metric `across` against `up`; `only` says which rows it shows; `reach` draws intervals.
function scatter(node, across, up, only, reach) {
  const x = D.metrics[across], y = D.metrics[up];
  const rows = [];
  for (const kind of ORDER) {
    if (kind === "failed") continue;
    for (let row = 0; row < N; row++) {
      if (kinds[row] === kind && only(row) && x.value[row] !== null && y.value[row] !== null) rows.push(row);
    }
  }
  const spread = (metric) => rangeOf(rows.flatMap((row) => reach
    ? [metric.low[row] ?? metric.value[row], metric.high[row] ?? metric.value[row]] : [metric.value[row]]));
  const ranges = [spread(x), spread(y)];
  let places = [];
  const draw = (context, width, height) => {
    const { atX, atY } = frame(context, width, height, { range: ranges[0], name: axisName(across) },
      { range: ranges[1], name: axisName(up) });
    places = [];
    if (reach) for (const row of rows.filter((one) => state.visible[one])) {
      context.strokeStyle = kinds[row] === "anchor" ? "rgba(213,94,0,.35)" : "rgba(0,114,178,.3)";
      context.lineWidth = 1.4;
      context.beginPath();
      context.moveTo(atX(x.low[row]), atY(y.value[row])); context.lineTo(atX(x.high[row]), atY(y.value[row]));
      context.moveTo(atX(x.value[row]), atY(y.low[row])); context.lineTo(atX(x.value[row]), atY(y.high[row]));
      context.stroke();
    }
    for (const row of rows) {
      if (!state.visible[row]) continue;
      const at = [atX(x.value[row]), atY(y.value[row]), row];
      places.push(at);
      mark(context, at[0], at[1], kinds[row], D.stage[row], D.front[row], N > 1000 && kinds[row] !== "front" ? 0.7 : 1);
    }
    for (const [px, py, row] of places) {
      if (row === state.chosen) ring(context, px, py, 11);
      if (letterOf.has(row)) badge(context, px, py, letterOf.get(row), width);
    }
  };
  canvas(node, draw);
  listen(node, () => places);
}

function ring(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.strokeStyle = INK;
  context.lineWidth = 2.5;
  context.stroke();
}

function badge(context, x, y, letter, width) {
  const at = x > width - 30 ? x - 15 : x + 15, up = y < 26 ? y + 13 : y - 13;
  context.beginPath();
  context.arc(at, up, 9, 0, 7);
  context.fillStyle = INK;
  context.fill();
  context.fillStyle = "#fff";
  context.textAlign = "center";
  context.font = "bold 12px system-ui, sans-serif";
  context.fillText(letter, at, up + 4.5);
  context.font = FONT;
}

const axisName = (name) => {
  const objective = D.objectives.find((one) => one.name === name);
  const arrow = objective ? (objective.direction === "minimize" ? " (lower is better)" : " (higher is better)") : "";
  return D.metrics[name].short + arrow;
};

// Pointer and keys on a canvas whose trials stand at places(): [x, y, row] each.
function listen(node, places) {
  const nearest = (event) => {
    const box = node.getBoundingClientRect();
    const px = event.clientX - box.left, py = event.clientY - box.top;
    let found = -1, least = event.pointerType === "touch" ? 28 : 14;
    for (const [x, y, row] of places()) {
      const distance = Math.hypot(x - px, y - py);
      if (distance <= least) { least = distance; found = row; }
    }
    return found;
  };
  node.addEventListener("pointermove", (event) => tip(nearest(event), event));
  node.addEventListener("pointerleave", () => tip(-1));
  node.addEventListener("click", (event) => { const row = nearest(event); if (row >= 0) choose(row); });
  node.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [1, -1], ArrowDown: [1, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const sorted = [...places()].sort((a, b) => a[step[0]] - b[step[0]] || a[2] - b[2]);
    if (!sorted.length) return;
    const now = sorted.findIndex((place) => place[2] === state.chosen);
    choose(sorted[now < 0 ? 0 : Math.min(sorted.length - 1, Math.max(0, now + step[1]))][2]);
  });
}

function tip(row, event) {
  const node = byId("tip");
  node.hidden = row < 0;
  if (row < 0) return;
  node.textContent = inWords(row);
  node.style.left = `${Math.min(event.pageX + 14, document.documentElement.clientWidth - node.offsetWidth - 6)}px`;
  node.style.top = `${event.pageY + 14}px`;
}
