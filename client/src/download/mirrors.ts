/** Which of a file's mirrors this page may ask, as far as their addresses tell. */

import { checkMirrorUrl } from "../core/mirror-url.ts";
import { isPrivateHost } from "../core/private-address.ts";
import type { Complete } from "../wire/decode.ts";
import type { ErrorCode, FileEntry, Mirror } from "../wire/messages.ts";
import type { MirrorJob } from "../worker/messages.ts";
import type { Target } from "./coordinator.ts";

/** Mirrors that one download may know of; each costs a row in the scheduler's table. */
const MIRRORS_MAX = 64;

/** What is the same for all mirrors of a download. */
export interface Surroundings {
  /** Address of the page. */
  readonly pageUrl: string;
  readonly coordinatorUrl: string;
}

/** Mirrors in the order in which they are to be asked, and which of them is the link itself, if one is. */
export interface JudgedMirrors {
  readonly mirrors: readonly MirrorJob[];
  readonly link: string | null;
}

/**
 * Judges mirrors, those with the lower priority number first, each address once.
 *
 * Mirrors on private networks are refused, so that a coordinator cannot make a visitor's browser knock on the doors of
 * the visitor's own network, unless the coordinator itself is there (intranets, tests). An https page may not ask http.
 */
export function judgeMirrors(mirrors: readonly Complete<Mirror>[], where: Surroundings): readonly MirrorJob[] {
  const byUrl = new Map<string, MirrorJob>();
  for (const { url, pages } of [...mirrors].sort((left, right) => left.priority - right.priority)) {
    if (byUrl.size >= MIRRORS_MAX) break;
    if (!isAddress(url) || byUrl.has(url)) continue;
    // Told by the coordinator: a page itself cannot tell a mirror without CORS from one that is down.
    byUrl.set(url, { url, problem: problemOf(new URL(url), where) ?? (pages ? null : "mirror_no_cors") });
  }
  return [...byUrl.values()];
}

/**
 * Judges a file's mirrors, and the link that was asked for among them.
 *
 * The link is asked also where the coordinator does not list it, or lists it as closed to pages: what it delivers says whether
 * it still leads to the file that the coordinator knows it by (spec/mirror-answers.md, M6). A coordinator's own mirror is
 * listed by an address with the file's id; a link to the same place without it is that mirror, and goes by the listed address,
 * which is the one that the coordinator understands in a report.
 */
export function withLink(
  { file_id: fileId, mirrors }: Pick<Complete<FileEntry>, "file_id" | "mirrors">,
  target: Target,
  where: Surroundings,
): JudgedMirrors {
  if (!("href" in target)) return { mirrors: judgeMirrors(mirrors, where), link: null };
  const href = withoutFragment(target.href);
  const addressOf = ({ url }: Complete<Mirror>) => (isAddress(url) ? withoutFragment(url) : "");
  const listed = mirrors.find((mirror) => [href, `${href}?id=${fileId}`].includes(addressOf(mirror)));
  const link = listed?.url ?? href;
  const asked = { url: link, priority: listed?.priority ?? 0, location: null, pages: true };
  const judged = judgeMirrors([...mirrors.filter((mirror) => mirror !== listed), asked], where);
  return { mirrors: judged, link: judged.some(({ url }) => url === link) ? link : null };
}

function withoutFragment(address: string): string {
  const url = new URL(address);
  url.hash = "";
  return url.href;
}

function isAddress(url: string): boolean {
  try {
    checkMirrorUrl(url);
    return true;
  } catch {
    return false;
  }
}

function problemOf(mirror: URL, { pageUrl, coordinatorUrl }: Surroundings): ErrorCode | null {
  const isPrivate = isPrivateHost(mirror.hostname);
  if (isPrivate && !isPrivateHost(new URL(coordinatorUrl).hostname)) return "mirror_private_address";
  // A page of https may ask its own machine by http, nobody else (Secure Contexts, section 3.1).
  const ownMachine = /^(localhost|.*\.localhost|127\..*|\[::1\])$/.test(mirror.hostname);
  if (mirror.protocol === "http:" && new URL(pageUrl).protocol === "https:" && !ownMachine) return "mirror_insecure";
  return null;
}
