// What Streamlit calls: once for each mount and again whenever the data from Python changed.

import { keep } from "./packs.js";
import { Viewer } from "./viewer.js";

const viewers = new WeakMap();

export default function mount({ parentElement, data, setStateValue }) {
  if (data instanceof Uint8Array) {
    keep(data); // a film or a map on its way to the viewer; shows nothing itself
    return undefined;
  }
  const root = parentElement.querySelector(".viewer");
  let viewer = viewers.get(root);
  if (!viewer) {
    viewer = new Viewer(root, (change) => viewer.setStateValue("change", change));
    viewers.set(root, viewer);
  }
  viewer.setStateValue = setStateValue;
  viewer.setData(data);
  return () => {
    viewers.delete(root);
    viewer.close();
  };
}
