// What all pages have around their panels: theme, title, list of areas, pointing and picking.

function fail(message) {
  document.documentElement.dataset.error = message;
  document
    .getElementById("panels")
    .prepend(h("p", { class: "note error", role: "alert" }, `This page has an error: ${message}`));
}
addEventListener("error", (e) => fail(e.message));
addEventListener("unhandledrejection", (e) => fail(String(e.reason)));

// ------------------------------------------------------------------------------------------- theme

const systemDark = matchMedia("(prefers-color-scheme: dark)");
let printing = false;
function applyTheme() {
  const dark = !printing && (state.theme === "dark" || (state.theme === "system" && systemDark.matches));
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  for (const button of document.querySelectorAll("[data-set-theme]"))
    button.setAttribute("aria-pressed", String(button.dataset.setTheme === state.theme));
  set({ dark });
}
on("theme", applyTheme);
systemDark.addEventListener("change", applyTheme);
// Paper is white, and the config belongs on it.
addEventListener("beforeprint", () => {
  printing = true;
  applyTheme();
  for (const d of document.querySelectorAll("details.source")) d.open = true;
});
addEventListener("afterprint", () => {
  printing = false;
  applyTheme();
});
for (const button of document.querySelectorAll("[data-set-theme]"))
  button.addEventListener("click", () => set({ theme: button.dataset.setTheme }));

// --------------------------------------------------------------------------------------- title, foot

const text = (id, value) => {
  document.getElementById(id).textContent = value ?? "";
};
text("title", DATA.title);
text("description", DATA.attributes.description);
text(
  "foot",
  `Written by ${DATA.made_by} from ${DATA.file}. Numbers here have four significant digits; the file has them in full.`,
);

// ---------------------------------------------------------------------------------------- the list

const search = document.getElementById("search"),
  list = document.getElementById("areas");
const items = ORDER.map((a) =>
  h(
    "li",
    { role: "option", id: `area-${a}`, "data-area": a, "aria-selected": "false" },
    h("span", { class: "swatch", "aria-hidden": "true" }),
    h("span", {}, DATA.areas[a]),
    HIERARCHY && finite(HIERARCHY.values[a])
      ? h("span", { class: "value", title: hierarchyName }, HIERARCHY.values[a].toFixed(2))
      : null,
  ),
);
list.append(...items);
let active = 0;
const there = () => items.filter((i) => !i.hidden);
function activate(k) {
  const shown = there();
  if (!shown.length) {
    list.removeAttribute("aria-activedescendant");
    return;
  }
  active = Math.max(0, Math.min(shown.length - 1, k));
  items.forEach((i) => i.classList.remove("active"));
  shown[active].classList.add("active");
  list.setAttribute("aria-activedescendant", shown[active].id);
  if (document.activeElement === list) {
    shown[active].scrollIntoView({ block: "nearest" });
    set({ hover: Number(shown[active].dataset.area) });
  }
}
function filter() {
  const wanted = search.value.trim().toLowerCase();
  for (const item of items) {
    const a = Number(item.dataset.area);
    item.hidden = !(
      DATA.areas[a].toLowerCase().includes(wanted) ||
      (wanted.length > 2 && DATA.lobes?.[a]?.toLowerCase().includes(wanted))
    );
  }
  activate(0);
}
search.addEventListener("input", filter);
search.addEventListener("keydown", (e) => {
  if (e.key === "ArrowDown" && there().length) {
    e.preventDefault();
    list.focus();
    activate(0);
  }
  if (e.key === "Enter" && there().length) pick(Number(there()[0].dataset.area));
  if (e.key === "Escape") {
    search.value = "";
    filter();
  }
});
list.addEventListener("focus", () => activate(active));
list.addEventListener("blur", () => set({ hover: null }));
list.addEventListener("keydown", (e) => {
  const shown = there();
  const to = {
    ArrowDown: active + 1,
    ArrowUp: active - 1,
    Home: 0,
    End: shown.length - 1,
    PageDown: active + 10,
    PageUp: active - 10,
  }[e.key];
  if (to !== undefined) {
    e.preventDefault();
    activate(to);
  }
  if ((e.key === "Enter" || e.key === " ") && shown[active]) {
    e.preventDefault();
    pick(Number(shown[active].dataset.area));
  }
  if (e.key === "Escape") set({ picked: (pickColours.clear(), []) });
});
document.getElementById("clear").addEventListener("click", () => set({ picked: (pickColours.clear(), []) }));
const picked = document.getElementById("picked");
on("picked", () => {
  picked.textContent = state.picked.length ? `Picked: ${names(state.picked)}` : "No area is picked.";
  markAreas();
});
on("hover", markAreas);

// ----------------------------------------------------------------- pointing and picking, everywhere

document.addEventListener("pointerover", (e) => {
  const area = e.target.closest?.("[data-area]"),
    tipped = e.target.closest?.("[data-tip]");
  if (e.target.tagName !== "CANVAS") {
    set({ hover: area ? Number(area.dataset.area) : null });
    showTip(tipped?.dataset.tip ?? "", e);
  }
});
document.addEventListener("pointermove", (e) => {
  const tipped = e.target.closest?.("[data-tip]");
  if (tipped) showTip(tipped.dataset.tip, e);
});
document.addEventListener("click", (e) => {
  const area = e.target.closest?.("[data-area]");
  if (area) pick(Number(area.dataset.area));
});
addEventListener(
  "scroll",
  () => {
    tip.hidden = true;
  },
  { passive: true },
);

// ------------------------------------------------------------------------------------------ panels

const panels = document.getElementById("panels");
panels.append(...DATA.notes.map((n) => h("p", { class: "note" }, n)));
const columns = [h("div", { class: "stack" }), h("div", { class: "stack" })];
let order = 0;
/** Puts a card into the shorter of two columns. */
function place(node) {
  if (!node) return;
  node.style.order = String(order++);
  const [left, right] = columns.map((c) => c.offsetHeight);
  columns[right < left ? 1 : 0].append(node);
  drawWaiting();
}
