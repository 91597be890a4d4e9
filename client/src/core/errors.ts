/**
 * The error tree: who must act, and a stable code for what happened (spec/errors.md).
 *
 * Families and codes come from `distribute_io.errors` by way of the generated types. Library exceptions are turned into
 * one of these once, at the boundary. Cancellation is not an error.
 */

import type { ERROR_CODES, ErrorCode, ErrorFamily } from "../wire/messages.ts";

type CodeOf<Family extends ErrorFamily> = (typeof ERROR_CODES)[Family][number];

/** What an error may carry besides code and text. */
export interface ErrorExtras {
  /** What the library threw. */
  readonly cause?: unknown;
}

/** Base of all errors of this project. `message` says what happened in plain words, without any address or secret. */
export abstract class DistributeError extends Error {
  /** Says who must act. */
  abstract readonly family: ErrorFamily;
  /** Stable; an interface. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.code = code;
  }
}

/** Our caller, or the person at the browser, asked for something that cannot be done: correct the call. */
export class UsageError extends DistributeError {
  override readonly name = "UsageError";
  override readonly family = "usage";
  constructor(code: CodeOf<"usage">, message: string, extras?: ErrorExtras) {
    super(code, message, extras);
  }
}

/** The other end of a session or a peer connection broke the protocol: disconnect it. */
export class RemoteProtocolError extends DistributeError {
  override readonly name = "RemoteProtocolError";
  override readonly family = "protocol";
  constructor(code: CodeOf<"protocol">, message: string, extras?: ErrorExtras) {
    super(code, message, extras);
  }
}

/** One mirror or peer could not deliver: try elsewhere. */
export class SourceError extends DistributeError {
  override readonly name = "SourceError";
  override readonly family = "source";
  declare readonly code: CodeOf<"source">;
  /** The source's own word when it may be asked again, in microseconds from now; undefined if it said nothing. */
  readonly retryAfterUs: number | undefined;

  constructor(
    code: CodeOf<"source">,
    message: string,
    extras: ErrorExtras & { readonly retryAfterUs?: number | undefined } = {},
  ) {
    super(code, message, extras);
    this.retryAfterUs = extras.retryAfterUs;
  }
}

/** Bytes or signatures are not what the publisher signed: discard, blame, never deliver. */
export class IntegrityError extends DistributeError {
  override readonly name = "IntegrityError";
  override readonly family = "integrity";
  constructor(code: CodeOf<"integrity">, message: string, extras?: ErrorExtras) {
    super(code, message, extras);
  }
}

/** A manifest is malformed: its publisher must act. */
export class ManifestError extends DistributeError {
  override readonly name = "ManifestError";
  override readonly family = "manifest";
  constructor(code: CodeOf<"manifest">, message: string, extras?: ErrorExtras) {
    super(code, message, extras);
  }
}

/** The coordinator said no, or could not be asked. */
export class RefusedError extends DistributeError {
  override readonly name = "RefusedError";
  override readonly family = "refused";
  constructor(code: CodeOf<"refused">, message: string, extras?: ErrorExtras) {
    super(code, message, extras);
  }
}

/** Our own storage failed: the person at the browser must act. */
export class StoreError extends DistributeError {
  override readonly name = "StoreError";
  override readonly family = "store";
  constructor(code: CodeOf<"store">, message: string, extras?: ErrorExtras) {
    super(code, message, extras);
  }
}

/**
 * Failures that end a download for good: bytes or signatures are wrong. The plain link is then only a choice, never
 * taken by itself. A malformed manifest counts too: whoever could have the link followed by breaking the manifest would
 * have turned "verified" into the unverified link unseen.
 */
export function isIntegrityFailure(family: ErrorFamily): boolean {
  return family === "integrity" || family === "manifest";
}
