// Filters, keyboard and the address of the view.

const browser = byId("browser");
const detail = byId("detail");
const search = byId("q");
const DEFAULTS = { run: 0, compare: -1, suite: -1, code: "", verdict: "", pair: "", sort: "file", q: "", view: "list", id: "" };
const state = { ...DEFAULTS };
let entries = [];
let view = [];
let current = -1;
let loaded = false;

const VERDICTS = { "": "All", right: "Right", wrong: "Wrong" };
const PAIRS = { "": "All", fixed: "Fixed", broken: "Broken", both: "Both right", neither: "Both wrong", unpaired: "Unpaired" };
const rowsOf = ({ a, b }) => [a, b].filter(Boolean);
const keyOf = (entry) => (entry.a || entry.b).key;

function passes(entry, words) {
  if (state.compare >= 0 ? state.pair && entry.pair !== state.pair : state.verdict && (state.verdict === "right") !== Boolean(entry.a.ok)) return false;
  const codes = rowsOf(entry).map(failureCode);
  if (state.code === "*" && !codes.some(Boolean)) return false;
  if (state.code === "-" && codes.some(Boolean)) return false;
  if (state.code && state.code !== "*" && state.code !== "-" && !codes.includes(state.code.slice(1))) return false;
  return words.every((word) => rowsOf(entry).some((row) => row.hay.includes(word)));
}

function update(keep) {
  entries = pairRows(state.run, state.compare, state.suite);
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  view = entries.filter((entry) => passes(entry, words));
  if (state.sort !== "file") {
    const sign = state.sort === "low" ? 1 : -1;
    view.sort((x, y) => sign * ((x.a || x.b).v - (y.a || y.b).v));
  }
  fillControls();
  byId("count").textContent = `${view.length.toLocaleString("en")} of ${entries.length.toLocaleString("en")} samples${loaded ? "" : " (loading…)"}`;
  byId("reset").hidden = !["q", "code", "verdict", "pair"].some((key) => state[key] !== DEFAULTS[key]) && state.suite < 0;
  browser.dataset.layout = state.view;
  list.setItems(view.length, state.view === "grid");
  const at = keep ? view.findIndex((entry) => keyOf(entry) === state.id) : -1;
  show(at >= 0 ? at : view.length ? 0 : -1);
}

function fillSelect(id, options) {
  const select = byId(id);
  if (!select) return;
  select.replaceChildren(...options.map(([value, text]) => el("option", { value }, ...text.replace(HIDDEN, "?").split("\n"))));
  select.value = String(state[id]);
}

function fillSegments(id, name, labels, counts) {
  const group = byId(id);
  const focused = group.contains(document.activeElement) ? document.activeElement.value : null;
  const legend = group.querySelector("legend");
  group.replaceChildren(legend, ...Object.entries(labels).map(([value, text]) => {
    const input = el("input", { type: "radio", name, value });
    input.checked = state[name] === value;
    return el("label", null, input, el("span", null, text, counts ? el("b", null, ` ${counts(value).toLocaleString("en")}`) : null));
  }));
  if (focused !== null) for (const input of group.querySelectorAll("input")) if (input.value === focused) input.focus();
}

function fillControls() {
  const codes = new Map();
  for (const entry of entries) {
    for (const code of new Set(rowsOf(entry).map(failureCode).filter(Boolean))) codes.set(code, (codes.get(code) || 0) + 1);
  }
  const known = state.code && !["*", "-"].includes(state.code) && !codes.has(state.code.slice(1)) ? [[state.code, `${state.code.slice(1)} (0)`]] : [];
  fillSelect("code", [["", "all"], ["*", "any failure"], ["-", "no failure"], ...[...codes].sort((x, y) => y[1] - x[1]).map(([code, n]) => [`=${code}`, `${code} (${n})`]), ...known]);
  fillSelect("suite", [[-1, "all"], ...index.suites.map((name, i) => [i, name])]);
  fillSelect("run", index.runs.map((name, i) => [i, name]));
  fillSelect("compare", [[-1, "no other run"], ...index.runs.map((name, i) => [i, name]).filter(([i]) => i !== state.run)]);
  fillSelect("sort", [...byId("sort").options].map((option) => [option.value, option.text]));
  if (state.compare >= 0) fillSegments("verdict", "pair", PAIRS, (kind) => entries.filter((entry) => !kind || entry.pair === kind).length);
  else fillSegments("verdict", "verdict", VERDICTS, (kind) => entries.filter((entry) => !kind || (kind === "right") === Boolean(entry.a.ok)).length);
  fillSegments("layout", "view", { list: "List", grid: "Gallery" });
  if (search.value !== state.q) search.value = state.q;
}

function drawOption(at) {
  const entry = view[at];
  const row = entry.a || entry.b;
  const { frame, load } = picture(entry, "thumb");
  const marks = state.compare >= 0
    ? ["a", "b"].map((kind) => el("span", { class: `verdict ${entry[kind] ? (entry[kind].ok ? "right" : "wrong") : "absent"}` }, `${kind.toUpperCase()} ${entry[kind] ? (entry[kind].ok ? "✓" : "✗") : "–"}`))
    : [el("span", { class: `verdict ${row.ok ? "right" : "wrong"}` }, row.ok ? "✓" : "✗")];
  const codes = [...new Set(rowsOf(entry).map(failureCode).filter(Boolean))];
  const mark = index.marks[row.s];
  const marked = mark && rowsOf(entry).some((one) => one.a !== undefined && one.m[mark[0]] !== undefined);
  const said = (one) => {
    if (one.a === undefined) return "no answer";
    if (marked && one.m[mark[0]] !== undefined) return one.m[mark[0]].toFixed(2);
    return row.gs && one.as ? shapesText(one.as, 1) : one.a;
  };
  const answers = state.compare >= 0
    ? ["a", "b"].filter((kind) => entry[kind]).map((kind) => `${kind.toUpperCase()} ${said(entry[kind])}`).join(", ")
    : said(row);
  const named = marked ? `${mark[1]} ${answers}` : answers;
  const result = row.gs || marked ? named : `gold ${row.g} → ${answers}`;
  const node = el("div", null, frame || "",
    el("div", { class: "words" },
      el("div", { class: "line" }, ...marks, el("span", { class: "id" }, ...line(row.id)), ...codes.map((code) => el("span", { class: "chip plain" }, ...line(code)))),
      el("div", { class: "q" }, ...line(row.e || row.q || "(no question)")),
      el("div", { class: "result" }, ...line(result))));
  const spoken = rowsOf(entry).map((one) => (one.ok ? "right" : "wrong")).join(", ");
  node.setAttribute("aria-label", `${row.id}, ${spoken}${codes.length ? `, ${codes.join(", ")}` : ""}, ${(row.e || row.q).slice(0, 120)}`);
  if (load) node.showImage = load;
  return node;
}

function show(at) {
  current = at;
  list.select(at);
  if (at < 0) {
    byId("list").dataset.empty = loaded ? "No sample fits these filters." : "";
    detail.replaceChildren(el("p", { class: "empty" }, loaded ? "No sample fits these filters." : "Loading…"));
    if (loaded) browser.dataset.pane = "list";
    return;
  }
  delete byId("list").dataset.empty;
  const entry = view[at];
  const row = entry.a || entry.b;
  state.id = row.key;
  const button = (text, label, step) => {
    const node = el("button", { type: "button", "aria-label": label }, text);
    node.disabled = at + step < 0 || at + step >= view.length;
    node.addEventListener("click", () => { show(at + step); detail.querySelector(`button[aria-label^="${label.slice(0, 4)}"]`).focus(); });
    return node;
  };
  const back = el("button", { type: "button", class: "back" }, "← All samples");
  back.addEventListener("click", goBack);
  const runs = state.compare >= 0 ? { a: index.runs[state.run], b: index.runs[state.compare] } : null;
  const kind = entry.pair ? el("span", { class: "chip plain" }, PAIRS[entry.pair].toLowerCase()) : null;
  detail.replaceChildren(
    el("div", { class: "bar" }, back, el("span", { class: "muted" }, `${(at + 1).toLocaleString("en")} of ${view.length.toLocaleString("en")}`), button("←", "Previous sample", -1), button("→", "Next sample", 1)),
    el("h3", null, ...textNodes(row.id), " ", el("small", null, ...textNodes(index.suites[row.s])), kind ? " " : null, kind),
    ...detailNodes(entry, runs));
  detail.scrollTop = 0;
  if (narrow.matches && browser.dataset.pane === "detail") browser.scrollIntoView();
  remember();
}

const narrow = matchMedia("(max-width: 860px)");
const single = () => narrow.matches || state.view === "grid";

function open() {
  if (current < 0) return;
  browser.dataset.pane = "detail";
  if (narrow.matches) browser.scrollIntoView();
  detail.focus({ preventScroll: true });
}

function goBack() {
  browser.dataset.pane = "list";
  list.refresh();
  list.select(current);
  byId("list").focus();
}

function remember() {
  const parts = Object.keys(DEFAULTS).filter((key) => key !== "id" && state[key] !== DEFAULTS[key]).map((key) => `${key}=${encodeURIComponent(key === "suite" ? index.suites[state.suite] : key === "code" ? state.code.replace(/^=/, "") : state[key])}`);
  if (parts.length || location.hash.startsWith("#s:")) history.replaceState(null, "", parts.length ? `#s:${parts.join("&")}` : "#samples");
}

function recall() {
  if (!location.hash.startsWith("#s:")) {
    const target = location.hash.length > 1 && byId(location.hash.slice(1));
    if (target && target.matches("details")) target.open = true;
    return false;
  }
  const given = new URLSearchParams(location.hash.slice(3));
  Object.assign(state, DEFAULTS, { view: state.view });
  for (const key of ["verdict", "pair", "sort", "q", "view"]) if (given.has(key)) state[key] = given.get(key);
  for (const key of ["run", "compare"]) {
    const number = Number(given.get(key));
    if (given.has(key) && index.runs[number] !== undefined) state[key] = number;
  }
  if (state.compare === state.run) state.compare = -1;
  state.suite = index.suites.indexOf(given.get("suite"));
  const code = given.get("code") || "";
  state.code = code === "" || code === "*" || code === "-" ? code : `=${code}`;
  if (!(state.verdict in VERDICTS)) state.verdict = "";
  if (!(state.pair in PAIRS)) state.pair = "";
  if (!["low", "high"].includes(state.sort)) state.sort = "file";
  if (state.view !== "grid") state.view = "list";
  return true;
}

const list = new VirtualList(byId("list"), drawOption, (at, opened) => {
  show(at);
  if (opened && single()) open();
});

byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("change", (event) => {
  const name = event.target.name || event.target.id;
  if (!(name in state) || name === "q") return;
  state[name] = ["run", "compare", "suite"].includes(name) ? Number(event.target.value) : event.target.value;
  if (name === "run" && state.compare === state.run) state.compare = -1;
  if (name === "view") browser.dataset.pane = "list";
  update(true);
  if (event.target.id) event.target.focus();
});
let typing = 0;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { state.q = search.value; update(true); }, 120);
});
byId("reset").addEventListener("click", () => {
  Object.assign(state, { q: "", code: "", verdict: "", pair: "", suite: -1 });
  update(true);
  search.focus();
});

function move(to) {
  if (to < 0 || to >= view.length || to === current) return;
  show(to);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const field = event.target.closest("input, select, textarea");
  if (event.key === "Escape") {
    if (event.target === search && search.value) { search.value = ""; state.q = ""; update(true); }
    else if (event.target === search) byId("list").focus();
    else if (detail.contains(event.target) || browser.dataset.pane === "detail") goBack();
    return;
  }
  if (field) {
    if (field === search && event.key === "Enter") byId("list").focus();
    return;
  }
  if (event.key === "/") { event.preventDefault(); search.focus(); search.select(); }
  else if (event.key === "j") move(current + 1);
  else if (event.key === "k") move(current - 1);
  else if (event.target === byId("list")) {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); return; }
    const to = list.target(event.key);
    if (to !== null) { event.preventDefault(); move(to); }
  } else if (event.target === detail && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
    move(current + (event.key === "ArrowRight" ? 1 : -1));
    detail.focus();
  }
});

window.addEventListener("hashchange", () => {
  if (!recall()) return;
  browser.dataset.pane = "list";
  update(false);
  byId("samples").scrollIntoView();
  byId("list").focus({ preventScroll: true });
});

const jumped = recall();
byId("filters").hidden = false;
let shownOnce = false;
loadRows(() => { if (!shownOnce) { shownOnce = true; update(true); } }).then(() => {
  loaded = true;
  update(true);
  if (jumped) byId("samples").scrollIntoView();
  document.documentElement.dataset.ready = "true";
});
