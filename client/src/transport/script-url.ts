/**
 * Addresses of our own scripts, for pages that enforce Trusted Types (`require-trusted-types-for 'script'`).
 *
 * There, the address of a script or worker must come from a policy, and `trusted-types` may list the policies that there
 * can be, each once. So all copies of ours on a page share one, named `distribute-io`. It lets nothing through but what
 * we load: our parts by their names, which are pinned besides, what the page installed on its own origin, and blobs,
 * which only a running script can make.
 */

const POLICY = "distribute-io";
const SHARED: unique symbol = Symbol.for("distribute-io:script-url");
const OURS = /^blob:|\/(?:download|panel|more|download-worker|donor-worker)\.js$/;

/** What is used of `TrustedTypePolicy`. */
interface ScriptUrlPolicy {
  createScriptURL(url: string): unknown;
}

interface Holder {
  readonly trustedTypes?: {
    createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): ScriptUrlPolicy;
  };
  [SHARED]?: ScriptUrlPolicy | undefined;
}

/**
 * The address in the form that this page demands.
 *
 * Where the page allows no policy of ours it comes back as it is; whether that is refused is the page's word then.
 */
export function scriptUrl(url: string, holder: Holder = globalThis as Holder): string {
  try {
    if (holder.trustedTypes === undefined) return url;
    const policy = (holder[SHARED] ??= holder.trustedTypes.createPolicy(POLICY, { createScriptURL: checked }));
    return policy.createScriptURL(url) as string; // as: a TrustedScriptURL stands wherever a script's address does
  } catch {
    return url;
  }
}

/** Whether a failure to set a script's address was the page's Trusted Types: what the policy must list. */
export function trustedTypesAdvice(cause: unknown, holder: Holder = globalThis as Holder): string | undefined {
  return cause instanceof TypeError && holder.trustedTypes !== undefined ? `trusted-types ${POLICY}` : undefined;
}

function checked(url: string): string {
  if (OURS.test(url) || new URL(url).origin === location.origin) return url;
  throw new TypeError("not a script of distribute-io");
}
