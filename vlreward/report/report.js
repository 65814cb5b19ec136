// The sample that is shown, the keyboard, and the address of the view.

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
