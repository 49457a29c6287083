// A film with its adjustment as grey pixels, redone only from the first step that changed.

import { blurSigma, blurred, localContrast, tone } from "./adjust.js";

export class Picture {
  /** film: { rows, columns, levels: Float32Array, numbers: Uint8Array | Uint16Array, bits, scale } */
  constructor(film, sigma = blurSigma(Math.max(film.rows, film.columns))) {
    this.film = film;
    this.sigma = sigma;
    this.canvas = document.createElement("canvas");
    this.canvas.width = film.columns;
    this.canvas.height = film.rows;
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.image = this.context.createImageData(film.columns, film.rows);
    this.words = new Uint32Array(this.image.data.buffer);
    this.keys = {};
  }

  /** Whether drawing this adjustment means going through the pixels' neighbourhoods again. */
  isSlow(adjustment) {
    const { local, blur } = stepKeys(adjustment);
    return (adjustment.clahe > 0 && this.keys.local !== local) || (adjustment.sharpness > 0 && this.keys.blur !== blur);
  }

  /** Draw the whole film, uncropped and unturned, into `canvas`. */
  draw(adjustment) {
    const keys = stepKeys(adjustment);
    if (this.keys.all === keys.all) return;
    if (this.keys.tone !== keys.tone) this.toned = tone(this.film.levels, adjustment);
    if (adjustment.clahe > 0) {
      if (this.keys.local !== keys.local) this.local = localContrast(this.film, this.toned, adjustment.clahe);
      this.keys.local = keys.local;
    }
    if (adjustment.sharpness > 0) {
      if (this.keys.blur !== keys.blur) {
        this.before = adjustment.clahe > 0 ? this.local : this.spread();
        this.blur = blurred(this.before, this.film.rows, this.film.columns, this.sigma);
      }
      this.keys.blur = keys.blur;
    }
    this.keys.tone = keys.tone;
    this.keys.all = keys.all;
    this.paint(adjustment);
    this.context.putImageData(this.image, 0, 0);
  }

  /** Toned values of all pixels, float32. */
  spread() {
    const { numbers } = this.film;
    const values = new Float32Array(numbers.length);
    for (let i = 0; i < values.length; i++) values[i] = this.toned[numbers[i]];
    return values;
  }

  paint(adjustment) {
    const { words } = this;
    const { numbers } = this.film;
    if (adjustment.sharpness > 0) {
      const amount = adjustment.sharpness;
      for (let i = 0; i < words.length; i++) {
        const value = this.before[i] + amount * (this.before[i] - this.blur[i]);
        words[i] = greyWord(value < 0 ? 0 : value > 1 ? 1 : value, adjustment.invert);
      }
    } else if (adjustment.clahe > 0) {
      for (let i = 0; i < words.length; i++) words[i] = greyWord(this.local[i], adjustment.invert);
    } else {
      const table = Uint32Array.from(this.toned, (value) => greyWord(value, adjustment.invert));
      for (let i = 0; i < words.length; i++) words[i] = table[numbers[i]];
    }
  }

  /** The grey values that are on the canvas, whole film: Uint8Array (rows x columns). */
  greys() {
    const { data } = this.context.getImageData(0, 0, this.film.columns, this.film.rows);
    return Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
  }
}

/** Every second (third, ...) pixel of a film: what is drawn while a slow adjustment is still moving. */
export function draftOf(film, longest = 700) {
  const step = Math.ceil(Math.max(film.rows, film.columns) / longest);
  const rows = Math.ceil(film.rows / step);
  const columns = Math.ceil(film.columns / step);
  const numbers = new film.numbers.constructor(rows * columns);
  for (let y = 0, i = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, i++) numbers[i] = film.numbers[y * step * film.columns + x * step];
  }
  const sigma = Math.max(0.5, blurSigma(Math.max(film.rows, film.columns)) / step);
  return new Picture({ ...film, rows, columns, numbers }, sigma);
}

function greyWord(value, invert) {
  const grey = Math.floor((invert ? 1 - value : value) * 255 + 0.5);
  return (0xff000000 | (grey << 16) | (grey << 8) | grey) >>> 0; // little endian: alpha is the highest byte
}

function stepKeys(adjustment) {
  const toneKey = [adjustment.window_center, adjustment.window_width, adjustment.brightness, adjustment.contrast].join();
  const local = `${toneKey};${adjustment.clahe}`;
  return { tone: toneKey, local, blur: local, all: `${local};${adjustment.sharpness};${adjustment.invert}` };
}
