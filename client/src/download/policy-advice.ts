/**
 * What a page's Content-Security-Policy refused us, in one line for whoever runs the page.
 *
 * Browsers report each refusal with the directive and the address, among those of the page's own scripts, and words of
 * their own for it. This picks ours out, and says once what to add. The download's fate does not depend on it: what is
 * refused is missing, and the plain link is followed.
 */

import { SCOPE } from "../saving/messages.ts";

/** What is used of a `SecurityPolicyViolationEvent`. */
export interface Violation {
  /** The directive as it would have to be written, `worker-src`, also where `default-src` decided. */
  readonly effectiveDirective: string;
  /** An address, or `blob`, `wasm-eval`, `inline` …. Of what was asked for, also where a redirect was refused. */
  readonly blockedURI: string;
  /** The policy that refused it. */
  readonly originalPolicy: string;
}

/**
 * The source that the directive lacks, `worker-src blob:`; undefined when the refusal is none of ours.
 *
 * @param isOurs whether an address is one that a download uses; what the page itself does is its own affair.
 */
export function adviceOf(violation: Violation, isOurs: (url: URL) => boolean): string | undefined {
  const { blockedURI } = violation;
  // `script-src-elem` is a narrower `script-src`, which is what people write.
  const directive = violation.effectiveDirective.replace(/-(?:elem|attr)$/, "");
  if (directive === "worker-src" && /^blob\b/.test(blockedURI)) return "worker-src blob:";
  if (directive === "script-src" && blockedURI === "wasm-eval") return "script-src 'wasm-unsafe-eval'";
  // The hidden frame in which an installed service worker saves, which is below its own folder.
  if (directive === "frame-src" && blockedURI.includes(`/${SCOPE}`)) return "frame-src 'self'";
  if (!["worker-src", "script-src", "connect-src"].includes(directive)) return undefined;
  const url = URL.canParse(blockedURI) ? new URL(blockedURI) : undefined;
  if (url === undefined || !isOurs(url)) return undefined;
  const source = `${url.protocol}//${url.host}`;
  const directives = violation.originalPolicy.split(";").map((text) => text.trim().split(/\s+/));
  const of = (wanted: string) => directives.find(([name]) => name === wanted);
  const isListed = (of(directive) ?? of("default-src"))?.includes(source) === true;
  return `${directive} ${isListed ? `(where ${source} redirects to)` : source}`;
}

/** The line for the console. `lacks` are single sources, each with its directive. */
export function adviceLine(lacks: Iterable<string>): string {
  const sources = new Map<string, string>();
  for (const lack of new Set(lacks)) {
    const [directive = "", ...rest] = lack.split(" ");
    sources.set(directive, [sources.get(directive) ?? directive, ...rest].join(" "));
  }
  return `distribute-io: add to this page's Content-Security-Policy: ${[...sources.values()].join("; ")}`;
}

/** Lines that this page's console has. */
const told = new Set<string>();

/** Collects what is refused of a server's. */
export function adviceOn(serverUrl: string): PolicyAdvice {
  return new PolicyAdvice([new URL(serverUrl).origin]);
}

/** Collects for one download, and tells at its end. */
export class PolicyAdvice {
  readonly #lacks = new Set<string>();
  readonly #isOurs: (url: URL) => boolean;

  /** @param origins of what the page itself asks: the coordinator. */
  constructor(origins: readonly string[]) {
    this.#isOurs = (url) => origins.includes(url.origin);
  }

  /** For a `securitypolicyviolation` of the page. */
  readonly heard = (event: Violation): void => {
    this.#note(adviceOf(event, this.#isOurs));
  };

  /** For one of a download worker, where everything is ours. */
  inWorker(violation: Violation): void {
    this.#note(adviceOf(violation, () => true));
  }

  /** For what is known to be lacking. */
  lacks(lack: string): void {
    this.#note(lack);
  }

  /** Writes the line, if there is anything that this page was not told already. */
  tell(): void {
    if (this.#lacks.size === 0) return;
    const line = adviceLine(this.#lacks);
    if (told.has(line)) return;
    told.add(line);
    console.warn(line); // eslint-disable-line no-console -- the one thing that only the page's owner can mend
  }

  #note(lack: string | undefined): void {
    if (lack !== undefined) this.#lacks.add(lack);
  }
}
