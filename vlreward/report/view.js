// What is shown of the samples: the state of the view, its filters, its order, and the rows of the list.

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
  select.replaceChildren(...options.map(([value, text]) => el("option", { value }, plainText(text))));
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
    const node = el("option", null, plainText(text));
    Object.assign(node.dataset, { key, value });
    node.selected = state.key === key && (!key || state.value === value);
    return node;
  };
  select.replaceChildren(option("", "", "all"), ...[...groups].filter(([, values]) => values.size).map(([key, values]) => el("optgroup", { label: plainText(key) },
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

