// Toolbar, sliders, status line and help around the stage: they show the viewer's state and change it.

import { IDENTITY } from "./adjust.js";

// What a slider's position means. Contrast is a factor, so it runs by powers, with 1 in the middle.
const SLIDERS = {
  brightness: { toValue: (at) => at / 100, toPosition: (value) => value * 100, shown: signed },
  contrast: {
    toValue: (at) => round(at < 0 ? 10 ** (at / 100) : 4 ** (at / 100), 2),
    toPosition: (value) => 100 * (value < 1 ? Math.log10(value) : Math.log(value) / Math.log(4)),
    shown: (value) => `× ${value.toFixed(2)}`,
  },
  sharpness: { toValue: (at) => at / 10, toPosition: (value) => value * 10, shown: (value) => value.toFixed(1) },
  clahe: {
    toValue: (at) => (at < 1 ? 0 : at), toPosition: (value) => (value === 0 ? 0.5 : value),
    shown: (value, texts) => (value === 0 ? texts.off : value.toFixed(1)),
  },
};

function signed(value) {
  return value === 0 ? "0" : `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`;
}

function round(value, places) {
  return Math.round(value * 10 ** places) / 10 ** places;
}

export class Controls {
  constructor(root, viewer) {
    this.root = root;
    this.viewer = viewer;
    this.texts = {};
    for (const button of root.querySelectorAll("[data-tool]")) {
      button.addEventListener("click", () => viewer.choose(button.dataset.tool));
    }
    const acts = {
      invert: () => viewer.invert(), rotate: () => viewer.rotate(), fit: () => viewer.fit(),
      reset: () => viewer.reset(), help: () => viewer.toggleHelp(), only: () => viewer.showOnlyCrop(),
      whole: () => viewer.uncrop(),
    };
    for (const button of root.querySelectorAll("[data-act]")) {
      button.addEventListener("click", acts[button.dataset.act]);
    }
    for (const [name, slider] of Object.entries(SLIDERS)) this.bindSlider(name, slider);
    const opacity = this.slider("opacity");
    opacity.addEventListener("input", () => viewer.setOpacity(Number(opacity.value) / 100));
    const contour = this.slider("contour");
    contour.addEventListener("input", () => viewer.setLevel(Number(contour.value) / 100));
  }

  slider(name) {
    return this.root.querySelector(`input[name="${name}"]`);
  }

  bindSlider(name, { toValue }) {
    const input = this.slider(name);
    input.addEventListener("input", () => {
      this.viewer.adjust({ [name]: toValue(Number(input.value)) }, { moving: true });
    });
    input.addEventListener("change", () => this.viewer.settle());
    input.addEventListener("dblclick", () => this.viewer.adjust({ [name]: IDENTITY[name] }));
  }

  /** Words from the page's catalogue into the places that name them. */
  setTexts(texts) {
    this.texts = texts;
    for (const place of this.root.querySelectorAll("[data-text]")) place.textContent = texts[place.dataset.text] ?? "";
    for (const place of this.root.querySelectorAll("[data-hint]")) {
      place.title = texts[place.dataset.hint] ?? "";
      if (place.tagName === "BUTTON") place.setAttribute("aria-description", place.title);
    }
    for (const place of this.root.querySelectorAll("[data-label]")) {
      place.setAttribute("aria-label", texts[place.dataset.label] ?? "");
    }
  }

  /** Bring every control in line with the viewer. */
  show() {
    const { viewer, root } = this;
    for (const button of root.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(viewer.tool === button.dataset.tool));
    }
    this.button("invert").setAttribute("aria-pressed", String(viewer.adjustment.invert));
    this.button("only").setAttribute("aria-pressed", String(viewer.onlyCrop));
    root.querySelector(".crop-choices").hidden = viewer.tool !== "crop" && !viewer.onlyCrop;
    for (const [name, slider] of Object.entries(SLIDERS)) {
      const value = viewer.adjustment[name];
      const input = this.slider(name);
      input.value = String(slider.toPosition(value));
      input.disabled = !viewer.film;
      this.showValue(name, slider.shown(value, this.texts));
    }
    const opacity = this.slider("opacity");
    opacity.value = String(viewer.mapHidden ? 0 : Math.round(viewer.opacity * 100));
    opacity.disabled = !viewer.mapPicture;
    this.showValue("opacity", viewer.mapPicture ? `${opacity.value} %` : this.texts.no_map ?? "");
    this.showContour();
    for (const button of root.querySelectorAll(".tools button")) {
      button.disabled = !viewer.film && button.dataset.act !== "help";
    }
  }

  showContour() {
    const { viewer } = this;
    const contour = this.slider("contour");
    const there = Boolean(viewer.map);
    contour.value = String(Math.round((viewer.level ?? 0.5) * 100));
    contour.disabled = !there;
    this.showValue("contour", there ? viewer.level.toFixed(2) : this.texts.off ?? "");
    this.root.classList.toggle("has-contour", there);
    this.root.style.setProperty("--level", String(viewer.level ?? 0));
  }

  button(act) {
    return this.root.querySelector(`[data-act="${act}"]`);
  }

  showValue(name, words) {
    this.root.querySelector(`output[name="${name}"]`).textContent = words;
    this.slider(name).setAttribute("aria-valuetext", words);
  }

  /** Window in the source's own grey values, zoom, and the grey value under the pointer. */
  showStatus(hovered) {
    const { viewer, root } = this;
    if (!viewer.film) return;
    const { film, adjustment, view } = viewer;
    const full = 2 ** film.bits;
    root.querySelector(".window-values").textContent =
      `C ${Math.round(adjustment.window_center * full)}   W ${Math.round(adjustment.window_width * full)}`;
    root.querySelector(".zoom-value").textContent = `${Math.round(view.zoom * 100)} %`;
    const ratio = film.source_columns / film.columns;
    root.querySelector(".scale-value").textContent =
      ratio > 1 ? (this.texts.shown_at ?? "").replace("{ratio}", `1:${round(ratio, 2)}`) : "";
    root.querySelector(".grey-value").textContent =
      hovered === null ? "" : `${this.texts.grey ?? ""} ${Math.round(hovered * (full - 1))}`;
  }
}
