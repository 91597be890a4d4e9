/** Errors that crossed from a worker as family, code and text, made into errors again. */

import {
  isDistributeError,
  type DistributeError,
  IntegrityError,
  ManifestError,
  RefusedError,
  RemoteProtocolError,
  SourceError,
  StoreError,
  UsageError,
} from "../wire/errors.ts";
import type { ErrorCode, ErrorFamily } from "../wire/messages.ts";

const CLASSES = {
  usage: UsageError,
  protocol: RemoteProtocolError,
  source: SourceError,
  integrity: IntegrityError,
  manifest: ManifestError,
  refused: RefusedError,
  store: StoreError,
} as const;

/** The error that a worker reported. */
export function remoteError(report: {
  readonly family: ErrorFamily;
  readonly code: ErrorCode;
  readonly message: string;
}): DistributeError {
  // as: our own worker made the report from such an error, so family and code belong together.
  const Family = CLASSES[report.family] as new (code: ErrorCode, message: string) => DistributeError;
  return new Family(report.code, report.message);
}

/** Any failure as one of ours: what no code of ours foresaw is this browser's inability. */
export function asDistributeError(cause: unknown): DistributeError {
  if (isDistributeError(cause)) return cause;
  return new UsageError("unsupported_browser", "This browser lacks something that is needed.", { cause });
}
