/**
 * Which clicks are ours. Everything else is the browser's or the page's: modified clicks, other buttons, the context menu,
 * clicks that the page handled itself, and links that lead to no file.
 */

/** What is used of a `MouseEvent`. */
export interface Click {
  readonly defaultPrevented: boolean;
  readonly button: number;
  readonly metaKey: boolean;
  readonly ctrlKey: boolean;
  readonly shiftKey: boolean;
  readonly altKey: boolean;
}

/** A click that would follow a link here and now: the main button or Enter, nothing held, and not handled yet. */
export function isPlainClick(click: Click): boolean {
  return (
    !click.defaultPrevented &&
    click.button === 0 &&
    !click.metaKey &&
    !click.ctrlKey &&
    !click.shiftKey &&
    !click.altKey
  );
}

/** The matching link that an event came through, also out of an open shadow root. */
export function linkOf(path: readonly EventTarget[], selector: string): HTMLAnchorElement | undefined {
  for (const target of path) {
    if (target instanceof HTMLAnchorElement && target.matches(selector))
      return leadsToFile(target) ? target : undefined;
  }
  return undefined;
}

/** Whether a link could be a download: neither `mailto:` and its like, nor a place on this page, nor text being edited. */
function leadsToFile(link: HTMLAnchorElement): boolean {
  if (!/^https?:$/.test(link.protocol) || link.isContentEditable) return false;
  const isPlaceHere = link.getAttribute("href")?.startsWith("#") === true;
  return !isPlaceHere || (link.dataset["distribute"] ?? "") !== "";
}
