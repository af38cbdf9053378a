// The panels. Each returns its card, or nothing where the file does not hold what it would show.

const names = (areas) => areas.map((a) => DATA.areas[a]).join(", ");
const pickedColour = (area) => css(`--pick${pickColours.get(area)}`);

// --------------------------------------------------------------------------------------- the cortex

function cortexPanel() {
  if (!DATA.positions) return null;
  const [x, y, z] = DATA.positions;
  const placed = ORDER.filter((a) => finite(x[a]) && finite(y[a]) && finite(z[a]));
  if (!placed.length) return null;
  // The hemisphere's own side of the midline, so that up is away from it.
  const side = Math.sign(mean(placed.map((a) => x[a]))) || 1;
  const VIEWS = [
    { name: "From the side", up: (a) => z[a], depth: (a) => side * x[a], words: "up is dorsal" },
    { name: "From above", up: (a) => side * x[a], depth: (a) => z[a], words: "down is the midline" },
  ];
  const numbers = [...AREA_NUMBERS, ...ANATOMY_NUMBERS];
  const now = { key: "now", name: "activity at the time of the slider" };
  const chosen = () => numbers.find((n) => n.key === state.colour);
  const values = () => (chosen() ? chosen().values() : DATA.areas.map((_, a) => frameValue(a, state.frame)));
  const scaleChoice = select("scale", [["shared", "one scale for all"], ["log", "logarithmic"], ["own", "each area's own range"]], state.scale, (v) => set({ scale: v }));
  const { node, sub, figure } = card("cortex", "The cortex", {
    wide: true,
    controls: [
      select("colour", [now, ...numbers].map((n) => [n.key, n.name]), state.colour, (v) => set({ colour: v })),
      scaleChoice,
    ],
    table: () => {
      const shown = values();
      return {
        caption: chosen() ? chosen().name : `${shownName()} at ${milliseconds(frameTime(state.frame))}`,
        head: ["area", "value", "to the front (mm)", "up (mm)", "across (mm)"],
        rows: placed.map((a) => [DATA.areas[a], shown[a], y[a], z[a], x[a]]),
        areas: placed,
      };
    },
  });
  const views = h("div", { class: "cortex" }), legend = h("div", { class: "legend" });
  figure.append(views, legend);
  const discs = [];
  const linkLayers = [];

  function scales() {
    const [low, high] = [range(areaSpans().flatMap((v) => (v ? [v[0]] : []))), range(areaSpans().flatMap((v) => (v ? [v[1]] : [])))];
    if (!low || !high) return null;
    const [least, most] = [low[0], high[1]];
    if (state.scale === "own") return { own: true, ...colourScale(0, 1, "linear", "viridis") };
    if (state.scale === "log" && most > 0) {
      // Not more than five decades: less is dark.
      const positive = areaSpans().flatMap((v) => (v && v[1] > 0 ? [v[0] > 0 ? v[0] : v[1] / 100] : []));
      return colourScale(Math.max(Math.min(...positive), most / 1e5), most, "log", "viridis");
    }
    if (least < 0 && -least > 0.1 * most) return colourScale(least, most, "diverging", "viridis");
    return colourScale(state.values === "baseline" ? Math.min(0, least) : least, most, "linear", "viridis");
  }
  let scale = null;
  function rescale() {
    const number = chosen();
    scale = number ? fittingScale(number.values()) : scales();
    scaleChoice.hidden = Boolean(number);
    sub.textContent = number ? number.doc || number.name : `${shownName()}: ${variable().doc}`;
    const words = scale?.own ? ["lowest of the area", "highest of the area"] : null;
    legend.replaceChildren(
      ...(scale ? [ramp(scale, number ? number.units : variable().units, words)] : []),
      h("span", {}, "Discs stand where the data set puts the centres of areas on an inflated surface, front to the right. The grey shape only encloses them."),
      FLN ? h("span", { class: "link-note" }) : "",
    );
    recolour();
    links();
  }
  function recolour() {
    const shown = values();
    for (const { area, disc, group } of discs) {
      const v = shown[area], span = scale?.own ? areaSpans()[area] : null;
      const fraction = span ? (v - span[0]) / (span[1] - span[0] || 1) : v;
      disc.setAttribute("fill", finite(v) && scale ? colour(scale.map, scale.own ? fraction : scale.at(v)) : "none");
      group.dataset.tip = `${DATA.areas[area]}: ${quantity(v, chosen() ? chosen().units : variable().units)}${DATA.lobes?.[area] ? `\n${DATA.lobes[area]} lobe` : ""}`;
    }
  }
  function links() {
    const target = state.picked.at(-1);
    for (const { layer, at } of linkLayers) {
      layer.replaceChildren();
      if (!FLN || target === undefined || !at.has(target)) continue;
      const into = placed.map((a) => [a, FLN.values[target * N + a]]).filter(([a, w]) => finite(w) && w > 0 && at.has(a)).sort((a, b) => b[1] - a[1]).slice(0, 8);
      const [tx, ty] = at.get(target);
      into.forEach(([a, w], k) => {
        const [sx, sy] = at.get(a);
        const bend = 0.16, mx = (sx + tx) / 2 - (ty - sy) * bend, my = (sy + ty) / 2 + (tx - sx) * bend;
        const thick = Math.max(1, 5.5 + 1.6 * Math.log10(w));
        layer.append(s("path", { class: "link", d: `M${sx} ${sy}Q${mx} ${my} ${tx} ${ty}`, "stroke-width": thick.toFixed(1), style: `--pick: var(--pick${pickColours.get(target)})` }));
      });
    }
    const note = legend.querySelector(".link-note");
    if (note) note.textContent = target === undefined ? "Pick an area to see its strongest inputs." : `Lines: the eight strongest inputs of ${DATA.areas[target]} by FLN.`;
  }
  function drawViews() {
    views.replaceChildren();
    discs.length = linkLayers.length = 0;
    const total = views.clientWidth;
    const narrow = total < 620;
    VIEWS.forEach((view, v) => {
      const width = narrow ? total : Math.floor((total - 20) * (v === 0 ? 0.54 : 0.46));
      const ys = range(placed.map((a) => y[a])), us = range(placed.map(view.up));
      const pad = 42, k = Math.min((width - 2 * pad) / (ys[1] - ys[0] || 1), 8);
      const height = (us[1] - us[0]) * k + 2 * pad;
      const at = new Map(placed.map((a) => [a, [pad + (y[a] - ys[0]) * k, pad + (us[1] - view.up(a)) * k]]));
      const radius = Math.max(5.5, Math.min(10, width / 56));
      const svg = s("svg", { viewBox: `0 0 ${width} ${height.toFixed(1)}`, width, height, role: "img", "aria-label": `The cortex ${view.name.toLowerCase()}, front to the right: ${placed.length} areas as discs coloured by the chosen number. The numbers are in the table below.` });
      svg.append(s("path", { class: "outline", d: outline([...at.values()], 34) }));
      const layer = s("g", {});
      svg.append(layer);
      linkLayers.push({ layer, at });
      const spots = placeLabels(placed.map((a) => ({ x: at.get(a)[0], y: at.get(a)[1], name: DATA.areas[a] })), radius, width, height);
      const near = placed.map((a, i) => [a, i]).sort((p, q) => view.depth(p[0]) - view.depth(q[0]));
      for (const [a, i] of near) {
        const [cx, cy] = at.get(a);
        const disc = s("circle", { class: "disc", cx, cy, r: radius });
        const spot = spots[i];
        const group = s("g", { class: "area", "data-area": a }, s("circle", { class: "hit", cx, cy, r: radius + 4 }), disc, s("circle", { class: "ring", cx, cy, r: radius + 2.5 }),
          s("text", spot ? { x: spot.x, y: spot.y, "text-anchor": spot.anchor } : { class: "spare", x: cx, y: cy - radius - 5, "text-anchor": "middle" }, DATA.areas[a]));
        discs.push({ area: a, disc, group });
        svg.append(group);
      }
      svg.append(s("text", { class: "strong", x: 2, y: 12 }, view.name), s("text", { class: "axis-label", x: 2, y: 27 }, view.words));
      views.append(h("div", {}, svg));
    });
    rescale();
    markAreas();
  }
  whenSized(views, drawViews);
  on("variable series values colour scale", rescale);
  on("frame", () => { if (!chosen()) recolour(); });
  on("picked", links);
  return node;
}
/** A smooth closed line around points, about `pad` outside their convex hull. */
function outline(points, pad) {
  const turn = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
  const half = (list) => {
    const out = [];
    for (const p of list) { while (out.length > 1 && turn(out.at(-2), out.at(-1), p) <= 0) out.pop(); out.push(p); }
    return out.slice(0, -1);
  };
  // The hull of circles around the points: no point is nearer to the edge than `pad`.
  const round = points.flatMap((p) => Array.from({ length: 24 }, (_, i) => [p[0] + pad * Math.cos((i * Math.PI) / 12), p[1] + pad * Math.sin((i * Math.PI) / 12)]));
  round.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const edge = [...half(round), ...half([...round].reverse())];
  // Few corners at equal distances, each of which bends a curve between the middles of its sides.
  const sides = edge.map((p, k) => Math.hypot(edge[(k + 1) % edge.length][0] - p[0], edge[(k + 1) % edge.length][1] - p[1]));
  const around = sides.reduce((a, b) => a + b, 0), corners = [];
  let k = 0, passed = 0;
  for (let c = 0; c < 14; c++) {
    const at = (c * around) / 14;
    while (passed + sides[k] < at) passed += sides[k++];
    const f = (at - passed) / sides[k], [a, b] = [edge[k], edge[(k + 1) % edge.length]];
    corners.push([a[0] + f * (b[0] - a[0]), a[1] + f * (b[1] - a[1])]);
  }
  const middle = (c) => [0, 1].map((d) => ((corners[c][d] + corners[(c + 1) % 14][d]) / 2).toFixed(1)).join(" ");
  return `M${middle(13)}${corners.map((p, c) => `Q${p[0].toFixed(1)} ${p[1].toFixed(1)} ${middle(c)}`).join("")}Z`;
}

// ------------------------------------------------------------------------------------ all the areas

function rowsPanel() {
  const { node, heading, sub, figure } = card("rows", "All areas", {
    table: () => {
      const spans = areaSpans(), peak = peaks();
      return {
        caption: `${shownName()}, ${series().label}`,
        head: ["area", ...(HIERARCHY ? [hierarchyName] : []), withUnit("lowest", variable().units), withUnit("highest", variable().units), withUnit("baseline", variable().units), withUnit("peak departure", variable().units)],
        rows: ORDER.map((a) => [DATA.areas[a], ...(HIERARCHY ? [HIERARCHY.values[a]] : []), spans[a]?.[0], spans[a]?.[1], variable().baseline[a], peak[a]]),
        areas: ORDER,
      };
    },
  });
  let cursor = null, left = 0, right = 0;
  const timeX = (t) => left + ((t - DATA.time[0]) / (DATA.time.at(-1) - DATA.time[0] || 1)) * (right - left);
  function place() {
    if (!cursor) return;
    const x = timeX(frameTime(state.frame));
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
  }
  function draw(width) {
    heading.textContent = `${shownName()} in all areas`;
    sub.textContent = `Each area between its own lowest and highest value${HIERARCHY ? ", lowest in the hierarchy at the top" : ""}.${DATA.thinned ? ` Of every ${milliseconds(DATA.time[2] - DATA.time[0])} the smallest and the largest sample are drawn; the file holds one every ${milliseconds(DATA.sample_ms)}.` : ""}`;
    const spans = areaSpans(), numeric = ORDER.map((a) => (spans[a] ? number(spans[a][1]) : "no data"));
    left = Math.ceil(Math.max(...DATA.areas.map((n) => textWidth(n)))) + 10;
    right = width - Math.ceil(Math.max(...numeric.map((n) => textWidth(n)), textWidth("highest"))) - 8;
    const lanes = laneCount(), head = 20 + 17 * lanes, row = N > 60 ? 12 : 18, bottom = head + row * N;
    const svg = s("svg", { viewBox: `0 0 ${width} ${bottom + 38}`, width, height: bottom + 38, role: "img", "aria-label": `${shownName()} of ${N} areas over time, one row an area. Lowest and highest values are in the table below.` });
    svg.append(...bands(timeX, right, 14, head - 4, bottom));
    const ticks = linearTicks(DATA.time[0], DATA.time.at(-1), Math.max(2, (right - left) / 90));
    for (const t of ticks) svg.append(s("line", { class: "grid-line", x1: timeX(t), x2: timeX(t), y1: head, y2: bottom }), s("text", { class: "tick", x: timeX(t), y: bottom + 16, "text-anchor": "middle" }, tickText(t)));
    svg.append(s("text", { class: "axis-label", x: (left + right) / 2, y: bottom + 33, "text-anchor": "middle" }, "time (ms)"), s("text", { class: "axis-label", x: width, y: head - 6, "text-anchor": "end" }, withUnit("highest", variable().units)));
    ORDER.forEach((area, k) => {
      const top = head + row * k, base = top + row - 2.5;
      const line = rowPath(trace(area), spans[area], (t) => timeX(t), base, row * 0.86, right - left);
      svg.append(s("g", { class: "row", "data-area": area, "data-tip": `${DATA.areas[area]}${spans[area] ? `: ${number(spans[area][0])} to ${quantity(spans[area][1], variable().units)}` : ""}` },
        s("rect", { class: "hit", x: 0, y: top, width, height: row }),
        ...line.map((d) => s("path", { class: "under", d: `${d}L${d.endX} ${base}L${d.startX} ${base}Z` })),
        ...line.map((d) => s("path", { class: "line", d: String(d) })),
        s("text", { class: "name", x: left - 8, y: top + row / 2 + 4, "text-anchor": "end" }, DATA.areas[area]),
        s("text", { class: "tick", x: width, y: top + row / 2 + 4, "text-anchor": "end" }, numeric[k])));
    });
    cursor = s("line", { class: "cursor", y1: head - 2, y2: bottom });
    svg.append(cursor);
    figure.replaceChildren(svg);
    place();
    markAreas();
  }
  const redraw = whenSized(figure, draw);
  on("variable series values", redraw);
  on("frame", place);
  return node;
}
/** Bars with names above a plot, and their shade over it. */
function bands(timeX, right, top, from, bottom) {
  const seen = new Set();
  return stimuli().flatMap((w) => {
    const x = timeX(Math.max(w.start, DATA.time[0])), end = timeX(Math.min(w.end, DATA.time.at(-1)));
    if (!(end > x)) return [];
    const y = top + 17 * w.lane, first = !seen.has(w.name);
    seen.add(w.name);
    const fits = x + textWidth(w.label) < right;
    return [
      s("rect", { x, y: from, width: end - x, height: bottom - from, style: `fill: var(--stim${w.tint})` }),
      s("rect", { x, y: y + 1, width: end - x, height: 3, rx: 1.5, style: `fill: var(--stim-ink${w.tint})` }),
      first ? s("text", { class: "strong stimulus", x: fits ? x : right, y: y - 2, "text-anchor": fits ? "start" : "end", style: `fill: var(--stim-ink${w.tint})` }, w.label) : null,
    ].filter(Boolean);
  });
}
/** Lines of a row, one for each stretch without gaps; not more points than twice the pixels. */
function rowPath(values, span, timeX, base, height, pixels) {
  if (!span) return [];
  const times = DATA.time.length, step = Math.max(1, Math.ceil(times / (2 * pixels))) * 2;
  const y = (v) => base - (span[1] > span[0] ? (v - span[0]) / (span[1] - span[0]) : 0) * height;
  const points = [];
  if (step === 2) for (let t = 0; t < times; t++) points.push([t, values[t]]);
  else for (let t = 0; t < times; t += step) {
    const part = values.subarray(t, t + step), of = range(part);
    if (!of) { points.push([t, NaN]); continue; }
    const [i, j] = [part.indexOf(of[0]), part.indexOf(of[1])];
    points.push(...(i < j ? [[t + i, of[0]], [t + j, of[1]]] : [[t + j, of[1]], [t + i, of[0]]]));
  }
  const out = [];
  let run = null;
  for (const [t, v] of points) {
    if (!finite(v)) { run = null; continue; }
    const x = timeX(DATA.time[t]).toFixed(1), at = `${x} ${y(v).toFixed(2)}`;
    if (!run) { run = { d: `M${at}`, startX: x, endX: x, toString() { return this.d; } }; out.push(run); } else { run.d += `L${at}`; run.endX = x; }
  }
  return out;
}

// ---------------------------------------------------------------------------------- picked traces

function tracesPanel() {
  const { node, heading, sub, figure } = card("traces", "Picked areas", {
    controls: [
      select("axis", [["shared", "one for all"], ["log", "logarithmic"], ["own", "each area's own range"]], state.axis, (v) => set({ axis: v })),
      h("button", { type: "button", class: "quiet", onclick: () => plot?.setScale("x", { min: DATA.time[0], max: DATA.time.at(-1) }) }, "Whole time"),
    ],
    table: () => ({
      caption: `${shownName()} of picked areas, ${series().label}`,
      head: ["time (ms)", ...state.picked.map((a) => withUnit(DATA.areas[a], variable().units))],
      rows: state.picked.length ? Array.from(DATA.time, (t, k) => [t, ...state.picked.map((a) => trace(a)[k])]) : [],
    }),
  });
  let plot = null, line = null, width = 0;
  const empty = h("p", { class: "small" }, "Pick areas in the list, on the cortex or in any figure to compare their traces.");
  const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4]];
  function paintStimuli(u) {
    const { ctx } = u, ratio = devicePixelRatio || 1, seen = new Set();
    ctx.save();
    for (const w of stimuli()) {
      const from = Math.max(w.start, u.scales.x.min), to = Math.min(w.end, u.scales.x.max);
      if (!(to > from)) continue;
      const [a, b] = [u.valToPos(from, "x", true), u.valToPos(to, "x", true)];
      ctx.fillStyle = css(`--stim${w.tint}`);
      ctx.fillRect(a, u.bbox.top, b - a, u.bbox.height);
      const y = u.bbox.top - (17 * (laneCount() - w.lane) - 13) * ratio;
      ctx.fillStyle = css(`--stim-ink${w.tint}`);
      ctx.fillRect(a, y, b - a, 3 * ratio);
      if (seen.has(w.name)) continue;
      seen.add(w.name);
      ctx.font = `600 ${11 * ratio}px Inter, system-ui, sans-serif`;
      const fits = a + ctx.measureText(w.label).width < u.bbox.left + u.bbox.width;
      ctx.textAlign = fits ? "left" : "right";
      ctx.fillText(w.label, fits ? a : u.bbox.left + u.bbox.width, y - 5 * ratio);
    }
    ctx.restore();
  }
  function place() {
    if (!plot || !line) return;
    const x = plot.valToPos(frameTime(state.frame), "x");
    line.style.left = `${x}px`;
    line.hidden = x < 0 || x > plot.over.clientWidth;
  }
  function draw() {
    if (!width) return;
    heading.textContent = `${shownName()} in picked areas`;
    sub.textContent = state.picked.length ? `${capital(series().label)}. Drag over the plot to zoom, double-click for the whole time, click to move the slider.` : "";
    plot?.destroy();
    plot = null;
    if (!state.picked.length) { figure.replaceChildren(empty); return; }
    figure.replaceChildren();
    const ink = css("--muted"), grid = css("--grid"), font = "11px Inter, system-ui, sans-serif";
    const axis = { stroke: ink, font, labelFont: font, labelSize: 18, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    const own = state.axis === "own", log = state.axis === "log";
    const drawn = (a) => {
      const span = areaSpans()[a];
      const of = own && span ? (v) => (v - span[0]) / (span[1] - span[0] || 1) : (v) => v;
      return Array.from(trace(a), (v) => (finite(v) && (!log || v > 0) ? of(v) : null));
    };
    // Five decades: below are round-off and areas that nothing has reached yet.
    const top = Math.max(...state.picked.map((a) => areaSpans()[a]?.[1] ?? 0));
    // The lower end is a power of ten: from there uPlot counts its ticks.
    const decade = (x) => Number(`1e${Math.floor(Math.log10(x))}`);
    const logRange = (_, low) => (top > 0 ? [decade(Math.max(low ?? 0, top / 1e5)), top * 1.2] : [1e-3, 1]);
    plot = new uPlot({
      width, height: 260 + 17 * laneCount(),
      padding: [8 + 17 * laneCount(), 18, 0, 0],
      scales: { x: { time: false }, y: log ? { distr: 3, range: logRange } : {} },
      cursor: { drag: { x: true, y: false }, points: { size: 6 } },
      legend: { live: true },
      axes: [{ ...axis, label: "time (ms)", size: 28, values: (_, ticks) => ticks.map(tickText) }, { ...axis, label: own ? `${variable().name}, from lowest to highest of the area` : withUnit(variable().name, variable().units), size: 50, values: (_, ticks) => ticks.map((t) => (t === null ? "" : tickText(t))) }],
      series: [
        { label: "time", value: (_, t) => (t === null ? "–" : milliseconds(t)) },
        ...state.picked.map((a) => ({ label: DATA.areas[a], stroke: pickedColour(a), width: 1.8, dash: DASHES[pickColours.get(a)], points: { show: false }, value: (_, v, __, k) => quantity(k === null ? v : trace(a)[k], variable().units) })),
      ],
      hooks: {
        drawAxes: [paintStimuli],
        draw: [place],
      },
    }, [Array.from(DATA.time), ...state.picked.map(drawn)], figure);
    line = h("div", { class: "time-line" });
    plot.over.append(line);
    let down = 0;
    plot.over.addEventListener("mousedown", (e) => { down = e.clientX; });
    plot.over.addEventListener("click", (e) => {
      if (Math.abs(e.clientX - down) < 4) set({ frame: frameAt(plot.posToVal(e.clientX - plot.over.getBoundingClientRect().left, "x")) });
    });
    plot.root.setAttribute("role", "img");
    plot.root.setAttribute("aria-label", `${shownName()} over time in ${names(state.picked)}. The values are in the table below.`);
    place();
  }
  whenSized(figure, (w) => { width = w; draw(); });
  on("variable series values picked dark axis", draw);
  on("frame", place);
  return node;
}

// -------------------------------------------------------------------------- measures against hierarchy

function measuresPanel() {
  if (!DATA.gradients.length) return null;
  const first = ["timescale", "delay_activity", "latency"].find(measureNamed);
  const chosen = { x: HIERARCHY?.name ?? DATA.gradients[0].name, y: first ?? AREA_NUMBERS[0].key };
  const xOf = () => ANATOMY_NUMBERS.find((n) => n.key === chosen.x), yOf = () => AREA_NUMBERS.find((n) => n.key === chosen.y);
  const { node, heading, sub, figure } = card("measures", "Measures", {
    controls: [
      select("measure", AREA_NUMBERS.map((n) => [n.key, n.name]), chosen.y, (v) => { chosen.y = v; redraw(); }),
      DATA.gradients.length > 1 ? select("against", ANATOMY_NUMBERS.map((n) => [n.key, n.name]), chosen.x, (v) => { chosen.x = v; redraw(); }) : null,
    ],
    table: () => {
      const all = [...ANATOMY_NUMBERS, ...AREA_NUMBERS, ...DATA.measures.filter(isMark).map((m) => ({ name: m.name.replaceAll("_", " "), units: m.units, values: () => m.values }))];
      const columns = all.map((n) => n.values());
      return { caption: "Measures and gradients of every area", head: ["area", ...all.map((n) => withUnit(n.name, n.units))], rows: ORDER.map((a) => [DATA.areas[a], ...columns.map((c) => c[a])]), areas: ORDER };
    },
  });
  const foot = h("p", { class: "small" });
  node.insertBefore(foot, node.querySelector("details"));
  function draw(width) {
    const [x, y] = [xOf(), yOf()], [xs, ys] = [x.values(), y.values()];
    heading.textContent = `${capital(y.name)} against ${x.name}`;
    const known = ORDER.filter((a) => finite(xs[a]) && finite(ys[a]));
    if (!known.length) { figure.replaceChildren(h("p", { class: "small" }, `No area has a ${y.name}.`)); sub.textContent = foot.textContent = ""; return; }
    const span = range(known.map((a) => ys[a])), log = span[0] > 0 && span[1] / span[0] > 30;
    const uncertain = y.key === "timescale" ? measureNamed("timescale_uncertain") : null;
    const persistent = y.key === "delay_activity" ? measureNamed("persistent") : null;
    const rho = spearman(known.map((a) => xs[a]), known.map((a) => ys[a]));
    sub.textContent = `${rho === null ? "" : `Spearman ρ = ${rho.toFixed(2).replace("-", "−")}, `}${known.length} areas${known.length < N ? ` of ${N}: the others have no value` : ""}.`;
    const notes = [y.doc && `${capital(y.doc)}.`];
    const open = (a) => Boolean((uncertain && uncertain.values[a] === 1) || (persistent && persistent.values[a] === 0));
    if (known.some(open)) notes.push(uncertain ? "Open: depends on the longest lag or the longest time constant of the fit." : "Open: not persistent.");
    foot.textContent = notes.filter(Boolean).join(" ");
    figure.replaceChildren(scatter({
      width, height: Math.max(280, Math.min(360, width * 0.62)),
      x: { name: withUnit(x.name, x.units) }, y: { name: `${withUnit(y.name, y.units)}${log ? ", log scale" : ""}`, log },
      label: `${y.name} of ${known.length} areas against ${x.name}${rho === null ? "" : `, rank correlation ${rho.toFixed(2)}`}`,
      points: known.map((a) => ({ x: xs[a], y: ys[a], name: DATA.areas[a], area: a, open: open(a), tip: `${DATA.areas[a]}: ${quantity(ys[a], y.units)}\n${x.name} ${quantity(xs[a], x.units)}` })),
    }));
    markAreas();
  }
  const redraw = whenSized(figure, draw);
  on("variable series values", redraw);
  return node;
}

// ---------------------------------------------------------------------------------------- matrices

function matrixPanel(id, matrices) {
  if (!matrices.length) return null;
  let matrix = matrices[0];
  const { node, heading, sub, figure } = card(id, "", {
    controls: matrices.length > 1 ? [select("matrix", matrices.map((m, k) => [k, m.name]), 0, (v) => { matrix = matrices[Number(v)]; redraw(); })] : [],
    table: () => ({
      caption: `${matrix.name}: rows receive, columns send`, head: ["area", ...ORDER.map((a) => DATA.areas[a])],
      rows: ORDER.map((i) => [DATA.areas[i], ...ORDER.map((j) => matrix.values[i * N + j])]), areas: ORDER,
    }),
  });
  const legend = h("div", { class: "legend" });
  node.insertBefore(legend, node.querySelector("details"));
  const symmetric = () => matrix.name === "functional_connectivity";
  let canvas = null, marks = null, cell = 0, left = 0, top = 0;
  const cellAt = (e) => {
    const box = canvas.getBoundingClientRect();
    const [j, i] = [(e.clientX - box.left - left) / cell, (e.clientY - box.top - top) / cell].map(Math.floor);
    return { i: i >= 0 && i < N ? ORDER[i] : null, j: j >= 0 && j < N ? ORDER[j] : null };
  };
  function draw(width) {
    const name = matrix.name.replaceAll("_", " ");
    heading.textContent = `${capital(name)}${HIERARCHY ? ", ordered by hierarchy" : ""}`;
    const doc = matrix.doc.startsWith(name) ? matrix.doc.slice(name.length).replace(/^[:,\s]+/, "") : matrix.doc;
    sub.textContent = `${capital(doc)}. ${symmetric() ? "" : "Rows receive, columns send."}`;
    const font = Math.min(11, (width - 60) / N * 1.05), labels = font > 5.5;
    const most = labels ? Math.max(...DATA.areas.map((n) => textWidth(n, font))) : 0;
    left = top = Math.ceil(most) + 6;
    cell = (width - left - 2) / N;
    const size = Math.ceil(left + N * cell + 2), ratio = Math.max(2, devicePixelRatio || 1);
    canvas = h("canvas", { width: size * ratio, height: size * ratio, role: "img", "aria-label": `${name}: ${N} by ${N} areas. The values are in the table below.` });
    canvas.style.width = canvas.style.height = `${size}px`;
    canvas.style.cursor = "pointer";
    const ctx = canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    const off = matrix.values.filter((_, k) => Math.floor(k / N) !== k % N);
    const scale = fittingScale(symmetric() ? off : matrix.values, "cividis");
    ctx.fillStyle = css("--gap");
    ctx.fillRect(left, top, N * cell, N * cell);
    ORDER.forEach((i, r) => ORDER.forEach((j, c) => {
      const v = matrix.values[i * N + j];
      if (!finite(v) || !scale || (symmetric() && i === j)) return;
      ctx.fillStyle = colour(scale.map, scale.at(v));
      ctx.fillRect(left + c * cell, top + r * cell, cell + 0.3, cell + 0.3);
    }));
    // Names and marks are drawn over the cells, so that picking redraws only them.
    marks = s("svg", { viewBox: `0 0 ${size} ${size}`, width: size, height: size, "aria-hidden": "true", style: "position: absolute; inset: 0 auto auto 0; pointer-events: none" });
    figure.replaceChildren(canvas, marks);
    const fontStyle = `font-size: ${font.toFixed(1)}px`;
    if (labels) ORDER.forEach((a, k) => {
      const middle = (k + 0.5) * cell;
      marks.append(
        s("text", { "data-label": a, x: left - 4, y: top + middle + font * 0.35, "text-anchor": "end", style: fontStyle }, DATA.areas[a]),
        s("text", { "data-label": a, transform: `translate(${left + middle + font * 0.35} ${top - 4}) rotate(-90)`, style: fontStyle }, DATA.areas[a]),
      );
    });
    marks.append(s("g", { class: "frames" }));
    legend.replaceChildren(...(scale ? [ramp(scale, matrix.units)] : []), h("span", {}, symmetric() ? "The diagonal is left out." : "Empty: no link, or no value."));
    canvas.addEventListener("pointermove", (e) => {
      const { i, j } = cellAt(e);
      set({ hover: i ?? j });
      if (i === null || j === null) return showTip("", e);
      const v = matrix.values[i * N + j], text = finite(v) ? quantity(v, matrix.units) : "none";
      showTip(symmetric() ? `${DATA.areas[i]} and ${DATA.areas[j]}: ${text}` : `from ${DATA.areas[j]} to ${DATA.areas[i]}: ${text}`, e);
    });
    canvas.addEventListener("pointerleave", (e) => { set({ hover: null }); showTip("", e); });
    canvas.addEventListener("click", (e) => { const { i, j } = cellAt(e); if (i !== null || j !== null) pick(i ?? j); });
    mark();
  }
  function mark() {
    if (!marks) return;
    const frames = [...state.picked, ...(state.hover !== null && !state.picked.includes(state.hover) ? [state.hover] : [])].flatMap((a) => {
      const k = ORDER.indexOf(a), stroke = pickColours.has(a) ? `var(--pick${pickColours.get(a)})` : "var(--ink)";
      const style = `fill: none; stroke: ${stroke}; stroke-width: ${pickColours.has(a) ? 1.8 : 1.2}`;
      return [
        s("rect", { x: left, y: top + k * cell, width: N * cell, height: cell, style }),
        s("rect", { x: left + k * cell, y: top, width: cell, height: N * cell, style }),
      ];
    });
    marks.querySelector(".frames").replaceChildren(...frames);
    for (const text of marks.querySelectorAll("[data-label]")) {
      const a = Number(text.dataset.label), k = pickColours.get(a);
      text.style.fontWeight = k !== undefined || a === state.hover ? "700" : "";
      text.style.fill = k !== undefined ? `var(--pick${k})` : "";
    }
  }
  const redraw = whenSized(figure, draw);
  on("dark", redraw);
  on("picked hover", mark);
  return node;
}

// ------------------------------------------------------------------------------------------- modes

function modesPanel() {
  const of = (name) => DATA.modes.find((m) => m.name === name);
  const tau = of("mode_timescale"), ipr = of("inverse_participation_ratio"), imag = of("eigenvalue_imag"), real = of("eigenvalue_real");
  if (!tau || !ipr) return null;
  const all = tau.values.map((_, k) => k);
  const { node, sub, figure } = card("modes", "Eigenmodes", {
    table: () => ({ caption: "Eigenmodes of the linearised network, slowest first", head: ["mode", ...DATA.modes.map((m) => withUnit(m.name.replaceAll("_", " "), m.units))], rows: all.map((k) => [String(k), ...DATA.modes.map((m) => m.values[k])]) }),
  });
  const shown = all.filter((k) => finite(tau.values[k]) && tau.values[k] > 0 && finite(ipr.values[k]));
  const growing = real ? all.filter((k) => real.values[k] > 0).length : 0;
  if (!shown.length) return null;
  const swings = (k) => Boolean(imag && imag.values[k] !== 0);
  sub.textContent = `Timescale of each mode of the linearised network against its inverse participation ratio: 1 is a mode in one area, 1/${N} one spread evenly.${shown.some(swings) ? " Open: oscillating." : ""}${growing ? ` ${growing} growing modes are not drawn.` : ""}`;
  whenSized(figure, (width) => figure.replaceChildren(scatter({
    width, height: Math.max(280, Math.min(360, width * 0.62)), radius: 3.5,
    x: { name: "inverse participation ratio" }, y: { name: "timescale (ms), log scale", log: true },
    label: `Timescales of ${shown.length} eigenmodes against their inverse participation ratio`,
    points: shown.map((k) => ({ x: ipr.values[k], y: tau.values[k], open: swings(k), tip: `mode ${k}: ${quantity(tau.values[k], "ms")}\nparticipation ${number(ipr.values[k])}${swings(k) ? `\n${quantity(Math.abs(imag.values[k]) * 1000 / (2 * Math.PI), "Hz")}` : ""}` })),
  })));
  return node;
}

// ------------------------------------------------------------------------------------------ trials

function trialsPanel() {
  const column = (name) => DATA.trial_table.find((c) => c.name === name);
  const condition = column("condition");
  if (!condition) return null;
  const trials = condition.values.map((_, t) => t), conditions = [...new Set(condition.values)];
  const members = new Map(conditions.map((c) => [c, trials.filter((t) => condition.values[t] === c)]));
  const readouts = DATA.trial_table.filter((c) => c.name.startsWith("readout_"));
  const title = (c) => c.name.replace(/^readout_/, "").replaceAll("_", " ");
  const choice = (c, t) => (finite(c.values[t]) ? c.choices[c.values[t]] ?? "–" : "none");
  const text = (c, t) => (c.choices ? choice(c, t) : typeof c.values[t] === "string" ? c.values[t] || "–" : c.values[t]);
  const { node, sub, figure } = card("trials", "Task performance", {
    wide: true,
    table: () => ({ caption: "Trial table", text: 2, head: ["trial", ...DATA.trial_table.map((c) => withUnit(c.name.replace(/^readout_/, ""), c.units))], rows: trials.map((t) => [String(t), ...DATA.trial_table.map((c) => text(c, t))]) }),
  });
  sub.textContent = `${trials.length} trials in ${conditions.length} condition${conditions.length > 1 ? "s" : ""}. A click on a dot shows that trial in the other figures.`;
  const numeric = readouts.filter((c) => !c.choices && !c.name.endsWith("_correct"));
  const judged = readouts.filter((c) => c.name.endsWith("_correct") && c.values.some(finite));

  const cell = (c, of) => {
    const values = of.map((t) => c.values[t]).filter(finite);
    if (c.choices) return Object.entries(Object.groupBy ? Object.groupBy(of, (t) => choice(c, t)) : of.reduce((o, t) => { (o[choice(c, t)] ??= []).push(t); return o; }, {})).map(([name, list]) => `${name} ${list.length}`).join(", ");
    if (c.name.endsWith("_correct")) return values.length ? `${values.filter((v) => v === 1).length}/${values.length}` : "–";
    return !values.length ? "–" : values.length === 1 ? number(values[0]) : `${number(mean(values))} ± ${number(sd(values))}`;
  };
  figure.append(h("div", { class: "table plain", tabindex: 0, role: "region", "aria-label": "Readouts by condition" }, h("table", { class: "data" },
    h("caption", {}, "Choices as counts, right choices of those judged, numbers as mean ± standard deviation over trials."),
    h("thead", {}, h("tr", {}, ["condition", "trials", ...readouts.map((c) => withUnit(title(c), c.units))].map((c, k) => h("th", { scope: "col", class: k === 0 ? "text" : null }, c)))),
    h("tbody", {}, conditions.map((c) => h("tr", {}, h("th", { scope: "row", class: "text" }, c), [members.get(c).length, ...readouts.map((r) => cell(r, members.get(c)))].map((v) => h("td", {}, String(v)))))))));
  if (DATA.sensitivity) figure.append(h("p", { class: "small", style: "margin-top: 8px" }, DATA.sensitivity.names.map((n, k) => `d′ ${n} ${finite(DATA.sensitivity.values[k]) ? DATA.sensitivity.values[k].toFixed(2) : "–"}`).join(", ")));
  const strips = h("div", { class: "strips", style: "margin-top: 16px" });
  figure.append(strips);

  const row = 24, seriesOf = (t) => DATA.series.findIndex((x) => x.members.length === 1 && x.members[0] === t);
  /** One row a condition, between `low` and `high`; `paint` draws a row. */
  function strip(heading, units, low, high, ticks, paint) {
    const holder = h("div", {});
    strips.append(h("div", {}, h("h3", {}, heading), holder));
    whenSized(holder, (width) => {
      const left = Math.min(width * 0.4, Math.max(...conditions.map((c) => textWidth(c))) + 10), right = width - 12, bottom = 6 + row * conditions.length;
      const x = (v) => left + ((v - low) / (high - low || 1)) * (right - left);
      const svg = s("svg", { viewBox: `0 0 ${width} ${bottom + 22}`, width, height: bottom + 22, role: "img", "aria-label": `${heading} by condition` });
      for (const t of ticks((right - left) / 60)) svg.append(s("line", { class: "grid-line", x1: x(t), x2: x(t), y1: 4, y2: bottom }), s("text", { class: "tick", x: x(t), y: bottom + 15, "text-anchor": "middle" }, tickText(t)));
      conditions.forEach((c, k) => {
        const y = 6 + row * (k + 0.5);
        svg.append(s("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, c), s("line", { class: "base", x1: left, x2: right, y1: y, y2: y }), ...paint(members.get(c), x, y));
      });
      holder.replaceChildren(svg);
      now();
    });
  }
  for (const c of judged) strip(`${title(c).replace(/ correct$/, "")}: share right, with 95 % interval`, "", 0, 1, () => [0, 0.5, 1], (of, x, y) => {
    const values = of.map((t) => c.values[t]).filter(finite);
    if (!values.length) return [];
    const right = values.filter((v) => v === 1).length, [low, high] = wilson(right, values.length);
    return [
      s("rect", { class: "share", x: x(0), y: y - 5, width: Math.max(0.5, x(right / values.length) - x(0)), height: 10, rx: 2, "data-tip": `${right} of ${values.length} right\n95 % interval ${number(low)} to ${number(high)} (Wilson)` }),
      s("line", { class: "interval", x1: x(low), x2: x(high), y1: y, y2: y }),
    ];
  });
  for (const c of numeric) {
    const span = range(c.values);
    if (!span) continue;
    const pad = (span[1] - span[0]) * 0.06 || Math.abs(span[1]) * 0.1 || 1;
    strip(withUnit(title(c), c.units), c.units, span[0] - pad, span[1] + pad, (n) => linearTicks(span[0] - pad, span[1] + pad, Math.max(2, n)), (of, x, y) => of.filter((t) => finite(c.values[t])).map((t, k) => s("g", { class: "point", "data-trial": seriesOf(t) >= 0 ? t : null, "data-run": t, "data-tip": `trial ${t}: ${quantity(c.values[t], c.units)}` },
      s("circle", { class: "hit", cx: x(c.values[t]), cy: y, r: 7 }),
      s("circle", { class: "dot", cx: x(c.values[t]), cy: y + ((k % 5) - 2) * 2.6, r: 3.6 }))));
  }
  function now() {
    const shown = series().members.length === 1 ? series().members[0] : null;
    for (const dot of strips.querySelectorAll("[data-run]")) dot.classList.toggle("now", Number(dot.dataset.run) === shown);
  }
  strips.addEventListener("click", (e) => {
    const dot = e.target.closest("[data-trial]");
    if (dot) set({ series: seriesOf(Number(dot.dataset.trial)) });
  });
  on("series", now);
  return node;
}

// -------------------------------------------------------------------------------------- provenance

function provenancePanel() {
  const { node, sub, figure } = card("provenance", "Where this comes from", { wide: true });
  node.classList.add("long");
  sub.textContent = "Everything that is needed to run it again.";
  const a = DATA.attributes;
  const known = ["title", "description", "config", "plan"];
  const words = {
    config_sha256: "config, sha256", connectome: "data set", connectome_references: "publications of the data", connectome_sha256: "data set, sha256", circuit_reference: "publication of the circuit",
    dt_ms: "time step (ms)", isocortex_commit: "commit", isocortex_version: "isocortex version", references: "references",
  };
  const list = h("dl", { class: "facts-list" });
  const add = (name, value) => { if (value !== "" && value !== null && value !== undefined) list.append(h("dt", {}, name), h("dd", {}, String(value))); };
  add("result file", DATA.file);
  for (const [name, value] of Object.entries(a)) if (!known.includes(name)) add(words[name] ?? name.replaceAll("_", " "), value);
  if (DATA.data) {
    add("title of the data set", DATA.data.title);
    add("species", DATA.data.species);
    for (const [name, value] of Object.entries(DATA.data.terms ?? {})) add(`terms: ${name}`, value);
  }
  figure.append(list);
  if (DATA.data?.files.length) figure.append(h("h3", {}, "Tables of the data set"), h("div", { class: "table plain", tabindex: 0, role: "region", "aria-label": "Tables of the data set" }, h("table", { class: "data" },
    h("thead", {}, h("tr", {}, ["table", "file", "sha256"].map((c) => h("th", { scope: "col", class: "text" }, c)))),
    h("tbody", {}, DATA.data.files.map((f) => h("tr", {}, h("th", { scope: "row", class: "text" }, f.role), h("td", { class: "text" }, f.path), h("td", { class: "text" }, h("code", {}, f.sha256))))))));
  const block = (name, text, file) => figure.append(h("details", { class: "source", open: name === "Config" }, h("summary", {}, name), h("div", { class: "table-tools" }, h("button", { type: "button", class: "quiet", onclick: () => save(file, "text/plain", text) }, `Save ${file}`)), h("pre", { tabindex: 0 }, text)));
  const stem = String(DATA.file).replace(/\.[^.]*$/, "");
  block("Config", a.config ?? "", `${stem}.yaml`);
  if (a.plan) block("Plan", a.plan, `${stem}.plan.txt`);
  return node;
}
