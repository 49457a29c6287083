// The crop box: which part of it a pointer holds, how it changes, how it is drawn.

import { SMALLEST_CROP, clamp } from "./adjust.js";

const REACH = { mouse: 12, touch: 26 }; // stage pixels around a handle that still take hold of it
const HANDLE = 9;

export function isFull(crop) {
  return crop.left === 0 && crop.top === 0 && crop.right === 1 && crop.bottom === 1;
}

/** The film's sides that a stage point holds: { x: "left" | "right" | null, y: "top" | "bottom" | null }, */
/** { whole: true } inside a box, or null where a new box begins. */
export function grip(crop, view, at, touch) {
  const reach = touch ? REACH.touch : REACH.mouse;
  const { columns, rows } = view.film;
  const point = view.toFilm(at);
  const near = (value, edge, count) => Math.abs(value - edge * count) * view.zoom <= reach;
  const x = near(point.x, crop.left, columns) ? "left" : near(point.x, crop.right, columns) ? "right" : null;
  const y = near(point.y, crop.top, rows) ? "top" : near(point.y, crop.bottom, rows) ? "bottom" : null;
  const alongX = point.x > crop.left * columns - reach && point.x < crop.right * columns + reach;
  const alongY = point.y > crop.top * rows - reach && point.y < crop.bottom * rows + reach;
  if ((x && alongY) || (y && alongX)) return { x: alongY ? x : null, y: alongX ? y : null };
  const inside = point.x > crop.left * columns && point.x < crop.right * columns
    && point.y > crop.top * rows && point.y < crop.bottom * rows;
  return inside && !isFull(crop) ? { whole: true } : null;
}

/** The box after its gripped sides went to `to` (film fractions), or the whole box moved by to - from. */
export function gripped(crop, hold, from, to) {
  if (hold.whole) {
    const dx = clamp(to.x - from.x, -crop.left, 1 - crop.right);
    const dy = clamp(to.y - from.y, -crop.top, 1 - crop.bottom);
    return { left: crop.left + dx, top: crop.top + dy, right: crop.right + dx, bottom: crop.bottom + dy };
  }
  const box = { ...crop };
  if (hold.x === "left") box.left = clamp(to.x, 0, box.right - SMALLEST_CROP);
  if (hold.x === "right") box.right = clamp(to.x, box.left + SMALLEST_CROP, 1);
  if (hold.y === "top") box.top = clamp(to.y, 0, box.bottom - SMALLEST_CROP);
  if (hold.y === "bottom") box.bottom = clamp(to.y, box.top + SMALLEST_CROP, 1);
  return box;
}

/** A new box between two corners (film fractions), or null while it is too small to be one. */
export function between(from, to) {
  const [left, right] = [from.x, to.x].map((x) => clamp(x, 0, 1)).sort((a, b) => a - b);
  const [top, bottom] = [from.y, to.y].map((y) => clamp(y, 0, 1)).sort((a, b) => a - b);
  const tooSmall = right - left < SMALLEST_CROP || bottom - top < SMALLEST_CROP;
  return tooSmall ? null : { left, top, right, bottom };
}

/** Fractions to four places, so that what is reported reads well; still a valid box. */
export function rounded(crop) {
  return Object.fromEntries(Object.entries(crop).map(([side, value]) => [side, Math.round(value * 1e4) / 1e4]));
}

export function drawCrop(context, crop, view, { active, dimmed }) {
  const { columns, rows } = view.film;
  const corners = [view.toStage(crop.left * columns, crop.top * rows), view.toStage(crop.right * columns, crop.bottom * rows)];
  const left = Math.min(corners[0].x, corners[1].x);
  const top = Math.min(corners[0].y, corners[1].y);
  const width = Math.abs(corners[0].x - corners[1].x);
  const height = Math.abs(corners[0].y - corners[1].y);
  context.beginPath();
  context.rect(0, 0, view.stage.width, view.stage.height);
  context.rect(left, top, width, height);
  context.fillStyle = `rgb(0 0 0 / ${dimmed})`;
  context.fill("evenodd");
  context.lineWidth = 1;
  context.setLineDash([]);
  context.strokeStyle = "rgb(0 0 0 / 0.6)";
  context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
  context.setLineDash(active ? [] : [5, 4]);
  context.strokeStyle = "rgb(255 255 255 / 0.85)";
  context.strokeRect(left + 0.5, top + 0.5, width - 1, height - 1);
  context.setLineDash([]);
  if (!active) return;
  context.fillStyle = "#fff";
  context.strokeStyle = "rgb(0 0 0 / 0.7)";
  for (const x of [left, left + width / 2, left + width]) {
    for (const y of [top, top + height / 2, top + height]) {
      if (x === left + width / 2 && y === top + height / 2) continue;
      const handleX = clamp(x - HANDLE / 2, 1, view.stage.width - HANDLE - 1); // in reach at the stage's rim too
      const handleY = clamp(y - HANDLE / 2, 1, view.stage.height - HANDLE - 1);
      context.fillRect(handleX, handleY, HANDLE, HANDLE);
      context.strokeRect(handleX + 0.5, handleY + 0.5, HANDLE - 1, HANDLE - 1);
    }
  }
}
