// The keyboard. Letters work anywhere in the viewer; arrows belong to the film while it has the focus.

import { RANGES, SMALLEST_CROP, clamp } from "./adjust.js";
import { isFull } from "./crop.js";

const LETTERS = {
  w: (viewer) => viewer.choose("window"),
  c: (viewer) => viewer.choose("crop"),
  p: (viewer) => viewer.choose("pan"),
  i: (viewer) => viewer.invert(),
  r: (viewer) => viewer.rotate(),
  o: (viewer) => viewer.showOnlyCrop(),
  m: (viewer) => viewer.toggleMap(),
  0: (viewer) => viewer.fit(),
  "+": (viewer) => viewer.zoomBy(1.25),
  "=": (viewer) => viewer.zoomBy(1.25),
  "-": (viewer) => viewer.zoomBy(0.8),
  Delete: (viewer) => viewer.reset(),
  Backspace: (viewer) => viewer.reset(),
  "?": (viewer) => viewer.toggleHelp(),
};

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const PAN_STEP = 40; // stage pixels
const FRACTION_STEP = 0.01; // of the film or of the full window

export class Keys {
  constructor(root, stage, viewer, gestures) {
    this.viewer = viewer;
    root.addEventListener("keydown", (event) => {
      event.stopPropagation(); // Streamlit has shortcuts of its own on the same letters
      if (event.key === "Escape") return viewer.toggleHelp(false);
      if (event.ctrlKey || event.metaKey || event.altKey || !viewer.film) return;
      if (event.key === " " && event.target === stage) {
        gestures.space = true;
        event.preventDefault();
      } else if (ARROWS[event.key] && event.target === stage) {
        this.arrow(ARROWS[event.key], event.shiftKey);
        event.preventDefault();
      } else {
        const act = LETTERS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
        if (act) {
          act(viewer);
          event.preventDefault();
        }
      }
    });
    root.addEventListener("keyup", (event) => {
      event.stopPropagation();
      if (event.key === " ") gestures.space = false;
    });
    stage.addEventListener("blur", () => { gestures.space = false; });
  }

  arrow([x, y], shift) {
    const { viewer } = this;
    const { adjustment } = viewer;
    if (viewer.tool === "pan") return viewer.panBy(-x * PAN_STEP, -y * PAN_STEP);
    if (viewer.tool === "window") {
      return viewer.adjust({
        window_width: clamp(adjustment.window_width + x * FRACTION_STEP, ...RANGES.window_width),
        window_center: clamp(adjustment.window_center + y * FRACTION_STEP, ...RANGES.window_center),
      });
    }
    viewer.adjust({ crop: shift || isFull(adjustment.crop) ? resized(adjustment.crop, x, y) : moved(adjustment.crop, x, y) });
  }
}

function moved(crop, x, y) {
  const dx = clamp(x * FRACTION_STEP, -crop.left, 1 - crop.right);
  const dy = clamp(y * FRACTION_STEP, -crop.top, 1 - crop.bottom);
  return { left: crop.left + dx, top: crop.top + dy, right: crop.right + dx, bottom: crop.bottom + dy };
}

/** Right and down let the box grow, left and up let it shrink, about its middle. */
function resized(crop, x, y) {
  const grown = (low, high, by) => {
    const wanted = clamp(high - low + 2 * by * FRACTION_STEP, SMALLEST_CROP, 1);
    const start = clamp((low + high - wanted) / 2, 0, 1 - wanted);
    return [start, Math.min(1, start + wanted)];
  };
  const [left, right] = grown(crop.left, crop.right, x);
  const [top, bottom] = grown(crop.top, crop.bottom, y);
  return { left, top, right, bottom };
}
