// The page: controls, list of areas, panels in their places.

// -------------------------------------------------------------------------------------------- head

const runs = DATA.trials ? "trials" : "replicates";
const count = Math.max(...DATA.series.map((x) => Math.max(x.members.length, ...x.members.map((m) => m + 1))));
text(
  "facts",
  [
    DATA.attributes.circuit,
    `${N} areas of ${DATA.attributes.connectome}`,
    `${tickText(Number(DATA.time[0].toFixed(3)))} to ${tickText(Number(DATA.time.at(-1).toFixed(3)))} ms`,
    count > 1 ? `${count} ${runs}` : "",
    `seed ${DATA.attributes.seed}`,
  ]
    .filter(Boolean)
    .join(" · "),
);

// ---------------------------------------------------------------------------------------- controls

// Of several conditions that in which most is shown.
state.series = Math.max(
  0,
  DATA.series.findIndex((x) => x.windows.length === Math.max(...DATA.series.map((y) => y.windows.length))),
);
{
  // What was given moves areas away from their baseline, which is then what to compare with; a start
  // that lies elsewhere falls below it.
  const given = DATA.series.some((x) => x.windows.length) && DATA.variables[0].baseline.some(finite);
  if (given) state.values = "baseline";
  const lows = Math.min(0, ...areaSpans().flatMap((v) => (v ? [v[0]] : []))),
    highs = Math.max(0, ...areaSpans().flatMap((v) => (v ? [v[1]] : [])));
  if (given && -lows > 0.1 * highs) {
    state.values = "recorded";
    spans = null;
  }
  const tops = areaSpans()
    .filter(Boolean)
    .map((v) => v[1] - v[0])
    .filter((x) => x > 0);
  // Responses over decades would leave most of the cortex dark on one scale.
  if (tops.length > 1 && Math.max(...tops) > 50 * Math.min(...tops)) {
    const highest = areaSpans().flatMap((v) => (v && v[1] > 0 ? [v[1]] : []));
    state.axis = "own";
    state.scale = lows > -0.01 * highs && Math.max(...highest) > 50 * Math.min(...highest) ? "log" : "own";
  }
}
// The end of the first stimulus is when there is most to see.
const [firstWindow] = series().windows;
state.frame = frameAt(firstWindow ? firstWindow.end : (DATA.time[0] + DATA.time.at(-1)) / 2);

const icon = (path) => s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: path }));
const PLAY = "M3 1.5v13l11-6.5z",
  PAUSE = "M3 1.5h3.5v13H3zM9.5 1.5H13v13H9.5z";
const play = h(
  "button",
  { type: "button", class: "play", "aria-label": "Play", onclick: () => set({ playing: !state.playing }) },
  icon(PLAY),
);
const slider = h("input", {
  type: "range",
  min: 0,
  max: FRAMES - 1,
  step: 1,
  value: state.frame,
  "aria-label": "Time",
  oninput: () => set({ frame: Number(slider.value), playing: false }),
});
slider.addEventListener("keydown", (e) => {
  if (e.key === " ") {
    e.preventDefault();
    play.click();
  }
});
const clock = h("output", { "aria-hidden": "true" });
const showTime = () => {
  const t = milliseconds(frameTime(state.frame));
  slider.value = state.frame;
  slider.setAttribute("aria-valuetext", t);
  clock.textContent = t;
};
on("frame", showTime);
/** The whole recording in twelve seconds. */
const PLAY_MS = 12_000;
on("playing", () => {
  play.replaceChildren(icon(state.playing ? PAUSE : PLAY));
  play.setAttribute("aria-label", state.playing ? "Pause" : "Play");
  if (!state.playing) return;
  if (state.frame >= FRAMES - 1) set({ frame: 0 });
  const from = state.frame,
    start = performance.now();
  const step = (now) => {
    if (!state.playing) return;
    // The time of a frame may lie before the click that asked for it.
    const frame = Math.min(FRAMES - 1, from + Math.floor((Math.max(0, now - start) / PLAY_MS) * FRAMES));
    set({ frame });
    if (frame >= FRAMES - 1) set({ playing: false });
    else requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
});
const seriesChoice =
  DATA.series.length > 1
    ? select(
        DATA.trials ? "trials" : "replicate",
        DATA.series.map((x, k) => [k, x.label]),
        state.series,
        (v) => set({ series: Number(v) }),
      )
    : null;
on("series", () => {
  if (seriesChoice) seriesChoice.querySelector("select").value = String(state.series);
});
document.getElementById("controls").append(
  h("div", { class: "time" }, play, slider, clock),
  DATA.variables.length > 1
    ? select(
        "variable",
        DATA.variables.map((v, k) => [k, v.name]),
        0,
        (v) => set({ variable: Number(v) }),
      )
    : "",
  seriesChoice ?? "",
  DATA.variables.some((v) => v.baseline.some(finite))
    ? select(
        "values",
        [
          ["recorded", "as recorded"],
          ["baseline", "minus baseline"],
        ],
        state.values,
        (v) => set({ values: v }),
      )
    : "",
);
if (FRAMES < 2) play.disabled = slider.disabled = true;

// ------------------------------------------------------------------------------------------ panels

applyTheme();
{
  // What was given, and both ends of the hierarchy.
  const given = series()
    .windows.flatMap((w) => w.areas)
    .slice(0, 1);
  for (const a of [...new Set([...given, ORDER[0], ORDER[Math.floor(N * 0.6)], ORDER.at(-1)])].slice(0, 4)) pick(a);
}
const missing = [];
const cortex = cortexPanel();
if (cortex) panels.append(cortex);
else missing.push("positions of the areas, so there is no map");
const trials = trialsPanel();
if (trials) panels.append(trials);
panels.append(...columns);
const fc = MATRICES.filter((m) => m.name === "functional_connectivity");
if (!fc.length) missing.push("functional connectivity");
if (!DATA.modes.length) missing.push("eigenmodes");
if (!measureNamed("timescale")) missing.push("timescales");
for (const panel of [
  rowsPanel,
  tracesPanel,
  () =>
    matrixPanel(
      "anatomy",
      MATRICES.filter((m) => !fc.includes(m)),
    ),
  measuresPanel,
  spectraPanel,
  () => matrixPanel("correlation", fc),
  modesPanel,
])
  place(panel());
if (missing.length)
  panels.append(h("p", { id: "missing", class: "small wide" }, `Not in the file: ${missing.join("; ")}.`));
panels.append(provenancePanel());
showTime();
markAreas();
document.documentElement.dataset.ready = "true";
