// What the page knows: the data of the file, what is chosen, and who is told when that changes.

const DATA = JSON.parse(document.getElementById("data").textContent);
const N = DATA.areas.length;
const PER_FRAME = DATA.thinned ? 2 : 1;
const FRAMES = DATA.time.length / PER_FRAME;
const MOST_PICKED = 6;

const state = {
  variable: 0,
  series: 0,
  values: "recorded",
  colour: "now",
  scale: "shared",
  axis: "shared",
  frame: 0,
  picked: [],
  hover: null,
  playing: false,
  theme: "system",
  dark: false,
};
const listeners = [];
/** Calls `listen` after any of the named entries of the state has changed. */
function on(names, listen) {
  listeners.push([names.split(" "), listen]);
}
function set(changes) {
  const changed = Object.keys(changes).filter((name) => state[name] !== changes[name]);
  Object.assign(state, changes);
  if (!changed.length) return;
  for (const [names, listen] of listeners) if (names.some((name) => changed.includes(name))) listen();
}
function pick(area) {
  const at = state.picked.indexOf(area);
  const picked = at < 0 ? [...state.picked, area].slice(-MOST_PICKED) : state.picked.filter((a) => a !== area);
  for (const a of [...pickColours.keys()]) if (!picked.includes(a)) pickColours.delete(a);
  for (const a of picked) {
    if (pickColours.has(a)) continue;
    const used = [...pickColours.values()];
    pickColours.set(
      a,
      [0, 1, 2, 3, 4, 5].find((k) => !used.includes(k)),
    );
  }
  set({ picked });
}
/** Area to the number of its colour, which it keeps while it is picked. */
const pickColours = new Map();

// ---------------------------------------------------------------------------------------- numbers

const finite = (x) => typeof x === "number" && Number.isFinite(x);
/** Three significant digits, without exponent where people do not use one. */
function number(x, digits = 3) {
  if (!finite(x)) return "–";
  // Rounded first: 99.99 with three digits is 100, not 100.0.
  x = Number(x.toPrecision(digits));
  const size = Math.abs(x);
  if (size === 0) return "0";
  if (size < 1e-4 || size >= 1e6)
    return x
      .toExponential(digits - 1)
      .replace("e+", "e")
      .replace("-", "−")
      .replace("e-", "e−");
  const places = Math.min(8, Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
  return x.toFixed(places).replace("-", "−");
}
const unit = (u) => (u && u !== "1" && u !== "dimensionless" ? u : "");
// Unit of a power spectral density.
const density = (u) => (!unit(u) ? "1/Hz" : u === "Hz" ? "Hz" : `${u}²/Hz`);
const withUnit = (text, u) => (unit(u) ? `${text} (${unit(u)})` : text);
const quantity = (x, u, digits) => (unit(u) && finite(x) ? `${number(x, digits)} ${unit(u)}` : number(x, digits));
/** Digits with which the ends of a range differ by more than what rounding does to them: 3 to 7. */
function digitsApart(low, high) {
  const share = (high - low) / Math.max(Math.abs(low), Math.abs(high));
  return share > 0 ? Math.min(7, Math.max(3, 2 + Math.round(-Math.log10(share)))) : 3;
}
function range(values) {
  let low = Infinity,
    high = -Infinity;
  for (const x of values)
    if (finite(x)) {
      if (x < low) low = x;
      if (x > high) high = x;
    }
  return low <= high ? [low, high] : null;
}
const mean = (x) => x.reduce((a, b) => a + b, 0) / x.length;
const sd = (x) => {
  const m = mean(x);
  return Math.sqrt(x.reduce((a, b) => a + (b - m) ** 2, 0) / (x.length - 1));
};
/** Ranks from 1, equal values share theirs. */
function ranks(values) {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const out = new Array(values.length);
  for (let i = 0; i < order.length;) {
    let j = i;
    while (j < order.length && values[order[j]] === values[order[i]]) j++;
    for (let k = i; k < j; k++) out[order[k]] = (i + j + 1) / 2;
    i = j;
  }
  return out;
}
/** Spearman's rank correlation, null where it has no meaning. */
function spearman(x, y) {
  if (x.length < 5) return null;
  const [a, b] = [ranks(x), ranks(y)];
  const [ma, mb] = [mean(a), mean(b)];
  let ab = 0,
    aa = 0,
    bb = 0;
  a.forEach((r, i) => {
    ab += (r - ma) * (b[i] - mb);
    aa += (r - ma) ** 2;
    bb += (b[i] - mb) ** 2;
  });
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : null;
}
/** Wilson's interval of a share at 95 %. */
function wilson(k, n) {
  const z = 1.959964,
    p = k / n,
    d = 1 + (z * z) / n;
  const middle = (p + (z * z) / (2 * n)) / d;
  const half = (z / d) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

// ----------------------------------------------------------------------------------------- traces

const decoded = new Map();
/** Values of every area at every time [unit of the variable], area after area; NaN is a gap. */
function traces(variable = state.variable, series = state.series) {
  const key = `${variable}/${series}`;
  if (!decoded.has(key)) {
    const packed = DATA.variables[variable].traces[series];
    const bytes = Uint8Array.from(atob(packed.values), (c) => c.charCodeAt(0));
    const words = new DataView(bytes.buffer);
    const times = DATA.time.length;
    const out = new Float64Array(N * times);
    for (let a = 0; a < N; a++) {
      const low = packed.low[a],
        step = (packed.high[a] - low) / 65534;
      for (let t = 0; t < times; t++) {
        const word = words.getUint16(2 * (a * times + t), true);
        out[a * times + t] = word === 65535 ? NaN : low + word * step;
      }
    }
    // A page of many trials would otherwise keep all that were ever looked at.
    if (decoded.size > 12) decoded.delete(decoded.keys().next().value);
    decoded.set(key, out);
  }
  return decoded.get(key);
}
const variable = () => DATA.variables[state.variable];
const series = () => DATA.series[state.series];
/** What is taken off the values of an area. */
const offset = (area) =>
  state.values === "baseline" && finite(variable().baseline[area]) ? variable().baseline[area] : 0;
function trace(area) {
  const times = DATA.time.length,
    base = offset(area);
  const all = traces().subarray(area * times, (area + 1) * times);
  return base === 0 ? all : all.map((x) => x - base);
}
/** Value of an area in a frame; where the frame stands for many samples, the middle of their range. */
function frameValue(area, frame) {
  const all = traces(),
    at = area * DATA.time.length + frame * PER_FRAME;
  return (PER_FRAME === 2 ? (all[at] + all[at + 1]) / 2 : all[at]) - offset(area);
}
const frameTime = (frame) => DATA.time[frame * PER_FRAME];
function frameAt(time) {
  let low = 0,
    high = FRAMES - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (frameTime(middle) <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}
/** Smallest and largest shown value of every area; null for one without values. */
let spans = null;
on("variable series values", () => {
  spans = null;
});
function areaSpans() {
  if (!spans) spans = DATA.areas.map((_, a) => range(trace(a)));
  return spans;
}
/** The largest departure of every area from its baseline, from the first stimulus on where there is one. */
const peaks = () => variable().traces[state.series].peak;
const shownName = () => `${variable().name}${state.values === "baseline" ? " minus baseline" : ""}`;
const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
const milliseconds = (t) => `${Number(t.toFixed(t < 100 ? 2 : 1))} ms`;

// ------------------------------------------------------------------------------------------ areas

const HIERARCHY = DATA.gradients.find((g) => g.name === DATA.hierarchy) ?? null;
const hierarchyName = HIERARCHY
  ? ({ hierarchy_norm: "hierarchical position", hierarchy: "hierarchical position" }[HIERARCHY.name] ?? HIERARCHY.name)
  : null;
/** Areas from low to high in the hierarchy, in the order of the file without one. */
const ORDER = DATA.areas.map((_, a) => a);
if (HIERARCHY) ORDER.sort((a, b) => (HIERARCHY.values[a] ?? Infinity) - (HIERARCHY.values[b] ?? Infinity));
/** Cells row by row; null where there is no value. */
const cellsOf = (text) => text.split(",").map((cell) => (cell === "" ? null : Number(cell)));
const MATRICES = DATA.matrices.map((m) => ({ ...m, values: cellsOf(m.values) }));
const FLN = MATRICES.find((m) => m.name === "FLN") ?? null;
/** Measures that say something about another one. */
const isMark = (m) => /^timescale_(uncertain|exponentials)$/.test(m.name);
/** Numbers of areas that maps and charts can show, each with `values()`. */
const AREA_NUMBERS = [
  ...DATA.measures
    .filter((m) => !isMark(m))
    .map((m) => ({
      key: m.name,
      name: m.name.replaceAll("_", " "),
      doc: m.doc,
      units: m.units,
      values: () => m.values,
    })),
  {
    key: "peak",
    get name() {
      return series().peaks.is_base ? "peak departure since the first stimulus" : "peak departure from baseline";
    },
    get doc() {
      const { is_base, counts_later } = series().peaks;
      const base = is_base ? "what the area showed at the first stimulus" : "baseline";
      const when = counts_later ? ", from the first stimulus on" : "";
      return `largest departure from ${base}, up or down, in what is shown${when}`;
    },
    get units() {
      return variable().units;
    },
    values: peaks,
  },
];
const ANATOMY_NUMBERS = DATA.gradients.map((g) => ({
  key: g.name,
  name: g === HIERARCHY ? hierarchyName : g.name.replaceAll("_", " "),
  doc: g.doc,
  units: g.units,
  values: () => g.values,
}));
const measureNamed = (name) => DATA.measures.find((m) => m.name === name);

/** Stimuli of the shown series, each name in a lane and a tint of its own. */
function stimuli() {
  const names = [...new Set(series().windows.map((w) => w.name))];
  return series().windows.map((w) => {
    const lane = names.indexOf(w.name);
    const where = w.areas.length > 3 ? `${w.areas.length} areas` : w.areas.map((a) => DATA.areas[a]).join(", ");
    const parts = [where && `to ${where}`];
    if (w.in < series().members.length) parts.push(`in ${w.in} of ${series().members.length}`);
    if (w.varies) parts.push("at varying times");
    return { ...w, lane, tint: lane % 4, label: [w.name, ...parts.filter(Boolean)].join(" ") };
  });
}
const laneCount = () => Math.max(0, ...stimuli().map((w) => w.lane + 1));
