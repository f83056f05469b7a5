/** Helpers that make elements and change their text. None of them looks at the page. */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, string>} attributes @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Set a text, unless it is there already: screen readers and layout then have nothing to do.
 *
 * @param {Element} element @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {HTMLElement} element @param {string} name @param {string} value */
export function setData(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

const SVG = "http://www.w3.org/2000/svg";

/** Paths in a square of 24 x 24. @type {Record<string, string>} */
const ICONS = {
  camera: "M3 7h3l2-2.5h8L18 7h3v12H3zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
  stop: "M6 6h12v12H6z",
  eye: "M2 12s3.6-6.5 10-6.5S22 12 22 12s-3.6 6.5-10 6.5S2 12 2 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  done: "M4 12.5l5 5L20 6.5",
  retry: "M20 5v5h-5M20 10a8 8 0 1 0 1 5",
  warning: "M12 3.5L22 20.5H2zM12 10v4.5M12 17.2v.3",
  off: "M3 3l18 18M8 4.5h8L18 7h3v11M16 19H3V7h3M9 11a3.5 3.5 0 0 0 4.5 5",
  link: "M10 14l8-8M12 5h7v7M17 14v5H5V7h5",
  theme: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  wait: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5.5l3.5 2",
  up: "M6 15l6-6 6 6",
  phone: "M7 2.5h10v19H7zM11 18.5h2",
  close: "M6 6l12 12M18 6L6 18",
  key: "M14.5 9.5a4 4 0 1 0-3 3.9V16h3v3h4v-4l-4.6-4.6",
  save: "M12 4v11M7 11l5 5 5-5M4 20h16",
  events: "M4 6h2M4 12h2M4 18h2M10 6h10M10 12h10M10 18h10",
  timeline: "M3 7h18v10H3zM8 7v10M15 3v18",
  bin: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  undo: "M8 5L4 9l4 4M4 9h10a5.5 5.5 0 0 1 0 11h-4",
  redo: "M16 5l4 4-4 4M20 9H10a5.5 5.5 0 0 0 0 11h4",
  turn: "M7 4v15M3.5 15.5L7 19l3.5-3.5M17 20V5M13.5 8.5L17 5l3.5 3.5",
  zone: "M4 6l9-2 7 6-3 10H6z",
  line: "M5 19L19 5M12 12l5 5M17 13v4h-4",
  more: "M5 12h.1M12 12h.1M19 12h.1",
  move: "M9 5h.1M9 12h.1M9 19h.1M15 5h.1M15 12h.1M15 19h.1",
  freeze: "M8 5v14M16 5v14",
  next: "M8 5l8 7-8 7z",
  help: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.5v.1",
  grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  flip: "M4 12a8 8 0 0 1 14-5.3M20 12a8 8 0 0 1-14 5.3M18 3v4h-4M6 21v-4h4",
};

/** @param {string} name of `ICONS` */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] ?? "");
  svg.append(path);
  return svg;
}
