// Activity over time: a row for every area, and the traces of those that are picked.

const names = (areas) => areas.map((a) => DATA.areas[a]).join(", ");
const pickedColour = (area) => css(`--pick${pickColours.get(area)}`);

// ------------------------------------------------------------------------------------ all the areas

function rowsPanel() {
  const { node, heading, sub, figure } = card("rows", "All areas", {
    table: () => {
      const spans = areaSpans(),
        peak = peaks();
      return {
        caption: `${shownName()}, ${series().label}`,
        head: [
          "area",
          ...(HIERARCHY ? [hierarchyName] : []),
          withUnit("lowest", variable().units),
          withUnit("highest", variable().units),
          withUnit("baseline", variable().units),
          withUnit("peak departure", variable().units),
        ],
        rows: ORDER.map((a) => [
          DATA.areas[a],
          ...(HIERARCHY ? [HIERARCHY.values[a]] : []),
          spans[a]?.[0],
          spans[a]?.[1],
          variable().baseline[a],
          peak[a],
        ]),
        areas: ORDER,
      };
    },
  });
  let cursor = null,
    left = 0,
    right = 0;
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
    const spans = areaSpans(),
      numeric = ORDER.map((a) => (spans[a] ? number(spans[a][1]) : "no data"));
    left = Math.ceil(Math.max(...DATA.areas.map((n) => textWidth(n, 11, 700)))) + 10;
    right = width - Math.ceil(Math.max(...numeric.map((n) => textWidth(n, 11, 700)), textWidth("highest"))) - 8;
    const lanes = laneCount(),
      head = 20 + 17 * lanes,
      row = N > 60 ? 12 : 18,
      bottom = head + row * N;
    const svg = s("svg", {
      viewBox: `0 0 ${width} ${bottom + 38}`,
      width,
      height: bottom + 38,
      role: "img",
      "aria-label": `${shownName()} of ${N} areas over time, one row an area. Lowest and highest values are in the table below.`,
    });
    svg.append(...bands(timeX, right, 14, head - 4, bottom));
    const ticks = linearTicks(DATA.time[0], DATA.time.at(-1), Math.max(2, (right - left) / 90));
    for (const t of ticks)
      svg.append(
        s("line", { class: "grid-line", x1: timeX(t), x2: timeX(t), y1: head, y2: bottom }),
        s("text", { class: "tick", x: timeX(t), y: bottom + 16, "text-anchor": "middle" }, tickText(t)),
      );
    svg.append(
      s("text", { class: "axis-label", x: (left + right) / 2, y: bottom + 33, "text-anchor": "middle" }, "time (ms)"),
      s(
        "text",
        { class: "axis-label", x: width, y: head - 6, "text-anchor": "end" },
        withUnit("highest", variable().units),
      ),
    );
    ORDER.forEach((area, k) => {
      const top = head + row * k,
        base = top + row - 2.5;
      const line = rowPath(trace(area), spans[area], (t) => timeX(t), base, row * 0.86, right - left);
      svg.append(
        s(
          "g",
          {
            class: "row",
            "data-area": area,
            "data-tip": `${DATA.areas[area]}${spans[area] ? `: ${number(spans[area][0])} to ${quantity(spans[area][1], variable().units)}` : ""}`,
          },
          s("rect", { class: "hit", x: 0, y: top, width, height: row }),
          ...line.map((d) => s("path", { class: "under", d: `${d}L${d.endX} ${base}L${d.startX} ${base}Z` })),
          ...line.map((d) => s("path", { class: "line", d: String(d) })),
          s("text", { class: "name", x: left - 8, y: top + row / 2 + 4, "text-anchor": "end" }, DATA.areas[area]),
          s("text", { class: "tick", x: width, y: top + row / 2 + 4, "text-anchor": "end" }, numeric[k]),
        ),
      );
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
    const x = timeX(Math.max(w.start, DATA.time[0])),
      end = timeX(Math.min(w.end, DATA.time.at(-1)));
    if (!(end > x)) return [];
    const y = top + 17 * w.lane,
      first = !seen.has(w.name);
    seen.add(w.name);
    const fits = x + textWidth(w.label) < right;
    return [
      s("rect", { x, y: from, width: end - x, height: bottom - from, style: `fill: var(--stim${w.tint})` }),
      s("rect", { x, y: y + 1, width: end - x, height: 3, rx: 1.5, style: `fill: var(--stim-ink${w.tint})` }),
      first
        ? s(
            "text",
            {
              class: "strong stimulus",
              x: fits ? x : right,
              y: y - 2,
              "text-anchor": fits ? "start" : "end",
              style: `fill: var(--stim-ink${w.tint})`,
            },
            w.label,
          )
        : null,
    ].filter(Boolean);
  });
}
/** Lines of a row, one for each stretch without gaps; not more points than twice the pixels. */
function rowPath(values, span, timeX, base, height, pixels) {
  if (!span) return [];
  const times = DATA.time.length,
    step = Math.max(1, Math.ceil(times / (2 * pixels))) * 2;
  const y = (v) => base - (span[1] > span[0] ? (v - span[0]) / (span[1] - span[0]) : 0) * height;
  const points = [];
  if (step === 2) for (let t = 0; t < times; t++) points.push([t, values[t]]);
  else
    for (let t = 0; t < times; t += step) {
      const part = values.subarray(t, t + step),
        of = range(part);
      if (!of) {
        points.push([t, NaN]);
        continue;
      }
      const [i, j] = [part.indexOf(of[0]), part.indexOf(of[1])];
      points.push(
        ...(i < j
          ? [
              [t + i, of[0]],
              [t + j, of[1]],
            ]
          : [
              [t + j, of[1]],
              [t + i, of[0]],
            ]),
      );
    }
  const out = [];
  let run = null;
  for (const [t, v] of points) {
    if (!finite(v)) {
      run = null;
      continue;
    }
    const x = timeX(DATA.time[t]).toFixed(1),
      at = `${x} ${y(v).toFixed(2)}`;
    if (!run) {
      run = {
        d: `M${at}`,
        startX: x,
        endX: x,
        toString() {
          return this.d;
        },
      };
      out.push(run);
    } else {
      run.d += `L${at}`;
      run.endX = x;
    }
  }
  return out;
}

// ---------------------------------------------------------------------------------- picked traces

function tracesPanel() {
  const { node, heading, sub, figure } = card("traces", "Picked areas", {
    controls: [
      select(
        "axis",
        [
          ["shared", "one for all"],
          ["log", "logarithmic"],
          ["own", "each area's own range"],
        ],
        state.axis,
        (v) => set({ axis: v }),
      ),
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          onclick: () => plot?.setScale("x", { min: DATA.time[0], max: DATA.time.at(-1) }),
        },
        "Whole time",
      ),
    ],
    table: () => ({
      caption: `${shownName()} of picked areas, ${series().label}`,
      head: ["time (ms)", ...state.picked.map((a) => withUnit(DATA.areas[a], variable().units))],
      rows: state.picked.length ? Array.from(DATA.time, (t, k) => [t, ...state.picked.map((a) => trace(a)[k])]) : [],
    }),
  });
  let plot = null,
    line = null,
    width = 0;
  const empty = h(
    "p",
    { class: "small" },
    "Pick areas in the list, on the cortex or in any figure to compare their traces.",
  );
  function paintStimuli(u) {
    const { ctx } = u,
      ratio = devicePixelRatio || 1,
      seen = new Set();
    ctx.save();
    for (const w of stimuli()) {
      const from = Math.max(w.start, u.scales.x.min),
        to = Math.min(w.end, u.scales.x.max);
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
    sub.textContent = state.picked.length
      ? `${capital(series().label)}. Drag over the plot to zoom, double-click for the whole time, click to move the slider.`
      : "";
    plot?.destroy();
    plot = null;
    if (!state.picked.length) {
      figure.replaceChildren(empty);
      return;
    }
    figure.replaceChildren();
    const ink = css("--muted"),
      grid = css("--grid"),
      font = "11px Inter, system-ui, sans-serif";
    const axis = {
      stroke: ink,
      font,
      labelFont: font,
      labelSize: 18,
      grid: { stroke: grid, width: 1 },
      ticks: { show: false },
    };
    const own = state.axis === "own",
      log = state.axis === "log";
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
    plot = new uPlot(
      {
        width,
        height: 260 + 17 * laneCount(),
        padding: [8 + 17 * laneCount(), 18, 0, 0],
        scales: { x: { time: false }, y: log ? { distr: 3, range: logRange } : {} },
        cursor: { drag: { x: true, y: false }, points: { size: 6 } },
        legend: { live: true },
        axes: [
          { ...axis, label: "time (ms)", size: 28, values: (_, ticks) => ticks.map(tickText) },
          {
            ...axis,
            label: own
              ? `${variable().name}, from lowest to highest of the area`
              : withUnit(variable().name, variable().units),
            size: 50,
            values: (_, ticks) => ticks.map((t) => (t === null ? "" : tickText(t))),
          },
        ],
        series: [
          { label: "time", value: (_, t) => (t === null ? "–" : milliseconds(t)) },
          ...state.picked.map((a) => ({
            label: DATA.areas[a],
            stroke: pickedColour(a),
            width: 1.8,
            dash: DASHES[pickColours.get(a)],
            points: { show: false },
            value: (_, v, __, k) => quantity(k === null ? v : trace(a)[k], variable().units),
          })),
        ],
        hooks: {
          drawAxes: [paintStimuli],
          draw: [place],
        },
      },
      [Array.from(DATA.time), ...state.picked.map(drawn)],
      figure,
    );
    line = h("div", { class: "time-line" });
    plot.over.append(line);
    let down = 0;
    plot.over.addEventListener("mousedown", (e) => {
      down = e.clientX;
    });
    plot.over.addEventListener("click", (e) => {
      if (Math.abs(e.clientX - down) < 4)
        set({ frame: frameAt(plot.posToVal(e.clientX - plot.over.getBoundingClientRect().left, "x")) });
    });
    plot.root.setAttribute("role", "img");
    plot.root.setAttribute(
      "aria-label",
      `${shownName()} over time in ${names(state.picked)}. The values are in the table below.`,
    );
    place();
  }
  whenSized(figure, (w) => {
    width = w;
    draw();
  });
  on("variable series values picked dark axis", draw);
  on("frame", place);
  return node;
}
