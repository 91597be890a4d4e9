/**
 * The panel's style sheet: adopted by its shadow root, so a page's `style-src` need not allow inline styles.
 *
 * Rules:
 * - No rule of the page gets in: what `:host` says is `!important`, which inside of a shadow root outweighs any of the
 *   page's; custom properties are set below the host, where the page's cannot reach.
 * - Sizes follow the browser's own font size (`all: initial` goes back to it), never the page's root.
 * - A source is told by its pattern alone; colour is an aid. Forced colours keep the patterns.
 * - What changes with every progress has no transition: it would draw sixty frames a second for four figures, at a fifth of
 *   the whole download's processor time.
 */
export const PANEL_CSS = `
:host {
  all: initial !important;
  position: fixed !important;
  z-index: 2147483000 !important;
  inset-block-end: 16px !important;
  inset-inline-end: 16px !important;
  inline-size: min(25em, 100vw - 32px) !important;
  color-scheme: light dark !important;
}
.frame {
  --paper: #fff;
  --ink: #1d2433;
  --faint: #566074;
  --line: #d5dae3;
  --field: #e6eaf1;
  --accent: #1f5fd0;
  --on-accent: #fff;
  --good: #17703c;
  --good-field: #e8f5ed;
  --fair: #1b57ad;
  --fair-field: #eaf1fc;
  --bad: #b3261e;
  --bad-field: #fdeceb;
  --m0: #8a93a6;
  --m1: #1f5fd0;
  --m2: #b25e09;
  --m3: #0a7a5c;
  --m4: #9b3fa0;
  --m5: #806a00;
  --m6: #c2306b;
  --m7: #2a7f9e;
  --m8: #5a6478;
  display: flex;
  flex-direction: column;
  align-items: flex-end;
  font: .9375em/1.45 system-ui, sans-serif;
  color: var(--ink);
}
@media (prefers-color-scheme: dark) {
  .frame {
    --paper: #1b202b;
    --ink: #e9edf5;
    --faint: #a5afc2;
    --line: #3a4357;
    --field: #2f3748;
    --accent: #7fb0ff;
    --on-accent: #0d1a30;
    --good: #6fd397;
    --good-field: #1b3327;
    --fair: #93bcff;
    --fair-field: #1f2d47;
    --bad: #ff9a92;
    --bad-field: #3d2325;
    --m0: #6d7890;
    --m1: #7fb0ff;
    --m2: #f0a85a;
    --m3: #5fd0a8;
    --m4: #dc9be0;
    --m5: #dcc64f;
    --m6: #ff8fb4;
    --m7: #7ed2ee;
    --m8: #a5afc2;
  }
}
* { box-sizing: border-box; margin: 0; padding: 0; }
[hidden] { display: none !important; }
section {
  inline-size: 100%;
  max-block-size: min(44em, 100vh - 32px);
  max-block-size: min(44em, 100dvh - 32px);
  display: flex;
  flex-direction: column;
  background: var(--paper);
  border: 1px solid var(--line);
  border-radius: 16px;
  box-shadow: 0 12px 40px rgb(10 20 50 / .24);
  overflow: hidden;
}
header { display: flex; align-items: center; justify-content: space-between; padding: 2px 4px 2px 16px; border-block-end: 1px solid var(--line); }
[dir=rtl] header { padding: 2px 16px 2px 4px; }
header button { border-color: transparent; background: none; padding: 0; }
h2, h4, .note, .figures, .aside, summary, li { font-size: .9em; }
h2 { font-weight: 600; color: var(--faint); }
h3 { font-size: 1.07em; font-weight: 600; overflow-wrap: anywhere; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
h4 { font-weight: 400; color: var(--faint); margin-block-start: 8px; }
h3, h4, p, summary, label, button, .button, span, strong { unicode-bidi: plaintext; }
[dir=ltr] { text-align: left; }
[dir=rtl] { text-align: right; }
.cards { overflow-y: auto; overscroll-behavior: contain; }
article { display: grid; grid-template-columns: minmax(0, 1fr); gap: 10px; padding: 14px 16px 16px; outline-offset: -3px !important; }
article + article { border-block-start: 1px solid var(--line); }
.state, .figures { display: flex; flex-wrap: wrap; gap: 0 8px; align-items: center; }
.state strong { font-weight: 600; flex: 0 1 auto; min-inline-size: 0; }
.aside { margin-inline-start: auto; color: var(--faint); font-variant-numeric: tabular-nums; }
.figures { color: var(--faint); font-variant-numeric: tabular-nums; margin-block-start: -4px; }
.note { color: var(--faint); overflow-wrap: anywhere; }
svg { flex: none; inline-size: 1.25em; block-size: 1.25em; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.state svg { color: var(--accent); }
article:not([data-tone=plain]) .status { padding: 10px 12px; border-radius: 10px; border: 1px solid transparent; background: var(--tint); }
article:not([data-tone=plain]) .state { color: var(--tone); flex-wrap: nowrap; align-items: flex-start; }
article:not([data-tone=plain]) .state svg { color: inherit; margin-block-start: .1em; }
article:not([data-tone=plain]) .status .note { color: inherit; margin-block-start: 2px; }
[data-tone=good] { --tone: var(--good); --tint: var(--good-field); }
[data-tone=fair] { --tone: var(--fair); --tint: var(--fair-field); }
[data-tone=bad] { --tone: var(--bad); --tint: var(--bad-field); }
.bar { block-size: 8px; border-radius: 4px; background: var(--field); overflow: hidden; }
.bar span { display: block; block-size: 100%; border-radius: 4px; background: var(--accent); }
.map { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); gap: 2px; }
.map i { block-size: 12px; }
i { border-radius: 2px; background: var(--field); --c: var(--field); --s: var(--paper); }
i[data-mark]:not([data-mark=""]) { background: var(--p, none) var(--c); }
.map i:not([data-full]) { opacity: .5; }
.map i[data-mark=""] { opacity: 1; }
i[data-mark="0"] { --c: var(--m0); --p: linear-gradient(var(--s) 0 0) center / calc(100% - 4px) calc(100% - 4px) no-repeat; }
i[data-mark="1"] { --c: var(--m1); }
i[data-mark="2"] { --c: var(--m2); --p: repeating-linear-gradient(45deg, var(--s) 0 1.5px, transparent 1.5px 5px); }
i[data-mark="3"] { --c: var(--m3); --p: repeating-linear-gradient(0deg, transparent 0 2.5px, var(--s) 2.5px 4px); }
i[data-mark="4"] { --c: var(--m4); --p: radial-gradient(circle, var(--s) 1.4px, transparent 1.6px) center / 5px 5px; }
i[data-mark="5"] { --c: var(--m5); --p: repeating-linear-gradient(90deg, transparent 0 2.5px, var(--s) 2.5px 4px); }
i[data-mark="6"] { --c: var(--m6); --p: repeating-linear-gradient(-45deg, var(--s) 0 1.5px, transparent 1.5px 5px); }
i[data-mark="7"] { --c: var(--m7); --p: repeating-linear-gradient(45deg, var(--s) 0 1px, transparent 1px 4.5px), repeating-linear-gradient(-45deg, var(--s) 0 1px, transparent 1px 4.5px); }
i[data-mark="8"] { --c: var(--m8); --p: repeating-conic-gradient(var(--s) 0 25%, transparent 0 50%) center / 6px 6px; }
ul { list-style: none; display: grid; gap: 6px; padding-block-start: 2px; }
li { display: grid; grid-template-columns: 14px minmax(0, 1fr) auto 4.6em; gap: 0 8px; align-items: center; font-variant-numeric: tabular-nums; }
li i { inline-size: 14px; block-size: 14px; }
li i[data-mark=""] { background: none; }
li .name { overflow-wrap: anywhere; }
li .detail { color: var(--faint); grid-column: 3; }
li .size { text-align: end; grid-column: 4; }
li[data-out] .detail { grid-area: 2 / 2 / auto / -1; }
summary { min-block-size: 44px; display: flex; align-items: center; gap: 8px; cursor: pointer; color: var(--faint); border-radius: 8px; }
summary::before { content: ""; flex: none; inline-size: 7px; block-size: 7px; border: solid currentColor; border-width: 0 2px 2px 0; rotate: -45deg; margin-inline: 3px 1px; transition: rotate .15s; }
[dir=rtl] summary::before { rotate: 135deg; }
details[open] > summary::before { rotate: 45deg; }
details { margin-block: -6px; }
code { font: .87em/1.5 ui-monospace, "SF Mono", Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; direction: ltr; unicode-bidi: isolate; }
.copy { display: flex; gap: 12px; align-items: center; }
.copy code { flex: 1; min-inline-size: 0; }
.row { display: flex; flex-wrap: wrap; gap: 8px; }
.row:empty { display: none; }
article > .row { position: sticky; inset-block-end: 0; padding-block: 10px; margin-block: 0 -10px; background: var(--paper); }
article > .row::before { content: ""; position: absolute; inset: -12px 0 auto; block-size: 12px; background: linear-gradient(transparent, var(--paper)); pointer-events: none; }
button, .button {
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
  overflow-wrap: anywhere;
}
:is(button, .button, summary):hover { background: var(--field); }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.primary:hover { filter: brightness(1.08); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.ask { display: grid; gap: 10px; padding: 12px; border-radius: 10px; background: var(--fair-field); }
label { display: flex; align-items: center; gap: 10px; min-block-size: 44px; cursor: pointer; font-weight: 600; }
input { appearance: none; flex: none; inline-size: 40px; block-size: 24px; border-radius: 12px; border: 2px solid var(--faint); background: var(--field); cursor: pointer; display: grid; align-items: center; transition: background .15s; }
input::before { content: ""; inline-size: 14px; block-size: 14px; border-radius: 7px; background: var(--faint); margin-inline-start: 3px; transition: margin .15s; }
input:checked { background: var(--accent); border-color: var(--accent); }
input:checked::before { background: var(--on-accent); margin-inline-start: 19px; }
.frame > button { border-radius: 22px; box-shadow: 0 6px 20px rgb(10 20 50 / .28); font-variant-numeric: tabular-nums; }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
:host([data-second]) { inset-block: 16px auto !important; }
@media (max-width: 480px) {
  :host { inset-inline: 8px !important; inline-size: auto !important; }
  section { max-block-size: 72vh; max-block-size: 72dvh; }
}
@media (prefers-reduced-motion: reduce) { * , ::before { transition: none !important; } }
@media (forced-colors: active) {
  .bar { border: 1px solid CanvasText; }
  .bar span, input:checked::before { background: Highlight; forced-color-adjust: none; }
  .map i { border: 1px solid GrayText; }
  i { --s: Canvas; }
  i[data-mark]:not([data-mark=""]) { --c: CanvasText; border: 1px solid CanvasText; forced-color-adjust: none; }
  article:not([data-tone=plain]) .status, .ask { border-color: CanvasText; }
  .ask { border: 1px solid; }
  header button { border: 0; }
  input::before { background: CanvasText; forced-color-adjust: none; }
}
@media print { :host { display: none !important; } }
`;
