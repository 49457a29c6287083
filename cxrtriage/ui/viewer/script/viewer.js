// The viewer: what is shown, with which adjustment, and when Python hears of it.

import { IDENTITY, cutAndTurned } from "./adjust.js";
import { contourPath, drawContour } from "./contour.js";
import { Controls } from "./controls.js";
import { drawCrop, isFull } from "./crop.js";
import { Gestures } from "./gestures.js";
import { Keys } from "./keys.js";
import { Link } from "./link.js";
import { colourBar, mapCanvas } from "./overlay.js";
import { fetched } from "./packs.js";
import { Picture, draftOf } from "./picture.js";
import { View } from "./view.js";

const QUIET_MS = 250; // a change is reported once nothing has changed for so long
const SLOW_PIXELS = 500_000; // films above this are drawn as a draft while a slow step is being dragged
const DIMMED = 0.55;

export class Viewer {
  constructor(root, report) {
    this.root = root;
    this.report = report;
    this.stage = root.querySelector(".stage");
    this.canvas = root.querySelector("canvas.film");
    this.context = this.canvas.getContext("2d");
    this.view = new View();
    this.adjustment = IDENTITY;
    this.tool = matchMedia("(pointer: coarse)").matches ? "pan" : "window"; // a thumb has to scroll the page
    this.opacity = 0.5;
    this.mapHidden = false;
    this.level = null; // of the contour; the user's own once there was a map that has one
    this.onlyCrop = false;
    this.film = null;
    this.hovered = null;
    this.controls = new Controls(root, this);
    this.gestures = new Gestures(this.stage, this);
    this.keys = new Keys(root, this.stage, this, this.gestures);
    this.link = new Link((told) => this.follow(told));
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(this.stage);
    root.readAdjustedPixels = () => this.readAdjustedPixels();
    root.viewerState = () => this.state();
    root.adjust = (change, options) => this.adjust(change, options);
  }

  /** New data from Python: { film, adjustment, map, colours, solid_from, texts, height, group, linked }. */
  async setData(data) {
    this.data = data;
    this.link.join(data.group ?? null, data.linked);
    this.root.classList.toggle("grouped", Boolean(data.group));
    this.controls.setTexts(data.texts);
    this.root.style.setProperty("--film-height", data.height ?? "");
    this.root.querySelector(".bar-colours").style.background = colourBar(data.colours);
    this.root.classList.toggle("has-film", Boolean(data.film));
    await Promise.all([this.openFilm(data), this.openMap(data)]);
    this.redraw();
  }

  async openFilm({ film: name, adjustment }) {
    if (name === this.filmName) return; // the browser's own adjustment is newer than what Python sends back
    this.filmName = name;
    this.film = null;
    this.root.classList.toggle("waiting", Boolean(name));
    clearTimeout(this.reporting);
    const film = name ? await fetched(name) : null;
    if (this.filmName !== name) return; // another one was opened meanwhile
    this.root.classList.remove("waiting");
    this.film = film;
    this.picture = film && new Picture(film);
    this.draft = null;
    this.onlyCrop = false;
    this.adjustment = { ...IDENTITY, ...adjustment, crop: { ...IDENTITY.crop, ...adjustment?.crop } };
    this.reported = JSON.stringify(this.adjustment);
    if (!film) return;
    this.view.film = { columns: film.columns, rows: film.rows };
    this.view.turns = this.adjustment.quarter_turns;
    this.view.within = null;
    this.resize();
    this.view.fit();
    if (this.link.told) this.follow(this.link.told); // the next film is seen as the one before it was
    this.stage.setAttribute("aria-label", `${this.data.texts.film}, ${film.source_columns} × ${film.source_rows}`);
  }

  async openMap({ map, colours, solid_from: solidFrom }) {
    this.root.classList.toggle("has-map", Boolean(map?.name));
    this.root.querySelector(".map-words").textContent = map?.label ?? "";
    const name = map?.name ?? null;
    if (name === this.mapName) return;
    this.mapName = name;
    this.map = null;
    this.mapPicture = null;
    this.contour = null;
    this.level ??= map?.contour ?? null;
    if (!name) return;
    const values = await fetched(name);
    if (this.mapName !== name) return;
    this.mapPicture = mapCanvas(values, colours, solidFrom);
    this.map = map.contour === null || map.contour === undefined ? null : values; // only such a map has a contour
  }

  // --- what the user does -------------------------------------------------------------------------

  adjust(change, { moving = false } = {}) {
    if (!this.film) return;
    this.take(change, moving);
    if (!moving) this.reportSoon();
    this.tell();
  }

  take(change, moving) {
    this.adjustment = { ...this.adjustment, ...change };
    this.moving = moving;
    clearTimeout(this.settling);
    if (moving) this.settling = setTimeout(() => this.redraw((this.moving = false)), 4 * QUIET_MS);
    this.redraw();
  }

  /** The pointer or slider was let go. */
  settle() {
    clearTimeout(this.settling);
    this.moving = false;
    this.redraw();
    this.reportSoon();
    this.tell();
  }

  reportSoon() {
    clearTimeout(this.reporting);
    if (this.data.group) return; // films that are compared are looked at; what is read stays as filed
    this.reporting = setTimeout(() => {
      const words = JSON.stringify(this.adjustment);
      if (!this.film || words === this.reported) return;
      this.reported = words;
      this.report({ film: this.filmName, adjustment: JSON.parse(words) });
    }, QUIET_MS);
  }

  /** Say to the viewers of the same group what is seen here; `follow` is what they do with it. */
  tell() {
    const { crop, quarter_turns: turns, ...tone } = this.adjustment; // these belong to one film
    this.link.tell({ tone, place: this.view.place, moving: this.moving });
  }

  follow({ tone, place, moving }) {
    if (!this.film) return;
    this.view.place = place;
    this.take(tone, moving);
  }

  choose(tool) {
    if (tool === "crop" && this.data.group) return;
    this.tool = tool;
    if (tool === "crop" && this.onlyCrop) this.showOnlyCrop(false);
    this.redraw();
  }

  invert() {
    this.adjust({ invert: !this.adjustment.invert });
  }

  rotate() {
    this.adjust({ quarter_turns: (this.adjustment.quarter_turns + 1) % 4 });
    this.view.turns = this.adjustment.quarter_turns;
    this.fit();
  }

  reset() {
    this.onlyCrop = false;
    this.view.within = null;
    this.view.turns = 0;
    this.adjust(IDENTITY);
    this.fit();
  }

  fit() {
    this.view.fit();
    this.redraw();
    this.tell();
  }

  zoomBy(factor, at = { x: this.view.stage.width / 2, y: this.view.stage.height / 2 }) {
    this.view.zoomAt(factor, at);
    this.redraw();
    this.tell();
  }

  panBy(dx, dy) {
    this.view.panBy(dx, dy);
    this.redraw();
    this.tell();
  }

  showOnlyCrop(wanted = !this.onlyCrop) {
    this.onlyCrop = wanted;
    if (wanted && this.tool === "crop") this.tool = "pan";
    this.view.within = wanted ? this.adjustment.crop : null;
    this.fit();
  }

  uncrop() {
    this.adjust({ crop: IDENTITY.crop });
    if (this.onlyCrop) this.showOnlyCrop(false);
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    this.mapHidden = false;
    this.redraw();
  }

  setLevel(level) {
    this.level = level;
    this.contour = null;
    this.mapHidden = false;
    this.redraw();
  }

  /** Map and contour together; a map that the slider made invisible comes back half covering. */
  toggleMap() {
    const seen = !this.mapHidden && (this.opacity > 0 || Boolean(this.map));
    if (!seen && !this.map && this.opacity === 0) this.opacity = 0.5;
    this.mapHidden = seen;
    this.redraw();
  }

  toggleHelp(wanted = this.root.querySelector(".help").hidden) {
    this.root.querySelector(".help").hidden = !wanted;
    this.controls.button("help").setAttribute("aria-expanded", String(wanted));
  }

  hover(at) {
    const before = this.hovered;
    this.hovered = null;
    if (at && this.film) {
      const { x, y } = this.view.toFilm(at);
      const inside = x >= 0 && y >= 0 && x < this.film.columns && y < this.film.rows;
      if (inside) this.hovered = this.film.levels[this.film.numbers[Math.floor(y) * this.film.columns + Math.floor(x)]];
    }
    if (before !== this.hovered) this.controls.showStatus(this.hovered);
  }

  // --- drawing ------------------------------------------------------------------------------------

  resize() {
    this.density = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.stage;
    this.canvas.width = Math.max(1, Math.round(clientWidth * this.density));
    this.canvas.height = Math.max(1, Math.round(clientHeight * this.density));
    this.view.resize(clientWidth, clientHeight);
    this.draw(); // at once: setting a canvas' size empties it
  }

  redraw() {
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    const { context, view } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.controls.show();
    this.controls.showStatus(this.hovered);
    this.stage.dataset.tool = this.tool;
    this.stage.classList.toggle("scrolls", this.tool === "pan" && view.fits);
    if (!this.film) return;
    const start = performance.now();
    this.drawFilm(this.currentPicture());
    context.setTransform(this.density, 0, 0, this.density, 0, 0);
    const { crop } = this.adjustment;
    const active = this.tool === "crop";
    if (active || !isFull(crop)) drawCrop(context, crop, view, { active, dimmed: this.onlyCrop ? 1 : DIMMED });
    this.placeSide();
    this.drawMs = performance.now() - start;
  }

  /** The film itself, or a draft of it while a slow step is still being dragged. */
  currentPicture() {
    const large = this.film.rows * this.film.columns > SLOW_PIXELS;
    const drafted = this.moving && large && this.picture.isSlow(this.adjustment);
    if (drafted) this.draft ??= draftOf(this.film);
    const picture = drafted ? this.draft : this.picture;
    picture.draw(this.adjustment);
    return picture;
  }

  drawFilm(picture) {
    const { context, view, film } = this;
    view.apply(context, this.density);
    context.imageSmoothingEnabled = view.zoom * this.density < 4; // single pixels are seen as such when that large
    context.imageSmoothingQuality = "high";
    context.drawImage(picture.canvas, 0, 0, film.columns, film.rows);
    if (!this.mapPicture || this.mapHidden) return;
    context.imageSmoothingEnabled = true;
    context.globalAlpha = this.opacity;
    context.drawImage(this.mapPicture, 0, 0, film.columns, film.rows);
    context.globalAlpha = 1;
    if (!this.map) return;
    this.contour ??= contourPath(this.map, this.level, film);
    drawContour(context, this.contour, view.zoom);
  }

  /** The R beside the edge on which the patient's right lies. */
  placeSide() {
    const mark = this.root.querySelector(".side");
    const at = this.view.toStage(0, this.film.rows * 0.06);
    const [dx, dy] = [[-22, 0], [0, -18], [22, 0], [0, 18]][this.view.turns];
    const x = Math.min(this.view.stage.width - 16, Math.max(16, at.x + dx));
    const y = Math.min(this.view.stage.height - 16, Math.max(16, at.y + dy));
    mark.style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
  }

  // --- for tests and for the page ----------------------------------------------------------------

  /** What Adjustment.apply gives, read back from the canvas that is drawn: { rows, columns, pixels }. */
  readAdjustedPixels() {
    this.moving = false;
    this.picture.draw(this.adjustment);
    const { rows, columns } = this.film;
    const { crop, quarter_turns: turns } = this.adjustment;
    return cutAndTurned(this.picture.greys(), rows, columns, crop, turns);
  }

  state() {
    const { tool, opacity, mapHidden, level, adjustment, onlyCrop, drawMs, filmName } = this;
    const { zoom, centre, fits, place } = this.view;
    const [hasMap, hasContour] = [Boolean(this.mapPicture), Boolean(this.map) && !mapHidden];
    const own = { tool, opacity, mapHidden, level, adjustment, onlyCrop, drawMs, filmName };
    return { ...own, zoom, centre, fits, place, hasMap, hasContour, linked: this.link.linked };
  }

  close() {
    this.link.leave();
    this.resizing.disconnect();
    clearTimeout(this.reporting);
    clearTimeout(this.settling);
    cancelAnimationFrame(this.frame);
  }
}
