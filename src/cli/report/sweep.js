// The page of a sweep: a quantity over two of the values that vary, in all areas along one of them, and in
// picked areas.

const CONDITIONS = DATA.conditions;
// The description is of one run with the values of the config, not of those that vary here.
text("description", DATA.attributes.description && `Varied from: ${DATA.attributes.description}`);
const PATHS = DATA.paths;
/** More values than this share columns. */
const MOST_LEVELS = 60;
const BINS = 40;
/** Rows of the table of conditions. */
const MOST_ROWS = 2000;

// ----------------------------------------------------------------------------------------- what is shown

/** Numbers of `paths`, `quantities` and statistics; `keep`: the level that a path is held at, null for all. */
Object.assign(state, {
  quantity: Math.max(
    0,
    DATA.quantities.findIndex((q) => q.by === "area" && !/_baseline/.test(q.name)),
  ),
  statistic: "mean",
  x: 0,
  y: PATHS.length > 1 ? 1 : null,
  keep: PATHS.map(() => null),
  // Counts changes of any of these, so that tables are built anew.
  shown: 0,
});
on("quantity statistic x y keep picked", () => set({ shown: state.shown + 1 }));

const quantityShown = () => DATA.quantities[state.quantity];
const isByArea = () => quantityShown().by === "area";
const nameShown = () =>
  state.statistic === "sd" ? `SD of ${quantityShown().name} over replicates` : quantityShown().name;

const unpacked = new Map();
/** Numbers of a quantity, `[condition][area]` or `[condition]`; NaN where there is no result. */
function values() {
  const packed = (state.statistic === "sd" && quantityShown().sd) || quantityShown().mean;
  const key = `${state.quantity}/${state.statistic}`;
  if (!unpacked.has(key)) {
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    unpacked.set(
      key,
      Float64Array.from({ length: bytes.length / 4 }, (_, k) => view.getFloat32(4 * k, true)),
    );
  }
  return unpacked.get(key);
}
const finiteMean = (x) => {
  const there = x.filter(finite);
  return there.length ? mean(there) : NaN;
};
const inArea = (condition, area) => values()[condition * N + area];
/** What stands for a condition where areas are not apart: the mean over the picked areas, or over all. */
function ofCondition(condition) {
  if (!isByArea()) return values()[condition];
  const areas = state.picked.length ? state.picked : DATA.areas.map((_, a) => a);
  return finiteMean(areas.map((a) => inArea(condition, a)));
}
const whichAreas = () =>
  !isByArea() ? "" : state.picked.length ? `, mean over ${names(state.picked)}` : ", mean over all areas";

// --------------------------------------------------------------------------------------------- the axes

const pathName = (p) => withUnit(p.name, p.units);
const valueText = (p, v) => (typeof v === "number" ? quantity(v, p.units) : String(v));
/**
 * Different values of a path and which of them each condition has; of too many numbers, equal spans.
 */
function levelsOf(path) {
  const numeric = path.values.every(finite);
  let of = [...new Set(path.values)];
  if (numeric) of.sort((a, b) => a - b);
  if (numeric && of.length > MOST_LEVELS) {
    const low = of[0],
      step = (of.at(-1) - low) / BINS;
    return {
      values: Array.from({ length: BINS }, (_, k) => low + (k + 0.5) * step),
      at: path.values.map((v) => Math.min(BINS - 1, Math.floor((v - low) / step))),
      texts: Array.from({ length: BINS }, (_, k) => `${number(low + k * step)} to ${number(low + (k + 1) * step)}`),
      binned: true,
      numeric,
    };
  }
  const place = new Map(of.map((v, k) => [v, k]));
  return {
    values: of,
    at: path.values.map((v) => place.get(v)),
    texts: of.map((v) => valueText(path, v)),
    binned: false,
    numeric,
  };
}
const LEVELS = PATHS.map(levelsOf);
/** Conditions that no path but the free ones rules out. */
function kept(free) {
  const held = PATHS.map((_, p) => p).filter((p) => !free.includes(p) && state.keep[p] !== null);
  return Array.from({ length: CONDITIONS }, (_, c) => c).filter((c) =>
    held.every((p) => LEVELS[p].at[c] === state.keep[p]),
  );
}
/** What the figure that leaves `free` free says of the others. */
function others(free) {
  const parts = PATHS.flatMap((p, k) => {
    if (free.includes(k)) return [];
    return [state.keep[k] === null ? `all values of ${p.name}` : `${p.name} = ${LEVELS[k].texts[state.keep[k]]}`];
  });
  return parts.length ? ` ${capital(parts.join(", "))}.` : "";
}
/** Conditions by level of the paths, `[level of the first][level of the second]`. */
function grouped(conditions, x, y) {
  const out = LEVELS[x].values.map(() => (y === null ? [[]] : LEVELS[y].values.map(() => [])));
  for (const c of conditions) out[LEVELS[x].at[c]][y === null ? 0 : LEVELS[y].at[c]].push(c);
  return out;
}
/** As many of the levels as have room, at places of their own. */
function levelTicks(levels, room) {
  const every = Math.max(1, Math.ceil(levels.values.length / Math.max(1, room)));
  return levels.values.map((_, k) => k).filter((k) => k % every === 0);
}
const tickOf = (levels, k) => (levels.numeric ? tickText(Number(levels.values[k].toPrecision(4))) : levels.texts[k]);

// ------------------------------------------------------------------------------------------ the figures

/**
 * Coloured cells. `cell(column, row)` gives {value, tip, area, click}; the first row is at the top.
 */
function heatMap({ width, columns, rows, columnNames, rowNames, xName, yName, cell, scale, label, rowHeight }) {
  const left = Math.ceil(Math.min(width * 0.35, Math.max(...rowNames.map((n) => textWidth(n))))) + (yName ? 26 : 10);
  const bottom = 40,
    right = 8,
    top = 4;
  const w = (width - left - right) / columns,
    high = top + rows * rowHeight;
  const height = high + bottom;
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) {
      const { value, tip, area, click } = cell(c, r);
      const fill = finite(value) && scale ? colour(scale.map, scale.at(value)) : "var(--gap)";
      svg.append(
        s("rect", {
          x: left + c * w,
          y: top + r * rowHeight,
          width: w + 0.3,
          height: rowHeight + 0.3,
          style: `fill: ${fill}${click ? "; cursor: pointer" : ""}`,
          "data-tip": tip,
          "data-area": area ?? null,
          onclick: click ?? null,
        }),
      );
    }
  const rowTicks = Math.max(1, Math.ceil(12 / rowHeight));
  rowNames.forEach((name, r) => {
    if (name && r % rowTicks === 0)
      svg.append(
        s("text", { class: "tick", x: left - 6, y: top + (r + 0.5) * rowHeight + 4, "text-anchor": "end" }, name),
      );
  });
  const widest = Math.max(...columnNames.map(([, name]) => textWidth(name))) + 10;
  let free = -Infinity;
  for (const [c, name] of columnNames) {
    const x = left + (c + 0.5) * w;
    if (x - widest / 2 < free) continue;
    free = x + widest / 2;
    svg.append(s("text", { class: "tick", x, y: high + 16, "text-anchor": "middle" }, name));
  }
  svg.append(
    s("text", { class: "axis-label", x: (left + width - right) / 2, y: height - 5, "text-anchor": "middle" }, xName),
  );
  if (yName)
    svg.append(
      s(
        "text",
        { class: "axis-label", transform: `translate(12 ${(top + high) / 2}) rotate(-90)`, "text-anchor": "middle" },
        yName,
      ),
    );
  return svg;
}
const columnNames = (levels) => levelTicks(levels, MOST_LEVELS).map((k) => [k, tickOf(levels, k)]);
const noResult = "no result";
const said = (value) => (finite(value) ? quantity(value, quantityShown().units) : noResult);

function mapPanel() {
  if (PATHS.length < 2) return null;
  const { node, heading, sub, figure } = card("map", "", {
    wide: true,
    table: () => {
      const { x, y } = state;
      if (y === null) return { caption: "no second value is chosen", head: [], rows: [] };
      const cells = grouped(kept([x, y]), x, y);
      return {
        caption: `${nameShown()}${whichAreas()}: rows are ${PATHS[y].name}, columns are ${PATHS[x].name}`,
        head: [pathName(PATHS[y]), ...LEVELS[x].texts],
        rows: LEVELS[y].texts.map((text, r) => [text, ...cells.map((column) => finiteMean(column[r].map(ofCondition)))]),
      };
    },
  });
  const legend = h("div", { class: "legend" });
  node.insertBefore(legend, node.querySelector("details"));
  function draw(width) {
    const { x, y } = state;
    node.hidden = y === null;
    if (y === null) return;
    const [px, py, lx, ly] = [PATHS[x], PATHS[y], LEVELS[x], LEVELS[y]];
    const conditions = kept([x, y]);
    heading.textContent = `${nameShown()} over ${px.name} and ${py.name}`;
    const doc = `${quantityShown().doc}${state.statistic === "sd" ? ", SD over replicates" : ""}`;
    sub.textContent = `${capital(doc)}${whichAreas()}.${others([x, y])}`;
    // Points of a random design are drawn where they lie.
    const scattered = (lx.binned || ly.binned) && lx.numeric && ly.numeric;
    const cells = grouped(conditions, x, y);
    const means = cells.map((column) => column.map((of) => finiteMean(of.map(ofCondition))));
    const scale = fittingScale(scattered ? conditions.map(ofCondition) : means.flat());
    const label = `${nameShown()} over ${px.name} and ${py.name}. The values are in the table below.`;
    if (scattered) {
      figure.replaceChildren(
        scatter({
          width,
          height: Math.max(300, Math.min(460, width * 0.6)),
          radius: conditions.length > 1000 ? 2.5 : 4.5,
          x: { name: pathName(px) },
          y: { name: pathName(py) },
          label,
          // Where conditions lie on one another, one with a result is on top.
          points: conditions.toSorted((a, b) => finite(ofCondition(a)) - finite(ofCondition(b))).map((c) => {
            const v = ofCondition(c);
            return {
              x: px.values[c],
              y: py.values[c],
              fill: finite(v) && scale ? colour(scale.map, scale.at(v)) : "var(--gap)",
              tip: `condition ${c}\n${px.name} ${valueText(px, px.values[c])}\n${py.name} ${valueText(py, py.values[c])}\n${said(v)}`,
            };
          }),
        }),
      );
    } else {
      // The lowest value at the bottom, as on an axis; texts from the top.
      const rowOf = (r) => (ly.numeric ? ly.values.length - 1 - r : r);
      const rows = ly.values.length;
      figure.replaceChildren(
        heatMap({
          width,
          columns: lx.values.length,
          rows,
          columnNames: columnNames(lx),
          rowNames: ly.values.map((_, r) => tickOf(ly, rowOf(r))),
          xName: pathName(px),
          yName: pathName(py),
          rowHeight: Math.max(6, Math.min(44, 360 / rows)),
          scale,
          label,
          cell: (c, r) => {
            const of = cells[c][rowOf(r)],
              value = means[c][rowOf(r)];
            const many = of.length > 1 ? ` (mean of ${of.length} conditions)` : "";
            return {
              value,
              tip: `${px.name} ${lx.texts[c]}\n${py.name} ${ly.texts[rowOf(r)]}\n${said(value)}${many}`,
              click: () => hold(y, state.keep[y] === rowOf(r) ? null : rowOf(r)),
            };
          },
        }),
      );
    }
    legend.replaceChildren(
      ...(scale ? [ramp(scale, quantityShown().units)] : []),
      h("span", {}, scattered ? "A point is a condition." : `Grey: ${noResult}. A click holds ${py.name} below at that row.`),
    );
  }
  const redraw = whenSized(figure, draw);
  on("dark shown", redraw);
  return node;
}

function areasPanel() {
  let own = false;
  const { node, heading, sub, figure } = card("overview", "", {
    controls: [
      select(
        "colours",
        [
          ["shared", "one scale for all"],
          ["own", "each area's own range"],
        ],
        "shared",
        (v) => {
          own = v === "own";
          redraw();
        },
      ),
    ],
    table: () => {
      if (!isByArea()) return { caption: "one number for all areas", head: [], rows: [] };
      const { x } = state,
        columns = grouped(kept([x]), x, null).map(([of]) => of);
      return {
        caption: `${nameShown()} of every area over ${PATHS[x].name}`,
        head: ["area", ...LEVELS[x].texts],
        rows: ORDER.map((a) => [DATA.areas[a], ...columns.map((of) => finiteMean(of.map((c) => inArea(c, a))))]),
        areas: ORDER,
      };
    },
  });
  const legend = h("div", { class: "legend" });
  node.insertBefore(legend, node.querySelector("details"));
  function draw(width) {
    node.hidden = !isByArea();
    if (!isByArea()) return;
    const { x } = state,
      [path, levels] = [PATHS[x], LEVELS[x]];
    heading.textContent = `${nameShown()} of all areas over ${path.name}`;
    sub.textContent = `${HIERARCHY ? "Lowest in the hierarchy at the top." : ""}${others([x])}`;
    const columns = grouped(kept([x]), x, null).map(([of]) => of);
    const means = ORDER.map((a) => columns.map((of) => finiteMean(of.map((c) => inArea(c, a)))));
    const scale = own ? colourScale(0, 1, "linear", "viridis") : fittingScale(means.flat());
    const spans = means.map(range);
    const placed = (v, r) => (own && spans[r] ? (v - spans[r][0]) / (spans[r][1] - spans[r][0] || 1) : v);
    figure.replaceChildren(
      heatMap({
        width,
        columns: levels.values.length,
        rows: N,
        columnNames: columnNames(levels),
        rowNames: ORDER.map((a) => DATA.areas[a]),
        xName: pathName(path),
        rowHeight: N > 60 ? 8 : 14,
        scale,
        label: `${nameShown()} of ${N} areas over ${path.name}, one row an area. The values are in the table below.`,
        cell: (c, r) => ({
          value: placed(means[r][c], r),
          area: ORDER[r],
          tip: `${DATA.areas[ORDER[r]]}, ${path.name} ${levels.texts[c]}\n${said(means[r][c])}`,
        }),
      }),
    );
    const words = own ? ["lowest of the area", "highest"] : null;
    legend.replaceChildren(...(scale ? [ramp(scale, quantityShown().units, words)] : []));
  }
  const redraw = whenSized(figure, draw);
  on("dark shown", redraw);
  return node;
}

function linesPanel() {
  const { node, heading, sub, figure } = card("lines", "", {
    table: () => {
      const { x } = state;
      const lines = drawnLines();
      return {
        caption: `${nameShown()} over ${PATHS[x].name}`,
        head: [pathName(PATHS[x]), ...lines.map((l) => l.name)],
        rows: LEVELS[x].texts.map((text, k) => [text, ...lines.map((l) => l.values[k])]),
      };
    },
  });
  const legend = h("div", { class: "legend" });
  node.insertBefore(legend, node.querySelector("details"));
  /** A line for each picked area; without any, one for the mean over all areas, or for what has no areas. */
  function drawnLines() {
    const { x } = state,
      columns = grouped(kept([x]), x, null).map(([of]) => of);
    if (!isByArea() || !state.picked.length)
      return [
        {
          name: isByArea() ? "mean over all areas" : nameShown(),
          colour: "var(--ink)",
          dash: DASHES[0],
          values: columns.map((of) => finiteMean(of.map(ofCondition))),
        },
      ];
    return state.picked.map((a) => ({
      name: DATA.areas[a],
      area: a,
      colour: `var(--pick${pickColours.get(a)})`,
      dash: DASHES[pickColours.get(a)],
      values: columns.map((of) => finiteMean(of.map((c) => inArea(c, a)))),
    }));
  }
  function draw(width) {
    const { x } = state,
      [path, levels] = [PATHS[x], LEVELS[x]];
    heading.textContent = `${nameShown()} over ${path.name}`;
    const lines = drawnLines();
    sub.textContent = `${lines[0].area === undefined && isByArea() ? "Pick areas to compare them." : ""}${others([x])}`;
    const places = levels.numeric ? levels.values : levels.values.map((_, k) => k);
    const log = levels.numeric && places[0] > 0 && places.at(-1) / places[0] > 50;
    const { svg, keys } = lineChart({
      width,
      height: 300,
      x: { name: `${pathName(path)}${log ? ", log scale" : ""}`, log, names: levels.numeric ? null : levels.texts },
      y: { name: withUnit(nameShown(), quantityShown().units) },
      label: `${nameShown()} over ${path.name}: ${lines.map((l) => l.name).join(", ")}. The values are in the table below.`,
      lines: lines.map((l) => ({
        ...l,
        dots: true,
        points: l.values.map((y, k) => ({
          x: places[k],
          y,
          tip: `${l.name}, ${path.name} ${levels.texts[k]}\n${said(y)}`,
        })),
      })),
    });
    figure.replaceChildren(svg);
    legend.replaceChildren(...keys);
    markAreas();
  }
  const redraw = whenSized(figure, draw);
  on("dark shown", redraw);
  return node;
}

function conditionsPanel() {
  const { node, sub, figure } = card("conditions", "Conditions", {
    wide: true,
    table: () => {
      const all = kept([]),
        rows = all.slice(0, MOST_ROWS);
      return {
        caption: `Conditions${rows.length < all.length ? `, the first ${rows.length} of ${all.length}` : ""}`,
        head: [
          "condition",
          ...PATHS.map(pathName),
          `${withUnit(nameShown(), quantityShown().units)}${whichAreas()}`,
          ...(DATA.failures.length ? ["failure"] : []),
        ],
        rows: rows.map((c) => [
          c,
          ...PATHS.map((p) => p.values[c]),
          ofCondition(c),
          ...(DATA.failures.length ? [failureOf.get(c) ?? ""] : []),
        ]),
      };
    },
  });
  const failureOf = new Map(DATA.failures);
  const say = () => {
    const all = kept([]).length;
    sub.textContent = `${all === CONDITIONS ? "All" : `${all} of`} ${CONDITIONS} conditions.`;
  };
  on("shown", say);
  say();
  const first = DATA.failures.slice(0, 5).map(([c, why]) => h("li", {}, `condition ${c}: ${why}`));
  const more = DATA.failures.length - first.length;
  figure.append(
    first.length
      ? h("ul", { class: "small" }, first, more > 0 ? h("li", {}, `${more} more in the table`) : null)
      : h("p", { class: "small" }, "No condition failed."),
  );
  return node;
}

// --------------------------------------------------------------------------------- controls and panels

text(
  "facts",
  [
    DATA.attributes.circuit,
    `${N} areas of ${DATA.attributes.connectome}`,
    `${CONDITIONS} conditions`,
    DATA.replicates > 1 ? `${DATA.replicates} replicates each` : "",
    `seed ${DATA.attributes.seed}`,
  ]
    .filter(Boolean)
    .join(" · "),
);
const holders = PATHS.map((p, k) =>
  LEVELS[k].values.length > 1
    ? select(
        p.name,
        [["", "all values"], ...LEVELS[k].texts.map((t, l) => [l, t])],
        "",
        (v) => hold(k, v === "" ? null : Number(v)),
      )
    : null,
);
/** Holds a path at one of its levels, or lets it go. */
function hold(path, level) {
  set({ keep: state.keep.map((old, k) => (k === path ? level : old)) });
}
function showHeld() {
  holders.forEach((holder, k) => {
    if (!holder) return;
    holder.hidden = k === state.x;
    holder.querySelector("select").value = state.keep[k] === null ? "" : String(state.keep[k]);
  });
}
on("keep x", showHeld);
const along = select(
  "along",
  PATHS.map((p, k) => [k, p.name]),
  state.x,
  (v) => {
    const x = Number(v);
    set({ x, y: state.y === x ? state.x : state.y });
  },
);
const against =
  PATHS.length > 1
    ? select(
        "and",
        PATHS.map((p, k) => [k, p.name]),
        state.y,
        (v) => {
          const y = Number(v);
          set({ y, x: state.x === y ? state.y : state.x });
        },
      )
    : null;
on("x y", () => {
  along.querySelector("select").value = String(state.x);
  if (against) against.querySelector("select").value = String(state.y);
});
document.getElementById("controls").append(
  select(
    "quantity",
    DATA.quantities.map((q, k) => [k, q.name]),
    state.quantity,
    (v) => set({ quantity: Number(v) }),
  ),
  DATA.quantities.some((q) => q.sd)
    ? select(
        "over replicates",
        [
          ["mean", "mean"],
          ["sd", "standard deviation"],
        ],
        state.statistic,
        (v) => set({ statistic: v }),
      )
    : "",
  along,
  against ?? "",
  ...holders.filter(Boolean),
);
showHeld();
applyTheme();
const map = mapPanel();
if (map) panels.append(map);
panels.append(...columns);
for (const panel of [areasPanel, linesPanel]) place(panel());
panels.append(conditionsPanel(), provenancePanel());
markAreas();
document.documentElement.dataset.ready = "true";
