// Canvases that are sharp on any screen, round ticks, and the frame of a plot.
const FONT = '13px system-ui, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif';

// Calls draw(context, width, height) as soon as the canvas is near the screen, and again when its size changes or
// redraw() asks. What is far away waits: with thousands of trials the page is there at once.
function canvas(node, draw) {
  let near = false, stale = true, size = "";
  const paint = () => {
    const width = node.clientWidth, height = node.clientHeight;
    if (!width || !height) return;
    stale = false;
    size = `${width}x${height}`;
    const scale = Math.max(N > 1000 ? 1 : 2, window.devicePixelRatio || 1);  // finer than the screen: print shows it
    node.width = Math.round(width * scale);
    node.height = Math.round(height * scale);
    const context = node.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.font = FONT;
    draw(context, width, height);
  };
  new IntersectionObserver(([entry]) => {
    near = entry.isIntersecting;
    if (near && stale) paint();
  }, { rootMargin: "300px" }).observe(node);
  new ResizeObserver(() => {
    if (stale || matchMedia("print").matches || size === `${node.clientWidth}x${node.clientHeight}`) return;
    stale = true;
    if (near) paint();
  }).observe(node);
  addEventListener("beforeprint", () => { if (stale) paint(); });
  redraws.push(() => { stale = true; if (near) paint(); });
}

function ticks(low, high, most) {
  const raw = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= raw * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) {
    found.push(Math.abs(at) < step * 1e-9 ? 0 : Number(at.toPrecision(12)));
  }
  return found;
}

function rangeOf(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) if (typeof value === "number") { low = Math.min(low, value); high = Math.max(high, value); }
  if (low > high) return [0, 1];
  const pad = (high - low) * 0.06 || Math.abs(high) * 0.05 || 0.5;
  return [low - pad, high + pad];
}

// Axes with grid, ticks and names; gives functions from values to places.
function frame(context, width, height, x, y) {
  const left = 52, right = width - 8, top = 10, bottom = height - 42;
  const atX = (value) => left + ((value - x.range[0]) / (x.range[1] - x.range[0])) * (right - left);
  const atY = (value) => bottom - ((value - y.range[0]) / (y.range[1] - y.range[0])) * (bottom - top);
  context.strokeStyle = "#e6e9ed";
  context.fillStyle = SOFT;
  context.lineWidth = 1;
  context.textAlign = "center";
  for (const tick of ticks(...x.range, Math.max(2, width / 80))) {
    context.beginPath(); context.moveTo(atX(tick), top); context.lineTo(atX(tick), bottom); context.stroke();
    context.fillText(text(tick), Math.min(atX(tick), right - 10), bottom + 16);
  }
  context.textAlign = "right";
  for (const tick of ticks(...y.range, Math.max(2, height / 60))) {
    context.beginPath(); context.moveTo(left, atY(tick)); context.lineTo(right, atY(tick)); context.stroke();
    context.fillText(text(tick), left - 6, atY(tick) + 4);
  }
  context.strokeStyle = "#8c959f";
  context.strokeRect(left, top, right - left, bottom - top);
  context.fillStyle = INK;
  context.textAlign = "center";
  context.fillText(x.name, (left + right) / 2, height - 8, right - left);
  context.save();
  context.translate(13, (top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(y.name, 0, 0, bottom - top);
  context.restore();
  return { atX, atY, left, right, top, bottom };
}
