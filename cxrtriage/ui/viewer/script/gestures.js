// Mouse, pen and touch on the stage. One pointer does what the tool says; two always zoom and pan.

import { RANGES, clamp } from "./adjust.js";
import { between, grip, gripped, rounded } from "./crop.js";

const WHEEL_STEP = 0.0016; // e-folds of zoom for one unit of wheel travel

/** The window after dragging by (dx, dy) stage pixels: right is wider, up is brighter. */
export function draggedWindow(start, dx, dy, stage) {
  const width = clamp(start.window_width * Math.exp((2 * dx) / stage.width), ...RANGES.window_width);
  const travel = (dy / stage.height) * Math.max(start.window_width, 0.1);
  const center = clamp(start.window_center + travel, ...RANGES.window_center);
  return { window_width: Math.round(width * 1e5) / 1e5, window_center: Math.round(center * 1e5) / 1e5 };
}

export class Gestures {
  constructor(stage, viewer) {
    this.stage = stage;
    this.viewer = viewer;
    this.pointers = new Map();
    this.drag = null;
    this.space = false;
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, (event) => this.up(event));
    stage.addEventListener("pointerleave", () => viewer.hover(null));
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("dblclick", () => viewer.fit());
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  at(event) {
    const box = this.stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  fraction(at) {
    const { view } = this.viewer;
    const point = view.toFilm(at);
    return { x: point.x / view.film.columns, y: point.y / view.film.rows };
  }

  down(event) {
    if (!this.viewer.film) return;
    this.stage.focus({ preventScroll: true });
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.at(event));
    if (this.pointers.size === 2) {
      if (this.drag) this.finish();
      this.drag = { kind: "pinch", ...this.pinch() };
    } else if (this.pointers.size === 1 && event.button !== 2) {
      this.drag = this.begin(this.at(event), event);
    }
  }

  /** What a single pointer starts, by tool. */
  begin(at, event) {
    const { viewer } = this;
    const panning = event.button === 1 || this.space || viewer.tool === "pan";
    if (event.button === 1) event.preventDefault();
    if (panning) return { kind: "pan", last: at };
    if (viewer.tool === "window") return { kind: "window", from: at, start: viewer.adjustment };
    const hold = grip(viewer.adjustment.crop, viewer.view, at, event.pointerType === "touch");
    return { kind: "crop", hold, from: this.fraction(at), start: viewer.adjustment.crop };
  }

  move(event) {
    const at = this.at(event);
    this.viewer.hover(at, event.pointerType);
    if (!this.pointers.has(event.pointerId)) return;
    this.pointers.set(event.pointerId, at);
    const { drag, viewer } = this;
    if (!drag) return;
    if (drag.kind === "pinch") return this.movePinch();
    if (drag.kind === "pan") {
      viewer.panBy(at.x - drag.last.x, at.y - drag.last.y);
      drag.last = at;
    } else if (drag.kind === "window") {
      const { view } = viewer;
      viewer.adjust(draggedWindow(drag.start, at.x - drag.from.x, at.y - drag.from.y, view.stage), { moving: true });
    } else {
      const to = this.fraction(at);
      const crop = drag.hold ? gripped(drag.start, drag.hold, drag.from, to) : between(drag.from, to);
      if (crop) viewer.adjust({ crop: rounded(crop) }, { moving: true });
    }
  }

  pinch() {
    const [a, b] = [...this.pointers.values()];
    return { middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }, distance: Math.hypot(a.x - b.x, a.y - b.y) || 1 };
  }

  movePinch() {
    if (this.pointers.size < 2) return;
    const { middle, distance } = this.pinch();
    this.viewer.panBy(middle.x - this.drag.middle.x, middle.y - this.drag.middle.y);
    this.viewer.zoomBy(distance / this.drag.distance, middle);
    Object.assign(this.drag, { middle, distance });
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId) || !this.drag) return;
    if (this.drag.kind === "pinch" && this.pointers.size === 1) {
      this.drag = { kind: "pan", last: [...this.pointers.values()][0] }; // the finger that stayed
    } else if (this.pointers.size === 0) {
      this.finish();
    }
  }

  finish() {
    const { kind } = this.drag;
    this.drag = null;
    if (kind === "window" || kind === "crop") this.viewer.settle();
  }

  wheel(event) {
    if (!this.viewer.film) return;
    event.preventDefault();
    const travel = clamp(event.deltaY * (event.deltaMode === 1 ? 30 : 1), -240, 240);
    this.viewer.zoomBy(Math.exp(-travel * WHEEL_STEP), this.at(event));
  }
}
