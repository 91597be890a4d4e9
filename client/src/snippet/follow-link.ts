/** The plain link, which always works. */

/**
 * The link as it stands now, outside of the document: a page may change or remove its own meanwhile, or change its own
 * address, to which the link may be relative. No listener of the page (ours included) hears a click on the copy.
 */
export function plainCopy(link: HTMLAnchorElement): HTMLAnchorElement {
  const copy = link.cloneNode(false) as HTMLAnchorElement; // a clone has the type of its original
  copy.href = link.href; // absolute
  return copy;
}

/**
 * Does what the browser would have done on the click: `target`, `download`, `rel` and `referrerpolicy` count as they
 * stand. But a tab of its own opens only shortly after a click; later it would be a blocked pop-up, and the file comes
 * in this one instead.
 *
 * @param plain of {@link plainCopy}; not changed.
 */
export function followLink(plain: HTMLAnchorElement): void {
  const copy = plainCopy(plain);
  // Not in Firefox before 120: no answer counts as yes there.
  const { userActivation } = navigator as { userActivation?: UserActivation };
  if (userActivation?.isActive === false) copy.target = "_self";
  copy.click();
}
