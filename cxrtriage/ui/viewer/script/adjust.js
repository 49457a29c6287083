// The pixel arithmetic of cxrtriage.film.adjustment, step for step, on plain arrays.
//
// Sums that decide between two histogram bins are rounded to 32 bits as numpy does (Math.fround), so that
// a whole grey level does not fall into another bin here than there.

const f = Math.fround;

export const IDENTITY = Object.freeze({
  crop: Object.freeze({ left: 0, top: 0, right: 1, bottom: 1 }),
  window_center: 0.5, window_width: 1, brightness: 0, contrast: 1,
  sharpness: 0, clahe: 0, invert: false, quarter_turns: 0,
});

export const RANGES = Object.freeze({
  window_center: [-1, 2], window_width: [1 / 255, 4], brightness: [-1, 1], contrast: [0.1, 4],
  sharpness: [0, 4], clahe: [0, 8],
});

export const SMALLEST_CROP = 0.02;

export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

function unit(value) {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

/** Window, then contrast and brightness, of every grey level: Float32Array in 0..1. */
export function tone(levels, adjustment) {
  const low = f(adjustment.window_center - adjustment.window_width / 2);
  const width = f(adjustment.window_width);
  const contrast = f(adjustment.contrast);
  const lift = f(0.5 + adjustment.brightness);
  const toned = new Float32Array(levels.length);
  for (let i = 0; i < levels.length; i++) {
    const windowed = unit(f(f(levels[i] - low) / width));
    toned[i] = unit(f(f(f(windowed - 0.5) * contrast) + lift));
  }
  return toned;
}

/** Reflect-101: ... 2 1 | 0 1 2 ... n-1 | n-2 n-3 ..., for any distance outside. */
export function reflected(position, count) {
  if (count === 1) return 0;
  const period = 2 * (count - 1);
  const inside = ((position % period) + period) % period;
  return inside < count ? inside : period - inside;
}

/** One tile's table of 256 sums from its histogram, with OpenCV's clip and redistribution. */
export function clippedTable(histogram, tilePixels, clip) {
  const limit = Math.max(Math.floor((clip * tilePixels) / 256), 1);
  let excess = 0;
  for (let bin = 0; bin < 256; bin++) {
    if (histogram[bin] > limit) {
      excess += histogram[bin] - limit;
      histogram[bin] = limit;
    }
  }
  const share = Math.floor(excess / 256);
  let residual = excess - share * 256;
  for (let bin = 0; bin < 256; bin++) histogram[bin] += share;
  if (residual > 0) {
    const stride = Math.max(Math.floor(256 / residual), 1);
    for (let bin = 0; bin < 256 && residual > 0; bin += stride, residual--) histogram[bin] += 1;
  }
  const table = new Float32Array(257); // the last entry again, so that bin + 1 needs no test
  let sum = 0;
  for (let bin = 0; bin < 256; bin++) {
    sum += histogram[bin];
    table[bin] = sum / tilePixels;
  }
  table[256] = table[255];
  return table;
}

const TILES = 8;

/** Local contrast (CLAHE, 8 x 8 tiles) of a film given as level numbers and toned levels. */
export function localContrast(film, toned, clip) {
  const { rows, columns, numbers } = film;
  const tileRows = Math.ceil(rows / TILES);
  const tileColumns = Math.ceil(columns / TILES);
  const bins = new Uint8Array(toned.length);
  const floors = new Uint8Array(toned.length);
  const parts = new Float32Array(toned.length);
  for (let i = 0; i < toned.length; i++) {
    const scaled = f(toned[i] * 255);
    bins[i] = Math.floor(f(scaled + 0.5));
    floors[i] = Math.floor(scaled);
    parts[i] = scaled - floors[i];
  }
  const tables = tileTables(film, bins, tileRows, tileColumns, clip);
  const out = new Float32Array(rows * columns);
  const across = neighbours(columns, tileColumns);
  const down = neighbours(rows, tileRows);
  for (let y = 0, i = 0; y < rows; y++) {
    const upper = down.first[y] * TILES;
    const lower = down.second[y] * TILES;
    const dy = down.part[y];
    for (let x = 0; x < columns; x++, i++) {
      const number = numbers[i];
      const bin = floors[number];
      const part = parts[number];
      const dx = across.part[x];
      const a = across.first[x];
      const b = across.second[x];
      const upperLeft = tables[upper + a];
      const upperRight = tables[upper + b];
      const lowerLeft = tables[lower + a];
      const lowerRight = tables[lower + b];
      const at = (1 - dy) * ((1 - dx) * upperLeft[bin] + dx * upperRight[bin])
        + dy * ((1 - dx) * lowerLeft[bin] + dx * lowerRight[bin]);
      const next = (1 - dy) * ((1 - dx) * upperLeft[bin + 1] + dx * upperRight[bin + 1])
        + dy * ((1 - dx) * lowerLeft[bin + 1] + dx * lowerRight[bin + 1]);
      out[i] = unit(at + (next - at) * part);
    }
  }
  return out;
}

function tileTables(film, bins, tileRows, tileColumns, clip) {
  const { rows, columns, numbers } = film;
  const histograms = Array.from({ length: TILES * TILES }, () => new Int32Array(256));
  const columnOf = Int32Array.from({ length: tileColumns * TILES }, (_, x) => reflected(x, columns));
  for (let y = 0; y < tileRows * TILES; y++) {
    const row = reflected(y, rows) * columns;
    const band = Math.floor(y / tileRows) * TILES;
    for (let tile = 0; tile < TILES; tile++) {
      const histogram = histograms[band + tile];
      const end = (tile + 1) * tileColumns;
      for (let x = tile * tileColumns; x < end; x++) histogram[bins[numbers[row + columnOf[x]]]]++;
    }
  }
  return histograms.map((histogram) => clippedTable(histogram, tileRows * tileColumns, clip));
}

/** For each pixel along one side: the two tiles whose tables are mixed and the second one's part. */
function neighbours(count, tileSize) {
  const first = new Uint8Array(count);
  const second = new Uint8Array(count);
  const part = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const tile = i / tileSize - 0.5;
    const before = Math.floor(tile);
    first[i] = clamp(before, 0, TILES - 1);
    second[i] = clamp(before + 1, 0, TILES - 1);
    part[i] = tile - before;
  }
  return { first, second, part };
}

/** The sharpening blur's standard deviation in pixels for a film of this longest side. */
export function blurSigma(longest) {
  return Math.max(0.8, longest / 640);
}

function gaussian(sigma) {
  const radius = Math.ceil(3 * sigma);
  const weights = Array.from({ length: radius + 1 }, (_, i) => Math.exp((-i * i) / (2 * sigma * sigma)));
  const sum = weights.reduce((total, weight) => total + 2 * weight, -weights[0]);
  return weights.map((weight) => weight / sum); // from the centre outwards
}

/** Separable Gaussian blur of (rows x columns) values, borders reflected without the edge pixel. */
export function blurred(values, rows, columns, sigma) {
  const weights = gaussian(sigma);
  const radius = weights.length - 1;
  const across = new Float32Array(rows * columns);
  const line = new Float32Array(columns + 2 * radius);
  for (let y = 0; y < rows; y++) {
    const start = y * columns;
    for (let x = -radius; x < columns + radius; x++) line[x + radius] = values[start + reflected(x, columns)];
    for (let x = 0; x < columns; x++) {
      let sum = weights[0] * line[x + radius];
      for (let k = 1; k <= radius; k++) sum += weights[k] * (line[x + radius - k] + line[x + radius + k]);
      across[start + x] = sum;
    }
  }
  const out = new Float32Array(rows * columns);
  const sums = new Float64Array(columns);
  for (let y = 0; y < rows; y++) {
    const start = y * columns;
    for (let x = 0; x < columns; x++) sums[x] = weights[0] * across[start + x];
    for (let k = 1; k <= radius; k++) {
      const above = reflected(y - k, rows) * columns;
      const below = reflected(y + k, rows) * columns;
      for (let x = 0; x < columns; x++) sums[x] += weights[k] * (across[above + x] + across[below + x]);
    }
    out.set(sums, start);
  }
  return out;
}

/** The pixel box of a crop: [left, top, right, bottom), at least one pixel each way. */
export function cropPixels(crop, rows, columns) {
  const left = Math.min(Math.floor(crop.left * columns + 0.5), columns - 1);
  const top = Math.min(Math.floor(crop.top * rows + 0.5), rows - 1);
  return [left, top, Math.max(left + 1, Math.floor(crop.right * columns + 0.5)),
    Math.max(top + 1, Math.floor(crop.bottom * rows + 0.5))];
}

/** Cut the crop out of (rows x columns) grey values and turn it clockwise by quarter turns. */
export function cutAndTurned(greys, rows, columns, crop, turns) {
  const [left, top, right, bottom] = cropPixels(crop, rows, columns);
  const width = right - left;
  const height = bottom - top;
  const sideways = turns % 2 === 1;
  const out = { rows: sideways ? width : height, columns: sideways ? height : width };
  out.pixels = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [row, column] = [[y, x], [x, height - 1 - y], [height - 1 - y, width - 1 - x], [width - 1 - x, y]][turns];
      out.pixels[row * out.columns + column] = greys[(y + top) * columns + x + left];
    }
  }
  return out;
}
