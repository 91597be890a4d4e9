/**
 * The badge's script form: puts the frame where the tag stands.
 *
 * The frame is of the coordinator's origin, so nothing of the badge runs in the page that shows it. Sizes are those of
 * badge.css; a page may give the frame other ones by its own style.
 */

const SIZES: Readonly<Record<string, readonly [width: number, height: number]>> = {
  s: [260, 150],
  m: [320, 250],
  l: [360, 420],
};
const SIZE = "m";

const tag = document.currentScript;
if (tag instanceof HTMLScriptElement) {
  const { size = SIZE, theme = "auto", cause = "" } = tag.dataset;
  const address = new URL("/badge", tag.src);
  const known = size in SIZES ? size : SIZE;
  address.searchParams.set("size", known);
  address.searchParams.set("theme", theme);
  if (cause !== "") address.searchParams.set("cause", cause);
  const frame = document.createElement("iframe");
  const [width, height] = SIZES[known] ?? [0, 0];
  frame.src = address.href;
  frame.title = "Give a little bandwidth";
  frame.width = String(width);
  frame.height = String(height);
  frame.loading = "lazy";
  frame.allow = "screen-wake-lock; compute-pressure";
  frame.style.border = "0";
  frame.style.maxWidth = "100%";
  // As the frame's own root: browsers paint an opaque ground behind a frame of another scheme. `normal` would be the page's.
  frame.style.colorScheme = "light";
  tag.after(frame);
}
