/**
 * The panel's style sheet: adopted by its shadow root, so a page's `style-src` need not allow inline styles, and neither
 * side's rules reach the other.
 */
export const PANEL_CSS = `
:host {
  all: initial;
  --paper: #ffffff;
  --ink: #1d2433;
  --faint: #5a6478;
  --line: #d5dae3;
  --field: #eef1f6;
  --accent: #1f5fd0;
  --accent-ink: #ffffff;
  --good: #17703c;
  --bad: #b3261e;
  --donor: #b25e09;
  position: fixed;
  z-index: 2147483000;
  inset-block-end: 16px;
  inset-inline-end: 16px;
  inline-size: min(400px, calc(100vw - 32px));
  max-block-size: min(640px, calc(100dvh - 32px));
  display: flex;
  flex-direction: column;
  align-items: flex-end;
  color-scheme: light dark;
  font: 15px/1.45 system-ui, sans-serif;
  color: var(--ink);
}
@media (prefers-color-scheme: dark) {
  :host {
    --paper: #1b202b;
    --ink: #e9edf5;
    --faint: #a5afc2;
    --line: #3a4357;
    --field: #2a3141;
    --accent: #7fb0ff;
    --accent-ink: #0d1a30;
    --good: #6fd397;
    --bad: #ff9a92;
    --donor: #f0a85a;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
section {
  inline-size: 100%;
  min-block-size: 0;
  display: flex;
  flex-direction: column;
  background: var(--paper);
  border: 1px solid var(--line);
  border-radius: 14px;
  box-shadow: 0 10px 34px rgb(10 20 50 / 0.22);
  overflow: hidden;
}
header {
  display: flex;
  align-items: center;
  justify-content: space-between;
  padding-inline-start: 16px;
  border-block-end: 1px solid var(--line);
}
h2, h3, p, ul, dl, dd { margin: 0; padding: 0; }
h2 { font-size: 14px; font-weight: 600; color: var(--faint); }
h3 { font-size: 16px; font-weight: 600; overflow-wrap: anywhere; }
.cards { overflow-y: auto; overscroll-behavior: contain; }
article { display: grid; gap: 10px; padding: 14px 16px 16px; }
article + article { border-block-start: 1px solid var(--line); }
.state { color: var(--faint); }
.state[data-tone="good"] { color: var(--good); font-weight: 600; }
.state[data-tone="bad"] { color: var(--bad); font-weight: 600; }
.figures { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 12px; color: var(--faint);
  font-variant-numeric: tabular-nums; }
.bar { block-size: 10px; border-radius: 5px; background: var(--field); overflow: hidden; display: flex; }
.bar span { block-size: 100%; transition: inline-size 0.25s linear; }
.kept-fill { background: var(--faint); }
.mirror-fill { background: var(--accent); }
.donor-fill { background: var(--donor); }
.bar[data-tone="good"] span { background: var(--good); }
.bar[data-tone="bad"] span { background: var(--bad); }
ul { list-style: none; display: grid; gap: 4px; font-size: 14px; }
li { display: grid; grid-template-columns: 10px minmax(0, 1fr) auto auto; gap: 8px; align-items: baseline;
  font-variant-numeric: tabular-nums; }
li::before { content: ""; inline-size: 10px; block-size: 10px; border-radius: 3px; background: var(--accent); }
li[data-kind="peer"]::before { border-radius: 50%; background: var(--donor); }
li .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
li .rate { color: var(--faint); text-align: end; }
li .bytes { grid-column: 4; min-inline-size: 5em; text-align: end; }
li[data-out] .name, li[data-out] .rate { color: var(--faint); }
li[data-out] .rate { grid-area: 2 / 2 / auto / -1; text-align: start; font-size: 13px; }
li[data-state="banned"] .rate { color: var(--bad); }
.small { font-size: 13px; color: var(--faint); }
.row { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
button, .link-button {
  font: inherit;
  font-weight: 600;
  min-block-size: 44px;
  min-inline-size: 44px;
  padding: 8px 16px;
  border-radius: 10px;
  border: 1px solid var(--line);
  background: var(--paper);
  color: var(--ink);
  cursor: pointer;
  text-decoration: none;
  display: inline-flex;
  align-items: center;
  justify-content: center;
  text-align: center;
}
button:hover, .link-button:hover { background: var(--field); }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--accent-ink); }
button.plain { border-color: transparent; padding: 8px; }
button svg { inline-size: 18px; block-size: 18px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
label { display: inline-flex; align-items: center; gap: 10px; min-block-size: 44px; cursor: pointer; }
input { inline-size: 20px; block-size: 20px; margin: 0; accent-color: var(--accent); }
summary { min-block-size: 44px; display: flex; align-items: center; gap: 6px; cursor: pointer; color: var(--faint); font-size: 14px; }
summary::before { content: "▸"; }
details[open] summary::before { content: "▾"; }
dl { font-size: 13px; display: grid; gap: 2px; }
dt { color: var(--faint); }
dd { overflow-wrap: anywhere; font-family: ui-monospace, monospace; }
.ask { display: grid; gap: 10px; padding: 12px; border-radius: 10px; background: var(--field); font-size: 14px; }
.pill { inline-size: auto; border-radius: 22px; box-shadow: 0 6px 20px rgb(10 20 50 / 0.25); font-variant-numeric: tabular-nums; }
.visually-hidden { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 480px) {
  :host { inset-inline: 8px; inset-block-end: 8px; inline-size: auto; max-block-size: 72dvh; }
}
@media (prefers-reduced-motion: reduce) { .bar span { transition: none; } }
@media (forced-colors: active) {
  .bar { border: 1px solid CanvasText; }
  .bar span { background: Highlight; forced-color-adjust: none; }
}
`;
