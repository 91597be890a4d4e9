/** The front page's own script: buttons that copy a text, and what this browser has not finished. The rest works without. */

import { showUnfinished } from "./front-unfinished.ts";

const unfinished = document.getElementById("unfinished");
// A secure context is what storage and locks are given to.
if (unfinished !== null && isSecureContext) void showUnfinished(unfinished);

const SHOWN_MS = 2_000;

for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-copy]")) {
  const source = document.getElementById(button.dataset["copy"] ?? "");
  if (source === null) continue;
  button.hidden = false;
  const label = button.textContent;
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(source.textContent).then(
      () => {
        button.textContent = "Copied";
        setTimeout(() => {
          button.textContent = label;
        }, SHOWN_MS);
      },
      () => {
        // No permission, or no secure context: select the text, so that the person can copy it by hand.
        getSelection()?.selectAllChildren(source);
      },
    );
  });
}
