// One picture as large as the window, and larger.

const MOST_ZOOM = 16;

function zoomed(entry) {
  const { frame, size, load } = picture(entry, "picture");
  if (!frame || !size) return;
  nameShapes(frame, entry, size);
  load();
  const pane = el("div", { class: "pane", tabindex: "0", role: "region", "aria-label": "Picture" }, frame);
  const level = el("span", { role: "status" });
  const dialog = el("dialog", { class: "zoom", "aria-label": "Zoom" });
  let [fit, scale] = [1, 1];
  const apply = (to, x = pane.clientWidth / 2, y = pane.clientHeight / 2) => {
    const before = frame.getBoundingClientRect();
    const at = pane.getBoundingClientRect();
    const share = [(at.left + x - before.left) / before.width, (at.top + y - before.top) / before.height];
    scale = Math.min(MOST_ZOOM, Math.max(1, to));
    frame.style.width = `${fit * scale * size[0]}px`;
    frame.style.height = `${fit * scale * size[1]}px`;
    level.textContent = `${Math.round(100 * fit * scale)} %`;
    const after = frame.getBoundingClientRect();
    pane.scrollLeft += after.left + share[0] * after.width - (at.left + x);
    pane.scrollTop += after.top + share[1] * after.height - (at.top + y);
  };
  const button = (text, label, act) => {
    const node = el("button", { type: "button", "aria-label": label }, text);
    node.addEventListener("click", act);
    return node;
  };
  dialog.append(el("div", { class: "bar" }, el("span", { class: "muted" }, ...textNodes((entry.a || entry.b).id)), level,
    button("−", "Smaller", () => apply(scale / 1.5)), button("+", "Larger", () => apply(scale * 1.5)), button("Fit", "Fit to the window", () => apply(1)), button("Close", "Close", () => dialog.close())), pane);
  pane.addEventListener("wheel", (event) => {
    event.preventDefault();
    const at = pane.getBoundingClientRect();
    apply(scale * Math.exp(-event.deltaY / 400), event.clientX - at.left, event.clientY - at.top);
  }, { passive: false });
  let drag = null;
  pane.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") return; // fingers scroll by themselves
    drag = [event.clientX + pane.scrollLeft, event.clientY + pane.scrollTop];
    pane.setPointerCapture(event.pointerId);
  });
  pane.addEventListener("pointermove", (event) => { if (drag) pane.scrollTo(drag[0] - event.clientX, drag[1] - event.clientY); });
  pane.addEventListener("pointerup", () => { drag = null; });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "+" || event.key === "=") apply(scale * 1.5);
    else if (event.key === "-") apply(scale / 1.5);
    else if (event.key === "0") apply(1);
    event.stopPropagation();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  fit = Math.min((pane.clientWidth - 2) / size[0], (pane.clientHeight - 2) / size[1]);
  apply(1);
  pane.focus();
}
