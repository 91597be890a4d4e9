/**
 * The error tree: who must act, and a stable code for what happened (spec/errors.md); the twin of `distribute_io.errors`.
 *
 * The code is the interface, the text a service: what happened and what to do next, without any address or secret. Where no
 * person ever sees it, as with what a mirror or peer did wrong, there is none but the code, which spec/errors.md explains.
 * Library exceptions are turned into one of these once, at the boundary. Cancellation is not an error.
 */

import type { ERROR_CODES, ErrorCode, ErrorFamily } from "./messages.ts";

type CodeOf<Family extends ErrorFamily> = (typeof ERROR_CODES)[Family][number];

/** What an error may carry besides code and text. */
export interface ErrorExtras {
  /** What the library threw. */
  readonly cause?: unknown;
}

/** Base of all errors of this project. */
export abstract class DistributeError<Family extends ErrorFamily = ErrorFamily> extends Error {
  /** Says who must act. */
  abstract readonly family: Family;
  readonly code: CodeOf<Family>;

  constructor(code: CodeOf<Family>, message: string = code, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.name = new.target.name;
    this.code = code;
  }
}

/** Our caller, or the person at the browser, asked for something that cannot be done. */
export class UsageError extends DistributeError<"usage"> {
  override readonly family = "usage";
}

/** The other end of a session or a peer connection broke the protocol: disconnect it. */
export class RemoteProtocolError extends DistributeError<"protocol"> {
  override readonly family = "protocol";
}

/** One mirror or peer could not deliver: try elsewhere. */
export class SourceError extends DistributeError<"source"> {
  override readonly family = "source";
  /** The source's own word when it may be asked again, in microseconds from now; undefined if it said nothing. */
  readonly retryAfterUs: number | undefined;

  constructor(
    code: CodeOf<"source">,
    message?: string,
    extras: ErrorExtras & { readonly retryAfterUs?: number | undefined } = {},
  ) {
    super(code, message, extras);
    this.retryAfterUs = extras.retryAfterUs;
  }
}

/** Bytes or signatures are not what the publisher signed: discard, blame, never deliver. */
export class IntegrityError extends DistributeError<"integrity"> {
  override readonly family = "integrity";
}

/** A manifest is malformed: its publisher must act. */
export class ManifestError extends DistributeError<"manifest"> {
  override readonly family = "manifest";
}

/** The coordinator said no, or could not be asked. */
export class RefusedError extends DistributeError<"refused"> {
  override readonly family = "refused";
}

/** Our own storage failed. */
export class StoreError extends DistributeError<"store"> {
  override readonly family = "store";
}

/**
 * Failures that end a download for good: bytes or signatures are wrong. The plain link is then only a choice, never
 * taken by itself. A malformed manifest counts too: whoever could follow the link by breaking the manifest would have
 * turned "verified" into the unverified link unseen.
 */
export function isIntegrityFailure(error: DistributeError): boolean {
  return error.family === "integrity" || error.family === "manifest";
}

/** The code of an error of ours; `otherwise` for anything that a library threw. */
export function codeOf(error: unknown, otherwise: ErrorCode): ErrorCode {
  return isDistributeError(error) ? error.code : otherwise;
}

/** Whether an error is one of ours, of any family; `instanceof` alone would give the family the type `any`. */
export function isDistributeError(error: unknown): error is DistributeError {
  return error instanceof DistributeError;
}
