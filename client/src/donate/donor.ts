/**
 * A donor, from the first word to the last: wires the session, the store, the serving and the filling together, and tells
 * the page how it goes.
 *
 * Rules:
 * - The person's limits are hard and are in force before anything else happens: the store opens under its limit, a smaller
 *   one frees at once, on its own, before the coordinator hears of it.
 * - After every welcome everything is said again: limits, then all that is held. So a coordinator that forgot, or another
 *   one, has nothing pushed twice.
 * - Nothing is given while the allowance says pause: whoever is being served is let go, and the coordinator hears that
 *   nobody is to be introduced. What is held stays; it is filled on where only a budget is used up (spec/allowance.md, A8).
 * - A device that is hard pressed gives less than it may (core/strain.ts).
 * - Where the browser gives less room than the person allowed, what is held is the limit that the coordinator hears, until
 *   it is tried again: nothing is planned for room that is not there.
 * - A coordinator that is gone stops nothing: channels stay, the session comes back by itself.
 */

import { furtherOn, NOTHING_CHARGED, type Charged, type DeviceState, type LocalTime } from "../core/allowance.ts";
import { assignedRuns, keepFirst, type AssignedFile } from "../core/fill-plan.ts";
import { inParts, runsToWire } from "../core/runs.ts";
import { RECORD_BYTES } from "../core/store-record.ts";
import { Strain, type Pressure } from "../core/strain.ts";
import { SegmentStore, STORE_BYTES_MIN, type StoreFolder } from "../storage/segment-store.ts";
import type { LinkWorld } from "../transport/peer-link.ts";
import { RtcClient, type RtcClientPort } from "../transport/rtc-client.ts";
import { SessionClient, type SessionMessage, type SessionWorld } from "../transport/session-client.ts";
import type { Fetch } from "../transport/http-source.ts";
import type { Sha256 } from "../core/verified.ts";
import type { Complete } from "../wire/decode.ts";
import {
  FILES_PER_MESSAGE_MAX,
  type Assign,
  type ClientMessage,
  type ErrorCode,
  type FileRuns,
} from "../wire/messages.ts";
import type { FileCatalogue } from "./catalogue.ts";
import { FillPeers } from "./fill-peers.ts";
import { Filler, type FetchedBytes } from "./filler.ts";
import { assignedFigures, GivenFigures, heldFiles } from "./donor-figures.ts";
import { KeptAllowance } from "./kept-allowance.ts";
import type { DonorSettings, DonorStart, DonorStatus, TallyFigures } from "./messages.ts";
import { Serving, takersFor } from "./serving.ts";

/** Everything that the browser gives, injected. */
export interface DonorWorld extends LinkWorld {
  readonly session: SessionWorld;
  readonly root: StoreFolder;
  readonly fetch: Fetch;
  readonly sha256: Sha256;
  readonly localTime: () => LocalTime;
  readonly catalogue: FileCatalogue;
}

const NO_CREDIT = { verifiedBytes: 0, verifiedPeople: 0, countries: [] } as const;

const TELL_US = 1_000_000;
const SAVE_EVERY_TELLS = 5;

/** Names the program to the operator of a coordinator. */
const AGENT = "distribute.io page";

/** After the browser refused room, more is tried this much later. */
const ROOM_RETRY_US = 600_000_000;

/** Segments are 256 KiB or more, but for the last of a file: what the index may take of the room at most. */
const INDEX_SHARE = 262_144 / RECORD_BYTES;

export class Donor {
  readonly #world: DonorWorld;
  readonly #store: SegmentStore;
  readonly #catalogue: FileCatalogue;
  readonly #session: SessionClient;
  readonly #rtc: RtcClient;
  readonly #serving: Serving;
  readonly #fillPeers: FillPeers;
  readonly #filler: Filler;
  readonly #report: (status: DonorStatus) => void;
  readonly #given: GivenFigures;
  readonly #allowance: KeptAllowance;
  readonly #strain = new Strain();
  #sharePercent = 100;
  /** When the window was told something that it did not answer yet. */
  #askedUs: number | undefined;
  /** Bytes that the browser really gives, and until when that is believed. */
  #room: { readonly bytes: number; readonly untilUs: number } | undefined;
  #device: DeviceState = { charging: null, metered: null };
  #pause: DonorStatus["pause"] = null;
  #settings: DonorSettings;
  #sessionState: DonorStatus["session"] = "connecting";
  #retryMs = 0;
  #credited: Pick<DonorStatus, "verifiedBytes" | "verifiedPeople" | "countries"> = NO_CREDIT;
  readonly #tallySecret: string;
  #tally: TallyFigures | null = null;
  #problem: ErrorCode | null = null;
  /** Assignment that is coming in parts. */
  #assigning: { readonly assignment: number; readonly files: AssignedFile[] } | undefined;
  /** Files whose holdings are to be told, and what was filled. */
  readonly #changed = new Set<string>();
  readonly #filled = new Map<string, FetchedBytes>();
  #tells = 0;
  #unsaved = false;
  #cancelTell: () => void = () => undefined;
  #stopped = false;
  #naming = false;
  readonly #unnamed = new Set<string>();
  readonly #aborted = new AbortController();

  /**
   * Opens the store and starts.
   *
   * @throws StoreError when there is no place, or another tab has it.
   */
  static async start(
    start: DonorStart,
    rtc: RtcClientPort,
    world: DonorWorld,
    report: (status: DonorStatus) => void,
  ): Promise<Donor> {
    const store = await SegmentStore.open(world.root, start.settings.storageBytes, world.sha256);
    return new Donor(start, rtc, store, world, report);
  }

  private constructor(
    start: DonorStart,
    rtc: RtcClientPort,
    store: SegmentStore,
    world: DonorWorld,
    report: (status: DonorStatus) => void,
  ) {
    this.#world = world;
    this.#store = store;
    this.#settings = start.settings;
    this.#tallySecret = start.tallySecret ?? "";
    this.#report = report;
    this.#given = new GivenFigures(store.totals, world.localTime, world.clock.nowUs());
    const charged = furtherOn(store.totals.charged, start.charged ?? NOTHING_CHARGED);
    this.#allowance = new KeptAllowance(start.settings.allowance, charged, world.localTime, (latest) =>
      this.#saveTotals(latest),
    );
    this.#unsaved = charged.day > world.localTime().day; // the clock was ahead: the day that it is now is to be kept
    this.#catalogue = world.catalogue;
    this.#rtc = new RtcClient(rtc);
    const say = (message: ClientMessage) => this.#session.send(message);
    const { upBytesPerS, takersMax } = start.settings;
    this.#serving = new Serving(store, this.#rtc, world, upBytesPerS, takersMax, say, {
      mayGive: (frameBytes) => this.#allowance.mayGive(frameBytes),
      served: (sizeBytes, first) => {
        this.#given.served(sizeBytes, first, world.clock.nowUs());
        this.#unsaved = true;
      },
      lost: (fileId) => {
        this.#holdingsChanged([fileId]);
        this.#filler.nudge();
      },
    });
    this.#fillPeers = new FillPeers(this.#rtc, world, say);
    this.#filler = new Filler(
      store,
      this.#catalogue,
      this.#fillPeers,
      { clock: world.clock, fetch: world.fetch, sha256: world.sha256, chance: () => world.session.chance() },
      {
        filled: (fileId, fetched) => {
          this.#filled.set(fileId, fetched);
          this.#holdingsChanged([fileId]);
        },
        dropped: (fileIds) => {
          this.#holdingsChanged(fileIds);
        },
        problem: (code) => {
          this.#problem = code ?? null;
          if (code === "quota_exceeded") this.#heedQuota();
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
          this.#introduce();
          this.#fillPeers.onWelcome(welcome);
        },
        onMessage: (message) => {
          this.#heed(message);
        },
        onLost: (_code, retryMs) => {
          this.#sessionState = "offline";
          this.#fillPeers.onLost();
          this.#retryMs = retryMs;
        },
      },
      world.session,
    );
    this.#heedAllowance();
    void this.#filler.run();
    this.#tell();
  }

  /** New limits, in force when this has settled. */
  async change(settings: DonorSettings): Promise<void> {
    this.#settings = settings;
    this.#room = undefined;
    this.#setRate();
    this.#allowance.limits = settings.allowance;
    this.#heedAllowance();
    const before = new Set(this.#store.records.map((record) => record.fileId));
    const held = this.#store.records.length;
    await this.#store.setLimit(settings.storageBytes, keepFirst(this.#filler.target));
    if (this.#store.records.length < held) this.#holdingsChanged(before);
    // What is left is told first, so that the next assignment is made from it and nothing that was removed comes back.
    this.#tellHoldings();
    this.#sayLimits();
    this.#status();
  }

  /** What the device says of itself. */
  heedDevice(device: DeviceState): void {
    this.#device = device;
    this.#heedAllowance();
  }

  /** What the system says of its processors. */
  heedPressure(pressure: Pressure): void {
    this.#strain.pressed(pressure);
    this.#heedStrain();
  }

  /** The window answered a status. */
  windowAnswered(): void {
    if (this.#askedUs === undefined) return;
    const nowUs = this.#world.clock.nowUs();
    this.#strain.answered(nowUs - this.#askedUs, nowUs);
    this.#askedUs = undefined;
    this.#heedStrain();
  }

  /** Closes everything. What is held stays, or, with `erase`, nothing does. */
  async stop(erase: boolean): Promise<void> {
    if (this.#stopped) return;
    this.#status(); // the last figures
    this.#stopped = true;
    const charged = this.#allowance.close();
    this.#serving.closeAll(0);
    this.#filler.stop();
    this.#aborted.abort();
    this.#cancelTell();
    this.#session.send({ type: "stop_donating" });
    this.#session.close();
    if (erase) {
      await this.#store.erase();
      return;
    }
    try {
      await this.#store.saveTotals(this.#given.totals(charged));
    } finally {
      this.#store.close();
    }
  }

  #heed(message: SessionMessage): void {
    this.#fillPeers.onMessage(message);
    this.#serving.heed(message);
    switch (message.type) {
      case "assign":
        this.#assigned(message);
        return;
      case "withdrawn":
        void this.#withdraw(message.file_id);
        return;
      case "tallied":
        this.#tally = {
          bytes: message.bytes_total,
          todayBytes: message.bytes_today,
          countries: message.countries,
        };
        return;
      case "credited":
        this.#credited = {
          verifiedBytes: message.bytes_total,
          verifiedPeople: message.downloaders,
          countries: message.countries,
        };
        return;
      default:
      // Introductions, which those heed who serve and fill, and what a person cannot help.
    }
  }

  /** First words of a session: limits, then all that is held. */
  #introduce(): void {
    this.#sayLimits();
    this.#changed.clear();
    this.#filled.clear();
    this.#filler.newSession();
    const files = [...new Set(this.#store.records.map((record) => record.fileId))];
    const parts = inParts(files.map((fileId) => this.#fileRuns(fileId)));
    for (const [place, part] of parts.entries())
      this.#session.send({ type: "holdings", files: part, complete: place === parts.length - 1 });
    this.#serving.forwardReceipts();
    if (this.#tallySecret !== "") this.#session.send({ type: "tally", secret: this.#tallySecret });
  }

  /** Keeps what was given and charged. @returns whether it is kept. */
  async #saveTotals(charged: Charged): Promise<boolean> {
    try {
      await this.#store.saveTotals(this.#given.totals(charged));
      return true;
    } catch {
      this.#problem = "store_unreadable";
      return false;
    }
  }

  /** Begins or ends a pause, when it is time. */
  #heedAllowance(): void {
    this.#filler.rest(!this.#allowance.mayFill(this.#device));
    const pause = this.#allowance.pause(this.#device);
    if (pause === this.#pause) return;
    const toggles = (pause === null) !== (this.#pause === null);
    this.#pause = pause;
    if (!toggles) return;
    this.#serving.setPaused(pause !== null);
    if (this.#sessionState === "online") this.#sayLimits();
    this.#status();
  }

  /** Gives less while the device is hard pressed. */
  #heedStrain(): void {
    const share = this.#strain.sharePercent(this.#world.clock.nowUs());
    if (share === this.#sharePercent) return;
    this.#sharePercent = share;
    this.#setRate();
  }

  #setRate(): void {
    const upBytesPerS = Math.max(1, Math.floor((this.#settings.upBytesPerS * this.#sharePercent) / 100));
    this.#serving.setLimits(upBytesPerS, this.#settings.takersMax);
  }

  /** The browser gives no more room: what is held is all that can be planned with. */
  #heedQuota(): void {
    this.#room = { bytes: this.#store.usedBytes, untilUs: this.#world.clock.nowUs() + ROOM_RETRY_US };
    this.#sayLimits();
  }

  /** Asks for the whole room again when it is time. */
  #heedRoom(): void {
    if (this.#room === undefined || this.#world.clock.nowUs() < this.#room.untilUs) return;
    this.#room = undefined;
    this.#sayLimits();
  }

  #sayLimits(): void {
    const { causes, takersMax } = this.#settings;
    const storageBytes = Math.min(this.#settings.storageBytes, this.#room?.bytes ?? Infinity);
    const upBytesPerS = this.#pause === null ? this.#settings.upBytesPerS : 0;
    // The coordinator counts segments; what the index needs beside them is ours to keep free.
    const segmentBytes = Math.max(0, storageBytes - STORE_BYTES_MIN);
    this.#session.send({
      type: "donate",
      causes,
      storage_bytes: Math.floor(segmentBytes - segmentBytes / INDEX_SHARE),
      up_bytes_per_s: upBytesPerS,
      takers_max: this.#pause === null ? takersFor(upBytesPerS, takersMax) : 0,
    });
  }

  #fileRuns(fileId: string): FileRuns {
    return { file_id: fileId, runs: runsToWire(this.#store.holdings(fileId)) };
  }

  #assigned(message: Complete<Assign>): void {
    if (this.#assigning?.assignment !== message.assignment) {
      this.#assigning = { assignment: message.assignment, files: [] };
    }
    for (const { file_id: fileId, runs } of message.files) {
      this.#assigning.files.push({ fileId, runs: assignedRuns(runs) });
    }
    if (message.more) return;
    this.#filler.assign(this.#assigning.files);
    this.#assigning = undefined;
    this.#status();
  }

  async #withdraw(fileId: string): Promise<void> {
    this.#filler.assign(this.#filler.target.filter((file) => file.fileId !== fileId));
    this.#fillPeers.forget(fileId);
    this.#catalogue.forget(fileId);
    await this.#store.drop(this.#store.records.filter((record) => record.fileId === fileId));
    this.#holdingsChanged([fileId]);
    this.#tellHoldings();
  }

  #holdingsChanged(fileIds: Iterable<string>): void {
    for (const fileId of fileIds) {
      this.#changed.add(fileId);
      this.#serving.holdingsChanged(fileId);
    }
  }

  /** Every second: what has changed, to the coordinator and to the page. */
  #tell(): void {
    this.#cancelTell = this.#world.clock.after(TELL_US, () => {
      this.#tell();
    });
    this.#heedAllowance();
    this.#heedStrain();
    this.#heedRoom();
    this.#tellHoldings();
    this.#status();
    void this.#nameOne();
    this.#tells += 1;
    if (!this.#unsaved || this.#tells % SAVE_EVERY_TELLS !== 0) return;
    this.#unsaved = false;
    void this.#allowance.save();
  }

  #tellHoldings(): void {
    if (!this.#session.open || this.#stopped) return;
    const changed = [...this.#changed].slice(0, FILES_PER_MESSAGE_MAX).map((fileId) => this.#fileRuns(fileId));
    const [files = []] = inParts(changed); // what has no room is told a second later
    if (files.length > 0) this.#session.send({ type: "holdings", files, complete: false });
    for (const { file_id: fileId } of files) this.#changed.delete(fileId);
    for (const [fileId, { mirrorBytes, donorBytes }] of this.#filled) {
      this.#session.send({
        type: "filled",
        file_id: fileId,
        mirror_bytes: mirrorBytes,
        donor_bytes: donorBytes,
      });
    }
    this.#filled.clear();
  }

  /** Looks one held file up that has no name yet: people want to see what they hold. */
  async #nameOne(): Promise<void> {
    if (this.#naming || this.#sessionState !== "online" || !this.#allowance.mayFill(this.#device)) return;
    const nameless = this.#store.records.find(
      ({ fileId }) => this.#catalogue.about(fileId) === undefined && !this.#unnamed.has(fileId),
    );
    if (nameless === undefined) return;
    this.#naming = true;
    try {
      await this.#catalogue.look(nameless.fileId, this.#aborted.signal);
    } catch {
      this.#unnamed.add(nameless.fileId); // shown without a name; it is no reason to stop
    } finally {
      this.#naming = false;
    }
  }

  #status(): void {
    if (this.#stopped) return;
    const sent = this.#allowance.used;
    this.#askedUs ??= this.#world.clock.nowUs();
    this.#report({
      session: this.#sessionState,
      retryMs: this.#retryMs,
      takers: this.#serving.takers,
      ...this.#given.show(this.#world.clock.nowUs()),
      sentTodayBytes: sent.dayBytes,
      sentThisMonthBytes: sent.monthBytes,
      pause: this.#pause,
      slowed: this.#sharePercent < 100,
      ...this.#credited,
      tally: this.#tally,
      usedBytes: this.#store.usedBytes,
      limitBytes: this.#store.limitBytes,
      ...assignedFigures(this.#filler.target, (fileId, index) => this.#store.has(fileId, index)),
      files: heldFiles(this.#store.records, this.#filler.target, (fileId) => this.#catalogue.about(fileId)),
      problem: this.#problem,
    });
  }
}
