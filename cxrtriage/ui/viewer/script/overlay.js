// The saliency map as a coloured, partly transparent picture; the same colours as cxrtriage.show.colours.

/** anchors: [[position 0..1, red, green, blue], ...] -> colour at a value, channels 0..255. */
export function colourAt(anchors, value) {
  let right = 1;
  while (right < anchors.length - 1 && anchors[right][0] < value) right++;
  const [from, to] = [anchors[right - 1], anchors[right]];
  const part = Math.min(1, Math.max(0, (value - from[0]) / (to[0] - from[0])));
  return [1, 2, 3].map((channel) => from[channel] + (to[channel] - from[channel]) * part);
}

/** A canvas of the map's own size; a pixel's alpha is the opacity that full opacity gives it. */
export function mapCanvas(map, anchors, solidFrom) {
  const canvas = document.createElement("canvas");
  canvas.width = map.columns;
  canvas.height = map.rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(map.columns, map.rows);
  const table = Array.from({ length: 256 }, (_, i) => [
    ...colourAt(anchors, i / 255).map(Math.round), Math.round(255 * Math.min(1, i / 255 / solidFrom))]);
  for (let i = 0; i < map.values.length; i++) image.data.set(table[map.values[i]], 4 * i);
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The colour bar's CSS background, most at the right. */
export function colourBar(anchors) {
  const stops = anchors.map(([at, ...rgb]) => `rgb(${rgb.map(Math.round).join(" ")}) ${Math.round(at * 100)}%`);
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
