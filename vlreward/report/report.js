// Filters, keyboard and the address of the view.

const browser = byId("browser");
const detail = byId("detail");
const search = byId("q");
const DEFAULTS = { run: 0, compare: -1, suite: -1, code: "", verdict: "", pair: "", key: "", value: "", sort: "file", dir: "up", q: "", view: "list" };
const FILTERS = ["q", "code", "verdict", "pair", "key"];
const state = { ...DEFAULTS };
let entries = [];
let view = [];
let current = -1;
let loaded = false;
let chosen = ""; // the key of the sample that is shown
let wanted = null; // [suite or null, id] of the sample that the address names, until it is found
let linked = false; // whether the address names the sample
const wellFormed = (text) => String(text).replace(/\p{Cs}/gu, "\ufffd"); // halves of pairs have no place in an address
const encoded = (text) => encodeURIComponent(wellFormed(text));
const collator = new Intl.Collator("en", { numeric: true });

const VERDICTS = { "": "All", right: "Right", wrong: "Wrong" };
const PAIRS = { "": "All", fixed: "Fixed", broken: "Broken", both: "Both right", neither: "Both wrong", unpaired: "Unpaired" };
const rowsOf = ({ a, b }) => [a, b].filter(Boolean);
const keyOf = (entry) => (entry.a || entry.b).key;

function passes(entry, words) {
  if (state.compare >= 0 ? state.pair && entry.pair !== state.pair : state.verdict && (state.verdict === "right") !== Boolean(entry.a.ok)) return false;
  if (state.key && ((entry.a || entry.b).k || {})[state.key] !== state.value) return false;
  const codes = rowsOf(entry).map(failureCode);
  if (state.code === "*" && !codes.some(Boolean)) return false;
  if (state.code === "-" && codes.some(Boolean)) return false;
  if (state.code && state.code !== "*" && state.code !== "-" && !codes.includes(state.code.slice(1))) return false;
  return words.every((word) => rowsOf(entry).some((row) => row.hay.includes(word)));
}

// What a row is put in order by; undefined comes last either way.
function rank(row) {
  if (state.sort.startsWith("m:")) return (row.pk && row.pk[state.sort.slice(2)]) ?? row.m[state.sort.slice(2)];
  return { reward: row.v, tokens: row.tk, length: row.c.length, id: row.id }[state.sort];
}

function inOrder(found) {
  if (state.sort === "file") return found;
  const sign = state.dir === "up" ? 1 : -1;
  const by = new Map(found.map((entry) => [entry, rank(entry.a || entry.b)]));
  return found.sort((x, y) => {
    const [a, b] = [by.get(x), by.get(y)];
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    return sign * (typeof a === "string" ? collator.compare(a, b) : a - b);
  });
}

const isWanted = (row) => wellFormed(row.id) === wanted[1] && (wanted[0] === null || index.suites[row.s] === wanted[0]);

function update() {
  entries = pairRows(state.run, state.compare, state.suite);
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  view = inOrder(entries.filter((entry) => passes(entry, words)));
  fillControls();
  byId("count").textContent = `${view.length.toLocaleString("en")} of ${entries.length.toLocaleString("en")} samples${loaded ? "" : " (loading…)"}`;
  byId("reset").hidden = !FILTERS.some((key) => state[key] !== DEFAULTS[key]) && state.suite < 0;
  browser.dataset.layout = state.view;
  list.setItems(view.length, state.view === "grid");
  const at = view.findIndex(wanted ? (entry) => rowsOf(entry).some(isWanted) : (entry) => keyOf(entry) === chosen);
  const found = at >= 0 && wanted !== null;
  if (loaded) wanted = null;
  show(at >= 0 ? at : view.length ? 0 : -1);
  return found;
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

function fillCategories() {
  const select = byId("category");
  if (!select) return;
  const groups = new Map(index.keys.map((key) => [key, new Map()]));
  for (const entry of entries) {
    for (const [key, value] of Object.entries((entry.a || entry.b).k || {})) groups.get(key).set(value, (groups.get(key).get(value) || 0) + 1);
  }
  const option = (key, value, text) => {
    const node = el("option", null, ...textNodes(text));
    Object.assign(node.dataset, { key, value });
    node.selected = state.key === key && (!key || state.value === value);
    return node;
  };
  select.replaceChildren(option("", "", "all"), ...[...groups].filter(([, values]) => values.size).map(([key, values]) => el("optgroup", { label: key.replace(HIDDEN, "?") },
    ...[...values].sort((x, y) => collator.compare(x[0], y[0])).map(([value, n]) => option(key, value, `${value} (${n})`)))));
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
  fillSelect("sort", [["file", "as in the file"], ["reward", "by reward"], ...index.metrics.map((name) => [`m:${name}`, `by ${name}`]),
    ["tokens", "by tokens"], ["length", "by length of the completion"], ["id", "by id"]]);
  const turn = byId("dir");
  turn.hidden = state.sort === "file";
  turn.textContent = state.dir === "up" ? "↑" : "↓";
  turn.setAttribute("aria-label", state.dir === "up" ? "Lowest first" : "Highest first");
  turn.title = turn.getAttribute("aria-label");
  fillCategories();
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
      el("div", { class: "line" }, ...marks, el("span", { class: "id" }, ...line(row.id)), ...(row.of === undefined ? [] : [el("span", { class: "chip plain", title: "right answers to this question" }, `${answersTo(row).filter((one) => one.ok).length} of ${answersTo(row).length}`)]), ...codes.map((code) => el("span", { class: "chip plain" }, ...line(code)))),
      el("div", { class: "q" }, ...line(gist(row))),
      el("div", { class: "result" }, ...line(result))));
  const spoken = rowsOf(entry).map((one) => (one.ok ? "right" : "wrong")).join(", ");
  node.setAttribute("aria-label", `${row.id}, ${spoken}${codes.length ? `, ${codes.join(", ")}` : ""}, ${gist(row).slice(0, 120)}`);
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
  chosen = row.key;
  const button = (text, label, step) => {
    const node = el("button", { type: "button", "aria-label": label }, text);
    node.disabled = at + step < 0 || at + step >= view.length;
    node.addEventListener("click", () => { move(at + step); detail.querySelector(`button[aria-label^="${label.slice(0, 4)}"]`).focus(); });
    return node;
  };
  const back = el("button", { type: "button", class: "back" }, "← All");
  back.addEventListener("click", goBack);
  const runs = state.compare >= 0 ? { a: index.runs[state.run], b: index.runs[state.compare] } : null;
  const kind = entry.pair ? el("span", { class: "chip plain" }, PAIRS[entry.pair].toLowerCase()) : null;
  detail.replaceChildren(
    el("div", { class: "bar" }, back, el("span", { class: "muted" }, `${(at + 1).toLocaleString("en")} of ${view.length.toLocaleString("en")}`), button("←", "Previous sample", -1), button("→", "Next sample", 1), exportButton("Link", "Copy the address of this sample", () => { linked = true; remember(); return location.href; }), exportButton("JSON", "Copy this sample as JSON", () => asJsonl(rowsOf(entry)))),
    el("h3", null, ...textNodes(row.id), " ", el("small", null, ...textNodes(index.suites[row.s])), kind ? " " : null, kind),
    ...detailNodes(entry, runs, { choose }));
  detail.scrollTop = 0;
  if (narrow.matches && browser.dataset.pane === "detail") browser.scrollIntoView();
  remember();
}

// Show one row, whatever the filters leave.
function choose(row) {
  let at = view.findIndex((entry) => rowsOf(entry).includes(row));
  if (at < 0) {
    for (const key of [...FILTERS, "value"]) state[key] = DEFAULTS[key];
    chosen = row.key;
    update();
    at = view.findIndex((entry) => rowsOf(entry).includes(row));
  }
  linked = true;
  show(at);
}

const narrow = matchMedia("(max-width: 860px)");
const single = () => narrow.matches || state.view === "grid";

function exportButton(text, label, make) {
  const node = el("button", { type: "button", class: "plain", "aria-label": label, title: label }, text);
  node.addEventListener("click", () => copy(make(), node));
  return node;
}

// Where one thing is shown at a time, an open sample is a place of its own for the Back button.
function open() {
  if (current < 0) return;
  linked = true;
  if (single() && browser.dataset.pane !== "detail") history.pushState({ pane: "detail" }, "", address());
  browser.dataset.pane = "detail";
  if (narrow.matches) browser.scrollIntoView();
  detail.focus({ preventScroll: true });
}

function goBack() {
  if (history.state && history.state.pane === "detail") history.back();
  else showList();
}

function showList() {
  browser.dataset.pane = "list";
  list.refresh();
  list.select(current);
  byId("list").focus();
}

function address() {
  const said = { ...state, suite: index.suites[state.suite], code: state.code.replace(/^=/, "") };
  const parts = Object.keys(DEFAULTS).filter((key) => state[key] !== DEFAULTS[key]).map((key) => `${key}=${encoded(said[key])}`);
  const row = current >= 0 && rowsOf(view[current])[0];
  if (linked && row) {
    parts.push(`id=${encoded(row.id)}`);
    if (state.suite < 0 && index.suites.length > 1) parts.push(`of=${encoded(index.suites[row.s])}`);
  }
  return parts.length ? `#s:${parts.join("&")}` : location.hash.startsWith("#s:") ? "" : location.hash;
}

function remember() {
  const to = address();
  if (loaded && to !== location.hash) history.replaceState(history.state, "", to || location.pathname + location.search);
}

// Take the view from the address; true if it names one.
function recall() {
  if (!location.hash.startsWith("#s:")) {
    const target = location.hash.length > 1 && byId(location.hash.slice(1));
    if (target && target.matches("details")) target.open = true;
    if (location.hash.length < 2) Object.assign(state, DEFAULTS, { view: state.view });
    return false;
  }
  const given = new URLSearchParams(location.hash.slice(3).replaceAll("+", "%2B"));
  Object.assign(state, DEFAULTS, { view: state.view });
  for (const key of ["verdict", "pair", "key", "value", "sort", "dir", "q", "view"]) if (given.has(key)) state[key] = given.get(key);
  for (const key of ["run", "compare"]) {
    const number = Number(given.get(key));
    if (given.has(key) && index.runs[number] !== undefined) state[key] = number;
  }
  if (state.compare === state.run) state.compare = -1;
  state.suite = index.suites.indexOf(given.get("suite"));
  const code = given.get("code") || "";
  state.code = code === "" || code === "*" || code === "-" ? code : `=${code}`;
  if (!Object.hasOwn(VERDICTS, state.verdict)) state.verdict = "";
  if (!Object.hasOwn(PAIRS, state.pair)) state.pair = "";
  if (!index.keys.includes(state.key)) Object.assign(state, { key: "", value: "" });
  if (!/^(reward|tokens|length|id|m:.*)$/.test(state.sort)) state.sort = "file";
  if (state.dir !== "down") state.dir = "up";
  if (state.view !== "grid") state.view = "list";
  linked = given.has("id");
  if (linked) wanted = [given.get("of"), given.get("id")];
  return true;
}

const list = new VirtualList(byId("list"), drawOption, (at, opened) => {
  linked = !single(); // where it opens as a place of its own, that place names it
  show(at);
  if (opened && single()) open();
});

byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("change", (event) => {
  const name = event.target.name || event.target.id;
  if (name === "category") {
    const { key, value } = event.target.selectedOptions[0].dataset;
    Object.assign(state, { key, value });
    update();
    return event.target.focus();
  }
  if (!(name in state) || name === "q") return;
  state[name] = ["run", "compare", "suite"].includes(name) ? Number(event.target.value) : event.target.value;
  if (name === "run" && state.compare === state.run) state.compare = -1;
  if (name === "view") browser.dataset.pane = "list";
  update();
  if (event.target.id) event.target.focus();
});
let typing = 0;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { state.q = search.value; update(); }, 120);
});
byId("reset").addEventListener("click", () => {
  for (const key of [...FILTERS, "value", "suite"]) state[key] = DEFAULTS[key];
  update();
  search.focus();
});

function move(to) {
  if (to < 0 || to >= view.length || to === current) return;
  linked = true;
  show(to);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]")) return;
  const field = event.target.closest("input, select, textarea");
  if (event.key === "Escape") {
    if (event.target === search && search.value) { search.value = ""; state.q = ""; update(); }
    else if (event.target === search) byId("list").focus();
    else if (detail.contains(event.target) || browser.dataset.pane === "detail") goBack();
    return;
  }
  if (field) {
    if (field === search && event.key === "Enter") byId("list").focus();
    return;
  }
  if (event.key === "/") { event.preventDefault(); search.focus(); search.select(); }
  else if (event.key === "z" && current >= 0) zoomed(view[current]);
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

byId("dir").addEventListener("click", () => {
  state.dir = state.dir === "up" ? "down" : "up";
  update();
});
byId("copy").addEventListener("click", (event) => copy(view.map((entry) => `${(entry.a || entry.b).id}\n`).join(""), event.target));
byId("jsonl").addEventListener("click", () => save("samples.jsonl", "application/jsonl", asJsonl(view.flatMap(rowsOf))));
byId("csv").addEventListener("click", () => save("samples.csv", "text/csv", asCsv(view.flatMap(rowsOf))));

window.addEventListener("popstate", (event) => {
  const open = event.state && event.state.pane === "detail" && single();
  linked = Boolean(open);
  if (open || browser.dataset.pane !== "detail") browser.dataset.pane = open ? "detail" : "list";
  else showList();
});

window.addEventListener("hashchange", () => {
  const named = recall();
  if (!named && location.hash.length > 1) return;
  const found = update();
  if (!named) return;
  browser.dataset.pane = found && single() ? "detail" : "list";
  byId("samples").scrollIntoView();
  byId("list").focus({ preventScroll: true });
});

// The samples are laid out for paper only while it is printed.
window.addEventListener("beforeprint", () => byId("sheets").replaceChildren(...layOut(view, state.compare >= 0 ? { a: index.runs[state.run], b: index.runs[state.compare] } : null)));
window.addEventListener("afterprint", () => byId("sheets").replaceChildren());

const jumped = recall();
byId("filters").hidden = false;
let shownOnce = false;
loadRows(() => { if (!shownOnce) { shownOnce = true; update(); } }).then(() => {
  loaded = true;
  const found = update();
  if (found && single()) browser.dataset.pane = "detail";
  if (jumped) (found && narrow.matches ? browser : byId("samples")).scrollIntoView();
  takePlace();
  document.documentElement.dataset.ready = "true";
});
