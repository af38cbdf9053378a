// Small tools for drawing: elements, colours, scales, labels, tables.

const SVG = "http://www.w3.org/2000/svg";
function make(space, name, attributes, children) {
  const node = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}
const h = (name, attributes, ...children) => make(null, name, attributes, children);
const s = (name, attributes, ...children) => make(SVG, name, attributes, children);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// ---------------------------------------------------------------------------------------- colours

// Viridis (van der Walt & Smith 2015, CC0) and cividis (Nuñez, Anderton & Renslow 2018,
// doi 10.1371/journal.pone.0199239) at 17 places; RdBu of ColorBrewer 2.0 (Brewer, Apache-2.0), reversed.
const hex = (text) => text.split(" ").map((c) => [0, 2, 4].map((k) => parseInt(c.slice(k, k + 2), 16)));
const MAPS = {
  viridis: hex(
    "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1f9f88 27ad81 3dbc74 5cc863 81d34d aadc32 d5e21a fde725",
  ),
  cividis: hex(
    "00224e 002e6a 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 8b8778 9a9376 aaa073 bbad6d ccba64 ddc858 efd748 fee838",
  ),
  diverging: hex("053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f"),
};
function colour(map, fraction) {
  const stops = MAPS[map],
    at = Math.min(1, Math.max(0, fraction)) * (stops.length - 1);
  const k = Math.min(stops.length - 2, Math.floor(at)),
    f = at - k;
  return `rgb(${stops[k].map((c, i) => Math.round(c + f * (stops[k + 1][i] - c))).join(" ")})`;
}
const gradient = (map) => `linear-gradient(to right, ${MAPS[map].map((c) => `rgb(${c.join(" ")})`).join(", ")})`;
/**
 * From numbers to fractions of a colour map. `kind`: linear, log or diverging (symmetric about 0).
 */
function colourScale(low, high, kind, map) {
  if (kind === "diverging") {
    const most = Math.max(-low, high) || 1;
    return { map: "diverging", at: (x) => 0.5 + x / most / 2, low: -most, high: most, kind };
  }
  if (kind === "log") {
    const [a, b] = [Math.log(low), Math.log(high)];
    return { map, at: (x) => (x <= low ? 0 : (Math.log(x) - a) / (b - a || 1)), low, high, kind };
  }
  return { map, at: (x) => (x - low) / (high - low || 1), low, high, kind };
}
/** The scale that suits values: diverging around 0, logarithmic over decades, else linear. */
function fittingScale(values, map = "viridis") {
  const span = range(values);
  if (!span) return null;
  const [low, high] = span;
  if (low < 0 && high > 0 && Math.min(-low, high) > 0.05 * Math.max(-low, high))
    return colourScale(low, high, "diverging", map);
  const least = Math.min(...values.filter((x) => finite(x) && x > 0));
  if (low >= 0 && high / least > 50) return colourScale(least, high, "log", map);
  return colourScale(low, high, "linear", map);
}
function ramp(scale, units, words) {
  const digits = digitsApart(scale.low, scale.high);
  const [low, high] = words ?? [scale.low, scale.high].map((x) => quantity(x, units, digits));
  const bar = h("i", { "aria-hidden": "true" });
  bar.style.background = gradient(scale.map);
  return h(
    "span",
    { class: "ramp" },
    h("span", {}, low),
    bar,
    h("span", {}, high),
    scale.kind === "log" ? h("span", { class: "small" }, "(logarithmic)") : null,
  );
}

// ------------------------------------------------------------------------------------------- axes

function linearTicks(low, high, most) {
  const raw = (high - low) / most,
    size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * size).find((k) => k >= raw) ?? 10 * size;
  const out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++)
    out.push(Number((k * step).toPrecision(12)));
  return out;
}
function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const steps = decades > 3 ? [1] : decades > 1.2 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const out = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++)
    for (const k of steps) {
      const x = Number((k * 10 ** e).toPrecision(3));
      if (x >= low && x <= high) out.push(x);
    }
  return out;
}
const tickText = (x) =>
  Math.abs(x) >= 1e5 || (x !== 0 && Math.abs(x) < 1e-3)
    ? x.toExponential(0).replace("e+", "e").replace("e-", "e−")
    : String(Number(x.toPrecision(6))).replace("-", "−");

let measuring = null;
/** Width of a text; a name may be picked, and is then bold. */
function textWidth(text, size = 11, weight = 400) {
  measuring ??= document.createElement("canvas").getContext("2d");
  measuring.font = `${weight} ${size}px Inter, system-ui, -apple-system, "Segoe UI", sans-serif`;
  return measuring.measureText(text).width;
}
/**
 * Places names beside points so that they cover neither points nor one another. Returns an array of
 * {x, y, anchor} or null where there is no room.
 */
function placeLabels(points, radius, width, height, leftmost = 0) {
  const taken = points.map((p) => [p.x - radius, p.y - radius, p.x + radius, p.y + radius]);
  const free = (box) =>
    box[0] >= leftmost &&
    box[2] <= width &&
    box[1] >= 0 &&
    box[3] <= height &&
    !taken.some((t) => t[0] < box[2] && t[2] > box[0] && t[1] < box[3] && t[3] > box[1]);
  return points.map((p) => {
    const w = textWidth(p.name, 11, 700),
      r = radius + 3;
    const spots = [
      [r, 3.5, "start"],
      [-r, 3.5, "end"],
      [0, -r - 1, "middle"],
      [0, r + 9, "middle"],
      [r - 2, -r + 4, "start"],
      [r - 2, r + 5, "start"],
      [-r + 2, -r + 4, "end"],
      [-r + 2, r + 5, "end"],
    ];
    for (const [dx, dy, anchor] of spots) {
      const left = p.x + dx - (anchor === "end" ? w : anchor === "middle" ? w / 2 : 0),
        base = p.y + dy;
      const box = [left - 1, base - 9, left + w + 1, base + 2];
      if (free(box)) {
        taken.push(box);
        return { x: p.x + dx, y: base, anchor };
      }
    }
    return null;
  });
}

/** Room beside a chart for the numbers and the name of its axis. */
const PLANE_LEFT = 58;
/**
 * An empty chart with named axes. `x`, `y`: {name, values, log, names}; `names` stand for the numbers from 0
 * on. Gives the SVG, what brings numbers to places, and the height of the base line.
 */
function plane({ width, height, x, y, label }) {
  const left = PLANE_LEFT,
    bottom = 40,
    top = 10,
    right = 14;
  const axis = ({ values, log, names }, from, to) => {
    const [low, high] = range(values) ?? [0, 1];
    const t = log ? Math.log10 : (v) => v;
    const pad = (t(high) - t(low) || Math.abs(t(high)) || 1) * 0.06;
    const [a, b] = [t(low) - pad, t(high) + pad];
    const back = (v) => (log ? 10 ** v : v);
    return {
      at: (v) => from + ((t(v) - a) / (b - a)) * (to - from),
      ticks: names
        ? names.map((_, k) => k)
        : log
          ? logTicks(back(a), back(b))
          : linearTicks(a, b, Math.abs(to - from) / 70),
      text: (v) => (names ? names[v] : tickText(v)),
    };
  };
  const ax = axis(x, left, width - right),
    ay = axis(y, height - bottom, top);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  for (const t of ay.ticks)
    svg.append(
      s("line", { class: "grid-line", x1: left, x2: width - right, y1: ay.at(t), y2: ay.at(t) }),
      s("text", { class: "tick", x: left - 8, y: ay.at(t) + 4, "text-anchor": "end" }, ay.text(t)),
    );
  for (const t of ax.ticks)
    svg.append(
      s("text", { class: "tick", x: ax.at(t), y: height - bottom + 17, "text-anchor": "middle" }, ax.text(t)),
    );
  svg.append(
    s("line", { class: "base", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
    s("text", { class: "axis-label", x: (left + width - right) / 2, y: height - 5, "text-anchor": "middle" }, x.name),
    s(
      "text",
      {
        class: "axis-label",
        transform: `translate(12 ${(top + height - bottom) / 2}) rotate(-90)`,
        "text-anchor": "middle",
      },
      y.name,
    ),
  );
  return { svg, ax, ay, base: height - bottom };
}

/**
 * A chart of points with named axes. `points`: {x, y, name, tip, area, open, fill}. Returns an SVG.
 */
function scatter({ width, height, points, x, y, label, radius = 4.5 }) {
  const { svg, ax, ay, base } = plane({
    width,
    height,
    x: { ...x, values: points.map((p) => p.x) },
    y: { ...y, values: points.map((p) => p.y) },
    label,
  });
  const placed = points.map((p) => ({ ...p, sx: ax.at(p.x), sy: ay.at(p.y) }));
  const names = points.some((p) => p.name)
    ? placeLabels(
        placed.map((p) => ({ x: p.sx, y: p.sy, name: p.name })),
        radius,
        width,
        base,
        PLANE_LEFT,
      )
    : [];
  placed.forEach((p, k) => {
    const at = names[k];
    svg.append(
      s(
        "g",
        { class: `point${p.open ? " open" : ""}`, "data-area": p.area, "data-tip": p.tip },
        s("circle", { class: "hit", cx: p.sx, cy: p.sy, r: radius + 5 }),
        s("circle", { class: "dot", cx: p.sx, cy: p.sy, r: radius, style: p.fill ? `fill: ${p.fill}` : null }),
        at ? s("text", { x: at.x, y: at.y, "text-anchor": at.anchor }, p.name) : null,
      ),
    );
  });
  return svg;
}

/** Kinds of lines, told apart without colours. */
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4]];
/**
 * Lines over a chart. `lines`: {name, area, colour, dash, points: [{x, y, tip}], dots}; a y that is no number is
 * a gap. Gives the SVG and the names for a legend.
 */
function lineChart({ width, height, x, y, label, lines }) {
  const all = lines.flatMap((l) => l.points);
  const { svg, ax, ay } = plane({
    width,
    height,
    x: { ...x, values: all.map((p) => p.x) },
    y: { ...y, values: all.map((p) => p.y) },
    label,
  });
  for (const { area, colour, dash, points, dots } of lines) {
    const style = `fill: none; stroke: ${colour}; stroke-width: 1.8; stroke-dasharray: ${dash.join(" ") || "none"}`;
    const there = points.map((p) => finite(p.y));
    const d = points.map((p, k) => (there[k] ? `${there[k - 1] ? "L" : "M"}${ax.at(p.x)} ${ay.at(p.y)}` : "")).join("");
    svg.append(s("path", { d, "data-area": area, style }));
    if (!dots) continue;
    for (const p of points.filter((_, k) => there[k]))
      svg.append(
        s("circle", {
          cx: ax.at(p.x),
          cy: ay.at(p.y),
          r: points.length > 40 ? 2 : 3.5,
          style: `fill: ${colour}`,
          "data-area": area,
          "data-tip": p.tip,
        }),
      );
  }
  const keys = lines.map(({ name, colour, dash }) => {
    const style = `stroke: ${colour}; stroke-width: 2; stroke-dasharray: ${dash.join(" ") || "none"}`;
    const line = s("line", { x1: 0, x2: 26, y1: 5, y2: 5, style });
    return h("span", {}, s("svg", { width: 28, height: 10, "aria-hidden": "true" }, line), ` ${name}`);
  });
  return { svg, keys };
}

// ------------------------------------------------------------------------------- cards and tables

function select(label, options, value, change) {
  const list = h(
    "select",
    { onchange: (e) => change(e.target.value) },
    options.map(([v, text]) => h("option", { value: v, selected: String(v) === String(value) }, text)),
  );
  return h("label", { class: "choice" }, h("span", {}, label), list);
}
/** A card with heading, line below it, controls, a figure and the numbers behind it. */
function card(id, title, { controls = [], wide = false, table = null } = {}) {
  const heading = h("h2", { id: `${id}-heading` }, title),
    sub = h("p", { class: "sub" }),
    figure = h("div", { class: "figure" });
  const node = h(
    "section",
    { class: `card${wide ? " wide" : ""}`, id, "aria-labelledby": `${id}-heading` },
    h("div", { class: "card-head" }, h("div", {}, heading, sub), h("div", { class: "card-controls" }, controls)),
    figure,
    table ? dataTable(table) : null,
  );
  return { node, heading, sub, figure };
}
function save(name, type, text) {
  const link = h("a", { href: `data:${type};charset=utf-8,${encodeURIComponent(text)}`, download: name });
  link.click();
}
/** `table()` gives {caption, head, rows, areas, text}; built when it is opened, and again when it may have changed. */
function dataTable(table) {
  const place = h("div", {});
  const build = () => {
    if (!details.open) return;
    const { caption, head, rows, areas, text = 1 } = table();
    const kind = (k) => (k < text ? { class: "text" } : {});
    const body = rows.map((row, r) =>
      h(
        "tr",
        { "data-area": areas ? areas[r] : null },
        row.map((c, k) =>
          k === 0
            ? h("th", { scope: "row", class: "text" }, String(c ?? "–"))
            : h("td", kind(k), typeof c === "number" ? number(c, 4) : String(c ?? "–")),
        ),
      ),
    );
    const csv = () =>
      [head, ...rows]
        .map((row) =>
          row.map((c) => (/[",\n]/.test(String(c)) ? `"${String(c).replaceAll('"', '""')}"` : (c ?? ""))).join(","),
        )
        .join("\n") + "\n";
    place.replaceChildren(
      h(
        "div",
        { class: "table-tools" },
        h(
          "button",
          {
            type: "button",
            class: "quiet",
            onclick: () => save(`${caption.replace(/\W+/g, "_")}.csv`, "text/csv", csv()),
          },
          "Save as CSV",
        ),
      ),
      h(
        "div",
        { class: "table", tabindex: 0, role: "region", "aria-label": caption },
        h(
          "table",
          { class: "data" },
          h("caption", {}, caption),
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              head.map((c, k) => h("th", { scope: "col", ...kind(k) }, c)),
            ),
          ),
          h("tbody", {}, body),
        ),
      ),
    );
    markAreas();
  };
  const details = h("details", { ontoggle: build }, h("summary", {}, "Numbers"), place);
  on("variable series values frame colour shown", () => {
    if (!state.playing) build();
  });
  on("playing", () => {
    if (!state.playing) build();
  });
  return details;
}

// -------------------------------------------------------------------------------- tips and marking

const tip = document.getElementById("tip");
function showTip(text, event) {
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(6, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
  tip.style.top = `${event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18}px`;
}
/** Every element of an area, wherever it stands, looks picked or pointed at. */
function markAreas() {
  for (const node of document.querySelectorAll("[data-area]")) {
    const area = Number(node.dataset.area),
      k = pickColours.get(area);
    node.classList.toggle("picked", k !== undefined);
    node.classList.toggle("hover", area === state.hover);
    if (k !== undefined) node.style.setProperty("--pick", `var(--pick${k})`);
    if (node.getAttribute("role") === "option") node.setAttribute("aria-selected", String(k !== undefined));
  }
}
const sized = [];
/** Draws all that waits for room and now has it, without waiting for the next frame. */
const drawWaiting = () => sized.forEach((update) => update());
/** Draws once there is room, and again when the width changes. */
function whenSized(node, draw) {
  let width = 0;
  const update = () => {
    const now = Math.floor(node.clientWidth);
    if (now > 0 && now !== width) {
      width = now;
      draw(now);
    }
  };
  // In the next frame, so that a drawing that changes the height of the page does not loop.
  new ResizeObserver(() => requestAnimationFrame(update)).observe(node);
  sized.push(update);
  update();
  return () => {
    if (width) draw(width);
  };
}
