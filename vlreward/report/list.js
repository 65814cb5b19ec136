// A listbox that keeps only the rows in sight in the document.

class VirtualList {
  constructor(root, draw, onSelect) {
    this.root = root;
    this.draw = draw;
    this.onSelect = onSelect;
    this.length = 0;
    this.active = -1;
    this.grid = false;
    this.live = new Map();
    this.space = document.createElement("div");
    this.space.className = "space";
    this.space.setAttribute("role", "presentation");
    root.append(this.space);
    root.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.refresh()).observe(root);
    root.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.onSelect(Number(option.dataset.index), true);
    });
  }

  setItems(length, grid) {
    this.length = length;
    this.grid = grid;
    this.clear();
    this.refresh();
  }

  clear() {
    for (const node of this.live.values()) node.remove();
    this.live.clear();
  }

  measure() {
    const width = this.root.clientWidth;
    const columns = this.grid ? Math.max(1, Math.floor(width / 210)) : 1;
    const height = this.grid ? 236 : 92;
    return { width, columns, height, page: this.root.clientHeight };
  }

  place(node, at) {
    const { width, columns, height } = this.measure();
    const tile = width / columns;
    node.style.top = `${Math.floor(at / columns) * height}px`;
    node.style.left = `${(at % columns) * tile}px`;
    node.style.width = `${tile}px`;
    node.style.height = `${height}px`;
  }

  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.render(); });
  }

  refresh() {
    const { columns, height, width } = this.measure();
    const shape = `${columns} ${height} ${width}`;
    if (shape !== this.shape) for (const [at, node] of this.live) this.place(node, at);
    this.shape = shape;
    this.space.style.height = `${Math.ceil(this.length / columns) * height}px`;
    this.render();
  }

  render() {
    const { columns, height, page } = this.measure();
    if (!page) return;
    const top = this.root.scrollTop;
    const first = Math.max(0, Math.floor(top / height) - 2) * columns;
    const last = Math.min(this.length, (Math.ceil((top + page) / height) + 2) * columns);
    for (const [at, node] of this.live) {
      if (at < first || at >= last) {
        node.remove();
        this.live.delete(at);
      }
    }
    for (let at = first; at < last; at++) {
      if (this.live.has(at)) continue;
      const node = this.draw(at);
      node.setAttribute("role", "option");
      node.id = `option-${at}`;
      node.dataset.index = at;
      node.setAttribute("aria-setsize", this.length);
      node.setAttribute("aria-posinset", at + 1);
      node.setAttribute("aria-selected", String(at === this.active));
      this.place(node, at);
      this.space.append(node);
      this.live.set(at, node);
    }
    if (this.live.has(this.active)) this.root.setAttribute("aria-activedescendant", `option-${this.active}`);
    else this.root.removeAttribute("aria-activedescendant");
    clearTimeout(this.idle);
    this.idle = setTimeout(() => this.showImages(), 70);
  }

  // Images are decoded only for rows that stay in sight.
  showImages() {
    for (const node of this.live.values()) {
      if (node.showImage) {
        node.showImage();
        node.showImage = null;
      }
    }
  }

  select(at) {
    const old = this.live.get(this.active);
    if (old) old.setAttribute("aria-selected", "false");
    this.active = at;
    if (at >= 0) {
      const { columns, height, page } = this.measure();
      const top = Math.floor(at / columns) * height;
      if (page && top < this.root.scrollTop) this.root.scrollTop = top;
      if (page && top + height > this.root.scrollTop + page) this.root.scrollTop = top + height - page;
    }
    this.render();
    const node = this.live.get(at);
    if (node) node.setAttribute("aria-selected", "true");
  }

  // Index that a key moves to, or null if the key does not move.
  target(key) {
    const { columns, height, page } = this.measure();
    const screen = Math.max(1, Math.floor(page / height)) * columns;
    const steps = {
      ArrowDown: columns, ArrowUp: -columns, PageDown: screen, PageUp: -screen,
      Home: -this.length, End: this.length,
    };
    if (columns > 1) Object.assign(steps, { ArrowRight: 1, ArrowLeft: -1 });
    if (!(key in steps) || !this.length) return null;
    return Math.min(this.length - 1, Math.max(0, this.active + steps[key]));
  }
}
