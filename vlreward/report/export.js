// Samples out of the page: copied, saved, printed.

function wholeRow(row) {
  const picture = row.im === null || row.im === undefined ? null : index.images[row.im].name;
  return {
    run: index.runs[row.r], suite: index.suites[row.s], id: row.of === undefined ? row.id : row.of, attempt: row.of === undefined ? undefined : Number(row.id.slice(row.of.length + 1)), right: Boolean(row.ok), question: row.q, expression: row.e,
    image: picture, image_size: row.sz, categories: row.k, gold: row.g, completion: row.c, answer: row.a, raw_answer: row.w,
    failure: row.f && { code: row.f[0], detail: row.f[1] }, value: row.v, terms: row.t, metrics: row.m,
    truncated: Boolean(row.tr), token_count: row.tk, frame: row.fr,
  };
}

const asJsonl = (shown) => shown.map((row) => `${JSON.stringify(wholeRow(row))}\n`).join("");

// A cell that begins as a formula would be run by spreadsheets, and models write what they like.
function cell(value) {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") return String(value);
  const text = /^[\s]*[=+\-@\t\r]/.test(value) && !/^[+-]?[\d.]+$/.test(value) ? `'${value}` : value;
  return /[",\n\r;]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function asCsv(shown) {
  const names = (of) => [...new Set(shown.flatMap((row) => Object.keys(of(row) || {})))];
  const [metrics, terms, keys] = [names((row) => row.m), names((row) => row.t), names((row) => row.k)];
  const head = ["run", "suite", "id", "right", "reward", ...metrics, ...terms.map((name) => `term ${name}`), ...keys, "failure", "gold", "answer", "tokens", "question", "expression", "image", "completion"];
  const lines = shown.map((row) => {
    const whole = wholeRow(row);
    return [whole.run, whole.suite, row.id, row.ok, row.v, ...metrics.map((name) => row.m[name]), ...terms.map((name) => row.t[name]), ...keys.map((key) => (row.k || {})[key]),
      row.f && row.f[0], row.g, row.a, row.tk, row.q, row.e, whole.image, row.c];
  });
  return [head, ...lines].map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

function save(name, type, text) {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function copy(text, button) {
  const label = button.textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "off" }); // where the clipboard is closed to pages
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  button.textContent = done ? "Copied" : "Not allowed";
  setTimeout(() => { button.textContent = label; }, 1500);
}

const PRINTED = 50;

// A printed page holds the samples that the filters leave, in whole.
function layOut(entries, runs) {
  const pages = entries.slice(0, PRINTED).map((entry) => {
    const row = entry.a || entry.b;
    return el("article", { class: "sheet" }, el("h3", null, ...textNodes(row.id), " ", el("small", null, ...textNodes(index.suites[row.s]))), ...detailNodes(entry, runs, { printed: true }));
  });
  const said = entries.length > PRINTED ? `The first ${PRINTED} of ${entries.length.toLocaleString("en")} samples; filters choose others.` : `${entries.length} samples.`;
  return [el("p", { class: "muted" }, said), ...pages];
}
