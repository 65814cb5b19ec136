// What one sample looks like: image with boxes, texts and numbers. Text gets into the page through
// text nodes alone, whatever a model wrote.

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function svg(name, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Characters that hide or reorder others are named instead: controls, formats, lone surrogates.
const HIDDEN = /(((?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}])\2*)/u;

function textNodes(text) {
  const nodes = [];
  const parts = String(text).split(HIDDEN);
  for (let i = 0; i < parts.length; i += 3) {
    if (parts[i]) nodes.push(document.createTextNode(parts[i]));
    if (parts[i + 1]) {
      const point = parts[i + 2].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      const times = parts[i + 1].length / parts[i + 2].length;
      nodes.push(el("span", { class: "ctl" }, `U+${point}${times > 1 ? ` ×${times}` : ""}`));
    }
  }
  return nodes;
}

const line = (text) => textNodes(String(text).replace(/\s+/g, " ").slice(0, 300));

// Offsets in results are in code points, those of JavaScript in UTF-16 units.
function unitsAt(text, points) {
  let unit = 0;
  for (; points > 0 && unit < text.length; points--) unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
  return unit;
}

const SHOWN = 4000;

function completionNode(row) {
  const text = row.c;
  const marks = [];
  if (row.sp) marks.push(["answer", unitsAt(text, row.sp[0]), unitsAt(text, row.sp[1])]);
  if (row.f && row.f[2]) marks.push(["fault", unitsAt(text, row.f[2][0]), unitsAt(text, row.f[2][1])]);
  const pre = el("pre", { class: "completion", tabindex: "0", role: "region", "aria-label": "Completion", dir: "ltr" });
  const fill = (end) => {
    const cuts = [0, end, ...marks.flatMap(([, from, to]) => [from, to])]
      .filter((cut) => cut <= end).sort((x, y) => x - y);
    const nodes = [];
    for (let i = 0; i + 1 < cuts.length; i++) {
      const [from, to] = [cuts[i], cuts[i + 1]];
      if (from === to) continue;
      const kinds = marks.filter(([, a, b]) => a <= from && to <= b).map(([kind]) => kind);
      const parts = textNodes(text.slice(from, to));
      nodes.push(...(kinds.length ? [el("mark", { class: kinds.join(" "), title: kinds.map((k) => MARKS[k]).join("; ") }, ...parts)] : parts));
    }
    pre.replaceChildren(...nodes);
  };
  if (!text) {
    return el("p", { class: "empty" }, "The completion is empty.");
  }
  const last = Math.max(0, ...marks.map(([, , to]) => to));
  const end = Math.max(SHOWN, Math.min(last, 4 * SHOWN));
  if (text.length <= end * 1.2) {
    fill(text.length);
    return pre;
  }
  fill(unitsAt(text, end));
  const more = el("button", { type: "button" }, `Show all ${text.length.toLocaleString("en")} characters`);
  more.addEventListener("click", () => { fill(text.length); more.remove(); pre.focus(); });
  return el("div", null, pre, more);
}

const MARKS = { answer: "the answer that was read", fault: "what the failure is about" };

const BOX_NAMES = { gold: "gold", a: "predicted", b: "predicted" };

function boxesOf({ a, b }) {
  const any = a || b;
  const boxes = [];
  if (any.gb) boxes.push(["gold", any.gb]);
  if (a && a.ab) boxes.push(["a", a.ab]);
  if (b && b.ab) boxes.push(["b", b.ab]);
  return boxes;
}

function sizeOf(entry, picture) {
  const row = entry.a || entry.b;
  if (row.sz) return row.sz;
  if (picture.size) return picture.size;
  const boxes = boxesOf(entry).map(([, box]) => box);
  if (!boxes.length) return null;
  return [2, 3].map((i) => Math.ceil(Math.max(1, ...boxes.map((box) => box[i])) * 1.05));
}

function boxLayer(entry, size) {
  const layer = svg("svg", { class: "boxes", viewBox: `0 0 ${size[0]} ${size[1]}`, "aria-hidden": "true" });
  const draw = (css, [x1, y1, x2, y2]) => svg("rect", { class: css, x: x1, y: y1, width: x2 - x1, height: y2 - y1 });
  const boxes = boxesOf(entry);
  // All halos lie below all boxes, so that a gold box shows through the gaps of a dashed one.
  layer.append(...boxes.map(([, box]) => draw("halo", box)), ...boxes.map(([kind, box]) => draw(`box ${kind}`, box)));
  return layer;
}

function picture(entry, className, onMissing) {
  const where = pictureOf(entry.a || entry.b);
  const size = sizeOf(entry, where);
  const frame = el("div", { class: className });
  if (!size && !where.src) return { frame: null, where, size };
  if (!where.src) frame.classList.add("blank");
  if (size) frame.append(boxLayer(entry, size));
  const load = () => {
    if (!where.src) return;
    const image = el("img", { alt: "", decoding: "async", draggable: "false" });
    image.addEventListener("error", () => { image.remove(); frame.classList.add("blank"); if (onMissing) onMissing(); });
    image.src = where.src;
    frame.prepend(image);
  };
  return { frame, where, size, load };
}

function keyLine(kind, text) {
  const stroke = svg("svg", { class: "key-line", viewBox: "0 0 34 12", "aria-hidden": "true" },
    svg("line", { class: "halo", x1: 2, y1: 6, x2: 32, y2: 6 }), svg("line", { class: `box ${kind}`, x1: 2, y1: 6, x2: 32, y2: 6 }));
  return el("span", null, stroke, ...textNodes(text));
}

const boxText = (box) => `(${box.map((v) => Math.round(v * 100) / 100).join(", ")})`;

function figureNode(entry) {
  const caption = el("figcaption", null);
  const note = el("p", { class: "hint" });
  const { frame, where, size, load } = picture(entry, "picture", () => {
    note.replaceChildren(...textNodes(`The image is not in this page and cannot be loaded from ${where.src}.`));
  });
  if (where.why) note.append(...textNodes(where.why));
  else if (!where.name) note.append(frame ? "The data name no image: the boxes are drawn to scale." : "No image.");
  else if (where.linked) note.append(...textNodes(`Not embedded (size limit); loaded from ${where.src}`));
  const row = entry.a || entry.b;
  if (where.size && row.sz && (where.size[0] !== row.sz[0] || where.size[1] !== row.sz[1])) {
    note.append(` The file is ${where.size.join(" × ")}, the sample says ${row.sz.join(" × ")}: boxes may be off.`);
  }
  if (!frame) return note;
  const boxes = boxesOf(entry);
  for (const [kind, box] of boxes) {
    const tag = el("span", { class: `tag ${kind}`, "aria-hidden": "true" }, kind === "gold" ? "gold" : entry.b && entry.a ? kind.toUpperCase() : "predicted");
    const share = (value, whole) => `${Math.min(100, Math.max(0, (100 * value) / whole))}%`;
    tag.style.left = share(kind === "b" ? box[2] : box[0], size[0]);
    tag.style.top = share(kind === "gold" ? box[1] : box[3], size[1]);
    frame.append(tag);
    const who = entry.a && entry.b && kind !== "gold" ? `${BOX_NAMES[kind]} by ${kind.toUpperCase()}` : BOX_NAMES[kind];
    caption.append(keyLine(kind, `${who} ${boxText(box)}`));
  }
  if (where.name) caption.append(el("span", { class: "muted file" }, ...textNodes(`${where.name}${size ? `, ${size.join(" × ")} px` : ""}`)));
  const said = boxes.map(([kind, box]) => `${kind === "gold" ? "gold" : "predicted"} box ${boxText(box)}`).join(", ");
  frame.setAttribute("role", "img");
  frame.setAttribute("aria-label", `${where.src ? `Image ${where.name}` : "No image"}${said ? `, ${said}` : ""}`);
  if (size) {
    frame.style.aspectRatio = `${size[0]} / ${size[1]}`;
    frame.style.maxWidth = `min(${Math.max(2 * size[0], 240)}px, calc(44vh * ${size[0] / size[1]}))`;
  }
  load();
  return el("figure", { class: "shot" }, frame, caption, note);
}

const verdictNode = (row) => el("span", { class: `verdict ${row.ok ? "right" : "wrong"}` }, row.ok ? "✓ right" : "✗ wrong");

function fact(name, value) {
  return el("div", null, el("dt", null, name), el("dd", null, ...textNodes(value)));
}

function numbers(caption, values) {
  const entries = Object.entries(values);
  if (!entries.length) return null;
  const shown = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(4));
  return el("table", { class: "numbers" }, el("caption", null, caption), el("tbody", null,
    ...entries.map(([name, value]) => el("tr", null, el("th", { scope: "row" }, ...textNodes(name)), el("td", null, shown(value))))));
}

// Everything that one run says about the sample.
function answerNode(row, label) {
  const facts = [fact("Answer", row.a === undefined ? "none" : row.a)];
  if (row.w !== undefined && row.w !== row.a) facts.push(fact("As written", row.w));
  facts.push(fact("Reward", row.v.toFixed(4)));
  if (row.fr) facts.push(fact("Written in", row.fr + (row.isz ? `, input ${row.isz.join(" × ")}` : "")));
  if (row.tk !== undefined) facts.push(fact("Tokens", row.tk));
  const failure = row.f && el("p", { class: "failure" }, el("code", null, ...textNodes(row.f[0])), " ", ...textNodes(row.f[1]));
  return el("section", { class: "side" },
    el("h4", null, ...(label ? [el("b", { class: `tag-${label.kind}` }, label.kind.toUpperCase()), " ", ...textNodes(label.name), " "] : []), verdictNode(row),
      row.tr ? el("span", { class: "chip plain" }, "stopped at the token limit") : null),
    failure, el("dl", { class: "facts" }, ...facts), completionNode(row),
    el("div", { class: "tables" }, numbers("Metrics", row.m), numbers("Reward terms", row.t)));
}

function detailNodes(entry, runs) {
  const row = entry.a || entry.b;
  const label = (kind) => (runs ? { kind, name: runs[kind] } : null);
  const sides = ["a", "b"].filter((kind) => entry[kind]).map((kind) => answerNode(entry[kind], label(kind)));
  if (runs && sides.length === 1) {
    const kind = entry.a ? "b" : "a";
    const absent = el("section", { class: "side" }, el("h4", null, el("b", { class: `tag-${kind}` }, kind.toUpperCase()), " ", ...textNodes(runs[kind])), el("p", { class: "empty" }, "This run does not have the sample."));
    sides.splice(entry.a ? 1 : 0, 0, absent);
  }
  const facts = [];
  if (row.e && !row.q.includes(row.e)) facts.push(fact("Expression", row.e));
  if (!row.gb) facts.push(fact("Gold", row.g));
  return [
    figureNode(entry),
    el("p", { class: "question" }, ...textNodes(row.q || "(no question)")),
    facts.length ? el("dl", { class: "facts" }, ...facts) : "",
    el("div", { class: `sides${sides.length > 1 ? " two" : ""}` }, ...sides),
  ];
}
