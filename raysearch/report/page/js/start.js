// Fills the page.
function legend(list) {
  const present = ORDER.filter((kind) => kind !== "failed" && kind !== "anchor" && kinds.includes(kind) &&
    (list.dataset.legend !== "front" || kind === "front"));
  const add = (kind, stage, words) => {
    const node = element("canvas", { "aria-hidden": "true" });
    list.append(element("li", {}, node, words));
    canvas(node, (context) => mark(context, 11, 11, kind, stage, true));
  };
  for (const kind of present) add(kind, "", KINDS[kind]);
  for (const stage of new Set(D.stage.filter((_, row) => kinds[row] === "anchor"))) add("anchor", stage, `${stage}, anchor`);
  if (D.recommended.length) list.append(element("li", {}, element("b", { class: "letter" }, "A"), "recommended"));
}

function plots(list) {
  const known = D.objectives.map((one) => one.name).filter((name) => D.metrics[name]?.value.some((v) => v !== null));
  const some = (name) => D.metrics[name]?.value.some((value) => value !== null);
  const wanted = {
    front: () => (known.length > 1 ? known.slice(1) : known).map((name) => [known[0], name]),
    pairs: () => known.flatMap((one, place) => known.slice(place + 1).map((other) => [one, other])),
    transfer: () => (some("intrinsic_gap") ? ["demographic_parity_difference", "equalized_odds_difference",
      "accuracy_parity", "accuracy"].filter(some).map((name) => ["intrinsic_gap", name]) : []),
  }[list.dataset.plots]();
  const front = list.dataset.plots === "front";
  for (const [across, up] of wanted) {
    const node = element("canvas", { tabindex: "0", role: "img", "aria-label":
      `${D.metrics[up].short} against ${D.metrics[across].short}; arrow keys step through the trials` });
    list.append(node);
    scatter(node, across, up, front ? (row) => D.front[row] || kinds[row] === "anchor" : () => true, front);
  }
  if (!wanted.length) list.append(element("p", { class: "empty" }, "Nothing was measured that could be drawn here."));
}

if (N) {
  filters(byId("filters"));
  document.querySelectorAll("[data-plots]").forEach(plots);
  parallel(byId("parallel"));
  if (byId("volume")) volume(byId("volume"));
  listTrials(byId("all"), byId("more"));
  document.querySelectorAll("[data-legend]").forEach(legend);
  sift();
  const first = D.recommended.length ? rowOf.get(D.recommended[0]) : Math.max(baseline, 0);
  choose(first, false);
}

document.addEventListener("click", (event) => {
  const pick = event.target.closest("button.pick");
  if (pick) {
    choose(rowOf.get(Number(pick.dataset.trial)));
    byId("details").scrollIntoView({ block: "nearest" });
    byId("details").focus({ preventScroll: true });
  }
  const copy = event.target.closest("button.copy");
  if (copy) copyText(copy.previousElementSibling, copy);
});

async function copyText(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {  // a page from disk may not write the clipboard: the text is selected instead
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
}
document.documentElement.dataset.ready = Math.round(performance.now());
