/**
 * A page that gives what it has downloaded, in its worker: a donor without a store of its own, that is assigned nothing.
 *
 * Rules:
 * - The limits are hard (share-limits.ts): what goes out is charged before it goes, and the charge is kept before it is
 *   used, so that no reload and no second tab doubles a budget.
 * - While the allowance says pause, whoever is being served is let go and nobody is introduced.
 * - A coordinator that is gone stops nothing: channels stay, the session comes back by itself, and all is said again.
 */

import { NOTHING_CHARGED, type Charged, type DeviceState, type LocalTime } from "../core/allowance.ts";
import { inParts, runsToWire, type Runs } from "../core/runs.ts";
import type { Sha256 } from "../core/verified.ts";
import { GivenFigures } from "../donate/donor-figures.ts";
import { KeptAllowance } from "../donate/kept-allowance.ts";
import { Serving } from "../donate/serving.ts";
import type { LinkWorld } from "../transport/peer-link.ts";
import { RtcClient, type RtcClientPort } from "../transport/rtc-client.ts";
import { SessionClient, type SessionMessage, type SessionWorld } from "../transport/session-client.ts";
import type { FileRuns } from "../wire/messages.ts";
import type { FromSharer, SharedFile, ShareStart, ShareStatus } from "./messages.ts";
import { shareLimits, type ShareLimits } from "./share-limits.ts";
import { SharedFiles } from "./shared-files.ts";

/** Everything that the browser gives, injected. */
export interface SharerWorld extends LinkWorld {
  readonly session: SessionWorld;
  readonly sha256: Sha256;
  readonly localTime: () => LocalTime;
  /** The file of a download as it is now; undefined when it is gone. */
  readonly open: (fileId: string) => Promise<Blob | undefined>;
}

const AGENT = "distribute.io page that shares";

/** How often the coordinator hears of new holdings, and the page of figures. */
const TELL_US = 1_000_000;

export class Sharer {
  readonly #world: SharerWorld;
  readonly #report: (message: FromSharer) => void;
  readonly #files: SharedFiles;
  readonly #rtc: RtcClient;
  readonly #serving: Serving;
  readonly #session: SessionClient;
  readonly #allowance: KeptAllowance;
  #chosen: string | null;
  #limits: ShareLimits;
  readonly #given: GivenFigures;
  /** Files of which the coordinator has to hear. */
  readonly #changed = new Set<string>();
  #device: DeviceState = { charging: null, metered: null };
  #pause: ShareStatus["pause"] = null;
  #sessionState: ShareStatus["session"] = "connecting";
  /** Downloaders that confirmed to the coordinator that they got something. */
  #confirmed = 0;
  /** Told when the charge that is under way is kept. */
  #kept: ((kept: boolean) => void) | undefined;
  #cancelTell: () => void = () => undefined;
  #stopped = false;

  constructor(start: ShareStart, rtc: RtcClientPort, world: SharerWorld, report: (message: FromSharer) => void) {
    this.#world = world;
    this.#report = report;
    const { day } = world.localTime();
    const charged = start.charged ?? NOTHING_CHARGED;
    this.#chosen = start.chosen;
    this.#limits = shareLimits(start.chosen);
    const { upBytesPerS, takersMax, allowance } = this.#limits;
    this.#allowance = new KeptAllowance(allowance, charged, world.localTime, (latest) => this.#keep(latest));
    const none = { servedBytes: 0, servedTodayBytes: 0, day, people: 0, peopleToday: 0, charged };
    this.#given = new GivenFigures(none, world.localTime, world.clock.nowUs());
    this.#files = new SharedFiles(world.open, world.sha256, (fileId) => {
      this.#holdingsChanged(fileId);
    });
    this.#rtc = new RtcClient(rtc);
    this.#serving = new Serving(
      this.#files,
      this.#rtc,
      world,
      upBytesPerS,
      takersMax,
      (message) => {
        // What a receipt is for has to be known as held: nobody assigned it (spec/session.md, C2).
        if (message.type === "receipt") this.#tellHoldings();
        return this.#session.send(message);
      },
      {
        mayGive: (frameBytes) => this.#allowance.mayGive(frameBytes),
        served: (sizeBytes, first) => {
          this.#given.served(sizeBytes, first, world.clock.nowUs());
        },
        lost: (fileId) => {
          this.#holdingsChanged(fileId);
        },
      },
    );
    this.#session = new SessionClient(
      start.sessionUrl,
      AGENT,
      {
        onWelcome: (welcome) => {
          this.#rtc.configure(welcome.stun, (message) => this.#session.send(message));
          this.#sessionState = "online";
          this.#sayLimits();
          this.#changed.clear();
          const parts = inParts(this.#files.fileIds.map((id) => this.#runs(id)));
          for (const [place, files] of parts.entries())
            this.#session.send({ type: "holdings", files, complete: place === parts.length - 1 });
          this.#serving.forwardReceipts();
        },
        onMessage: (message) => {
          this.#heed(message);
        },
        onLost: () => {
          this.#sessionState = "offline";
        },
      },
      world.session,
      start.page,
    );
    // Where the clock was ahead the day that it is now is to be kept; told when whoever made this can hear it.
    if (charged.day > day) void Promise.resolve().then(() => this.#allowance.save());
    this.#tell();
  }

  /** A file is about to be held. */
  add(file: SharedFile): void {
    this.#files.add(file);
  }

  /** Segments of a file are right and stored. */
  stored(fileId: string, runs: Runs): void {
    this.#files.stored(fileId, runs);
    this.#holdingsChanged(fileId);
  }

  /** A file is not shared any more. */
  drop(fileId: string): void {
    this.#files.drop(fileId);
    this.#holdingsChanged(fileId);
    this.#tellHoldings();
  }

  /** What the visitor chose on the donor page of this site by now. */
  chose(chosen: string | null): void {
    if (chosen === this.#chosen) return; // something else was written down
    this.#chosen = chosen;
    this.#limits = shareLimits(chosen);
    const { upBytesPerS, takersMax, allowance } = this.#limits;
    this.#serving.setLimits(upBytesPerS, takersMax);
    this.#allowance.limits = allowance;
    this.#heedAllowance();
    if (this.#sessionState === "online") this.#sayLimits();
  }

  /** What was charged is kept. */
  charged(): void {
    this.#kept?.(true);
  }

  heedDevice(device: DeviceState): void {
    this.#device = device;
    this.#heedAllowance();
  }

  /** Lets everybody go. Nothing goes out after this. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#kept?.(false);
    this.#cancelTell();
    this.#serving.closeAll(0);
    this.#session.send({ type: "stop_donating" });
    this.#session.close();
    this.#report({ type: "share_stopped", charged: this.#allowance.close() });
  }

  #heed(message: SessionMessage): void {
    this.#serving.heed(message);
    switch (message.type) {
      case "withdrawn":
        this.drop(message.file_id);
        return;
      case "credited":
        this.#confirmed = message.downloaders;
        return;
      default:
      // Assignments are for donors with a store; the rest is for eyes that this page does not have.
    }
  }

  /** The page keeps the charge. @returns whether it did. */
  #keep(charged: Charged): Promise<boolean> {
    const kept = new Promise<boolean>((resolve) => (this.#kept = resolve));
    this.#report({ type: "share_charge", charged });
    return kept;
  }

  /** Begins or ends a pause, when it is time. */
  #heedAllowance(): void {
    const pause = this.#allowance.pause(this.#device);
    const toggles = (pause === null) !== (this.#pause === null);
    this.#pause = pause;
    if (!toggles || this.#stopped) return;
    this.#serving.setPaused(pause !== null);
    this.#sayLimits();
    this.#status();
  }

  #sayLimits(): void {
    const gives = this.#pause === null;
    const { upBytesPerS, takersMax } = this.#limits;
    this.#session.send({
      type: "donate",
      causes: [],
      storage_bytes: 0,
      up_bytes_per_s: gives ? upBytesPerS : 0,
      takers_max: gives ? takersMax : 0,
    });
  }

  #runs(fileId: string): FileRuns {
    return { file_id: fileId, runs: runsToWire(this.#files.holdings(fileId)) };
  }

  #holdingsChanged(fileId: string): void {
    this.#changed.add(fileId);
    this.#serving.holdingsChanged(fileId);
  }

  #tell(): void {
    this.#cancelTell = this.#world.clock.after(TELL_US, () => {
      this.#tell();
    });
    this.#heedAllowance();
    this.#tellHoldings();
    this.#status();
  }

  #tellHoldings(): void {
    if (!this.#session.open || this.#changed.size === 0) return;
    for (const files of inParts([...this.#changed].map((id) => this.#runs(id))))
      this.#session.send({ type: "holdings", files, complete: false });
    this.#changed.clear();
  }

  #status(): void {
    const { rateBytesPerS, servedBytes, people } = this.#given.show(this.#world.clock.nowUs());
    const status: ShareStatus = {
      session: this.#sessionState,
      takers: this.#serving.takers,
      rateBytesPerS,
      givenBytes: servedBytes,
      // One person may be introduced again and again, as this page gets more: the coordinator knows who is who.
      people: Math.min(people, Math.max(1, this.#confirmed)),
      pause: this.#pause,
    };
    this.#report({ type: "share_status", status });
  }
}
