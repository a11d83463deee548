// Parallel coordinates: parameters, then objectives with their better end up; upright on a narrow screen.
function parallel(node) {
  const axes = [
    ...D.params.map((one) => parameterAxis(one)),
    ...D.objectives.filter((one) => D.metrics[one.name]).map((one) => objectiveAxis(one)),
  ];
  let places = [];
  const draw = (context, width, height) => {
    const upright = width < 640;
    const before = upright ? 30 : 62, after = upright ? 34 : 62;
    const length = upright ? width - 24 : height - 104;
    const gap = ((upright ? height : width) - before - after) / Math.max(1, axes.length - 1);
    const place = (axis, share) => {
      const along = before + gap * axis;
      return upright ? [12 + share * length, along] : [along, 60 + (1 - share) * length];
    };
    places = [];
    const many = N > 400;
    for (const kind of ORDER) {
      if (kind === "failed") continue;
      for (let row = 0; row < N; row++) if (kinds[row] === kind && state.visible[row]) {
        line(context, row, kind, many, place);
      }
    }
    if (state.chosen >= 0 && state.visible[state.chosen]) line(context, state.chosen, "chosen", false, place);
    axes.forEach((axis, index) => name(context, axis, place(index, 0), place(index, 1), upright, gap, index));
  };
  const line = (context, row, kind, many, place) => {
    const look = LOOKS[kind];
    context.beginPath();
    context.strokeStyle = look.colour;
    context.globalAlpha = many && look.fades ? look.alpha / 3 : look.alpha;
    context.lineWidth = look.width;
    context.setLineDash(look.dash && !many ? look.dash : []);
    axes.forEach((axis, index) => {
      const [x, y] = place(index, axis.share(row));
      context.lineTo(x, y);
      if (kind !== "chosen") places.push([x, y, row]);
    });
    context.stroke();
    context.globalAlpha = 1;
    context.setLineDash([]);
  };
  canvas(node, draw);
  listenToLines(node, () => places, axes.length);
}

const LOOKS = {
  dominated: { colour: GREY, alpha: 0.45, width: 1, fades: true },
  infeasible: { colour: GREY, alpha: 0.7, width: 1, dash: [3, 3], fades: true },
  early: { colour: "#a8447d", alpha: 0.6, width: 1, dash: [1, 3], fades: true },
  front: { colour: BLUE, alpha: 0.8, width: 1.8 },
  anchor: { colour: ORANGE, alpha: 0.9, width: 2 },
  chosen: { colour: INK, alpha: 1, width: 3.5 },
};

function name(context, axis, low, high, upright, gap, index) {
  context.strokeStyle = "#57606a";
  context.lineWidth = 1.5;
  context.beginPath(); context.moveTo(...low); context.lineTo(...high); context.stroke();
  const write = (words, x, y, most) => {
    context.lineWidth = 3;
    context.strokeStyle = "rgba(255,255,255,.85)";
    context.strokeText(words, x, y, most);
    context.fillText(words, x, y, most);
  };
  context.fillStyle = INK;
  context.textAlign = upright ? "left" : "center";
  if (upright) {
    write(axis.name, low[0], low[1] - 8, 300);
    context.fillStyle = SOFT;
    axis.marks.forEach(([share, label], place) => {
      context.textAlign = share > 0.9 ? "right" : place === 0 || !axis.words ? "left" : "center";
      write(label, low[0] + share * (high[0] - low[0]), low[1] + 15, 110);
    });
    return;
  }
  write(axis.name, high[0], index % 2 ? 34 : 14, gap * 1.95);
  context.fillStyle = SOFT;
  for (const [share, label] of axis.marks) {
    const y = low[1] + share * (high[1] - low[1]);
    write(label, low[0], share === 0 ? y + 16 : share === 1 ? y - 6 : y + 4, gap * 0.95);
  }
}

const brief = (value) => String(Number(value.toPrecision(2)));

function parameterAxis(one) {
  if (one.words) {
    const options = [...new Set(one.value.filter((value) => value !== null).map(String))].sort();
    const all = one.value.includes(null) && !options.includes("none") ? ["none", ...options] : options;
    const share = (value) => (all.length < 2 ? 0.5 : all.indexOf(value === null ? "none" : String(value)) / (all.length - 1));
    return { name: one.short, share: (row) => share(one.value[row]), marks: all.map((o) => [share(o), o]),
      words: true };
  }
  const scale = one.log ? Math.log10 : (value) => value;
  const known = one.value.filter((value) => typeof value === "number");
  let low = Infinity, high = -Infinity;
  for (const value of known) { low = Math.min(low, value); high = Math.max(high, value); }
  const base = one.value.includes(null) ? 0.14 : 0;  // those that have no such value stand below the others
  const share = (value) => (value === null ? 0 : low === high ? 0.5
    : base + (1 - base) * ((scale(value) - scale(low)) / (scale(high) - scale(low))));
  const marks = known.length ? [[base, brief(low)], [1, brief(high)]] : [];
  return { name: one.short, share: (row) => share(one.value[row]), marks: base ? [[0, "none"], ...marks] : marks };
}

function objectiveAxis(objective) {
  const values = D.metrics[objective.name].value;
  let low = Infinity, high = -Infinity;
  for (const value of values) if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
  const [worst, best] = objective.direction === "minimize" ? [high, low] : [low, high];
  const share = (row) => (values[row] === null || best === worst ? 0.5 : (values[row] - worst) / (best - worst));
  return { name: `${objective.short} ${objective.direction === "minimize" ? "↓" : "↑"}`, share,
    marks: low > high ? [] : [[0, brief(worst)], [1, brief(best)]] };
}

// As listen(), but a pointer is near a trial when it is near its line, and every trial has one place for keys.
function listenToLines(node, places, count) {
  const each = () => places().filter((_, index) => index % count === count - 1);
  listen(node, () => each());
  const nearest = (event) => {
    const box = node.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
    const all = places();
    let found = -1, least = 9;
    for (let index = 1; index < all.length; index++) {
      const [ax, ay, row] = all[index - 1], [bx, by, other] = all[index];
      if (row !== other) continue;
      const share = ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2 || 1);
      if (share < 0 || share > 1) continue;
      const distance = Math.hypot(ax + share * (bx - ax) - px, ay + share * (by - ay) - py);
      if (distance <= least) { least = distance; found = row; }
    }
    return found;
  };
  node.addEventListener("pointermove", (event) => tip(nearest(event), event));
  node.addEventListener("click", (event) => { const row = nearest(event); if (row >= 0) choose(row); });
}
