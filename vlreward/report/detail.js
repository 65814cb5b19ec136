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

// The same where no element can be.
const plainText = (text) => textNodes(text).map((node) => node.textContent).join("");

const line = (text) => textNodes(String(text).replace(/\s+/g, " ").slice(0, 300));

// Offsets in results are in code points, those of JavaScript in UTF-16 units.
function unitsAt(text, points) {
  let unit = 0;
  for (; points > 0 && unit < text.length; points--) unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
  return unit;
}

const SHOWN = 4000;

function completionNode(row, whole) {
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
  if (whole) return el("div", null, pre, el("p", { class: "hint" }, `${text.length.toLocaleString("en")} characters in all`));
  const more = el("button", { type: "button" }, `Show all ${text.length.toLocaleString("en")} characters`);
  more.addEventListener("click", () => { fill(text.length); more.remove(); pre.focus(); });
  return el("div", null, pre, more);
}

const MARKS = { answer: "the answer that was read", fault: "what the failure is about" };

// What to draw: [who, shape] with who gold, a or b, and shape [kind, numbers in original pixels, label].
function shapesOf({ a, b }) {
  const of = (who, shapes) => (shapes || []).map((shape) => [who, shape]);
  return [...of("gold", (a || b).gs), ...of("a", a && a.as), ...of("b", b && b.as)];
}

// Corners of what a shape covers.
function boundsOf([kind, n]) {
  if (kind === "box") return n;
  if (kind === "circle") return [n[0] - n[2], n[1] - n[2], n[0] + n[2], n[1] + n[2]];
  const [xs, ys] = [0, 1].map((odd) => n.filter((_, i) => i % 2 === odd));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

function sizeOf(entry, picture) {
  const row = entry.a || entry.b;
  if (row.sz) return row.sz;
  if (picture.size) return picture.size;
  const bounds = shapesOf(entry).map(([, shape]) => boundsOf(shape));
  if (!bounds.length) return null;
  return [2, 3].map((i) => Math.ceil(Math.max(1, ...bounds.map((box) => box[i])) * 1.05));
}

const MAKE = {
  box: ([x1, y1, x2, y2]) => ["rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1 }],
  circle: ([cx, cy, r]) => ["circle", { cx, cy, r }],
  polygon: (n) => ["polygon", { points: n.join(" ") }],
  point: ([x, y]) => ["path", { d: `M${x} ${y}h0` }], // a dot: round ends of a line without length
};

function shapeLayer(entry, size) {
  const layer = svg("svg", { class: "boxes", viewBox: `0 0 ${size[0]} ${size[1]}`, "aria-hidden": "true" });
  const draw = (css, [kind, numbers]) => {
    const [name, attributes] = MAKE[kind](numbers);
    return svg(name, { class: kind === "point" ? `${css} point` : css, ...attributes });
  };
  const shapes = shapesOf(entry);
  // All halos lie below all shapes, so that a gold box shows through the gaps of a dashed one.
  layer.append(...shapes.map(([, shape]) => draw("halo", shape)), ...shapes.map(([who, shape]) => draw(`box ${who}`, shape)));
  return layer;
}

function picture(entry, className, onMissing) {
  const where = pictureOf(entry.a || entry.b);
  const size = sizeOf(entry, where);
  const frame = el("div", { class: className });
  if (!size && !where.src) return { frame: null, where, size };
  if (!where.src) frame.classList.add("blank");
  if (size) frame.append(shapeLayer(entry, size));
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

const round = (value) => Math.round(value * 100) / 100;

function shapeText([kind, n, label]) {
  const where = kind === "circle" ? `(${n.slice(0, 2).map(round).join(", ")}) ± ${round(n[2])}`
    : kind === "polygon" ? `polygon of ${n.length / 2} points` : `(${n.map(round).join(", ")})`;
  return label ? `${label} ${where}` : where;
}

const LISTED = 3;
const TAGGED = 24;

function shapesText(shapes, most) {
  const more = shapes.length > most ? `; and ${shapes.length - most} more` : "";
  return shapes.slice(0, most).map(shapeText).join("; ") + more;
}

// The name of a shape on the picture: its label, and whose it is at the first one of each.
function tagNode(who, [kind, numbers, label], name, size) {
  const box = boundsOf([kind, numbers]);
  const end = who === "b" || box[0] > 0.7 * size[0]; // it ends at the shape's right, lest it leave the image
  // Beside a small shape, lest it hides what the shape is about, where there is room.
  const [low, high] = [box[1] / size[1], box[3] / size[1]];
  const out = kind !== "point" && high - low < 0.3 && (who === "gold" ? low > 0.07 : high < 0.93);
  const css = ["tag", who, kind === "point" ? "dot" : "", end ? "end" : "", out ? "out" : ""].filter(Boolean).join(" ");
  const tag = el("span", { class: css, "aria-hidden": "true" }, ...textNodes([name, label].filter(Boolean).join(" ").slice(0, 40)));
  const share = (value, whole) => `${Math.min(100, Math.max(0, (100 * value) / whole))}%`;
  tag.style.left = share(end ? box[2] : box[0], size[0]);
  tag.style.top = share(who === "gold" ? box[1] : box[3], size[1]);
  return tag;
}

const namesOf = ({ a, b }) => ({ gold: "gold", a: a && b ? "A" : "predicted", b: a && b ? "B" : "predicted" });

function nameShapes(frame, entry, size) {
  const shapes = shapesOf(entry);
  const named = new Set();
  for (const [who, shape] of shapes) {
    if (!named.has(who) || (shape[2] && shapes.length <= TAGGED)) frame.append(tagNode(who, shape, named.has(who) ? null : namesOf(entry)[who], size));
    named.add(who);
  }
}

// The images of a row beside the one that its gold lies in.
function otherImages(row) {
  return [...new Set(row.ims || [])].filter((number) => number !== row.im).map((number) => {
    const { name, src } = pictureOf({ im: number });
    return src ? el("img", { class: "other", alt: `Image ${name}`, title: name, src }) : el("span", { class: "muted file" }, ...textNodes(name));
  });
}

function figureNode(entry, printed) {
  const caption = el("figcaption", null);
  const note = el("p", { class: "hint" });
  const { frame, where, size, load } = picture(entry, "picture", () => {
    note.replaceChildren(...textNodes(`The image is not in this page and cannot be loaded from ${where.src}.`));
  });
  if (where.why) note.append(...textNodes(where.why));
  else if (!where.name) note.append(frame ? "The data name no image: the shapes are drawn to scale." : "No image.");
  else if (where.linked) note.append(...textNodes(`Not embedded (size limit); loaded from ${where.src}`));
  const row = entry.a || entry.b;
  if (where.size && row.sz && (where.size[0] !== row.sz[0] || where.size[1] !== row.sz[1])) {
    note.append(` The file is ${where.size.join(" × ")}, the sample says ${row.sz.join(" × ")}: shapes may be off.`);
  }
  if (!frame) return note;
  const shapes = shapesOf(entry);
  const said = [];
  for (const who of ["gold", "a", "b"]) {
    const mine = shapes.filter(([whose]) => whose === who).map(([, shape]) => shape);
    if (!mine.length) continue;
    const short = namesOf(entry)[who];
    caption.append(keyLine(who, `${short.length === 1 ? `predicted by ${short}` : short} ${shapesText(mine, LISTED)}`));
    said.push(`${who === "gold" ? "gold" : "predicted"} ${mine.length === 1 ? mine[0][0] : "shapes"} ${shapesText(mine, LISTED)}`);
  }
  nameShapes(frame, entry, size);
  note.append(...otherImages(row));
  if (where.name) caption.append(el("span", { class: "muted file" }, ...textNodes(`${where.name}${size ? `, ${size.join(" × ")} px` : ""}`)));
  frame.setAttribute("role", "img");
  frame.setAttribute("aria-label", `${where.src ? `Image ${where.name}` : "No image"}${said.map((text) => `, ${text}`).join("")}`);
  if (size) {
    frame.style.aspectRatio = `${size[0]} / ${size[1]}`;
    frame.style.maxWidth = `min(${Math.max(2 * size[0], 240)}px, calc(44vh * ${size[0] / size[1]}))`;
  }
  load();
  if (size && !printed) {
    const larger = el("button", { type: "button", class: "larger", "aria-label": "Zoom", title: "Zoom (z)", "aria-keyshortcuts": "z" }, "⤢");
    larger.addEventListener("click", () => zoomed(entry));
    frame.addEventListener("dblclick", () => zoomed(entry));
    const held = el("div", { class: "held" }, frame, larger);
    held.style.maxWidth = frame.style.maxWidth;
    return el("figure", { class: "shot" }, held, caption, note);
  }
  return el("figure", { class: "shot" }, frame, caption, note);
}

const verdictNode = (row) => el("span", { class: `verdict ${row.ok ? "right" : "wrong"}` }, row.ok ? "✓ right" : "✗ wrong");

function fact(name, value) {
  return el("div", null, el("dt", null, ...textNodes(name)), el("dd", null, ...textNodes(value)));
}

function numbers(caption, values) {
  const entries = Object.entries(values);
  if (!entries.length) return null;
  const shown = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(4));
  return el("table", { class: "numbers" }, el("caption", null, caption), el("tbody", null,
    ...entries.map(([name, value]) => el("tr", null, el("th", { scope: "row" }, ...textNodes(name)), el("td", null, shown(value))))));
}

// The other answers to the same question, and what all of them come to.
function answersNode(row, choose) {
  const all = answersTo(row);
  if (all.length < 2) return null;
  const right = all.filter((one) => one.ok).length;
  const said = Object.entries(row.pk).map(([name, value]) => `${name} ${round(value)}`).join(", ");
  return el("nav", { class: "answers", "aria-label": "Answers to this question" },
    el("span", null, `${right} of ${all.length} answers right`, el("small", null, ` ${said}`)),
    ...all.map((one) => {
      const node = el("button", { type: "button", class: `verdict ${one.ok ? "right" : "wrong"}`, "aria-current": one === row ? "true" : null }, `${one.ok ? "✓" : "✗"} `, ...line(one.a === undefined ? "no answer" : one.a.slice(0, 30)));
      if (choose) node.addEventListener("click", () => choose(one));
      return node;
    }));
}

// Everything that one run says about the sample.
function answerNode(row, label, printed) {
  const facts = [fact("Answer", row.a === undefined ? "none" : row.as ? shapesText(row.as, TAGGED) : row.a)];
  if (row.w !== undefined && row.w !== row.a) facts.push(fact("As written", row.w));
  facts.push(fact("Reward", row.v.toFixed(4)));
  if (row.fr) facts.push(fact("Written in", row.fr + (row.isz ? `, input ${row.isz.join(" × ")}` : "")));
  if (row.tk !== undefined) facts.push(fact("Tokens", row.tk));
  const failure = row.f && el("p", { class: "failure" }, el("code", null, ...textNodes(row.f[0])), " ", ...textNodes(row.f[1]));
  return el("section", { class: "side" },
    el("h4", null, ...(label ? [el("b", { class: `tag-${label.kind}` }, label.kind.toUpperCase()), " ", ...textNodes(label.name), " "] : []), verdictNode(row),
      row.tr ? el("span", { class: "chip plain" }, "stopped at the token limit") : null),
    failure, el("dl", { class: "facts" }, ...facts), completionNode(row, printed),
    el("div", { class: "tables" }, numbers("Metrics", row.m), numbers("Reward terms", row.t)));
}

function detailNodes(entry, runs, { printed = false, choose = null } = {}) {
  const row = entry.a || entry.b;
  const label = (kind) => (runs ? { kind, name: runs[kind] } : null);
  const sides = ["a", "b"].filter((kind) => entry[kind]).map((kind) => answerNode(entry[kind], label(kind), printed));
  if (runs && sides.length === 1) {
    const kind = entry.a ? "b" : "a";
    const absent = el("section", { class: "side" }, el("h4", null, el("b", { class: `tag-${kind}` }, kind.toUpperCase()), " ", ...textNodes(runs[kind])), el("p", { class: "empty" }, "This run does not have the sample."));
    sides.splice(entry.a ? 1 : 0, 0, absent);
  }
  const facts = [];
  if (row.e && !row.q.includes(row.e)) facts.push(fact("Expression", row.e));
  if (!row.gs || row.gs.length > LISTED) facts.push(fact("Gold", row.g));
  for (const [key, value] of Object.entries(row.k || {})) facts.push(fact(key, value));
  return [
    answersNode(row, choose) || "",
    figureNode(entry, printed),
    el("p", { class: "question" }, ...textNodes(row.q || "(no question)")),
    facts.length ? el("dl", { class: "facts" }, ...facts) : "",
    el("div", { class: `sides${sides.length > 1 ? " two" : ""}` }, ...sides),
  ];
}
