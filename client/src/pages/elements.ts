/** Finding the elements of our own pages. */

/** The element of an id. @throws Error when the page has none of that kind: the page and its script do not fit. */
export function element<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`this page has no ${id}`);
  return found;
}
