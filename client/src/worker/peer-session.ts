/**
 * A download's conversation with its coordinator, and its donors.
 *
 * The session is there for every download that has an address for it, also with mirrors only: it carries the figures by
 * which publishers see what donors saved them. Donors are asked for only between {@link PeerSession.allow} and
 * {@link PeerSession.forbid}. The download does not need any of it: whatever fails here is silent.
 */

import type { Runs } from "../core/runs.ts";
import { webCryptoHmac } from "../transport/hmac.ts";
import { PeerPool, type PeerJob, type PeerPoolEvents } from "../transport/peer-pool.ts";
import { RtcClient } from "../transport/rtc-client.ts";
import { SessionClient, browserSessionWorld } from "../transport/session-client.ts";
import type { Clock } from "../transport/clock.ts";
import type { Complete } from "../wire/decode.ts";
import type { Usage, Welcome } from "../wire/messages.ts";
import type { DownloadJob } from "./messages.ts";

/** How this program names itself to coordinators. */
const AGENT = "distribute-io page";

/** The figures are told again after so many more bytes, and at the end. */
const USAGE_EVERY_BYTES = 16 * 1024 * 1024;

/** What a download has had so far, cumulative. */
export interface UsageFigures {
  readonly mirrorBytes: number;
  readonly donorBytes: number;
  readonly rejectedBytes: number;
}

export class PeerSession {
  readonly #clock: Clock;
  readonly #session: SessionClient;
  #download: { readonly job: PeerJob; readonly events: PeerPoolEvents } | undefined;
  #sought: { readonly fileId: string; readonly segments: number } | undefined;
  #welcome: Complete<Welcome> | undefined;
  #pool: PeerPool | undefined;
  #figures: UsageFigures = { mirrorBytes: 0, donorBytes: 0, rejectedBytes: 0 };
  #toldBytes = 0;
  #open = true;

  /** Connects at once: the session comes about while the download's store and segment list are still awaited. */
  constructor({ sessionUrl, page }: Pick<DownloadJob, "sessionUrl" | "page">, clock: Clock) {
    this.#clock = clock;
    this.#session = new SessionClient(
      sessionUrl,
      AGENT,
      {
        onWelcome: (welcome) => {
          this.#welcome = welcome;
          this.#pool?.onWelcome(welcome);
          this.#toldBytes = 0; // a new session knows nothing
        },
        onMessage: (message) => {
          this.#pool?.onMessage(message);
        },
        onLost: () => {
          this.#welcome = undefined;
          this.#pool?.onLost();
        },
      },
      browserSessionWorld(),
      page,
    );
  }

  /** Whether it has not been closed. */
  get open(): boolean {
    return this.#open;
  }

  /** The file that a download is going to be of; ahead of {@link begin}, so that donors are there by then. */
  seek(fileId: string, segments: number): void {
    this.#sought = { fileId, segments };
    this.#pool?.seek(fileId, segments);
  }

  /** The download that this is for. Once, before the figures. */
  begin(job: PeerJob, events: PeerPoolEvents): void {
    this.#download = { job, events };
    this.#pool?.begin(job, events);
  }

  /**
   * Gets donors from now on, as soon as it is known of what. Takes ownership of the port, which leads to the page's
   * `RtcHost`.
   *
   * @param early whether connections are made ahead of the welcome: donors will be needed, and the STUN servers are known.
   */
  allow(rtc: MessagePort, early: boolean): void {
    this.forbid();
    if (!this.#open) return;
    const pool = new PeerPool(new RtcClient(rtc), { clock: this.#clock, hmac: webCryptoHmac }, (message) =>
      this.#session.send(message),
    );
    this.#pool = pool;
    if (this.#welcome !== undefined) pool.onWelcome(this.#welcome);
    else if (early) pool.warm();
    if (this.#download !== undefined) pool.begin(this.#download.job, this.#download.events);
    else if (this.#sought !== undefined) pool.seek(this.#sought.fileId, this.#sought.segments);
  }

  /** Lets all donors go; asks for none until the next {@link allow}. */
  forbid(): void {
    this.#pool?.close();
    this.#pool = undefined;
  }

  /** Something was stored, or a source failed: another set of donors may be useful. */
  progressed(): void {
    this.#pool?.progressed();
  }

  /** So many bytes of a donor were found right, in all. */
  credited(sourceId: string, bytesTotal: number): void {
    this.#pool?.credited(sourceId, bytesTotal);
  }

  /** A donor sent wrong bytes. */
  lied(sourceId: string): void {
    this.#pool?.lied(sourceId);
  }

  /** A mirror was banned or given up: the coordinator looks at it, and leaves it out if it is so. */
  mirrorFailed(url: string, code: string): void {
    if (this.#download === undefined) return;
    this.#session.send({ type: "mirror_report", file_id: this.#download.job.fileId, url, code });
  }

  /** Notes the figures, and tells them from time to time. */
  used(figures: UsageFigures): void {
    this.#figures = figures;
    const bytes = figures.mirrorBytes + figures.donorBytes + figures.rejectedBytes;
    if (bytes >= this.#toldBytes + USAGE_EVERY_BYTES) this.#tell(bytes);
  }

  /** Tells the last figures and ends the session. */
  close(): void {
    this.#open = false;
    this.forbid();
    const { mirrorBytes, donorBytes, rejectedBytes } = this.#figures;
    this.#tell(mirrorBytes + donorBytes + rejectedBytes);
    this.#session.close();
  }

  #tell(bytes: number): void {
    if (this.#download === undefined) return;
    const { mirrorBytes, donorBytes, rejectedBytes } = this.#figures;
    const usage: Usage = {
      type: "usage",
      file_id: this.#download.job.fileId,
      mirror_bytes: mirrorBytes,
      donor_bytes: donorBytes,
      rejected_bytes: rejectedBytes,
    };
    if (this.#session.send(usage)) this.#toldBytes = bytes;
  }
}

/** The segments that are not stored yet, as runs. */
export function missingRuns(stored: readonly boolean[]): Runs {
  const runs: [number, number][] = [];
  stored.forEach((done, index) => {
    if (done) return;
    const last = runs.at(-1);
    if (last?.[1] === index) last[1] = index + 1;
    else runs.push([index, index + 1]);
  });
  return runs;
}
