// The CT viewer: one slice at a time, its window by a table of 256 greys, and the strip of quadrants below it.

const stacks = new Map(); // slices by the stack's name: JPEG bytes, decoded when they are looked at
const viewers = new WeakMap();
const KEPT = 60; // decoded slices kept; a 512 x 512 slice takes a megabyte as it is drawn
const BOX = "#ff463c", OUTLINE = "#ffd24a", HIT = "#ff463c", HIT_RUN = "#ffb454", READ = "#2a3a4a", UNREAD = "#14181d";

function keep(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const slices = stacks.get(header.stack) ?? new Map();
  let at = 4 + length;
  header.lengths.forEach((size, n) => {
    if (!slices.has(header.first + n)) slices.set(header.first + n, bytes.slice(at, at + size));
    at += size;
  });
  stacks.set(header.stack, slices);
  while (stacks.size > 3) stacks.delete(stacks.keys().next().value);
  document.dispatchEvent(new CustomEvent("cxrtriage-ct-slices"));
}

class CtViewer {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.stage = this.find(".stage");
    this.canvas = this.find("canvas.slice");
    this.strip = this.find("canvas.strip");
    this.slider = this.find(".slider");
    this.shown = { boxes: true, outlines: true };
    this.preset = "lung";
    this.number = 0;
    this.decoded = new Map();
    this.closing = new AbortController();
    const on = (target, kind, act, options = {}) => target.addEventListener(kind, act, { ...options, signal: this.closing.signal });
    on(this.slider, "input", () => this.go(Number(this.slider.value), true));
    on(this.stage, "wheel", (event) => { event.preventDefault(); this.turn(event); }, { passive: false });
    on(this.stage, "keydown", (event) => this.press(event));
    on(this.strip, "pointerdown", (event) => { this.strip.setPointerCapture(event.pointerId); this.jump(event); });
    on(this.strip, "pointermove", (event) => event.buttons && this.jump(event));
    on(this.stage, "pointerdown", (event) => { this.dragged = { x: event.clientX, number: this.number }; this.stage.setPointerCapture(event.pointerId); });
    on(this.stage, "pointermove", (event) => this.drag(event));
    on(this.stage, "pointerup", () => { this.dragged = null; });
    on(this.stage, "pointercancel", () => { this.dragged = null; });
    on(document, "cxrtriage-ct-slices", () => this.draw());
    for (const box of root.querySelectorAll("[data-show]")) on(box, "change", () => { this.shown[box.dataset.show] = box.checked; this.draw(); });
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.stage);
    this.sizes.observe(this.strip);
    root.ctState = () => ({ number: this.number, drawn: this.drawn, preset: this.preset, known: stacks.get(this.data?.stack?.name)?.size ?? 0, found: this.data?.found.length ?? 0 });
  }

  close() {
    this.closing.abort();
    this.sizes.disconnect();
    this.drop();
  }

  drop() {
    for (const picture of this.decoded.values()) picture.close?.();
    this.decoded.clear();
  }

  setData(data) {
    const before = this.data?.stack?.name;
    this.data = data;
    const stack = data.stack;
    this.count = stack?.sizes.length ?? 0;
    this.root.classList.toggle("without", !stack);
    this.root.classList.toggle("pictures", !!stack && !stack.windows);
    const words = data.texts;
    this.find(".empty strong").textContent = words.empty_title;
    this.find(".empty span").textContent = words.empty_words;
    this.find(".empty").hidden = !!stack;
    this.find(".side").hidden = !stack;
    this.find(".side").textContent = words.right_side;
    this.find(".side").title = words.right_side_hint;
    this.find(".legend").textContent = words.legend;
    this.find(".bar").setAttribute("aria-label", words.tools);
    this.slider.setAttribute("aria-label", words.slice);
    this.stage.setAttribute("aria-label", words.stage);
    for (const box of this.root.querySelectorAll("[data-show]")) box.nextElementSibling.textContent = words[box.dataset.show];
    this.presets();
    this.slider.max = Math.max(this.count - 1, 0);
    if (stack?.name !== before) {
      this.drop();
      this.moved = false;
      this.go(Math.floor(this.count / 2));
    }
    // Until the user moves, the slice shown is the middle of what speaks for the decision.
    if (data.evidence && !this.moved) this.go(Math.floor((data.evidence.first + data.evidence.last) / 2));
    this.draw();
  }

  presets() {
    const place = this.find(".presets");
    if (place.children.length) return this.press_preset();
    place.setAttribute("aria-label", this.data.texts.window);
    for (const name of Object.keys(this.data.window_values)) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.preset = name;
      const [centre, width] = this.data.window_values[name];
      button.textContent = this.data.texts[name];
      button.title = `${centre} / ${width} HU`;
      button.addEventListener("click", () => { this.preset = name; this.press_preset(); this.draw(); }, { signal: this.closing.signal });
      place.append(button);
    }
    this.press_preset();
  }

  press_preset() {
    for (const button of this.find(".presets").children) button.setAttribute("aria-pressed", String(button.dataset.preset === this.preset));
  }

  go(number, byUser = false) {
    this.number = Math.min(Math.max(number, 0), Math.max(this.count - 1, 0));
    if (byUser) this.moved = true;
    this.slider.value = this.number;
    this.draw();
  }

  turn(event) {
    this.rolled = (this.rolled ?? 0) + (event.deltaMode ? event.deltaY * 40 : event.deltaY);
    const steps = Math.trunc(this.rolled / 40);
    if (steps) { this.rolled -= steps * 40; this.go(this.number + steps, true); }
  }

  press(event) {
    const page = Math.max(Math.round(this.count / 10), 1);
    const steps = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -page, PageDown: page, Home: -this.count, End: this.count };
    if (event.key in steps) { event.preventDefault(); this.go(this.number + steps[event.key], true); return; }
    const next = { n: 1, p: -1 }[event.key.toLowerCase()];
    if (next) {
      for (let at = this.number + next; at >= 0 && at < this.count; at += next) if (this.data.found[at]?.boxes.length) { this.go(at, true); break; }
    }
  }

  drag(event) {
    if (!this.dragged || !event.buttons || !this.count) return;
    const share = (event.clientX - this.dragged.x) / Math.max(this.stage.clientWidth, 1);
    this.go(this.dragged.number + Math.round(share * Math.max(this.count, 20)), true);
  }

  jump(event) {
    const box = this.strip.getBoundingClientRect();
    const gutter = this.gutter ?? 0;
    if (this.count) this.go(Math.floor(((event.clientX - box.left - gutter) / (box.width - gutter)) * this.count), true);
  }

  // Greys 0..255 as they are shown: straight for pictures, through Hounsfield units and the window for CT.
  table() {
    const table = new Uint8ClampedArray(256);
    const { greys, units } = this.data.levels;
    const [centre, width] = this.data.window_values[this.preset];
    for (let grey = 0; grey < 256; grey++) {
      if (!this.data.stack.windows) { table[grey] = grey; continue; }
      let part = 0;
      while (part < greys.length - 2 && grey > greys[part + 1]) part++;
      const unit = units[part] + ((grey - greys[part]) / (greys[part + 1] - greys[part])) * (units[part + 1] - units[part]);
      table[grey] = ((unit - (centre - width / 2)) / width) * 255;
    }
    return table;
  }

  async picture(number) {
    const name = this.data.stack.name;
    if (this.decoded.has(number)) return this.decoded.get(number);
    const bytes = stacks.get(name)?.get(number);
    if (!bytes) return null;
    const picture = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    if (this.data?.stack?.name !== name) { picture.close(); return null; }
    this.decoded.set(number, picture);
    while (this.decoded.size > KEPT) { const oldest = this.decoded.keys().next().value; this.decoded.get(oldest).close(); this.decoded.delete(oldest); }
    return picture;
  }

  draw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(async () => {
      this.asked = null;
      if (!this.data) return;
      this.drawStrip();
      this.say();
      await this.drawSlice();
    });
  }

  fit(canvas) {
    const scale = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    return { pen, width, height, scale };
  }

  async drawSlice() {
    const stack = this.data.stack, number = this.number;
    const picture = stack && this.count ? await this.picture(number) : null;
    if (number !== this.number) return; // another slice was asked for meanwhile, and draws itself
    const { pen, width, height, scale } = this.fit(this.canvas);
    if (!picture || !width || !height) return;
    const toned = this.toned(picture);
    const zoom = Math.min(width / picture.width, height / picture.height);
    const left = (width - picture.width * zoom) / 2, top = (height - picture.height * zoom) / 2;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(toned, left, top, picture.width * zoom, picture.height * zoom);
    const found = this.data.found[number];
    if (found) {
      pen.setTransform(zoom, 0, 0, zoom, left, top);
      pen.lineWidth = (1.4 * scale) / zoom;
      if (this.shown.outlines) {
        pen.strokeStyle = OUTLINE;
        for (const line of found.outlines) {
          pen.beginPath();
          for (let n = 0; n < line.length; n += 2) pen.lineTo(line[n] + 0.5, line[n + 1] + 0.5);
          pen.closePath();
          pen.stroke();
        }
      }
      if (this.shown.boxes) {
        pen.strokeStyle = BOX;
        for (const [x, y, w, h] of found.boxes) pen.strokeRect(x - 1, y - 1, w + 2, h + 2);
      }
      pen.setTransform(1, 0, 0, 1, 0, 0);
    }
    this.drawn = number;
    for (const near of [number + 1, number - 1, number + 2]) if (near >= 0 && near < this.count) this.picture(near);
  }

  toned(picture) {
    this.paper ??= new OffscreenCanvas(1, 1);
    this.paper.width = picture.width;
    this.paper.height = picture.height;
    const pen = this.paper.getContext("2d", { willReadFrequently: true });
    pen.drawImage(picture, 0, 0);
    if (!this.data.stack.windows) return this.paper;
    const pixels = pen.getImageData(0, 0, picture.width, picture.height);
    const table = this.table(), shades = pixels.data;
    for (let n = 0; n < shades.length; n += 4) shades[n] = shades[n + 1] = shades[n + 2] = table[shades[n]];
    pen.putImageData(pixels, 0, 0);
    return this.paper;
  }

  drawStrip() {
    const { pen, width, height, scale } = this.fit(this.strip);
    if (!this.count) return;
    const names = this.data.texts.quadrants.split("|");
    pen.font = `${11 * scale}px system-ui, sans-serif`;
    pen.textBaseline = "middle";
    const left = Math.max(...names.map((name) => pen.measureText(name).width)) + 8 * scale;
    this.gutter = left / scale;
    const cell = (width - left) / this.count, row = height / 4, run = this.data.evidence;
    names.forEach((name, quadrant) => {
      pen.fillStyle = "#aeb9c5";
      pen.fillText(name, 0, quadrant * row + row / 2);
      for (let number = 0; number < this.count; number++) {
        const found = this.data.found[number];
        const inRun = run && run.quadrant === quadrant && number >= run.first && number <= run.last;
        pen.fillStyle = !found ? UNREAD : found.quadrants[quadrant] ? (inRun ? HIT_RUN : HIT) : READ;
        pen.fillRect(left + number * cell, quadrant * row, Math.max(cell - (cell > 4 * scale ? scale : 0), 1), row - scale);
      }
    });
    pen.strokeStyle = "#fff";
    pen.lineWidth = 2 * scale;
    pen.strokeRect(left + this.number * cell, scale, Math.max(cell - scale, 2 * scale), height - 2 * scale);
  }

  say() {
    const found = this.data.found[this.number], words = this.data.texts;
    const lines = this.count ? [`${this.number + 1} / ${this.count}`] : [];
    if (this.count && !found) lines.push(words.unread);
    if (found?.boxes.length) lines.push(words.lesions.replace("{count}", found.boxes.length));
    if (found?.position !== null && found?.position !== undefined) lines.push(`${found.position} mm`);
    this.find(".place").textContent = lines.join("\n");
    this.slider.setAttribute("aria-valuetext", lines.join(", "));
  }
}

export default function mount({ parentElement, data }) {
  if (data instanceof Uint8Array) { keep(data); return undefined; }
  const root = parentElement.querySelector(".ct");
  let viewer = viewers.get(root);
  if (!viewer) { viewer = new CtViewer(root); viewers.set(root, viewer); }
  viewer.setData(data);
  return () => { viewers.delete(root); viewer.close(); };
}
