// The cortex from two sides. A panel returns its card, or nothing where the file does not hold what it shows.

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
  const scaleChoice = select(
    "scale",
    [
      ["shared", "one scale for all"],
      ["log", "logarithmic"],
      ["own", "each area's own range"],
    ],
    state.scale,
    (v) => set({ scale: v }),
  );
  const { node, sub, figure } = card("cortex", "The cortex", {
    wide: true,
    controls: [
      select(
        "colour",
        [now, ...numbers].map((n) => [n.key, n.name]),
        state.colour,
        (v) => set({ colour: v }),
      ),
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
  const views = h("div", { class: "cortex" }),
    legend = h("div", { class: "legend" });
  figure.append(views, legend);
  const discs = [];
  const linkLayers = [];

  function scales() {
    const [low, high] = [
      range(areaSpans().flatMap((v) => (v ? [v[0]] : []))),
      range(areaSpans().flatMap((v) => (v ? [v[1]] : []))),
    ];
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
      h(
        "span",
        {},
        "Discs stand where the data set puts the centres of areas on an inflated surface, front to the right. The grey shape only encloses them.",
      ),
      FLN ? h("span", { class: "link-note" }) : "",
    );
    recolour();
    links();
  }
  function recolour() {
    const shown = values();
    for (const { area, disc, group } of discs) {
      const v = shown[area],
        span = scale?.own ? areaSpans()[area] : null;
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
      const into = placed
        .map((a) => [a, FLN.values[target * N + a]])
        .filter(([a, w]) => finite(w) && w > 0 && at.has(a))
        .sort((a, b) => b[1] - a[1])
        .slice(0, 8);
      const [tx, ty] = at.get(target);
      into.forEach(([a, w], k) => {
        const [sx, sy] = at.get(a);
        const bend = 0.16,
          mx = (sx + tx) / 2 - (ty - sy) * bend,
          my = (sy + ty) / 2 + (tx - sx) * bend;
        const thick = Math.max(1, 5.5 + 1.6 * Math.log10(w));
        layer.append(
          s("path", {
            class: "link",
            d: `M${sx} ${sy}Q${mx} ${my} ${tx} ${ty}`,
            "stroke-width": thick.toFixed(1),
            style: `--pick: var(--pick${pickColours.get(target)})`,
          }),
        );
      });
    }
    const note = legend.querySelector(".link-note");
    if (note)
      note.textContent =
        target === undefined
          ? "Pick an area to see its strongest inputs."
          : `Lines: the eight strongest inputs of ${DATA.areas[target]} by FLN.`;
  }
  function drawViews() {
    views.replaceChildren();
    discs.length = linkLayers.length = 0;
    const total = views.clientWidth;
    const narrow = total < 620;
    VIEWS.forEach((view, v) => {
      const width = narrow ? total : Math.floor((total - 20) * (v === 0 ? 0.54 : 0.46));
      const ys = range(placed.map((a) => y[a])),
        us = range(placed.map(view.up));
      const pad = 42,
        k = Math.min((width - 2 * pad) / (ys[1] - ys[0] || 1), 8);
      const height = (us[1] - us[0]) * k + 2 * pad;
      const at = new Map(placed.map((a) => [a, [pad + (y[a] - ys[0]) * k, pad + (us[1] - view.up(a)) * k]]));
      const radius = Math.max(5.5, Math.min(10, width / 56));
      const svg = s("svg", {
        viewBox: `0 0 ${width} ${height.toFixed(1)}`,
        width,
        height,
        role: "img",
        "aria-label": `The cortex ${view.name.toLowerCase()}, front to the right: ${placed.length} areas as discs coloured by the chosen number. The numbers are in the table below.`,
      });
      svg.append(s("path", { class: "outline", d: outline([...at.values()], 34) }));
      const layer = s("g", {});
      svg.append(layer);
      linkLayers.push({ layer, at });
      const spots = placeLabels(
        placed.map((a) => ({ x: at.get(a)[0], y: at.get(a)[1], name: DATA.areas[a] })),
        radius,
        width,
        height,
      );
      const near = placed.map((a, i) => [a, i]).sort((p, q) => view.depth(p[0]) - view.depth(q[0]));
      for (const [a, i] of near) {
        const [cx, cy] = at.get(a);
        const disc = s("circle", { class: "disc", cx, cy, r: radius });
        const spot = spots[i];
        const group = s(
          "g",
          { class: "area", "data-area": a },
          s("circle", { class: "hit", cx, cy, r: radius + 4 }),
          disc,
          s("circle", { class: "ring", cx, cy, r: radius + 2.5 }),
          s(
            "text",
            spot
              ? { x: spot.x, y: spot.y, "text-anchor": spot.anchor }
              : { class: "spare", x: cx, y: cy - radius - 5, "text-anchor": "middle" },
            DATA.areas[a],
          ),
        );
        discs.push({ area: a, disc, group });
        svg.append(group);
      }
      svg.append(
        s("text", { class: "strong", x: 2, y: 12 }, view.name),
        s("text", { class: "axis-label", x: 2, y: 27 }, view.words),
      );
      views.append(h("div", {}, svg));
    });
    rescale();
    markAreas();
  }
  whenSized(views, drawViews);
  on("variable series values colour scale", rescale);
  on("frame", () => {
    if (!chosen()) recolour();
  });
  on("picked", links);
  return node;
}
/** A smooth closed line around points, about `pad` outside their convex hull. */
function outline(points, pad) {
  const turn = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
  const half = (list) => {
    const out = [];
    for (const p of list) {
      while (out.length > 1 && turn(out.at(-2), out.at(-1), p) <= 0) out.pop();
      out.push(p);
    }
    return out.slice(0, -1);
  };
  // The hull of circles around the points: no point is nearer to the edge than `pad`.
  const round = points.flatMap((p) =>
    Array.from({ length: 24 }, (_, i) => [
      p[0] + pad * Math.cos((i * Math.PI) / 12),
      p[1] + pad * Math.sin((i * Math.PI) / 12),
    ]),
  );
  round.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const edge = [...half(round), ...half([...round].reverse())];
  // Few corners at equal distances, each of which bends a curve between the middles of its sides.
  const sides = edge.map((p, k) =>
    Math.hypot(edge[(k + 1) % edge.length][0] - p[0], edge[(k + 1) % edge.length][1] - p[1]),
  );
  const around = sides.reduce((a, b) => a + b, 0),
    corners = [];
  let k = 0,
    passed = 0;
  for (let c = 0; c < 14; c++) {
    const at = (c * around) / 14;
    while (passed + sides[k] < at) passed += sides[k++];
    const f = (at - passed) / sides[k],
      [a, b] = [edge[k], edge[(k + 1) % edge.length]];
    corners.push([a[0] + f * (b[0] - a[0]), a[1] + f * (b[1] - a[1])]);
  }
  const middle = (c) => [0, 1].map((d) => ((corners[c][d] + corners[(c + 1) % 14][d]) / 2).toFixed(1)).join(" ");
  return `M${middle(13)}${corners.map((p, c) => `Q${p[0].toFixed(1)} ${p[1].toFixed(1)} ${middle(c)}`).join("")}Z`;
}
