// The line along which a map has a given value: marching squares (Lorensen and Cline 1987, in the plane).

/**
 * The line where a map of 0..255 crosses `level` (0..1), as a path of short straight pieces in film pixels.
 * A map's value lies at the middle of its pixel; `columns` and `rows` are the film's.
 */
export function contourPath(map, level, { columns, rows }) {
  const path = new Path2D();
  for (const [x0, y0, x1, y1] of contourPieces(map, 255 * level)) {
    const [across, down] = [columns / map.columns, rows / map.rows];
    path.moveTo((x0 + 0.5) * across, (y0 + 0.5) * down);
    path.lineTo((x1 + 0.5) * across, (y1 + 0.5) * down);
  }
  return path;
}

/** Pieces [x0, y0, x1, y1] between the middles of the map's pixels. */
export function* contourPieces({ values, rows, columns }, level) {
  for (let y = 0; y + 1 < rows; y++) {
    for (let x = 0; x + 1 < columns; x++) {
      const at = y * columns + x;
      const corners = [values[at], values[at + 1], values[at + columns + 1], values[at + columns]];
      const above = corners.map((value) => value >= level);
      if (above.every(Boolean) || !above.some(Boolean)) continue;
      // Where the line crosses the four sides of the cell: top, right, bottom, left.
      const part = (from, to) => (level - corners[from]) / (corners[to] - corners[from]);
      const crossings = [];
      if (above[0] !== above[1]) crossings.push([x + part(0, 1), y]);
      if (above[1] !== above[2]) crossings.push([x + 1, y + part(1, 2)]);
      if (above[3] !== above[2]) crossings.push([x + part(3, 2), y + 1]);
      if (above[0] !== above[3]) crossings.push([x, y + part(0, 3)]);
      if (crossings.length === 2) {
        yield [...crossings[0], ...crossings[1]];
        continue;
      }
      // Two corners across from each other lie above: the middle of the cell says whether they are joined.
      const joined = corners.reduce((sum, value) => sum + value, 0) / 4 >= level;
      const [top, right, bottom, left] = crossings;
      const pairs = joined === above[0] ? [[top, right], [bottom, left]] : [[top, left], [bottom, right]];
      for (const [one, other] of pairs) yield [...one, ...other];
    }
  }
}

/** A light line on a dark one, so that it is seen on lung and on bone, and as wide at every zoom. */
export function drawContour(context, path, zoom) {
  context.lineCap = "round";
  for (const [width, colour] of [[3.6, "#000"], [1.6, "#fff5af"]]) {
    context.lineWidth = width / zoom;
    context.strokeStyle = colour;
    context.stroke(path);
  }
}
