/**
 * The npm module: downloads and donates from a program of one's own, without the tag, a panel or a page of ours.
 *
 * @example
 * ```ts
 * import { download } from "distribute-io";
 * const { blob, sha256 } = await download("https://mirror.example/big.iso", {
 *   coordinator: "https://dio.example",
 *   key: "ed25519:…",
 * });
 * ```
 */

export { download, type DownloadOptions, type DownloadProgress, type DownloadResult } from "./download/module.ts";
export { deleteUnfinished, listUnfinished, type UnfinishedDownload } from "./saving/kept-files.ts";
export { stopSharing } from "./share/module.ts";
export type { ShareState } from "./share/share-control.ts";
export type { ShareStatus } from "./share/messages.ts";
export { donate, type DonateOptions, type Donation } from "./donate/module.ts";
export type { DonorSettings, DonorStatus, HeldFile } from "./donate/messages.ts";
export type { SourceProgress } from "./worker/messages.ts";
export { DistributeError } from "./wire/errors.ts";
