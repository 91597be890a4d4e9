/** A page whose site has installed a service worker, without a browser. */

import type { ToServiceWorker } from "../../src/saving/messages.ts";

/** A service worker that is ready at once, and answers as long as it lives. */
export class FakeServiceWorker {
  readonly state = "activated";
  lives = true;
  /** Was it installed since service workers tell that the frame has come? */
  isNew = true;
  readonly told: string[] = [];
  /** Has a frame asked for the download? */
  wasFetched = false;
  /** It is ready when this ends. */
  held = Promise.resolve();
  #page: MessagePort | undefined;

  postMessage(message: ToServiceWorker, ports: MessagePort[]): void {
    this.told.push(message.type);
    if (message.type === "open") this.#page = ports[1];
    if (!this.lives) return;
    if (message.type === "runs") this.#page?.postMessage({ type: "alive" });
    else if (message.type === "open")
      void this.held.then(() => this.#page?.postMessage({ type: "ready", ...(this.isNew && { tells: true }) }));
  }

  /** The frame asks for its address. */
  fetch(): void {
    this.wasFetched = true;
    if (this.isNew) this.#page?.postMessage({ type: "asked" });
  }
}

/**
 * Makes the page.
 *
 * @param framed whether it may have the frame.
 * @returns what was registered, and what leaves the page.
 */
export function installOnPage(worker: FakeServiceWorker, framed = true) {
  const registered: unknown[] = [];
  const register = (url: unknown) => {
    registered.push(url);
    return Promise.resolve({ active: worker });
  };
  Object.defineProperty(globalThis, "navigator", { value: { serviceWorker: { register } }, configurable: true });
  const frame = { remove: () => undefined };
  const append = () => {
    if (framed) worker.fetch();
  };
  const page = { createElement: () => frame, body: { append } };
  const trustedTypes = { createPolicy: () => ({ createScriptURL: (url: string) => ({ trusted: url }) }) };
  const shown = new EventTarget();
  Object.assign(globalThis, {
    document: page,
    trustedTypes,
    addEventListener: shown.addEventListener.bind(shown),
    removeEventListener: shown.removeEventListener.bind(shown),
  });
  return { registered, leavePage: () => shown.dispatchEvent(new Event("pagehide")) };
}
