// Lines over something: hypervolume over the budget, and small learning curves.
function volume(node) {
  const { hours, volume: values } = D.progress;
  canvas(node, (context, width, height) => {
    const x = { range: [0, (hours.at(-1) || 1) * 1.02], name: "group-hours spent" };
    const y = { range: [0, Math.max(...values.slice(-1), 1e-9) * 1.08], name: "hypervolume" };
    const { atX, atY, bottom } = frame(context, width, height, x, y);
    context.beginPath();
    context.moveTo(atX(0), bottom);
    let before = 0;
    hours.forEach((hour, index) => {
      context.lineTo(atX(hour), atY(before));
      context.lineTo(atX(hour), atY(values[index]));
      before = values[index];
    });
    context.strokeStyle = BLUE;
    context.lineWidth = 2.5;
    context.stroke();
  });
}

function spark(steps, values, label) {
  const made = (tag, given) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(given)) node.setAttribute(key, value);
    return node;
  };
  const known = values.map((value, index) => [steps[index], value]).filter(([, value]) => value !== null);
  const lows = known.map(([, value]) => value);
  const low = Math.min(...lows), high = Math.max(...lows), first = steps[0], last = steps.at(-1);
  const points = known.map(([step, value]) =>
    `${(3 + (94 * (step - first)) / (last - first || 1)).toFixed(1)},${(46 - (40 * (value - low)) / (high - low || 1)).toFixed(1)}`);
  const svg = made("svg", { viewBox: "0 0 100 52", preserveAspectRatio: "none", role: "img",
    "aria-label": `${label} from ${text(known[0]?.[1])} to ${text(known.at(-1)?.[1])}` });
  svg.append(made("polyline", { points: points.join(" "), fill: "none", stroke: BLUE, "stroke-width": 2,
    "vector-effect": "non-scaling-stroke" }));
  return element("div", {}, svg, element("small", {}, `${label}: ${text(known[0]?.[1])} → ${text(known.at(-1)?.[1])}`));
}
