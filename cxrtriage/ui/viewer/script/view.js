// Where the film lies on the stage: zoom, centre and quarter turns. Film pixels <-> stage pixels (CSS).

import { clamp } from "./adjust.js";

export const LARGEST_ZOOM = 32;

export class View {
  constructor() {
    this.stage = { width: 1, height: 1 };
    this.film = { columns: 1, rows: 1 };
    this.turns = 0;
    this.fits = true;
    this.zoom = 1;
    this.centre = { x: 0.5, y: 0.5 }; // on the turned film, in film pixels
    this.within = null; // the crop, where only the crop is shown
  }

  get turned() {
    const { columns, rows } = this.film;
    return this.turns % 2 ? { width: rows, height: columns } : { width: columns, height: rows };
  }

  /** The part of the turned film to be fitted: all of it, or the crop. */
  get target() {
    const { width, height } = this.turned;
    if (!this.within) return { x: 0, y: 0, width, height };
    const corners = [[this.within.left, this.within.top], [this.within.right, this.within.bottom]]
      .map(([x, y]) => this.turn(x * this.film.columns, y * this.film.rows));
    const x = Math.min(corners[0].x, corners[1].x);
    const y = Math.min(corners[0].y, corners[1].y);
    return { x, y, width: Math.abs(corners[0].x - corners[1].x), height: Math.abs(corners[0].y - corners[1].y) };
  }

  get fitZoom() {
    const { width, height } = this.target;
    return Math.min(this.stage.width / width, this.stage.height / height);
  }

  fit() {
    const { x, y, width, height } = this.target;
    this.fits = true;
    this.zoom = this.fitZoom;
    this.centre = { x: x + width / 2, y: y + height / 2 };
  }

  /** How the film lies, whatever its size and the stage's: zoom against the fitted one, centre in 0..1. */
  get place() {
    const { width, height } = this.turned;
    const centre = { x: this.centre.x / width, y: this.centre.y / height };
    return { fits: this.fits, zoom: this.zoom / this.fitZoom, centre };
  }

  set place({ fits, zoom, centre }) {
    this.fit();
    if (fits) return;
    const { width, height } = this.turned;
    this.fits = false;
    this.zoom = zoom * this.fitZoom;
    this.centre = { x: centre.x * width, y: centre.y * height };
  }

  resize(width, height) {
    this.stage = { width: Math.max(1, width), height: Math.max(1, height) };
    if (this.fits) this.fit();
  }

  zoomAt(factor, at) {
    const before = this.toTurned(at);
    const smallest = Math.min(this.fitZoom, 1) / 2;
    this.zoom = clamp(this.zoom * factor, smallest, LARGEST_ZOOM);
    const after = this.toTurned(at);
    this.fits = false;
    this.moveCentre(before.x - after.x, before.y - after.y);
  }

  panBy(dx, dy) {
    this.fits = false;
    this.moveCentre(-dx / this.zoom, -dy / this.zoom);
  }

  moveCentre(dx, dy) {
    const { width, height } = this.turned; // the film's centre never leaves the stage
    this.centre = { x: clamp(this.centre.x + dx, 0, width), y: clamp(this.centre.y + dy, 0, height) };
  }

  turn(x, y) {
    const { columns, rows } = this.film;
    return [{ x, y }, { x: rows - y, y: x }, { x: columns - x, y: rows - y }, { x: y, y: columns - x }][this.turns];
  }

  unturn(x, y) {
    const { columns, rows } = this.film;
    return [{ x, y }, { x: y, y: rows - x }, { x: columns - x, y: rows - y }, { x: columns - y, y: x }][this.turns];
  }

  toTurned({ x, y }) {
    return {
      x: (x - this.stage.width / 2) / this.zoom + this.centre.x,
      y: (y - this.stage.height / 2) / this.zoom + this.centre.y,
    };
  }

  /** Stage point -> film point, in film pixels of the unturned film. */
  toFilm(point) {
    const { x, y } = this.toTurned(point);
    return this.unturn(x, y);
  }

  /** Film point -> stage point. */
  toStage(x, y) {
    const turned = this.turn(x, y);
    return {
      x: (turned.x - this.centre.x) * this.zoom + this.stage.width / 2,
      y: (turned.y - this.centre.y) * this.zoom + this.stage.height / 2,
    };
  }

  /** Give a canvas context film pixels as its unit, at `density` device pixels a CSS pixel. */
  apply(context, density) {
    const origin = this.toStage(0, 0);
    const [cos, sin] = [[1, 0], [0, 1], [-1, 0], [0, -1]][this.turns];
    const scale = this.zoom * density;
    context.setTransform(cos * scale, sin * scale, -sin * scale, cos * scale, origin.x * density, origin.y * density);
  }
}
