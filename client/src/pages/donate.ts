/**
 * The donor page. Off until a click; what the person chose is remembered, and goes on after a reload only if it was left
 * on.
 */

import { WorkerFactory } from "../download/worker-code.ts";
import { DonorControl, type DonorState } from "../donate/donor-control.ts";
import { STORE_FOLDER } from "../storage/segment-store.ts";
import { canConnect } from "../transport/rtc-host.ts";
import { decodeBody } from "../wire/decode.ts";
import { CAUSE_LIST_FIELDS, type Cause } from "../wire/messages.ts";
import { grantedBytes, recall, remember, storageSteps } from "./donate-settings.ts";
import { TEXT } from "./donate-text.ts";
import { DonateView } from "./donate-view.ts";

/** Written by the build: name of each part and its SRI hash. */
declare const __DIO_PARTS__: Readonly<Record<string, string>>;

const WORKER = "donor-worker.js";
const CAUSES_TIMEOUT_MS = 8_000;

/** A slider that is being dragged says many values a second; the donor hears of the last. */
const CHANGE_AFTER_MS = 150;

/** What donating needs and this browser does not have, in words; undefined when it has all. */
function missing(): string | undefined {
  if (!isSecureContext) return TEXT.insecure;
  if (typeof Worker !== "function") return TEXT.missing("workers");
  if (typeof WebSocket !== "function") return TEXT.missing("WebSockets");
  if (!canConnect()) return TEXT.missing("WebRTC");
  if (!("storage" in navigator) || !("getDirectory" in navigator.storage)) return TEXT.missing("private file storage");
  if (!("locks" in navigator)) return TEXT.missing("locks");
  return undefined;
}

/** Whether an earlier visit left something in this browser. */
async function storeExists(): Promise<boolean> {
  try {
    await (await navigator.storage.getDirectory()).getDirectoryHandle(STORE_FOLDER);
    return true;
  } catch {
    return false; // not there, or no storage at all (private windows), which the start will say
  }
}

async function loadCauses(): Promise<readonly Cause[] | undefined> {
  try {
    const response = await fetch("/api/v1/causes", { signal: AbortSignal.timeout(CAUSES_TIMEOUT_MS) });
    return response.ok ? decodeBody(CAUSE_LIST_FIELDS, await response.json()).causes : undefined;
  } catch {
    return undefined; // told to the person
  }
}

async function run(scriptUrl: string): Promise<void> {
  const why = missing();
  const remembered = recall();
  let on = remembered.on;
  let last: DonorState["is"] = "off";
  let timer: number | undefined;
  let erasing = false;
  let stored = false;

  const save = () => {
    remember({ settings: view.chosen(), on });
  };
  const start = () => {
    if (view.noCauseChosen) return;
    on = true;
    save();
    void control.start(view.chosen());
  };
  const view = new DonateView({
    start,
    stop: () => {
      on = false;
      save();
      void control.stop(false);
    },
    erase: () => {
      on = false;
      save();
      void control.stop(true);
    },
    changed: () => {
      view.show(control.state, stored);
      if (view.noCauseChosen) return;
      save();
      window.clearTimeout(timer);
      timer = window.setTimeout(() => {
        control.change(view.chosen());
      }, CHANGE_AFTER_MS);
    },
  });
  if (why !== undefined) {
    view.showUnavailable(why);
    return;
  }

  const url = new URL(WORKER, scriptUrl).href;
  const control = new DonorControl(
    {
      coordinatorUrl: location.origin,
      workers: new WorkerFactory({ kind: "part", url, integrity: __DIO_PARTS__[WORKER] ?? "" }),
    },
    (state) => {
      const words = last === "stopping" && state.is === "off" ? (erasing ? TEXT.erased : TEXT.stopped) : undefined;
      last = state.is;
      if (state.is === "stopping") {
        erasing = state.erasing;
        on = false; // another tab may have said so
      }
      if (state.is === "running") stored = true;
      else if (words === TEXT.erased) stored = false;
      view.show(state, stored, words);
    },
  );
  stored = await storeExists();
  view.showSettings(remembered.settings, storageSteps(await grantedBytes()));
  view.show(control.state, stored);
  view.showCauses(await loadCauses(), remembered.settings.causes);
  view.show(control.state, stored);
  if (remembered.on) start();
}

const script = document.currentScript;
if (script instanceof HTMLScriptElement) void run(script.src);
