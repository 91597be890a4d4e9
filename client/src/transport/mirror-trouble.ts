/**
 * Why a page got no answer from a mirror (spec/mirror-answers.md, M4): the browser tells a script nothing, but some of it can
 * be found out.
 */

import { isPrivateHost } from "../core/private-address.ts";
import type { SourceCode } from "../core/mirror-answer.ts";
import type { Fetch } from "./http-source.ts";

/** The question delays the failure's report, so it is a short one. */
const ASK_MS = 2_000;

/** What is asked, and of whom. */
export interface TroubleWorld {
  readonly fetch: Fetch;
  /** The host of the page's own origin. */
  readonly pageHost: string;
  /** The browser's permission of that name; undefined where it knows none such. */
  readonly permission: (name: string) => Promise<PermissionState | undefined>;
}

/** Never throws. */
export async function whyUnreachable(url: string, world: TroubleWorld): Promise<SourceCode> {
  const { hostname } = new URL(url);
  if (isPrivateHost(hostname) && !isPrivateHost(world.pageHost)) {
    const loopback = /^(localhost|.*\.localhost|127\..*|\[::1\])$/.test(hostname);
    const state = await world.permission(loopback ? "loopback-network" : "local-network");
    if (state === "denied" || state === "prompt") return "mirror_local_network";
  }
  try {
    // Without CORS any answer fulfils the promise; a script may not look at it, and need not. HEAD: no body is wanted.
    await world.fetch(url, {
      cache: "no-store",
      credentials: "omit",
      method: "HEAD",
      mode: "no-cors",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(ASK_MS),
    });
    return "mirror_no_cors";
  } catch {
    return "mirror_unreachable";
  }
}

/** The browser that this worker or page runs in. */
export function browserTrouble(fetchFunction: Fetch): TroubleWorld {
  return {
    fetch: fetchFunction,
    pageHost: new URL(self.origin).hostname,
    permission: async (name) => {
      try {
        const asked = { name: name as PermissionName }; // as: names that the type library does not know yet
        return (await navigator.permissions.query(asked)).state;
      } catch {
        return undefined;
      }
    },
  };
}
