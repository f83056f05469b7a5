/** As much of a page as an element needs that stands on one: attributes, a canvas, and events of document and window. */

import { FakeBitmap } from "./fakes.js";

export class FakeElement extends EventTarget {
  #attributes = new Map();
  children = [];
  parent = null;
  clientWidth = 64;
  clientHeight = 36;

  attachShadow() {
    return (this.shadow = new FakeElement());
  }

  append(...children) {
    for (const child of children) child.parent = this;
    this.children.push(...children);
  }

  remove() {
    this.parent?.children.splice(this.parent.children.indexOf(this), 1);
    this.parent = null;
  }

  querySelector() {
    return null;
  }

  getAttribute(name) {
    return this.#attributes.get(name) ?? null;
  }

  hasAttribute(name) {
    return this.#attributes.has(name);
  }

  setAttribute(name, value) {
    const before = this.getAttribute(name);
    this.#attributes.set(name, value);
    if (this.constructor.observedAttributes?.includes(name)) this.attributeChangedCallback(name, before, value);
  }

  /** A canvas' context: it counts the pictures that were drawn. */
  getContext() {
    this.drawn ??= [];
    const nothing = () => {};
    const own = { drawImage: (image) => this.drawn.push(image), measureText: () => ({ width: 9 }) };
    return new Proxy(own, { get: (_, name) => own[name] ?? nothing, set: () => true });
  }
}

/** The page, with nothing on it. Returns how many listeners document and window have. */
export function installPage() {
  const listening = { count: 0 };
  class Counted extends EventTarget {
    addEventListener(name, listener, options) {
      listening.count += 1;
      options?.signal?.addEventListener("abort", () => (listening.count -= 1));
      super.addEventListener(name, listener, options);
    }
  }
  const window = new Counted();
  globalThis.HTMLElement = FakeElement;
  globalThis.customElements = { define: () => {} };
  globalThis.CSSStyleSheet = class {
    replaceSync() {}
  };
  globalThis.ResizeObserver = class {
    observe() {}
  };
  globalThis.addEventListener = window.addEventListener.bind(window);
  globalThis.document = Object.assign(new Counted(), { hidden: false, createElement: () => new FakeElement() });
  globalThis.devicePixelRatio = 1;
  globalThis.createImageBitmap = async () => new FakeBitmap();
  return { listening, window };
}
