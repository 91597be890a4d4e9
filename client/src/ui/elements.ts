/** Short ways to make elements; text only ever goes in as text. */

/** What an element is made with. */
interface Parts {
  readonly className?: string;
  readonly text?: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Makes an element with children. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  { className, text, attributes = {} }: Parts = {},
  ...children: readonly Node[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  if (className !== undefined) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** Makes a button. */
export function button(text: string, onClick: () => void, className = ""): HTMLButtonElement {
  const made = element("button", { className, text, attributes: { type: "button" } });
  made.addEventListener("click", onClick);
  return made;
}

/** Sets a text where it differs, and hides an element that has none. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
  target.hidden = text === "";
}

/** Sets an attribute where it differs. */
export function setAttribute(target: Element, name: string, value: string): void {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

/** Makes as many children as are needed, and hands each to `fill`. Children keep their places, and so the focus. */
export function fillChildren(
  parent: HTMLElement,
  count: number,
  make: () => HTMLElement,
  fill: (child: HTMLElement, index: number) => void,
): void {
  while (parent.childElementCount > count) parent.lastElementChild?.remove();
  while (parent.childElementCount < count) parent.append(make());
  [...parent.children].forEach((child, index) => {
    fill(child as HTMLElement, index); // as: made by `make`
  });
}

/** The shapes of the panel's few signs, on a field of 24 by 24. */
const SHAPES = {
  fold: "M6 9l6 6 6-6",
  down: "M12 4v11m-5-5l5 5 5-5M5 20h14",
  pause: "M9 5v14M15 5v14",
  /** A shield with a tick: signed by a key that the page names. */
  shield: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM8.5 12l2.5 2.5 4.5-5",
  /** A list with a tick: as a list says, and no more. */
  list: "M4 6h10M4 12h6M4 18h6M13 16l3 3 5-6",
  warning: "M12 3L2 20h20zM12 10v4M12 17v.01",
  link: "M14 5h5v5M19 5l-8 8M17 14v5H5V7h5",
  cross: "M6 6l12 12M18 6L6 18",
} as const;

export type Shape = keyof typeof SHAPES;

/** A sign that says nothing to the ear: the words beside it do. */
export function sign(shape: Shape): SVGSVGElement {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(namespace, "path"));
  setShape(svg, shape);
  return svg;
}

/** Turns a sign into another. */
export function setShape(svg: SVGSVGElement, shape: Shape): void {
  const path = svg.firstElementChild;
  if (path !== null) setAttribute(path, "d", SHAPES[shape]);
}
