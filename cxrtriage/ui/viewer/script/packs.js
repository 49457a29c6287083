// Films and maps as they come from Python (see packing.py), and the shelf on which the browser keeps them.

const KEPT = 6; // films and maps; a film of 2048 x 2048 takes 8 MB here

/** A pack's bytes -> { kind: "film", levels, numbers, ... } or { kind: "map", values, ... }. */
export async function unpacked(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headLength = view.getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + headLength)));
  const stream = new Blob([bytes.subarray(4 + headLength)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const body = await new Response(stream).arrayBuffer();
  const pixels = head.rows * head.columns;
  if (head.kind === "map") return { ...head, values: summed(new Uint8Array(body), head, Uint8Array) };
  const levels = new Float32Array(body, 0, head.levels);
  const rest = new Uint8Array(body, head.levels * 4);
  const numbers = summed(rest, head, rest.length === pixels ? Uint8Array : Uint16Array);
  return { ...head, levels, numbers };
}

/** Undo the differences to the left neighbour. Typed arrays wrap around as the packing did. */
function summed(bytes, { rows, columns }, ArrayType) {
  const pixels = rows * columns;
  const out = new ArrayType(pixels);
  const wide = ArrayType === Uint16Array;
  for (let y = 0, i = 0; y < rows; y++) {
    let value = 0;
    for (let x = 0; x < columns; x++, i++) {
      value += wide ? bytes[i] | (bytes[pixels + i] << 8) : bytes[i];
      out[i] = value;
    }
  }
  return out;
}

/** The page's shelf: names to promises of unpacked films. Survives a viewer's remounting, not a reload. */
export function shelf() {
  const symbol = Symbol.for("cxrtriage.shelf");
  if (!globalThis[symbol]) globalThis[symbol] = Object.assign(new EventTarget(), { packs: new Map() });
  return globalThis[symbol];
}

/** Put a pack on the shelf under its name and tell whoever waits for it. */
export function keep(bytes) {
  const copy = bytes.slice(); // the message it came in is released
  const headLength = new DataView(copy.buffer).getUint32(0, true);
  const { name } = JSON.parse(new TextDecoder().decode(copy.subarray(4, 4 + headLength)));
  const { packs } = shelf();
  if (!packs.has(name)) {
    packs.set(name, unpacked(copy));
    for (const old of [...packs.keys()].slice(0, -KEPT)) packs.delete(old);
  }
  shelf().dispatchEvent(new Event(name));
}

/** The unpacked film or map of that name, now or as soon as it arrives. */
export function fetched(name) {
  const { packs } = shelf();
  if (packs.has(name)) return packs.get(name);
  return new Promise((resolve) => {
    shelf().addEventListener(name, () => resolve(packs.get(name)), { once: true });
  });
}
