// Measures, matrices, modes, trials and provenance.

// -------------------------------------------------------------------------- measures against hierarchy

function measuresPanel() {
  if (!DATA.gradients.length) return null;
  const first = ["timescale", "delay_activity", "latency"].find(measureNamed);
  const chosen = { x: HIERARCHY?.name ?? DATA.gradients[0].name, y: first ?? AREA_NUMBERS[0].key };
  const xOf = () => ANATOMY_NUMBERS.find((n) => n.key === chosen.x),
    yOf = () => AREA_NUMBERS.find((n) => n.key === chosen.y);
  const { node, heading, sub, figure } = card("measures", "Measures", {
    controls: [
      select(
        "measure",
        AREA_NUMBERS.map((n) => [n.key, n.name]),
        chosen.y,
        (v) => {
          chosen.y = v;
          redraw();
        },
      ),
      DATA.gradients.length > 1
        ? select(
            "against",
            ANATOMY_NUMBERS.map((n) => [n.key, n.name]),
            chosen.x,
            (v) => {
              chosen.x = v;
              redraw();
            },
          )
        : null,
    ],
    table: () => {
      const all = [
        ...ANATOMY_NUMBERS,
        ...AREA_NUMBERS,
        ...DATA.measures
          .filter(isMark)
          .map((m) => ({ name: m.name.replaceAll("_", " "), units: m.units, values: () => m.values })),
      ];
      const columns = all.map((n) => n.values());
      return {
        caption: "Measures and gradients of every area",
        head: ["area", ...all.map((n) => withUnit(n.name, n.units))],
        rows: ORDER.map((a) => [DATA.areas[a], ...columns.map((c) => c[a])]),
        areas: ORDER,
      };
    },
  });
  const foot = h("p", { class: "small" });
  node.insertBefore(foot, node.querySelector("details"));
  function draw(width) {
    const [x, y] = [xOf(), yOf()],
      [xs, ys] = [x.values(), y.values()];
    heading.textContent = `${capital(y.name)} against ${x.name}`;
    const known = ORDER.filter((a) => finite(xs[a]) && finite(ys[a]));
    if (!known.length) {
      figure.replaceChildren(h("p", { class: "small" }, `No area has a ${y.name}.`));
      sub.textContent = foot.textContent = "";
      return;
    }
    const span = range(known.map((a) => ys[a])),
      log = span[0] > 0 && span[1] / span[0] > 30;
    const uncertain = y.key === "timescale" ? measureNamed("timescale_uncertain") : null;
    const persistent = y.key === "delay_activity" ? measureNamed("persistent") : null;
    const rho = spearman(
      known.map((a) => xs[a]),
      known.map((a) => ys[a]),
    );
    sub.textContent = `${rho === null ? "" : `Spearman ρ = ${rho.toFixed(2).replace("-", "−")}, `}${known.length} areas${known.length < N ? ` of ${N}: the others have no value` : ""}.`;
    const notes = [y.doc && `${capital(y.doc)}.`];
    const open = (a) => Boolean((uncertain && uncertain.values[a] === 1) || (persistent && persistent.values[a] === 0));
    if (known.some(open))
      notes.push(
        uncertain
          ? "Open: depends on the longest lag or the longest time constant of the fit."
          : "Open: not persistent.",
      );
    foot.textContent = notes.filter(Boolean).join(" ");
    figure.replaceChildren(
      scatter({
        width,
        height: Math.max(280, Math.min(360, width * 0.62)),
        x: { name: withUnit(x.name, x.units) },
        y: { name: `${withUnit(y.name, y.units)}${log ? ", log scale" : ""}`, log },
        label: `${y.name} of ${known.length} areas against ${x.name}${rho === null ? "" : `, rank correlation ${rho.toFixed(2)}`}`,
        points: known.map((a) => ({
          x: xs[a],
          y: ys[a],
          name: DATA.areas[a],
          area: a,
          open: open(a),
          tip: `${DATA.areas[a]}: ${quantity(ys[a], y.units)}\n${x.name} ${quantity(xs[a], x.units)}`,
        })),
      }),
    );
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
    controls:
      matrices.length > 1
        ? [
            select(
              "matrix",
              matrices.map((m, k) => [k, m.name]),
              0,
              (v) => {
                matrix = matrices[Number(v)];
                redraw();
              },
            ),
          ]
        : [],
    table: () => ({
      caption: `${matrix.name}: rows receive, columns send`,
      head: ["area", ...ORDER.map((a) => DATA.areas[a])],
      rows: ORDER.map((i) => [DATA.areas[i], ...ORDER.map((j) => matrix.values[i * N + j])]),
      areas: ORDER,
    }),
  });
  const legend = h("div", { class: "legend" });
  node.insertBefore(legend, node.querySelector("details"));
  const symmetric = () => matrix.name === "functional_connectivity";
  let canvas = null,
    marks = null,
    cell = 0,
    left = 0,
    top = 0;
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
    const font = Math.min(11, ((width - 60) / N) * 1.05),
      labels = font > 5.5;
    const most = labels ? Math.max(...DATA.areas.map((n) => textWidth(n, font, 700))) : 0;
    left = top = Math.ceil(most) + 6;
    cell = (width - left - 2) / N;
    const size = Math.ceil(left + N * cell + 2),
      ratio = Math.max(2, devicePixelRatio || 1);
    canvas = h("canvas", {
      width: size * ratio,
      height: size * ratio,
      role: "img",
      "aria-label": `${name}: ${N} by ${N} areas. The values are in the table below.`,
    });
    canvas.style.width = canvas.style.height = `${size}px`;
    canvas.style.cursor = "pointer";
    const ctx = canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    const off = matrix.values.filter((_, k) => Math.floor(k / N) !== k % N);
    const scale = fittingScale(symmetric() ? off : matrix.values, "cividis");
    ctx.fillStyle = css("--gap");
    ctx.fillRect(left, top, N * cell, N * cell);
    ORDER.forEach((i, r) =>
      ORDER.forEach((j, c) => {
        const v = matrix.values[i * N + j];
        if (!finite(v) || !scale || (symmetric() && i === j)) return;
        ctx.fillStyle = colour(scale.map, scale.at(v));
        ctx.fillRect(left + c * cell, top + r * cell, cell + 0.3, cell + 0.3);
      }),
    );
    // Names and marks are drawn over the cells, so that picking redraws only them.
    marks = s("svg", {
      viewBox: `0 0 ${size} ${size}`,
      width: size,
      height: size,
      "aria-hidden": "true",
      style: "position: absolute; inset: 0 auto auto 0; pointer-events: none",
    });
    figure.replaceChildren(canvas, marks);
    const fontStyle = `font-size: ${font.toFixed(1)}px`;
    if (labels)
      ORDER.forEach((a, k) => {
        const middle = (k + 0.5) * cell;
        marks.append(
          s(
            "text",
            { "data-label": a, x: left - 4, y: top + middle + font * 0.35, "text-anchor": "end", style: fontStyle },
            DATA.areas[a],
          ),
          s(
            "text",
            {
              "data-label": a,
              transform: `translate(${left + middle + font * 0.35} ${top - 4}) rotate(-90)`,
              style: fontStyle,
            },
            DATA.areas[a],
          ),
        );
      });
    marks.append(s("g", { class: "frames" }));
    legend.replaceChildren(
      ...(scale ? [ramp(scale, matrix.units)] : []),
      h("span", {}, symmetric() ? "The diagonal is left out." : "Empty: no link, or no value."),
      ...(labels ? [] : [h("span", {}, "Point at a cell for its areas.")]),
    );
    canvas.addEventListener("pointermove", (e) => {
      const { i, j } = cellAt(e);
      set({ hover: i ?? j });
      if (i === null || j === null) return showTip("", e);
      const v = matrix.values[i * N + j],
        text = finite(v) ? quantity(v, matrix.units) : "none";
      showTip(
        symmetric()
          ? `${DATA.areas[i]} and ${DATA.areas[j]}: ${text}`
          : `from ${DATA.areas[j]} to ${DATA.areas[i]}: ${text}`,
        e,
      );
    });
    canvas.addEventListener("pointerleave", (e) => {
      set({ hover: null });
      showTip("", e);
    });
    canvas.addEventListener("click", (e) => {
      const { i, j } = cellAt(e);
      if (i !== null || j !== null) pick(i ?? j);
    });
    mark();
  }
  function mark() {
    if (!marks) return;
    const frames = [
      ...state.picked,
      ...(state.hover !== null && !state.picked.includes(state.hover) ? [state.hover] : []),
    ].flatMap((a) => {
      const k = ORDER.indexOf(a),
        stroke = pickColours.has(a) ? `var(--pick${pickColours.get(a)})` : "var(--ink)";
      const style = `fill: none; stroke: ${stroke}; stroke-width: ${pickColours.has(a) ? 1.8 : 1.2}`;
      return [
        s("rect", { x: left, y: top + k * cell, width: N * cell, height: cell, style }),
        s("rect", { x: left + k * cell, y: top, width: cell, height: N * cell, style }),
      ];
    });
    marks.querySelector(".frames").replaceChildren(...frames);
    for (const text of marks.querySelectorAll("[data-label]")) {
      const a = Number(text.dataset.label),
        k = pickColours.get(a);
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
  const tau = of("mode_timescale"),
    ipr = of("inverse_participation_ratio"),
    imag = of("eigenvalue_imag"),
    real = of("eigenvalue_real");
  if (!tau || !ipr) return null;
  const all = tau.values.map((_, k) => k);
  const { node, sub, figure } = card("modes", "Eigenmodes", {
    table: () => ({
      caption: "Eigenmodes of the linearised network, slowest first",
      head: ["mode", ...DATA.modes.map((m) => withUnit(m.name.replaceAll("_", " "), m.units))],
      rows: all.map((k) => [String(k), ...DATA.modes.map((m) => m.values[k])]),
    }),
  });
  const shown = all.filter((k) => finite(tau.values[k]) && tau.values[k] > 0 && finite(ipr.values[k]));
  const growing = real ? all.filter((k) => real.values[k] > 0).length : 0;
  if (!shown.length) return null;
  const swings = (k) => Boolean(imag && imag.values[k] !== 0);
  sub.textContent = `Timescale of each mode of the linearised network against its inverse participation ratio: 1 is a mode in one area, 1/${N} one spread evenly.${shown.some(swings) ? " Open: oscillating." : ""}${growing ? ` ${growing} growing modes are not drawn.` : ""}`;
  whenSized(figure, (width) =>
    figure.replaceChildren(
      scatter({
        width,
        height: Math.max(280, Math.min(360, width * 0.62)),
        radius: 3.5,
        x: { name: "inverse participation ratio" },
        y: { name: "timescale (ms), log scale", log: true },
        label: `Timescales of ${shown.length} eigenmodes against their inverse participation ratio`,
        points: shown.map((k) => ({
          x: ipr.values[k],
          y: tau.values[k],
          open: swings(k),
          tip: `mode ${k}: ${quantity(tau.values[k], "ms")}\nparticipation ${number(ipr.values[k])}${swings(k) ? `\n${quantity((Math.abs(imag.values[k]) * 1000) / (2 * Math.PI), "Hz")}` : ""}`,
        })),
      }),
    ),
  );
  return node;
}

// ------------------------------------------------------------------------------------------ trials

function trialsPanel() {
  const column = (name) => DATA.trial_table.find((c) => c.name === name);
  const condition = column("condition");
  if (!condition) return null;
  const trials = condition.values.map((_, t) => t),
    conditions = [...new Set(condition.values)];
  const members = new Map(conditions.map((c) => [c, trials.filter((t) => condition.values[t] === c)]));
  const readouts = DATA.trial_table.filter((c) => c.name.startsWith("readout_"));
  const title = (c) => c.name.replace(/^readout_/, "").replaceAll("_", " ");
  const choice = (c, t) => (finite(c.values[t]) ? (c.choices[c.values[t]] ?? "–") : "none");
  const text = (c, t) =>
    c.choices ? choice(c, t) : typeof c.values[t] === "string" ? c.values[t] || "–" : c.values[t];
  const { node, sub, figure } = card("trials", "Task performance", {
    wide: true,
    table: () => ({
      caption: "Trial table",
      text: 2,
      head: ["trial", ...DATA.trial_table.map((c) => withUnit(c.name.replace(/^readout_/, ""), c.units))],
      rows: trials.map((t) => [String(t), ...DATA.trial_table.map((c) => text(c, t))]),
    }),
  });
  sub.textContent = `${trials.length} trials in ${conditions.length} condition${conditions.length > 1 ? "s" : ""}. A click on a dot shows that trial in the other figures.`;
  const numeric = readouts.filter((c) => !c.choices && !c.name.endsWith("_correct"));
  const judged = readouts.filter((c) => c.name.endsWith("_correct") && c.values.some(finite));

  const cell = (c, of) => {
    const values = of.map((t) => c.values[t]).filter(finite);
    if (c.choices)
      return Object.entries(
        Object.groupBy
          ? Object.groupBy(of, (t) => choice(c, t))
          : of.reduce((o, t) => {
              (o[choice(c, t)] ??= []).push(t);
              return o;
            }, {}),
      )
        .map(([name, list]) => `${name} ${list.length}`)
        .join(", ");
    if (c.name.endsWith("_correct"))
      return values.length ? `${values.filter((v) => v === 1).length}/${values.length}` : "–";
    return !values.length
      ? "–"
      : values.length === 1
        ? number(values[0])
        : `${number(mean(values))} ± ${number(sd(values))}`;
  };
  figure.append(
    h(
      "div",
      { class: "table plain", tabindex: 0, role: "region", "aria-label": "Readouts by condition" },
      h(
        "table",
        { class: "data" },
        h(
          "caption",
          {},
          "Choices as counts, right choices of those judged, numbers as mean ± standard deviation over trials.",
        ),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["condition", "trials", ...readouts.map((c) => withUnit(title(c), c.units))].map((c, k) =>
              h("th", { scope: "col", class: k === 0 ? "text" : null }, c),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          conditions.map((c) =>
            h(
              "tr",
              {},
              h("th", { scope: "row", class: "text" }, c),
              [members.get(c).length, ...readouts.map((r) => cell(r, members.get(c)))].map((v) =>
                h("td", {}, String(v)),
              ),
            ),
          ),
        ),
      ),
    ),
  );
  if (DATA.sensitivity)
    figure.append(
      h(
        "p",
        { class: "small", style: "margin-top: 8px" },
        DATA.sensitivity.names
          .map((n, k) => `d′ ${n} ${finite(DATA.sensitivity.values[k]) ? DATA.sensitivity.values[k].toFixed(2) : "–"}`)
          .join(", "),
      ),
    );
  const strips = h("div", { class: "strips", style: "margin-top: 16px" });
  figure.append(strips);

  const row = 24,
    seriesOf = (t) => DATA.series.findIndex((x) => x.members.length === 1 && x.members[0] === t);
  /** One row a condition, between `low` and `high`; `paint` draws a row. */
  function strip(heading, units, low, high, ticks, paint) {
    const holder = h("div", {});
    strips.append(h("div", {}, h("h3", {}, heading), holder));
    whenSized(holder, (width) => {
      const left = Math.min(width * 0.4, Math.max(...conditions.map((c) => textWidth(c))) + 10),
        right = width - 12,
        bottom = 6 + row * conditions.length;
      const x = (v) => left + ((v - low) / (high - low || 1)) * (right - left);
      const svg = s("svg", {
        viewBox: `0 0 ${width} ${bottom + 22}`,
        width,
        height: bottom + 22,
        role: "img",
        "aria-label": `${heading} by condition`,
      });
      for (const t of ticks((right - left) / 60))
        svg.append(
          s("line", { class: "grid-line", x1: x(t), x2: x(t), y1: 4, y2: bottom }),
          s("text", { class: "tick", x: x(t), y: bottom + 15, "text-anchor": "middle" }, tickText(t)),
        );
      conditions.forEach((c, k) => {
        const y = 6 + row * (k + 0.5);
        svg.append(
          s("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, c),
          s("line", { class: "base", x1: left, x2: right, y1: y, y2: y }),
          ...paint(members.get(c), x, y),
        );
      });
      holder.replaceChildren(svg);
      now();
    });
  }
  for (const c of judged)
    strip(
      `${title(c).replace(/ correct$/, "")}: share right, with 95 % interval`,
      "",
      0,
      1,
      () => [0, 0.5, 1],
      (of, x, y) => {
        const values = of.map((t) => c.values[t]).filter(finite);
        if (!values.length) return [];
        const right = values.filter((v) => v === 1).length,
          [low, high] = wilson(right, values.length);
        return [
          s("rect", {
            class: "share",
            x: x(0),
            y: y - 5,
            width: Math.max(0.5, x(right / values.length) - x(0)),
            height: 10,
            rx: 2,
            "data-tip": `${right} of ${values.length} right\n95 % interval ${number(low)} to ${number(high)} (Wilson)`,
          }),
          s("line", { class: "interval", x1: x(low), x2: x(high), y1: y, y2: y }),
        ];
      },
    );
  for (const c of numeric) {
    const span = range(c.values);
    if (!span) continue;
    const pad = (span[1] - span[0]) * 0.06 || Math.abs(span[1]) * 0.1 || 1;
    strip(
      withUnit(title(c), c.units),
      c.units,
      span[0] - pad,
      span[1] + pad,
      (n) => linearTicks(span[0] - pad, span[1] + pad, Math.max(2, n)),
      (of, x, y) =>
        of
          .filter((t) => finite(c.values[t]))
          .map((t, k) =>
            s(
              "g",
              {
                class: "point",
                "data-trial": seriesOf(t) >= 0 ? t : null,
                "data-run": t,
                "data-tip": `trial ${t}: ${quantity(c.values[t], c.units)}`,
              },
              s("circle", { class: "hit", cx: x(c.values[t]), cy: y, r: 7 }),
              s("circle", { class: "dot", cx: x(c.values[t]), cy: y + ((k % 5) - 2) * 2.6, r: 3.6 }),
            ),
          ),
    );
  }
  function now() {
    const shown = series().members.length === 1 ? series().members[0] : null;
    for (const dot of strips.querySelectorAll("[data-run]"))
      dot.classList.toggle("now", Number(dot.dataset.run) === shown);
  }
  strips.addEventListener("click", (e) => {
    const dot = e.target.closest("[data-trial]");
    if (dot) set({ series: seriesOf(Number(dot.dataset.trial)) });
  });
  on("series", now);
  return node;
}

// -------------------------------------------------------------------------------------- provenance

function spectraPanel() {
  if (!DATA.spectra.length) return null;
  let shown = DATA.spectra[0];
  const { node, heading, sub, figure } = card("spectra", "", {
    controls:
      DATA.spectra.length > 1
        ? [
            select(
              "variable",
              DATA.spectra.map((v, k) => [k, v.name]),
              0,
              (v) => {
                shown = DATA.spectra[Number(v)];
                redraw();
              },
            ),
          ]
        : [],
    table: () => ({
      caption: withUnit(`Power spectral density of ${shown.name}`, density(shown.units)),
      head: ["frequency (Hz)", ...ORDER.map((a) => DATA.areas[a])],
      rows: shown.frequency.map((f, k) => [f, ...ORDER.map((a) => shown.density[a][k])]),
      text: 0,
    }),
  });
  const legend = h("div", { class: "legend" });
  node.insertBefore(legend, node.querySelector("details"));
  function draw(width) {
    const areas = state.picked;
    heading.textContent = `Power spectrum of ${shown.name}`;
    sub.textContent = `Segments of ${milliseconds(shown.segment_ms)}, ${shown.of}.${areas.length ? "" : " Pick areas to compare them."}`;
    const ink = { colour: "var(--ink)", dash: DASHES[0] };
    const line = (values, rest) => ({
      ...rest,
      points: shown.frequency.map((x, k) => ({ x, y: values(k) > 0 ? values(k) : NaN })),
    });
    const lines = areas.length
      ? areas.map((a) =>
          line((k) => shown.density[a][k], {
            name: DATA.areas[a],
            area: a,
            colour: `var(--pick${pickColours.get(a)})`,
            dash: DASHES[pickColours.get(a)],
          }),
        )
      : [line((k) => mean(shown.density.map((d) => d[k])), { name: "mean over all areas", ...ink })];
    const { svg, keys } = lineChart({
      width,
      height: 300,
      x: { name: "frequency (Hz), log scale", log: true },
      y: { name: `${withUnit("density", density(shown.units))}, log scale`, log: true },
      label: `Power spectral density of ${shown.name} in ${lines.map((l) => l.name).join(", ")}. The values are in the table below.`,
      lines,
    });
    figure.replaceChildren(svg);
    legend.replaceChildren(...keys);
    markAreas();
  }
  const redraw = whenSized(figure, draw);
  on("dark picked", redraw);
  return node;
}
function provenancePanel() {
  const { node, sub, figure } = card("provenance", "Where this comes from", { wide: true });
  node.classList.add("long");
  sub.textContent = "Everything that is needed to run it again.";
  const a = DATA.attributes;
  const known = ["title", "description", "config", "plan"];
  const words = {
    config_sha256: "config, sha256",
    connectome: "data set",
    connectome_references: "publications of the data",
    connectome_sha256: "data set, sha256",
    circuit_reference: "publication of the circuit",
    dt_ms: "time step (ms)",
    isocortex_commit: "commit",
    isocortex_version: "isocortex version",
    references: "references",
  };
  const list = h("dl", { class: "facts-list" });
  const add = (name, value) => {
    if (value !== "" && value !== null && value !== undefined)
      list.append(h("dt", {}, name), h("dd", {}, String(value)));
  };
  add("result file", DATA.file);
  for (const [name, value] of Object.entries(a))
    if (!known.includes(name)) add(words[name] ?? name.replaceAll("_", " "), value);
  if (DATA.data) {
    add("title of the data set", DATA.data.title);
    add("species", DATA.data.species);
    for (const [name, value] of Object.entries(DATA.data.terms ?? {})) add(`terms: ${name}`, value);
  }
  figure.append(list);
  if (DATA.data?.files.length)
    figure.append(
      h("h3", {}, "Tables of the data set"),
      h(
        "div",
        { class: "table plain", tabindex: 0, role: "region", "aria-label": "Tables of the data set" },
        h(
          "table",
          { class: "data" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["table", "file", "sha256"].map((c) => h("th", { scope: "col", class: "text" }, c)),
            ),
          ),
          h(
            "tbody",
            {},
            DATA.data.files.map((f) =>
              h(
                "tr",
                {},
                h("th", { scope: "row", class: "text" }, f.role),
                h("td", { class: "text" }, f.path),
                h("td", { class: "text" }, h("code", {}, f.sha256)),
              ),
            ),
          ),
        ),
      ),
    );
  const block = (name, text, file) =>
    figure.append(
      h(
        "details",
        { class: "source", open: name === "Config" },
        h("summary", {}, name),
        h(
          "div",
          { class: "table-tools" },
          h(
            "button",
            { type: "button", class: "quiet", onclick: () => save(file, "text/plain", text) },
            `Save ${file}`,
          ),
        ),
        h("pre", { tabindex: 0 }, text),
      ),
    );
  const stem = String(DATA.file).replace(/\.[^.]*$/, "");
  block("Config", a.config ?? "", `${stem}.yaml`);
  if (a.plan) block("Plan", a.plan, `${stem}.plan.txt`);
  return node;
}
