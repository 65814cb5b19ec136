// The rows of all runs, parsed in slices so that opening a large page never blocks the browser.

const byId = (id) => document.getElementById(id);
const index = JSON.parse(byId("index").textContent);
const rows = [];

const pause = () => new Promise((resolve) => {
  const channel = new MessageChannel();
  channel.port1.onmessage = resolve;
  channel.port2.postMessage(0);
});

async function loadRows(onSlice) {
  let start = performance.now();
  for (const node of document.querySelectorAll("script.rows")) {
    for (const row of JSON.parse(node.textContent)) {
      row.key = `${index.bases[row.s]}\n${row.id}`;
      const said = [row.id, row.q, row.e, row.c, row.a, row.w, row.g];
      if (row.k) said.push(...Object.values(row.k));
      row.hay = said.filter(Boolean).join("\n")
        .toLowerCase();
      rows.push(row);
      if (row.of !== undefined) asked.set(questionOf(row), [...(asked.get(questionOf(row)) || []), row]);
    }
    node.remove();
    if (performance.now() - start > 16) {
      onSlice();
      await pause();
      start = performance.now();
    }
  }
}

// Where the image of a row is: {src} to show, or {why} it cannot be shown.
function pictureOf(row) {
  if (row.im === null || row.im === undefined) return { name: null, why: null, size: null };
  const image = index.images[row.im];
  const src = image.i === undefined ? image.href : byId(`image-${image.i}`).textContent;
  return { name: image.name, src, why: image.why, size: image.size, linked: image.i === undefined };
}

// All answers of a run to the question of a row, by the row's question.
const asked = new Map();
const questionOf = (row) => `${row.r}\n${row.s}\n${row.of}`;
const answersTo = (row) => (row.of === undefined ? [row] : asked.get(questionOf(row)));

const failureCode = (row) => (row.f ? row.f[0] : null);

// Pairs of rows to list: {a, b}; b is null unless two runs are compared.
function pairRows(run, compare, suite) {
  const mine = rows.filter((row) => row.r === run && (suite < 0 || row.s === suite));
  if (compare < 0) return mine.map((a) => ({ a, b: null, pair: null }));
  const others = new Map();
  const same = (row) => suite < 0 || index.bases[row.s] === index.bases[suite]; // subsets of one suite share samples
  for (const row of rows) {
    if (row.r === compare && same(row)) others.set(row.key, row);
  }
  const pairs = mine.map((a) => {
    const b = others.get(a.key) || null;
    others.delete(a.key);
    return { a, b, pair: pairKind(a, b) };
  });
  for (const b of others.values()) pairs.push({ a: null, b, pair: "unpaired" });
  return pairs;
}

// What a list shows of a question: the part that is not the same in all.
function gist(row) {
  const cut = index.cuts[row.s];
  if (row.e || !cut) return row.e || (row.gs && row.g) || row.q || "(no question)";
  const end = cut[1] ? unitsAt([...row.q].reverse().join(""), cut[1]) : 0;
  return row.q.slice(unitsAt(row.q, cut[0]), row.q.length - end) || "(no question)";
}

function pairKind(a, b) {
  if (!b) return "unpaired";
  if (a.ok) return b.ok ? "both" : "broken";
  return b.ok ? "fixed" : "neither";
}
