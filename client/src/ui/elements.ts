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

/** Sets text only when it differs, so that a live region speaks only of changes. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
