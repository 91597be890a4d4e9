/**
 * The donor page. Off until a click; what the person chose is remembered, and goes on after a reload only if it was left
 * on.
 */

import { WorkerFactory } from "../download/worker-code.ts";
import { DonorControl, type DonorState } from "../donate/donor-control.ts";
import { UP_BYTES_PER_S_MIN } from "../donate/remembered.ts";
import { defaultRate } from "../core/upload-probe.ts";
import { AppShell } from "./app-shell.ts";
import { DONOR_WORKER, loadCauses, missing, storeExists } from "./donate-needs.ts";
import { forget, grantedBytes, including, recall, remember, storageSteps } from "./donate-settings.ts";
import { TEXT } from "./donate-text.ts";
import { TallyView } from "./donate-tally.ts";
import { DonateView } from "./donate-view.ts";
import { KeepStored, keepingBrowser } from "./keep-stored.ts";
import { measureUpload } from "./measure-upload.ts";
import { isPhone, ScreenLock } from "./wake-lock.ts";

/** Written by the build: name of each part and its SRI hash. */
declare const __DIO_PARTS__: Readonly<Record<string, string>>;

/** A slider that is being dragged says many values a second; the donor hears of the last. */
const CHANGE_AFTER_MS = 150;

/** What was measured is given after so long without a change: nobody gives more than they have seen. */
const SETTLE_AFTER_MS = 5_000;

async function run(scriptUrl: string): Promise<void> {
  const why = missing();
  const remembered = recall();
  const screen = new ScreenLock();
  const keeping = new KeepStored(keepingBrowser());
  const shell = new AppShell(() => recall().on);
  let { rateKnown } = remembered;
  let last: DonorState["is"] = "off";
  let changeTimer: number | undefined;
  let stored = false;
  /** The measurement that is under way, and the time to change what it found. */
  let measuring: AbortController | undefined;
  /** Ends that time, now or a while after the last change. */
  let settleRate: ((now: boolean) => void) | undefined;
  /** The storage that was chosen last. */
  let { storageBytes } = remembered.settings;

  const save = () => {
    remember({ settings: view.chosen(), ...((rateKnown || view.rateMoved) && { rateKnown: true }) });
  };
  /** Left on, or not: what the next visit goes by. */
  const leave = (on: boolean) => {
    remember({ on, tallySecret: recall().tallySecret || tally.secret });
  };
  const endMeasuring = () => {
    if (measuring === undefined) return;
    measuring.abort();
    measuring = undefined;
    view.endMeasuring();
    view.show(control.state, stored);
  };
  /** Measures the line and says what of it would be given. @returns whether to go on: nobody stopped it. */
  const measure = async (signal: AbortSignal): Promise<boolean> => {
    const found = await measureUpload(view.chosen().allowance, signal);
    if (!signal.aborted && !view.rateMoved) {
      rateKnown = found !== undefined;
      view.showRate(found === undefined ? UP_BYTES_PER_S_MIN : defaultRate(found, UP_BYTES_PER_S_MIN), found);
      remember({ measuredBytesPerS: found });
      save(); // who stops now need not be measured again
      view.showMeasured(found);
      await new Promise<void>((goOn) => {
        signal.addEventListener("abort", () => {
          goOn();
        });
        let timer: number | undefined;
        settleRate = (now) => {
          window.clearTimeout(timer);
          timer = window.setTimeout(goOn, now ? 0 : SETTLE_AFTER_MS);
        };
        settleRate(false);
      });
      settleRate = undefined;
    }
    if (signal.aborted) return false;
    endMeasuring();
    goes();
    control.change(view.chosen());
    return true;
  };
  /** What goes with a start. */
  const goes = () => {
    save();
    leave(true);
    void shell.keep(partsOf(scriptUrl));
    void keeping.started();
  };
  /** @param click whether the person asked for it just now: nothing is measured without. */
  const start = async (click: boolean) => {
    settleRate?.(true);
    if (view.noCauseChosen || measuring !== undefined) return;
    if (click && !rateKnown && !view.rateMoved) {
      const { signal } = (measuring = new AbortController());
      view.showMeasuring();
      // Under the lock of whoever gives: nobody else counts meanwhile, or takes a part of the line.
      await control.start(view.chosen(), () => measure(signal));
      if (!signal.aborted) endMeasuring(); // another tab gives
      return;
    }
    goes();
    await control.start(view.chosen());
  };
  const stop = () => {
    endMeasuring();
    leave(false);
    void control.stop(false);
  };
  const view = new DonateView({
    start: () => void start(true),
    stop,
    erase: () => {
      endMeasuring();
      // All else is forgotten when it is done: another tab may give from the store by now, and keeps it.
      if (control.state.is === "running") leave(false);
      void control.stop(true);
    },
    changed: () => {
      view.show(control.state, stored);
      save();
      if (view.noCauseChosen) {
        // There is nobody left to give to.
        if (measuring !== undefined || last === "starting" || last === "running") stop();
        return;
      }
      if (settleRate !== undefined) {
        view.showMeasured(recall().measuredBytesPerS);
        settleRate(false);
      }
      window.clearTimeout(changeTimer);
      changeTimer = window.setTimeout(() => {
        const chosen = view.chosen();
        if (stored && chosen.storageBytes < storageBytes) void control.free(chosen.storageBytes);
        ({ storageBytes } = chosen);
        control.change(chosen);
      }, CHANGE_AFTER_MS);
    },
  });
  const tally = new TallyView(remembered.tallySecret, () => {
    remember({ tallySecret: tally.secret });
  });
  // A code that the person took over in another tab counts here, too.
  addEventListener("storage", () => {
    tally.follow(recall().tallySecret);
  });
  if (why !== undefined) {
    view.showUnavailable(why);
    return;
  }
  if (isPhone()) view.showPhone();

  const url = new URL(DONOR_WORKER, scriptUrl).href;
  const control = new DonorControl(
    {
      coordinatorUrl: location.origin,
      tallySecret: () => tally.secret,
      workers: new WorkerFactory({ kind: "part", url, integrity: __DIO_PARTS__[DONOR_WORKER] ?? "" }),
    },
    (state) => {
      const stopped = last === "stopping" && state.is === "off";
      const words = stopped
        ? state.erased
          ? TEXT.erased
          : view.noCauseChosen
            ? TEXT.noneLeft
            : TEXT.stopped
        : undefined;
      last = state.is;
      if (state.is === "running") stored = true;
      if (state.is === "off" && state.erased) {
        stored = false;
        forget();
        void shell.drop();
      }
      if ((state.is === "running" || state.is === "elsewhere") && state.status !== null) tally.showSum(state.status);
      screen.want(state.is === "running" && state.status.pause === null);
      view.show(state, stored, words);
    },
  );
  stored = await storeExists();
  const steps = including(storageSteps(await grantedBytes()), remembered.settings.storageBytes);
  view.showSettings(remembered.settings, steps, remembered.measuredBytesPerS);
  view.show(control.state, stored);
  const told = await loadCauses();
  view.showCauses(told?.causes, remembered.settings.causes);
  if (told !== undefined) view.showContact(told.contact);
  view.show(control.state, stored);
  if (remembered.on) void start(false);
}

/** What the page consists of, beside itself. */
function partsOf(scriptUrl: string): string[] {
  const parts = ["donate.css", "donate.js", DONOR_WORKER, "icon-192.png"];
  return parts.map((name) => new URL(name, scriptUrl).pathname);
}

const script = document.currentScript;
if (script instanceof HTMLScriptElement) void run(script.src);
