/** The plain link, which always works. */

/**
 * Does what the browser would have done on a click: `target`, `download`, `rel` and `referrerpolicy` count as they stand.
 *
 * A copy is clicked, outside of the document, so that no listener of the page (ours included) is called a second time.
 */
export function followLink(link: HTMLAnchorElement): void {
  const copy = link.cloneNode(false) as HTMLAnchorElement; // a clone has the type of its original
  copy.click();
}
