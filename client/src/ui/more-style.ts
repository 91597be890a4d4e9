/** Styles of what comes after the panel's cards; they rest on panel-style.ts. */
export const MORE_CSS = `
.strip { display: grid; gap: 10px; margin: 0; padding: 12px 16px; border-block-start: 1px solid var(--line); }
details.strip { padding-block: 0; }
.share[data-asks] { background: var(--fair-field); }
.share:not([data-asks]) { grid-template-columns: minmax(0, 1fr) auto; align-items: center; }
.share .note { margin-block-start: 2px; }
@media (max-height: 480px) {
  section { overflow-y: auto; }
  section > .cards { overflow: visible; flex: none; }
}
li.unfinished { grid-template-columns: minmax(0, 1fr); padding-block: 4px 10px; }
li.unfinished .detail { grid-column: 1; }
li.unfinished .row { margin-block-start: 4px; }
@media (forced-colors: active) { .share[data-asks] { border: 1px solid CanvasText; } }
`;
